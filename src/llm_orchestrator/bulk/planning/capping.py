"""What a cap does to a plan: shorter answers, or an error that says what would fit."""

from collections.abc import Sequence

import msgspec

from llm_orchestrator.bulk.planning.plan import BulkPlan, Decision, Group
from llm_orchestrator.errors import BudgetError
from llm_orchestrator.types.money import Pico, usd_text

SHORTEST_CUT = 256
"""Tokens that an answer is never cut below to fit under a cap."""


def cut(made: BulkPlan, groups: Sequence[Group], cap: Pico) -> BulkPlan | None:
    """The plan with shorter answers, where tasks leave their length to us; ``None``: too dear."""
    by = {(one.task, one.place): one for group in groups for one in group.offers}
    shares = [
        (share, by[share.task, (share.provider, share.model, share.lane)]) for share in made.shares
    ]
    if made.high_pico is None:
        return None
    cuttable = [(share, one) for share, one in shares if one.cuts and one.answer_pico]
    if not cuttable:
        return None
    least = max(SHORTEST_CUT, *(one.likely_output for _, one in cuttable))
    limit = max(one.most_output for _, one in cuttable)
    low, high = least, limit

    def total(tokens: int) -> Pico:
        return sum((one.high(tokens) or 0) * share.items for share, one in shares)

    if total(least) > cap:
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if total(middle) <= cap else (low, middle - 1)
    text = (
        f"answers are cut to {low:,} tokens, so that the upper bound of "
        f"{usd_text(made.high_pico)} USD fits the cap of {usd_text(cap)} USD"
    )
    tasks = dict.fromkeys(share.task for share, _ in cuttable)
    return msgspec.structs.replace(
        made,
        shares=tuple(
            msgspec.structs.replace(share, high_pico=(one.high(low) or 0) * share.items)
            for share, one in shares
        ),
        high_pico=total(low),
        max_tokens=dict.fromkeys(tasks, low),
        decisions=(*made.decisions, Decision(kind="limit", why=text)),
    )


def too_dear(made: BulkPlan, cap: Pico) -> BudgetError:
    """The error for a plan that could cost more than the cap, with the numbers."""
    unbounded = sorted({share.target for share in made.shares if share.high_pico is None})
    if unbounded:
        return BudgetError(
            f"nothing bounds what {', '.join(unbounded)} can cost, and there is a cap of "
            f"{usd_text(cap)} USD: set their prices in the configuration, or ask without a cap",
            code="unpriced",
        )
    high, items = made.high_pico or 0, sum(share.items for share in made.shares)
    fit = items * cap // high if high else 0
    told = "" if made.expected_pico is None else f" ({usd_text(made.expected_pico)} USD expected)"
    return BudgetError(
        f"{items:,} items could cost up to {usd_text(high)} USD{told}, the cap is "
        f"{usd_text(cap)} USD: it pays for about {fit:,} of them. Raise the cap, lower "
        "options.max_tokens of the task, or ask a cheaper model",
        code="max_cost",
    )
