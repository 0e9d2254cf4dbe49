"""The rows of Cohere's batches: custom_id and body in, custom_id, body and error out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from llm_orchestrator.simulator.batches.format import (
    Answered,
    BatchFormat,
    Entry,
    Item,
    ProblemError,
)
from llm_orchestrator.simulator.cohere.avro import array, optional, record
from llm_orchestrator.simulator.cohere.chat import Chat
from llm_orchestrator.simulator.cohere.embed import Embed
from llm_orchestrator.simulator.cohere.errors import invalid
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Wire

if TYPE_CHECKING:
    from llm_orchestrator.simulator.batches.batch import Batch

CHAT: Final = "batch-chat-v2-input"
EMBED: Final = "batch-embed-v2-input"
_IGNORED: Final = ("return_prompt", "max_input_tokens")


def _units(name: str) -> Any:
    return record(name, input_tokens=optional("double"), output_tokens=optional("double"))


_FUNCTION: Final = record("Function", name="string", arguments="string")
_CALL: Final = record("ToolCall", id="string", type="string", function=_FUNCTION)
_PART: Final = record("Part", type="string", text=optional("string"), thinking=optional("string"))
_MESSAGE: Final = record(
    "Message",
    role="string",
    content=optional(array(_PART)),
    tool_plan=optional("string"),
    tool_calls=optional(array(_CALL)),
)
_USAGE: Final = record("Usage", billed_units=_units("BilledUnits"), tokens=_units("Tokens"))
_SAID: Final = record(
    "Body", id="string", finish_reason="string", message=_MESSAGE, usage=optional(_USAGE)
)
_VECTORS: Final = record("Embeddings", float=optional(array(array("double"))))
_META: Final = record("Meta", billed_units=_units("BilledUnits"))
_EMBEDDED: Final = record(
    "Body", id="string", embeddings=_VECTORS, texts=array("string"), meta=optional(_META)
)
SCHEMAS: Final = {
    CHAT: record("Row", custom_id="string", body=optional(_SAID), error="string"),
    EMBED: record("Row", custom_id="string", body=optional(_EMBEDDED), error="string"),
}
"""The Avro schema of results, by the type of the dataset that went in."""


class _Line(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw


_line = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True)
class CohereFormat(BatchFormat):
    """`kind` is the type of the input dataset."""

    kind: str = CHAT
    provider: str = "cohere"
    most_requests: int = 1_000_000
    most_bytes: int = 1_500_000_000
    longest_key: int = 512
    one_file: bool = True

    def entry(self, raw: bytes, batch: Batch) -> Entry:
        del batch
        return self.read(raw)

    def read(self, raw: bytes) -> Entry:
        """One row."""
        try:
            line = _line(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProblemError("invalid", f"the row is not valid: {error}") from error
        return Entry(line.custom_id, bytes(line.body))

    def wire(self, batch: Batch) -> Wire:
        del batch
        return Embed() if self.kind == EMBED else Chat()

    def request(self, body: dict[str, Any], item: Item) -> dict[str, Any]:
        """The body as a request has it: a row has one type for each field."""
        given = {name: value for name, value in body.items() if name not in _IGNORED}
        if "reasoning" in given or "thinking_budget" in given:
            wanted = given.pop("reasoning", True)
            budget = given.pop("thinking_budget", None)
            given["thinking"] = {"type": "enabled" if wanted else "disabled"}
            if wanted and budget:
                given["thinking"]["token_budget"] = budget
        for tool in given.get("tools") or []:
            function = tool.get("function") if isinstance(tool, dict) else None
            if isinstance(function, dict) and isinstance(function.get("parameters"), str):
                function["parameters"] = _decoded(function["parameters"])
        return given | {"model": item.batch.model}

    def line(self, item: Item, answered: Answered) -> bytes:
        refusal = answered.refusal or Refusal(500, "internal server error")
        body = answered.body if answered.good else b"null"
        error = "" if answered.good else f"{refusal.status}: {refusal.message}"
        row = {"custom_id": item.entry.key, "body": msgspec.Raw(body), "error": error}
        return msgspec.json.encode(row)

    def left(self, item: Item, why: str) -> bytes | None:
        del item, why
        return None

    def struck(self, fault: Fault) -> Refusal:
        return Refusal(fault.status or 500, "internal server error")


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise invalid("tools.function.parameters must be JSON text.") from None
