"""The error tree: fields, words, pickles, and what may help."""

import pickle
import re

import pytest

from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes

TREE = [
    kind
    for kind in vars(E).values()
    if isinstance(kind, type) and issubclass(kind, E.OrchestratorError)
]


def test_the_docstring_draws_the_whole_tree() -> None:
    drawn: dict[str, int] = {}
    for line in (E.__doc__ or "").splitlines():
        if found := re.match(r"    ([ │├└─]*)(\w+(?:Error|ErrorBase))\b", line):
            drawn[found[2]] = len(found[1]) // 4
    depth = {kind.__name__: len(kind.__mro__) - len(E.OrchestratorError.__mro__) for kind in TREE}
    assert drawn == depth


@pytest.mark.parametrize("kind", TREE)
def test_every_error_keeps_its_fields_in_a_pickle(kind: type[E.OrchestratorError]) -> None:
    error = kind(
        "it failed",
        provider="openai",
        model="gpt-x",
        status_code=500,
        code="server_error",
        retry_after=2.5,
        request_id="req_1",
        attempts=["one"],
        reason="why",
    )
    error.text = "so far"
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is kind
    assert vars(found) == vars(error)
    assert found.args == ("it failed",)
    assert str(found) == str(error)
    assert (found.retryable, found.failover) == (kind.retryable, kind.failover)


@pytest.mark.parametrize(
    "fields, words",
    [
        ({}, "it failed"),
        ({"provider": "openai"}, "openai: it failed"),
        ({"provider": "openai", "model": "gpt-x"}, "openai/gpt-x: it failed"),
        ({"model": "gpt-x"}, "gpt-x: it failed"),
        ({"status_code": 500}, "it failed (500)"),
        ({"status_code": 500, "code": "oops"}, "it failed (500, oops)"),
        ({"code": "failed"}, "it failed"),
        ({"request_id": "req_1"}, "it failed (request req_1)"),
    ],
)
def test_words(fields: dict[str, object], words: str) -> None:
    assert str(E.ServerError("it failed", **fields)) == words  # type: ignore[arg-type]


def test_what_may_help() -> None:
    """Asking again: the same target (retryable), another one (failover)."""
    helps = {kind.__name__: (kind.retryable, kind.failover) for kind in TREE}
    both = {name for name, (again, other) in helps.items() if again and other}
    assert both == {
        "RateLimitError",
        "ServerError",
        "OverloadedError",
        "APIConnectionError",
        "BadReplyError",
        "EmptyReplyError",
        "TruncatedError",
        "OutputError",
    }
    assert {name for name, (again, other) in helps.items() if not again and other} == {
        "ContextLengthError",
        "UnsupportedError",
        "AuthenticationError",
        "PermissionDeniedError",
        "ModelNotFoundError",
        "QuotaExhaustedError",
        "APITimeoutError",
    }
    assert not any(again and not other for again, other in helps.values())
