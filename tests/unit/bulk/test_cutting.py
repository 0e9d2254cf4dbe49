"""Answers that were cut: who is asked again, and what is said of the others."""

from typing import Any

import pytest

from llm_orchestrator.bulk.tasks.cutting import cut, verdict
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.store.bulk_rows import ItemState, Unit
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.request import Request

RETRY, FAILED = ItemState.RETRY, ItemState.FAILED


def task(**options: Any) -> Any:
    return load_task({"name": "say", "id": "id", "prompt": "Say {{ id }}.", "options": options})


def unit(max_tokens: int | None = None) -> Unit:
    return Unit(
        work_id="w1",
        run_id="r",
        task="say",
        provider="a",
        model="m",
        account="a",
        tag="t",
        prefix="p",
        count=1,
        created_at=0,
        max_tokens=max_tokens,
    )


def model(most: int | None) -> Model:
    return Model(id="m", provider="a", max_output=most)


@pytest.mark.parametrize(
    "own,ours,most,written,state,text",
    [
        (200, None, 1000, 200, FAILED, "the 200 tokens that the task or the row allows"),
        (200, 300, 1000, 200, FAILED, "the 200 tokens that the task or the row allows"),
        (None, 300, 1000, 300, RETRY, "longer than 300 tokens"),
        (None, None, 1000, 1000, FAILED, "m writes no more than 1,000 tokens"),
        (None, None, 1000, 500, RETRY, "the provider has cut its answer at 500 tokens"),
        (None, None, None, 4096, RETRY, "the provider has cut its answer at 4,096 tokens"),
    ],
)
def test_only_a_limit_of_ours_is_raised(
    own: int | None, ours: int | None, most: int | None, written: int, state: int, text: str
) -> None:
    made = task() if own is None else task(max_tokens=own)
    found = verdict(made, unit(ours), model(most), written)
    assert found[0] == state
    assert found[1].startswith("cut at max_tokens: ")
    assert text in found[1]


def test_what_says_its_limit_itself_is_not_cut() -> None:
    row = {"id": "r1"}
    for made, most in ((task(max_tokens=9), 9), (task(), 300)):
        asked = cut(made, 300).item(row).request
        assert isinstance(asked, Request)
        assert asked.max_tokens == most
        assert cut(made, 300).item(row).digest == made.item(row).digest
