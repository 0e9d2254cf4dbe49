"""A loop in a thread, asked from many threads, that ends."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from llm_orchestrator.bulk.background import BackgroundRunner
from llm_orchestrator.config import load
from llm_orchestrator.errors import ClosedError


@pytest.fixture
def hectic() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hectic")
def test_nobody_waits_for_ever_for_one_that_is_closed() -> None:
    for _ in range(50):
        background = BackgroundRunner(load(env={}))
        background.call(asyncio.sleep(0))

        def ask(background: BackgroundRunner = background) -> None:
            while True:
                try:
                    background.call(asyncio.sleep(0))
                except (ClosedError, CancelledError):
                    return

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        background.close()
        for thread in threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in threads)


def test_what_is_under_way_is_cancelled() -> None:
    background = BackgroundRunner(load(env={}))
    ended = []

    def ask() -> None:
        try:
            background.call(asyncio.sleep(60))
        except BaseException as error:  # noqa: BLE001 - whichever it is
            ended.append(type(error).__name__)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    while not background._calls:  # until it is under way
        pass
    background.close()
    thread.join(20)
    assert ended == ["CancelledError"]
    with pytest.raises(ClosedError):
        background.call(asyncio.sleep(0))
