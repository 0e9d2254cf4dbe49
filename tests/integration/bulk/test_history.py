"""What runs teach: estimates beside what came, and times of batches, in both databases."""

from typing import Any

import pytest

from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_history import EstimateRow
from llm_orchestrator.store.bulk_rows import ItemState, NewItem, Outcome, RunRow, Unit

SECOND = 10**6
DEAR = 10**18
"""A million dollars."""


@pytest.fixture
def store(both: str) -> Any:
    found = BulkStore(both)
    yield found
    found.close()


def row(run_id: str = "run1", **fields: Any) -> EstimateRow:
    given: dict[str, Any] = {
        "run_id": run_id,
        "task": "say",
        "provider": "openai",
        "model": "gpt-4o",
        "task_digest": "d",
        "items": 4,
        "input_tokens": 40,
        "output_tokens": 400,
        "expected_pico": 4000,
        "at": 1,
    }
    return EstimateRow(**given | fields)


def unit(work_id: str, **fields: Any) -> Unit:
    given: dict[str, Any] = {
        "work_id": work_id,
        "run_id": "run1",
        "task": "say",
        "provider": "openai",
        "model": "gpt-4o",
        "account": "a",
        "state": "collected",
        "provider_state": "completed",
        "tag": "t",
        "prefix": work_id[:6],
        "count": 1,
        "created_at": 0,
        "sent_at": 1 * SECOND,
        "ended_at": 61 * SECOND,
    }
    return Unit(**given | fields)


def answered(store: BulkStore, outcomes: list[Outcome]) -> None:
    """Items of one unit with these outcomes."""
    store.runs.add(RunRow(run_id="run1", created_at=0))
    numbers = [one.item_no for one in outcomes]
    store.items.add("run1", [NewItem(n, "say", f"u{n}", f"d{n}", b"{}") for n in numbers])
    assert store.units.add(unit("w1", count=len(numbers)), numbers)
    store.items.finish("run1", "w1", outcomes)


def test_what_came_stands_beside_what_was_expected(store: BulkStore) -> None:
    store.history.expect([row(), row(model="other")])
    done = [
        Outcome(n, ItemState.DONE, b"1", None, 11, 50 + n, 0, cost_pico=DEAR + n) for n in range(3)
    ]
    answered(store, [*done, Outcome(3, ItemState.FAILED, None, "no", 5, 5, 0, cost_pico=7)])
    own, other = store.history.conclude("run1")
    assert (own.actual_items, own.actual_input, own.actual_output) == (3, 33, 153)
    assert own.actual_pico == 3 * DEAR + 3
    assert (own.items, own.expected_pico) == (4, 4000)
    assert other.actual_items is None
    assert store.history.of_run("run1") == [own, other]


@pytest.mark.parametrize(
    "outcome,known",
    [
        (Outcome(0, ItemState.DONE, b"1", None, 11, 5, 0, cost_pico=None), (1, 11, None)),
        (Outcome(0, ItemState.DONE, b"1", None, None, None, None, cost_pico=7), (1, None, 7)),
    ],
)
def test_what_is_not_known_is_not_zero(
    store: BulkStore, outcome: Outcome, known: tuple[Any, ...]
) -> None:
    store.history.expect([row()])
    answered(store, [outcome])
    (found,) = store.history.conclude("run1")
    assert (found.actual_items, found.actual_input, found.actual_pico) == known


def test_a_new_expectation_of_the_same_run_replaces_the_old_one(store: BulkStore) -> None:
    store.history.expect([row()])
    store.history.expect([row(items=9, expected_pico=None)])
    (found,) = store.history.of_run("run1")
    assert (found.items, found.expected_pico) == (9, None)


def test_earlier_runs_of_a_task_come_with_the_latest_first(store: BulkStore) -> None:
    store.history.expect([row("run1"), row("run2", at=2), row("run3", task_digest="e")])
    answered(store, [Outcome(0, ItemState.DONE, b"1", None, 11, 5, 0, cost_pico=7)])
    store.history.conclude("run1")
    assert [one.run_id for one in store.history.of_task("d")] == ["run1"]
    assert store.history.of_task("e") == []


def test_how_long_batches_took(store: BulkStore) -> None:
    store.runs.add(RunRow(run_id="run1", created_at=0))
    times = [
        unit("w1"),
        unit("w2", state="ended", provider_state="expired", ended_at=3601 * SECOND),
        unit("w3", provider_state="cancelled"),
        unit("w4", state="sent", provider_state="running", ended_at=None),
        unit("w5", lane="online"),
        unit("w6", provider="gemini", ended_at=2 * SECOND),
    ]
    store.items.add("run1", [NewItem(n, "say", f"u{n}", f"d{n}", b"{}") for n in range(6)])
    for number, one in enumerate(times):
        assert store.units.add(one, [number])
    assert store.history.turnarounds("openai") == [3600.0, 60.0]
    assert store.history.turnarounds("gemini") == [1.0]
    assert store.history.turnarounds("nobody") == []
