"""What the batch endpoints of all providers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.files import Received, Writer, receive
from llm_orchestrator.simulator.batches.format import BatchFormat
from llm_orchestrator.simulator.batches.handlers import Call, HandlerMaker
from llm_orchestrator.simulator.front import Front
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World


class BatchEndpoints:
    """Finds, lists and accepts the batches of one provider."""

    def __init__(self, world: World, front: Front, format: BatchFormat) -> None:
        self.world = world
        self.provider = format.provider
        self.format: BatchFormat = format
        self.handler = HandlerMaker(world, front)

    @property
    def now(self) -> float:
        """Seconds since 1970, virtual."""
        return self.world.clock.virtual()

    @property
    def most_bytes(self) -> int:
        """The largest input of a batch."""
        return self.world.batches.book.of(self.provider).bytes or self.format.most_bytes

    @property
    def most_requests(self) -> int:
        """The most items of a batch."""
        return self.world.batches.book.of(self.provider).requests or self.format.most_requests

    def new_id(self, prefix: str, length: int) -> str:
        """A repeatable id for a batch or a file."""
        return self.world.id(prefix, length, self.provider, self.world.batches.number())

    async def find(self, call: Call, name: str) -> Batch | None:
        """The batch of the caller's account, brought up to date."""
        batch = self.world.batches.find(self.provider, call.account, name)
        if batch is None or "deleted" in batch.facts:
            return None
        await self.world.batches.catch_up(batch)
        return batch

    async def up_to_date(self, batches: Iterable[Batch]) -> list[Batch]:
        """These batches as they are by now."""
        found = list(batches)
        for batch in found:
            await self.world.batches.catch_up(batch)
        return found

    def listed(self, call: Call) -> list[Batch]:
        """The batches that the caller's list shows, newest first unless a fault says otherwise."""
        found = self.world.batches.listed(self.provider, call.account)
        match call.fault.name if call.fault else "":
            case "oldest-first":
                return found[::-1]
            case "doubled-list":  # as when one is made while the list is read
                return [batch for batch in found for _ in range(2)]
        return found

    async def raw(self, call: Call) -> bytes:
        """A body as large as the provider takes batches."""
        received = await receive(call.request, self.world.batches.spool, self.most_bytes)
        data = received.path.read_bytes()
        received.path.unlink()
        return data

    def spooled(self, requests: Iterable[Any]) -> Received:
        """Requests that came inside of a body, as the lines of a file."""
        writer = Writer(self.world.batches.spool, self.most_bytes)
        for each in requests:
            writer.write(one_line(each) + b"\n")
        return writer.close()

    def accept(self, call: Call, inputs: list[Received], **facts: Any) -> Batch:
        """A new batch of the caller."""
        return self.world.batches.accept(
            account=call.account,
            format=self.format,
            inputs=inputs,
            headers=call.request.headers,
            fault=call.batch_fault,
            **facts,
        )

    def refuse_tokens(
        self, call: Call, model: str, inputs: list[Received], refusal: Callable[[int], Refusal]
    ) -> None:
        """Refuse a batch that would pass the limit of enqueued tokens."""
        tokens = sum(received.size for received in inputs) // 4
        limit = self.world.batches.over(self.provider, call.account, model, tokens)
        if limit is not None:
            raise refusal(limit)


def one_line(value: Any) -> bytes:
    """JSON, or a value, in one line."""
    if isinstance(value, msgspec.Raw):
        raw = bytes(value)
        if b"\n" not in raw and b"\r" not in raw:
            return raw
        value = msgspec.json.decode(raw)
    return msgspec.json.encode(value)


def counts(batch: Batch) -> tuple[int, int, int]:
    """Items that succeeded, that failed, and that are not finished."""
    good, bad, lost = batch.results.kinds
    return good + lost, bad, batch.total - good - lost - bad


def cursor(
    query: Mapping[str, str], names: list[str], size: int, after: str, before: str = ""
) -> tuple[list[str], bool] | None:
    """The names of one page after or before a name, and whether there are more.

    None when the name is not among them.
    """
    first, last = query.get(after), query.get(before) if before else None
    if any(name is not None and name not in names for name in (first, last)):
        return None
    if first is None and last is not None:
        end = names.index(last)
        start = max(0, end - size)
        return names[start:end], start > 0
    start = names.index(first) + 1 if first else 0
    return names[start : start + size], start + size < len(names)
