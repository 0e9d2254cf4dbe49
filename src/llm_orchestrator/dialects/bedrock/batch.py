"""Batch inference of Bedrock: lines in a bucket of S3, a job, lines beside them.

Source: botocore's service model of bedrock and the user guide of Bedrock. The rows are bodies of
Converse; those for vectors are bodies of InvokeModel.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects.base import UNREADABLE
from llm_orchestrator.dialects.batch import (
    REFUSED,
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
    encode_json,
    encoded,
)
from llm_orchestrator.dialects.bedrock.encode import JSON
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
from llm_orchestrator.types.http import FilePart, HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate

_STATES = {
    "submitted": BatchState.QUEUED,
    "validating": BatchState.VALIDATING,
    "scheduled": BatchState.QUEUED,
    "inprogress": BatchState.RUNNING,
    "completed": BatchState.COMPLETED,
    "partiallycompleted": BatchState.EXPIRED,  # not all rows were reached in time
    "failed": BatchState.FAILED,
    "stopping": BatchState.CANCELLING,
    "stopped": BatchState.CANCELLED,
    "expired": BatchState.EXPIRED,
}
_TAG = "llmo_job"


class _Line(msgspec.Struct, rename="camel"):
    record_id: str
    model_input: msgspec.Raw


def line(item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
    """The row: a record id and the body of Converse or InvokeModel."""
    call = encoded(item, target, notices)
    return encode_json(_Line(item.custom_id, msgspec.Raw(call.body)))


def upload(file: BatchFile, target: Candidate) -> Exchange[str]:
    """One object in the bucket; the same name again replaces it."""
    place = f"s3://{_bucket(target)}/{file.name}"
    parts = (FilePart(file.path, file.size),)
    headers = {"Content-Type": "application/jsonl"}
    yield HTTPCall(_object(place, target), headers=headers, method="PUT", parts=parts, sign="s3")
    return place


def create(order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /model-invocation-job``; sent again with the same token it makes no second job."""
    form = endpoint(target, embeds=order.file.embeds)
    into = f"s3://{_bucket(target)}/{order.tag}/"
    body = {
        "jobName": order.tag,
        "clientRequestToken": order.tag,
        "roleArn": _value(target, "role"),
        "modelId": target.model.id,
        "modelInvocationType": form,
        "inputDataConfig": {
            "s3InputDataConfig": {"s3Uri": order.file_id, "s3InputFormat": "JSONL"}
        },
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": into}},
        "timeoutDurationInHours": order.hours,
        "tags": [{"key": _TAG, "value": order.tag}],
    }
    url = _control(target) + wire_of(target).path
    reply = yield HTTPCall(url, encode_json(body), JSON, once=True)
    made = read(reply, _read_made, target)
    return BatchStatus(
        id=made.job_arn,
        state=BatchState.QUEUED,
        tag=order.tag,
        input_file_id=order.file_id,
        model=target.model.id,
    )


def poll(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``GET /model-invocation-job/{arn}``."""
    reply = yield HTTPCall(_address(batch_id, target), method="GET")
    return _status(read(reply, _read_job, target))


def cancel(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /model-invocation-job/{arn}/stop``, whose reply is empty; then a look."""
    yield HTTPCall(f"{_address(batch_id, target)}/stop", also=REFUSED)
    return (yield from poll(batch_id, target))


def list_recent(
    target: Candidate, since: float, mark: str | None = None
) -> Exchange[list[BatchStatus]]:
    """``GET /model-invocation-jobs``, the newest first; time and tag are looked for there."""
    wire = wire_of(target)
    start = datetime.fromtimestamp(max(0.0, since), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = f"maxResults={wire.page}&sortBy=CreationTime&sortOrder=Descending"
    query += f"&submitTimeAfter={quote(start, safe='')}"
    if mark is not None:
        query += f"&nameContains={quote(mark, safe='')}"

    def ask(after: str) -> HTTPCall:
        more = f"&nextToken={quote(after, safe='')}" if after else ""
        return HTTPCall(f"{_control(target)}{wire.path}s?{query}{more}", method="GET")

    def parse(reply: HTTPReply) -> tuple[list[BatchStatus], str | None]:
        body = read(reply, _read_list, target)
        return [_status(one) for one in body.invocation_job_summaries or ()], body.next_token

    return (yield from listed(ask, parse, since, mark))


def results(status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
    """The object beside the input's; a job that broke off early has none."""
    found = []
    # S3 says so by either, depending on what the role may do.
    early = status.state is not BatchState.COMPLETED and not status.completed
    missing = (403, 404) if early else ()
    for ref in status.results:
        url = _object(ref.place, target)
        reply = yield HTTPCall(url, method="GET", save=True, also=missing, sign="s3")
        if reply.status not in missing:
            found.append(BatchOutput(ref.kind, reply.file, reply.body))
    return tuple(found)


# ------------------------------------------------------------------ addresses


def _control(target: Candidate) -> str:
    """The host that jobs are asked of, which is not that of the models."""
    return target.provider.base_url.replace("bedrock-runtime", "bedrock", 1)


def _address(batch_id: str, target: Candidate) -> str:
    return f"{_control(target)}{wire_of(target).path}/{quote(batch_id, safe='')}"


def _object(place: str, target: Candidate) -> str:
    """The address of an object of S3, in the partition and region of the models."""
    own = wire_of(target).files
    host = own or target.provider.base_url.replace("bedrock-runtime", "s3", 1)
    return f"{host}/{quote(place.removeprefix('s3://'), safe='/-._~')}"


def _bucket(target: Candidate) -> str:
    return _value(target, "bucket").removeprefix("s3://").strip("/")


def _value(target: Candidate, name: str) -> str:
    provider = target.provider
    if not (found := provider.values.get(name)):
        raise errors.ConfigError(
            f"batches need a {name}: set providers.{provider.name}.variables.{name}",
            provider=provider.name,
        )
    return found


# ------------------------------------------------------------------ a job


class _Wire(msgspec.Struct, rename="camel"):
    pass


class _Made(_Wire):
    job_arn: str


class _S3(msgspec.Struct, rename={"s3_uri": "s3Uri"}):
    s3_uri: str | None = None


class _Input(_Wire):
    s3_input_data_config: _S3 | None = None


class _Output(_Wire):
    s3_output_data_config: _S3 | None = None


class _Job(_Wire):
    job_arn: str
    status: str = ""
    job_name: str | None = None
    client_request_token: str | None = None
    model_id: str | None = None
    message: str | None = None
    submit_time: Any = None
    end_time: Any = None
    job_expiration_time: Any = None
    input_data_config: _Input | None = None
    output_data_config: _Output | None = None
    total_record_count: Any = None
    success_record_count: Any = None
    error_record_count: Any = None


class _List(_Wire):
    invocation_job_summaries: list[_Job] | None = None
    next_token: str | None = None


_read_made = msgspec.json.Decoder(_Made).decode
_read_job = msgspec.json.Decoder(_Job).decode
_read_list = msgspec.json.Decoder(_List).decode


def _status(job: _Job) -> BatchStatus:
    given = job.input_data_config and job.input_data_config.s3_input_data_config
    into = job.output_data_config and job.output_data_config.s3_output_data_config
    source = given.s3_uri if given else None
    refs: tuple[BatchRef, ...] = ()
    state = state_of(job.status, _STATES)
    if state.over and source and into and into.s3_uri:
        folder = f"{into.s3_uri.rstrip('/')}/{job.job_arn.rpartition('/')[2]}"
        refs = (BatchRef("lines", f"{folder}/{source.rpartition('/')[2]}.out"),)
    return BatchStatus(
        id=job.job_arn,
        state=state,
        word=job.status,
        total=count(job.total_record_count),
        completed=count(job.success_record_count),
        failed=count(job.error_record_count),
        created_at=seconds(job.submit_time),
        expires_at=seconds(job.job_expiration_time),
        ended_at=seconds(job.end_time),
        tag=job.client_request_token or job.job_name,
        input_file_id=source,
        results=refs,
        model=job.model_id,
        error=job.message,
    )


# ------------------------------------------------------------------ results


class _Fault(_Wire, gc=False):
    error_code: Any = None
    error_message: Any = None


class _Row(_Wire, gc=False):
    record_id: str | None = None
    model_output: msgspec.Raw = msgspec.Raw()
    error: _Fault | None = None


_read_row = msgspec.json.Decoder(_Row).decode


def read_results(
    chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
) -> Iterator[BatchResult]:
    """The lines of the output, which repeat their input beside the answer."""
    maker = ResultMaker(target, embeds=embeds)
    for one in lines(chunks):
        try:
            row = _read_row(one)
        except UNREADABLE:
            yield maker.strange(one, "recordId")
            continue
        if (fault := row.error) is not None:
            code = count(fault.error_code)
            status = code if code is not None and 400 <= code < 600 else 500
            body = encode_json({"message": str(fault.error_message or "")})
            yield maker.answer(row.record_id, status, body, {})
        elif (answer := bytes(row.model_output)) not in {b"", b"null"}:
            yield maker.answer(row.record_id, 200, answer, {})
        else:
            yield maker.strange(one, "recordId")
