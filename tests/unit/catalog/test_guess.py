"""The guess by length: near the count, and never above the bound."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator.catalog.tokens import (
    count_request,
    count_text,
    guess_input,
    guess_output,
    quarters,
    upper_bound_input,
)
from llm_orchestrator.types.request import Message, Request

PROSE = "The customer wrote last night: two of the three glasses arrived broken, what now? " * 40
MODELS = ("gpt-4o", "o3", "claude-opus-4-8", "gemini-3-pro", "mistral-large", "unheard-of")


def ask(*messages: Message) -> Request:
    return Request(messages=messages or (Message("user", "Hi"),))


LANGUAGES = [
    (PROSE, 0.25),
    ("El faro ha guiado a los barcos durante más de cien años. " * 20, 0.25),
    ("Der Leuchtturm führt die Schiffe seit über hundert Jahren in den Hafen. " * 20, 0.25),
    ("灯塔已经为船只引路一百多年了。" * 20, 0.4),
    ("def area(radius: float) -> float:\n    return 3.14159 * radius**2\n\n" * 20, 0.35),
]


@pytest.mark.parametrize(("text", "share"), LANGUAGES)
@pytest.mark.parametrize("model", ["gpt-4o", "claude-haiku-4-5"])
def test_the_guess_is_near_the_count(text: str, share: float, model: str) -> None:
    counted = count_text(text, model)
    assert abs(guess_output(quarters(text), model) - counted) <= share * counted
    request = ask(Message("system", "Be brief."), Message("user", text))
    counted = count_request(request, model)
    assert abs(guess_input(request, model) - counted) <= share * counted


def test_the_guess_of_a_short_prompt() -> None:
    assert guess_input(ask(), "gpt-4o") == count_request(ask(), "gpt-4o") == 7


def test_texts_to_embed_have_no_template() -> None:
    assert guess_input(["a" * 40, "b" * 40], "text-embedding-3-small") == 20
    assert guess_input([], "text-embedding-3-small") == 0


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=6))
def test_pieces_add_up_to_the_whole(pieces: list[str]) -> None:
    whole, parts = quarters("".join(pieces)), sum(map(quarters, pieces))
    assert parts <= whole <= parts + len(pieces)
    assert quarters("\ud800") == 4


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(MODELS))
def test_no_guess_is_above_the_bound(text: str, model_id: str) -> None:
    request = ask(Message("user", text))
    assert guess_input(request, model_id) <= upper_bound_input(request)
