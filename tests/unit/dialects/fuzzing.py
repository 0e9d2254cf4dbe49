"""Mangled bytes and odd JSON, and what must hold whatever a provider sends."""

import contextlib
import json
import os
import random
from collections.abc import Callable
from typing import Any

import msgspec

from llm_orchestrator.dialects import load
from llm_orchestrator.dialects.base import MALFORMED
from llm_orchestrator.errors import BadReplyError, OrchestratorError
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.feeding import Outcome, cut, feed

ROUNDS = int(os.environ.get("LLMO_FUZZ", "3000"))
"""How often each wire is fuzzed; the environment may ask for more."""

ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**70,
    -0.0,
    1.5,
    1e308,
    "",
    "text",
    "²",
    "9" * 5000,
    "\ud800",
    "\0",
    [],
    {},
    [None],
    [[[]]],
    {"a": 1},
    {"type": "text", "text": "x"},
    [{"index": 2**40, "function": {"name": "f"}}],
    "stop",
    429,
]


# ------------------------------------------------------------------ mutations


def torn(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, dropped, doubled or put in from elsewhere."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(out) + 1)
        match rng.randrange(5):
            case 0:
                out[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del out[place : place + rng.randint(1, 40)]
            case 2:
                out[place:place] = out[place : place + rng.randint(1, 60)]
            case 3:
                out[place:place] = rng.choice((b"\n", b"\r", b"\r\n\r\n", b"data: ", b"\xff", b'"'))
            case 4:
                out[place : place + 1] = rng.randbytes(3)
    return bytes(out)


def odd(value: Any, rng: random.Random) -> Any:
    """The JSON value with one of its parts replaced by something odd."""
    if rng.random() < 0.2:
        return rng.choice(ODD)
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: odd(value[key], rng)}
    if isinstance(value, list) and value:
        place = rng.randrange(len(value))
        return [*value[:place], odd(value[place], rng), *value[place + 1 :]]
    return rng.choice(ODD)


def odd_stream(data: bytes, rng: random.Random) -> bytes:
    """The stream with some of its events odd, dropped or in another order."""
    blocks = data.decode().replace("\r\n", "\n").split("\n\n")
    out: list[str] = []
    for block in blocks:
        head, mark, body = block.partition("data: ")
        if mark and body.startswith("{") and rng.random() < 0.5:
            body = json.dumps(odd(json.loads(body), rng))
        if rng.random() < 0.95:
            out.append(head + mark + body)
    if rng.random() < 0.1:
        rng.shuffle(out)
    return "\n\n".join(out).encode()


# ------------------------------------------------------------------ what must hold


def check_usage(usage: Usage | None) -> None:
    if usage is not None:
        assert 0 <= usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens
        assert min(msgspec.structs.astuple(usage)) >= 0


def check_answer(response: Response) -> None:
    check_usage(response.usage)
    msgspec.json.encode(response)  # every field is what its type says, and can be written down
    assert isinstance(response.text, str)


def check_error(error: OrchestratorError | None, target: Candidate) -> None:
    if error is None:
        return
    assert (error.provider, error.model) == (target.provider.name, target.model.id)
    assert isinstance(error.message, str)
    assert error.message
    assert error.code is None or isinstance(error.code, str)
    assert error.request_id is None or isinstance(error.request_id, str)
    assert error.retry_after is None or error.retry_after >= 0
    assert isinstance(str(error), str)


def check_stream(out: Outcome, target: Candidate) -> None:
    assert not (out.finished and out.error)
    assert out.finished or not out.settled
    check_error(out.error, target)
    check_usage(out.usage)
    try:
        check_answer(out.response)
    except BadReplyError:
        assert MALFORMED in out.notices


def check_reply(target: Candidate, reply: HTTPReply) -> None:
    dialect = load(target.provider.dialect)
    readers: list[Callable[[], object]] = [
        lambda: check_answer(dialect.decode(reply, target)),
        lambda: dialect.decode_embeddings(reply, target)[0],
        lambda: dialect.decode_count(reply, target),
        lambda: dialect.read_models(reply, target.provider)[0],
    ]
    for read in readers:
        with contextlib.suppress(OrchestratorError):
            read()
    check_error(dialect.error(reply, target), target)


def pieces(data: bytes, rng: random.Random) -> list[bytes]:
    return cut(data, [rng.randrange(len(data) + 1) for _ in range(rng.randint(0, 5))])


def fuzz_stream(name: str, original: bytes, target: Candidate, rounds: int) -> None:
    """Mangled streams are read, or fail as an error of ours."""
    dialect = load(target.provider.dialect)
    for seed in range(rounds):
        rng = random.Random(f"{name} {seed}")
        change = rng.choice((torn, odd_stream))
        try:
            out = feed(dialect, target, pieces(change(original, rng), rng))
            check_stream(out, target)
        except Exception as error:
            error.add_note(f"seed {name} {seed}")
            raise


def fuzz_part(name: str, part: bytes, target: Candidate, rounds: int) -> None:
    """What comes before the terminal marker stays incomplete, however it is mangled."""
    for seed in range(rounds):
        rng = random.Random(f"{name} {seed}")
        broken = torn(part[: rng.randint(1, len(part))], rng)
        out = feed(load(target.provider.dialect), target, pieces(broken, rng))
        assert not out.finished, f"seed {name} {seed}"


def fuzz_replies(name: str, bodies: list[Any], target: Candidate, rounds: int) -> None:
    """Mangled replies are read, or fail as an error of ours."""
    for seed in range(rounds):
        rng = random.Random(f"{name} {seed}")
        data = json.dumps(odd(rng.choice(bodies), rng)).encode()
        if rng.random() < 0.4:
            data = torn(data, rng)
        status = rng.choice((200, 200, 400, 404, 429, 500, 529))
        kind = rng.choice(("application/json", "text/html", ""))
        wait = rng.choice(("2", "nan", "-1", "x", "9" * 400))
        headers = {"Content-Type": kind, "Retry-After": wait, "X-Should-Retry": "perhaps"}
        try:
            check_reply(target, HTTPReply(status, headers, data))
        except Exception as error:
            error.add_note(f"seed {name} {seed}")
            raise
