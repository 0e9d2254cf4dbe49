"""When what happens in a batch, on the virtual clock: a plan made when it is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from llm_orchestrator.simulator.batches.settings import BatchSettings
from llm_orchestrator.simulator.draw import Draw

Ending = Literal["completed", "failed", "expired", "cancelled"]
Phase = Literal["validating", "queued", "running", "finalizing", "cancelling"] | Ending
ENDED: Final[frozenset[str]] = frozenset({"completed", "failed", "expired", "cancelled"})
_TAIL: Final = 0.02  # of the items of a straggling batch


@dataclass(frozen=True, slots=True)
class Timeline:
    """Moments in seconds since 1970: items finish evenly from `begun` on, the late ones last.

    `work` and `tail` are how long the punctual and the late items take, `late` how many those are.
    """

    created: float
    validated: float
    begun: float
    work: float
    tail: float
    total: int
    late: int
    finalizing: float
    expires: float

    @property
    def worked(self) -> float:
        """When the last item is finished."""
        return self.begun + self.work + (self.tail if self.late else 0.0)

    @property
    def ended(self) -> float:
        """When the results are ready."""
        return self.worked + self.finalizing

    def done(self, at: float) -> int:
        """How many items are finished by then."""
        if at >= self.worked:
            return self.total
        passed, punctual = at - self.begun, self.total - self.late
        if passed <= 0:
            return 0
        if passed < self.work:
            return int(punctual * passed / self.work)
        if not self.late:
            return punctual
        return punctual + int(self.late * (passed - self.work) / self.tail)


def plan(
    settings: BatchSettings, total: int, created: float, window: float, draw: Draw
) -> Timeline:
    """A plan with the spread that real batches have: waits from a third to thrice the typical."""
    late = 0
    if total and draw.fraction() < settings.stragglers:
        late = max(1, int(total * _TAIL))
    wait = settings.queue * (1 / 3 + draw.fraction() ** 2 * 8 / 3)
    validated = created + settings.validation
    return Timeline(
        created=created,
        validated=validated,
        begun=validated + wait,
        work=total * settings.item * (0.7 + 0.6 * draw.fraction()),
        tail=settings.late,
        total=total,
        late=late,
        finalizing=settings.finalizing,
        expires=created + (window if settings.window is None else settings.window),
    )
