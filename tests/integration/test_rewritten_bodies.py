"""What stands between us and a provider and changes what it says: named, with what to do."""

import gzip
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.reply import Reply
from tests.integration.world import HELLO, KEY, MINI, all_of, configuration, end_of, table
from tests.unit.dialects.bedrock_samples import event
from tests.unit.transport.raw import STREAM, Exchange, chunk, raw

Answer = Callable[[Exchange], Awaitable[None]]
JSON = "application/json"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in\n - Proxy</title></head><body>x</body></html>"
SAID = {
    "openai": {"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]},
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "model": "claude-x",
        "content": [{"type": "text", "text": "Hello."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 2},
    },
    "gemini": {
        "candidates": [{"content": {"parts": [{"text": "Hello."}]}, "finishReason": "STOP"}]
    },
    "cohere": {
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
        "finish_reason": "COMPLETE",
    },
    "bedrock": {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello."}]}},
        "stopReason": "end_turn",
    },
}
WIRES = tuple(SAID)


def body(wire: str) -> bytes:
    return json.dumps(SAID[wire]).encode()


def saying(status: int, data: bytes, kind: str = JSON, **headers: str) -> Answer:
    async def answer(seen: Exchange) -> None:
        await seen.reply(status, data, Content_Type=kind, **headers)
        if "Content_Length" in headers:
            seen.hang_up()

    return answer


def settings(wire: str, url: str) -> dict[str, Any]:
    section: dict[str, Any] = {"api_key": KEY, "base_url": url}
    if wire == "bedrock":
        section["variables"] = {"region": "eu-central-1"}
    return {
        "active_provider": wire,
        "providers": {wire: section},
        "retry": {"max_retries": 0},
    }


async def outcome(wire: str, answer: Answer, *, streamed: bool = False) -> Reply | Exception:
    """The reply, or the error."""
    async with raw(answer) as server, AsyncLLMOrchestrator(settings(wire, server.url)) as llm:
        try:
            if streamed:
                return end_of(await all_of(llm.send_streaming_request(HELLO)))
            return await llm.send_request(HELLO)
        except E.OrchestratorError as error:
            return error


async def failure(wire: str, answer: Answer, *, streamed: bool = False) -> E.OrchestratorError:
    found = await outcome(wire, answer, streamed=streamed)
    assert isinstance(found, E.OrchestratorError)
    assert found.provider == wire
    return found


# ------------------------------------------------------------------ HTML instead of JSON


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "status, kind, advice",
    [
        (200, E.BadReplyError, "is base_url right, or does a proxy or a network that wants"),
        (403, E.PermissionDeniedError, "is base_url right, or does a proxy answer in its place?"),
        (404, E.ModelNotFoundError, "is base_url right, or does a proxy answer in its place?"),
        (502, E.ServerError, "a proxy or the front of the API failed, which mostly passes"),
        (407, E.PermissionDeniedError, "put user and password into the address in HTTPS_PROXY"),
        (511, E.PermissionDeniedError, "open any page in a browser"),
    ],
)
async def test_a_page_instead_of_json(
    wire: str, status: int, kind: type[E.OrchestratorError], advice: str, streamed: bool
) -> None:
    error = await failure(wire, saying(status, PAGE, "text/html"), streamed=streamed)
    assert type(error) is kind
    assert advice in error.message
    if status not in {407, 511}:
        assert "a web page came instead of an answer ('Sign in - Proxy')" in error.message
    assert "<body>" not in error.message


async def test_a_page_that_calls_itself_json() -> None:
    error = await failure("openai", saying(200, PAGE))
    assert "a web page came instead of an answer" in error.message


async def test_a_way_to_another_address() -> None:
    answer = saying(302, b"", "text/html", Location="https://login.example.com/")
    error = await failure("openai", answer)
    assert "redirects to https://login.example.com/: put that into base_url" in error.message
    assert "a proxy or the network asks for a sign-in first" in error.message


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
@pytest.mark.parametrize("status, advice", [(407, "user and password"), (403, "NO_PROXY")])
async def test_a_proxy_that_leads_nowhere(
    status: int, advice: str, scheme: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw(saying(status, PAGE, "text/html")) as proxy:
        monkeypatch.setenv(variable, scheme + proxy.url.removeprefix("http://"))
        async with AsyncLLMOrchestrator(settings("openai", "https://api.example.com")) as llm:
            with pytest.raises(E.APIConnectionError) as caught:
                await llm.send_request(HELLO)
    assert f"the proxy on the way to api.example.com answered with status {status}" in (
        caught.value.message
    )
    assert advice in caught.value.message


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize(
    "address, error, expected",
    [
        ("socks5://ann:s3cret@127.0.0.1:9", E.ConfigError, "what ALL_PROXY names cannot be used"),
        ("https://ann:s3cret@127.0.0.1:9", E.ConfigError, "write http://host:port"),
        ("http://ann:s3cret@127.0.0.1:99999", E.ConfigError, "cannot be used"),
        ("http://[::1", E.ConfigError, "cannot be used"),
        (
            "http://ann:s3cret@127.0.0.1:9",
            E.APIConnectionError,
            "cannot connect to the proxy 127.0.0.1:9 that ALL_PROXY names",
        ),
        ("proxy.invalid:9", E.APIConnectionError, "cannot connect to the proxy proxy.invalid:9"),
    ],
)
async def test_a_proxy_that_is_none_is_not_passed_by(
    address: str, error: type[E.OrchestratorError], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", address)
    async with (
        raw(saying(500, b"", "text/html")) as direct,
        AsyncLLMOrchestrator(settings("openai", direct.url)) as llm,
    ):
        with pytest.raises(error) as caught:
            await llm.send_request(HELLO)
        assert expected in str(caught.value)
        assert "s3cret" not in repr(caught.value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with (
        raw(saying(500, b"", "text/html")) as direct,
        AsyncLLMOrchestrator(settings("openai", direct.url)) as llm,
    ):
        with pytest.raises(E.ServerError):
            await llm.send_request(HELLO)


# ------------------------------------------------------------------ gzip


ERROR = json.dumps({"error": {"message": "so it is"}, "message": "so it is"}).encode()


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("headers", [{"Content_Encoding": "gzip"}, {}])
async def test_an_error_that_comes_compressed(wire: str, headers: dict[str, str]) -> None:
    """Also where a proxy took away the header that says so."""
    error = await failure(wire, saying(400, gzip.compress(ERROR), **headers))
    assert type(error) is E.InvalidRequestError
    assert error.message == "so it is"


async def test_an_error_of_the_simulator_that_comes_compressed(
    sim: Simulator, llm: AsyncLLMOrchestrator
) -> None:
    sim.add_fault(fault="gzip-error", provider="openai")
    with pytest.raises(E.ServerError) as caught:
        await llm.send_request(HELLO, provider="openai")
    assert caught.value.message
    assert "\N{REPLACEMENT CHARACTER}" not in caught.value.message


@pytest.mark.parametrize("wire", WIRES)
async def test_an_answer_whose_header_was_taken_away(wire: str) -> None:
    found = await outcome(wire, saying(200, gzip.compress(body(wire))))
    assert isinstance(found, Reply)
    assert found.content == "Hello."


@pytest.mark.parametrize(
    "data",
    [ERROR, gzip.compress(ERROR, mtime=0)[:-12], b"\x1f\x8b\x08"],
    ids=["plain", "cut", "its first bytes"],
)
async def test_what_is_called_gzip_and_is_none(data: bytes) -> None:
    error = await failure("openai", saying(400, data, Content_Encoding="gzip"))
    assert type(error) is E.APIConnectionError
    assert "does a proxy on the way change replies?" in error.message or (
        "a proxy on the way changes replies" in error.message
    )


async def test_half_a_gzip_that_nobody_announced_is_shown_as_it_is() -> None:
    error = await failure("openai", saying(400, b"\x1f\x8bnone"))
    assert "without a readable message" in error.message


# ------------------------------------------------------------------ wrong content length


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", [200, 400])
async def test_a_length_that_is_too_long(wire: str, status: int, llmo_home: Path) -> None:
    data = body(wire) if status == 200 else ERROR
    error = await failure(wire, saying(status, data, Content_Length="9999"))
    assert type(error) is E.APIConnectionError
    assert "before the length that it announced" in error.message
    assert "a proxy on the way changes replies" in error.message
    (row,) = table(llmo_home, "settlements")
    assert (row["status"], row["cost_pico"]) == ("error", None), "what it costs is not known"


@pytest.mark.parametrize("wire", WIRES)
async def test_a_length_that_is_too_short(wire: str) -> None:
    """The rest would be taken for the next reply: the connection is not used again."""
    error = await failure(wire, saying(200, body(wire), Content_Length="30"))
    assert type(error) is E.BadReplyError
    assert "the answer ends in the middle, after 30 bytes" in error.message
    assert "a proxy on the way shortens it" in error.message


async def test_after_a_length_that_is_too_short_the_next_call_is_whole() -> None:
    short = saying(200, body("openai"), Content_Length="30")
    whole = saying(200, body("openai"))

    async def answer(seen: Exchange) -> None:
        await (short if len(server.requests) == 1 else whole)(seen)

    async with raw(answer) as server:
        async with AsyncLLMOrchestrator(settings("openai", server.url)) as llm:
            with pytest.raises(E.BadReplyError):
                await llm.send_request(HELLO)
            assert (await llm.send_request(HELLO)).content == "Hello."
        assert server.connections == 2


@pytest.mark.parametrize("length", ["many", "-1", "1e3", "18446744073709551616"])
async def test_a_length_that_is_none(length: str) -> None:
    error = await failure("openai", saying(200, body("openai"), Content_Length=length))
    assert type(error) is E.APIConnectionError
    assert "does not speak proper HTTP" in error.message
    assert "does a proxy on the way change replies?" in error.message


async def test_a_length_of_the_simulator_that_is_wrong(sim: Simulator) -> None:
    sim.add_fault(fault="wrong-length", provider="openai", count=1)
    async with AsyncLLMOrchestrator(configuration(sim)) as llm:
        reply = await llm.send_request(HELLO, provider="openai", model=MINI)
    assert [attempt.status for attempt in reply.attempts][-1] == "ok"


# ------------------------------------------------------------------ streams


async def test_a_stream_without_its_events() -> None:
    """A proxy that rewrites streams leaves the type and takes the meaning."""

    async def answer(seen: Exchange) -> None:
        await seen.send(STREAM, chunk(b"nothing that means anything\n\n"), chunk(b""))

    error = await failure("openai", answer, streamed=True)
    assert type(error) is E.APIConnectionError
    assert "before the answer began" in error.message
    assert "a proxy on the way changes streams or cuts them off" in error.message


async def test_frames_that_were_rewritten() -> None:
    frame = event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hello."})
    head = STREAM.replace(b"text/event-stream", b"application/vnd.amazon.eventstream")

    async def answer(seen: Exchange) -> None:
        await seen.send(head, chunk(frame.replace(b"Hello.", b"Adieu.")), chunk(b""))

    error = await failure("bedrock", answer, streamed=True)
    assert type(error) is E.BadReplyError
    assert "the stream is damaged" in error.message
    assert "does a proxy rewrite bodies?" in error.message
