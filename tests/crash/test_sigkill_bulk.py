"""Workers of bulk runs are killed between any two steps, and at random; LLMO_KILLS says how often.

No batch is paid twice, no row and no result is lost, and our ledger is the provider's.
"""

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_orchestrator.simulator import Simulator
from tests.crash.bulk_books import ENDED_IN, POINTS, Books, Crowd, randomly, simulator, until_over

KILLS = int(os.environ.get("LLMO_KILLS", "12"))
ALL = ("openai", "anthropic", "perplexity")
"""With a tag, without one, and with a key that makes creation idempotent."""
LONG = KILLS > 50
EACH = [(name,) for name in ALL] if LONG else [ALL]
Record = Callable[[str, object], None]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with simulator().run_in_thread() as running:
        yield running


POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, int]:
    """The store, and how many work at it at once."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url"), 3
    return f"sqlite:///{tmp_path / 'ledger.db'}", 1


@pytest.fixture(params=EACH, ids=",".join)
def crowd(
    request: pytest.FixtureRequest, sim: Simulator, place: tuple[str, int], tmp_path: Path
) -> Iterator[Crowd]:
    with Crowd(sim, place[0], tmp_path / "rows", request.param) as made:
        yield made


def tell(crowd: Crowd, record_property: Record) -> None:
    books = Books(crowd)
    store = crowd.store.target.kind
    record_property("figures", f"{', '.join(crowd.names)} on {store}: {books.figures()}")
    books.check()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", ["sqlite", POSTGRES] if LONG else ["sqlite"], indirect=True)
def test_killed_at_every_point(crowd: Crowd, record_property: Record) -> None:
    reached = set()
    for number, point in enumerate(POINTS):
        crowd.feed(12)
        times = 1 + number % len(crowd.names)
        if state := ENDED_IN.get(point):
            if point == "given-up":
                assert crowd.wait(crowd.go("added")) < 0
            crowd.cancel_one(state)
            times = 1
        ended = crowd.wait(crowd.go(f"{point}:{times}"))
        assert ended in {0, -signal.SIGKILL}
        if ended:
            crowd.kills += 1
            reached.add(point)
    until_over(crowd)
    # A unit is looked for only after a death, and adopted only if it was there.
    assert set(POINTS) - reached <= {"listed", "adopted", "cancelled"}
    tell(crowd, record_property)


@pytest.mark.timeout(600 + 10 * KILLS)
@pytest.mark.parametrize("place", ["sqlite", POSTGRES], indirect=True)
def test_killed_at_random(crowd: Crowd, place: tuple[str, int], record_property: Record) -> None:
    randomly(crowd, max(KILLS, 200) if LONG else KILLS, place[1], random.Random(7), 0.5)
    tell(crowd, record_property)
