"""Whatever a provider sends as results: each line becomes one result, and nothing breaks."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.dialects.batch import dialect
from llm_orchestrator.errors import BadReplyError, OrchestratorError
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from tests.unit.dialects.batching import FILE, order, pieces

LINES = ("openai", "anthropic", "gemini", "vertex", "mistral", "together", "bedrock", "perplexity")
NAMES = (
    "custom_id recordId key response body error code type message status status_code result "
    "request labels llmo_row modelOutput modelInput errorCode errorMessage choices usage content "
    "candidates output request_id metadata"
).split()
WORDS = "succeeded errored canceled expired batch_expired a1".split()
leaves = (
    st.none() | st.booleans() | st.integers(-5, 600) | st.text(max_size=5) | st.sampled_from(WORDS)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=15,
)
ROWS: tuple[dict[str, Any], ...] = (
    {
        "custom_id": "a1",
        "response": {"status_code": 200, "request_id": "r", "body": {"choices": []}},
    },
    {"custom_id": "a1", "response": None, "error": {"code": "x", "message": "y"}},
    {"custom_id": "a1", "result": {"type": "succeeded", "message": {"type": "message"}}},
    {"custom_id": "a1", "result": {"type": "errored", "error": {"error": {"type": "x"}}}},
    {"key": "a1", "response": {"candidates": [{"content": {"parts": []}}]}, "error": {"code": 3}},
    {"request": {"labels": {"llmo_row": "a1"}}, "status": "x", "response": {"candidates": []}},
    {"recordId": "a1", "modelOutput": {"output": {"message": {"content": []}}}},
    {"recordId": "a1", "error": {"errorCode": 400, "errorMessage": "x"}},
)


def places(row: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        row.items() if isinstance(row, dict) else enumerate(row) if isinstance(row, list) else ()
    )
    return [way, *(place for key, value in inner for place in places(value, (*way, key)))]


def changed(row: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The row with another value in that place."""
    if not way:
        return value
    out = row.copy()
    out[way[0]] = changed(row[way[0]], way[1:], value)
    return out


rows = st.sampled_from(ROWS).flatmap(
    lambda row: st.builds(changed, st.just(row), st.sampled_from(places(row)), values)
)
lines = st.one_of(
    rows.map(lambda row: json.dumps(row).encode()),
    values.map(lambda value: json.dumps(value).encode()),
    st.binary(min_size=1, max_size=20).map(lambda data: data.replace(b"\n", b"?")),
    st.integers(1, 500).map(lambda depth: b"[" * depth),
)


def target(name: str) -> Candidate:
    model = {"perplexity": "x/y"}.get(name, "m")
    return Candidate(TABLE[name], Model(provider=name, id=model))


@pytest.mark.parametrize("name", LINES)
@given(st.lists(lines, max_size=4), st.integers(1, 90), st.booleans())
def test_every_line_is_one_result(
    name: str, given_lines: list[bytes], size: int, embeds: bool
) -> None:
    at = target(name)
    data = b"\n".join(given_lines)
    found = list(dialect(at.provider).read_results(pieces(data, size), "lines", at, embeds=embeds))
    assert len(found) == len([line for line in given_lines if line.strip()])
    for one in found:
        assert (one.outcome == "succeeded") is (one.error is None)
        assert one.custom_id is None or isinstance(one.custom_id, str)
        assert one.error is None or one.error.__traceback__ is None


@pytest.mark.parametrize("name", ["openrouter", "cohere", "mistral", "gemini"])
@given(values)
def test_a_whole_text_is_read_or_named(name: str, value: Any) -> None:
    at = target(name)
    data = json.dumps({"results": value, "outputs": value, "metadata": value}).encode()
    with contextlib.suppress(BadReplyError):
        list(dialect(at.provider).read_results([data], "inline", at))


@pytest.mark.parametrize("name", sorted({*LINES, "openrouter", "cohere", "groq", "azure"}))
@given(values)
def test_a_reply_is_read_or_named(name: str, value: Any) -> None:
    at = target(name)
    found = dialect(at.provider)
    place = {"bucket": "b", "role": "r"}

    at = Candidate(msgspec.structs.replace(at.provider, values=place), at.model)
    data = json.dumps(
        {"job": value, "batch": value, "data": value, "id": "x"}
        | (value if isinstance(value, dict) else {})
    ).encode()
    steps: list[Any] = [
        found.create(order(), at),
        found.poll("b1", at),
        found.list_recent(at, 0),
        found.upload(FILE, at),
    ]
    for exchange in steps:
        with contextlib.suppress(StopIteration, OrchestratorError):
            next(exchange)
            for _ in range(3):
                exchange.send(HTTPReply(200, {}, data))
        exchange.close()
