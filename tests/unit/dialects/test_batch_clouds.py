"""Batches whose rows lie in buckets: Vertex and Bedrock."""

import json
from typing import Any

import msgspec
import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects.bedrock import batch as bedrock
from llm_orchestrator.dialects.gemini import vertex_batch as vertex
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.batch import BatchRef, BatchState
from llm_orchestrator.types.http import FilePart, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.batching import FILE, ask, by_id, embed, exchange, ndjson, order, pieces

VERTEX = msgspec.structs.replace(
    TABLE["vertex"],
    base_url="https://europe-west1-aiplatform.googleapis.com/v1beta1",
    values={"bucket": "gs://rows/some/folder/"},
)
GEMINI = Candidate(VERTEX, Model(provider="vertex", id="gemini-x"))
BEDROCK = msgspec.structs.replace(
    TABLE["bedrock"],
    base_url="https://bedrock-runtime.eu-west-1.amazonaws.com",
    values={"bucket": "rows", "role": "arn:aws:iam::1:role/r"},
)
CLAUDE = Candidate(BEDROCK, Model(provider="bedrock", id="anthropic.claude-x"))
ARN = "arn:aws:bedrock:eu-west-1:1:model-invocation-job/abc"


# ------------------------------------------------------------------ Vertex


def vertex_job(state: str = "JOB_STATE_RUNNING", **changes: Any) -> dict[str, Any]:
    return {
        "name": "projects/1/locations/europe-west1/batchPredictionJobs/42",
        "displayName": "j1",
        "model": "publishers/google/models/gemini-x",
        "state": state,
        "createTime": "2026-11-20T10:00:00.5Z",
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://rows/j1.jsonl"]}},
    } | changes


def test_vertex_rows_carry_their_ids_in_a_label() -> None:
    item = ask("a1", extra={"labels": {"team": "x"}})
    assert json.loads(vertex.line(item, GEMINI)) == {
        "request": {
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
            "labels": {"team": "x", "llmo_row": "a1"},
        }
    }
    with pytest.raises(errors.InvalidRequestError, match="small letters"):
        vertex.line(ask("A1"), GEMINI)
    with pytest.raises(errors.UnsupportedError, match="embeddings cannot be asked in a batch"):
        vertex.line(embed(), GEMINI)
    claude = Candidate(VERTEX, Model(provider="vertex", id="claude-x"))
    with pytest.raises(errors.UnsupportedError, match="cannot be asked in a batch"):
        vertex.line(ask(), claude)


def test_vertex_takes_rows_and_results_from_the_bucket() -> None:
    (call,), place = exchange(vertex.upload(FILE, GEMINI), {})
    assert place == "gs://rows/some/folder/j1.jsonl"
    assert call.url == (
        "https://storage.googleapis.com/upload/storage/v1/b/rows/o"
        "?uploadType=media&name=some%2Ffolder%2Fj1.jsonl"
    )
    assert call.parts == (FilePart(FILE.path, FILE.size),)
    (call,), _ = exchange(vertex.create(order(file_id=place), GEMINI), vertex_job())
    assert call.once
    body = json.loads(call.body)
    assert body["inputConfig"]["gcsSource"] == {"uris": [place]}
    assert body["outputConfig"]["gcsDestination"] == {"outputUriPrefix": "gs://rows/some/folder/j1"}
    bare = Candidate(msgspec.structs.replace(VERTEX, values={}), GEMINI.model)
    with pytest.raises(errors.ConfigError, match=r"providers\.vertex\.variables\.bucket"):
        exchange(vertex.upload(FILE, bare))


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("JOB_STATE_QUEUED", BatchState.QUEUED),
        ("JOB_STATE_PENDING", BatchState.QUEUED),
        ("JOB_STATE_RUNNING", BatchState.RUNNING),
        ("JOB_STATE_PAUSED", BatchState.RUNNING),
        ("JOB_STATE_UPDATING", BatchState.RUNNING),
        ("JOB_STATE_SUCCEEDED", BatchState.COMPLETED),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", BatchState.COMPLETED),
        ("JOB_STATE_FAILED", BatchState.FAILED),
        ("JOB_STATE_CANCELLING", BatchState.CANCELLING),
        ("JOB_STATE_CANCELLED", BatchState.CANCELLED),
        ("JOB_STATE_EXPIRED", BatchState.EXPIRED),
    ],
)
def test_vertex_states(word: str, state: BatchState) -> None:
    stats = {"successfulCount": "5", "failedCount": "1", "incompleteCount": "2"}
    reply = vertex_job(word, completionStats=stats, error={"code": 3, "message": "no"})
    (call,), status = exchange(vertex.poll(vertex_job()["name"], GEMINI), reply)
    assert call.url.endswith("/batchPredictionJobs/42")
    assert (status.state, status.total, status.completed, status.failed) == (state, 8, 5, 1)
    assert (status.model, status.tag, status.error) == ("gemini-x", "j1", "no")


def test_vertex_finds_a_tag_by_itself() -> None:
    first = {"batchPredictionJobs": [vertex_job()], "nextPageToken": "t"}
    calls, found = exchange(vertex.list_recent(GEMINI, 0, "j1"), first, {})
    assert "&filter=display_name%3D%22j1%22" in calls[0].url
    assert calls[1].url.endswith("&pageToken=t")
    assert [one.tag for one in found] == ["j1"]


def test_vertex_reads_every_file_of_lines_in_the_folder() -> None:
    done = vertex_job(
        "JOB_STATE_SUCCEEDED", outputInfo={"gcsOutputDirectory": "gs://rows/j1/prediction-1"}
    )
    _, status = exchange(vertex.poll("42", GEMINI), done)
    assert status.results == (BatchRef("folder", "gs://rows/j1/prediction-1"),)
    listed = {"items": [{"name": "j1/prediction-1/a b.jsonl"}, {"name": "j1/prediction-1/x.txt"}]}
    more = {"items": [{"name": "j1/prediction-1/2.jsonl"}]}
    calls, outputs = exchange(
        vertex.results(status, GEMINI), listed | {"nextPageToken": "n"}, more, {}, {}
    )
    assert [call.url.removeprefix("https://storage.googleapis.com") for call in calls] == [
        "/storage/v1/b/rows/o?prefix=j1%2Fprediction-1%2F",
        "/storage/v1/b/rows/o?prefix=j1%2Fprediction-1%2F&pageToken=n",
        "/storage/v1/b/rows/o/j1%2Fprediction-1%2Fa%20b.jsonl?alt=media",
        "/storage/v1/b/rows/o/j1%2Fprediction-1%2F2.jsonl?alt=media",
    ]
    assert len(outputs) == 2
    some = msgspec.structs.replace(status, completed=3)
    with pytest.raises(errors.BadReplyError, match="no results below gs://rows/j1") as caught:
        exchange(vertex.results(some, GEMINI), {})
    assert caught.value.status_code == 404
    none = msgspec.structs.replace(status, completed=0)
    assert exchange(vertex.results(none, GEMINI), {})[1] == ()


def test_vertex_results_are_found_by_the_label() -> None:
    def row(custom_id: str, **more: Any) -> dict[str, Any]:
        return {"request": {"contents": [], "labels": {"llmo_row": custom_id}}, **more}

    answer = {
        "candidates": [{"content": {"parts": [{"text": "yes"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 6, "candidatesTokenCount": 1},
    }
    refused = 'Bad Request: {"error": {"code": 400, "message": "no", "status": "X"}}'
    data = ndjson(
        row("a1", status="", response=answer, processed_time="2026-11-20T10:00:00Z"),
        row("a2", status=refused, response={}),
        row("a3", status="Internal error"),
        row("a4", status={"code": 8, "message": "too much"}),
        {"request": {"contents": []}, "status": "", "response": answer},
        row("a6"),
        b"]",
    )
    found = list(vertex.read_results(pieces(data, 50), "folder", GEMINI))
    assert [(one.custom_id, one.outcome) for one in found] == [
        ("a1", "succeeded"),
        ("a2", "failed"),
        ("a3", "retryable"),
        ("a4", "retryable"),
        (None, "succeeded"),
        (None, "retryable"),
        (None, "retryable"),
    ]
    assert found[0].usage == Usage(6, 1)


# ------------------------------------------------------------------ Bedrock


def bedrock_job(status: str = "InProgress", **changes: Any) -> dict[str, Any]:
    return {
        "jobArn": ARN,
        "jobName": "j1",
        "modelId": "anthropic.claude-x",
        "clientRequestToken": "j1",
        "roleArn": "arn:aws:iam::1:role/r",
        "status": status,
        "submitTime": "2026-11-20T10:00:00.123Z",
        "jobExpirationTime": "2026-11-21T10:00:00Z",
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://rows/j1.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://rows/j1/"}},
        "totalRecordCount": 4,
        "successRecordCount": 2,
        "errorRecordCount": 1,
    } | changes


def test_bedrock_rows_are_bodies_of_converse_or_of_invoke_model() -> None:
    assert json.loads(bedrock.line(ask("a1"), CLAUDE)) == {
        "recordId": "a1",
        "modelInput": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
    }
    titan = Candidate(BEDROCK, Model(provider="bedrock", id="amazon.titan-embed-text-v2:0"))
    assert json.loads(bedrock.line(embed("e1", "a"), titan)) == {
        "recordId": "e1",
        "modelInput": {"inputText": "a", "normalize": True},
    }


def test_bedrock_takes_rows_from_the_bucket_of_its_region() -> None:
    (call,), place = exchange(bedrock.upload(FILE, CLAUDE), {})
    assert place == "s3://rows/j1.jsonl"
    assert (call.method, call.sign) == ("PUT", "s3")
    assert call.url == "https://s3.eu-west-1.amazonaws.com/rows/j1.jsonl"
    (call,), status = exchange(
        bedrock.create(order(file_id=place, hours=48), CLAUDE), {"jobArn": ARN}
    )
    assert call.once
    assert call.url == "https://bedrock.eu-west-1.amazonaws.com/model-invocation-job"
    body = json.loads(call.body)
    assert body["clientRequestToken"] == body["jobName"] == "j1"
    assert (body["modelInvocationType"], body["timeoutDurationInHours"]) == ("Converse", 48)
    assert (status.id, status.state, status.tag) == (ARN, BatchState.QUEUED, "j1")
    bare = Candidate(msgspec.structs.replace(BEDROCK, values={"bucket": "rows"}), CLAUDE.model)
    with pytest.raises(errors.ConfigError, match=r"providers\.bedrock\.variables\.role"):
        exchange(bedrock.create(order(), bare))


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Submitted", BatchState.QUEUED),
        ("Validating", BatchState.VALIDATING),
        ("Scheduled", BatchState.QUEUED),
        ("InProgress", BatchState.RUNNING),
        ("PartiallyCompleted", BatchState.EXPIRED),
        ("Completed", BatchState.COMPLETED),
        ("Failed", BatchState.FAILED),
        ("Stopping", BatchState.CANCELLING),
        ("Stopped", BatchState.CANCELLED),
        ("Expired", BatchState.EXPIRED),
    ],
)
def test_bedrock_states(word: str, state: BatchState) -> None:
    (call,), status = exchange(bedrock.poll(ARN, CLAUDE), bedrock_job(word, message="why"))
    assert call.url.endswith("%3Amodel-invocation-job%2Fabc")
    assert (status.state, status.total, status.completed, status.failed) == (state, 4, 2, 1)
    assert status.error == "why"
    there = (BatchRef("lines", "s3://rows/j1/abc/j1.jsonl.out"),) if state.over else ()
    assert status.results == there


def test_bedrock_stops_and_finds_jobs() -> None:
    calls, status = exchange(bedrock.cancel(ARN, CLAUDE), {}, bedrock_job("Stopping"))
    assert calls[0].url.endswith("/stop")
    assert status.state is BatchState.CANCELLING
    page = {"invocationJobSummaries": [bedrock_job()], "nextToken": "a/b"}
    calls, found = exchange(bedrock.list_recent(CLAUDE, 1_700_000_000, "j1"), page, {})
    assert calls[0].url.partition("?")[2] == (
        "maxResults=100&sortBy=CreationTime&sortOrder=Descending"
        "&submitTimeAfter=2023-11-14T22%3A13%3A20Z&nameContains=j1"
    )
    assert calls[1].url.endswith("&nextToken=a%2Fb")
    assert [one.id for one in found] == [ARN]


def test_bedrock_results_lie_beside_the_rows() -> None:
    _, status = exchange(bedrock.poll(ARN, CLAUDE), bedrock_job("Stopped"))
    (call,), outputs = exchange(bedrock.results(status, CLAUDE), {})
    assert call.url == "https://s3.eu-west-1.amazonaws.com/rows/j1/abc/j1.jsonl.out"
    assert (call.sign, call.save, len(outputs)) == ("s3", True, 1)
    for none in (None, 0):
        early = msgspec.structs.replace(status, completed=none)
        for missing in (403, 404):
            reply = HTTPReply(missing, {}, b"<Error/>")
            assert exchange(bedrock.results(early, CLAUDE), reply)[1] == ()
    # Where there must be results, it is an error that there are none.
    for done in ({"state": BatchState.COMPLETED}, {"completed": 3}):
        late = msgspec.structs.replace(status, completed=None)
        (call,), _ = exchange(bedrock.results(msgspec.structs.replace(late, **done), CLAUDE), {})
        assert call.also == ()


def test_bedrock_results() -> None:
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "yes"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 5, "outputTokens": 1},
    }
    asked: dict[str, Any] = {"messages": []}

    def fault(custom_id: str, code: Any) -> dict[str, Any]:
        error = {"errorCode": code, "errorMessage": "no"}
        return {"recordId": custom_id, "modelInput": asked, "error": error}

    data = ndjson(
        {"recordId": "a1", "modelInput": asked, "modelOutput": answer},
        fault("a2", 400),
        fault("a3", 503),
        fault("a4", "strange"),
        {"recordId": "a5", "modelInput": asked},
        b"?",
    )
    found = by_id(bedrock.read_results(pieces(data, 64), "lines", CLAUDE))
    assert {key: one.outcome for key, one in found.items()} == {
        "a1": "succeeded",
        "a2": "failed",
        "a3": "retryable",
        "a4": "retryable",
        "a5": "retryable",
        None: "retryable",
    }
    assert found["a1"].response.text == "yes"
    assert found["a1"].usage == Usage(5, 1)
    assert found["a2"].error.message.startswith("no")
