"""Who is asked for what waits, in which lane: the planner's choice, made into orders."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from llm_orchestrator.bulk import foresight, spec
from llm_orchestrator.bulk.making import Order
from llm_orchestrator.bulk.plan import BulkPlan, Decision, Demand, Offer
from llm_orchestrator.bulk.planner import plan
from llm_orchestrator.bulk.spec import RunSpec
from llm_orchestrator.bulk.split import Part, Split
from llm_orchestrator.bulk.targets import find_targets
from llm_orchestrator.store.bulk_items import Waiting
from llm_orchestrator.store.bulk_rows import RunRow
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate

if TYPE_CHECKING:
    from llm_orchestrator.bulk.runner import Runner

_DAY_H = 24


class Shared(msgspec.Struct):
    """How what waits is shared out."""

    plans: list[tuple[BulkPlan, dict[str, Waiting]]] = []
    """Each with the pasts of its tasks."""
    decisions: list[Decision] = []

    @property
    def max_tokens(self) -> dict[str, int]:
        """Tasks whose answers must be cut to fit under the cap."""
        return {task: most for made, _ in self.plans for task, most in made.max_tokens.items()}


class Sharing:
    """Shares what waits out, in orders for `Making`."""

    def __init__(self, runner: "Runner") -> None:
        self._runner = runner

    async def share(self, run: RunRow) -> Shared:
        """Plan what waits. Raises `BudgetError` where the cap does not pay for it."""
        store, do = self._runner.store, self._runner.store.do
        groups = await do(store.items.waiting, run.run_id)
        known = foresight.decode(run.estimate).offers
        offers, _ = await asyncio.to_thread(foresight.timely, known, store)
        order = spec.decode(run.spec)
        split = self._split(run, order)
        left = await self.left(run)
        made = Shared()
        free = [one for one in groups if one.provider is None]
        if free and split.mode == "parts":
            for one in free:
                own = await self._reduced(run, split, one)
                left = self._plan(made, run, [one], offers, left, own)
        elif free:
            left = self._plan(made, run, free, offers, left, split)
        for one in groups:
            if one.provider is None:
                continue
            chosen = _among(offers, one, order)
            left = self._plan(made, run, [one], chosen, left, Split())
        return made

    def orders(self, run: RunRow, shared: Shared, round: int) -> list[Order]:
        """What is to be made of it."""
        tasks = self._runner.tasks(run)
        runtime = self._runner.runtime
        hours = _DAY_H
        if run.deadline_at is not None:
            left = (run.deadline_at - self._runner.micros()) / 3.6e9
            hours = max(1, min(hours, int(left)))
        return [
            Order(
                task=tasks[share.task],
                target=Candidate(
                    runtime.directory.use(share.provider),
                    runtime.catalog.resolve(share.model, share.provider),
                ),
                lane=share.lane,
                past=pasts[share.task],
                count=share.items,
                round=round,
                most_items=share.unit,
                most_pico=run.cap_pico,
                hours=hours,
            )
            for made, pasts in shared.plans
            for share in made.shares
        ]

    async def left(self, run: RunRow) -> Pico | None:
        """What the cap of the run still pays for."""
        if run.cap_pico is None:
            return None
        store = self._runner.store
        return max(0, run.cap_pico - await store.do(store.units.committed, run.run_id))

    def _plan(
        self,
        into: Shared,
        run: RunRow,
        groups: Sequence[Waiting],
        offers: Sequence[Offer],
        left: Pico | None,
        split: Split,
    ) -> Pico | None:
        """Plan these, and return what is left of the cap afterwards."""
        now = self._runner.clock.now()
        until = None if run.deadline_at is None else max(1.0, run.deadline_at / 1e6 - now)
        made = plan(
            [Demand(one.task, one.count) for one in groups],
            offers,
            deadline_s=until,
            cap=left,
            split=split,
            lane=spec.decode(run.spec).lane,
        )
        into.plans.append((made, {one.task: one for one in groups}))
        into.decisions += (msgspec.structs.replace(one, at=now) for one in made.decisions)
        return None if left is None else left - (made.high_pico or 0)

    def _split(self, run: RunRow, order: RunSpec) -> Split:
        tasks = tuple(self._runner.tasks(run).values())
        split = Split.read(order.split)
        if split.mode == "each":  # the items themselves say whom
            return Split()
        return find_targets(self._runner.runtime, tasks, order.models, split)[1]

    async def _reduced(self, run: RunRow, split: Split, one: Waiting) -> Split:
        """The parts without what they have got already, when this was planned before."""
        store = self._runner.store
        asked = await store.do(store.items.asked, run.run_id, one.task)
        if not asked:
            return split
        names = {f"{provider}/{model}": count for (provider, model), count in asked.items()}
        whole = split.amounts(one.count + sum(names.values()))
        parts = [
            Part(part.name, max(0, size - names.get(part.name, 0)), part.lane)
            for part, size in zip(split.parts, whole, strict=True)
        ]
        short = one.count - sum(int(part.amount or 0) for part in parts)
        if short > 0:
            most = max(range(len(parts)), key=lambda n: int(parts[n].amount or 0))
            parts[most] = Part(parts[most].name, None, parts[most].lane)
        return Split("parts", tuple(part for part in parts if part.amount != 0))


def _among(offers: Sequence[Offer], one: Waiting, order: RunSpec) -> list[Offer]:
    """Who may be asked for items that somebody was asked for, or is to be asked for."""
    own = [offer for offer in offers if offer.task == one.task]
    same = [offer for offer in own if (offer.provider, offer.model) == (one.provider, one.model)]
    others = [offer for offer in own if offer not in same]
    if Split.read(order.split).mode == "each":
        return same
    if not one.round:  # what a batch left that was given up
        return own
    last = order.elsewhere and one.round >= order.retries
    return (others or same) if last else (same or own)
