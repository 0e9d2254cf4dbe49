"""Workers of bulk runs are killed between any two steps, and at random; LLMO_KILLS says how often.

No batch is paid twice, no row and no result is lost, and our ledger is the provider's.
"""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_orchestrator.simulator import Simulator
from tests.crash.bulk_books import POINTS, Books, Crowd, randomly, simulator, until_over

KILLS = int(os.environ.get("LLMO_KILLS", "12"))
LONG = KILLS > 50
NAMES = ("openai", "anthropic", "perplexity")
"""With a tag, without one, and with a key that makes creation idempotent."""
Record = Callable[[str, object], None]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with simulator().run_in_thread() as running:
        yield running


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.mark.timeout(300)
def test_killed_at_every_point(
    sim: Simulator, tmp_path: Path, sqlite_url: str, record_property: Record
) -> None:
    with Crowd(sim, sqlite_url, tmp_path / "rows", NAMES) as crowd:
        for number, point in enumerate(POINTS):
            crowd.feed(12)
            pid = crowd.go(f"{point}:{1 + number % 3}")
            ended = crowd.wait(pid)
            if ended == -9:
                crowd.kills += 1
            else:
                assert ended == 0
        until_over(crowd)
        books = Books(crowd)
    record_property("figures", books.figures())
    print(books.figures())
    books.check()


@pytest.mark.timeout(600 + 10 * KILLS)
def test_killed_at_random(
    sim: Simulator, tmp_path: Path, sqlite_url: str, record_property: Record
) -> None:
    with Crowd(sim, sqlite_url, tmp_path / "rows", NAMES) as crowd:
        randomly(crowd, KILLS, 1, random.Random(7), 0.6)
        books = Books(crowd)
    record_property("figures", books.figures())
    print(books.figures())
    books.check()
