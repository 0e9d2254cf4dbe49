"""Results from their provider to this machine, and what is said of those that are gone."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

import msgspec

from llm_orchestrator.bulk.batches.context import BatchContext, wire_of
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.dialects import batch
from llm_orchestrator.errors import BadReplyError, OrchestratorError
from llm_orchestrator.pipeline.batches import read_output
from llm_orchestrator.store.bulk_rows import Unit, item_no_of
from llm_orchestrator.types.batch import BatchOutput, BatchState, BatchStatus
from llm_orchestrator.types.provider import Candidate

_GONE = frozenset((404, 410))
_LOST_S = 86_400.0
"""How long results that are missing are asked for again."""
_LEAST_S = 600.0
_SHARE, _LONGEST_S = 0.05, 3600.0


async def fetch(
    context: BatchContext, unit: Unit, target: Candidate, folder: Path
) -> tuple[BatchStatus, list[BatchOutput], str | None]:
    """The batch, its results, and why some of them are gone; each file is lost for itself."""
    dialect, name = batch.dialect(target.provider), unit.batch_id or ""
    outputs: list[BatchOutput] = []
    gone: str | None = None
    try:
        status = await context.drive(dialect.poll(name, target), target)
    except OrchestratorError as error:
        gone = given_up(context, unit, error)
        return BatchStatus(id=name, state=BatchState.FAILED), outputs, gone
    if not status.results and expected(status, target):
        text = "the batch has answered rows, and names no results"
        gone = given_up(context, unit, BadReplyError(text, code="no_results", status_code=404))
    for number, ref in enumerate(status.results):
        place = folder / str(number)
        await asyncio.to_thread(place.mkdir)
        one = msgspec.structs.replace(status, results=(ref,))
        try:
            outputs += await context.drive(dialect.results(one, target), target, folder=place)
        except OrchestratorError as error:
            gone = given_up(context, unit, error)
    return status, outputs, gone


def expected(status: BatchStatus, target: Candidate) -> bool:
    """Whether there must be results, though they may come a little later than the end."""
    complete = status.state is BatchState.COMPLETED
    if status.completed is None:
        return complete
    return status.completed > 0 and (complete or wire_of(target).keeps)


def given_up(
    context: BatchContext, unit: Unit, error: OrchestratorError, *, unread: bool = False
) -> str:
    """What is said of results that are gone, or ``unread``; raises the error for a day before.

    And for some minutes where that day has passed already when they are first asked for.
    """
    now = context.clock.now()
    waited = now - (unit.ended_at or 0) / 1e6
    seen = now - context.missed.setdefault(unit.work_id, now)
    lost = waited > _LOST_S and seen > _LEAST_S
    if not lost or not (unread or error.status_code in _GONE):
        # The longer they are missing, the less often they are asked for.
        error.retry_after = max(error.retry_after or 0.0, min(seen * _SHARE, _LONGEST_S))
        raise error
    return f"its results are gone: {error_text(error)}"


@asynccontextmanager
async def own_folder(context: BatchContext, unit: Unit) -> AsyncIterator[Path]:
    """A folder for the results that no other process writes to, whatever it does."""
    folder = await asyncio.to_thread(_made, context, unit)
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _made(context: BatchContext, unit: Unit) -> Path:
    context.folder.mkdir(parents=True, exist_ok=True)
    return Path(mkdtemp(prefix=f"{unit.work_id}.results-", dir=context.folder))


def clear(context: BatchContext, unit: Unit) -> None:
    """Remove the files of a unit that is over."""
    context.missed.pop(unit.work_id, None)
    for folder in context.folder.glob(f"{unit.work_id}.results-*"):
        shutil.rmtree(folder, ignore_errors=True)
    (context.folder / (unit.path or unit.work_id)).unlink(missing_ok=True)


async def whose(
    context: BatchContext, unit: Unit, target: Candidate, status: BatchStatus
) -> Literal["ours", "foreign", "unknown"]:
    """Whether the rows of a batch that is over are the unit's."""
    async with own_folder(context, unit) as folder:
        exchange = batch.dialect(target.provider).results(status, target)
        outputs = await context.drive(exchange, target, folder=folder)
        return await asyncio.to_thread(_whose, unit, target, outputs)


def _whose(
    unit: Unit, target: Candidate, outputs: Iterable[BatchOutput]
) -> Literal["ours", "foreign", "unknown"]:
    for output in outputs:
        for result in read_output(output, target, embeds=unit.embeds):
            if item_no_of(unit.prefix, result.custom_id) is not None:
                return "ours"
            if result.custom_id is not None:
                return "foreign"
    return "unknown"
