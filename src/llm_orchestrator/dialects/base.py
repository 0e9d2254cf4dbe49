"""What every dialect offers, and the few pieces that all of them are made of."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects import pages
from llm_orchestrator.types.events import StreamEvent
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Request
from llm_orchestrator.types.usage import Usage

MALFORMED = "a malformed chunk of the stream was skipped"
LATE_ERROR = "an error that came after the whole answer was ignored"
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What decoding JSON from outside raises: it is none, no UTF-8, or nested too deeply."""


class StreamDecoder(Protocol):
    """Turns the bytes of one streamed reply into events; knows when the answer is complete."""

    finished: bool
    """A terminal marker was seen: what came is the whole answer."""
    settled: bool
    """Nothing more is expected, not even usage."""
    failure: errors.OrchestratorError | None
    """The provider's in-stream error; the events before it still count."""

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """The events that these bytes complete; after a failure there are no more."""
        ...

    def close(self) -> Sequence[StreamEvent]:
        """What a last piece without its line end still holds; called when the connection ends."""
        ...


class Dialect(Protocol):
    """A wire format without I/O: every function maps data to data."""

    def encode(self, request: Request, target: Candidate) -> HTTPCall:
        """The request on this wire; raises `UnsupportedError` for what cannot be dropped."""
        ...

    def decode(self, reply: HTTPReply, target: Candidate) -> Response:
        """The answer in a 200 reply; raises when there is none in it."""
        ...

    def events(self, target: Candidate) -> StreamDecoder:
        """A decoder for one streamed reply."""
        ...

    def error(self, reply: HTTPReply, target: Candidate) -> errors.OrchestratorError:
        """The error that a reply with a failure status means."""
        ...

    def list_models(self, provider: Provider, page: str | None) -> HTTPCall:
        """Asks for (a page of) the models of the account."""
        ...

    def read_models(self, reply: HTTPReply, provider: Provider) -> tuple[list[Model], str | None]:
        """The models of a page and the name of the next one."""
        ...

    def most_texts(self, target: Candidate) -> int:
        """How many texts one request for vectors may hold."""
        ...

    def encode_embeddings(
        self, texts: Sequence[str], target: Candidate, dimensions: int | None
    ) -> HTTPCall:
        """Asks for one vector per text; raises `UnsupportedError` where there are none."""
        ...

    def decode_embeddings(
        self, reply: HTTPReply, target: Candidate
    ) -> tuple[list[list[float]], Response]:
        """The vectors in the order of the texts, and a response that holds the usage."""
        ...

    def encode_count(self, request: Request, target: Candidate) -> HTTPCall:
        """Asks how many input tokens the request has."""
        ...

    def decode_count(self, reply: HTTPReply, target: Candidate) -> int:
        """The number of input tokens in the reply to such a call."""
        ...


class Notices(list[str]):
    """Collects what does not fit the target: said when lenient, refused when strict."""

    def __init__(self, request: Request, target: Candidate) -> None:
        super().__init__()
        self._strict = request.strict
        self._target = target

    def drop(self, what: str, why: str = "is not supported here") -> None:
        """Note that ``what`` was left out or translated; raises in strict mode."""
        text = f"{what} {why}"
        if self._strict:
            raise unsupported(text, self._target)
        self.append(text)


def unsupported(message: str, target: Candidate) -> errors.UnsupportedError:
    """The error for an ability that the target lacks."""
    return errors.UnsupportedError(
        message, provider=target.provider.name, model=target.model.id, code="unsupported"
    )


def no_media(target: Candidate) -> errors.UnsupportedError:
    """The error for a film or a sound at an address, where the wire has no part for it."""
    what = "films, sounds and documents by their address are taken by Gemini's models only"
    return unsupported(what, target)


def where(target: Candidate, reply: HTTPReply | None, *request_id: str) -> dict[str, Any]:
    """The fields that every error of a target carries."""
    found = next((i for name in request_id if reply and (i := reply.header(name))), None)
    return {
        "provider": target.provider.name,
        "model": target.model.id,
        "status_code": reply.status if reply else None,
        "request_id": found,
    }


def unreadable(reply: HTTPReply, target: Candidate, *request_id: str) -> errors.BadReplyError:
    """The error for a 200 whose body is not what this wire sends."""
    return errors.BadReplyError(
        pages.unreadable(reply),
        code="unreadable_reply",
        **where(target, reply, *request_id),
    )


_MOST_TOKENS = 2**40


def plausible(usage: Usage) -> Usage | None:
    """The usage, or ``None`` for numbers that cannot be right: better no cost than a wrong one."""
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    if (
        0 <= usage.input_tokens <= _MOST_TOKENS
        and 0 <= usage.output_tokens <= _MOST_TOKENS
        and 0 <= usage.reasoning_tokens <= _MOST_TOKENS
        and read >= 0
        and usage.searches >= 0
        and 0 <= usage.cache_write_1h_tokens <= written
        and read + written <= usage.input_tokens
    ):
        return usage
    return None


def data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 text of a ``data:`` address; ``None`` for another address."""
    if not url.startswith("data:"):
        return None
    head, _, data = url.partition(",")
    return head[5:].removesuffix(";base64"), data


def sealed(signature: str | None, wire: str) -> str | None:
    """The signature with the name of its wire: no other one accepts it."""
    return f"{wire}:{signature}" if signature else None


def unsealed(signature: str | None, wire: str = "") -> str | None:
    """The signature if it is of this wire, as it came; without ``wire``, of one that adds no name.

    Signatures of models that several providers serve are good on all of them and have no name.
    """
    name, mark, rest = (signature or "").rpartition(":")
    return rest if rest and name == wire and bool(mark) is bool(wire) else None


def raw_json(text: str) -> msgspec.Raw:
    """JSON text to be put into a body as it is."""
    return msgspec.Raw(text.encode() or b"{}")
