"""What was expected of a run that is gone on with."""

from typing import Any

import pytest

from llm_orchestrator.bulk.planning.stored_estimate import extended
from llm_orchestrator.store.bulk_history import EstimateRow


def row(items: int, **fields: Any) -> EstimateRow:
    given: dict[str, Any] = {"expected_pico": 7 * items, "provider": "openai", "task": "t"}
    return EstimateRow(
        run_id="run1",
        model="m",
        task_digest="d",
        items=items,
        input_tokens=30 * items,
        output_tokens=5 * items,
        at=1,
        **given | fields,
    )


KEY = ("t", "openai", "m")


@pytest.mark.parametrize(
    "sent,items",
    [({KEY: 100}, 103), ({KEY: 250}, 103), ({KEY: 40}, 43), ({}, 3), ({("u", *KEY[1:]): 9}, 3)],
    ids=["all went out", "some twice", "some", "none", "of another task"],
)
def test_items_that_went_out_are_counted_with_those_to_come(
    sent: dict[tuple[str, ...], int], items: int
) -> None:
    assert extended([row(3)], [row(100)], sent) == [row(items)]


def test_what_nobody_knew_the_price_of_stays_unknown() -> None:
    assert extended([row(3)], [row(9, expected_pico=None)], {KEY: 9}) == [
        row(12, expected_pico=None)
    ]
    assert extended([row(3)], [], {KEY: 9}) == [row(3)]
