import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.routing.pieces import BUCKETS, Pieces, ends, pack, pieces, size, unpack

PINNED = [6752, 49840, 114189, 136909, 143970, 164064, 181827, 189079, 195701, 208470]


def test_features_are_the_same_in_every_process() -> None:
    # Pinned: what was learned by one version of Python must be readable by another.
    assert sorted(pieces("What is 2+2?").buckets) == PINNED


def test_case_and_spaces_change_nothing() -> None:
    assert pieces("What IS  it?\n").buckets == pieces("what is it?").buckets


def test_order_is_in_the_pairs() -> None:
    one, two = set(pieces("dog bites man").buckets), set(pieces("man bites dog").buckets)
    assert len(one) == len(two) == 5
    assert len(one & two) == 3


@pytest.mark.parametrize(
    "text,count",
    [("two words", 2), ("x=10", 4), ("naïve Ärger", 2), ("東京都", 3), ("привет мир", 2), ("", 0)],
)
def test_pieces_are_words_digits_signs_and_characters(text: str, count: int) -> None:
    assert size(text) == count


def test_a_lone_surrogate_is_no_error() -> None:
    assert size("a \ud800 b") == 3


def test_of_a_long_prompt_both_ends_count() -> None:
    long = "start " + "middle " * 4000 + "end"
    assert ends("short") == "short"
    assert len(ends(long)) < 6100
    assert pieces(long).buckets == pieces(long.replace("middle " * 4000, "middle " * 5000)).buckets
    assert pieces(long).buckets != pieces(long.replace("end", "other")).buckets
    assert pieces(long).buckets != pieces(long.replace("start", "other")).buckets


@given(st.text())
def test_what_is_packed_comes_back(text: str) -> None:
    found = pieces(text)
    back = unpack(pack(found))
    assert back.buckets == tuple(sorted(found.buckets))
    assert back.total == found.total


@pytest.mark.parametrize(
    "text", ["", "?", "AAAA", "AAAAAAAAAAAAAAA", pack(Pieces((BUCKETS,), 1)), "not base64!"]
)
def test_what_is_no_packed_prompt_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"features|base64|padding|padded|characters|Excess"):
        unpack(text)
