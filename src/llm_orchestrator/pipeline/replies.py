"""What a reply means: an answer, or an error that quotes nobody's key."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, TypeVar

from llm_orchestrator.dialects import pages
from llm_orchestrator.dialects.base import Dialect, where
from llm_orchestrator.errors import (
    AuthenticationError,
    BadReplyError,
    ContentFilterError,
    EmptyReplyError,
    OrchestratorError,
)
from llm_orchestrator.pipeline.attempt import Attempt, reason_in
from llm_orchestrator.providers import credentials
from llm_orchestrator.types.events import (
    FinishEvent,
    ReasoningDelta,
    StartEvent,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageEvent,
)
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import FinishReason, Reply, Response
from llm_orchestrator.types.request import Reasoning, Text, ToolCall

T = TypeVar("T")

_REDIRECT = range(300, 400)
_UNPAID = 402


def failure(reply: HTTPReply, dialect: Dialect, target: Candidate) -> OrchestratorError:
    """The error of a reply whose status is no success."""
    if reply.status in _REDIRECT:
        return BadReplyError(
            f"the address redirects to {reply.header('Location')}: put that into base_url if it is "
            "the API; if it is a page, a proxy or the network asks for a sign-in first",
            code="redirect",
            retryable=False,
            **where(target, reply),
        )
    return dialect.error(clean(pages.unzipped(reply), target), target)


def read_reply(read: Callable[[HTTPReply], T], reply: HTTPReply, target: Candidate) -> T:
    """What ``read`` makes of a reply; what it raises quotes no secret, not even half of one."""
    reply = pages.unzipped(reply)
    try:
        return read(reply)
    except OrchestratorError:
        if (cleaned := clean(reply, target)) is reply:
            raise
    # It fails in the same way, but not while the first error is handled, which it would lead to.
    return read(cleaned)


def clean(reply: HTTPReply, target: Candidate) -> HTTPReply:
    """The reply, without the secrets that it echoes: errors quote the beginning of a body."""
    body = reply.body.decode("utf-8", "surrogateescape")
    blanked = credentials.blanked(body, target.provider)
    if blanked == body:
        return reply
    return HTTPReply(reply.status, reply.headers, blanked.encode("utf-8", "surrogateescape"))


def check(response: Response, target: Candidate) -> None:
    """A success that is none raises."""
    check_answer(
        response.finish_reason,
        empty=not _says_something(response),
        text=response.text,
        why=reason_in(response.extra),
        target=target,
        request_id=response.request_id,
    )


def check_answer(
    reason: FinishReason,
    *,
    empty: bool,
    text: str,
    why: str = "",
    target: Candidate,
    request_id: str | None = None,
) -> None:
    """Raises `ContentFilterError` for a blocked and `EmptyReplyError` for an empty answer."""
    fields: dict[str, Any] = {
        "provider": target.provider.name,
        "model": target.model.id,
        "status_code": 200,
        "request_id": request_id,
    }
    if reason == "content_filter":
        why = credentials.blanked(why or text, target.provider)
        raise ContentFilterError(
            "the model refused or its filter blocked the answer"
            + (f": {why[:200]}" if why else ""),
            code="content_filter",
            reason=why,
            text=text,
            **fields,
        )
    if empty and reason == "length":
        raise EmptyReplyError(
            "the answer is empty: max_tokens was used up before it began; raise max_tokens "
            "or lower the effort",
            code="empty_length",
            retryable=False,
            **fields,
        )
    if empty:
        raise EmptyReplyError("the answer is empty", code="empty", **fields)


def _says_something(response: Response) -> bool:
    return bool(response.text) or any(isinstance(part, ToolCall) for part in response.parts)


def sign(error: OrchestratorError, target: Candidate) -> None:
    """Say whose error it is, and blank any secret that it repeats from outside."""
    error.provider = error.provider or target.provider.name
    error.model = error.model or target.model.id or None
    error.message = credentials.blanked(error.message, target.provider)
    if advice := _advice(error, target.provider):
        error.message = f"{error.message.rstrip('. ')}; {advice}"
    error.args = (error.message,)
    for name in ("code", "reason", "text", "request_id"):
        if isinstance(value := getattr(error, name, None), str):
            setattr(error, name, credentials.blanked(value, target.provider))
    if isinstance(error, AuthenticationError):
        credentials.forget(target.provider)


def _advice(error: OrchestratorError, provider: Provider) -> str:
    """What to do about a refusal that many providers put into no words that help."""
    if error.status_code == _UNPAID:
        return "the account needs credit or a payment method: see the provider's billing page"
    # Of credentials that are no plain key, the dialects know more.
    keyed = provider.key is not None and provider.auth not in credentials.SIGNED
    if not isinstance(error, AuthenticationError) or not error.status_code:
        return ""
    if provider.key_file or provider.key_cmd:
        setting = "api_key_cmd" if provider.key_cmd else "api_key_file"
        return f"check the key that providers.{provider.name}.{setting} leads to"
    if keyed:
        places = " or ".join((*provider.key_env, f"providers.{provider.name}.api_key"))
        return f"check the key in {places}"
    return ""


def at_once(response: Response, attempt: Attempt) -> Sequence[StreamEvent]:
    """The events of an answer that came whole where a stream was asked for."""
    attempt.answered(response)
    attempt.finish_reason = response.finish_reason
    attempt.why = reason_in(response.extra)
    attempt.said_something = _says_something(response)
    attempt.first_token = perf_counter() - attempt.began
    return pieces(response)


def response_of(reply: Reply) -> Response:
    """The response that a reply was made of."""
    return Response(
        reply.parts, reply.finish_reason, reply.usage, reply.model, reply.id, extra=reply.extra
    )


def pieces(response: Response) -> Sequence[StreamEvent]:
    """A whole answer as the events of a stream."""
    batch: list[StreamEvent] = [StartEvent(response.model, response.id)]
    calls = 0
    for part in response.parts:
        if isinstance(part, Text):
            batch.append(TextDelta(part.text))
        elif isinstance(part, ToolCall):
            call = ToolCallDelta(calls, part.arguments, part.id, part.name, part.signature)
            batch.append(call)
            calls += 1
        elif isinstance(part, Reasoning):
            if part.text:
                batch.append(ReasoningDelta(part.text))
            if part.signature or part.redacted:
                batch.append(ReasoningDelta(signature=part.signature, redacted=part.redacted))
    if response.usage is not None:
        batch.append(UsageEvent(response.usage, response.reported_cost, response.service_tier))
    batch.append(FinishEvent(response.finish_reason, response.extra))
    return batch
