"""Which batches of a run are given up because they would miss its deadline.

A batch costs less than its rescue, so it is given up as late as possible: when what is left of it
could only just be asked in another way before the deadline, and it will hardly be back by itself.
"""

from collections.abc import Sequence

import msgspec

from llm_orchestrator.bulk.planning.plan import Decision, Group, Offer
from llm_orchestrator.bulk.planning.planner import fastest
from llm_orchestrator.bulk.planning.turnaround import SLOW, Turnarounds
from llm_orchestrator.bulk.planning.wording import due, span
from llm_orchestrator.types.money import Pico, usd_text

_CANCEL_S = 600.0
"""How long a provider takes to end a batch that is given up; some say ten minutes."""
_MARGIN = 1.2
"""A rescue may take longer than is thought."""
_ENOUGH = 0.05
"""The part of a batch that must be done before its progress says when it ends."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that was sent and is not over."""

    work_id: str
    task: str
    provider: str
    model: str
    items: int
    """All of its items."""
    done: int | None = None
    """How many are answered; ``None``: the provider does not say."""
    sent_at: float
    """Seconds on the run's clock."""
    held_pico: Pico | None = None
    """What it holds of the cap."""
    cancels: bool = True
    """Whether it can be cancelled at all."""
    keeps: bool = True
    """Whether a cancelled batch delivers what is done; what is not delivered is paid in vain."""
    stays: bool = False
    """Whether the user has fixed whom it is asked of."""
    only: bool = False
    """Whether the user wants a batch, and nothing else."""


def look_at_late(
    running: Sequence[Running],
    offers: Sequence[Offer],
    turnarounds: Turnarounds,
    *,
    now: float,
    deadline_at: float,
    cap_left: Pico | None = None,
) -> list[Decision]:
    """What to do with batches that would miss the deadline: ``cancel`` them, or ``wait``.

    ``now`` and ``deadline_at`` are seconds on the run's clock. ``cap_left`` is what the cap leaves
    beside all that is spent and held.
    """
    late = _LateBatches(
        running, offers, turnarounds, now=now, left=deadline_at - now, cap_left=cap_left
    )
    decisions = [late.decide(one) for one in running]
    return [one for one in decisions if one is not None]


class _LateBatches:
    """What a deadline asks of the batches that are under way."""

    def __init__(
        self,
        running: Sequence[Running],
        offers: Sequence[Offer],
        turnarounds: Turnarounds,
        *,
        now: float,
        left: float,
        cap_left: Pico | None,
    ) -> None:
        self._turnarounds = turnarounds
        self._now = now
        self._left = left
        self._cap_left = cap_left
        self._offers = [one for one in offers if one.refusal is None and one.lane == "online"]
        self._late = [one for one in running if not self._in_time(one)]
        # All that is late is rescued at once: its items share the same lanes.
        needed = [(one.task, _open(one), self._ways(one)) for one in self._late]
        groups = [Group(task, items, tuple(ways)) for task, items, ways in needed if ways]
        self._rescue_s = _CANCEL_S + fastest(groups)

    def decide(self, one: Running) -> Decision | None:
        """What to do with a batch; ``None``: nothing is to be said."""
        if one not in self._late:
            return None
        wait = self._expected(one)
        late = f"it will probably take {span(wait)} more, and {due(self._left)}"
        why = self._bound(one)
        if why is not None:
            return _decision("wait", one, self._now, f"{late}; {why}")
        if self._rescue_s * _MARGIN < self._left:
            return None  # there is time yet to give it up
        if self._rescue_s > self._left and wait < self._rescue_s:
            text = f"{late}; anything else would take longer ({span(self._rescue_s)})"
            return _decision("wait", one, self._now, text)
        done = f"{one.done:,} of {one.items:,} are done and kept; " if one.done else ""
        text = f"{late}; {done}what is left is asked in another way, in {span(self._rescue_s)}"
        return _decision("cancel", one, self._now, text)

    def _in_time(self, one: Running) -> bool:
        """Whether a batch will be back in time by all that is known."""
        by_progress = self._progress(one)
        if by_progress is not None:
            return by_progress * _MARGIN <= self._left
        passed = self._now - one.sent_at
        return self._turnarounds.in_time(one.provider, passed, self._left) >= SLOW

    def _expected(self, one: Running) -> float:
        by_progress = self._progress(one)
        if by_progress is not None:
            return by_progress
        return self._turnarounds.left(one.provider, self._now - one.sent_at)

    def _progress(self, one: Running) -> float | None:
        """Seconds until it ends, if it goes on as it has; ``None``: that is not known."""
        if not one.done or one.done < one.items * _ENOUGH:
            return None
        passed = self._now - one.sent_at
        return passed * (one.items - one.done) / one.done

    def _ways(self, one: Running) -> list[Offer]:
        """Who may be asked in real time for what it leaves."""
        if one.only:
            return []
        target = f"{one.provider}/{one.model}"
        return [
            way
            for way in self._offers
            if way.task == one.task and (not one.stays or way.target == target)
        ]

    def _bound(self, one: Running) -> str | None:
        """Why it cannot be given up."""
        if one.only:
            return "a batch is what was asked for"
        if not one.cancels:
            return "it cannot be cancelled there"
        if not one.keeps and one.done:
            return f"cancelled, it would deliver nothing of the {one.done:,} that are done and paid"
        own = self._ways(one)
        if not own:
            return "nobody answers this task in real time"
        if self._cap_left is None:
            return None
        bounds = [offer.high_pico for offer in own if offer.high_pico is not None]
        if not bounds:
            return "nothing bounds what another way could cost, and there is a cap"
        freed = (one.held_pico or 0) * _open(one) // max(1, one.items)
        needed = min(bounds) * _open(one)
        if needed > self._cap_left + freed:
            return f"the cap does not pay for another way: up to {usd_text(needed)} USD"
        return None


def _open(one: Running) -> int:
    return one.items - (one.done or 0)


def _decision(kind: str, one: Running, now: float, why: str) -> Decision:
    return Decision(
        kind="cancel" if kind == "cancel" else "wait",
        why=why,
        at=now,
        task=one.task,
        provider=one.provider,
        model=one.model,
        lane="batch",
        items=_open(one),
        work_id=one.work_id,
    )
