"""Batches as OpenAI takes them: a file of lines, a batch over it, files of results.

Source: https://platform.openai.com/docs/api-reference/batch and the official SDK's types.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects.base import UNREADABLE, plausible
from llm_orchestrator.dialects.batch import (
    REFUSED,
    TAG_KEY,
    Exchange,
    endpoint,
    wire_of,
)
from llm_orchestrator.dialects.batch_reading import (
    ResultMaker,
    count,
    lines,
    listed,
    read,
    seconds,
    state_of,
)
from llm_orchestrator.dialects.batch_writing import (
    JSON,
    address,
    encode_json,
    encoded,
    multipart,
)
from llm_orchestrator.types.batch import (
    BatchFault,
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchOutcome,
    BatchOutput,
    BatchRef,
    BatchResult,
    BatchState,
    BatchStatus,
    Texts,
)
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.usage import Usage

STATES = {
    "validating": BatchState.VALIDATING,
    "queued": BatchState.QUEUED,
    "in_progress": BatchState.RUNNING,
    "finalizing": BatchState.FINALIZING,
    "completed": BatchState.COMPLETED,
    "failed": BatchState.FAILED,
    "expired": BatchState.EXPIRED,
    "cancelling": BatchState.CANCELLING,
    "cancelled": BatchState.CANCELLED,
}
_MOST_FAULTS = 3


class _Line(msgspec.Struct):
    """One row of an input file."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


def line(item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
    """The row, with the endpoint that all rows of a batch share."""
    call = encoded(item, target, notices)
    url = endpoint(target, embeds=isinstance(item.request, Texts))
    return encode_json(_Line(item.custom_id, "POST", url, msgspec.Raw(call.body)))


class _File(msgspec.Struct):
    id: str


read_file = msgspec.json.Decoder(_File).decode


def upload(file: BatchFile, target: Candidate) -> Exchange[str]:
    """One form with the purpose and the file."""
    form = multipart({"purpose": "batch"}, file)
    call = msgspec.structs.replace(form, url=address(target, wire_of(target).files))
    reply = yield call
    return read(reply, read_file, target).id


def create(order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /batches`` with the tag in the metadata, or as an idempotency key as well."""
    wire = wire_of(target)
    body = {
        "input_file_id": order.file_id,
        "endpoint": endpoint(target, embeds=order.file.embeds),
        "completion_window": window(order.hours),
        "metadata": {TAG_KEY: order.tag},
    }
    headers = JSON
    if wire.tag == "idempotency_key":
        headers = JSON | {"Idempotency-Key": order.tag}
    reply = yield HTTPCall(address(target, wire.path), encode_json(body), headers, once=True)
    return status_of(read(reply, _read_batch, target))


def window(hours: int) -> str:
    """How the wire writes a number of hours: ``24h``, ``7d``."""
    return f"{hours // 24}d" if hours > 24 and hours % 24 == 0 else f"{hours}h"


def poll(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``GET /batches/{id}``."""
    url = address(target, wire_of(target).path, batch_id)
    reply = yield HTTPCall(url, method="GET")
    return status_of(read(reply, _read_batch, target))


def cancel(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /batches/{id}/cancel``; it is cancelled some minutes later."""
    url = address(target, wire_of(target).path, batch_id, "cancel")
    reply = yield HTTPCall(url, headers=JSON, also=REFUSED)
    if reply.status in REFUSED:  # it is over already
        return (yield from poll(batch_id, target))
    return status_of(read(reply, _read_batch, target))


def list_recent(
    target: Candidate, since: float, mark: str | None = None
) -> Exchange[list[BatchStatus]]:
    """``GET /batches``, the newest first, until they are older; nothing is filtered there."""
    wire = wire_of(target)
    url = address(target, wire.path)

    def ask(after: str) -> HTTPCall:
        more = f"after={quote(after, safe='')}&" if after else ""
        query = f"?{more}limit={wire.page}" if wire.page else ""
        return HTTPCall(url + query, method="GET")

    def parse(reply: HTTPReply) -> tuple[list[BatchStatus], str | None]:
        body = read(reply, _read_list, target)
        page = [status_of(one) for one in body.data or ()]
        more = wire.page and body.has_more and page
        return page, (body.last_id or page[-1].id) if more else None

    return (yield from listed(ask, parse, since, mark))


def results(status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
    """The file of answers and the file of errors; either may be missing."""
    found = []
    for ref in status.results:
        url = address(target, wire_of(target).files, ref.place, "content")
        reply = yield HTTPCall(url, method="GET", save=True)
        found.append(BatchOutput(ref.kind, reply.file, reply.body))
    return tuple(found)


# ------------------------------------------------------------------ a batch


class _Counts(msgspec.Struct):
    total: Any = None
    completed: Any = None
    failed: Any = None


class _Fault(msgspec.Struct):
    code: Any = None
    line: Any = None
    message: Any = None
    param: Any = None


class _Faults(msgspec.Struct):
    data: list[_Fault] | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class Batch(msgspec.Struct):
    """A batch on this wire."""

    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    request_counts: _Counts | None = None
    errors: msgspec.Raw = msgspec.Raw()
    metadata: Any = None
    model: str | None = None
    usage: msgspec.Raw = msgspec.Raw()
    created_at: Any = None
    expires_at: Any = None
    completed_at: Any = None
    failed_at: Any = None
    expired_at: Any = None
    cancelled_at: Any = None


class _List(msgspec.Struct):
    data: list[Batch] | None = None
    has_more: bool = False
    last_id: str | None = None


_read_batch = msgspec.json.Decoder(Batch).decode
_read_faults = msgspec.json.Decoder(_Faults | None).decode
_read_usage = msgspec.json.Decoder(_Usage | None).decode
_read_list = msgspec.json.Decoder(_List).decode


def status_of(batch: Batch) -> BatchStatus:
    """The batch in our words."""
    counts = batch.request_counts or _Counts()
    refs = (("output", batch.output_file_id), ("error", batch.error_file_id))
    tag = batch.metadata.get(TAG_KEY) if isinstance(batch.metadata, dict) else None
    faults = _faults(batch.errors)
    ended = batch.completed_at or batch.failed_at or batch.expired_at or batch.cancelled_at
    return BatchStatus(
        id=batch.id,
        state=state_of(batch.status, STATES),
        word=batch.status,
        total=count(counts.total),
        completed=count(counts.completed),
        failed=count(counts.failed),
        created_at=seconds(batch.created_at),
        expires_at=seconds(batch.expires_at),
        ended_at=seconds(ended),
        tag=tag if isinstance(tag, str) else None,
        input_file_id=batch.input_file_id,
        results=tuple(BatchRef(kind, place) for kind, place in refs if place),
        model=batch.model,
        error=_why(faults),
        error_code=None if not faults or faults[0].code is None else str(faults[0].code),
        faults=_of_rows(faults),
        usage=_usage(batch.usage),
    )


def _faults(errors: msgspec.Raw) -> list[_Fault]:
    """What is wrong with the file; nothing where that is of another form than here."""
    try:
        return (_read_faults(errors) or _Faults()).data or []
    except UNREADABLE:
        return []


def _why(told: list[_Fault]) -> str | None:
    """The first few faults."""
    texts = [
        (f"line {one.line}: " if one.line is not None else "") + str(one.message or one.code)
        for one in told[:_MOST_FAULTS]
    ]
    if len(told) > _MOST_FAULTS:
        texts.append(f"and {len(told) - _MOST_FAULTS} more")
    return "; ".join(texts) or None


def _of_rows(told: list[_Fault]) -> tuple[BatchFault, ...]:
    """Those that lie in a row; a model that cannot be asked is no fault of the row."""
    return tuple(
        BatchFault(one.line, str(one.message or one.code))
        for one in told
        if type(one.line) is int and "model" not in f"{one.code} {one.param}"
    )


def _usage(told: msgspec.Raw) -> Usage | None:
    try:
        usage = _read_usage(told)
    except UNREADABLE:
        return None
    if usage is None or usage.input_tokens is None or not usage.input_tokens:
        return None
    cached = usage.input_tokens_details.cached_tokens if usage.input_tokens_details else 0
    thought = usage.output_tokens_details.reasoning_tokens if usage.output_tokens_details else 0
    return plausible(
        Usage(usage.input_tokens, usage.output_tokens or 0, cached or 0, 0, 0, thought or 0)
    )


# ------------------------------------------------------------------ results


class _Response(msgspec.Struct, gc=False):
    status_code: int | None = None
    request_id: str | None = None
    body: msgspec.Raw = msgspec.Raw()


class _Row(msgspec.Struct, gc=False):
    """One line of results."""

    custom_id: str | None = None
    response: _Response | None = None
    error: msgspec.Raw = msgspec.Raw()


_read_row = msgspec.json.Decoder(_Row).decode
_NOTHING = (b"", b"null", b"{}")
_ENDED: dict[str, BatchOutcome] = {
    "batch_expired": "expired",
    "expired": "expired",
    "batch_cancelled": "cancelled",
    "cancelled": "cancelled",
}


def read_results(
    chunks: Iterable[bytes],
    kind: str,
    target: Candidate,
    *,
    embeds: bool = False,
) -> Iterator[BatchResult]:
    """The lines of a file of answers or of errors."""
    return read_rows(lines(chunks), ResultMaker(target, embeds=embeds))


def read_rows(rows: Iterable[bytes], maker: ResultMaker) -> Iterator[BatchResult]:
    """What each row says; one that cannot be read says that."""
    for one in rows:
        try:
            row = _read_row(one)
        except UNREADABLE:
            yield maker.strange(one)
        else:
            yield _result_of(row, maker, one)


def _result_of(row: _Row, maker: ResultMaker, raw: bytes) -> BatchResult:
    """What a row says; ``raw`` is it as it came."""
    response, error = row.response, bytes(row.error)
    if response is not None and (body := _plain(response.body)) not in _NOTHING:
        headers = {"x-request-id": response.request_id} if response.request_id else {}
        return maker.answer(row.custom_id, response.status_code or 200, body, headers)
    if error in _NOTHING and response is not None and (response.status_code or 0) >= 400:
        return maker.answer(row.custom_id, response.status_code or 0, b"", {})
    if error in _NOTHING:
        return maker.strange(raw)
    words = _words(error)
    if (ending := next((_ENDED[word] for word in words if word in _ENDED), None)) is not None:
        return maker.ended(row.custom_id, ending)
    status = 400 if any(word.startswith("invalid_request") for word in words) else 0
    return maker.refused(row.custom_id, b'{"error":' + error + b"}", status)


def _plain(body: msgspec.Raw) -> bytes:
    """The body, which some servers send as a text."""
    found = bytes(body)
    return msgspec.json.decode(found, type=str).encode() if found[:1] == b'"' else found


class _Words(msgspec.Struct):
    code: Any = None
    type: Any = None


def _words(error: bytes) -> tuple[str, str]:
    """Code and type of an error; some servers have only one of them."""
    try:
        found = msgspec.json.decode(error, type=_Words)
    except UNREADABLE:
        return "", ""
    return str(found.code), str(found.type)
