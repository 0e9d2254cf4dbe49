"""The nightly run comes once a night: also when clocks change, and with many workers."""

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from llm_orchestrator.bulk.queue.nights import Nights
from llm_orchestrator.store.bulk import BulkStore

BERLIN = ZoneInfo("Europe/Berlin")


class SetClock:
    """Stands where it is put."""

    speed = 1.0

    def __init__(self, at: dt.datetime) -> None:
        self.at = at.timestamp()

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds

    async def refresh(self) -> None:
        return


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def store(url: str) -> Iterator[BulkStore]:
    store = BulkStore(url)
    yield store
    store.close()


def begun(
    store: BulkStore, time: dt.time, first: dt.datetime, hours: int, step_s: int = 60
) -> list[str]:
    """When nights begin, as clocks on the wall say, while time goes by in such steps."""
    clock = SetClock(first)
    nights = Nights(time, BERLIN, clock)
    found = []
    store.nights.skip("nightly", nights.latest().isoformat(), at=0)
    for _ in range(hours * 3600 // step_s):
        date = nights.latest().isoformat()
        at = int(clock.at * 1e6)
        if store.nights.begin("nightly", date, "me", 60.0, at=at):
            store.nights.end("nightly", date, at=at, jobs=0)
            found.append(dt.datetime.fromtimestamp(clock.at, BERLIN).strftime("%d %H:%M %z"))
        clock.at += step_s
    return found


def at(month: int, day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


def test_once_in_a_night_with_two_o_clock_twice(store: BulkStore) -> None:
    found = begun(store, dt.time(2, 30), at(10, 24, 12), 48)
    assert found == ["25 02:30 +0200", "26 02:30 +0100"]


def test_once_in_a_night_without_two_o_clock(store: BulkStore) -> None:
    found = begun(store, dt.time(2, 30), at(3, 28, 12), 48)
    assert found == ["29 03:30 +0200", "30 02:30 +0200"]


def test_a_worker_that_starts_between_the_two_does_not_run_the_night_before(
    store: BulkStore,
) -> None:
    first = dt.datetime(2026, 10, 25, 2, 40, tzinfo=BERLIN)  # the first 02:40
    assert begun(store, dt.time(2, 30), first, 6) == []


def test_a_look_after_midnight_still_sees_the_night(store: BulkStore) -> None:
    found = begun(store, dt.time(23, 59), at(6, 1, 23, 58), 24, step_s=300)
    assert found == ["02 00:03 +0200"]


def test_a_night_that_was_slept_through_is_made_up_for_once(store: BulkStore) -> None:
    assert begun(store, dt.time(2), at(6, 1, 12), 20) == ["02 02:00 +0200"]
    # All workers were down for three days.
    assert begun(store, dt.time(2), at(6, 5, 12), 20) == ["05 12:00 +0200", "06 02:00 +0200"]


def test_two_workers_at_once_begin_a_night_once(url: str) -> None:
    won: list[str] = []
    ready = threading.Barrier(8)

    def work(name: str) -> None:
        store = BulkStore(url)
        store.nights.listed("nightly")  # the schema is there, and the connection
        for day in range(10, 20):
            ready.wait(30)
            if store.nights.begin("nightly", f"2026-06-{day}", name, 60.0, at=1):
                won.append(f"2026-06-{day}")
        store.close()

    BulkStore(url).close()
    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [f"2026-06-{day}" for day in range(10, 20)]


def test_the_night_of_a_worker_that_died_is_taken_over(store: BulkStore) -> None:
    assert store.nights.begin("nightly", "2026-06-01", "dead", -1.0, at=7)
    found = store.nights.take_over("nightly", "other", 60.0)
    assert found is not None
    assert (found.local_date, found.begun_at) == ("2026-06-01", 7)
    assert store.nights.take_over("nightly", "third", 60.0) is None, "it is leased"
    store.nights.end("nightly", "2026-06-01", at=9, jobs=3)
    assert store.nights.take_over("nightly", "third", 60.0) is None, "it is over"
    assert store.nights.listed("nightly")[0].jobs == 3
    assert not store.nights.begin("nightly", "2026-05-31", "me", 60.0, at=1), "an earlier one"


def test_a_night_that_somebody_is_at_is_not_taken_over_by_another_thread(store: BulkStore) -> None:
    assert store.nights.begin("nightly", "2026-06-01", "me", 60.0, at=7)
    assert store.nights.take_over("nightly", "me", 60.0) is None
    assert store.nights.take_over("nightly", "other", 60.0) is None


def test_what_two_have_made_of_a_night_is_added(store: BulkStore) -> None:
    assert store.nights.begin("nightly", "2026-06-01", "slow", -1.0, at=7)
    assert store.nights.take_over("nightly", "other", 60.0) is not None
    store.nights.end("nightly", "2026-06-01", at=9, jobs=2)
    store.nights.end("nightly", "2026-06-01", at=10, jobs=3)
    (night,) = store.nights.listed("nightly")
    assert (night.ended_at, night.jobs) == (9, 5)
