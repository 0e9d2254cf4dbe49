"""Who thinks, and how much."""

import pytest

from llm_orchestrator.catalog import Catalog
from llm_orchestrator.catalog.thinking import THINKING, expected_thought, thinks_unasked


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.mark.parametrize(
    "name, unasked",
    [
        ("openai/o4-mini", True),
        ("openai/gpt-5", True),
        ("openai/gpt-4o", False),
        ("gemini/gemini-2.5-flash", True),
        ("gemini/gemini-2.5-pro", True),
        ("gemini/gemini-2.5-flash-lite", False),
        ("gemini/gemini-3.1-flash-lite", False),
        ("gemini/gemini-3.1-pro-preview", True),
        ("anthropic/claude-haiku-4-5", False),
    ],
)
def test_who_thinks_unasked(catalog: Catalog, name: str, unasked: bool) -> None:
    model = catalog.resolve(name)
    assert thinks_unasked(model) is unasked
    assert expected_thought(model, None) == (THINKING["low"] if unasked else 0)
    able = model.can("reasoning")
    assert expected_thought(model, "high") == (THINKING["high"] if able else 0)
    assert expected_thought(model, "none") == 0
