"""Calls of batches as we make them, beside the recorded ones of the providers' SDKs."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from llm_orchestrator.config.env import Environment
from llm_orchestrator.dialects.batch import Exchange
from llm_orchestrator.providers.auth import authorised
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.providers.variables import filled
from llm_orchestrator.types.batch import BatchFile, BatchItem, BatchOrder
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
SDK = {"vertex": "google_genai"}
MODEL = {"together": "m", "perplexity": "x/m", "cohere": "command-x"}
NOISE = {
    "headers.accept",  # the transport accepts anything
    "headers.http-referer",
    "headers.x-openrouter-title",
    "headers.x-source",
    "headers.x-title",
}


def provider_of(sdk: str, **values: str) -> Provider:
    """The row of the SDK's provider, with a key and the values of its variables."""
    row = filled(TABLE[ROW.get(sdk, sdk)], values, Environment(), "the test")
    return msgspec.structs.replace(row, key=Secret("TEST_KEY"))


def target_of(sdk: str, model: str = "m", **values: str) -> Candidate:
    """A model of the provider."""
    provider = provider_of(sdk, **values)
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
    theirs = flat(RECORDED[SDK.get(sdk, sdk)][case][leg])
    ours = flat(shown(call, provider_of(sdk)))
    return {
        place: (theirs.get(place, MISSING), ours.get(place, MISSING))
        for place in theirs.keys() | ours.keys()
        if theirs.get(place, MISSING) != ours.get(place, MISSING) and place not in NOISE
    }


def item(**fields: Any) -> BatchItem:
    return BatchItem("a-1", Request(messages=(Message("user", "Hi"),), **fields))


TAG = "j1"


def order(file: BatchFile, file_id: str = "file-cap", tag: str = TAG, **fields: Any) -> BatchOrder:
    return BatchOrder(tag=tag, file=file, file_id=file_id, **fields)
