"""The lines of batches on Vertex AI: requests without an id, which results repeat."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from llm_orchestrator.simulator.batches.files import DAY
from llm_orchestrator.simulator.batches.format import (
    Answered,
    BatchFormat,
    Entry,
    Item,
    ProblemError,
)
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.gemini import errors
from llm_orchestrator.simulator.gemini.embeddings import Embed
from llm_orchestrator.simulator.gemini.generate import Generate
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Reply, Wire

if TYPE_CHECKING:
    from llm_orchestrator.simulator.batches.batch import Batch


class _Line(msgspec.Struct):
    request: msgspec.Raw


class _Labelled(msgspec.Struct):
    labels: dict[str, str] = {}


_line = msgspec.json.Decoder(_Line).decode
_labelled = msgspec.json.Decoder(_Labelled).decode


class BatchPredict(Embed):
    """The vector of one instance."""

    def plain(self, reply: Reply) -> Any:
        return super().plain(reply)["predictions"]


@dataclass(frozen=True)
class VertexFormat(BatchFormat):
    """`embeds` = the rows are instances of an embedding model."""

    embeds: bool = False
    provider: str = "vertex"
    window: float = 3 * DAY
    most_requests: int = 200_000
    most_bytes: int = 1_000_000_000
    longest_key: int = 1 << 20
    unique: bool = False
    one_file: bool = True
    fails_whole: bool = False

    def entry(self, raw: bytes, batch: Batch) -> Entry:
        del batch
        try:
            body = raw if self.embeds else bytes(_line(raw).request)
            labels = _labelled(body).labels
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProblemError("invalid", f"the row is not valid: {error}") from error
        mark = hashlib.blake2b(body, digest_size=8).hexdigest()
        return Entry("/".join(labels.values()) or mark, body)

    def wire(self, batch: Batch) -> Wire:
        place = batch.facts["place"]
        return BatchPredict(place, "predict") if self.embeds else Generate(place)

    def request(self, body: dict[str, Any], item: Item) -> dict[str, Any]:
        named = {"model": item.batch.model}
        return named | ({"instances": [body]} if self.embeds else body)

    def line(self, item: Item, answered: Answered) -> bytes:
        asked, said = (b'"instance":', b'"predictions":')
        if not self.embeds:
            asked, said = b'"request":', b'"response":'
        status, body = "", answered.body
        if not answered.good:
            refusal = answered.refusal or Refusal(500, "Internal error")
            status = f"{_word(refusal.status)}: {_text(errors.body(refusal))}"
            body = b"[]" if self.embeds else b"{}"
        moment = rfc3339(item.batch.stop[0])
        rest = msgspec.json.encode({"status": status, "processed_time": moment})
        return b"{" + asked + item.entry.body + b"," + said + body + b"," + rest[1:]

    def left(self, item: Item, why: str) -> bytes | None:
        del item, why
        return None

    def struck(self, fault: Fault) -> Refusal:
        return errors.for_fault(fault, 0)


def _text(body: dict[str, Any]) -> str:
    return msgspec.json.encode(body).decode()


def _word(status: int) -> str:
    return {400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}.get(
        status, "Internal Server Error"
    )
