"""Batches of the Gemini API: a file of lines, a long-running operation, a file of results.

Source: https://ai.google.dev/gemini-api/docs/batch-api and the official SDK's types.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects.base import UNREADABLE, unsupported, where
from llm_orchestrator.dialects.batch import (
    REFUSED,
    Exchange,
    endpoint,
    wire_of,
)
from llm_orchestrator.dialects.batch_reading import (
    ResultMaker,
    count,
    elements,
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
from llm_orchestrator.dialects.gemini.encode import JSON, url
from llm_orchestrator.types.batch import (
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchOutput,
    BatchRef,
    BatchResult,
    BatchState,
    BatchStatus,
    Texts,
)
from llm_orchestrator.types.http import FilePart, HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.usage import Usage

STATES = {
    "queued": BatchState.QUEUED,
    "pending": BatchState.QUEUED,
    "running": BatchState.RUNNING,
    "paused": BatchState.RUNNING,
    "updating": BatchState.RUNNING,
    "succeeded": BatchState.COMPLETED,
    "partially_succeeded": BatchState.COMPLETED,
    "failed": BatchState.FAILED,
    "cancelling": BatchState.CANCELLING,
    "cancelled": BatchState.CANCELLED,
    "expired": BatchState.EXPIRED,
}
_HTTP = {
    1: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501,
    13: 500, 14: 503, 15: 500, 16: 401,
}  # fmt: skip
"""Google's codes of errors outside HTTP, as its statuses."""
_PREFIX = "batches/"
_UPLOADED = "jsonl"


class _Line(msgspec.Struct):
    key: str
    request: msgspec.Raw


class _Requests(msgspec.Struct):
    requests: list[dict[str, msgspec.Raw]]


_read_requests = msgspec.json.Decoder(_Requests).decode


def line(item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
    """The row: a key, and the body of generateContent or one request of batchEmbedContents."""
    call = encoded(item, target, notices)
    body = call.body
    if isinstance(item.request, Texts):
        requests = _read_requests(body).requests
        if len(requests) != 1:
            raise unsupported("more than one text a row is not supported by this wire", target)
        requests[0].pop("model", None)  # it is the batch's
        body = encode_json(requests[0])
    return encode_json(_Line(item.custom_id, msgspec.Raw(body)))


def upload(file: BatchFile, target: Candidate) -> Exchange[str]:
    """A resumable upload in two legs; the second address needs no key."""
    about = {"display_name": file.name, "mime_type": _UPLOADED, "size_bytes": file.size}
    both = JSON | {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Header-Content-Length": str(file.size),
        "X-Goog-Upload-Header-Content-Type": _UPLOADED,
        "X-Goog-Upload-File-Name": file.name,
    }
    start = both | {"X-Goog-Upload-Command": "start"}
    base, _, version = target.provider.base_url.rpartition("/")
    address = f"{base}/upload/{version}{wire_of(target).files}"
    reply = yield HTTPCall(address, encode_json({"file": about}), start)
    place = reply.header("X-Goog-Upload-URL")
    if not place:
        raise errors.BadReplyError(
            "the upload has no address to go on at", code="no_upload", **where(target, reply)
        )
    rest = both | {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
    parts = (FilePart(file.path, file.size),)
    reply = yield HTTPCall(place, headers=rest, parts=parts, sign="none")
    return read(reply, _read_uploaded, target).file.name


class _File(msgspec.Struct):
    name: str


class _Uploaded(msgspec.Struct):
    file: _File


_read_uploaded = msgspec.json.Decoder(_Uploaded).decode


def create(order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /models/{model}:batchGenerateContent`` with the tag as its name."""
    method = endpoint(target, embeds=order.file.embeds)
    batch = {"displayName": order.tag, "inputConfig": {"fileName": order.file_id}}
    reply = yield HTTPCall(url(target, method), encode_json({"batch": batch}), JSON, once=True)
    return _status(read(reply, _read_operation, target))


def poll(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``GET /batches/{id}``."""
    reply = yield HTTPCall(_address(batch_id, target), headers=JSON, method="GET")
    return _status(read(reply, _read_operation, target))


def cancel(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /batches/{id}:cancel``, whose reply is empty; then a look."""
    yield HTTPCall(f"{_address(batch_id, target)}:cancel", headers=JSON, also=REFUSED)
    return (yield from poll(batch_id, target))


def list_recent(
    target: Candidate, since: float, mark: str | None = None
) -> Exchange[list[BatchStatus]]:
    """``GET /batches``, the newest first, until they are older."""
    wire = wire_of(target)

    def ask(after: str) -> HTTPCall:
        more = f"&pageToken={quote(after, safe='')}" if after else ""
        place = f"{target.provider.base_url}{wire.path}?pageSize={wire.page}{more}"
        return HTTPCall(place, headers=JSON, method="GET")

    def parse(reply: HTTPReply) -> tuple[list[BatchStatus], str | None]:
        body = read(reply, _read_list, target)
        return [_status(one) for one in body.operations or ()], body.next_page_token

    return (yield from listed(ask, parse, since, mark))


def results(status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
    """The file of results; or the batch itself, where it holds them."""
    found = []
    for ref in status.results:
        if ref.kind == "inline":
            place = _address(ref.place, target)
        else:
            file = quote(ref.place, safe="/")
            place = f"{target.provider.base_url}/{file}:download?alt=media"
        reply = yield HTTPCall(place, headers=JSON, method="GET", save=True)
        found.append(BatchOutput(ref.kind, reply.file, reply.body))
    return tuple(found)


def _address(batch_id: str, target: Candidate) -> str:
    name = quote(batch_id.removeprefix(_PREFIX), safe="")
    return f"{target.provider.base_url}{wire_of(target).path}/{name}"


# ------------------------------------------------------------------ a batch


class _Wire(msgspec.Struct, rename="camel"):
    pass


class _Stats(_Wire):
    """Where a number is missing, it is 0."""

    request_count: Any = 0
    successful_request_count: Any = 0
    failed_request_count: Any = 0


class _Output(_Wire):
    responses_file: str | None = None
    inlined_responses: msgspec.Raw = msgspec.Raw()
    inlined_embed_content_responses: msgspec.Raw = msgspec.Raw()


class _Input(_Wire):
    file_name: str | None = None


class _Batch(_Wire):
    display_name: str | None = None
    model: str | None = None
    state: str = ""
    create_time: str | None = None
    end_time: str | None = None
    batch_stats: _Stats | None = None
    output: _Output | None = None
    input_config: _Input | None = None


class _Operation(_Wire):
    name: str
    metadata: _Batch | None = None
    response: _Output | None = None
    error: Any = None


class _List(_Wire):
    operations: list[_Operation] | None = None
    next_page_token: str | None = None


_read_operation = msgspec.json.Decoder(_Operation).decode
_read_list = msgspec.json.Decoder(_List).decode


def _status(operation: _Operation) -> BatchStatus:
    batch = operation.metadata or _Batch()
    stats = batch.batch_stats
    word = batch.state.removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
    output = batch.output or operation.response or _Output()
    return BatchStatus(
        id=operation.name,
        state=state_of(word, STATES),
        word=batch.state,
        total=count(stats.request_count) if stats else None,
        completed=count(stats.successful_request_count) if stats else None,
        failed=count(stats.failed_request_count) if stats else None,
        created_at=seconds(batch.create_time),
        ended_at=seconds(batch.end_time),
        tag=batch.display_name,
        input_file_id=batch.input_config.file_name if batch.input_config else None,
        results=tuple(_refs(operation.name, output)),
        model=batch.model.removeprefix("models/") if batch.model else None,
        error=_why(operation.error),
        error_code=_code_of(operation.error),
    )


def _refs(name: str, output: _Output) -> Iterator[BatchRef]:
    if output.responses_file:
        yield BatchRef("file", output.responses_file)
    for held in (output.inlined_responses, output.inlined_embed_content_responses):
        if bytes(held) not in {b"", b"null", b"{}"}:
            yield BatchRef("inline", name)


def _why(error: Any) -> str | None:
    told = error.get("message") if isinstance(error, dict) else error
    return str(told) if told else None


def _code_of(error: Any) -> str | None:
    code = error.get("status") or error.get("code") if isinstance(error, dict) else None
    return None if code is None else str(code)


# ------------------------------------------------------------------ results


class _Metadata(msgspec.Struct, gc=False):
    key: str | None = None


class _Row(msgspec.Struct, gc=False):
    key: str | None = None
    metadata: _Metadata | None = None
    response: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Code(msgspec.Struct):
    code: Any = None


_read_row = msgspec.json.Decoder(_Row).decode
_NOTHING = (b"", b"null", b"{}")


def read_results(
    chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
) -> Iterator[BatchResult]:
    """The lines of a file, or the answers within a batch that holds them itself."""
    maker = ResultMaker(target, embeds=embeds)
    word = "inlinedEmbedContentResponses" if embeds else "inlinedResponses"
    place = f"metadata.output.{word}.inlinedResponses"
    rows = elements(chunks, place, target) if kind == "inline" else lines(chunks)
    for one in rows:
        try:
            row = _read_row(one)
        except UNREADABLE:
            yield maker.strange(one, "key")
            continue
        key = row.key or (row.metadata.key if row.metadata else None)
        if (error := bytes(row.error)) not in _NOTHING:
            yield failed(key, error, maker)
        elif (response := bytes(row.response)) not in _NOTHING:
            result = maker.answer(key, 200, response, {})
            yield _counted(result, response) if embeds else result
        else:
            yield maker.strange(one, "key")


class _Tokens(_Wire):
    token_count: Any = None


def _counted(result: BatchResult, response: bytes) -> BatchResult:
    """The result of a row for vectors with its usage, which stands beside them in batches."""
    try:
        tokens = count(msgspec.json.decode(response, type=_Tokens).token_count)
    except UNREADABLE:
        tokens = None
    if tokens is None or result.response is None or result.usage is not None:
        return result
    usage = Usage(tokens)
    told = msgspec.structs.replace(result.response, usage=usage)
    return msgspec.structs.replace(result, response=told, usage=usage)


def failed(key: str | None, error: bytes, maker: ResultMaker) -> BatchResult:
    """What an error of Google's, outside HTTP, says of a row."""
    try:
        code = msgspec.json.decode(error, type=_Code).code
    except UNREADABLE:
        code = None
    number = code if type(code) is int else 0
    status = number if number >= 400 else _HTTP.get(number, 500)
    return maker.answer(key, status, b'{"error":' + error + b"}", {})
