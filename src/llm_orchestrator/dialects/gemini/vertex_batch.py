"""Batches of Vertex AI: lines in a bucket of Cloud Storage, a prediction job, lines beside them.

Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini
and the official SDK's types. Rows have no id there: ours stands in the labels of each request,
which the results repeat.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects.base import UNREADABLE
from llm_orchestrator.dialects.batch import (
    MOST_PAGES,
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
    address,
    encode_json,
    encoded,
)
from llm_orchestrator.dialects.gemini.batch import STATES, failed
from llm_orchestrator.dialects.gemini.encode import JSON
from llm_orchestrator.types.batch import (
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchOutput,
    BatchRef,
    BatchResult,
    BatchStatus,
)
from llm_orchestrator.types.http import FilePart, HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate

ID_LABEL = "llmo_row"
"""The label of a request that holds the id of its row."""
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_CODE = re.compile(r'"code"\s*:\s*(\d+)')


class _Line(msgspec.Struct):
    request: dict[str, msgspec.Raw]


_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def line(item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
    """The row: the body of generateContent with the id among its labels."""
    if not _LABEL.fullmatch(item.custom_id):
        raise errors.InvalidRequestError(
            f"the id {item.custom_id!r} of a row must be small letters and digits, 63 at most",
            code="custom_id",
        )
    body = _read_fields(encoded(item, target, notices).body)
    labels = _read_fields(body["labels"]) if "labels" in body else {}
    labels[ID_LABEL] = msgspec.Raw(encode_json(item.custom_id))
    body["labels"] = msgspec.Raw(encode_json(labels))
    return encode_json(_Line(body))


def upload(file: BatchFile, target: Candidate) -> Exchange[str]:
    """One object in the bucket; the same name again replaces it."""
    bucket, folder = _bucket(target)
    name = f"{folder}{file.name}"
    place = f"{wire_of(target).files}/upload/storage/v1/b/{quote(bucket, safe='')}/o"
    query = f"?uploadType=media&name={quote(name, safe='')}"
    headers = {"Content-Type": "application/jsonl"}
    yield HTTPCall(place + query, headers=headers, parts=(FilePart(file.path, file.size),))
    return f"gs://{bucket}/{name}"


def create(order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
    """``POST .../batchPredictionJobs`` with the tag as its name."""
    bucket, folder = _bucket(target)
    form = endpoint(target, embeds=order.file.embeds)
    body = {
        "displayName": order.tag,
        "model": f"publishers/google/models/{target.model.id}",
        "inputConfig": {"instancesFormat": form, "gcsSource": {"uris": [order.file_id]}},
        "outputConfig": {
            "predictionsFormat": form,
            "gcsDestination": {"outputUriPrefix": f"gs://{bucket}/{folder}{order.tag}"},
        },
    }
    url = address(target, wire_of(target).path)
    reply = yield HTTPCall(url, encode_json(body), JSON, once=True)
    return _status(read(reply, _read_job, target))


def poll(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``GET .../batchPredictionJobs/{number}``."""
    reply = yield HTTPCall(_address(batch_id, target), headers=JSON, method="GET")
    return _status(read(reply, _read_job, target))


def cancel(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``POST .../batchPredictionJobs/{number}:cancel``, whose reply is empty; then a look."""
    yield HTTPCall(f"{_address(batch_id, target)}:cancel", headers=JSON, also=REFUSED)
    return (yield from poll(batch_id, target))


def list_recent(
    target: Candidate, since: float, mark: str | None = None
) -> Exchange[list[BatchStatus]]:
    """``GET .../batchPredictionJobs``, the newest first; the tag is looked for there."""
    wire = wire_of(target)
    named = "" if mark is None else "&filter=" + quote(f'display_name="{mark}"', safe="")

    def ask(after: str) -> HTTPCall:
        more = f"&pageToken={quote(after, safe='')}" if after else ""
        place = f"{address(target, wire.path)}?pageSize={wire.page}{named}{more}"
        return HTTPCall(place, headers=JSON, method="GET")

    def parse(reply: HTTPReply) -> tuple[list[BatchStatus], str | None]:
        body = read(reply, _read_list, target)
        return [_status(one) for one in body.batch_prediction_jobs or ()], body.next_page_token

    return (yield from listed(ask, parse, since, mark))


def results(status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
    """All lines in the folder of the job, whatever its files are called."""
    storage = f"{wire_of(target).files}/storage/v1/b/"
    found = []
    for ref in status.results:
        bucket, _, folder = ref.place.removeprefix("gs://").partition("/")
        objects = f"{storage}{quote(bucket, safe='')}/o"
        names: list[str] = []
        after = ""
        for _ in range(MOST_PAGES):
            prefix = quote(f"{folder.rstrip('/')}/", safe="")
            reply = yield HTTPCall(f"{objects}?prefix={prefix}{after}", method="GET")
            body = read(reply, _read_objects, target)
            names += [one.name for one in body.items or ()]
            if not body.next_page_token:
                break
            after = f"&pageToken={quote(body.next_page_token, safe='')}"
        for name in names:
            if name.endswith(".jsonl"):
                url = f"{objects}/{quote(name, safe='')}?alt=media"
                reply = yield HTTPCall(url, method="GET", save=True)
                found.append(BatchOutput(ref.kind, reply.file, reply.body))
    if status.completed and not found:
        raise errors.BadReplyError(
            f"there are no results below {', '.join(ref.place for ref in status.results)}",
            code="no_results",
            provider=target.provider.name,
            model=target.model.id,
            status_code=404,
        )
    return tuple(found)


def _address(batch_id: str, target: Candidate) -> str:
    return address(target, wire_of(target).path, batch_id.rpartition("/")[2])


def _bucket(target: Candidate) -> tuple[str, str]:
    """The bucket and the folder in it; the folder ends with a slash, or is empty."""
    provider = target.provider
    given = provider.values.get("bucket", "").removeprefix("gs://")
    bucket, _, folder = given.strip("/").partition("/")
    if not bucket:
        raise errors.ConfigError(
            f"batches need a bucket: set providers.{provider.name}.variables.bucket",
            provider=provider.name,
        )
    return bucket, f"{folder}/" if folder else ""


# ------------------------------------------------------------------ a job


class _Wire(msgspec.Struct, rename="camel"):
    pass


class _Stats(_Wire):
    """Where a number is missing, it is 0; -1 is unknown."""

    successful_count: Any = 0
    failed_count: Any = 0
    incomplete_count: Any = 0


class _Where(_Wire):
    gcs_output_directory: str | None = None


class _Source(_Wire):
    uris: list[str] | None = None


class _Input(_Wire):
    gcs_source: _Source | None = None


class _Error(msgspec.Struct):
    message: str | None = None
    code: Any = None


class _Job(_Wire):
    name: str
    state: str = ""
    display_name: str | None = None
    model: str | None = None
    create_time: str | None = None
    end_time: str | None = None
    completion_stats: _Stats | None = None
    output_info: _Where | None = None
    input_config: _Input | None = None
    error: _Error | None = None


class _List(_Wire):
    batch_prediction_jobs: list[_Job] | None = None
    next_page_token: str | None = None


class _Object(msgspec.Struct):
    name: str


class _Objects(_Wire):
    items: list[_Object] | None = None
    next_page_token: str | None = None


_read_job = msgspec.json.Decoder(_Job).decode
_read_list = msgspec.json.Decoder(_List).decode
_read_objects = msgspec.json.Decoder(_Objects).decode


def _status(job: _Job) -> BatchStatus:
    stats = job.completion_stats
    good = count(stats.successful_count) if stats else None
    bad = count(stats.failed_count) if stats else None
    rest = count(stats.incomplete_count) if stats else None
    source = job.input_config.gcs_source if job.input_config else None
    folder = job.output_info.gcs_output_directory if job.output_info else None
    return BatchStatus(
        id=job.name,
        state=state_of(job.state.removeprefix("JOB_STATE_"), STATES),
        word=job.state,
        total=None if good is None or bad is None or rest is None else good + bad + rest,
        completed=good,
        failed=bad,
        created_at=seconds(job.create_time),
        ended_at=seconds(job.end_time),
        tag=job.display_name,
        input_file_id=source.uris[0] if source and source.uris else None,
        results=(BatchRef("folder", folder),) if folder else (),
        model=job.model.rpartition("/")[2] if job.model else None,
        error=job.error.message if job.error else None,
        error_code=str(job.error.code) if job.error and job.error.code else None,
    )


# ------------------------------------------------------------------ results


class _Asked(msgspec.Struct, gc=False):
    labels: dict[str, Any] | None = None


class _Row(msgspec.Struct, gc=False):
    request: _Asked | None = None
    status: Any = None
    response: msgspec.Raw = msgspec.Raw()


_read_row = msgspec.json.Decoder(_Row).decode
_NOTHING = (b"", b"null", b"{}")


def read_results(
    chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
) -> Iterator[BatchResult]:
    """The lines of a file; each repeats its request, where its id is found again."""
    maker = ResultMaker(target, embeds=embeds)
    for one in lines(chunks):
        try:
            row = _read_row(one)
        except UNREADABLE:
            yield maker.strange(one)
            continue
        labels = row.request.labels if row.request else None
        found = (labels or {}).get(ID_LABEL)
        key = found if isinstance(found, str) else None
        if row.status:
            yield failed(key, _error(row.status), maker)
        elif (response := bytes(row.response)) not in _NOTHING:
            yield maker.answer(key, 200, response, {})
        else:
            yield maker.strange(one)


def _error(status: Any) -> bytes:
    """The error object that a status means: a text that may hold a code, or an object."""
    if isinstance(status, dict):
        return encode_json(status)
    text = str(status)
    code = _CODE.search(text)
    return encode_json({"code": int(code[1]) if code else 0, "message": text})
