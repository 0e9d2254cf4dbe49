"""Batches of Cohere: datasets that are looked through, results as Avro."""

import io
import json
from typing import Any

import fastavro
import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects.cohere import batch
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.batch import BatchRef, BatchState
from llm_orchestrator.types.http import FilePart
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import OutputSchema, Tool
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.batching import FILE, ask, by_id, embed, exchange, order, pieces

TARGET = Candidate(TABLE["cohere"], Model(provider="cohere", id="command-x"))
SCHEMA = OutputSchema("out", {"type": "object", "properties": {"a": {"type": "string"}}})


def told(status: str = "BATCH_STATUS_IN_PROGRESS", **changes: Any) -> dict[str, Any]:
    return {
        "id": "b1",
        "name": "j1",
        "status": status,
        "model": "command-x",
        "created_at": "2026-11-20T10:00:00Z",
        "updated_at": "2026-11-20T11:00:00Z",
        "input_dataset_id": "ds1",
        "output_dataset_id": "",
        "num_records": 3,
        "num_successful_records": 1,
        "num_failed_records": 1,
    } | changes


def dataset(status: str, **changes: Any) -> dict[str, Any]:
    return {"dataset": {"id": "ds1", "validation_status": status} | changes}


def test_a_row_holds_what_a_dataset_takes() -> None:
    notices: set[str] = set()
    item = ask("a1", schema=SCHEMA, stop=("END",), effort="high", max_tokens=9)
    line = json.loads(batch.line(item, TARGET, notices))
    assert line["custom_id"] == "a1"
    assert line["body"].keys() == {"messages", "max_tokens"}
    rule, question = line["body"]["messages"]
    assert "JSON schema" in rule["content"][0]["text"]
    assert question == {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
    assert {notice.split()[0] for notice in notices} == {"effort", "stop", "the"}
    with pytest.raises(errors.UnsupportedError, match="tools"):
        batch.line(ask("a1", tools=(Tool("t"),)), TARGET)
    with pytest.raises(errors.UnsupportedError, match="stop"):
        batch.line(ask("a1", stop=("END",), strict=True), TARGET)
    kept = ask("a1", extra={"stop_sequences": ["END"]})
    assert json.loads(batch.line(kept, TARGET))["body"]["stop_sequences"] == ["END"]


def test_a_row_of_texts() -> None:
    body = json.loads(batch.line(embed("e1", "a", "b"), TARGET))["body"]
    assert body == {
        "input_type": "search_document",
        "embedding_types": ["float"],
        "inputs": [
            {"content": [{"type": "text", "text": "a"}]},
            {"content": [{"type": "text", "text": "b"}]},
        ],
    }


def test_an_upload_waits_until_the_rows_were_looked_through() -> None:
    calls, file_id = exchange(
        batch.upload(FILE, TARGET),
        {"id": "ds1"},
        dataset("queued"),
        dataset("processing"),
        dataset("validated"),
    )
    assert file_id == "ds1"
    assert calls[0].url.endswith("/v1/datasets?name=j1&type=batch-chat-v2-input")
    assert FilePart(FILE.path, FILE.size) in calls[0].parts
    assert [call.wait for call in calls[1:]] == [0.0, 1.0, 2.0]
    with pytest.raises(errors.InvalidRequestError, match="line 3 is bad"):
        exchange(
            batch.upload(FILE, TARGET),
            {"id": "ds1"},
            dataset("failed", validation_error="line 3 is bad"),
        )
    with pytest.raises(errors.ServerError, match="in time"):
        exchange(batch.upload(FILE, TARGET), {"id": "ds1"}, *([dataset("queued")] * 46))


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("BATCH_STATUS_UNSPECIFIED", BatchState.QUEUED),
        ("BATCH_STATUS_QUEUED", BatchState.QUEUED),
        ("BATCH_STATUS_IN_PROGRESS", BatchState.RUNNING),
        ("BATCH_STATUS_CANCELING", BatchState.CANCELLING),
        ("BATCH_STATUS_COMPLETED", BatchState.COMPLETED),
        ("BATCH_STATUS_FAILED", BatchState.FAILED),
        ("BATCH_STATUS_CANCELED", BatchState.CANCELLED),
        ("BATCH_STATUS_CANCELLED", BatchState.CANCELLED),
    ],
)
def test_states(word: str, state: BatchState) -> None:
    reply = {"batch": told(word, status_reason="why")}
    _, status = exchange(batch.poll("b1", TARGET), reply)
    assert (status.state, status.total, status.completed, status.failed) == (state, 3, 1, 1)
    assert (status.tag, status.input_file_id, status.error) == ("j1", "ds1", "why")
    assert status.results == ()


def test_batches_are_created_cancelled_and_found_by_name() -> None:
    (call,), status = exchange(batch.create(order(file_id="ds1"), TARGET), {"batch": told()})
    assert call.once
    assert status.tag == "j1"
    calls, _ = exchange(batch.cancel("b1", TARGET), {}, {"batch": told()})
    assert calls[0].url.endswith("/v2/batches/b1:cancel")
    pages = (
        {"batches": [told(), told(name="other")], "next_page_token": "t"},
        {"batches": [told(id="b2")]},
    )
    calls, found = exchange(batch.list_recent(TARGET, 0, "j1"), *pages)
    assert [one.id for one in found] == ["b1", "b2"]
    assert calls[1].url.endswith("?page_size=100&page_token=t")


def test_results_are_fetched_part_by_part_without_the_key() -> None:
    reply = {"batch": told("BATCH_STATUS_COMPLETED", output_dataset_id="ds9")}
    _, status = exchange(batch.poll("b1", TARGET), reply)
    assert status.results == (BatchRef("avro", "ds9"),)
    parts = [{"id": "p1", "url": "https://store/1"}, {"id": "p2", "url": "https://store/2"}]
    there = dataset("validated", dataset_parts=parts)
    calls, outputs = exchange(batch.results(status, TARGET), there, {}, {})
    assert [call.sign for call in calls] == ["", "none", "none"]
    assert [call.save for call in calls] == [False, True, True]
    assert len(outputs) == 2


def record(title: str, /, **fields: Any) -> dict[str, Any]:
    named = [{"name": name, "type": kind} for name, kind in fields.items()]
    return {"type": "record", "name": title, "fields": named}


def avro(schema: Any, rows: list[Any]) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, record("row", **schema), rows, codec="deflate")
    return out.getvalue()


def test_results_as_records() -> None:
    text = {
        "type": "record",
        "name": "part",
        "fields": [
            {"name": "type", "type": "string"},
            {"name": "text", "type": ["null", "string"]},
        ],
    }
    message = {
        "type": "record",
        "name": "message",
        "fields": [{"name": "content", "type": {"type": "array", "items": text}}],
    }
    units = {
        "type": "record",
        "name": "units",
        "fields": [
            {"name": "input_tokens", "type": "int"},
            {"name": "output_tokens", "type": "int"},
        ],
    }
    usage = {
        "type": "record",
        "name": "usage",
        "fields": [{"name": "billed_units", "type": units}],
    }
    body = {
        "type": "record",
        "name": "body",
        "fields": [
            {"name": "id", "type": ["null", "string"]},
            {"name": "finish_reason", "type": "string"},
            {"name": "message", "type": message},
            {"name": "usage", "type": usage},
        ],
    }
    answer = {
        "id": None,
        "finish_reason": "COMPLETE",
        "message": {"content": [{"type": "text", "text": "yes"}]},
        "usage": {"billed_units": {"input_tokens": 4, "output_tokens": 1}},
    }
    schema = {"custom_id": "string", "error": "string", "body": ["null", body]}
    rows = [
        {"custom_id": "a1", "error": "", "body": answer},
        {"custom_id": "a2", "error": "Invalid request: no messages", "body": None},
        {"custom_id": "a3", "error": "something broke", "body": None},
        {"custom_id": "a4", "error": "", "body": None},
    ]
    found = by_id(batch.read_results(pieces(avro(schema, rows), 77), "avro", TARGET))
    assert {key: one.outcome for key, one in found.items()} == {
        "a1": "succeeded",
        "a2": "failed",
        "a3": "retryable",
        "a4": "retryable",
    }
    assert found["a1"].response.text == "yes"
    assert found["a1"].usage == Usage(4, 1)


def test_results_whose_bodies_are_texts() -> None:
    inner = json.dumps({"embeddings": {"float": [[1.0], [2.0]]}})
    data = avro({"custom_id": "string", "body": "string"}, [{"custom_id": "e1", "body": inner}])
    (found,) = batch.read_results([data], "avro", TARGET, embeds=True)
    assert found.vectors == [[1.0], [2.0]]


def test_what_is_no_avro_is_named() -> None:
    with pytest.raises(errors.BadReplyError, match="cannot be read"):
        list(batch.read_results([b"<html>"], "avro", TARGET))
