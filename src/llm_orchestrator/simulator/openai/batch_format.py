"""The lines of OpenAI's batches, and of those who follow it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from llm_orchestrator.simulator.batches.files import DAY
from llm_orchestrator.simulator.batches.format import (
    Answered,
    BatchFormat,
    Entry,
    Item,
    ProblemError,
)
from llm_orchestrator.simulator.openai.chat import Chat
from llm_orchestrator.simulator.openai.embeddings import Embeddings
from llm_orchestrator.simulator.responses.wire import Responses
from llm_orchestrator.simulator.wire import Wire

if TYPE_CHECKING:
    from llm_orchestrator.simulator.batches.batch import Batch

_WHY: Final = {
    "expired": (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    "cancelled": ("batch_cancelled", "This request was not executed: the batch was cancelled."),
}


class _Line(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw
    method: str = ""
    url: str = ""


class _Named(msgspec.Struct):
    model: str = ""


class _Input(msgspec.Struct):
    input: msgspec.Raw


_input = msgspec.json.Decoder(_Input).decode
_line = msgspec.json.Decoder(_Line).decode
_named = msgspec.json.Decoder(_Named).decode


@dataclass(frozen=True)
class OpenAIFormat(BatchFormat):
    """Batches of one provider: `endpoints` maps what items may be sent to, to their wires."""

    provider: str = "openai"
    endpoints: Mapping[str, Callable[[], Wire]] = field(
        default_factory=lambda: {
            "/v1/chat/completions": Chat,
            "/v1/responses": Responses,
            "/v1/embeddings": Embeddings,
        }
    )
    window: float = DAY
    most_requests: int = 50_000
    most_bytes: int = 200_000_000
    longest_key: int = 512
    one_model: bool = True
    urls: bool = True  # lines name method and url

    def entry(self, raw: bytes, batch: Batch) -> Entry:
        try:
            line = _line(raw)
        except msgspec.ValidationError as error:
            raise ProblemError("missing_required_parameter", f"Invalid line: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            message = "This line is not parseable as valid JSON."
            raise ProblemError("invalid_json_line", message) from error
        if self.urls and line.method != "POST":
            raise ProblemError("invalid_method", "The method must be POST.", "method")
        if self.urls and line.url != batch.endpoint:
            message = f"The url '{line.url}' is not the endpoint of the batch, '{batch.endpoint}'."
            raise ProblemError("invalid_url", message, "url")
        if not line.custom_id:
            raise ProblemError("invalid_custom_id", "custom_id must not be empty.", "custom_id")
        return Entry(line.custom_id, bytes(line.body), model_of(line.body))

    def inputs(self, entry: Entry, batch: Batch) -> int:
        if not batch.endpoint.endswith("/embeddings"):
            return 0
        try:
            given = msgspec.json.decode(_input(entry.body).input)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return 1
        return len(given) if isinstance(given, list) else 1

    def wire(self, batch: Batch) -> Wire:
        return self.endpoints[batch.endpoint]()

    def line(self, item: Item, answered: Answered) -> bytes:
        return b"".join(
            (
                b'{"id":"',
                _id(item),
                b'","custom_id":',
                msgspec.json.encode(item.entry.key),
                b',"response":{"status_code":',
                str(answered.status).encode(),
                b',"request_id":"',
                answered.request_id.encode(),
                b'","body":',
                answered.body,
                b'},"error":null}',
            )
        )

    def left(self, item: Item, why: str) -> bytes | None:
        code, message = _WHY[why]
        return msgspec.json.encode(
            {
                "id": _id(item).decode(),
                "custom_id": item.entry.key,
                "response": None,
                "error": {"code": code, "message": message},
            }
        )


def _id(item: Item) -> bytes:
    return f"batch_req_{item.batch.id[-12:]}{item.number:08x}".encode()


def model_of(body: Any) -> str:
    """The model that a body names; nothing when it names none."""
    try:
        return _named(body).model
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def model_of_line(raw: bytes) -> str:
    """The model that a line of an input names, if it can be read."""
    try:
        return model_of(_line(raw).body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
