"""The classic four levels of models, by a rule on their names and prices.

An older tool knew six models and gave each a level. The rule below gives those six the same ones
and extends to any other. It is a coarse guess and used only where a level is asked for: measured,
levels of prompts route no better than chance (`docs/concepts/routing.md`).
"""

import re

from llm_orchestrator.types.model import Model

_BY_NAME = (
    (2, re.compile(r"(?<!ge)mini|nano|lite|haiku|small|luna|\b1?\db\b|tiny|flash-8b|sonar$")),
    (3, re.compile(r"sonnet|gpt-4o|gpt-4\.1|medium|terra|flash|\b(2|3|7)\db\b|command-r|gpt-3")),
    (4, re.compile(r"opus|gpt-[4-9]|\bo[1-9]\b|pro\b|large|ultra|max\b|sol\b|astra|\b\d{3}b\b")),
)
_ADVANCED_FROM = 2_000_000
_EXPERT_FROM = 18_000_000
"""Of the output price, in pico-dollars a token: 2 and 18 USD per million."""


def level_of(model: Model) -> int:
    """The model's place in `complexity.LEVELS`, from 1 for basic to 4 for expert."""
    for level, pattern in _BY_NAME:
        if pattern.search(model.id.lower()):
            return level
    output = model.prices[-1].output if model.prices else None
    if output is None or output < _ADVANCED_FROM:
        return 2
    return 3 if output < _EXPERT_FROM else 4
