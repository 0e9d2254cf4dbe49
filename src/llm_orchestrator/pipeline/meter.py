"""From usage to cost, for plain and streamed attempts alike."""

from typing import cast

import msgspec

from llm_orchestrator.catalog import cost
from llm_orchestrator.catalog.tokens import guess_input, guess_output
from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.pipeline.thinking import thinks
from llm_orchestrator.types.model import Tier
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.usage import Usage

_REFUSED = 300
_UNSENT = frozenset(("connect", "connect_timeout", "dns", "tls"))
"""Codes of errors that happen before the first byte of a request goes out."""
_TIERS = {"batch": "batch", "flex": "flex", "priority": "priority"}


class Meter(Guard):
    """Works out what an attempt used and cost, as far as anybody can know."""

    def leave(self, attempt: Attempt) -> None:
        """Set usage, cost and where the cost comes from. What nobody knows stays ``None``."""
        # Some wires count all along, thoughts too: what they had told when it broke off is known.
        counted = attempt.usage is not None and attempt.usage.reasoning_tokens > 0
        if attempt.usage is None and (attempt.quarters or attempt.status == "ok"):
            attempt.usage = _estimate(attempt)
        elif attempt.usage is not None and (attempt.status != "ok" or attempt.usage.estimated):
            attempt.usage = _at_least(attempt.usage, attempt)
        if attempt.candidate.provider.local:
            attempt.cost, attempt.cost_source = 0, "free"
        elif attempt.reported_cost is not None:
            attempt.cost, attempt.cost_source = attempt.reported_cost, "provider"
        elif attempt.usage is not None:
            guessed = attempt.usage.estimated and not counted
            if not (guessed and thinks(attempt.request, attempt.candidate)):
                # Thoughts are billed and may be hidden: no guess at them is worth its name.
                attempt.cost = _price(attempt, attempt.usage)
            if attempt.cost is not None:
                attempt.cost_source = "estimate" if attempt.usage.estimated else "price"
        elif attempt.status == "error" and _nothing_made(attempt):
            attempt.cost, attempt.cost_source = 0, "free"


def _price(attempt: Attempt, usage: Usage) -> Pico | None:
    """The cost at the tier that the reply names; at the one asked for where it names none."""
    model = attempt.candidate.model
    word = attempt.tier or attempt.request.service_tier or ""
    tier = cast("Tier", _TIERS.get(word, "standard"))
    found = cost(usage, model, tier=tier, searches=usage.searches)
    if found is None and attempt.tier is None and tier != "standard":
        # There is no such tier here, so the request did not ask for it after all.
        found = cost(usage, model, searches=usage.searches)
    return found


def _nothing_made(attempt: Attempt) -> bool:
    """Whether the provider refused, or never got the request: then nothing is owed.

    An answer that began (200) and broke off before it told its usage may be billed.
    """
    if attempt.status_code is not None:
        return attempt.status_code >= _REFUSED
    return attempt.error is not None and attempt.error.code in _UNSENT


def _estimate(attempt: Attempt) -> Usage:
    """Usage by the length of what went out and came, where the provider told none."""
    model = attempt.candidate.model
    return Usage(
        guess_input(attempt.sent, model), guess_output(attempt.quarters, model), estimated=True
    )


def _at_least(usage: Usage, attempt: Attempt) -> Usage:
    """A stream's usage counts what came, where the wire would have told the output at its end."""
    seen = guess_output(attempt.quarters, attempt.candidate.model)
    if seen <= usage.output_tokens:
        return usage
    return msgspec.structs.replace(usage, output_tokens=seen, estimated=True)
