"""A batch in the ledger: one attempt, whose cost is held before it goes out."""

import msgspec

from llm_orchestrator.bulk.batches.context import BatchContext
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.errors import BudgetError, StoreError
from llm_orchestrator.providers.keys import key_id
from llm_orchestrator.store.bulk_rows import RunRow, Unit
from llm_orchestrator.store.matching import RUN
from llm_orchestrator.store.rows import AttemptRow, SettlementRow
from llm_orchestrator.store.writer import Committed
from llm_orchestrator.types.money import usd_text
from llm_orchestrator.types.provider import Candidate

CATEGORY = "bulk"


async def hold(context: BatchContext, unit: Unit, target: Candidate) -> float | None:
    """Hold what the unit can cost at most; how long to wait where a cap is in the way."""
    store = context.store
    run = await store.do(store.runs.get, unit.run_id)
    answer = await store.do(store.units.reserve, unit)
    if answer != "yes":
        held = "unknown" if unit.hold_pico is None else f"up to {usd_text(unit.hold_pico)} USD"
        cap = usd_text(run.cap_pico) if run is not None and run.cap_pico is not None else "none"
        text = f"BudgetError: its cost ({held}) does not fit under the run's cap ({cap} USD)"
        await context.note(unit, error=text)
        return context.settings.poll_most
    ledger = context.runtime.ledger
    if ledger is None:
        return None
    try:
        await ledger.admit(
            _intent(context, unit, target, run),
            capped=run is not None and run.cap_pico is not None,
            patience_s=0.0,
            again=True,
        )
    except (BudgetError, StoreError) as error:
        await store.do(store.units.unreserve, unit.work_id)
        await context.note(unit, error=error_text(error))
        return context.settings.poll_most
    return None


def _intent(context: BatchContext, unit: Unit, target: Candidate, run: RunRow | None) -> AttemptRow:
    tags = {RUN: unit.run_id, "task": unit.task}
    if run is not None and run.tags:
        tags = msgspec.json.decode(run.tags, type=dict[str, str]) | tags
    return AttemptRow(
        attempt_id=unit.work_id,
        call_id=unit.work_id,
        session_id=unit.run_id,
        provider=unit.provider,
        model=unit.model,
        started_at=context.micros(),
        hold_pico=unit.hold_pico,
        price_version=context.runtime.catalog.version,
        category=CATEGORY,
        strategy="batch",
        user_id=None if run is None else run.user_id,
        tags=msgspec.json.encode(tags).decode(),
        key_id=key_id(target.provider),
    )


async def settle_nothing(context: BatchContext, unit: Unit) -> None:
    """Book a unit of which no batch was made: it cost nothing."""
    await settle(
        context,
        unit,
        SettlementRow(
            attempt_id=unit.work_id,
            status="dropped",
            cost_pico=0,
            cost_source="free",
            ended_at=context.micros(),
            latency_us=0,
        ),
    )


async def settle(context: BatchContext, unit: Unit, row: SettlementRow) -> None:
    """Book the outcome, and wait until it is written; the same again changes nothing.

    Raises `StoreError` when it cannot be written now.
    """
    ledger = context.runtime.ledger
    if ledger is None or not (unit.reserved or unit.send_no):
        return
    ledger.add(row)
    if await ledger.flush() is Committed.NO:
        raise StoreError(f"the ledger at {ledger.target.shown} cannot be written now")
