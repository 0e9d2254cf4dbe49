"""Batches of Cohere: a dataset of rows that is looked through first, a batch, a dataset of results.

Source: https://docs.cohere.com/reference/create-batch and the official SDK's types. Results come
as Avro, from addresses that need no key.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator import errors
from llm_orchestrator.dialects.base import Notices, unsupported, where
from llm_orchestrator.dialects.batch import REFUSED, Exchange, endpoint, wire_of
from llm_orchestrator.dialects.batch_reading import (
    ResultMaker,
    count,
    listed,
    read,
    seconds,
    state_of,
)
from llm_orchestrator.dialects.batch_writing import (
    JSON,
    encode_json,
    encoded,
    multipart,
    read_fields,
)
from llm_orchestrator.dialects.cohere.avro import AvroError, records
from llm_orchestrator.dialects.cohere.encode import root
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
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate

_STATES = {
    "unspecified": BatchState.QUEUED,
    "queued": BatchState.QUEUED,
    "in_progress": BatchState.RUNNING,
    "completed": BatchState.COMPLETED,
    "failed": BatchState.FAILED,
    "canceling": BatchState.CANCELLING,
    "cancelling": BatchState.CANCELLING,
    "canceled": BatchState.CANCELLED,
    "cancelled": BatchState.CANCELLED,
}
_WAITS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, *([30.0] * 40))
"""Seconds before each look at a dataset: twenty minutes in all."""
_HOPELESS = re.compile(r"invalid|too long|exceed|not supported|unsupported|must |required")


class _Line(msgspec.Struct):
    custom_id: str
    body: dict[str, msgspec.Raw]


def line(item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
    """The row without its model, which is the batch's. Texts stand in parts."""
    call = encoded(item, target, notices)
    body = read_fields(call.body)
    del body["model"]
    if isinstance(item.request, Texts):
        if "output_dimension" in body:
            raise unsupported("a number of dimensions is not supported in a batch here", target)
        texts = msgspec.json.decode(body.pop("texts"), type=list[str])
        inputs = [{"content": [{"type": "text", "text": text}]} for text in texts]
        body["inputs"] = msgspec.Raw(encode_json(inputs))
        return encode_json(_Line(item.custom_id, body))
    body.pop("stream", None)
    if "stop_sequences" in body and "stop_sequences" not in item.request.extra:
        dropped = Notices(item.request, target)
        dropped.drop("stop", "has no place in the rows of a batch here")
        del body["stop_sequences"]
        if notices is not None:
            notices.update(dropped)
    body["messages"] = _in_parts(body["messages"])
    return encode_json(_Line(item.custom_id, body))


_read_turns = msgspec.json.Decoder(list[dict[str, Any]]).decode


def _in_parts(messages: msgspec.Raw) -> msgspec.Raw:
    """The turns with their texts as parts: a dataset has one type for what they hold."""
    turns = _read_turns(messages)
    for turn in turns:
        if isinstance(turn.get("content"), str):
            turn["content"] = [{"type": "text", "text": turn["content"]}]
    return msgspec.Raw(encode_json(turns))


def upload(file: BatchFile, target: Candidate) -> Exchange[str]:
    """The dataset, until it has been looked through; raises what was found wrong with it."""
    kind = endpoint(target, embeds=file.embeds)
    datasets = root(target.provider) + wire_of(target).files
    name = file.name.removesuffix(".jsonl")
    query = f"?name={quote(name, safe='')}&type={quote(kind, safe='')}"
    form = multipart({}, file, "data")
    reply = yield msgspec.structs.replace(form, url=datasets + query)
    dataset_id = read(reply, _read_made, target).id
    for wait in _WAITS:
        address = f"{datasets}/{quote(dataset_id, safe='')}"
        reply = yield HTTPCall(address, method="GET", wait=wait)
        dataset = read(reply, _read_dataset, target).dataset
        if dataset.validation_status == "validated":
            return dataset_id
        if dataset.validation_status in {"failed", "skipped"}:
            raise errors.InvalidRequestError(
                f"the rows were refused: {dataset.validation_error or 'no reason was given'}",
                code="dataset",
                **where(target, reply),
            )
    raise errors.ServerError(
        "the dataset was not looked through in time", code="dataset", **where(target, None)
    )


def create(order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /v2/batches`` with the tag as its name."""
    endpoint(target, embeds=order.file.embeds)
    body = {"name": order.tag, "input_dataset_id": order.file_id, "model": target.model.id}
    reply = yield HTTPCall(_batches(target), encode_json(body), JSON, once=True)
    return _status(read(reply, _read_batch, target).batch)


def poll(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``GET /v2/batches/{id}``."""
    reply = yield HTTPCall(f"{_batches(target)}/{quote(batch_id, safe='')}", method="GET")
    return _status(read(reply, _read_batch, target).batch)


def cancel(batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
    """``POST /v2/batches/{id}:cancel``; then a look."""
    yield HTTPCall(f"{_batches(target)}/{quote(batch_id, safe='')}:cancel", also=REFUSED)
    return (yield from poll(batch_id, target))


def list_recent(
    target: Candidate, since: float, mark: str | None = None
) -> Exchange[list[BatchStatus]]:
    """``GET /v2/batches``, the newest first, until they are older."""
    wire = wire_of(target)

    def ask(after: str) -> HTTPCall:
        more = f"&page_token={quote(after, safe='')}" if after else ""
        return HTTPCall(f"{_batches(target)}?page_size={wire.page}{more}", method="GET")

    def parse(reply: HTTPReply) -> tuple[list[BatchStatus], str | None]:
        body = read(reply, _read_list, target)
        return [_status(one) for one in body.batches or ()], body.next_page_token

    return (yield from listed(ask, parse, since, mark))


def results(status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
    """All parts of the dataset of results."""
    found = []
    for ref in status.results:
        datasets = root(target.provider) + wire_of(target).files
        reply = yield HTTPCall(f"{datasets}/{quote(ref.place, safe='')}", method="GET")
        for part in read(reply, _read_dataset, target).dataset.dataset_parts or ():
            if part.url:
                saved = yield HTTPCall(part.url, method="GET", save=True, sign="none")
                found.append(BatchOutput(ref.kind, saved.file, saved.body))
    return tuple(found)


def _batches(target: Candidate) -> str:
    return root(target.provider) + wire_of(target).path


# ------------------------------------------------------------------ a batch


class _Made(msgspec.Struct):
    id: str


class _DatasetPart(msgspec.Struct):
    url: str | None = None


class _Dataset(msgspec.Struct):
    validation_status: str | None = None
    validation_error: str | None = None
    dataset_parts: list[_DatasetPart] | None = None


class _WrappedDataset(msgspec.Struct):
    dataset: _Dataset


class _Batch(msgspec.Struct):
    id: str
    status: str = ""
    name: str | None = None
    model: str | None = None
    input_dataset_id: str | None = None
    output_dataset_id: str | None = None
    num_records: Any = None
    num_successful_records: Any = None
    num_failed_records: Any = None
    status_reason: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class _Wrapped(msgspec.Struct):
    batch: _Batch


class _List(msgspec.Struct):
    batches: list[_Batch] | None = None
    next_page_token: str | None = None


_read_made = msgspec.json.Decoder(_Made).decode
_read_dataset = msgspec.json.Decoder(_WrappedDataset).decode
_read_batch = msgspec.json.Decoder(_Wrapped).decode
_read_list = msgspec.json.Decoder(_List).decode


def _status(batch: _Batch) -> BatchStatus:
    state = state_of(batch.status.removeprefix("BATCH_STATUS_"), _STATES)
    output = batch.output_dataset_id
    return BatchStatus(
        id=batch.id,
        state=state,
        word=batch.status,
        total=count(batch.num_records),
        completed=count(batch.num_successful_records),
        failed=count(batch.num_failed_records),
        created_at=seconds(batch.created_at),
        ended_at=seconds(batch.updated_at) if state.over else None,
        tag=batch.name,
        input_file_id=batch.input_dataset_id,
        results=(BatchRef("avro", output),) if output else (),
        model=batch.model,
        error=batch.status_reason or None,
    )


# ------------------------------------------------------------------ results


def read_results(
    chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
) -> Iterator[BatchResult]:
    """The records of one part; raises `BadReplyError` for what is no Avro."""
    maker = ResultMaker(target, embeds=embeds)
    try:
        for record in records(chunks):
            yield _result(record, maker)
    except AvroError as error:
        raise errors.BadReplyError(
            f"the results cannot be read: {error}", code="unreadable_results", **where(target, None)
        ) from None


def _result(record: Any, maker: ResultMaker) -> BatchResult:
    if not isinstance(record, dict):
        return maker.strange(encode_json(str(record)))
    found = record.get("custom_id")
    custom_id = found if isinstance(found, str) else None
    if fault := record.get("error"):
        text = fault if isinstance(fault, str) else encode_json(_plain(fault)).decode()
        # There is no status: only the words tell whether it would fail again.
        status = 400 if _HOPELESS.search(text.lower()) else 500
        return maker.answer(custom_id, status, encode_json({"message": text}), {})
    body = record.get("body") or record.get("response")
    if isinstance(body, str):
        return maker.answer(custom_id, 200, body.encode(), {})
    if body:
        return maker.answer(custom_id, 200, encode_json(_plain(body)), {})
    return maker.strange(encode_json(_plain(record)))


def _plain(value: Any) -> Any:
    """The value as JSON has it, without what is not there."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
