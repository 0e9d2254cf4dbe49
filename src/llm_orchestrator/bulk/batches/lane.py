"""Brings units of work from their rows to their results, one idempotent step at a time."""

import logging
from collections.abc import Callable
from pathlib import Path

from llm_orchestrator.bulk.answers import Judge
from llm_orchestrator.bulk.batches import audit, collect, poll, reconcile, submit, tidying
from llm_orchestrator.bulk.batches.audit import Audited, Stray
from llm_orchestrator.bulk.batches.context import BatchContext, Rebuild, wire_of
from llm_orchestrator.bulk.clock import Clock, SystemClock
from llm_orchestrator.bulk.error_text import error_text, without_details
from llm_orchestrator.bulk.leasing import renewed
from llm_orchestrator.config.bulk import BulkSettings
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import InvalidRequestError, OrchestratorError
from llm_orchestrator.pipeline.batches import Driver
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import Unit, new_work_id

log = logging.getLogger("llm_orchestrator")


class BatchLane:
    """Goes on with units of the batch lane, whatever process left them where they are.

    ``folder`` is where the files with rows and results lie; units name their file in it. ``judge``
    looks at each answer; ``rebuild`` writes rows whose file is on another machine. Once
    ``stopped``, a step that would be tried again is left to whoever goes on.
    """

    def __init__(
        self,
        runtime: Runtime,
        store: BulkStore,
        *,
        folder: Path,
        clock: Clock | None = None,
        settings: BulkSettings | None = None,
        owner: str | None = None,
        judge: Judge | None = None,
        rebuild: Rebuild | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.context = BatchContext(
            runtime=runtime,
            store=store,
            clock=clock or SystemClock(),
            settings=settings or runtime.config.bulk,
            folder=folder,
            owner=owner or f"batches_{new_work_id()}",
            driver=Driver(runtime.transport, stopped=stopped),
            judge=judge,
            rebuild=rebuild,
        )
        self._under_way: set[str] = set()

    async def advance(self, work_id: str) -> float | None:
        """Do the next step of a unit, whatever its state.

        Returns in how many seconds of the clock it should be called again; ``None`` when the unit
        is over (collected or dropped). May be called at any time, by any process: while another
        one is at it, nothing is done. Raises `StoreError` when our own tables cannot be had; all
        else that goes wrong is noted in the unit, and tried again.
        """
        context = self.context
        lease = context.settings.lease
        await context.clock.refresh()
        if work_id in self._under_way:
            return context.real(lease)
        self._under_way.add(work_id)
        try:
            return await self._advanced(work_id, lease)
        finally:
            self._under_way.discard(work_id)

    async def _advanced(self, work_id: str, lease: float) -> float | None:
        context = self.context
        unit = await context.store.do(context.store.units.claim, work_id, context.owner, lease)
        if unit is None:
            if await context.store.do(context.store.units.get, work_id) is None:
                raise InvalidRequestError(f"there is no unit of work {work_id}")
            return context.real(lease)
        if unit.lane != "batch":
            await context.store.do(
                context.store.units.release, work_id, context.owner, None, cancelled=True
            )
            raise InvalidRequestError(f"{work_id} is of the {unit.lane} lane, and has no batch")
        pause: float | None = 0.0
        try:
            async with renewed(
                context.store, context.store.units.claim, work_id, context.owner, lease
            ):
                pause = await self._tried(unit)
        finally:
            next_at = context.micros() + int((pause or 0.0) * 1e6)
            cancelled = unit.cancel_at is not None
            await context.store.do(
                context.store.units.release, work_id, context.owner, next_at, cancelled=cancelled
            )
        return pause

    async def _tried(self, unit: Unit) -> float | None:
        """The step, or how long to wait after one that failed."""
        try:
            return await self._step(unit)
        except OrchestratorError as error:
            text = error_text(error)
            # It is tried often, and said once.
            if without_details(text) != without_details(unit.error or ""):
                batch = unit.batch_id or "a batch that is not created yet"
                where = f"{unit.provider}, {batch} (unit {unit.work_id})"
                log.warning("%s: %s; this is tried again", where, error)
            store = self.context.store
            await store.do(store.units.noted, unit.work_id, text)
            return max(self.context.settings.poll, error.retry_after or 0.0)

    async def cancel(self, work_id: str, why: str) -> bool:
        """Ask for the end of a unit; `advance` sees to it. False when it is over already.

        What its batch has answered by then is paid for, and read.
        """
        context = self.context
        units = context.store.units
        asked = await context.store.do(units.cancel, work_id, why, at=context.micros())
        unit = await context.store.do(units.get, work_id) if asked else None
        if unit is not None and unit.state == "sent" and not self._cancels(unit):
            log.warning("%s: %s cannot be cancelled, and goes on", unit.provider, unit.batch_id)
        return asked

    async def strays(self, provider: str, since: float) -> list[Stray]:
        """Batches at the provider, created since then (unix seconds), that no unit ordered."""
        return await audit.strays(self.context, provider, since)

    async def check(self, run_id: str) -> list[Stray]:
        """Audit all accounts of a run since it began; second batches are ended, and alerted."""
        return await audit.check(self.context, run_id)

    async def audit(self) -> list[Audited]:
        """Audit all providers that batches were ordered at; see `audit.everything`."""
        await self.context.clock.refresh()
        return await audit.everything(self.context)

    async def tidy(self) -> int:
        """Remove files of units that are over, or were never made; how many.

        What was written within the last hour is left, or within the last week where no unit is
        known: another store may have it. So are results that nobody asked for.
        """
        return await tidying.tidy(self.context)

    def _cancels(self, unit: Unit) -> bool:
        return wire_of(self.context.target(unit)).cancels

    async def _step(self, unit: Unit) -> float | None:
        match unit.state:
            case "prepared":
                return await submit.begin(self.context, unit)
            case "sending":
                return await reconcile.find(self.context, unit)
            case "sent":
                return await poll.look(self.context, unit)
            case "ended" if unit.batch_id is None:
                return await submit.dropped(self.context, unit)
            case "ended":
                return await collect.read(self.context, unit)
            case _:
                return None
