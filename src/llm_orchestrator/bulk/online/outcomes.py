"""Outcomes that are written together, and soon: of a process that dies the rest is paid again."""

import asyncio

from llm_orchestrator.bulk.patience import patiently
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import Outcome, Unit

_AFTER_S = 0.25
_AT = 200


class OutcomeBuffer:
    """The outcomes of a unit on their way to the store."""

    def __init__(self, store: BulkStore, unit: Unit) -> None:
        self._store = store
        self._unit = unit
        self._outcomes: list[Outcome] = []
        self._later: asyncio.Task[None] | None = None

    async def add(self, outcome: Outcome) -> None:
        """Keep an outcome; all of them are written soon, whether more come or not."""
        self._outcomes.append(outcome)
        if len(self._outcomes) >= _AT:
            await self._write()
        elif self._later is None or self._later.done():
            later, self._later = self._later, asyncio.create_task(self._write(_AFTER_S))
            if later is not None:
                later.result()  # raises what it came to

    async def close(self) -> None:
        """Write what there is."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.gather(self._later, return_exceptions=True)
        await patiently(self._write)

    async def _write(self, delay: float = 0.0) -> None:
        if delay:
            await asyncio.sleep(delay)
        outcomes, self._outcomes = self._outcomes, []
        unit = self._unit
        try:
            if outcomes:
                await self._store.do(self._store.items.finish, unit.run_id, unit.work_id, outcomes)
        except BaseException:
            self._outcomes[:0] = outcomes  # they are paid for; to write one twice changes nothing
            raise
