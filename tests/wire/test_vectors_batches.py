"""The calls of batches mean what the providers' own SDKs send for them."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.dialects.batch import dialect, whole
from llm_orchestrator.types.batch import BatchItem, BatchRef, BatchState, BatchStatus, Texts
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from tests.wire.batching import (
    RECORDED,
    TAG,
    differences,
    first_calls,
    item,
    order,
    provider_of,
    rows,
    target_of,
)
from tests.wire.recorded import MISSING

OPENAI_LIKE = ("openai", "groq", "perplexity")

# ------------------------------------------------------------------ OpenAI and those like it


@pytest.mark.parametrize("sdk", ["openai", "groq"])
def test_uploads_hold_the_lines_of_the_sdk(sdk: str, tmp_path: Path) -> None:
    target = target_of(sdk)
    file = rows(tmp_path, dialect(target.provider).line(item(), target))
    (call,) = first_calls(dialect(target.provider).upload(file, target))
    assert differences(sdk, "batch_upload", call) == {}


@pytest.mark.parametrize("sdk", OPENAI_LIKE)
def test_creations_of_openais_kind(sdk: str, tmp_path: Path) -> None:
    target = target_of(sdk)
    tag = "idem-1" if sdk == "perplexity" else TAG
    (call,) = first_calls(dialect(target.provider).create(order(rows(tmp_path), tag=tag), target))
    found = differences(sdk, "batch_create", call)
    # One tag of ours where the SDK was given two words.
    assert found == ({"body.metadata.llmo_job": ("j1", "idem-1")} if sdk == "perplexity" else {})


@pytest.mark.parametrize("sdk", [*OPENAI_LIKE, "together"])
def test_the_other_calls_of_openais_kind(sdk: str) -> None:
    provider = provider_of(sdk)
    at, target = dialect(provider), target_of(sdk)
    (call,) = first_calls(at.poll("batch_cap", target))
    assert differences(sdk, "batch_get", call) == {}
    (call,) = first_calls(at.cancel("batch_cap", target))
    assert differences(sdk, "batch_cancel", call) == {}
    if "file_content" in RECORDED[sdk]:
        status = BatchStatus(
            id="b", state=BatchState.COMPLETED, results=(BatchRef("output", "file-cap"),)
        )
        (call,) = first_calls(at.results(status, target))
        assert differences(sdk, "file_content", call) == {}


def test_lists_of_openais_kind() -> None:
    first = HTTPReply(200, {}, b'{"data":[{"id":"batch_0","status":"x"}],"has_more":true}')
    target = whole(provider_of("openai"))
    _, call = first_calls(dialect(target.provider).list_recent(target, 0), first)
    assert differences("openai", "batch_list", call) == {}
    for sdk in ("groq", "together"):
        target = whole(provider_of(sdk))
        (call,) = first_calls(dialect(target.provider).list_recent(target, 0))
        assert differences(sdk, "batch_list", call) == {}
    for sdk in ("perplexity", "openrouter"):
        target = whole(provider_of(sdk))
        (call,) = first_calls(dialect(target.provider).list_recent(target, 0))
        path = ("path", RECORDED[sdk]["batch_list"][0]["path"])
        assert differences(sdk, "batch_list", call) == {
            path[0]: (path[1], path[1].replace("limit=10", "limit=100"))
        }


# ------------------------------------------------------------------ Together


def test_together_takes_a_file_in_three_legs(tmp_path: Path) -> None:
    target = target_of("together")
    file = rows(tmp_path, dialect(target.provider).line(item(), target))
    there = {"Location": "http://h/object-store/put", "X-Together-File-Id": "file-cap"}
    legs = first_calls(
        dialect(target.provider).upload(file, target),
        HTTPReply(302, there, b""),
        HTTPReply(200, {}, b""),
    )
    assert differences("together", "batch_upload", legs[0]) == {
        # Files and their sums differ.
        "body.__multipart__.1.body": ("tmph9z2n_kz.jsonl", "b.jsonl"),
        "body.__multipart__.3.body": (
            "21c061b3b5796a3590dad4dbf5d34455d61fe2f9e40a11c375536179f07db3ae",
            "c" * 64,
        ),
    }
    # A row needs no method and no address here.
    assert differences("together", "batch_upload", legs[1], 1) == {
        "body.method": ("POST", MISSING),
        "body.url": ("/v1/chat/completions", MISSING),
        "headers": (MISSING, {}),  # the storage wants none
    }
    assert differences("together", "batch_upload", legs[2], 2) == {}
    assert [call.sign for call in legs] == ["", "none", ""]


def test_together_has_no_place_for_a_tag(tmp_path: Path) -> None:
    target = target_of("together")
    (call,) = first_calls(dialect(target.provider).create(order(rows(tmp_path)), target))
    assert differences("together", "batch_create", call) == {}


# ------------------------------------------------------------------ Anthropic


@pytest.mark.parametrize("sdk", ["anthropic", "anthropic_2023-06-01"])
def test_anthropic_takes_all_rows_at_once(sdk: str, tmp_path: Path) -> None:
    provider = provider_of(sdk)
    abilities = frozenset({"sampling"}) if "2023" in sdk else frozenset()
    target = Candidate(
        provider, Model(provider="anthropic", id="claude-x", abilities=frozenset(abilities))
    )
    file = rows(tmp_path, dialect(provider).line(item(max_tokens=64), target))
    (call,) = first_calls(dialect(provider).create(order(file), target))
    assert keyed(differences(sdk, "batch_create", call)) == {}
    if "batch_get" in RECORDED[sdk]:
        (call,) = first_calls(dialect(provider).poll("msgbatch_cap", target))
        assert keyed(differences(sdk, "batch_get", call)) == {}
        (call,) = first_calls(dialect(provider).cancel("msgbatch_cap", target))
        assert keyed(differences(sdk, "batch_cancel", call)) == {}
        first = {"id": "msgbatch_0", "processing_status": "ended", "request_counts": {}}
        page = HTTPReply(200, {}, json.dumps({"data": [first], "has_more": True}).encode())
        _, call = first_calls(dialect(provider).list_recent(target, 0), page)
        assert keyed(differences(sdk, "batch_list", call)) == {}
        ended = BatchStatus(
            id="x", state=BatchState.COMPLETED, results=(BatchRef("results", "msgbatch_cap"),)
        )
        (call,) = first_calls(dialect(provider).results(ended, target))
        assert keyed(differences(sdk, "batch_results", call, 1)) == {}


def keyed(found: dict[str, Any]) -> dict[str, Any]:
    """Without the newer SDK's other way of sending the key, which both versions take."""
    return {
        k: v for k, v in found.items() if k not in {"headers.authorization", "headers.x-api-key"}
    }


# ------------------------------------------------------------------ Gemini


def test_gemini_uploads_in_two_legs(tmp_path: Path) -> None:
    target = target_of("google_genai", "gemini-x")
    line = dialect(target.provider).line(item(), target)
    file = rows(tmp_path, line)
    there = HTTPReply(200, {"x-goog-upload-url": "http://h/upload/session?upload_id=1"}, b"{}")
    start, rest = first_calls(dialect(target.provider).upload(file, target), there)
    found = differences("google_genai", "batch_upload", start)
    assert found == {
        "body.file.display_name": ("b", "b.jsonl"),
        "body.file.size_bytes": (65, file.size),
        "headers.x-goog-upload-header-content-length": ("65", str(file.size)),
        "headers.x-goog-upload-file-name": ("tmpr5qquipg.jsonl", "b.jsonl"),
    }
    found = differences("google_genai", "batch_upload", rest, 1)
    assert found == {
        "body.request.contents.0.role": (MISSING, "user"),
        "headers.x-goog-upload-file-name": ("tmpr5qquipg.jsonl", "b.jsonl"),
        "headers.x-goog-upload-header-content-length": ("65", str(file.size)),
    }
    assert rest.sign == "none"


def test_the_other_calls_of_gemini(tmp_path: Path) -> None:
    target = target_of("google_genai", "gemini-x")
    at = dialect(target.provider)
    file = rows(tmp_path)
    (call,) = first_calls(at.create(order(file, "files/cap", "llmo-j1"), target))
    assert differences("google_genai", "batch_file", call) == {}
    (call,) = first_calls(at.poll("batches/cap", target))
    assert differences("google_genai", "batch_get", call) == {}
    (call,) = first_calls(at.cancel("batches/cap", target))
    assert differences("google_genai", "batch_cancel", call) == {}
    (call,) = first_calls(at.list_recent(target, 0))
    assert differences("google_genai", "batch_list", call) == {
        "path": ("/v1/batches?pageSize=10", "/v1/batches?pageSize=100")
    }
    ended = BatchStatus(
        id="x", state=BatchState.COMPLETED, results=(BatchRef("file", "files/batch-cap"),)
    )
    (call,) = first_calls(at.results(ended, target))
    assert differences("google_genai", "batch_download", call) == {}


def test_gemini_embeds_in_batches(tmp_path: Path) -> None:
    target = target_of("google_genai", "gemini-embedding-001")
    at = dialect(target.provider)
    line = json.loads(at.line(BatchItem("a-1", Texts(("a",))), target))
    recorded = RECORDED["google_genai"]["batch_embeddings"][0]
    requests = recorded["body"]["batch"]["inputConfig"]["requests"]["requests"]
    assert line == {"key": "a-1", "request": requests[0]["request"]}
    file = rows(tmp_path, embeds=True)
    (call,) = first_calls(at.create(order(file, "files/cap"), target))
    assert call.url.endswith(recorded["path"])


# ------------------------------------------------------------------ Mistral and OpenRouter


def test_mistral_uploads_and_creates(tmp_path: Path) -> None:
    target = target_of("mistralai", "mistral-x")
    at = dialect(target.provider)
    file = rows(tmp_path, at.line(item(max_tokens=64), target))
    (call,) = first_calls(at.upload(file, target))
    found = differences("mistralai", "batch_upload", call)
    for place, (theirs, ours) in list(found.items()):
        if json.loads(theirs) == json.loads(ours):
            del found[place]  # the row, with its fields in another order
    assert found == {}
    (call,) = first_calls(at.create(order(file, hours=48), target))
    assert differences("mistralai", "batch_create_file", call) == {}


def test_the_other_calls_of_mistral() -> None:
    target = target_of("mistralai")
    at = dialect(target.provider)
    (call,) = first_calls(at.poll("b1", target))
    assert differences("mistralai", "batch_get", call) == {}
    (call,) = first_calls(at.cancel("b1", target))
    assert differences("mistralai", "batch_cancel", call) == {}
    ended = BatchStatus(
        id="x", state=BatchState.COMPLETED, results=(BatchRef("output", "file-cap"),)
    )
    (call,) = first_calls(at.results(ended, target))
    assert differences("mistralai", "file_content", call) == {}


def test_openrouter_takes_all_rows_at_once(tmp_path: Path) -> None:
    target = target_of("openrouter", "vendor/x")
    at = dialect(target.provider)
    file = rows(tmp_path, at.line(item(), target))
    (call,) = first_calls(at.create(order(file), target))
    assert differences("openrouter", "batch_create", call) == {}
    (call,) = first_calls(at.poll("batch_cap", target))
    assert differences("openrouter", "batch_get", call) == {}


# ------------------------------------------------------------------ Cohere, Vertex, Bedrock


def test_the_calls_of_cohere(tmp_path: Path) -> None:
    target = target_of("cohere")
    at = dialect(target.provider)
    file = rows(tmp_path, b'{"custom_id":"a-1","body":{}}', name="llmo-j1.jsonl")
    (call,) = first_calls(at.upload(file, target))
    place = "body.__multipart__.0.disposition"
    assert differences("cohere", "batch_upload", call).keys() == {place}  # the file's name
    (call,) = first_calls(at.create(order(file, "ds1", "llmo-j1"), target))
    assert differences("cohere", "batch_create", call) == {}
    (call,) = first_calls(at.poll("b1", target))
    assert differences("cohere", "batch_get", call) == {}
    (call,) = first_calls(at.cancel("b1", target))
    assert differences("cohere", "batch_cancel", call) == {}
    (call,) = first_calls(at.list_recent(target, 0))
    assert differences("cohere", "batch_list", call) == {
        "path": ("/v2/batches?page_size=10", "/v2/batches?page_size=100")
    }


def test_the_calls_of_vertex(tmp_path: Path) -> None:
    place = {"project": "proj", "location": "us-central1", "bucket": "b"}
    target = target_of("vertex", "gemini-x", **place)
    at = dialect(target.provider)
    (call,) = first_calls(at.create(order(rows(tmp_path), "gs://b/in.jsonl", "llmo-j1"), target))
    assert differences("vertex", "vertex_batch_create", call) == {
        "body.outputConfig.gcsDestination.outputUriPrefix": ("gs://b/out", "gs://b/llmo-j1")
    }
    (call,) = first_calls(at.cancel("1", target))
    assert differences("vertex", "vertex_batch_cancel", call) == {}
    (call,) = first_calls(at.list_recent(target, 0, "llmo-j1"))
    recorded = RECORDED["google_genai"]["vertex_batch_list"][0]["path"]
    assert differences("vertex", "vertex_batch_list", call) == {
        "path": (recorded, recorded.replace("pageSize=10", "pageSize=100"))
    }


def test_the_calls_of_bedrock(tmp_path: Path) -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghijkl"
    role = "arn:aws:iam::123456789012:role/bedrockbatch"
    target = target_of(
        "bedrock_boto3", "us.anthropic.claude-x-v1:0", region="us-east-1", bucket="b", role=role
    )
    at = dialect(target.provider)
    (call,) = first_calls(at.create(order(rows(tmp_path), "s3://b/in.jsonl", "llmo-j1"), target))
    assert unsigned(differences("bedrock_boto3", "batch_create", call)) == {
        # One tag of ours where the SDK was given three words, and what the rows are.
        "body.clientRequestToken": ("tok-1", "llmo-j1"),
        "body.tags.0.value": ("j1", "llmo-j1"),
        "body.outputDataConfig.s3OutputDataConfig.s3Uri": ("s3://b/out/", "s3://b/llmo-j1/"),
        "body.modelInvocationType": (MISSING, "Converse"),
    }
    (call,) = first_calls(at.poll(arn, target))
    assert unsigned(differences("bedrock_boto3", "batch_get", call)) == {}
    (call,) = first_calls(at.cancel(arn, target))
    assert unsigned(differences("bedrock_boto3", "batch_stop", call)) == {}
    (call,) = first_calls(at.list_recent(target, 1_700_000_000, "llmo"))
    theirs = set(RECORDED["bedrock_boto3"]["batch_list"][0]["path"].partition("?")[2].split("&"))
    ours = set(call.url.partition("?")[2].split("&"))
    assert theirs - ours == {"statusEquals=InProgress", "maxResults=10"}


def unsigned(found: dict[str, Any]) -> dict[str, Any]:
    """Without what credentials add."""
    added = {"headers.authorization", "headers.x-amz-date", "headers.x-amz-security-token"}
    return {place: pair for place, pair in found.items() if place not in added}
