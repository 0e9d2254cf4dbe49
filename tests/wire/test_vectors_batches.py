"""The calls of batches mean what the providers' own SDKs send for them."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_orchestrator.dialects.batch import Exchange, room, whole
from llm_orchestrator.providers.auth import authorised
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.batch import (
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchRef,
    BatchState,
    BatchStatus,
    Texts,
)
from llm_orchestrator.types.http import FilePart, HTTPCall, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.request import Message, Request
from llm_orchestrator.types.secret import Secret
from tests.wire.recorded import FOLDER, MISSING, flat

RECORDED = json.loads((FOLDER / "batches.json").read_text(encoding="utf-8"))
ROW = {
    "google_genai": "gemini",
    "mistralai": "mistral",
    "anthropic_2023-06-01": "anthropic",
    "bedrock_boto3": "bedrock",
}
MODEL = {"together": "m", "perplexity": "x/m", "cohere": "command-x"}
NOISE = {
    "headers.accept",  # the transport accepts anything
    "headers.http-referer",
    "headers.x-openrouter-title",
    "headers.x-source",
    "headers.x-title",
}


def provider_of(sdk: str) -> Provider:
    row = TABLE[ROW.get(sdk, sdk)]
    return msgspec.structs.replace(row, key=Secret("TEST_KEY"))


def target_of(sdk: str, model: str = "m") -> Candidate:
    provider = provider_of(sdk)
    return Candidate(provider, Model(provider=provider.name, id=MODEL.get(sdk, model)))


def rows(folder: Path, *lines: bytes, name: str = "b.jsonl", embeds: bool = False) -> BatchFile:
    path = folder / name
    data = b"".join(line + b"\n" for line in lines)
    path.write_bytes(data)
    return BatchFile(
        path=str(path), size=len(data), count=len(lines), name=name, sha256="c" * 64, embeds=embeds
    )


def first_calls(steps: Exchange[Any], *replies: HTTPReply) -> list[HTTPCall]:
    """The calls that an exchange makes until it has been answered so often."""
    calls = [next(steps)]
    calls += [steps.send(reply) for reply in replies]
    steps.close()
    return calls


def shown(call: HTTPCall, provider: Provider) -> dict[str, Any]:
    """The call as it was recorded of others: forms are taken apart."""
    host = "/".join(call.url.split("/")[:3])
    headers = dict(call.headers) if call.sign == "none" else authorised(call, provider)
    low = {name.lower(): value for name, value in headers.items()}
    data = b"".join(
        Path(part.path).read_bytes()[: part.size].replace(b"\n", b"," if part.joined else b"\n")
        if isinstance(part, FilePart)
        else part
        for part in call.parts
    )
    data = data or call.body
    body: Any = None
    if low.get("content-type", "").startswith("multipart/form-data"):
        boundary = low["content-type"].partition("boundary=")[2]
        low["content-type"] = "multipart/form-data; boundary=..."
        body = {"__multipart__": [part(one) for one in data.split(f"--{boundary}".encode())[1:-1]]}
    elif data:
        body = json.loads(data)
    return {
        "method": call.method,
        "path": call.url.removeprefix(host),
        "headers": low,
        "body": body,
    }


def part(data: bytes) -> dict[str, Any]:
    head, _, body = data.strip(b"\r\n").partition(b"\r\n\r\n")
    if data.endswith(b"\n\r\n"):
        body += b"\n"  # the line feed of the last row is the file's
    headers = dict(re.findall(r"(?im)^([a-z-]+): (.*?)\r?$", head.decode()))
    return {
        "disposition": headers["Content-Disposition"],
        "content_type": headers.get("Content-Type"),
        "body": body.decode(),
    }


def differences(sdk: str, case: str, call: HTTPCall, leg: int = 0) -> dict[str, Any]:
    """Where our call does not mean the recorded one."""
    theirs = flat(RECORDED[sdk][case][leg])
    ours = flat(shown(call, provider_of(sdk)))
    return {
        place: (theirs.get(place, MISSING), ours.get(place, MISSING))
        for place in theirs.keys() | ours.keys()
        if theirs.get(place, MISSING) != ours.get(place, MISSING) and place not in NOISE
    }


def item(**fields: Any) -> BatchItem:
    return BatchItem("a-1", Request(messages=(Message("user", "Hi"),), **fields))


OPENAI_LIKE = ("openai", "groq", "perplexity")
TAG = "j1"


def order(file: BatchFile, file_id: str = "file-cap", tag: str = TAG, **fields: Any) -> BatchOrder:
    return BatchOrder(tag=tag, file=file, file_id=file_id, **fields)


# ------------------------------------------------------------------ OpenAI and those like it


@pytest.mark.parametrize("sdk", ["openai", "groq"])
def test_uploads_hold_the_lines_of_the_sdk(sdk: str, tmp_path: Path) -> None:
    target = target_of(sdk)
    file = rows(tmp_path, room(target.provider).line(item(), target))
    (call,) = first_calls(room(target.provider).upload(file, target))
    assert differences(sdk, "batch_upload", call) == {}


@pytest.mark.parametrize("sdk", OPENAI_LIKE)
def test_creations_of_openais_kind(sdk: str, tmp_path: Path) -> None:
    target = target_of(sdk)
    tag = "idem-1" if sdk == "perplexity" else TAG
    (call,) = first_calls(room(target.provider).create(order(rows(tmp_path), tag=tag), target))
    found = differences(sdk, "batch_create", call)
    # One tag of ours where the SDK was given two words.
    assert found == ({"body.metadata.llmo_job": ("j1", "idem-1")} if sdk == "perplexity" else {})


@pytest.mark.parametrize("sdk", [*OPENAI_LIKE, "together"])
def test_the_other_calls_of_openais_kind(sdk: str) -> None:
    provider = provider_of(sdk)
    at, target = room(provider), target_of(sdk)
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
    _, call = first_calls(room(target.provider).list_recent(target, 0), first)
    assert differences("openai", "batch_list", call) == {}
    for sdk in ("groq", "together"):
        target = whole(provider_of(sdk))
        (call,) = first_calls(room(target.provider).list_recent(target, 0))
        assert differences(sdk, "batch_list", call) == {}
    for sdk in ("perplexity", "openrouter"):
        target = whole(provider_of(sdk))
        (call,) = first_calls(room(target.provider).list_recent(target, 0))
        path = ("path", RECORDED[sdk]["batch_list"][0]["path"])
        assert differences(sdk, "batch_list", call) == {
            path[0]: (path[1], path[1].replace("limit=10", "limit=100"))
        }


# ------------------------------------------------------------------ Together


def test_together_takes_a_file_in_three_legs(tmp_path: Path) -> None:
    target = target_of("together")
    file = rows(tmp_path, room(target.provider).line(item(), target))
    there = {"Location": "http://h/object-store/put", "X-Together-File-Id": "file-cap"}
    legs = first_calls(
        room(target.provider).upload(file, target),
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
    (call,) = first_calls(room(target.provider).create(order(rows(tmp_path)), target))
    assert differences("together", "batch_create", call) == {}


# ------------------------------------------------------------------ Anthropic


@pytest.mark.parametrize("sdk", ["anthropic", "anthropic_2023-06-01"])
def test_anthropic_takes_all_rows_at_once(sdk: str, tmp_path: Path) -> None:
    provider = provider_of(sdk)
    abilities = frozenset({"sampling"}) if "2023" in sdk else frozenset()
    target = Candidate(
        provider, Model(provider="anthropic", id="claude-x", abilities=frozenset(abilities))
    )
    file = rows(tmp_path, room(provider).line(item(max_tokens=64), target))
    (call,) = first_calls(room(provider).create(order(file), target))
    assert keyed(differences(sdk, "batch_create", call)) == {}
    if "batch_get" in RECORDED[sdk]:
        (call,) = first_calls(room(provider).poll("msgbatch_cap", target))
        assert keyed(differences(sdk, "batch_get", call)) == {}
        (call,) = first_calls(room(provider).cancel("msgbatch_cap", target))
        assert keyed(differences(sdk, "batch_cancel", call)) == {}
        first = {"id": "msgbatch_0", "processing_status": "ended", "request_counts": {}}
        page = HTTPReply(200, {}, json.dumps({"data": [first], "has_more": True}).encode())
        _, call = first_calls(room(provider).list_recent(target, 0), page)
        assert keyed(differences(sdk, "batch_list", call)) == {}
        ended = BatchStatus(
            id="x", state=BatchState.COMPLETED, results=(BatchRef("results", "msgbatch_cap"),)
        )
        (call,) = first_calls(room(provider).results(ended, target))
        assert keyed(differences(sdk, "batch_results", call, 1)) == {}


def keyed(found: dict[str, Any]) -> dict[str, Any]:
    """Without the newer SDK's other way of sending the key, which both versions take."""
    return {
        k: v for k, v in found.items() if k not in {"headers.authorization", "headers.x-api-key"}
    }


# ------------------------------------------------------------------ Gemini


def test_gemini_uploads_in_two_legs(tmp_path: Path) -> None:
    target = target_of("google_genai", "gemini-x")
    line = room(target.provider).line(item(), target)
    file = rows(tmp_path, line)
    there = HTTPReply(200, {"x-goog-upload-url": "http://h/upload/session?upload_id=1"}, b"{}")
    start, rest = first_calls(room(target.provider).upload(file, target), there)
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
    at = room(target.provider)
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
    at = room(target.provider)
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
    at = room(target.provider)
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
    at = room(target.provider)
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
    at = room(target.provider)
    file = rows(tmp_path, at.line(item(), target))
    (call,) = first_calls(at.create(order(file), target))
    assert differences("openrouter", "batch_create", call) == {}
    (call,) = first_calls(at.poll("batch_cap", target))
    assert differences("openrouter", "batch_get", call) == {}
