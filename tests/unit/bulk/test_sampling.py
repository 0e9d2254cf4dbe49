"""A sample: fair, the same again, and no larger than it should be."""

from collections import Counter

from llm_orchestrator.bulk.rows.reading import read_rows
from llm_orchestrator.bulk.rows.sampling import Sampler


def sample(count: int, size: int = 50) -> Sampler:
    sampler = Sampler(size)
    for number in range(count):
        sampler.add(number, {"n": number})
    return sampler


def test_few_rows_are_all_kept() -> None:
    assert [number for number, _ in sample(50).kept] == list(range(50))
    assert sample(0).kept == []


def test_many_rows_leave_a_sample() -> None:
    found = sample(10_000)
    assert (found.count, len(found.kept)) == (10_000, 50)
    assert found.kept == sample(10_000).kept
    assert all(data == {"n": number} for number, data in found.kept)


def test_each_part_of_the_input_is_in_it() -> None:
    """Of 20,000 rows in ten parts, 2,000 are kept: about 200 of each part."""
    parts = Counter(number // 2000 for number, _ in sample(20_000, 2000).kept)
    assert sorted(parts) == list(range(10))
    assert all(140 < count < 260 for count in parts.values())


def test_rows_are_passed_on() -> None:
    sampler = Sampler()
    rows = list(sampler.watch(read_rows([{"a": 1}, 5, {"a": 2}])))
    assert [row.data for row in rows] == [{"a": 1}, None, {"a": 2}]
    assert (sampler.count, sampler.broken) == (2, 1)
