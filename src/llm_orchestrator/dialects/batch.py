r"""Batches without I/O: what every room for them offers, and the pieces that they are made of.

A room is a module with the functions of `BatchRoom`; `room` finds the one of a provider. All but
``line`` and ``read_results`` are generators: they yield an `HTTPCall`, are sent the `HTTPReply`
to it, and return what they are there for. `pipeline.batches` drives them:

    lines = [room.line(item, target) for item in items]     # each + b"\n" into one file
    file_id = drive(room.upload(file, target))              # "" where nothing is uploaded
    status = drive(room.create(order, target))              # the call that must not be repeated
    status = drive(room.poll(status.id, target))            # until status.state.over
    known = drive(room.list_recent(target, since, mark))    # after a reply that was lost
    status = drive(room.cancel(status.id, target))          # then poll on: finished rows are paid
    outputs = drive(room.results(status, target))           # in every state that is over
    for output in outputs:
        for result in room.read_results(chunks, output.kind, target): ...

``target`` is the provider with the model of the batch: a batch is asked of one model. Where no
model is meant (poll, cancel, list), ``whole`` makes a target of the provider alone. Replies that
are no success are raised by the driver, as the errors of the provider's dialect; only a call with
``once`` is never sent again by it. `perhaps_accepted` tells which errors leave it open whether a
batch was made.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import quote

import msgspec

from llm_orchestrator import dialects, errors
from llm_orchestrator.dialects.base import UNREADABLE, unreadable, unsupported
from llm_orchestrator.types.batch import (
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchOutcome,
    BatchOutput,
    BatchResult,
    BatchState,
    BatchStatus,
    BatchWire,
    Texts,
)
from llm_orchestrator.types.http import FilePart, HTTPCall, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider

T = TypeVar("T")
Exchange: TypeAlias = Generator[HTTPCall, HTTPReply, T]
"""Yields calls, is sent their replies, returns a T."""

JSON = {"Content-Type": "application/json"}
TAG_KEY = "llmo_job"
"""Under which the tag stands in a batch's metadata."""
MOST_PAGES = 1000
"""Of a list; more is one that goes in a circle."""

encode_json = msgspec.json.Encoder().encode
_BOUNDARY = "llmo-batch-3f9a61c07d"
"""No line of JSON begins with it, so no file can hold it as a boundary."""
_ROOMS = {
    "openai": "openai.batch",
    "mistral": "openai.mistral_batch",
    "together": "openai.together_batch",
    "openrouter": "openai.openrouter_batch",
    "anthropic": "anthropic.batch",
    "gemini": "gemini.batch",
    "vertex": "gemini.vertex_batch",
    "bedrock": "bedrock.batch",
    "cohere": "cohere.batch",
}
_PASSING = frozenset((408, 409, 425, 429))
"""Statuses of rows that may succeed at another time."""
_REFUSED = frozenset((408, 409, 425))
"""Of the 4xx, those that do not say that nothing was made."""
_NOT_SENT = frozenset(("dns", "connect", "tls"))


class BatchRoom(Protocol):
    """How batches go over one wire. All functions map data to data."""

    def line(self, item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
        """One row, without a line feed, encoded as the same request in real time would be.

        What was dropped or translated is added to ``notices``. Raises what encoding raises
        (`InvalidRequestError`), and `UnsupportedError` for what no batch can ask for here.
        """
        ...

    def upload(self, file: BatchFile, target: Candidate) -> Exchange[str]:
        """Bring the rows to the provider; the file's id, empty where `create` takes them itself.

        A second upload makes a second file, which costs nothing.
        """
        ...

    def create(self, order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
        """Create the batch: exactly one call with ``once``."""
        ...

    def poll(self, batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
        """The batch as it is now."""
        ...

    def cancel(self, batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
        """End the batch. What has been answered is paid for and can be read when it is over."""
        ...

    def list_recent(
        self, target: Candidate, since: float, mark: str | None = None
    ) -> Exchange[list[BatchStatus]]:
        """The batches created since then (seconds since 1970), in the order of the provider.

        With a ``mark`` (`BatchWire.mark`) only those that bear it.
        """
        ...

    def results(self, status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
        """Fetch all results of a batch that is over; the calls have ``save``.

        There may be none, and there may be some in every state that is over.
        """
        ...

    def read_results(
        self, chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
    ) -> Iterator[BatchResult]:
        """The results in one output, row by row; ``chunks`` are its bytes in pieces of any size.

        A line that cannot be read is a result as well, without an id. Holds one row at a time,
        or the whole output on wires that answer with one JSON text.
        """
        ...


@cache
def _loaded(wire: str) -> BatchRoom:
    return cast("BatchRoom", import_module(f"{dialects.__name__}.{_ROOMS[wire]}"))


def room(provider: Provider) -> BatchRoom:
    """The room of the provider's batches; raises `UnsupportedError` when it has none."""
    wire = provider.batch
    if wire is None:
        raise unsupported("batches are not offered by this provider", whole(provider))
    if wire.wire not in _ROOMS:
        known = ", ".join(_ROOMS)
        raise errors.ConfigError(
            f"there is no batch wire {wire.wire}; there are: {known}", provider=provider.name
        )
    return _loaded(wire.wire)


def whole(provider: Provider) -> Candidate:
    """The provider as a target without a model."""
    return Candidate(provider, Model(provider=provider.name, id=""))


def wire_of(target: Candidate) -> BatchWire:
    """How the target's provider takes batches; raises `UnsupportedError` when it does not."""
    if target.provider.batch is None:
        raise unsupported("batches are not offered by this provider", target)
    return target.provider.batch


def refusal(target: Candidate, *, embeds: bool = False) -> str | None:
    """Why the target cannot be asked in a batch; ``None`` when it can."""
    wire = target.provider.batch
    if wire is None:
        return "batches are not offered by this provider"
    word = "embeddings" if embeds else target.provider.dialect
    if word not in wire.endpoints:
        return f"{'embeddings' if embeds else 'this model'} cannot be asked in a batch here"
    if embeds and not target.can("embeddings"):
        return "embeddings are not supported by this model"
    return None


def endpoint(target: Candidate, *, embeds: bool) -> str:
    """What the wire calls that which the rows ask for; raises `UnsupportedError`."""
    if (why := refusal(target, embeds=embeds)) is not None:
        raise unsupported(why, target)
    return wire_of(target).endpoints["embeddings" if embeds else target.provider.dialect]


def perhaps_accepted(error: errors.OrchestratorError) -> bool:
    """Whether a batch may have been made, though its creation ended with this error.

    False only when the call never arrived or was refused: then it may be sent again at once.
    """
    if isinstance(error, errors.APIConnectionError):
        return error.code not in _NOT_SENT
    if isinstance(error, errors.APITimeoutError):
        return error.phase != "connect"
    if isinstance(error, errors.BadReplyError):
        return error.code != "redirect"
    status = error.status_code
    if status is None:
        # Ours, from before it was sent: no key, a wrong address, a row that cannot be asked for.
        return False
    return status >= 500 or status < 400 or status in _REFUSED


# ------------------------------------------------------------------ writing


def encoded(item: BatchItem, target: Candidate, notices: set[str] | None) -> HTTPCall:
    """The row as one call of the target's dialect, never streamed."""
    dialect, request = dialects.load(target.provider.dialect), item.request
    if isinstance(request, Texts):
        endpoint(target, embeds=True)
        return dialect.encode_embeddings(request.texts, target, request.dimensions)
    endpoint(target, embeds=False)
    if request.stream:
        request = msgspec.structs.replace(request, stream=False)
    try:
        call = dialect.encode(request, target)
    except (TypeError, ValueError, RecursionError) as error:  # what encoding JSON raises
        raise errors.InvalidRequestError(
            f"the row cannot be written as JSON: {error}", code="unwritable"
        ) from None
    if notices is not None and call.notices:
        notices.update(call.notices)
    return call


def without(body: bytes, name: str) -> msgspec.Raw:
    """The body of a call without one of its fields."""
    fields = _read_fields(body)
    fields.pop(name, None)
    return msgspec.Raw(encode_json(fields))


_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def address(target: Candidate, path: str, *more: str) -> str:
    """The whole address of a path below ``base_url``, with quoted parts after it."""
    base = path if "://" in path else target.provider.base_url + path
    return "/".join((base, *(quote(part, safe="") for part in more)))


def multipart(fields: Mapping[str, str], file: BatchFile | None, name: str = "file") -> HTTPCall:
    """The parts and headers of a form with a file at its end; the address is still missing."""
    head = "".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    )
    parts: tuple[bytes | FilePart, ...] = (f"{head}--{_BOUNDARY}--\r\n".encode(),)
    if file is not None:
        head += (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; '
            f'filename="{file.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        end = f"\r\n--{_BOUNDARY}--\r\n".encode()
        parts = (head.encode(), FilePart(file.path, file.size), end)
    kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return HTTPCall("", headers=kind, parts=parts)


def inline(before: bytes, file: BatchFile, after: bytes) -> tuple[bytes | FilePart, ...]:
    """A JSON text with the rows of the file as the elements of an array in it."""
    rows = FilePart(file.path, max(0, file.size - 1), joined=True)  # without the last line feed
    return (before, rows, after)


# ------------------------------------------------------------------ reading


def read(reply: HTTPReply, decode: Callable[[bytes], T], target: Candidate) -> T:
    """The body of a reply; raises `BadReplyError` when it is not of this wire."""
    try:
        return decode(reply.body)
    except UNREADABLE:
        raise unreadable(reply, target, "x-request-id", "request-id") from None


def state_of(word: str | None, words: Mapping[str, BatchState]) -> BatchState:
    """Our state for the provider's word. One that is not known may still change: it runs."""
    return words.get((word or "").lower(), BatchState.RUNNING)


def seconds(moment: Any) -> float | None:
    """Seconds since 1970 of a number, a text of RFC 3339 or ``None``."""
    if isinstance(moment, int | float) and not isinstance(moment, bool):
        return float(moment)
    if not isinstance(moment, str):
        return None
    if moment.replace(".", "", 1).isdecimal():
        return float(moment)
    try:
        return msgspec.convert(moment, type=datetime).timestamp()
    except (msgspec.ValidationError, OverflowError):
        return None


def count(value: Any) -> int | None:
    """A number of items, which some wires send as text."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if type(value) is int and value >= 0 else None


def bearing(statuses: Iterable[BatchStatus], since: float, mark: str | None) -> list[BatchStatus]:
    """Those that are not older and, where a mark is given, bear it."""
    return [
        one
        for one in statuses
        if (one.created_at is None or one.created_at >= since) and mark in (None, one.tag)
    ]


def older(page: Sequence[BatchStatus], since: float) -> bool:
    """Whether a page of a list, the newest first, ends with one that is too old."""
    return bool(page) and page[-1].created_at is not None and page[-1].created_at < since


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in the bytes, empty ones left out; the last one may lack its line feed."""
    rest: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest.append(first)
        if not others:
            continue
        whole_line = b"".join(rest) if len(rest) > 1 else first
        if whole_line.strip():
            yield whole_line
        for line in others[:-1]:
            if line.strip():
                yield line
        rest = [others[-1]]
    if (last := b"".join(rest)).strip():
        yield last


_read_elements = msgspec.json.Decoder(list[msgspec.Raw] | None).decode


def elements(chunks: Iterable[bytes], place: str, target: Candidate) -> Iterator[bytes]:
    """The elements of an array within one JSON text; ``place`` names the fields that lead to it.

    The whole text is held. ``null`` has none; raises `BadReplyError` for anything else.
    """
    data = b"".join(chunks)
    try:
        found = msgspec.Raw(data)
        for name in place.split("."):
            found = _read_fields(found)[name]
        rows = _read_elements(found) or ()
    except (*UNREADABLE, KeyError):
        raise unreadable(HTTPReply(200, JSON, data), target) from None
    return map(bytes, rows)


class Folder:
    """Makes results of what the lines of one output hold."""

    def __init__(self, target: Candidate, *, embeds: bool) -> None:
        self._target = target
        self._embeds = embeds
        self._dialect = dialects.load(target.provider.dialect)

    def answer(
        self, custom_id: str | None, status: int, body: bytes, headers: Mapping[str, str]
    ) -> BatchResult:
        """A reply that stands in a line: an answer, or a failure."""
        reply = HTTPReply(status, headers, body)
        if not 200 <= status < 300:
            return self.failed(custom_id, self._dialect.error(reply, self._target))
        try:
            if self._embeds:
                vectors, response = self._dialect.decode_embeddings(reply, self._target)
            else:
                vectors, response = None, self._dialect.decode(reply, self._target)
        except errors.OrchestratorError as error:
            return self.failed(custom_id, error)
        return BatchResult(custom_id, "succeeded", response, vectors, None, response.usage)

    def refused(self, custom_id: str | None, body: bytes) -> BatchResult:
        """An error that came without the reply that it was in."""
        error = self._dialect.error(HTTPReply(0, {}, body), self._target)
        error.status_code = None
        return self.failed(custom_id, error)

    def failed(self, custom_id: str | None, error: errors.OrchestratorError) -> BatchResult:
        """The row failed, for good or not."""
        status = error.status_code or 0
        passing = (
            error.retryable
            or isinstance(error, errors.RateLimitError)  # out of credit, which can be bought
            or status in _PASSING
            or status >= 500
        )
        # Without the traceback, which would keep the line and much else.
        return BatchResult(
            custom_id,
            "retryable" if passing else "failed",
            error=error.with_traceback(None),
            usage=getattr(error, "usage", None),
        )

    def ended(self, custom_id: str | None, outcome: BatchOutcome) -> BatchResult:
        """The row was never answered: the batch had ended before."""
        error = errors.ServerError(
            f"the batch was {outcome} before this row was answered",
            code=f"batch_{outcome}",
            provider=self._target.provider.name,
            model=self._target.model.id,
        )
        return BatchResult(custom_id, outcome, error=error)

    def strange(self, line: bytes, key: str = "custom_id") -> BatchResult:
        """A line that is not of this wire; its id is kept where it can be found."""
        try:
            found = msgspec.json.decode(line)
        except UNREADABLE:
            found = None
        custom_id = found.get(key) if isinstance(found, dict) else None
        start = line[:120].decode("utf-8", "replace")
        error = errors.BadReplyError(
            f"a line of the results cannot be read: {start!r}",
            code="unreadable_line",
            provider=self._target.provider.name,
            model=self._target.model.id,
        )
        return self.failed(custom_id if isinstance(custom_id, str) else None, error)
