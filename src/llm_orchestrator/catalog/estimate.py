"""What a request will probably use and cost, as intervals."""

import datetime as dt
from decimal import Decimal

import msgspec

from llm_orchestrator.catalog.pricing import cost
from llm_orchestrator.catalog.thinking import expected_thought
from llm_orchestrator.types.model import Model, Tier
from llm_orchestrator.types.money import Pico, to_usd
from llm_orchestrator.types.request import Request
from llm_orchestrator.types.usage import Usage

DEFAULT_ANSWER = 400
"""Expected tokens of an answer, where nothing is known of the caller's own answers."""
SHORTEST_ANSWER = 16
FALLBACK_MAX_OUTPUT = 4096
"""Longest answer of a model whose limit is unknown and a request that sets none."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a request will probably use and cost; ``None`` is an unknown price."""

    input_tokens: int
    output_low: int
    output_expected: int
    output_high: int
    cost_low_pico: Pico | None
    cost_expected_pico: Pico | None
    cost_high_pico: Pico | None
    method: str
    """How the input was counted, such as ``o200k_base x 1.2``."""

    @property
    def cost_low(self) -> Decimal | None:
        """USD of the shortest answer."""
        return _usd(self.cost_low_pico)

    @property
    def cost_expected(self) -> Decimal | None:
        """USD of an answer of the expected length."""
        return _usd(self.cost_expected_pico)

    @property
    def cost_high(self) -> Decimal | None:
        """USD of the longest answer."""
        return _usd(self.cost_high_pico)


def _usd(amount: Pico | None) -> Decimal | None:
    return None if amount is None else to_usd(amount)


def estimate(
    request: Request,
    model: Model,
    *,
    tier: Tier = "standard",
    at: dt.date | None = None,
    output: tuple[int, int, int] | None = None,
) -> Estimate:
    """What the request will probably use and cost.

    ``output`` is low, expected and high output tokens, best from the caller's own records. Without
    it: the high end is ``max_tokens``, or the model's own limit; the expected one is
    `DEFAULT_ANSWER` and what the model may be expected to think.
    """
    from llm_orchestrator.catalog.tokens import count_method, count_request  # not to start

    input_tokens = count_request(request, model)
    low, expected, high = output or _output(request, model, input_tokens)
    costs = [
        cost(Usage(input_tokens=input_tokens, output_tokens=tokens), model, at=at, tier=tier)
        for tokens in (low, expected, high)
    ]
    return Estimate(
        input_tokens=input_tokens,
        output_low=low,
        output_expected=expected,
        output_high=high,
        cost_low_pico=costs[0],
        cost_expected_pico=costs[1],
        cost_high_pico=costs[2],
        method=count_method(model),
    )


def _output(request: Request, model: Model, input_tokens: int) -> tuple[int, int, int]:
    if model.mode == "embedding":
        return 0, 0, 0
    high = request.max_tokens or model.max_output or FALLBACK_MAX_OUTPUT
    if model.context is not None:
        high = min(high, max(1, model.context - input_tokens))
    expected = min(high, DEFAULT_ANSWER + expected_thought(model, request.effort))
    return min(high, SHORTEST_ANSWER), expected, high
