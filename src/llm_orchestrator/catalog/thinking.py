"""How much a model thinks before it answers: tokens that are paid for and that nobody sees."""

import re

from llm_orchestrator.types.model import Model
from llm_orchestrator.types.request import Effort

THINKING: dict[str, int] = {
    "none": 0,
    "minimal": 100,
    "low": 500,
    "medium": 2000,
    "high": 8000,
    "xhigh": 16_000,
    "max": 32_000,
}
"""Expected tokens of thought by effort; a rough guess that own records should replace."""
_UNASKED = re.compile(
    r"(.*/)?(gemini-(2\.5-(pro|flash)|[3-9](\.\d+)?-\w+)\b(?!-lite)|deepseek-(r1|reasoner)|magistral|qwq)"
)
"""Those that take sampling parameters, and think all the same."""


def thinks_unasked(model: Model) -> bool:
    """Whether a model thinks when no effort is asked for."""
    if model.abilities is None or "reasoning" not in model.abilities:
        return False
    # Only models that always reason refuse sampling; of the others most are quick unasked.
    return "sampling" not in model.abilities or _UNASKED.match(model.id) is not None


def expected_thought(model: Model, effort: Effort | None) -> int:
    """Tokens of thought that may be expected; unasked, models think a little."""
    if effort is not None:
        return THINKING[effort] if model.can("reasoning") else 0
    return THINKING["low"] if thinks_unasked(model) else 0
