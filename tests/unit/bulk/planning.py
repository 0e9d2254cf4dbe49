"""Offers for tests: what a provider asks, in words as short as may be."""

from typing import Any

from llm_orchestrator.bulk.planning.plan import BulkPlan, Lane, Offer

MICRO = 10**6
"""Pico-dollars of a millionth of a dollar."""


def offer(
    provider: str = "a",
    lane: Lane = "batch",
    cost: int | None = 100,
    *,
    task: str = "t",
    model: str = "m",
    high: int | None = None,
    **fields: Any,
) -> Offer:
    """``cost`` and ``high`` are millionths of a dollar for an item; at most four times the cost."""
    expected = None if cost is None else cost * MICRO
    most = (None if cost is None else 4 * cost * MICRO) if high is None else high * MICRO
    return Offer(
        task=task,
        provider=provider,
        model=model,
        lane=lane,
        expected_pico=expected,
        high_pico=most,
        **fields,
    )


def shares(plan: BulkPlan) -> list[tuple[str, str, str, int, int]]:
    """Task, provider, lane, first item and number of items of each share."""
    return [(one.task, one.provider, one.lane, one.first, one.items) for one in plan.shares]


def reasons(plan: BulkPlan) -> str:
    return "\n".join(one.why for one in plan.decisions)
