"""Numbers by digest."""

import random

from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.bulk.digests import Digests, digest_of


@given(st.lists(st.text(max_size=3)))
def test_the_first_number_of_a_text_stays(texts: list[str]) -> None:
    digests = Digests()
    there: dict[str, int] = {}
    for number, text in enumerate(texts):
        assert digests.get(digest_of(text)) == there.get(text)
        assert digests.add(digest_of(text), number) == there.get(text)
        there.setdefault(text, number)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"\0" * 16, b"\0" * 15 + b"\1"]), st.integers(0, 2**40 - 1))
    )
)
def test_what_lies_across_two_of_them_is_none(given: list[tuple[bytes, int]]) -> None:
    digests, there = Digests(), dict[bytes, int]()
    for digest, number in given:
        assert digests.add(digest, number) == there.get(digest)
        there.setdefault(digest, number)
    assert {digest: digests.get(digest) for digest in there} == there


def test_another_number_takes_its_place() -> None:
    digests = Digests()
    for number, text in enumerate("abc"):
        digests.add(digest_of(text), number)
    digests.put(digest_of("b"), 2**40 - 1)
    assert [digests.get(digest_of(text)) for text in "abc"] == [0, 2**40 - 1, 2]


def test_many_take_little_room() -> None:
    digests = Digests()
    numbers = list(range(100_000))
    random.Random(1).shuffle(numbers)
    assert all(digests.add(digest_of(f"post-{number}"), number) is None for number in numbers)
    assert all(digests.get(digest_of(f"post-{number}")) == number for number in numbers[:1000])
    assert sum(bucket.__alloc__() for bucket in digests._buckets) < 2 * 21 * 100_000
