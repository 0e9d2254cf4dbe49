"""Batches that would miss a deadline: which are given up, when, and what is said of it."""

from typing import Any

import pytest

from llm_orchestrator.bulk.planning.late_batches import Running, look_at_late
from llm_orchestrator.bulk.planning.plan import Decision
from llm_orchestrator.bulk.planning.turnaround import Turnarounds
from tests.unit.bulk.planning import MICRO, offer

HOUR = 3600.0
TIMES = Turnarounds({"a": [HOUR * n for n in range(1, 11)], "b": [HOUR] * 10})
OFFERS = [
    offer("a", "batch", 50, wait_s=8 * HOUR),
    offer("a", "online", 100, rate=1.0),
    offer("b", "batch", 60, wait_s=HOUR),
]


def batch(**fields: Any) -> Running:
    given: dict[str, Any] = {
        "work_id": "w1",
        "task": "t",
        "provider": "a",
        "model": "m",
        "items": 3600,
        "sent_at": 0.0,
    }
    return Running(**given | fields)


def at(hours: float, *running: Running, deadline: float = 10.0, **fields: Any) -> list[Decision]:
    """What is decided so many hours after the batches were sent."""
    offers = fields.pop("offers", OFFERS)
    return look_at_late(
        running or (batch(),),
        offers,
        TIMES,
        now=hours * HOUR,
        deadline_at=deadline * HOUR,
        **fields,
    )


def given_up(decisions: list[Decision]) -> list[str | None]:
    """The batches to be cancelled."""
    return [one.work_id for one in decisions if one.kind == "cancel"]


def test_a_batch_that_will_be_back_is_left_alone() -> None:
    assert at(0.0) == []
    assert at(5.0, batch(done=3000)) == []


def test_a_late_batch_is_given_up_only_when_it_must_be() -> None:
    """Its 3,600 items take an hour in real time, and giving up takes ten minutes."""
    early = at(3.0, deadline=6.0)
    assert early == []
    last = at(4.6, deadline=6.0)
    assert given_up(last) == ["w1"]
    (decision,) = last
    assert (decision.kind, decision.work_id, decision.items) == ("cancel", "w1", 3600)
    assert decision.at == 4.6 * HOUR
    assert "it will probably take 2.4 h more, and the deadline is in 84 min" in decision.why
    assert "what is left is asked in another way" in decision.why


def test_what_is_done_is_kept() -> None:
    found = at(4.9, batch(done=1800), deadline=5.7)
    assert given_up(found) == ["w1"]
    assert found[0].items == 1800
    assert "1,800 of 3,600 are done and kept" in found[0].why


def test_progress_says_more_than_history() -> None:
    """By history it would take hours more; by its own progress it is nearly there."""
    assert at(5.0, batch(done=3400), deadline=6.0) == []
    assert given_up(at(5.0, batch(done=1000), deadline=6.0)) == ["w1"]
    assert "it will probably take 13 h more" in at(5.0, batch(done=1000), deadline=6.0)[0].why


def test_a_batch_that_beats_its_rescue_is_waited_for() -> None:
    slow = [offer("a", "online", 100, rate=0.01)]
    found = at(5.9, batch(done=3500), deadline=6.0, offers=slow)
    assert given_up(found) == []
    assert found[0].kind == "wait"
    assert "anything else would take longer" in found[0].why


@pytest.mark.parametrize(
    "fields,why",
    [
        ({"cancels": False}, "it cannot be cancelled there"),
        ({"keeps": False, "done": 10}, "cancelled, it would deliver nothing of the 10 that are"),
    ],
)
def test_batches_that_cannot_be_given_up(fields: dict[str, Any], why: str) -> None:
    found = at(4.9, batch(**fields), deadline=6.0)
    assert given_up(found) == []
    assert why in found[0].why


def test_a_batch_that_keeps_nothing_is_given_up_while_there_is_nothing() -> None:
    assert given_up(at(4.9, batch(keeps=False), deadline=6.0)) == ["w1"]


def test_without_another_way_it_is_waited_for() -> None:
    only = [offer("a", "batch", 50), offer("a", "online", refusal="it sees nothing")]
    found = at(4.9, deadline=6.0, offers=only)
    assert given_up(found) == []
    assert "nobody answers this task in real time" in found[0].why


def test_the_cap_must_pay_for_the_rescue() -> None:
    """An item costs up to 400 in real time; the batch frees what it holds."""
    needed = 3600 * 400 * MICRO
    assert given_up(at(4.9, deadline=6.0, cap_left=needed)) == ["w1"]
    poor = at(4.9, deadline=6.0, cap_left=needed - 1)
    assert given_up(poor) == []
    assert "the cap does not pay for another way: up to 1.44 USD" in poor[0].why
    freed = at(4.9, batch(held_pico=needed // 2), deadline=6.0, cap_left=needed // 2)
    assert given_up(freed) == ["w1"]


def test_late_batches_are_rescued_together() -> None:
    """Three of them take three hours in one lane, so they are given up three hours before."""
    three = [batch(work_id=f"w{n}", sent_at=0.0) for n in range(3)]
    assert given_up(at(3.0, three[0], deadline=6.0)) == []
    assert given_up(at(3.0, *three, deadline=6.0)) == ["w0", "w1", "w2"]


def test_after_the_deadline_too_a_batch_is_told_of() -> None:
    assert "the deadline has passed" in at(12.0)[0].why


def test_what_the_user_has_fixed_is_not_rescued_elsewhere() -> None:
    wished = at(4.9, batch(only=True), deadline=6.0)
    assert given_up(wished) == []
    assert "a batch is what was asked for" in wished[0].why
    other = [offer("a", "batch", 50), offer("b", "online", 100, rate=1.0)]
    assert given_up(at(4.9, deadline=6.0, offers=other)) == ["w1"]
    stays = at(4.9, batch(stays=True), deadline=6.0, offers=other)
    assert given_up(stays) == []
    assert "nobody answers this task in real time" in stays[0].why
