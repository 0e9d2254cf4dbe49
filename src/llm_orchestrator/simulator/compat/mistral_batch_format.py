"""The lines of Mistral's batches: neither method nor url, and an id only by choice."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from llm_orchestrator.simulator.compat.mistral import Mistral, MistralEmbeddings
from llm_orchestrator.simulator.wire import Wire

if TYPE_CHECKING:
    from llm_orchestrator.simulator.batches.batch import Batch


class _Line(msgspec.Struct):
    body: msgspec.Raw
    custom_id: str | None = None


_line = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True)
class MistralFormat(BatchFormat):
    """The model is the job's, whatever the lines say."""

    provider: str = "mistral"
    endpoints: Mapping[str, Callable[[], Wire]] = field(
        default_factory=lambda: {
            "/v1/chat/completions": Mistral,
            "/v1/embeddings": MistralEmbeddings,
        }
    )
    window: float = DAY
    most_requests: int = 1_000_000
    most_bytes: int = 512_000_000
    longest_key: int = 512
    unique: bool = False

    def entry(self, raw: bytes, batch: Batch) -> Entry:
        del batch
        try:
            line = _line(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProblemError("invalid_line", f"Invalid line: {error}") from error
        return Entry(line.custom_id or "", bytes(line.body))

    def wire(self, batch: Batch) -> Wire:
        return self.endpoints[batch.endpoint]()

    def request(self, body: dict[str, Any], item: Item) -> dict[str, Any]:
        return body | {"model": item.batch.model}

    def line(self, item: Item, answered: Answered) -> bytes:
        mark = f"{item.batch.id}{item.number}"
        name = f"batch-{item.batch.id[:8]}-{item.number}-{uuid.uuid5(uuid.NAMESPACE_OID, mark)}"
        key = msgspec.json.encode(item.entry.key or None)
        status = str(answered.status).encode()
        response = b'{"status_code":' + status + b',"body":' + answered.body + b"}"
        return b"".join(
            (
                b'{"id":"',
                name.encode(),
                b'","custom_id":',
                key,
                b',"response":',
                response,
                b',"error":null}',
            )
        )

    def left(self, item: Item, why: str) -> bytes | None:
        del item, why
        return None
