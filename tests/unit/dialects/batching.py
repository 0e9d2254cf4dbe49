"""Batches by hand: exchanges that are answered by the test, and outputs in pieces."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from llm_orchestrator.dialects.batch import Exchange
from llm_orchestrator.types.batch import BatchFile, BatchItem, BatchOrder, Texts
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.request import Message, Request

T = TypeVar("T")

FILE = BatchFile(path="/rows/j1.jsonl", size=120, count=2, name="j1.jsonl", sha256="ab" * 32)
TAG = "j1"


def order(**changes: Any) -> BatchOrder:
    """A batch over `FILE`."""
    return msgspec.structs.replace(BatchOrder(tag=TAG, file=FILE, file_id="file-1"), **changes)


def ask(custom_id: str = "a1", text: str = "Hi", **fields: Any) -> BatchItem:
    """A row with one question."""
    return BatchItem(custom_id, Request(messages=(Message("user", text),), **fields))


def embed(custom_id: str = "e1", *texts: str) -> BatchItem:
    """A row with texts."""
    return BatchItem(custom_id, Texts(texts or ("a",)))


def exchange(steps: Exchange[T], *replies: Any) -> tuple[list[HTTPCall], T]:
    """The calls of an exchange and what it returns; a reply is a JSON value or an `HTTPReply`."""
    calls: list[HTTPCall] = []
    waiting = iter(replies)
    try:
        calls.append(next(steps))
        while True:
            reply = next(waiting)
            if not isinstance(reply, HTTPReply):
                reply = HTTPReply(200, {}, json.dumps(reply).encode())
            calls.append(steps.send(reply))
    except StopIteration as done:
        assert not list(waiting), "replies that nobody asked for"
        value: T = done.value
        return calls, value


def ndjson(*rows: Any) -> bytes:
    """Rows as lines; bytes stand for themselves."""
    return b"".join(
        (row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows
    )


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in pieces of that size."""
    return (data[at : at + size] for at in range(0, len(data), size))


def by_id(results: Iterable[Any]) -> dict[str | None, Any]:
    """Results by their ids."""
    return {result.custom_id: result for result in results}
