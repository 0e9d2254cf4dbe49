"""What the batch dialects read: states, times and counts, and the lines of results."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from llm_orchestrator import dialects, errors
from llm_orchestrator.dialects.base import UNREADABLE, unreadable
from llm_orchestrator.dialects.batch import MOST_PAGES, Exchange
from llm_orchestrator.dialects.batch_writing import JSON, read_fields
from llm_orchestrator.types.batch import BatchOutcome, BatchResult, BatchState, BatchStatus
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.usage import Usage

T = TypeVar("T")

_PASSING = frozenset((408, 409, 425, 429))
"""Statuses of rows that may succeed at another time."""


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
    """Whether all that follows on a page of a list is too old.

    Only where the page itself shows that the newest come first: not every wire promises that, and
    a batch that is overlooked is paid twice.
    """
    times = [one.created_at for one in page if one.created_at is not None]
    falling = all(one >= other for one, other in pairwise(times))
    return len(times) == len(page) > 0 and falling and times[0] > times[-1] < since


def listed(
    ask: Callable[[str], HTTPCall],
    parse: Callable[[HTTPReply], tuple[list[BatchStatus], str | None]],
    since: float,
    mark: str | None,
) -> Exchange[list[BatchStatus]]:
    """The batches of a list with pages, the newest first, until they are older than ``since``.

    ``ask`` makes the call for a page by what names it, which is empty for the first one; ``parse``
    reads its batches and the name of the next page, empty or ``None`` after the last one.
    """
    found: list[BatchStatus] = []
    name = ""
    for _ in range(MOST_PAGES):
        page, following = parse((yield ask(name)))
        found += bearing(page, since, mark)
        if not following or older(page, since):
            break
        name = following
    return found


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
            found = read_fields(found)[name]
        rows = _read_elements(found) or ()
    except (*UNREADABLE, KeyError):
        raise unreadable(HTTPReply(200, JSON, data), target) from None
    return map(bytes, rows)


def _whole(response: Response) -> Usage | None:
    """The usage; ``None`` where it leaves out the question, or an answer that there is."""
    usage = response.usage
    if usage is None or not usage.input_tokens or (response.text and not usage.output_tokens):
        return None
    return usage


class ResultMaker:
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
        usage = response.usage if self._embeds else _whole(response)
        return BatchResult(custom_id, "succeeded", response, vectors, None, usage)

    def refused(self, custom_id: str | None, body: bytes, status: int = 0) -> BatchResult:
        """An error that came without the reply that it was in, or with its status alone."""
        error = self._dialect.error(HTTPReply(status, {}, body), self._target)
        error.status_code = status or None
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
