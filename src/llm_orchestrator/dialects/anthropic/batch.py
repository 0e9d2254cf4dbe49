"""Message batches: all rows in the body of one request, results by a path of the batch.

Source: https://platform.claude.com/docs/en/api/creating-message-batches and the official SDK's
types. There is no place for a tag: a batch is recognised by its time, its size and its rows.
"""

from collections.abc import Iterable, Iterator
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects.anthropic.encode import SAMPLING_VERSION
from llm_orchestrator.dialects.base import UNREADABLE
from llm_orchestrator.dialects.batch import (
    REFUSED,
    Exchange,
    endpoint,
    wire_of,
)
from llm_orchestrator.dialects.batch_reading import (
    ResultMaker,
    lines,
    listed,
    read,
    seconds,
    state_of,
)
from llm_orchestrator.dialects.batch_writing import (
    address,
    encode_json,
    encoded,
    inline,
)
from llm_orchestrator.types.batch import (
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchOutput,
    BatchRef,
    BatchResult,
    BatchState,
    BatchStatus,
)
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate

_STATES = {
    "in_progress": BatchState.RUNNING,
    "canceling": BatchState.CANCELLING,
    "cancelling": BatchState.CANCELLING,
    "ended": BatchState.COMPLETED,
}


class _Line(msgspec.Struct):
    custom_id: str
    params: msgspec.Raw


def line(item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
    """The row: an id, and the body of Messages as ``params``."""
    call = encoded(item, target, notices)
    return encode_json(_Line(item.custom_id, msgspec.Raw(call.body)))


def upload(file: BatchFile, target: Candidate) -> Exchange[str]:
    """Nothing goes up before the creation."""
    yield from ()
    return ""


def create(order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /messages/batches`` with all rows."""
    endpoint(target, embeds=order.file.embeds)
    # The version of the batch is that of its rows: where one of them may set a temperature, only
    # the older version takes it.
    version = SAMPLING_VERSION if target.can("sampling") else _version(target)
    headers = {"Content-Type": "application/json", "anthropic-version": version}
    parts = inline(b'{"requests":[', order.file, b"]}")
    url = address(target, wire_of(target).path)
    reply = yield HTTPCall(url, headers=headers, parts=parts, once=True)
    return _status(read(reply, _read_batch, target))


def poll(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``GET /messages/batches/{id}``."""
    url = address(target, wire_of(target).path, batch_id)
    reply = yield HTTPCall(url, headers=_headers(target), method="GET")
    return _status(read(reply, _read_batch, target))


def cancel(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /messages/batches/{id}/cancel``."""
    headers = _headers(target) | {"Content-Type": "application/json"}
    url = address(target, wire_of(target).path, batch_id, "cancel")
    reply = yield HTTPCall(url, headers=headers, also=REFUSED)
    if reply.status in REFUSED:  # it is over already
        return (yield from poll(batch_id, target))
    return _status(read(reply, _read_batch, target))


def list_recent(
    target: Candidate, since: float, mark: str | None = None
) -> Exchange[list[BatchStatus]]:
    """``GET /messages/batches``, the newest first, until they are older."""
    wire = wire_of(target)

    def ask(after: str) -> HTTPCall:
        more = f"after_id={quote(after, safe='')}&" if after else ""
        url = f"{address(target, wire.path)}?{more}limit={wire.page}"
        return HTTPCall(url, headers=_headers(target), method="GET")

    def parse(reply: HTTPReply) -> tuple[list[BatchStatus], str | None]:
        body = read(reply, _read_list, target)
        page = [_status(one) for one in body.data]
        return page, (body.last_id or page[-1].id) if body.has_more and page else None

    return (yield from listed(ask, parse, since, mark))


def results(status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
    """``GET /messages/batches/{id}/results``, below our own address, whatever the batch says."""
    found = []
    headers = _headers(target) | {"Accept": "application/binary"}
    for ref in status.results:
        url = address(target, wire_of(target).path, ref.place, "results")
        reply = yield HTTPCall(url, headers=headers, method="GET", save=True)
        found.append(BatchOutput(ref.kind, reply.file, reply.body))
    return tuple(found)


def _version(target: Candidate) -> str:
    return target.provider.quirks.version or SAMPLING_VERSION


def _headers(target: Candidate) -> dict[str, str]:
    return {"anthropic-version": _version(target)}


# ------------------------------------------------------------------ a batch


class _Counts(msgspec.Struct):
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


class _Batch(msgspec.Struct):
    id: str
    processing_status: str
    request_counts: _Counts
    created_at: str | None = None
    expires_at: str | None = None
    ended_at: str | None = None
    archived_at: str | None = None
    results_url: str | None = None


class _List(msgspec.Struct):
    data: list[_Batch]
    has_more: bool = False
    last_id: str | None = None


_read_batch = msgspec.json.Decoder(_Batch).decode
_read_list = msgspec.json.Decoder(_List).decode


def _status(batch: _Batch) -> BatchStatus:
    counts, state = batch.request_counts, state_of(batch.processing_status, _STATES)
    unanswered = counts.errored + counts.canceled + counts.expired
    if state.over and counts.canceled:
        state = BatchState.CANCELLED
    elif state.over and counts.expired:
        state = BatchState.EXPIRED
    return BatchStatus(
        id=batch.id,
        state=state,
        word=batch.processing_status,
        total=counts.processing + counts.succeeded + unanswered,
        # Until all have ended these are 0, which says nothing.
        completed=counts.succeeded if state.over else None,
        failed=unanswered if state.over else None,
        created_at=seconds(batch.created_at),
        expires_at=seconds(batch.expires_at),
        ended_at=seconds(batch.ended_at),
        results=(BatchRef("results", batch.id),) if batch.results_url else (),
        error="its results are kept no longer" if batch.archived_at else None,
    )


# ------------------------------------------------------------------ results


class _Result(msgspec.Struct, gc=False):
    type: str
    message: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Row(msgspec.Struct, gc=False):
    result: _Result
    custom_id: str | None = None


_read_row = msgspec.json.Decoder(_Row).decode


def read_results(
    chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
) -> Iterator[BatchResult]:
    """The lines of the results; an errored one holds an error within an error."""
    maker = ResultMaker(target, embeds=embeds)
    for one in lines(chunks):
        try:
            row = _read_row(one)
        except UNREADABLE:
            yield maker.strange(one)
            continue
        match row.result.type:
            case "succeeded":
                yield maker.answer(row.custom_id, 200, bytes(row.result.message), {})
            case "errored":
                yield maker.refused(row.custom_id, bytes(row.result.error))
            case "canceled" | "cancelled":
                yield maker.ended(row.custom_id, "cancelled")
            case "expired":
                yield maker.ended(row.custom_id, "expired")
            case _:
                yield maker.strange(one)
