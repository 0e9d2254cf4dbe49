"""Targets, frames and an independent judge for the tests of Bedrock's wire."""

import json
import struct
import zlib
from importlib.util import find_spec
from typing import Any

from llm_orchestrator.dialects import load
from llm_orchestrator.types.provider import Candidate, Provider, Quirks
from llm_orchestrator.types.request import Message, Request
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, feed

CLAUDE = "us.anthropic.claude-x-v1:0"
HI = (Message("user", "Hi"),)
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"


def bedrock(
    abilities: str | None = None,
    *,
    id: str = CLAUDE,
    region: str = "us-east-1",
    max_output: int | None = None,
    lacks: str = "",
    base_url: str = HOST,
) -> Candidate:
    """A model on the wire of Converse."""
    provider = Provider(
        name="bedrock",
        dialect="bedrock",
        base_url=base_url,
        auth="sigv4",
        values={"region": region},
        lacks=frozenset(lacks.split()),  # type: ignore[arg-type]
        quirks=Quirks(),
    )
    return Candidate(provider, targets.model("bedrock", id, abilities, max_output=max_output))


def raw_frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame, written from the description of the format."""
    head = b""
    for name, value in headers.items():
        text = value.encode()
        head += bytes((len(name.encode()),)) + name.encode()
        head += b"\x07" + struct.pack(">H", len(text)) + text
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def event(kind: str, **fields: Any) -> bytes:
    """An event of an answer, padded as the service pads them."""
    headers = {
        ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return raw_frame(headers, json.dumps(fields | {"p": "abcd"}).encode())


def exception(kind: str, message: str, **fields: Any) -> bytes:
    """An exception in a stream."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return raw_frame(headers, json.dumps({"message": message} | fields).encode())


def read(*pieces: bytes, target: Candidate | None = None) -> Outcome:
    """What came of the bytes."""
    return feed(load("bedrock"), target or bedrock(), pieces)


def judged(operation: str, body: dict[str, Any], **path: str) -> None:
    """The body satisfies Amazon's own description of the operation, where that is installed."""
    if find_spec("botocore") is None:
        return
    from botocore.session import Session
    from botocore.validate import ParamValidator

    model = Session().get_service_model("bedrock-runtime").operation_model(operation)
    report = ParamValidator().validate(body | path, model.input_shape)
    assert not report.has_errors(), report.generate_report()


def asked(*messages: Message, **fields: Any) -> Request:
    return Request(messages=messages or HI, **fields)


def sent(request: Request, target: Candidate | None = None) -> tuple[dict[str, Any], list[str]]:
    """The body, that Amazon's description allows, and the notices; the same when asked again."""
    target = target or bedrock()
    call = load("bedrock").encode(request, target)
    assert load("bedrock").encode(request, target) == call
    body = json.loads(call.body)
    judged("Converse", body, modelId=target.model.id)
    return body, list(call.notices)


def body(request: Request, target: Candidate | None = None) -> dict[str, Any]:
    found, notices = sent(request, target)
    assert notices == []
    return found
