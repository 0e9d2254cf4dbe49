"""Who goes next: by priority, then by age, and nobody never."""

from math import inf
from random import Random

import pytest

from llm_orchestrator.pipeline.limits.gates import REQUESTS, TOKENS, Gate, Slots, Window
from llm_orchestrator.pipeline.limits.line import Line, Take
from llm_orchestrator.pipeline.limits.queue import AGING_S, ProviderQueue, Waiter


class Office:
    """A queue, and who went, in order."""

    def __init__(self) -> None:
        self.queue = ProviderQueue()
        self.went: list[str] = []
        self.takes: list[Take] = []
        self.history: list[tuple[float, int]] = []
        self.names: dict[Waiter, str] = {}

    def line(self, *gates: Gate, model: str = "m") -> Line:
        return Line(self.queue, "p", model, f"p#k/{model}", gates, learns=False)

    def join(
        self, line: Line, name: str, priority: int = 5, now: float = 0.0, tokens: int = 1
    ) -> Waiter:
        need = (1, tokens, tokens, 0)
        waiter = Waiter(line, need, priority, now, 90.0, lambda error: None)
        self.names[waiter] = name
        self.queue.join(waiter)
        return waiter

    def serve(self, now: float) -> float:
        def go(waiter: Waiter) -> None:
            assert waiter.take is not None
            self.went.append(self.names[waiter])
            self.takes.append(waiter.take)
            self.history.append((now, waiter.need[TOKENS]))

        return self.queue.serve(now, go)

    def end(self) -> None:
        """One who went has ended."""
        take = self.takes.pop()
        take.line.settle(take, take.need, 1.0)


@pytest.fixture
def office() -> Office:
    return Office()


def rpm(limit: int) -> Window:
    return Window(REQUESTS, limit, "rpm")


def test_ten_goes_first_and_one_last(office: Office) -> None:
    """Most queues sort the other way."""
    line = office.line(rpm(1))
    line.take((1, 0, 0, 0), 0.0)
    for name, priority in (("five", 5), ("one", 1), ("ten", 10), ("another ten", 10), ("six", 6)):
        office.join(line, name, priority)
    now = 0.0
    while office.queue.waiting:
        now += office.serve(now)
    assert office.went == ["ten", "another ten", "six", "five", "one"]


def test_within_one_priority_who_came_first(office: Office) -> None:
    line = office.line(rpm(100))
    for number in range(50):
        office.join(line, str(number))
    office.serve(0.0)
    assert office.went == [str(number) for number in range(50)]


def test_who_has_waited_long_goes_before_higher_ones_that_came_late(office: Office) -> None:
    line = office.line(rpm(1))
    office.join(line, "old", 1, now=0.0)
    office.join(line, "early", 10, now=9 * AGING_S - 1)
    office.join(line, "late", 10, now=9 * AGING_S + 1)
    now = 9 * AGING_S + 1
    while office.queue.waiting:
        now += office.serve(now)
    assert office.went == ["early", "old", "late"]


def test_nobody_starves_while_higher_ones_keep_coming(office: Office) -> None:
    """As many of priority 10 as the limit takes, for ever."""
    line = office.line(Slots(1, "s"))
    office.join(line, "low", 1, now=0.0)
    for second in range(100):
        office.join(line, "high", 10, now=float(second))
        if office.takes:
            office.end()
        office.serve(float(second))
    assert "low" in office.went
    assert office.went.index("low") <= 9 * AGING_S + 1


def test_one_that_needs_much_is_not_passed_for_ever_by_small_ones(office: Office) -> None:
    gate = Window(TOKENS, 100, "tpm")
    line = office.line(gate)
    gate.take(90, 0.0)
    office.join(line, "large", tokens=50)
    office.join(line, "small", tokens=5)
    assert office.serve(1.0) == pytest.approx(60, abs=1)
    assert office.went == []
    office.serve(62.0)
    assert office.went == ["large", "small"]


def test_those_who_lack_something_else_do_pass(office: Office) -> None:
    """A full model does not stop the others of its provider, a full provider stops all."""
    shared, full, free = rpm(3), rpm(1), rpm(10)
    full.take(1, 0.0)
    one, other = office.line(shared, full, model="a"), office.line(shared, free, model="b")
    office.join(one, "a1", 10)
    for number in range(5):
        office.join(other, f"b{number}")
    office.serve(1.0)
    assert office.went == ["b0", "b1", "b2"]
    office.serve(62.0)
    assert office.went == ["b0", "b1", "b2", "a1", "b3", "b4"]


def test_a_gate_that_a_higher_one_lacks_is_kept_for_it(office: Office) -> None:
    """It needs 60 of the shared 100 tokens, of which 50 are there; others may not take them."""
    shared = Window(TOKENS, 100, "tpm")
    shared.take(50, 0.0)
    one, other = office.line(shared, model="a"), office.line(shared, model="b")
    office.join(one, "large", 10, tokens=60)
    office.join(other, "small", tokens=10)
    office.serve(1.0)
    assert office.went == []


def test_who_leaves_is_forgotten(office: Office) -> None:
    gate = rpm(2)
    line = office.line(gate)
    waiters = [office.join(line, str(number)) for number in range(300)]
    for waiter in waiters[:-1]:
        office.queue.quit(waiter)
        office.queue.quit(waiter)
    assert office.queue.waiting == 1
    assert sum(gate.queued) == 1
    assert len(line.waiting) < 150
    assert office.serve(0.0) == inf
    assert office.went == ["299"]
    assert sum(gate.queued) == 0
    assert gate.used == 1


def test_a_blocked_line_waits_and_others_go(office: Office) -> None:
    one, other = office.line(rpm(9), model="a"), office.line(rpm(9), model="b")
    one.block(30.0, 0.0)
    office.join(one, "a")
    office.join(other, "b")
    assert office.serve(0.0) == pytest.approx(30)
    assert office.went == ["b"]
    office.serve(30.0)
    assert office.went == ["b", "a"]


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_everybody_goes_and_no_limit_is_passed(office: Office, seed: int) -> None:
    random = Random(seed)
    shared, slots = Window(TOKENS, 500, "tpm"), Slots(3, "s")
    lines = [office.line(shared, slots, rpm(5), model=name) for name in "abc"]
    now, joined = 0.0, 0
    while len(office.went) < 150:
        now += random.choice((0.0, 0.5, 5.0))
        if joined < 150:
            joined += 1
            size = random.choice((1, 50, 400))
            office.join(random.choice(lines), str(joined), random.randint(1, 10), now, size)
        while office.takes and (len(office.takes) == 3 or random.random() < 0.5):
            office.end()
        office.serve(now)
        assert slots.taken <= 3
    assert sorted(office.went, key=int) == [str(number + 1) for number in range(150)]
    for start, _ in office.history:
        assert sum(size for at, size in office.history if start <= at < start + 60) <= 500
