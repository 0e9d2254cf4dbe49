"""What all steps of the submit protocol share: the store, the clock, the wire and the files."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from llm_orchestrator.bulk.answers import Judge
from llm_orchestrator.bulk.clock import Clock
from llm_orchestrator.config.bulk import BulkSettings
from llm_orchestrator.dialects import batch
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import StoreError
from llm_orchestrator.pipeline.batches import LIMITS, Driver
from llm_orchestrator.providers.accounts import account
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import Unit
from llm_orchestrator.types.batch import BatchFile, BatchOrder, BatchWire
from llm_orchestrator.types.provider import Candidate, Provider

T = TypeVar("T")

Rebuild: TypeAlias = Callable[[Unit], Awaitable[Unit]]
"""Writes the rows of a unit anew where another machine has its file; see `building.rewrite`."""


class BatchContext(msgspec.Struct, kw_only=True):
    """The dependencies of the steps, the same for all units of one process."""

    runtime: Runtime
    store: BulkStore
    clock: Clock
    settings: BulkSettings
    folder: Path
    """Where the files with rows and results are."""
    owner: str
    driver: Driver
    judge: Judge | None = None
    rebuild: Rebuild | None = None
    missed: dict[str, float] = {}
    """Units whose results were not there, and since when, as far as this process has seen."""

    def target(self, unit: Unit) -> Candidate:
        """The provider and model of a unit; raises `ConfigError` where it cannot be asked."""
        row = self.runtime.directory.use(unit.provider)
        return Candidate(row, self.runtime.catalog.resolve(unit.model, row.name))

    def micros(self) -> int:
        """The run's clock."""
        return int(self.clock.now() * 1e6)

    def real(self, seconds: float) -> float:
        """Real seconds as seconds of the run's clock."""
        return seconds * self.clock.speed

    def since(self, moment: int | None) -> float:
        """Real seconds since a moment on the wall's clock; endless for one that is not known."""
        return float("inf") if moment is None else self.clock.wall() - moment / 1e6

    async def drive(
        self, exchange: batch.Exchange[T], target: Candidate, *, folder: Path | None = None
    ) -> T:
        """What the exchange returns."""
        return await self.driver.drive(exchange, target, folder=folder)

    async def create(self, exchange: batch.Exchange[T], target: Candidate) -> T:
        """`drive` for the creation of a batch, which is sent once and ends within its time."""
        longest = self.settings.create_timeout
        limits = msgspec.structs.replace(
            LIMITS, connect=min(LIMITS.connect, longest), first=longest, total=longest
        )
        return await self.driver.drive(exchange, target, limits)

    def note(self, unit: Unit, **fields: object) -> Awaitable[bool]:
        """Set fields of the unit, if it is still as it was."""
        return self.store.do(self.store.units.seen, unit, **fields)


def account_of(row: Provider) -> str:
    """The name of the account that batches belong to."""
    return account(row) or row.name


def wire_of(target: Candidate) -> BatchWire:
    """How the target takes batches."""
    return batch.wire_of(target)


async def rows_of(context: BatchContext, unit: Unit) -> BatchFile:
    """The rows of the unit on this machine, written again where they are not there.

    Raises `StoreError` where that is not possible.
    """
    path = context.folder / (unit.path or unit.work_id)
    if not await asyncio.to_thread(_is_there, path, unit.size):
        if context.rebuild is None:
            raise StoreError(f"the rows of {unit.work_id} ({unit.path}) are not on this machine")
        again = await context.rebuild(unit)
        await context.note(unit, path=again.path, size=again.size, sha256=again.sha256)
        unit = again
    return file_of(context, unit)


def _is_there(path: Path, size: int | None) -> bool:
    return path.is_file() and path.stat().st_size == size


def file_of(context: BatchContext, unit: Unit) -> BatchFile:
    """What is known of the unit's rows, wherever they are."""
    name = unit.path or unit.work_id
    return BatchFile(
        path=str(context.folder / name),
        size=unit.size or 0,
        count=unit.count,
        name=name,
        embeds=unit.embeds,
        sha256=unit.sha256 or "",
    )


def order_of(unit: Unit, file: BatchFile) -> BatchOrder:
    """What is asked of the provider."""
    return BatchOrder(tag=unit.tag, file=file, file_id=unit.file_id or "", hours=unit.hours)


def mark_of(unit: Unit, target: Candidate) -> str | None:
    """The mark of the unit's batch in a list; ``None`` where batches have no marks."""
    wire = wire_of(target)
    if wire.tag == "none":
        return None
    return unit.file_id if wire.tag == "file" else unit.tag
