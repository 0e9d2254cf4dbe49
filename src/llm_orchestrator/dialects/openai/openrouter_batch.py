"""Batches of OpenRouter: all rows in the body of one request, all results in the batch itself.

Source: https://openrouter.ai/docs/guides/features/batch-api and the official SDK's types. There
is no place for a tag, and no way to cancel.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects.base import unsupported
from llm_orchestrator.dialects.batch import (
    Exchange,
    endpoint,
    wire_of,
)
from llm_orchestrator.dialects.batch_reading import (
    ResultMaker,
    count,
    elements,
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
    inline,
    without,
)
from llm_orchestrator.dialects.openai.batch import STATES, read_rows, window
from llm_orchestrator.types.batch import (
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchOutput,
    BatchRef,
    BatchResult,
    BatchStatus,
)
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate


class _Line(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw


def line(item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
    """The row without its model, which is the batch's."""
    call = encoded(item, target, notices)
    return encode_json(_Line(item.custom_id, without(call.body, "model")))


def upload(file: BatchFile, target: Candidate) -> Exchange[str]:
    """Nothing goes up before the creation."""
    yield from ()
    return ""


class _Head(msgspec.Struct):
    endpoint: str
    model: str
    completion_window: str


def create(order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /batches``; what is about the batch stands before its rows, which are streamed."""
    asked = endpoint(target, embeds=order.file.embeds)
    head = encode_json(_Head(asked, target.model.id, window(order.hours)))
    parts = inline(head[:-1] + b',"requests":[', order.file, b"]}")
    url = address(target, wire_of(target).path)
    reply = yield HTTPCall(url, headers=JSON, parts=parts, once=True)
    return _status(read(reply, _read_batch, target))


def poll(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``GET /batches/{id}``, which holds the results when it is over."""
    url = address(target, wire_of(target).path, batch_id)
    reply = yield HTTPCall(url, method="GET")
    return _status(read(reply, _read_batch, target))


def cancel(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """Not on this wire: raises `UnsupportedError`."""
    yield from ()
    raise unsupported("cancelling a batch is not possible here", target)


def list_recent(
    target: Candidate, since: float, mark: str | None = None
) -> Exchange[list[BatchStatus]]:
    """``GET /batches``, the newest first, until they are older."""
    wire = wire_of(target)

    def ask(after: str) -> HTTPCall:
        more = f"&after={quote(after, safe='')}" if after else ""
        return HTTPCall(f"{address(target, wire.path)}?limit={wire.page}{more}", method="GET")

    def parse(reply: HTTPReply) -> tuple[list[BatchStatus], str | None]:
        body = read(reply, _read_list, target)
        page = [_status(one) for one in body.data or ()]
        return page, (body.last_id or page[-1].id) if body.has_more and page else None

    return (yield from listed(ask, parse, since, mark))


def results(status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
    """The batch once more, into a file."""
    found = []
    for ref in status.results:
        url = address(target, wire_of(target).path, ref.place)
        reply = yield HTTPCall(url, method="GET", save=True)
        found.append(BatchOutput(ref.kind, reply.file, reply.body))
    return tuple(found)


# ------------------------------------------------------------------ a batch


class _Counts(msgspec.Struct):
    total: Any = None
    completed: Any = None
    failed: Any = None


class _Batch(msgspec.Struct):
    id: str
    status: str
    model: str | None = None
    request_counts: _Counts | None = None
    created_at: Any = None
    expires_at: Any = None
    finalized_at: Any = None
    error: Any = None
    results: msgspec.Raw = msgspec.Raw()


class _List(msgspec.Struct):
    data: list[_Batch] | None = None
    has_more: bool = False
    last_id: str | None = None


_read_batch = msgspec.json.Decoder(_Batch).decode
_read_list = msgspec.json.Decoder(_List).decode


def _status(batch: _Batch) -> BatchStatus:
    counts, state = batch.request_counts or _Counts(), state_of(batch.status, STATES)
    # Lists leave the results out, also of a batch that has some.
    empty = bytes(batch.results) == b"[]"
    return BatchStatus(
        id=batch.id,
        state=state,
        word=batch.status,
        # A batch is taken in before its rows are counted.
        total=count(counts.total) or None,
        completed=count(counts.completed),
        failed=count(counts.failed),
        created_at=seconds(batch.created_at),
        expires_at=seconds(batch.expires_at),
        ended_at=seconds(batch.finalized_at),
        results=(BatchRef("inline", batch.id),) if state.over and not empty else (),
        model=batch.model,
        error=_why(batch.error),
    )


def _why(error: Any) -> str | None:
    told = error.get("message") if isinstance(error, dict) else error
    return str(told) if told else None


def read_results(
    chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
) -> Iterator[BatchResult]:
    """The elements of ``results``; a batch that failed as a whole has none."""
    return read_rows(elements(chunks, "results", target), ResultMaker(target, embeds=embeds))
