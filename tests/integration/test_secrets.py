"""A key through every error path of both wires: it must come out nowhere."""

import asyncio
import json
import logging
import pickle
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.simulator.faults import KINDS
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.transport.http import HTTPTransport
from tests.integration.world import HAIKU, HELLO, MINI, configuration
from tests.unit.transport.raw import STREAM, Exchange, chunk, raw

CANARY = "sk-canary-7f3K+9/dQ==Zx81LmP0aW2vRt5"
HEADER = "canary-of-a-header-4b1c"
TELLING = (CANARY[:14], HEADER[:14])
"""No text may hold even this much."""


# ------------------------------------------------------------------ where a key could be


def texts_of(error: BaseException | None, seen: set[int] | None = None) -> list[str]:
    """Everything that an error and all errors it leads to can be printed as."""
    seen = set() if seen is None else seen
    if error is None or id(error) in seen:
        return []
    seen.add(id(error))
    found = [str(error), repr(error), repr(vars(error)), repr(error.args)]
    found += getattr(error, "__notes__", [])
    found += traceback.format_exception(error)
    if isinstance(error, OrchestratorError):
        found.append(repr(pickle.dumps(error)))
        found.append(repr(error.attempts))
    for one in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        found += texts_of(one, seen)
    return found


def check(texts: list[str]) -> None:
    for text in texts:
        assert not any(part in text for part in TELLING), text


def check_files(folder: Path) -> None:
    """The ledger and whatever lies beside it, byte by byte."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        data = path.read_bytes()
        assert not any(part.encode() in data for part in TELLING), path


def check_logs(caplog: pytest.LogCaptureFixture) -> None:
    for record in caplog.records:
        check([record.getMessage(), repr(record.args), repr(record.exc_info)])
        if record.exc_info:
            check(texts_of(record.exc_info[1]))
    check([caplog.text])


@pytest.fixture(autouse=True)
def all_logs(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("", "aiohttp", "asyncio", "llm_orchestrator"):
        caplog.set_level(logging.DEBUG, logger=name or None)


def canaries(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with a canary for a key and one for a header."""
    for provider in config["providers"].values():
        provider |= {"api_key": CANARY, "headers": {"X-Own": HEADER}}
    return config


VERBS: dict[str, Callable[[AsyncLLMOrchestrator, str], Awaitable[object]]] = {
    "plain": lambda llm, name: llm.send_request(HELLO, provider=name),
    "stream": lambda llm, name: _all(llm, name, "continue"),
    "stream that fails": lambda llm, name: _all(llm, name, "fail"),
    "schema": lambda llm, name: llm.send_request(
        HELLO, provider=name, schema={"type": "object", "properties": {"x": {"type": "string"}}}
    ),
    "embed": lambda llm, name: llm.embed("a", provider=name, model="text-embedding-3-small"),
    "count": lambda llm, name: llm.count_tokens(HELLO, provider=name, exact=True),
    "models": lambda llm, name: llm.refresh_models(name),
    "health": lambda llm, name: llm.health(name),
}


async def _all(llm: AsyncLLMOrchestrator, name: str, on_break: Any) -> list[Any]:
    return [e async for e in llm.send_streaming_request(HELLO, provider=name, on_break=on_break)]


async def try_everything(llm: AsyncLLMOrchestrator, provider: str) -> int:
    """All verbs at once; checks what they give or raise. The number of errors."""
    works = [verb(llm, provider) for verb in VERBS.values()]
    return check_outcomes(await asyncio.gather(*works, return_exceptions=True))


def check_outcomes(done: list[Any]) -> int:
    """Check results and errors; the number of errors."""
    failed = [one for one in done if isinstance(one, BaseException)]
    for error in failed:
        assert isinstance(error, OrchestratorError), texts_of(error)
        check(texts_of(error))
    check([repr(one) for one in done if not isinstance(one, BaseException)])
    return len(failed)


def check_objects(llm: AsyncLLMOrchestrator) -> None:
    runtime = llm._runtime
    rows = list(runtime.directory.rows.values())
    candidates = runtime.candidates.of(None, None)
    objects = [llm, vars(llm), runtime, runtime.config, runtime.session, runtime.transport]
    check([repr(one) for one in (*objects, rows, candidates, runtime.directory, runtime.ledger)])
    check([repr(vars(runtime.candidates)), repr(vars(runtime.directory)), str(runtime.config)])


# ------------------------------------------------------------------ a server that echoes


def key_of(seen: Exchange) -> str:
    """All secrets of the request, as a careless server would show them."""
    key = seen.headers.get("x-api-key") or seen.headers.get("authorization", "")
    return f"{key} {seen.headers.get('x-own', '')}"


def as_json(status: int, shape: Callable[[str], Any]) -> Callable[[Exchange], Awaitable[None]]:
    async def answer(seen: Exchange) -> None:
        body = json.dumps(shape(key_of(seen))).encode()
        await seen.reply(status, body, Content_Type="application/json", X_Request_Id="req_1")

    return answer


def as_page(status: int, before: int) -> Callable[[Exchange], Awaitable[None]]:
    """The key stands where an excerpt of the page may end."""

    async def answer(seen: Exchange) -> None:
        body = f"<html>{'x' * before}{key_of(seen)}</html>".encode()
        await seen.reply(status, body, Content_Type="text/html")

    return answer


def as_event(shape: Callable[[str], Any], *before: bytes) -> Callable[[Exchange], Awaitable[None]]:
    async def answer(seen: Exchange) -> None:
        event = b"data: " + json.dumps(shape(key_of(seen))).encode() + b"\n\n"
        await seen.send(STREAM, *map(chunk, before), chunk(event) + chunk(b""))

    return answer


async def in_headers(seen: Exchange) -> None:
    key = key_of(seen)
    names = {"X_Request_Id": key, "Request_Id": key, "Retry_After": key, "Content_Type": key}
    await seen.reply(500, b"", **names)


async def in_headers_of_a_success(seen: Exchange) -> None:
    await seen.reply(200, b"no json", X_Request_Id=key_of(seen), Content_Type=key_of(seen))


async def in_a_location(seen: Exchange) -> None:
    await seen.reply(307, b"", Location=f"http://other/{key_of(seen)}")


async def in_the_status_line(seen: Exchange) -> None:
    await seen.send(f"HTTP/1.1 {key_of(seen)}\r\n\r\n".encode(), pause=0.01)
    seen.hang_up()


async def in_a_broken_body(seen: Exchange) -> None:
    await seen.send(STREAM, b"zz" + key_of(seen).encode() + b"\r\n", pause=0.01)
    seen.hang_up()


async def in_a_coding(seen: Exchange) -> None:
    await seen.reply(200, b"x", Content_Encoding=key_of(seen))


HELLO_CHUNK = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
HELLO_EVENT = (
    b'data: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Hello"}}\n\n'
)
ERROR_SHAPES: dict[str, Callable[[str], Any]] = {
    "message": lambda key: {"error": {"message": f"Incorrect API key: {key}", "code": 7}},
    "code and type": lambda key: {"error": {"message": "m", "code": key, "type": key}},
    "type alone": lambda key: {"type": "error", "error": {"type": key, "message": ""}},
    "text": lambda key: {"error": key},
    "detail": lambda key: {"detail": [{"msg": key, "input": {"key": key}}]},
    "metadata": lambda key: {"error": {"message": key, "metadata": {"error_type": key}}},
    "details": lambda key: {
        "type": "error",
        "error": {"type": "api_error", "message": key, "details": {"error_code": key}},
        "request_id": key,
    },
    "filter": lambda key: {"error": {"message": f"blocked {key}", "code": "content_filter"}},
    "list": lambda key: [key, {"error": key}],
}
ANSWERS: dict[str, Callable[[Exchange], Awaitable[None]]] = {
    **{
        f"{status} {name}": as_json(status, shape)
        for name, shape in ERROR_SHAPES.items()
        for status in (200, 400, 429)
    },
    **{
        f"page {status} {before}": as_page(status, before)
        for status in (200, 401)
        for before in (0, 95, 105, 130, 140)
    },
    **{f"stream {name}": as_event(shape) for name, shape in ERROR_SHAPES.items()},
    **{
        f"stream {name} after {len(before)} bytes": as_event(ERROR_SHAPES[name], before)
        for name in ("message", "details")
        for before in (HELLO_CHUNK, HELLO_EVENT)
    },
    "stream that is none": as_event(lambda key: f"not what was asked for {key}"),
    "refusal": as_json(
        200,
        lambda key: {
            "choices": [{"message": {"refusal": "x" * 190 + key}, "finish_reason": "stop"}]
        },
    ),
    "refusal in a stream": as_event(
        lambda key: {"choices": [{"delta": {"refusal": key}, "finish_reason": "stop"}]}
    ),
    "headers": in_headers,
    "headers of a success": in_headers_of_a_success,
    "location": in_a_location,
    "status line": in_the_status_line,
    "broken body": in_a_broken_body,
    "coding": in_a_coding,
}


@asynccontextmanager
async def echoing(
    answer: Callable[[Exchange], Awaitable[None]], kind: Any
) -> AsyncIterator[AsyncLLMOrchestrator]:
    async with raw(answer) as server:
        config = {
            "active_provider": "openai",
            "active_model": MINI,
            "providers": {
                "openai": {"base_url": server.url},
                "anthropic": {"base_url": server.url, "default_model": HAIKU},
            },
            "retry": {"max_retries": 1, "base_delay": 0.001, "max_delay": 0.002},
            "timeouts": {"total": 5},
            "rate_limits": {"max_wait": 0.5},
            "cost_tracking": {"log_path": "costs.jsonl", "record_bodies": True},
        }
        async with AsyncLLMOrchestrator(canaries(config), transport=kind()) as llm:
            yield llm
            check_objects(llm)


# What depends on the transport goes through both.
BOTH = ("429 message", "headers", "location", "status line", "coding", "stream message")
CASES = [(name, DirectTransport) for name in ANSWERS] + [(name, HTTPTransport) for name in BOTH]


@pytest.mark.parametrize(("name", "kind"), CASES)
async def test_a_server_that_echoes_it(
    name: str, kind: Any, llmo_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    errors = 0
    async with echoing(ANSWERS[name], kind) as llm:
        for provider in ("openai", "anthropic"):
            errors += await try_everything(llm, provider)
    assert errors > 8, "this server answers nothing rightly"
    check_logs(caplog)
    check_files(llmo_home)


# ------------------------------------------------------------------ the faults of the simulator


@pytest.mark.parametrize(("provider", "model"), [("openai", MINI), ("anthropic", HAIKU)])
async def test_every_fault_of_the_simulator(
    provider: str, model: str, llmo_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask(llm: AsyncLLMOrchestrator, fault: str, on_break: Any) -> object:
        whom = {"provider": provider, "model": f"{model}+fault={fault},seconds=2"}
        if on_break is None:
            return await llm.send_request(HELLO, **whom)  # type: ignore[arg-type]
        events = llm.send_streaming_request(HELLO, on_break=on_break, **whom)  # type: ignore[arg-type]
        return [event async for event in events]

    async with Simulator() as sim:
        limits = {"idle": 0.2, "total": 0.5}
        config = configuration(sim, retry={"max_retries": 0}, timeouts=limits)
        async with AsyncLLMOrchestrator(canaries(config)) as llm:
            works = [ask(llm, fault, how) for fault in KINDS for how in (None, "restart", "fail")]
            failed = check_outcomes(await asyncio.gather(*works, return_exceptions=True))
            check_objects(llm)
    assert failed > len(KINDS)
    check_logs(caplog)
    check_files(llmo_home)


async def test_a_key_that_is_refused(llmo_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Simulator(keys=("another",)) as sim:
        config = canaries(configuration(sim))
        async with AsyncLLMOrchestrator(config) as llm:
            assert await try_everything(llm, "openai") == len(VERBS) - 1  # health tells it
            assert await try_everything(llm, "anthropic") == len(VERBS) - 1
    check_logs(caplog)
    check_files(llmo_home)


# ------------------------------------------------------------------ the command line

COMMANDS = {
    200: ["run Hello --json", "run Hello --dry-run", "providers --json", "costs report"],
    401: [
        "run Hello --stream",
        "--debug run Hello --provider anthropic",
        "models --refresh",
        "health",
        "doctor",
        "config show",
    ],
}


@pytest.mark.parametrize("status", COMMANDS)
async def test_commands(status: int, tmp_path: Path, llmo_home: Path) -> None:
    """They print neither the key nor the header, whatever the server echoes."""
    async with raw(as_json(status, ERROR_SHAPES["message"])) as server:
        config = {
            "active_provider": "openai",
            "active_model": MINI,
            "providers": {
                "openai": {"base_url": server.url},
                "anthropic": {"base_url": server.url, "default_model": HAIKU},
            },
            "retry": {"max_retries": 0},
        }
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "llmo.yaml").write_text(json.dumps(canaries(config)))
        lines = COMMANDS[status]
        outcomes = await asyncio.gather(*(command(line, folder) for line in lines))
        assert len(server.requests) >= (5 if status == 401 else 1)
    for line, (code, text) in zip(lines, outcomes, strict=True):
        assert "Usage:" not in text, line
        assert text.strip(), line
        assert (code != 0) == asks(line), text
        check([f"llmo {line}: {text}"])
    check_files(llmo_home)


def asks(line: str) -> bool:
    """Whether the command needs an answer, which it does not get."""
    return any(word in line for word in ("run", "models", "health")) and "dry-run" not in line


async def command(line: str, folder: Path) -> tuple[int, str]:
    """Exit code and all output of one command."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("llmo"),
        *line.split(),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()
