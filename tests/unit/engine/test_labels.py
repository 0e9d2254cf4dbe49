"""What a call is booked under."""

import json
from typing import Any

import pytest

from llm_orchestrator.engine import labels
from llm_orchestrator.errors import InvalidRequestError


def test_a_category_and_its_default() -> None:
    assert labels.category("Grüße") == "Grüße"
    assert labels.category(None) == "orchestration"


@pytest.mark.parametrize("value", [5, b"x", ["x"], "\ud800x"])
def test_what_is_no_category(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="category: "):
        labels.category(value)


def test_tags_as_json() -> None:
    text = labels.tags({"team": "söö", "run": "7"})
    assert text is not None
    assert json.loads(text) == {"team": "söö", "run": "7"}
    assert labels.tags(None) is None
    assert labels.tags({}) is None


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (5, "tags: expected a mapping"),
        (["a"], "tags: expected a mapping"),
        ({"a": 5}, "tags['a']: expected a text"),
        ({"a": None}, "tags['a']: expected a text, got nothing"),
        ({"a": "\ud800"}, "tags['a']: character 0"),
        ({5: "a"}, "tags: a name: expected a text"),
        ({"\ud800": "a"}, "tags: a name: character 0"),
    ],
)
def test_what_are_no_tags(value: Any, at: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        labels.tags(value)
    assert caught.value.message.startswith(at)
