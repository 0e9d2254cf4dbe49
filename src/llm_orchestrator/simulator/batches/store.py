"""All batches of a simulator: accepted, found, listed, worked on, and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.files import Files, Received, Spool
from llm_orchestrator.simulator.batches.format import BatchFormat, Problem
from llm_orchestrator.simulator.batches.results import Results
from llm_orchestrator.simulator.batches.settings import BatchBook
from llm_orchestrator.simulator.batches.timeline import plan
from llm_orchestrator.simulator.draw import Draw

if TYPE_CHECKING:
    from llm_orchestrator.simulator.faults import Fault
    from llm_orchestrator.simulator.world import World

_SLICE: Final = 0.005  # real seconds of work before requests get a turn
PATIENCE: Final = 5.0
"""Real seconds that a request waits for work which should be done by its time."""


class Batches:
    """Every batch since the start, by provider and id, oldest first."""

    def __init__(self, world: World, settings: Mapping[str, Any]) -> None:
        self._world = world
        self.book = BatchBook(settings)
        self.spool = Spool()
        self.files = Files()
        self._batches: dict[tuple[str, str], Batch] = {}
        self._tokens: dict[tuple[str, str, str], str] = {}
        self._work: dict[str, Iterator[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._number = 0

    def __iter__(self) -> Iterator[Batch]:
        return iter(list(self._batches.values()))

    def number(self) -> int:
        """The number of the next batch or file, for its id."""
        self._number += 1
        return self._number

    def clear(self) -> None:
        """Forget all batches and files."""
        self.close()
        self._batches.clear()
        self._tokens.clear()
        self._work.clear()
        self.files.clear()

    def close(self) -> None:
        """Stop working, and remove what is on disk."""
        for task in self._tasks:
            task.cancel()
        for batch in self:
            batch.results.rest()
        self.spool.close()

    # ---------------------------------------------------------------- accepting

    def accept(
        self,
        *,
        id: str,
        account: str,
        format: BatchFormat,
        endpoint: str,
        model: str,
        inputs: list[Received],
        headers: Mapping[str, str],
        label: Any = None,
        window: float | None = None,
        fault: Fault | None = None,
        token: str = "",
        settled: Callable[[Batch], None] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> Batch:
        """A new batch; from now on it lives, and will be paid for.

        `settled` is called once its results are final.
        """
        world, settings = self._world, self.book.of(format.provider)
        now, total = world.clock.virtual(), sum(received.lines for received in inputs)
        timeline = plan(
            settings,
            total,
            now,
            format.window if window is None else window,
            Draw(world.seed, "plan", id),
        )
        batch = Batch(
            id=id,
            provider=format.provider,
            account=account,
            format=format,
            endpoint=endpoint,
            model=model,
            inputs=[received.path for received in inputs],
            timeline=timeline,
            settings=settings,
            headers=headers,
            results=Results(self.spool),
            tokens=sum(received.size for received in inputs) // 4,
            accepted=world.clock.ticks(),
            label=label,
            facts=facts or {},
            fault=fault,
            settled=settled,
        )
        self._batches[(format.provider, id)] = batch
        if token:
            self._tokens[(format.provider, account, token)] = id
        world.bill.add(batch)
        self._work[id] = batch.steps(world)
        self._start(batch)
        return batch

    def by_token(self, provider: str, account: str, token: str) -> Batch | None:
        """The batch that was accepted with this token, where repeating one is safe."""
        found = self._tokens.get((provider, account, token)) if token else None
        return self._batches.get((provider, found)) if found else None

    def over(self, provider: str, account: str, model: str, tokens: int) -> int | None:
        """The limit of enqueued tokens that so many more would pass."""
        limit = self.book.of(provider).enqueued_tokens
        if limit is None:
            return None
        now = self._world.clock.virtual()
        waiting = sum(
            batch.tokens
            for batch in self
            if (batch.provider, batch.account, batch.model) == (provider, account, model)
            and now < batch.stop[0]
        )
        return limit if waiting + tokens > limit else None

    def problems(self, batch: Batch) -> list[Problem]:
        """What is wrong with a batch as a whole, and beside others."""
        if wrong := batch.facts.get("wrong"):
            return [Problem("invalid_input", wrong)]
        most = batch.settings.requests or batch.format.most_requests
        if batch.total > most:
            message = f"The batch has {batch.total} requests; it may have at most {most}."
            return [Problem("too_many_tasks", message)]
        limit = self.over(batch.provider, batch.account, batch.model, 0)
        if limit is None:
            return []
        message = (
            f"Enqueued token limit reached for {batch.model}. Limit: {limit:,} enqueued tokens. "
            "Please try again once some in_progress batches have been completed."
        )
        return [Problem("token_limit_exceeded", message)]

    # ---------------------------------------------------------------- finding

    def find(self, provider: str, account: str, name: str) -> Batch | None:
        """The batch of this account."""
        found = self._batches.get((provider, name))
        return found if found and found.account == account else None

    def listed(self, provider: str, account: str) -> list[Batch]:
        """What the list of an account shows, newest first: new batches come late."""
        clock = self._world.clock
        now, ticks = clock.virtual(), clock.ticks()
        return [
            batch
            for batch in reversed(list(self))
            if (batch.provider, batch.account) == (provider, account)
            and "deleted" not in batch.facts
            and now >= batch.timeline.created + batch.settings.list_lag
            and ticks >= batch.accepted + batch.settings.list_lag_real
        ]

    # ---------------------------------------------------------------- work

    def _start(self, batch: Batch) -> None:
        task = asyncio.get_running_loop().create_task(self._ahead(batch))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            loop = asyncio.get_event_loop()
            loop.call_exception_handler({"message": "a batch broke", "exception": error})

    async def _ahead(self, batch: Batch) -> None:
        """Answer what will be reached, before its time comes."""
        clock = self._world.clock
        while not batch.ready:
            async with self._turn:  # one batch at a time, or requests would wait for all of them
                until = clock.ticks() + _SLICE
                while clock.ticks() < until and not batch.ready:
                    self._step(batch)
            await asyncio.sleep(0)

    def _step(self, batch: Batch) -> None:
        next(self._work[batch.id], None)

    async def catch_up(
        self, batch: Batch, patience: float = PATIENCE, *, scan: bool = False
    ) -> None:
        """Do what should be done by now; gives up after `patience` real seconds.

        `scan` = read the input, even if it is not time yet.
        """
        clock = self._world.clock
        started = turn = clock.ticks()
        while batch.behind(clock.virtual()) or (scan and not batch.scanned):
            self._step(batch)
            if (now := clock.ticks()) - turn > _SLICE:
                if now - started > patience:
                    break
                await asyncio.sleep(0)
                turn = clock.ticks()
        self._read(batch)

    async def catch_up_all(self, patience: float = 60.0, *, scan: bool = False) -> None:
        """The same for all batches."""
        for batch in self:
            await self.catch_up(batch, patience, scan=scan)

    def catch_up_now(self) -> None:
        """The same without letting requests have a turn; also reads all inputs."""
        for batch in self:
            while batch.behind(self._world.clock.virtual()) or not batch.scanned:
                self._step(batch)
            self._read(batch)

    def _read(self, batch: Batch) -> None:
        if not batch.finished:
            if not batch.format.partial:
                return  # it may yet come to nothing
            done = batch.done(self._world.clock.virtual())
            batch.results.advance(min(done, batch.results.written))
        elif batch.id in self._work:
            del self._work[batch.id]
            self._world.bill.settled(batch)
            if batch.settled:
                batch.settled(batch)
