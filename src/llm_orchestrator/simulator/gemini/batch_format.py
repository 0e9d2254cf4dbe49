"""The lines of batches on the Gemini API: inline requests and files, prompts and embeddings."""

from __future__ import annotations

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
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.gemini import errors
from llm_orchestrator.simulator.gemini.embeddings import Embed
from llm_orchestrator.simulator.gemini.generate import Generate
from llm_orchestrator.simulator.gemini.place import Place
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply, Wire

if TYPE_CHECKING:
    from llm_orchestrator.simulator.batches.batch import Batch

_WINDOW: Final = 48 * 3600.0


class _Line(msgspec.Struct):
    request: msgspec.Raw
    key: str | int | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"")


class _Metadata(msgspec.Struct):
    key: str | int | None = None


_line = msgspec.json.Decoder(_Line).decode
_metadata = msgspec.json.Decoder(_Metadata).decode


class BatchEmbed(Embed):
    """One vector, and the number of its tokens."""

    def plain(self, reply: Reply) -> Any:
        embedding = super().plain(reply)["embedding"]
        return {"embedding": embedding, "tokenCount": str(reply.usage.input_tokens)}


@dataclass(frozen=True)
class GeminiFormat(BatchFormat):
    """`inline` = the requests came in the body, and their results go back in their order."""

    inline: bool = False
    embeds: bool = False
    provider: str = "gemini"
    window: float = _WINDOW
    most_requests: int = 10_000_000
    most_bytes: int = 2_000_000_000
    longest_key: int = 1 << 20
    unique: bool = False
    one_file: bool = True
    fails_whole: bool = False
    partial: bool = False

    @property
    def in_order(self) -> bool:  # type: ignore[override]
        """Whether results come as the requests came."""
        return self.inline

    def entry(self, raw: bytes, batch: Batch) -> Entry:
        del batch
        return self.read(raw)

    def read(self, raw: bytes) -> Entry:
        """One line."""
        try:
            line = _line(raw)
            key, extra = line.key, b""
            if self.inline and bytes(line.metadata):
                key, extra = _metadata(line.metadata).key, bytes(line.metadata)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProblemError("invalid_argument", f"The line is not valid: {error}") from error
        return Entry("" if key is None else str(key), bytes(line.request), extra=extra)

    def wire(self, batch: Batch) -> Wire:
        place = Place("gemini", batch.facts["version"])
        return BatchEmbed(place, "embedContent") if self.embeds else Generate(place)

    def request(self, body: dict[str, Any], item: Item) -> dict[str, Any]:
        return body | {"model": item.batch.model}

    def line(self, item: Item, answered: Answered) -> bytes:
        body, name = answered.body, b"response"
        if not answered.good:
            refusal = answered.refusal or Refusal(500, "An internal error has occurred.")
            body, name = msgspec.json.encode(errors.status(refusal)), b"error"
        if self.inline:
            head = b'{"metadata":' + item.entry.extra + b"," if item.entry.extra else b"{"
        else:
            head = b'{"key":' + msgspec.json.encode(item.entry.key) + b","
        return head + b'"' + name + b'":' + body + b"}"

    def left(self, item: Item, why: str) -> bytes | None:
        del item, why
        return None

    def struck(self, fault: Fault) -> Refusal:
        return errors.for_fault(fault, 0)
