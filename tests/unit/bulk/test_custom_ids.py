"""Custom ids: what goes out comes back, and nothing else is taken for it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.store.bulk_rows import (
    custom_id,
    item_no_of,
    new_work_id,
    prefix_of,
    tag_of,
)


@given(st.integers(0, 10**12))
def test_a_number_comes_back(number: int) -> None:
    prefix = prefix_of(new_work_id())
    name = custom_id(prefix, number)
    assert re.fullmatch("[0-9a-z]+", name)
    assert item_no_of(prefix, name) == number


@pytest.mark.parametrize(
    "name", [None, "", "abcde", "abcdef", "ABCDEF1", "abcdeg1", "abcdef-1", "abcdef01", "abcdef 1",
             "abcdef1_0", "abcdef+1", "abcdefÉ", "nobody12"]
)  # fmt: skip
def test_what_is_not_ours_is_none(name: str | None) -> None:
    assert item_no_of("abcdef", name) is None


def test_ids_fit_every_provider() -> None:
    longest = custom_id(prefix_of(new_work_id()), 10**9)
    for row in TABLE.values():
        assert row.batch is None or len(longest) <= row.batch.limits.id_length


def test_work_ids_are_new_and_tags_are_allowed() -> None:
    ids = {new_work_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert len({prefix_of(name) for name in ids}) == 1000
    for name in ids:
        assert re.fullmatch("[0-9a-z]{20}", name)
        assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9-]{0,62}", tag_of(name, 12))
    assert tag_of("w1") == "llmo-w1"
    assert tag_of("w1", 2) == "llmo-w1-2"
