"""The lines of batch inference on Bedrock: bodies of Converse, or of InvokeModel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from llm_orchestrator.simulator.anthropic.errors import invalid as wrong
from llm_orchestrator.simulator.anthropic.messages import Messages
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.batches.format import (
    Answered,
    BatchFormat,
    Entry,
    Item,
    ProblemError,
)
from llm_orchestrator.simulator.bedrock.converse import Converse
from llm_orchestrator.simulator.bedrock.invoke import Invoke
from llm_orchestrator.simulator.bedrock.service import Bedrock, find, region_of
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Wire
from llm_orchestrator.simulator.world import World

if TYPE_CHECKING:
    from llm_orchestrator.simulator.batches.batch import Batch

_VERSION: Final = "bedrock-2023-05-31"


class _Line(msgspec.Struct):
    modelInput: msgspec.Raw  # noqa: N815  the wire's name
    recordId: str = ""  # noqa: N815


_line = msgspec.json.Decoder(_Line).decode


class InvokedMessages(Messages):
    """Claude by InvokeModel: Anthropic's body with a version of its own."""

    provider = "bedrock"
    name = "bedrock.invoke"

    def request_id(self, world: World, number: int) -> str:
        return Bedrock().request_id(world, number)

    def key(self, request: web.Request) -> str:
        return Bedrock().key(request)

    def model(self, body: Mapping[str, Any], world: World) -> Model:
        return find(str(body["model"]), "", world)

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        del headers  # the version is in the body
        if body.get("anthropic_version") != _VERSION:
            raise wrong(f"anthropic_version: must be {_VERSION}")
        rest = {name: value for name, value in body.items() if name != "anthropic_version"}
        return super().parse(rest, {"anthropic-version": "2023-06-01"}, world)


@dataclass(frozen=True)
class BedrockFormat(BatchFormat):
    """`converse` = the rows are bodies of Converse."""

    converse: bool = False
    provider: str = "bedrock"
    most_requests: int = 50_000
    most_bytes: int = 1_000_000_000
    longest_key: int = 64
    unique: bool = False
    one_file: bool = True
    fails_whole: bool = True

    def entry(self, raw: bytes, batch: Batch) -> Entry:
        del batch
        try:
            line = _line(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProblemError("ValidationException", f"Invalid record: {error}") from error
        if not line.recordId.isalnum() and line.recordId:
            message = f"recordId '{line.recordId}' must be alphanumeric."
            raise ProblemError("ValidationException", message)
        return Entry(line.recordId, bytes(line.modelInput))

    def wire(self, batch: Batch) -> Wire:
        if self.converse:
            return Converse()
        return Invoke() if batch.facts["embeds"] else InvokedMessages()

    def request(self, body: dict[str, Any], item: Item) -> dict[str, Any]:
        return body | {"model": item.batch.facts["named"]}

    def line(self, item: Item, answered: Answered) -> bytes:
        if answered.good:
            return _row(item, b'"modelOutput":' + answered.body)
        refusal = answered.refusal or Refusal(500, "Internal server error")
        error = {"errorCode": refusal.status, "errorMessage": refusal.message}
        return _row(item, b'"error":' + msgspec.json.encode(error))

    def left(self, item: Item, why: str) -> bytes | None:
        del item, why
        return None

    def struck(self, fault: Fault) -> Refusal:
        return Refusal(fault.status or 500, "The system encountered an unexpected error.")


def _row(item: Item, outcome: bytes) -> bytes:
    key = item.entry.key or f"{item.batch.id.upper()}{item.number:07d}"
    head = b'{"recordId":' + msgspec.json.encode(key)
    return head + b',"modelInput":' + item.entry.body + b"," + outcome + b"}"


def region(headers: Mapping[str, str]) -> str:
    """Where a job runs."""
    return region_of(headers) or "us-east-1"
