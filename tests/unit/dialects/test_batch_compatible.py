"""Batches of Mistral, Together and OpenRouter: what differs from OpenAI's."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects.openai import mistral_batch, openrouter_batch, together_batch
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.batch import BatchRef, BatchState
from llm_orchestrator.types.http import FilePart, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.money import from_usd
from llm_orchestrator.types.provider import Candidate
from tests.unit.dialects.batching import FILE, ask, by_id, exchange, ndjson, order

MISTRAL = Candidate(TABLE["mistral"], Model(provider="mistral", id="mistral-x"))
TOGETHER = Candidate(TABLE["together"], Model(provider="together", id="x/m"))
OPENROUTER = Candidate(TABLE["openrouter"], Model(provider="openrouter", id="x/m"))
BODY = {
    "model": "m",
    "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2},
}


def answer(custom_id: str, body: dict[str, Any] = BODY) -> dict[str, Any]:
    return {"custom_id": custom_id, "response": {"status_code": 200, "body": body}, "error": None}


# ------------------------------------------------------------------ Mistral


def job(status: str = "RUNNING", **changes: Any) -> dict[str, Any]:
    return {
        "id": "b1",
        "object": "batch",
        "status": status,
        "input_files": ["file-1"],
        "endpoint": "/v1/chat/completions",
        "model": "mistral-x",
        "metadata": {"llmo_job": "j1"},
        "errors": [],
        "created_at": 1_000,
        "total_requests": 4,
        "completed_requests": 3,
        "succeeded_requests": 2,
        "failed_requests": 1,
        "outputs": None,
    } | changes


def test_mistrals_rows_leave_the_model_to_the_job() -> None:
    line = json.loads(mistral_batch.line(ask("a1", seed=7), MISTRAL))
    assert line == {
        "custom_id": "a1",
        "body": {"messages": [{"role": "user", "content": "Hi"}], "random_seed": 7},
    }
    (call,), status = exchange(mistral_batch.create(order(hours=168), MISTRAL), job("QUEUED"))
    assert call.once
    assert json.loads(call.body)["timeout_hours"] == 168
    assert (status.state, status.tag, status.input_file_id) == (BatchState.QUEUED, "j1", "file-1")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("QUEUED", BatchState.QUEUED),
        ("RUNNING", BatchState.RUNNING),
        ("SUCCESS", BatchState.COMPLETED),
        ("FAILED", BatchState.FAILED),
        ("TIMEOUT_EXCEEDED", BatchState.EXPIRED),
        ("CANCELLATION_REQUESTED", BatchState.CANCELLING),
        ("CANCELLED", BatchState.CANCELLED),
    ],
)
def test_mistrals_states(word: str, state: BatchState) -> None:
    _, status = exchange(mistral_batch.poll("b1", MISTRAL), job(word))
    assert (status.state, status.completed, status.failed, status.total) == (state, 2, 1, 4)


def test_mistrals_pages_are_numbered() -> None:
    full = {"data": [job(id=f"b{number}") for number in range(100)], "total": 101}
    rest = {"data": [job(id="b100", metadata={"llmo_job": "other"})], "total": 101}
    calls, found = exchange(mistral_batch.list_recent(MISTRAL, 0, "j1"), full, rest)
    assert [call.url.partition("?")[2] for call in calls] == [
        "page=0&page_size=100&order_by=-created",
        "page=1&page_size=100&order_by=-created",
    ]
    assert len(found) == 100
    falling = [job(id=f"b{number}", created_at=1_000 - number) for number in range(100)]
    _, found = exchange(mistral_batch.list_recent(MISTRAL, 5_000), {"data": falling, "total": 101})
    assert found == []


def test_mistrals_pages_may_be_shorter_than_was_asked_for() -> None:
    pages = [{"data": [job(id=f"b{number}")], "total": 3} for number in range(3)]
    _, found = exchange(mistral_batch.list_recent(MISTRAL, 0), *pages)
    assert [one.id for one in found] == ["b0", "b1", "b2"]
    untold = [{"data": [job(id="b0")]}, {"data": []}]
    _, found = exchange(mistral_batch.list_recent(MISTRAL, 0), *untold)
    assert [one.id for one in found] == ["b0"]


def test_mistrals_results_are_in_files_or_in_the_job() -> None:
    faults = [{"message": "bad", "count": 2}]
    ended = job("SUCCESS", output_file="o", error_file="e", errors=faults)
    _, status = exchange(mistral_batch.poll("b1", MISTRAL), ended)
    assert status.results == (BatchRef("output", "o"), BatchRef("error", "e"))
    assert status.error == "bad (2)"
    held = job("SUCCESS", outputs=[answer("a1"), answer("zz")])
    _, status = exchange(mistral_batch.poll("b1", MISTRAL), held)
    (call,), (output,) = exchange(mistral_batch.results(status, MISTRAL), held)
    assert call.url.endswith("/batch/jobs/b1?inline=true")
    found = by_id(mistral_batch.read_results([output.data], output.kind, MISTRAL))
    assert found.keys() == {"a1", "zz"}
    (one,) = mistral_batch.read_results([ndjson(answer("a1"))], "output", MISTRAL)
    assert one.outcome == "succeeded"


# ------------------------------------------------------------------ Together


def together_job(status: str = "IN_PROGRESS", **changes: Any) -> dict[str, Any]:
    return {
        "id": "b1",
        "status": status,
        "input_file_id": "file-1",
        "progress": 12.5,
        "model_id": "x/m",
        "created_at": "2026-11-20T10:00:00Z",
    } | changes


def test_togethers_upload_goes_where_the_redirect_leads() -> None:
    there = {"Location": "https://store/put?sig=1", "X-Together-File-Id": "file-9"}
    calls, file_id = exchange(
        together_batch.upload(FILE, TOGETHER), HTTPReply(302, there, b""), {}, {}
    )
    assert file_id == "file-9"
    assert [call.method for call in calls] == ["POST", "PUT", "POST"]
    assert [call.sign for call in calls] == ["", "none", ""]
    assert calls[1].parts == (FilePart(FILE.path, FILE.size),)
    assert 302 in calls[0].also
    with pytest.raises(errors.BadReplyError, match="not redirected"):
        exchange(together_batch.upload(FILE, TOGETHER), {})


def test_together_knows_a_batch_by_its_file() -> None:
    wire = TOGETHER.provider.batch
    assert wire is not None
    reply = {"job": together_job("VALIDATING"), "warning": "slow"}
    (call,), status = exchange(together_batch.create(order(), TOGETHER), reply)
    assert call.once
    assert (status.state, status.tag) == (BatchState.VALIDATING, wire.mark(order()))
    page = [together_job(), together_job(id="b2", input_file_id="file-2")]
    _, found = exchange(together_batch.list_recent(TOGETHER, 0, wire.mark(order())), page)
    assert [one.id for one in found] == ["b1"]
    _, found = exchange(together_batch.list_recent(TOGETHER, 2e9), page)
    assert found == []


def test_togethers_results() -> None:
    ended = together_job("COMPLETED", output_file_id="o", error_file_id="e")
    _, status = exchange(together_batch.poll("b1", TOGETHER), ended)
    assert status.state is BatchState.COMPLETED
    assert (status.total, status.completed) == (None, None)
    calls, _ = exchange(together_batch.results(status, TOGETHER), {}, {})
    assert [call.url.rpartition("/v1")[2] for call in calls] == [
        "/files/o/content",
        "/files/e/content",
    ]
    fault = {"custom_id": "a2", "error": {"message": "no", "code": "invalid_request"}}
    data = ndjson(answer("a1"), fault)
    found = by_id(together_batch.read_results([data], "output", TOGETHER))
    assert (found["a1"].outcome, found["a2"].outcome) == ("succeeded", "failed")


# ------------------------------------------------------------------ OpenRouter


def router_batch(status: str = "in_progress", **changes: Any) -> dict[str, Any]:
    return {
        "id": "batch_1",
        "object": "batch",
        "status": status,
        "model": "x/m",
        "created_at": 1_000,
        "expires_at": 90_000,
        "finalized_at": None,
        "request_counts": {"total": 2, "completed": 0, "failed": 0},
        "results": None,
        "error": None,
    } | changes


def test_openrouter_takes_the_rows_last() -> None:
    line = json.loads(openrouter_batch.line(ask("a1"), OPENROUTER))
    assert line == {"custom_id": "a1", "body": {"messages": [{"role": "user", "content": "Hi"}]}}
    assert exchange(openrouter_batch.upload(FILE, OPENROUTER)) == ([], "")
    accepted = HTTPReply(202, {}, json.dumps(router_batch("validating")).encode())
    (call,), status = exchange(openrouter_batch.create(order(), OPENROUTER), accepted)
    assert call.once
    before, rows, after = call.parts
    assert isinstance(before, bytes)
    assert isinstance(after, bytes)
    assert json.loads(before + after) == {
        "endpoint": "/v1/chat/completions",
        "model": "x/m",
        "completion_window": "24h",
        "requests": [],
    }
    assert before.endswith(b'"requests":[')
    assert rows == FilePart(FILE.path, FILE.size - 1, joined=True)
    assert (status.state, status.tag) == (BatchState.VALIDATING, None)


def test_openrouters_rows_are_counted_later() -> None:
    early = router_batch("validating", request_counts={"total": 0, "completed": 0, "failed": 0})
    _, status = exchange(openrouter_batch.poll("batch_1", OPENROUTER), early)
    assert status.total is None  # none at all would be those of another batch


def test_openrouters_batches_cannot_be_cancelled() -> None:
    with pytest.raises(errors.UnsupportedError, match="cancelling"):
        exchange(openrouter_batch.cancel("batch_1", OPENROUTER))


def test_openrouters_results_are_in_the_batch() -> None:
    paid = BODY | {"usage": {"prompt_tokens": 10, "completion_tokens": 2, "cost": 0.00015}}
    fault = {"custom_id": "a2", "response": None, "error": {"code": 429, "message": "slow"}}
    ended = router_batch("completed", results=[answer("a1", paid), fault], finalized_at=1_500)
    _, status = exchange(openrouter_batch.poll("batch_1", OPENROUTER), ended)
    assert status.results == (BatchRef("inline", "batch_1"),)
    assert status.ended_at == 1_500
    (call,), (output,) = exchange(openrouter_batch.results(status, OPENROUTER), ended)
    assert call.save
    found = by_id(openrouter_batch.read_results([output.data], output.kind, OPENROUTER))
    assert found["a1"].response.reported_cost == from_usd("0.00015")
    assert found["a2"].outcome == "retryable"
    # In a list the results are left out: there may be some.
    _, (listed,) = exchange(
        openrouter_batch.list_recent(OPENROUTER, 0), {"data": [router_batch("expired")]}
    )
    assert listed.results == (BatchRef("inline", "batch_1"),)
    nothing = json.dumps(router_batch("failed", error={"message": "bad rows"})).encode()
    assert list(openrouter_batch.read_results([nothing], "inline", OPENROUTER)) == []
    with pytest.raises(errors.BadReplyError):
        list(openrouter_batch.read_results([b"{}"], "inline", OPENROUTER))
