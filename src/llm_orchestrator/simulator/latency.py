"""How long a provider takes: until the first token and for each token after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.models import Model


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds before the first token, and between tokens."""

    first: float = 0.0
    token: float = 0.0


INSTANT: Final = Pace()

REALISTIC: Final[dict[str, Pace]] = {
    "small": Pace(0.35, 0.009),
    "medium": Pace(0.6, 0.016),
    "large": Pace(1.1, 0.030),
}
"""Typical paces by the size of the model: about 110, 60 and 33 tokens a second."""


class Latency:
    """A profile: "none", "realistic", or "<first>,<token>" in seconds for every model."""

    def __init__(self, profile: str | Pace = "none", seed: int = 1) -> None:
        self._seed = seed
        self._fixed: Pace | None = None
        self.profile = profile if isinstance(profile, str) else f"{profile.first},{profile.token}"
        if isinstance(profile, Pace):
            self._fixed = profile
        elif profile == "none":
            self._fixed = INSTANT
        elif profile != "realistic":
            first, _, token = profile.partition(",")
            try:
                self._fixed = Pace(float(first), float(token or 0))
            except ValueError:
                raise ValueError(
                    f"latency {profile!r} is not none, realistic or <first>,<token>"
                ) from None

    def pace(self, model: Model, request: int) -> Pace:
        """The pace of one request; realistic ones vary, with a slow one now and then."""
        if self._fixed is not None:
            return self._fixed
        draw = Draw(self._seed, "latency", model.id, request)
        base = REALISTIC[model.size]
        stretch = 0.7 + 0.9 * draw.fraction() ** 2
        if draw.below(40) == 0:
            stretch *= 3
        return Pace(base.first * stretch, base.token * (0.8 + 0.5 * draw.fraction()))
