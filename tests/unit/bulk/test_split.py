"""``--split``: what may be written, and how many rows each one gets."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.bulk.planning.split import Part, Split
from llm_orchestrator.errors import InvalidRequestError

CLASSIC = "claude=1500:batch,gemini=1000:online,openai=rest:batch"


def test_parts() -> None:
    assert Split.read(CLASSIC).parts == (
        Part("claude", 1500, "batch"),
        Part("gemini", 1000, "online"),
        Part("openai", None, "batch"),
    )
    assert Split.read(" a/b-c:2=60% , x=2_000 ").parts == (
        Part("a/b-c:2", Fraction(6, 10)),
        Part("x", 2000),
    )


@pytest.mark.parametrize("word", ["price", "share", "each"])
def test_modes(word: str) -> None:
    assert Split.read(word) == Split(word)  # type: ignore[arg-type]
    assert Split.read(None) == Split("price")


@pytest.mark.parametrize(
    "text,what",
    [
        ("", "it is empty"),
        ("claude", "is not name=rows"),
        ("claude=x", "is not name=rows"),
        ("claude=5:slow", "is not name=rows"),
        ("claude=-5", "is not name=rows"),
        ("a=rest,b=rest", "only one of them can get the rest"),
        ("a=60%,b=50%", "110 % is more than all rows"),
    ],
)
def test_mistakes(text: str, what: str) -> None:
    with pytest.raises(InvalidRequestError, match=what):
        Split.read(text)


@pytest.mark.parametrize(
    "text,items,amounts",
    [
        (CLASSIC, 3600, [1500, 1000, 1100]),
        (CLASSIC, 2000, [1500, 500, 0]),
        (CLASSIC, 0, [0, 0, 0]),
        ("a=rest,b=10", 100, [90, 10]),
        ("a=50%,b=50%", 3, [2, 1]),
        ("a=33%,b=33%,c=rest", 100, [33, 33, 34]),
        ("a=10,b=50%,c=rest", 100, [10, 50, 40]),
    ],
)
def test_amounts(text: str, items: int, amounts: list[int]) -> None:
    assert Split.read(text).amounts(items) == amounts


def test_rows_without_anybody_to_ask() -> None:
    with pytest.raises(InvalidRequestError, match="30 of 100 rows have somebody to ask"):
        Split.read("a=10,b=20").amounts(100)
    with pytest.raises(InvalidRequestError, match=r"60 % of all"):
        Split.read("a=60%").amounts(100)


@given(
    st.lists(st.one_of(st.integers(0, 500), st.integers(1, 100).map(lambda n: Fraction(n, 100)))),
    st.integers(0, 4),
    st.integers(0, 2000),
)
def test_all_rows_go_somewhere(amounts: list[int | Fraction], place: int, items: int) -> None:
    parts = [Part(f"p{n}", amount) for n, amount in enumerate(amounts)]
    parts.insert(min(place, len(parts)), Part("rest", None))
    found = Split("parts", tuple(parts)).amounts(items)
    assert sum(found) == items
    assert all(size >= 0 for size in found)
    for part, size in zip(parts, found, strict=True):
        if isinstance(part.amount, int):
            assert size <= part.amount
