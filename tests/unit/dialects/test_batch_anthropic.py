"""Message batches: one request with all rows, states that are counts, results of four kinds."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects.anthropic import batch
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.batch import BatchRef, BatchState
from llm_orchestrator.types.http import FilePart
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.batching import FILE, ask, by_id, embed, exchange, ndjson, order

CLAUDE = TABLE["anthropic"]
TARGET = Candidate(CLAUDE, Model(provider="anthropic", id="claude-x", max_output=64))
ZERO = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}


def told(status: str = "in_progress", **changes: Any) -> dict[str, Any]:
    counts = {name: changes.pop(name) for name in list(changes) if name in ZERO}
    return {
        "id": "msgbatch_1",
        "type": "message_batch",
        "processing_status": status,
        "request_counts": ZERO | counts,
        "created_at": "2026-11-20T10:00:00Z",
        "expires_at": "2026-11-21T10:00:00Z",
        "ended_at": None,
        "results_url": None,
    } | changes


def test_rows_are_the_bodies_of_messages() -> None:
    line = json.loads(batch.line(ask("a1", stream=True), TARGET))
    assert line == {
        "custom_id": "a1",
        "params": {
            "model": "claude-x",
            "messages": [{"role": "user", "content": "Hi"}],
            "max_tokens": 64,
        },
    }
    with pytest.raises(errors.UnsupportedError):
        batch.line(embed(), TARGET)


def test_all_rows_go_out_with_the_creation() -> None:
    assert exchange(batch.upload(FILE, TARGET)) == ([], "")
    (call,), status = exchange(batch.create(order(), TARGET), told(processing=2))
    assert call.once
    rows = FilePart(FILE.path, FILE.size - 1, joined=True)
    assert call.parts == (b'{"requests":[', rows, b"]}")
    assert (status.state, status.total, status.tag) == (BatchState.RUNNING, 2, None)


@pytest.mark.parametrize(
    ("abilities", "version"),
    [(None, "2023-06-01"), ({"sampling"}, "2023-06-01"), ({"tools"}, "2026-10-21")],
)
def test_the_version_is_one_that_takes_what_the_rows_may_hold(
    abilities: set[str] | None, version: str
) -> None:
    known = None if abilities is None else frozenset(abilities)
    target = Candidate(CLAUDE, Model(provider="anthropic", id="claude-x", abilities=known))
    (call,), _ = exchange(batch.create(order(), target), told())
    assert call.headers["anthropic-version"] == version


@pytest.mark.parametrize(
    ("word", "counts", "state"),
    [
        ("in_progress", {"processing": 3}, BatchState.RUNNING),
        ("canceling", {"processing": 3}, BatchState.CANCELLING),
        ("ended", {"succeeded": 3}, BatchState.COMPLETED),
        ("ended", {"succeeded": 2, "errored": 1}, BatchState.COMPLETED),
        ("ended", {"succeeded": 1, "canceled": 2}, BatchState.CANCELLED),
        ("ended", {"succeeded": 1, "expired": 2}, BatchState.EXPIRED),
    ],
)
def test_the_end_is_read_from_the_counts(
    word: str, counts: dict[str, int], state: BatchState
) -> None:
    _, status = exchange(batch.poll("msgbatch_1", TARGET), told(word, **counts))
    assert status.state is state
    assert status.total == 3
    known = status.completed is not None
    assert known is state.over
    if known:
        assert (status.completed, status.failed) == (
            counts["succeeded"],
            3 - counts["succeeded"],
        )


def test_times_and_results() -> None:
    reply = told("ended", succeeded=1, ended_at="2026-11-20T10:00:30.5Z", results_url="https://x/y")
    _, status = exchange(batch.poll("msgbatch_1", TARGET), reply)
    assert status.created_at is not None
    assert status.ended_at == status.created_at + 30.5
    assert status.expires_at == status.created_at + 86_400
    assert status.results == (BatchRef("results", "msgbatch_1"),)
    # The key goes to our address only, whatever the batch says of its results.
    (call,), _ = exchange(batch.results(status, TARGET), {})
    assert call.url == "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
    assert call.save
    archived = told("ended", succeeded=1, archived_at="2026-12-20T10:00:00Z")
    _, status = exchange(batch.poll("msgbatch_1", TARGET), archived)
    assert (status.results, status.error) == ((), "its results are kept no longer")


def test_the_list_is_read_until_its_batches_are_too_old() -> None:
    def page(*days: int, more: bool) -> dict[str, Any]:
        data = [told(id=f"b{day}", created_at=f"2026-11-{day}T00:00:00Z") for day in days]
        return {"data": data, "has_more": more, "last_id": data[-1]["id"]}

    _, status = exchange(batch.poll("x", TARGET), told(created_at="2026-11-15T00:00:00Z"))
    assert status.created_at is not None
    pages = page(19, 18, more=True), page(16, 14, more=True)
    calls, found = exchange(batch.list_recent(TARGET, status.created_at), *pages)
    assert [one.id for one in found] == ["b19", "b18", "b16"]
    assert [call.url.partition("?")[2] for call in calls] == ["limit=100", "after_id=b18&limit=100"]


def test_results_of_every_kind() -> None:
    message = {
        "type": "message",
        "id": "msg_1",
        "model": "claude-x",
        "content": [{"type": "text", "text": "yes"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 2},
    }

    def row(custom_id: str, **result: Any) -> dict[str, Any]:
        return {"custom_id": custom_id, "result": result}

    def error(kind: str) -> dict[str, Any]:
        inner = {"type": kind, "message": f"a {kind}"}
        return {"type": "error", "error": inner, "request_id": "req_7"}

    data = ndjson(
        row("a1", type="succeeded", message=message),
        row("a2", type="errored", error=error("invalid_request_error")),
        row("a3", type="errored", error=error("api_error")),
        row("a4", type="canceled"),
        row("a5", type="expired"),
        row("a6", type="unheard_of"),
        b"<html>",
    )
    found = by_id(batch.read_results([data], "results", TARGET))
    assert {key: one.outcome for key, one in found.items()} == {
        "a1": "succeeded",
        "a2": "failed",
        "a3": "retryable",
        "a4": "cancelled",
        "a5": "expired",
        "a6": "retryable",
        None: "retryable",
    }
    assert found["a1"].response.text == "yes"
    assert found["a1"].usage == Usage(8, 2, 3)
    assert type(found["a2"].error) is errors.InvalidRequestError
    assert found["a2"].error.message == "a invalid_request_error"
    assert found["a2"].error.request_id == "req_7"
    assert type(found["a6"].error) is errors.BadReplyError
