"""The estimate of a run, made once from a sample of its input and kept in its row."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from llm_orchestrator.bulk.planning.estimate import BulkEstimate, estimate
from llm_orchestrator.bulk.planning.forecast import history
from llm_orchestrator.bulk.planning.offers import offers
from llm_orchestrator.bulk.planning.pace import pace_of
from llm_orchestrator.bulk.planning.plan import BulkPlan, Offer
from llm_orchestrator.bulk.planning.targets import Targets
from llm_orchestrator.bulk.planning.turnaround import Turnarounds
from llm_orchestrator.bulk.rows.sampling import Sampler
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_history import EstimateRow

_encode = msgspec.json.Encoder(decimal_format="number").encode


class StoredEstimate(msgspec.Struct, frozen=True):
    """The estimate for people, and what the planner chooses from."""

    told: dict[str, Any] = {}
    offers: tuple[Offer, ...] = ()


def make(
    runtime: Runtime,
    store: BulkStore,
    tasks: Sequence[Task],
    sample: Sampler,
    targets: Targets,
    items: Mapping[str, int],
    concurrency: int,
) -> tuple[BulkEstimate, tuple[Offer, ...]]:
    """An estimate for so many items of each task, and the offers; blocks."""
    past, turnarounds = history(store, tasks, _providers(targets))
    found = estimate(tasks, sample, targets, past=past, items=items)
    made = offers(
        found,
        targets,
        turnarounds,
        concurrency=concurrency,
        unit_items=runtime.config.bulk.unit_items,
        pace=pace_of(runtime),
    )
    return found, made


def encode(told: Mapping[str, Any], made: Sequence[Offer]) -> str:
    """For the run's row."""
    return _encode({"told": told, "offers": made}).decode()


def decode(text: str | None) -> StoredEstimate:
    """From the run's row."""
    return StoredEstimate() if text is None else msgspec.json.decode(text, type=StoredEstimate)


def shown(text: str | None) -> dict[str, Any] | None:
    """The estimate alone."""
    return None if text is None else decode(text).told


def with_turnarounds(
    made: Sequence[Offer], store: BulkStore
) -> tuple[tuple[Offer, ...], Turnarounds]:
    """The offers with what is known by now of how long batches take; blocks."""
    names = {one.provider for one in made}
    known = Turnarounds({name: store.wait(store.history.turnarounds, name) for name in names})
    return tuple(
        msgspec.structs.replace(one, wait_s=known.quantile(one.provider))
        if one.lane == "batch"
        else one
        for one in made
    ), known


def expected(
    run_id: str, tasks: Sequence[Task], found: BulkEstimate, plan: BulkPlan, now: int
) -> list[EstimateRow]:
    """What the plan expects of each model, to be compared with what comes."""
    rows: dict[tuple[str, str], EstimateRow] = {}
    digests = {task.name: task.digest for task in tasks}
    lines = {(line.task, line.target, line.lane): line for line in found.lines}
    for share in plan.shares:
        line = lines[share.task, share.target, share.lane]
        old = rows.get((share.task, share.target))
        cost = share.expected_pico
        if old is not None:
            known = cost is not None and old.expected_pico is not None
            cost = (cost or 0) + (old.expected_pico or 0) if known else None
        items = share.items + (0 if old is None else old.items)
        rows[share.task, share.target] = EstimateRow(
            run_id=run_id,
            task=share.task,
            provider=share.provider,
            model=share.model,
            task_digest=digests[share.task],
            items=items,
            input_tokens=round(line.priced.raw_input * items),
            output_tokens=round(line.priced.raw_output * items),
            expected_pico=cost,
            at=now,
        )
    return list(rows.values())


def extended(
    rows: Iterable[EstimateRow], before: Iterable[EstimateRow], sent: Mapping[tuple[str, ...], int]
) -> list[EstimateRow]:
    """The rows with what was expected of items that went out before; ``sent``: how many did.

    Keys are task, provider and model.
    """
    known = {(one.task, one.provider, one.model): one for one in before}
    made = []
    for row in rows:
        key = (row.task, row.provider, row.model)
        old = known.get(key)
        out = 0 if old is None else min(old.items, sent.get(key, 0))
        if old is None or not out:
            made.append(row)
            continue
        cost = None
        if row.expected_pico is not None and old.expected_pico is not None:
            cost = row.expected_pico + old.expected_pico * out // old.items
        made.append(
            msgspec.structs.replace(
                row,
                items=row.items + out,
                input_tokens=row.input_tokens + old.input_tokens * out // old.items,
                output_tokens=row.output_tokens + old.output_tokens * out // old.items,
                expected_pico=cost,
            )
        )
    return made


def _providers(targets: Targets) -> set[str]:
    return {one.provider.name for many in targets.values() for one in many}
