"""Batch jobs of Mistral: files as OpenAI has them, jobs of its own.

Source: https://docs.mistral.ai/capabilities/batch and the official SDK's types.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from llm_orchestrator.dialects.batch import (
    MOST_PAGES,
    REFUSED,
    TAG_KEY,
    Exchange,
    endpoint,
    wire_of,
)
from llm_orchestrator.dialects.batch_reading import (
    ResultMaker,
    bearing,
    count,
    elements,
    lines,
    older,
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
    without,
)
from llm_orchestrator.dialects.openai.batch import read_file, read_rows
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
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Candidate

_STATES = {
    "queued": BatchState.QUEUED,
    "running": BatchState.RUNNING,
    "success": BatchState.COMPLETED,
    "failed": BatchState.FAILED,
    "timeout_exceeded": BatchState.EXPIRED,
    "cancellation_requested": BatchState.CANCELLING,
    "cancelled": BatchState.CANCELLED,
}
_MOST_FAULTS = 3


class _Line(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw


def line(item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
    """The row without its model, which is the job's."""
    call = encoded(item, target, notices)
    return encode_json(_Line(item.custom_id, without(call.body, "model")))


def upload(file: BatchFile, target: Candidate) -> Exchange[str]:
    """One form with the purpose and the file."""
    form = multipart({"visibility": "workspace", "purpose": "batch"}, file)
    call = msgspec.structs.replace(form, url=address(target, wire_of(target).files))
    reply = yield call
    return read(reply, read_file, target).id


def create(order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /batch/jobs`` with the tag in the metadata."""
    wire = wire_of(target)
    body = {
        "endpoint": endpoint(target, embeds=order.file.embeds),
        "input_files": [order.file_id],
        "model": target.model.id,
        "metadata": {TAG_KEY: order.tag},
        "timeout_hours": order.hours,
    }
    reply = yield HTTPCall(address(target, wire.path), encode_json(body), JSON, once=True)
    return _status(read(reply, _read_job, target))


def poll(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``GET /batch/jobs/{id}``."""
    url = address(target, wire_of(target).path, batch_id)
    reply = yield HTTPCall(url, method="GET")
    return _status(read(reply, _read_job, target))


def cancel(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /batch/jobs/{id}/cancel``."""
    url = address(target, wire_of(target).path, batch_id, "cancel")
    reply = yield HTTPCall(url, also=REFUSED)
    if reply.status in REFUSED:  # it is over already
        return (yield from poll(batch_id, target))
    return _status(read(reply, _read_job, target))


def list_recent(
    target: Candidate, since: float, mark: str | None = None
) -> Exchange[list[BatchStatus]]:
    """``GET /batch/jobs``, the newest first, until they are older.

    The tag is looked for here: how the list filters by metadata is not to be relied on.
    """
    wire = wire_of(target)
    found: list[BatchStatus] = []
    seen = 0
    for number in range(MOST_PAGES):
        query = f"page={number}&page_size={wire.page}&order_by=-created"
        reply = yield HTTPCall(f"{address(target, wire.path)}?{query}", method="GET")
        body = read(reply, _read_list, target)
        page = [_status(one) for one in body.data or ()]
        found += bearing(page, since, mark)
        seen += len(page)
        # A page may be shorter than was asked for, and yet not be the last.
        if not page or seen >= (count(body.total) or MOST_PAGES * wire.page) or older(page, since):
            break
    return found


def results(status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
    """The file of answers and the file of errors, or the job itself where it holds them."""
    wire = wire_of(target)
    found = []
    for ref in status.results:
        if ref.kind == "inline":
            url = f"{address(target, wire.path, ref.place)}?inline=true"
        else:
            url = address(target, wire.files, ref.place, "content")
        reply = yield HTTPCall(url, method="GET", save=True)
        found.append(BatchOutput(ref.kind, reply.file, reply.body))
    return tuple(found)


# ------------------------------------------------------------------ a job


class _Fault(msgspec.Struct):
    message: Any = None
    count: Any = None


class _Job(msgspec.Struct):
    id: str
    status: str
    input_files: list[str] | None = None
    output_file: str | None = None
    error_file: str | None = None
    outputs: msgspec.Raw = msgspec.Raw()
    errors: list[_Fault] | None = None
    metadata: Any = None
    model: str | None = None
    total_requests: Any = None
    succeeded_requests: Any = None
    failed_requests: Any = None
    created_at: Any = None
    completed_at: Any = None


class _List(msgspec.Struct):
    data: list[_Job] | None = None
    total: Any = None


_read_job = msgspec.json.Decoder(_Job).decode
_read_list = msgspec.json.Decoder(_List).decode


def _status(job: _Job) -> BatchStatus:
    tag = job.metadata.get(TAG_KEY) if isinstance(job.metadata, dict) else None
    refs = [("output", job.output_file), ("error", job.error_file)]
    if bytes(job.outputs) not in {b"", b"null", b"[]"}:
        refs.append(("inline", job.id))
    told = [f"{one.message} ({one.count})" for one in (job.errors or ())[:_MOST_FAULTS]]
    return BatchStatus(
        id=job.id,
        state=state_of(job.status, _STATES),
        word=job.status,
        total=count(job.total_requests),
        completed=count(job.succeeded_requests),
        failed=count(job.failed_requests),
        created_at=seconds(job.created_at),
        ended_at=seconds(job.completed_at),
        tag=tag if isinstance(tag, str) else None,
        input_file_id=job.input_files[0] if job.input_files else None,
        results=tuple(BatchRef(kind, place) for kind, place in refs if place),
        model=job.model,
        error="; ".join(told) or None,
    )


# ------------------------------------------------------------------ results


def read_results(
    chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
) -> Iterator[BatchResult]:
    """The lines of a file, or the elements of ``outputs`` in a job that holds them itself."""
    maker = ResultMaker(target, embeds=embeds)
    rows = elements(chunks, "outputs", target) if kind == "inline" else lines(chunks)
    return read_rows(rows, maker)
