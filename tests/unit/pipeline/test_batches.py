"""Exchanges of batches over real sockets: what is repeated, saved, refused and never told."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects.batch import Exchange
from llm_orchestrator.dialects.openai import batch
from llm_orchestrator.pipeline.batches import Driver, read_output
from llm_orchestrator.pipeline.sender import Sender
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.transport.base import Limits
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.types.batch import BatchFile, BatchOrder, BatchOutput
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.secret import Secret
from tests.unit.transport.raw import NOBODY, Raw, raw
from tests.unit.transport.raw import Exchange as Seen

KEY = "sk-very-secret-key"
BATCH = {"id": "batch_1", "status": "in_progress", "created_at": 5}


def target(url: str) -> Candidate:
    row = msgspec.structs.replace(TABLE["openai"], base_url=url, key=Secret(KEY))
    return Candidate(row, Model(provider="openai", id="gpt-x"))


def answers(*replies: tuple[int, Any]) -> Callable[[Seen], Any]:
    """One reply after the other, the last one for ever."""
    waiting = list(replies)

    async def answer(seen: Seen) -> None:
        status, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if status == 0:
            seen.hang_up()
            return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        await seen.reply(status, data, Content_Type="application/json")

    return answer


async def drive(server: Raw, make: Callable[[Candidate], Exchange[Any]], **options: Any) -> Any:
    transport = DirectTransport()
    try:
        at = target(server.url)
        return await Driver(transport, (0.0, 0.0)).drive(make(at), at, **options)
    finally:
        await transport.close()


def rows(folder: Path) -> BatchFile:
    path = folder / "j1.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":2}\n')
    return BatchFile(path=str(path), size=16, count=2, name="j1.jsonl")


async def test_an_upload_is_repeated_and_a_creation_is_not(tmp_path: Path) -> None:
    file = rows(tmp_path)
    async with raw(answers((500, {}), (0, None), (200, {"id": "file-1"}))) as server:
        assert await drive(server, lambda at: batch.upload(file, at)) == "file-1"
        assert len(server.requests) == 3
        assert b'{"a":1}\n{"a":2}\n' in server.requests[-1].body
        assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    order = BatchOrder(tag="j1", file=file, file_id="file-1")
    for fault, kind in ((500, errors.ServerError), (0, errors.APIConnectionError)):
        async with raw(answers((fault, {}), (200, BATCH))) as server:
            with pytest.raises(kind):
                await drive(server, lambda at: batch.create(order, at))
            assert len(server.requests) == 1


async def test_a_wrong_request_is_not_repeated() -> None:
    body = {"error": {"message": f"no batch; your key {KEY}", "code": "not_found"}}
    async with raw(answers((404, body))) as server:
        with pytest.raises(errors.InvalidRequestError) as caught:  # not one about a model
            await drive(server, lambda at: batch.poll("batch_1", at))
        assert len(server.requests) == 1
    assert (caught.value.status_code, caught.value.code) == (404, "not_found")
    assert caught.value.provider == "openai"
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("before", range(60, 130, 5))
async def test_an_unreadable_reply_quotes_no_secret(before: int) -> None:
    """Not even half of one, where what is quoted ends."""
    async with raw(answers((200, f"{'x' * before}{KEY}".encode()))) as server:
        with pytest.raises(errors.BadReplyError) as caught:
            await drive(server, lambda at: batch.poll("batch_1", at))
    assert "xxx" in str(caught.value)
    assert KEY[:8] not in str(caught.value)


async def test_a_long_wait_is_left_to_the_caller() -> None:
    async def busy(seen: Seen) -> None:
        await seen.reply(429, b'{"error":{"message":"slow"}}', Retry_After="3600")

    async with raw(busy) as server:
        with pytest.raises(errors.RateLimitError) as caught:
            await drive(server, lambda at: batch.poll("batch_1", at))
        assert len(server.requests) == 1
    assert caught.value.retry_after == 3600


async def test_results_are_saved_when_all_of_them_have_come(tmp_path: Path) -> None:
    data = b"".join(b'{"custom_id":"a%d","error":{"code":"batch_expired"}}\n' % n for n in range(9))
    status = msgspec.json.encode(BATCH | {"output_file_id": "f1", "error_file_id": "f2"})
    state = batch.status_of(msgspec.json.decode(status, type=batch.Batch))
    times = iter(range(10))

    async def answer(seen: Seen) -> None:
        if next(times) == 0:  # broken off
            await seen.send(b"HTTP/1.1 200 X\r\nContent-Length: 999\r\n\r\n" + data[:50])
            seen.hang_up()
        else:
            await seen.reply(200, data)

    async with raw(answer) as server:
        outputs = await drive(server, lambda at: batch.results(state, at), folder=tmp_path)
        assert [request.path for request in server.requests] == [
            "/files/f1/content",
            "/files/f1/content",
            "/files/f2/content",
        ]
        assert [one.kind for one in outputs] == ["output", "error"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["reply-1", "reply-2"]
        at = target(server.url)
        assert [one.custom_id for one in read_output(outputs[0], at)] == [f"a{n}" for n in range(9)]


async def test_compressed_results_are_saved_as_they_were(tmp_path: Path) -> None:
    line = b'{"custom_id":"a1","error":{"code":"batch_expired"},"pad":"%s"}\n' % (b"x" * 3_000_000)
    packed = gzip.compress(line)
    state = batch.status_of(msgspec.convert(BATCH | {"output_file_id": "f1"}, type=batch.Batch))
    bodies = iter((packed[: len(packed) // 2], packed))  # the first one is broken off

    async def answer(seen: Seen) -> None:
        assert seen.headers["accept-encoding"] == "gzip"
        await seen.reply(200, next(bodies), Content_Encoding="gzip")

    async with raw(answer) as server:
        (output,) = await drive(server, lambda at: batch.results(state, at), folder=tmp_path)
        assert Path(output.path).read_bytes() == line
        (one,) = read_output(output, target(server.url))
    assert one.custom_id == "a1"


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    state = batch.status_of(msgspec.convert(BATCH | {"output_file_id": "f1"}, type=batch.Batch))
    async with raw(answers((200, b"{}"))) as server:
        with pytest.raises(errors.StoreError, match="nowhere"):
            await drive(server, lambda at: batch.results(state, at), folder=tmp_path / "nowhere")


async def test_a_file_that_changed_is_not_sent(tmp_path: Path) -> None:
    file = rows(tmp_path)
    Path(file.path).write_bytes(b'{"a":1}\n{"a":2}\n{"a":3}\n')
    async with raw(answers((200, {"id": "file-1"}))) as server:
        with pytest.raises(errors.StoreError, match="has changed"):
            await drive(server, lambda at: batch.upload(file, at))
        assert server.requests == []


async def test_nobody_there_is_tried_again_and_then_told() -> None:
    server = Raw()
    server.url = NOBODY
    with pytest.raises(errors.APIConnectionError) as caught:
        await drive(server, lambda at: batch.poll("b", at), limits=Limits(connect=2))
    assert caught.value.code == "connect"


async def test_what_else_is_an_answer_and_what_needs_no_key() -> None:
    def two_legs(at: Candidate) -> Exchange[tuple[int, str | None]]:
        url = at.provider.base_url
        reply = yield HTTPCall(f"{url}/files", also=(302,))
        assert reply.status == 302
        place = reply.header("Location")
        done = yield HTTPCall(f"{url}{place}", b"rows", method="PUT", sign="none")
        return done.status, place

    async def answer(seen: Seen) -> None:
        if seen.method == "POST":
            await seen.reply(302, b"", Location="/store/1")
        else:
            await seen.reply(200, b"")

    async with raw(answer) as server:
        assert await drive(server, two_legs) == (200, "/store/1")
        first, second = server.requests
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in second.headers


def test_an_answer_that_is_none_is_a_failure_with_its_usage() -> None:
    def row(custom_id: str, content: str, reason: str) -> bytes:
        body = {
            "choices": [{"message": {"content": content}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 1},
        }
        return json.dumps({"custom_id": custom_id, "response": {"body": body}}).encode() + b"\n"

    data = row("a1", "", "stop") + row("a2", "no", "content_filter") + row("a3", "yes", "stop")
    found = {
        one.custom_id: one for one in read_output(BatchOutput("output", data=data), target(""))
    }
    assert found["a1"].outcome == "retryable"
    assert isinstance(found["a1"].error, errors.EmptyReplyError)
    assert found["a2"].outcome == "failed"
    assert isinstance(found["a2"].error, errors.ContentFilterError)
    assert (found["a3"].outcome, found["a3"].error) == ("succeeded", None)
    assert {one.usage.input_tokens for one in found.values() if one.usage} == {7}


async def test_a_sender_drives_until_it_is_closed() -> None:
    transport = DirectTransport()
    sender = Sender(transport, [])
    async with raw(answers((200, BATCH))) as server:
        at = target(server.url)
        assert (await sender.drive(batch.poll("batch_1", at), at)).id == "batch_1"
        sender.closed = True
        with pytest.raises(errors.ClosedError):
            await sender.drive(batch.poll("batch_1", at), at)
        assert len(server.requests) == 1
    await transport.close()
