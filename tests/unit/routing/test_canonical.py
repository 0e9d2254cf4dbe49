"""What answers say, however they say it."""

import pytest

from llm_orchestrator.routing.canonical import Canonical, canonical, same, sets
from tests.unit.routing import pairs


def form(text: str, prompt: str = "") -> Canonical:
    found = canonical(text, prompt=prompt)
    assert found is not None
    return found


@pytest.mark.parametrize(("prompt", "one", "other"), pairs.SAME)
def test_says_the_same(prompt: str, one: str, other: str) -> None:
    left, right = form(one, prompt), form(other, prompt)
    assert same(left, right), (left, right)
    assert same(right, left)


@pytest.mark.parametrize(("prompt", "one", "other"), pairs.DIFFERENT)
def test_does_not_say_the_same(prompt: str, one: str, other: str) -> None:
    left, right = canonical(one, prompt=prompt), canonical(other, prompt=prompt)
    assert left is None or right is None or not same(left, right), (left, right)


@pytest.mark.parametrize(
    ("prompt", "text", "kind", "key"),
    [
        (pairs.CHOICE, "The answer is (B).", "choice", "B"),
        (pairs.SEVERAL, "C and A", "choice", "A,C"),
        (pairs.COUNT, "She has 15 apples.", "number", "15"),
        (pairs.PROBABILITY, "2/8", "number", "0.25"),
        (pairs.PROBABILITY, "1/3", "number", "1/3"),
        (pairs.BOOLEAN, "No, it is 7 * 13.", "boolean", "no"),
        (pairs.OUTPUT, "[1,2]", "literal", "[1, 2]"),
        (pairs.CAPITAL, "The capital of France is Paris.", "text", "paris"),
        (pairs.LIST, "red, yellow, blue", "list", "blue | red | yellow"),
        (pairs.FORMULA, "x + 1", "expression", form("1 + x").key),
    ],
)
def test_kinds(prompt: str, text: str, kind: str, key: str) -> None:
    found = form(text, prompt)
    assert (found.kind, found.key) == (kind, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "<think>15</think>",
        "It depends on what you want. There are many ways to look at it, for different readers.",
        "First paragraph about one thing.\n\nSecond paragraph about another thing entirely.",
        "x" * 300_000,
    ],
)
def test_prose_has_no_form(text: str) -> None:
    assert canonical(text, prompt="What do you think of this?") is None


def test_a_cut_answer_counts_only_where_it_is_marked() -> None:
    cut = "3 + 12 is 15, and so the number of apples"
    assert canonical(cut, prompt=pairs.COUNT, whole=False) is None
    marked = "The answer is 15.\nTo see why, consider that the num"
    assert form("15", pairs.COUNT).key == "15"
    found = canonical(marked, prompt=pairs.COUNT, whole=False)
    assert found is not None
    assert found.key == "15"


def test_what_is_marked_is_told_from_what_is_guessed() -> None:
    assert form("The answer is 15.", pairs.COUNT).marked
    assert not form("3 + 12 = 15.\n\nSo Anna has 15 apples.", pairs.COUNT).marked


SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "size": {"type": "number"},
        "class": {"enum": ["A", "a"]},
        "reasoning": {"type": "string"},
        "note": {"type": "string"},
    },
    "required": ["city", "size"],
}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ('{"city": "Paris", "size": 2}', '```json\n{"size": 2.0, "city": "paris."}\n```', True),
        (
            '{"city": "Paris", "size": 2, "reasoning": "It is big."}',
            '{"size":2,"city":"Paris"}',
            True,
        ),
        ('{"city": "Paris", "size": 2, "note": null}', '{"size": 2, "city": "Paris"}', True),
        ('{"city": "Paris", "size": 2}', '{"city": "Paris", "size": 3}', False),
        ('{"city": "Paris", "size": 2}', '{"city": "Paris"}', False),
        (
            '{"city": "Paris", "size": 2, "class": "A"}',
            '{"city": "Paris", "size": 2, "class": "a"}',
            False,
        ),
        ('{"city": "Paris", "size": true}', '{"city": "Paris", "size": 1}', False),
        ('{"city": "Paris", "size": [1, 2]}', '{"city": "Paris", "size": [2, 1]}', False),
    ],
)
def test_answers_to_a_schema(one: str, other: str, equal: bool) -> None:
    left, right = canonical(one, schema=SCHEMA), canonical(other, schema=SCHEMA)
    assert left is not None
    assert right is not None
    assert same(left, right) is equal


def test_prose_in_a_schema_cannot_be_compared() -> None:
    prose = "A long text that says what the city is like, street by street, for pages on end."
    assert canonical(f'{{"city": "{prose}", "size": 1}}', schema=SCHEMA) is None
    assert canonical("no JSON at all", schema=SCHEMA) is None
    assert canonical('{"city": "Paris", "size"', schema=SCHEMA, whole=False) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"reasoning": "a\nb", "answer": "15"}',
        '{"reasoning": "with \\sqrt{2} in it", "answer": "15"}',
        "{'answer': '15'}",
        '{"answer": 15, "reasoning": "and then it broke',
        '{"answer": \\boxed{15}}',
        '```json\n{"answer": "\\boxed{15}"}\n```\nI hope that helps, with 3 regards.',
        '{"answer": "first 3"} and then {"final_answer": "15"}',
    ],
)
def test_broken_json_still_has_an_answer(text: str) -> None:
    assert form(text, pairs.COUNT).key == "15"


def test_latex_that_json_has_eaten_comes_back() -> None:
    assert form('{"answer": "\\frac{1}{4}"}').key == "0.25"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("5", "5 km", "5000 m", "5 miles"), [[0, 1, 2], [3]]),
        (("5 km", "5 miles", "5", "5"), [[2, 3], [0], [1]]),
        (("5", "5 km", "6"), [[0, 1], [2]]),
        (("It depends on many things that nobody can know now.", "5"), [[1]]),
        (("", ""), []),
    ],
)
def test_a_missing_unit_joins_where_it_is_clear(
    texts: tuple[str, ...], expected: list[list[int]]
) -> None:
    assert sets([canonical(text, prompt=pairs.DISTANCE) for text in texts]) == expected


def test_the_largest_set_comes_first() -> None:
    texts = ("15", "16", "15 apples", "16", "15")
    assert sets([canonical(text, prompt=pairs.COUNT) for text in texts]) == [[0, 2, 4], [1, 3]]


def test_huge_numbers_and_powers_are_no_trap() -> None:
    for text in ("9" * 119, "10^999", "2^2^2^2^2^2", "9**9**9", "1e999", "((((1))))", "99999!"):
        canonical(text)
