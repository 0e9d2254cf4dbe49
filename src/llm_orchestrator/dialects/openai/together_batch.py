"""Batches of Together: files that go to a storage by a redirect, jobs without tags.

Source: https://docs.together.ai/docs/batch-inference and the official SDK's types. A batch is
recognised by its input file, whose id must be kept before the batch is created.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects.base import where
from llm_orchestrator.dialects.batch import (
    REFUSED,
    Exchange,
    endpoint,
    wire_of,
)
from llm_orchestrator.dialects.batch_reading import (
    ResultMaker,
    bearing,
    lines,
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
from llm_orchestrator.dialects.openai.batch import STATES, read_rows, results, window
from llm_orchestrator.types.batch import (
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchRef,
    BatchResult,
    BatchStatus,
)
from llm_orchestrator.types.http import FilePart, HTTPCall
from llm_orchestrator.types.provider import Candidate

__all__ = [
    "cancel",
    "create",
    "line",
    "list_recent",
    "poll",
    "read_results",
    "results",
    "upload",
]


class _Line(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw


def line(item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
    """The row: an id and a body."""
    call = encoded(item, target, notices)
    return encode_json(_Line(item.custom_id, msgspec.Raw(call.body)))


def upload(file: BatchFile, target: Candidate) -> Exchange[str]:
    """Three legs: announce the file, put it where that leads, have it looked through."""
    fields = {
        "purpose": "batch-api",
        "file_name": file.name,
        "file_type": "jsonl",
        "checksum": file.sha256,
    }
    files = wire_of(target).files
    form = multipart(fields, None)
    reply = yield msgspec.structs.replace(form, url=address(target, files), also=(302, 307))
    place, file_id = reply.header("Location"), reply.header("X-Together-File-Id")
    if not place or not file_id:
        raise errors.BadReplyError(
            "the upload was not redirected to a storage", code="no_upload", **where(target, reply)
        )
    yield HTTPCall(place, method="PUT", parts=(FilePart(file.path, file.size),), sign="none")
    yield HTTPCall(address(target, files, file_id, "preprocess"), headers=JSON)
    return file_id


def create(order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /batches``; the reply wraps the job, and may hold a warning."""
    body = {
        "endpoint": endpoint(target, embeds=order.file.embeds),
        "input_file_id": order.file_id,
        "completion_window": window(order.hours),
    }
    url = address(target, wire_of(target).path)
    reply = yield HTTPCall(url, encode_json(body), JSON, once=True)
    return _status(read(reply, _read_wrapped, target).job)


def poll(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``GET /batches/{id}``."""
    url = address(target, wire_of(target).path, batch_id)
    reply = yield HTTPCall(url, method="GET")
    return _status(read(reply, _read_job, target))


def cancel(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /batches/{id}/cancel``."""
    url = address(target, wire_of(target).path, batch_id, "cancel")
    reply = yield HTTPCall(url, headers=JSON, also=REFUSED)
    if reply.status in REFUSED:  # it is over already
        return (yield from poll(batch_id, target))
    return _status(read(reply, _read_job, target))


def list_recent(
    target: Candidate, since: float, mark: str | None = None
) -> Exchange[list[BatchStatus]]:
    """``GET /batches``, which is one array of all of them."""
    reply = yield HTTPCall(address(target, wire_of(target).path), method="GET")
    return bearing(map(_status, read(reply, _read_list, target)), since, mark)


# ------------------------------------------------------------------ a job


class _Job(msgspec.Struct):
    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    model_id: str | None = None
    created_at: Any = None
    completed_at: Any = None
    job_deadline: Any = None
    error: Any = None


class _Wrapped(msgspec.Struct):
    job: _Job


_read_job = msgspec.json.Decoder(_Job).decode
_read_wrapped = msgspec.json.Decoder(_Wrapped).decode
_read_list = msgspec.json.Decoder(list[_Job]).decode


def _status(job: _Job) -> BatchStatus:
    refs = (("output", job.output_file_id), ("error", job.error_file_id))
    return BatchStatus(
        id=job.id,
        state=state_of(job.status, STATES),
        word=job.status,
        created_at=seconds(job.created_at),
        expires_at=seconds(job.job_deadline),
        ended_at=seconds(job.completed_at),
        tag=job.input_file_id,
        input_file_id=job.input_file_id,
        results=tuple(BatchRef(kind, place) for kind, place in refs if place),
        model=job.model_id,
        error=str(job.error) if job.error else None,
    )


def read_results(
    chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
) -> Iterator[BatchResult]:
    """The lines of a file of answers or of errors."""
    return read_rows(lines(chunks), ResultMaker(target, embeds=embeds))
