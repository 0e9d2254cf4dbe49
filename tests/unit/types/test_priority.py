"""Words and numbers of priority: ten first, one last."""

from typing import Any

import pytest

from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.priority import read_priority


@pytest.mark.parametrize(
    ("given", "number"),
    [(None, 5), ("low", 1), ("normal", 5), ("HIGH", 10), (1, 1), (10, 10), (" 7 ", 7), ("10", 10)],
)
def test_what_means_which_number(given: Any, number: int) -> None:
    assert read_priority(given) == number


@pytest.mark.parametrize("given", [0, 11, -1, True, 5.0, "", "urgent", "11", "1000", "²", []])
def test_what_means_none(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"from 1 .last. to 10 .first., or low"):
        read_priority(given)
