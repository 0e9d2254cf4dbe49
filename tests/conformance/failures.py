"""What goes wrong, each told once: the same error on every wire, and what helps is done."""

from typing import Any

import pytest

from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.types.events import ContinueEvent, RestartEvent

from .case import Case
from .features import text_of


async def bad_key(case: Case) -> None:
    await case.stranger()
    for error in await _refuses(case, E.AuthenticationError, attempts=1):
        assert "canary" not in repr(vars(error)) + str(error)


async def unknown_model(case: Case) -> None:
    name = f"{case.row.name}/no-such-model-9"
    await _refuses(case, E.ModelNotFoundError, attempts=1, model=name)


async def context_length(case: Case) -> None:
    case.fault("context-length")
    await _refuses(case, E.ContextLengthError, attempts=1)


async def content_filter(case: Case) -> None:
    case.fault("content-filter")
    for error in await _refuses(case, E.ContentFilterError, attempts=1):
        assert isinstance(error, E.ContentFilterError)
        assert error.reason


async def rate_limit(case: Case) -> None:
    case.fault("rate-limit-bare", count=1)
    reply = await case.ask()
    assert [a.error for a in reply.attempts] == ["RateLimitError", None]
    case.fault("rate-limit", retry_after=2)
    for error in await _refuses(case, E.RateLimitError):
        assert not isinstance(error, E.QuotaExhaustedError)
        assert (error.retry_after is None) == ("wait" in case.row.unsaid)
        assert 1 < (error.retry_after or 2) <= 3


async def overload(case: Case) -> None:
    case.fault("overloaded", count=1)
    reply = (await case.stream())[1]
    assert [a.error for a in reply.attempts] == ["OverloadedError", None]
    for name in ("overloaded", "unavailable"):
        case.fault(name, count=4)
        await _refuses(case, E.OverloadedError, attempts=2)


async def _refuses(
    case: Case, kind: type[E.OrchestratorError], *, attempts: int = 0, **options: Any
) -> list[E.OrchestratorError]:
    """The errors of a whole and of a streamed request."""
    found: list[E.OrchestratorError] = []
    for ask in (case.ask, case.stream):
        with pytest.raises(kind) as caught:
            await ask(**options)
        error = caught.value
        assert error.provider == case.row.name
        assert len(error.attempts) == (attempts or len(error.attempts)) > 0
        found.append(error)
    return found


async def error_in_stream(case: Case) -> None:
    await _breaks(case, "error-mid", E.ServerError, E.RateLimitError)


async def cut_stream(case: Case) -> None:
    await _breaks(case, "cut-clean", E.TruncatedError)
    case.fault("cut", after=5, count=1)
    assert (await case.ask()).content


async def _breaks(case: Case, fault: str, *kinds: type[E.OrchestratorError]) -> None:
    """A stream that breaks is never passed off as complete; asked again, it is."""
    good = await case.ask()
    after = case.thought + 5
    case.fault(fault, after=after, count=1)
    with pytest.raises(kinds) as caught:
        await case.stream(on_break="fail")
    assert caught.value.text.strip()
    assert good.content.startswith(caught.value.text)
    assert caught.value.attempts[-1].status in {"error", "truncated"}
    case.fault(fault, after=after, count=1)
    events, reply = await case.stream(on_break="restart")
    (again,) = (n for n, event in enumerate(events) if isinstance(event, RestartEvent))
    assert not any(isinstance(event, ContinueEvent) for event in events)
    assert text_of(events[again:]) == reply.content == good.content
    assert [a.status == "ok" for a in reply.attempts] == [False, True]
