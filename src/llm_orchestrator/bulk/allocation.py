"""Who is asked for the items that wait, in which lane: a plan, and assignments made of it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from llm_orchestrator.bulk import spec
from llm_orchestrator.bulk.planning import stored_estimate
from llm_orchestrator.bulk.planning.constraints import AskedItems, Constraints, allowed
from llm_orchestrator.bulk.planning.plan import BulkPlan, Decision, Offer
from llm_orchestrator.bulk.planning.planner import Demand, plan
from llm_orchestrator.bulk.planning.split import Part, Split
from llm_orchestrator.bulk.planning.targets import find_targets
from llm_orchestrator.bulk.tasks import cutting
from llm_orchestrator.bulk.units import Assignment
from llm_orchestrator.catalog.estimate import FALLBACK_MAX_OUTPUT
from llm_orchestrator.errors import BudgetError
from llm_orchestrator.store.bulk_items import Failed, Waiting
from llm_orchestrator.store.bulk_rows import CUT, OPEN, RunRow
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate

if TYPE_CHECKING:
    from llm_orchestrator.bulk.runner import Runner

_DAY_H = 24
_WORTH = 1.5
"""An answer that was cut is asked for again where it may be so much longer."""
_MORE = 4
"""The factor that is tried where nobody knows how much a model can write."""

Refuses: TypeAlias = Callable[[str, str], bool]
"""Whether a provider refuses all that its model is asked."""


class Planned(msgspec.Struct):
    """One plan."""

    plan: BulkPlan
    pasts: Sequence[Waiting]
    """The past of the items of each demand."""
    limits: dict[str, int] = {}
    """Targets and how long their answers may be, where they were cut before."""


class Allocation(msgspec.Struct):
    """Who is asked for what waits, and what cannot be asked."""

    plans: list[Planned] = []
    impossible: list[tuple[Waiting, str]] = []
    """Items that cannot succeed, and why."""
    decisions: list[Decision] = []
    short: BudgetError | None = None
    """Why some have to wait: others hold what they need."""


class Allocator:
    """Plans what waits, and makes assignments of it for `UnitMaker`."""

    def __init__(self, runner: "Runner", refuses: Refuses = lambda _, __: False) -> None:
        self._runner = runner
        self._refuses = refuses
        self._known: tuple[str, Constraints] = ("", Constraints())

    async def allocate(self, run: RunRow) -> Allocation:
        """Plan what waits. Raises `BudgetError` where the cap does not pay for it."""
        store, do = self._runner.store, self._runner.store.do
        groups = await do(store.items.waiting, run.run_id)
        known = stored_estimate.decode(run.estimate).offers
        offers, _ = await asyncio.to_thread(stored_estimate.with_turnarounds, known, store)
        constraints = self.constraints(run)
        left = await self.left(run)
        made = Allocation()
        fresh = [one for one in groups if one.lane is None]
        if fresh:
            # All in one plan: what the cap pays for is shared by them.
            demands = [await self._demand(run, one, offers, constraints) for one in fresh]
            left = self._take(made, self._plan(run, fresh, demands, offers, left), left)
        open_ones = await do(store.units.of_run, run.run_id, OPEN)
        for one in groups:
            if one.lane is not None:
                chosen = self._open(allowed(offers, _asked(one), constraints))
                left = self._again(made, run, one, chosen, left, bool(open_ones or made.plans))
        if made.short is not None and not made.plans and not made.impossible:
            raise made.short
        return made

    def worth_retrying(self, run: RunRow, failed: Sequence[Failed]) -> list[Failed]:
        """Those that may succeed when they are asked again.

        Those of a target that refuses everybody do so elsewhere alone, and need not wait for it.
        """
        found, constraints = list[Failed](), self.constraints(run)
        for one in failed:
            if not self._refuses(one.provider, one.model):
                found.append(one)
                continue
            last = AskedItems(
                task=one.task,
                provider=one.provider,
                model=one.model,
                round=max(1, constraints.retries),
                count=one.items,
            )
            offers = allowed(stored_estimate.decode(run.estimate).offers, last, constraints)
            if not all(self._refuses(offer.provider, offer.model) for offer in offers):
                found.append(one._replace(over_at=0))
        return found

    def _open(self, offers: list[Offer]) -> list[Offer]:
        """Without those who refuse everybody, if there are others."""
        return [one for one in offers if not self._refuses(one.provider, one.model)] or offers

    def _again(
        self,
        made: Allocation,
        run: RunRow,
        one: Waiting,
        offers: list[Offer],
        left: Pico | None,
        busy: bool,  # noqa: FBT001
    ) -> Pico | None:
        """Plan items that were asked before; where others hold the money for them, they wait."""
        limits: dict[str, int] = {}
        if one.cut_at is not None:
            offers, limits = self._longer(one, offers)
            if not offers:
                made.impossible.append((one, self._why_impossible(run, one)))
                return left
        try:
            demand = Demand(one.task, one.count, Split(), tuple(offers))
            planned = self._plan(run, [one], [demand], offers, left)
        except BudgetError as error:
            if busy or one.cut_at is None:
                made.short = made.short or error
                return left
            planned = None
        most = None if planned is None else planned.plan.max_tokens.get(one.task)
        if planned is not None and (most is None or most >= (one.cut_at or 0) * _WORTH):
            planned.limits = limits
            return self._take(made, planned, left)
        text = (
            f"{CUT}: its answer is longer than {one.cut_at:,} tokens, and the cap pays for no "
            "more; begin the run again with a higher one, and `llmo bulk retry` it"
        )
        if busy:
            made.short = made.short or BudgetError(text, code="max_cost")
        else:
            made.impossible.append((one, text))
        return left

    def _longer(self, one: Waiting, offers: list[Offer]) -> tuple[list[Offer], dict[str, int]]:
        """Who writes answers longer than those that were cut, and how long they may be."""
        found, limits = [], {}
        cut_at = one.cut_at or 0
        for offer in offers:
            model = self._runner.runtime.catalog.resolve(offer.model, offer.provider)
            most = model.max_output or _MORE * max(cut_at, FALLBACK_MAX_OUTPUT)
            if offer.cuts and most >= cut_at * _WORTH:
                found.append(offer.longer(most))
                limits[offer.target] = most
        return found, limits

    def _why_impossible(self, run: RunRow, one: Waiting) -> str:
        own = self._runner.tasks(run)[one.task].options.get("max_tokens")
        if own is not None:
            return cutting.told(int(own))
        return f"{CUT}: nobody who is asked writes answers longer than {one.cut_at:,} tokens"

    def assignments(self, run: RunRow, allocation: Allocation) -> list[Assignment]:
        """What is to be made of it."""
        tasks = self._runner.tasks(run)
        hours = _DAY_H
        if run.deadline_at is not None:
            left = (run.deadline_at - self._runner.micros()) / 3.6e9
            hours = max(1, min(hours, int(left)))
        made = [
            Assignment(
                task=tasks[one.task],
                target=self._target(one.provider or "", one.model or ""),
                lane="online",
                past=one,
                refusal=why,
            )
            for one, why in allocation.impossible
        ]
        return made + [
            Assignment(
                task=tasks[share.task],
                target=self._target(share.provider, share.model),
                lane=share.lane,
                past=one.pasts[share.demand],
                count=share.items,
                most_items=share.unit,
                most_pico=run.cap_pico,
                hours=hours,
                max_tokens=one.plan.max_tokens.get(share.task) or one.limits.get(share.target),
            )
            for one in allocation.plans
            for share in one.plan.shares
        ]

    def _target(self, provider: str, model: str) -> Candidate:
        runtime = self._runner.runtime
        return Candidate(runtime.directory.use(provider), runtime.catalog.resolve(model, provider))

    async def left(self, run: RunRow) -> Pico | None:
        """What the cap of the run still pays for, beside all that is planned already."""
        if run.cap_pico is None:
            return None
        store, do = self._runner.store, self._runner.store.do
        left = run.cap_pico - await do(store.units.committed, run.run_id)
        high = {(one.task, *one.place): one for one in stored_estimate.decode(run.estimate).offers}
        for unit in await do(store.units.of_run, run.run_id, OPEN):
            held = unit.hold_pico or 0
            if unit.lane == "batch":
                left -= 0 if unit.reserved else held
                continue
            # A chunk that has begun holds all that is left; what it can cost is less.
            offer = high.get((unit.task, unit.provider, unit.model, "online"))
            most = None if offer is None else offer.high(unit.max_tokens)
            left += held if unit.reserved else 0
            left -= held if most is None else most * unit.count
        return max(0, left)

    def _plan(
        self,
        run: RunRow,
        groups: Sequence[Waiting],
        demands: Sequence[Demand],
        offers: Sequence[Offer],
        left: Pico | None,
    ) -> Planned:
        now = self._runner.clock.now()
        until = None if run.deadline_at is None else run.deadline_at / 1e6 - now
        made = plan(
            demands,
            offers,
            deadline_s=until,
            cap=left,
            lane=self.constraints(run).lane,
        )
        made = msgspec.structs.replace(
            made,
            decisions=tuple(msgspec.structs.replace(one, at=now) for one in made.decisions),
        )
        return Planned(made, groups)

    def _take(self, into: Allocation, one: Planned, left: Pico | None) -> Pico | None:
        """Do it so; what is left of the cap afterwards."""
        into.plans.append(one)
        into.decisions += one.plan.decisions
        return None if left is None else left - (one.plan.high_pico or 0)

    def constraints(self, run: RunRow) -> Constraints:
        """What the user says of who is asked."""
        text, known = self._known
        if text != run.spec:
            order = spec.decode(run.spec)
            tasks = tuple(self._runner.tasks(run).values())
            split = Split.read(order.split)
            named = find_targets(self._runner.runtime, tasks, order.models, split)[1]
            known = Constraints(
                split=named, lane=order.lane, retries=order.retries, elsewhere=order.elsewhere
            )
            self._known = (run.spec, known)
        return known

    async def _demand(
        self, run: RunRow, one: Waiting, offers: Sequence[Offer], constraints: Constraints
    ) -> Demand:
        """What nobody was asked for yet; who is to be asked may be fixed."""
        if one.provider is not None:
            chosen = self._open(allowed(offers, _asked(one), constraints))
            return Demand(one.task, one.count, Split(), tuple(chosen))
        split = constraints.split
        if split.mode == "parts":
            split = await self._reduced(run, split, one)
        # For all of everybody, the items themselves say whom.
        return Demand(one.task, one.count, Split() if split.mode == "each" else split)

    async def _reduced(self, run: RunRow, split: Split, one: Waiting) -> Split:
        """The parts without what they have got already, when this was planned before."""
        store = self._runner.store
        asked = await store.do(store.items.asked, run.run_id, one.task)
        if not asked:
            return split
        names = {f"{provider}/{model}": count for (provider, model), count in asked.items()}
        whole = split.amounts(one.count + sum(names.values()))
        parts = []
        for part, size in zip(split.parts, whole, strict=True):
            there = min(size, names.get(part.name, 0))
            names[part.name] = names.get(part.name, 0) - there
            parts.append(Part(part.name, size - there, part.lane))
        short = one.count - sum(int(part.amount or 0) for part in parts)
        if short > 0:
            most = max(range(len(parts)), key=lambda n: int(parts[n].amount or 0))
            parts[most] = Part(parts[most].name, None, parts[most].lane)
        return Split("parts", tuple(part for part in parts if part.amount != 0))


def _asked(one: Waiting) -> AskedItems:
    return AskedItems(
        task=one.task,
        provider=one.provider or "",
        model=one.model or "",
        lane=one.lane,
        round=one.round,
        count=one.count,
    )
