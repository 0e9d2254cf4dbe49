"""What the user has fixed for all rounds: whom an item is asked of, and in which lane."""

from collections.abc import Sequence

import msgspec

from llm_orchestrator.bulk.planning.plan import Lane, Offer
from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.bulk.spec import LaneWish


class Constraints(msgspec.Struct, frozen=True, kw_only=True):
    """What a run says of who is asked; the names in ``split`` are ``provider/model``."""

    split: Split = Split()
    lane: LaneWish = "auto"
    retries: int = 2
    elsewhere: bool = True
    """Whether the last round asks another model, where there is one."""

    @property
    def keeps(self) -> bool:
        """Whether who is asked for an item is the user's choice, and not ours by price."""
        return self.split.mode != "price"

    def lane_of(self, target: str, last: str | None = None) -> Lane | None:
        """The lane that items of this target must go; ``last`` is the one that they went before."""
        lanes = {part.lane for part in self.split.parts if part.name == target}
        if len(lanes) > 1:  # several parts: each item stays in its own
            return "batch" if last == "batch" else "online" if last else None
        return next(iter(lanes), None)


class AskedItems(msgspec.Struct, frozen=True, kw_only=True):
    """Items of a task that were asked, or are to be asked, of somebody."""

    task: str
    provider: str
    model: str
    lane: str | None = None
    """In which they were the last time; ``None``: nobody was asked yet."""
    round: int = 0
    count: int = 1


def allowed(offers: Sequence[Offer], asked: AskedItems, constraints: Constraints) -> list[Offer]:
    """Who may be asked for them (again); only the last round may change what the user has fixed."""
    own = [one for one in offers if one.task == asked.task]
    same = [one for one in own if (one.provider, one.model) == (asked.provider, asked.model)]
    others = [one for one in own if one not in same]
    last = constraints.elsewhere and asked.round >= max(1, constraints.retries)
    if constraints.split.mode == "each":
        choices = [same]
    elif not asked.round:  # what a batch left that was given up
        choices = [same, own] if constraints.keeps else [own]
    else:
        choices = [others, same] if last else [same, own]
    lane = constraints.lane_of(f"{asked.provider}/{asked.model}", asked.lane)
    for there in choices:
        if there and lane is None:
            return there
        fitting = [one for one in there if one.lane == lane and one.takes(asked.count)]
        if fitting:
            return fitting
    return next((there for there in choices if there), [])
