"""Batches of the Gemini API: operations, counts as text, errors with Google's own codes."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects.gemini import batch
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.batch import BatchRef, BatchState
from llm_orchestrator.types.http import FilePart, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.batching import FILE, ask, by_id, embed, exchange, ndjson, order, pieces

GEMINI = TABLE["gemini"]
TARGET = Candidate(GEMINI, Model(provider="gemini", id="gemini-x"))
ANSWER = {
    "candidates": [{"content": {"parts": [{"text": "yes"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 6, "candidatesTokenCount": 1},
}


def told(state: str = "BATCH_STATE_RUNNING", **changes: Any) -> dict[str, Any]:
    metadata = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1.GenerateContentBatch",
        "name": "batches/b1",
        "displayName": "j1",
        "model": "models/gemini-x",
        "state": state,
        "createTime": "2026-11-20T10:00:00.123456789Z",
        "batchStats": {
            "requestCount": "3",
            "successfulRequestCount": "1",
            "failedRequestCount": "1",
            "pendingRequestCount": "1",
        },
        "inputConfig": {"fileName": "files/x"},
    } | changes
    return {"name": "batches/b1", "metadata": metadata}


def test_a_row_for_vectors_holds_one_text() -> None:
    assert json.loads(batch.line(embed("e1", "a"), TARGET)) == {
        "key": "e1",
        "request": {"content": {"parts": [{"text": "a"}]}},
    }
    with pytest.raises(errors.UnsupportedError, match="one text"):
        batch.line(embed("e1", "a", "b"), TARGET)


def test_an_upload_ends_where_the_reply_leads() -> None:
    there = HTTPReply(200, {"X-Goog-Upload-URL": "https://up/1"}, b"")
    done = {"file": {"name": "files/9", "uri": "https://x/files/9", "state": "ACTIVE"}}
    (start, rest), name = exchange(batch.upload(FILE, TARGET), there, done)
    assert name == "files/9"
    assert start.url == "https://generativelanguage.googleapis.com/upload/v1/files"
    assert (rest.url, rest.parts) == ("https://up/1", (FilePart(FILE.path, FILE.size),))
    assert rest.sign == "none"
    with pytest.raises(errors.BadReplyError, match="no address"):
        exchange(batch.upload(FILE, TARGET), {})


def test_a_status_holds_what_the_operation_says() -> None:
    (call,), status = exchange(batch.create(order(), TARGET), told())
    assert call.once
    assert (status.id, status.tag, status.model) == ("batches/b1", "j1", "gemini-x")
    assert (status.total, status.completed, status.failed) == (3, 1, 1)
    assert status.created_at == pytest.approx(1_795_168_800.12, abs=0.01)
    assert status.input_file_id == "files/x"
    assert status.results == ()


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("BATCH_STATE_UNSPECIFIED", BatchState.RUNNING),
        ("BATCH_STATE_PENDING", BatchState.QUEUED),
        ("BATCH_STATE_RUNNING", BatchState.RUNNING),
        ("BATCH_STATE_SUCCEEDED", BatchState.COMPLETED),
        ("BATCH_STATE_FAILED", BatchState.FAILED),
        ("BATCH_STATE_CANCELLED", BatchState.CANCELLED),
        ("BATCH_STATE_EXPIRED", BatchState.EXPIRED),
        ("JOB_STATE_SUCCEEDED", BatchState.COMPLETED),
    ],
)
def test_states(word: str, state: BatchState) -> None:
    _, status = exchange(batch.poll("batches/b1", TARGET), told(word))
    assert (status.state, status.word) == (state, word)


def test_a_batch_that_failed_says_why() -> None:
    reply = told("BATCH_STATE_FAILED") | {"done": True, "error": {"code": 3, "message": "no rows"}}
    _, status = exchange(batch.poll("b1", TARGET), reply)
    assert status.error == "no rows"


def test_cancelling_ends_with_a_look() -> None:
    calls, status = exchange(batch.cancel("batches/b1", TARGET), {}, told("BATCH_STATE_CANCELLED"))
    assert [call.url.rpartition("/")[2] for call in calls] == ["b1:cancel", "b1"]
    assert status.state is BatchState.CANCELLED


def test_the_list_has_pages() -> None:
    pages: list[Any] = [
        {"operations": [told() | {"name": "batches/b2"}], "nextPageToken": "n/1"},
        {"operations": [told(displayName="other")]},
    ]
    calls, found = exchange(batch.list_recent(TARGET, 0, "j1"), *pages)
    assert [one.id for one in found] == ["batches/b2"]
    assert calls[1].url.endswith("?pageSize=100&pageToken=n%2F1")
    _, found = exchange(batch.list_recent(TARGET, 2e9), *pages)
    assert found == []
    _, found = exchange(batch.list_recent(TARGET, 0), {})
    assert found == []


def test_results_in_a_file_are_found_by_their_keys() -> None:
    reply = told("BATCH_STATE_SUCCEEDED", output={"responsesFile": "files/batch-b1"})
    _, status = exchange(batch.poll("b1", TARGET), reply)
    assert status.results == (BatchRef("file", "files/batch-b1"),)
    (call,), _ = exchange(batch.results(status, TARGET), {})
    assert call.save
    data = ndjson(
        {"key": "a2", "error": {"code": 8, "message": "too much"}},
        {"key": "a1", "response": ANSWER},
        {"key": "a3", "error": {"code": 3, "message": "bad row"}},
        {"key": "a4", "error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}},
        {"key": "a5"},
        b"{",
    )
    found = by_id(batch.read_results(pieces(data, 11), "file", TARGET))
    assert {key: one.outcome for key, one in found.items()} == {
        "a1": "succeeded",
        "a2": "retryable",
        "a3": "failed",
        "a4": "retryable",
        "a5": "retryable",
        None: "retryable",
    }
    assert found["a1"].response.text == "yes"
    assert found["a1"].usage == Usage(6, 1)
    assert type(found["a2"].error) is errors.RateLimitError
    assert type(found["a3"].error) is errors.InvalidRequestError
    assert type(found["a5"].error) is errors.BadReplyError


def test_results_within_the_batch_are_read_too() -> None:
    held = [
        {"response": ANSWER, "metadata": {"key": "a1"}},
        {"error": {"code": 13, "message": "broke"}, "metadata": {"key": "a2"}},
    ]
    reply = told("BATCH_STATE_SUCCEEDED", output={"inlinedResponses": {"inlinedResponses": held}})
    _, status = exchange(batch.poll("b1", TARGET), reply)
    assert status.results == (BatchRef("inline", "batches/b1"),)
    (call,), (output,) = exchange(batch.results(status, TARGET), reply)
    assert call.url.endswith("/v1/batches/b1")
    found = by_id(batch.read_results([output.data], output.kind, TARGET))
    assert {key: one.outcome for key, one in found.items()} == {
        "a1": "succeeded",
        "a2": "retryable",
    }
    with pytest.raises(errors.BadReplyError):
        list(batch.read_results([b"<html>"], "inline", TARGET))


def test_vectors() -> None:
    response = {"embedding": {"values": [0.5, 1.0]}, "usageMetadata": {"promptTokenCount": 3}}
    data = ndjson({"key": "e1", "response": response})
    (found,) = batch.read_results([data], "file", TARGET, embeds=True)
    assert found.vectors == [[0.5, 1.0]]
    assert found.usage == Usage(3)


def test_a_row_is_the_body_of_the_same_request_in_real_time() -> None:
    line = json.loads(batch.line(ask("a1", temperature=0.2), TARGET))
    assert line["key"] == "a1"
    assert line["request"]["generationConfig"] == {"temperature": 0.2}
