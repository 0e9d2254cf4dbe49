"""Memory keeps what was used last, within its bounds."""

import pytest

from llm_orchestrator.store.cache_memory import Memory
from llm_orchestrator.store.cache_rows import Found

FAR = 10**18


def found(size: int = 100) -> Found:
    return Found(b"x" * size, 0, FAR)


def test_the_least_used_goes_first() -> None:
    memory = Memory(3, 10**6)
    for name in "abc":
        memory.put(name, found(), FAR)
    assert memory.get("a", 0)
    memory.put("d", found(), FAR)
    assert [name for name in "abcd" if memory.get(name, 0)] == ["a", "c", "d"]


def test_bytes_are_bounded_whatever_the_number() -> None:
    memory = Memory(1000, 10_000)
    for number in range(100):
        memory.put(str(number), found(1000), FAR)
    assert memory.bytes <= 10_000
    assert 5 <= len(memory) < 10
    memory.put("large", found(20_000), FAR)
    assert memory.get("large", 0) is None
    assert len(memory) > 4, "one that is too large drives nobody out"


def test_a_new_entry_takes_the_old_ones_place() -> None:
    memory = Memory(10, 10_000)
    for size in (1000, 10, 2000):
        memory.put("a", found(size), FAR)
    entry = memory.get("a", 0)
    assert entry is not None
    assert len(entry.body) == 2000
    assert memory.bytes < 3000


def test_an_entry_ends_at_its_time() -> None:
    memory = Memory(10, 10_000)
    memory.put("a", found(), 5)
    assert memory.get("a", 4)
    assert memory.get("a", 5) is None
    assert memory.bytes == 0


def test_clear_forgets_everything() -> None:
    memory = Memory(10, 10_000)
    memory.put("a", found(), FAR)
    memory.clear()
    assert memory.get("a", 0) is None
    assert memory.bytes == len(memory) == 0


@pytest.mark.parametrize(("entries", "size"), [(0, 10_000), (10, 0)])
def test_no_room_is_no_memory(entries: int, size: int) -> None:
    memory = Memory(entries, size)
    memory.put("a", found(), FAR)
    assert memory.get("a", 0) is None
