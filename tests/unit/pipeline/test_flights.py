"""One asks for all; whatever happens to that one, nobody waits for ever."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from llm_orchestrator.pipeline.flights import Flights, Lead, Turn
from llm_orchestrator.store.cache_rows import Found

FOUND = Found(b"{}", 0, 10**18)


class Asker:
    """Asks as the cache does, and counts how often it had to send."""

    def __init__(self, flights: Flights, send: Callable[[int], Awaitable[Found | None]]) -> None:
        self.flights = flights
        self.sent = 0
        self._send = send

    async def ask(self, key: str = "k") -> Found | None:
        turn = await self.flights.turn(key)
        if isinstance(turn, Found):
            return turn
        self.sent += 1
        try:
            found = await self._send(self.sent)
        except BaseException as error:
            if isinstance(turn, Lead):
                self.flights.lost(turn, failed=isinstance(error, ValueError))
            raise
        if isinstance(turn, Lead):
            if found is None:
                self.flights.lost(turn, failed=True)
            else:
                self.flights.landed(turn, found)
        return found


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_sends_for_all() -> None:
    go = asyncio.Event()

    async def send(_: int) -> Found:
        await go.wait()
        return FOUND

    asker = Asker(Flights(), send)
    tasks = [asyncio.create_task(asker.ask()) for _ in range(50)]
    await settle()
    other = asyncio.create_task(asker.ask("other"))
    await settle()
    assert asker.sent == 2
    go.set()
    assert await asyncio.gather(*tasks, other) == [FOUND] * 51
    assert asker.sent == 2
    assert len(asker.flights) == 0


async def test_after_a_failure_one_takes_over() -> None:
    async def send(number: int) -> Found:
        await asyncio.sleep(0)
        if number == 1:
            raise ValueError
        return FOUND

    asker = Asker(Flights(), send)
    done = await asyncio.gather(*(asker.ask() for _ in range(20)), return_exceptions=True)
    assert [type(one) for one in done] == [ValueError] + [Found] * 19
    assert asker.sent == 2
    assert len(asker.flights) == 0


async def test_after_two_failures_each_goes_alone() -> None:
    async def send(_: int) -> Found:
        await asyncio.sleep(0)
        raise ValueError

    asker = Asker(Flights(), send)
    done = await asyncio.gather(*(asker.ask() for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in done} == {ValueError}
    assert asker.sent == 20, "as it would be without a cache"
    assert len(asker.flights) == 0


async def test_what_cannot_be_shared_is_asked_by_each() -> None:
    async def send(_: int) -> None:
        await asyncio.sleep(0)

    asker = Asker(Flights(), send)
    assert await asyncio.gather(*(asker.ask() for _ in range(5))) == [None] * 5
    assert asker.sent == 5


async def test_cancelled_ones_hand_over_however_many_they_are() -> None:
    go = asyncio.Event()

    async def send(_: int) -> Found:
        await go.wait()
        return FOUND

    asker = Asker(Flights(), send)
    tasks = [asyncio.create_task(asker.ask()) for _ in range(10)]
    await settle()
    for number, task in enumerate(tasks[:9], 1):
        task.cancel()
        await settle()
        assert asker.sent == number + 1, "the next one in line sends"
    go.set()
    assert await tasks[9] == FOUND


async def test_one_that_is_cancelled_as_its_turn_comes_hands_over() -> None:
    flights = Flights()
    first = await flights.turn("k")
    assert isinstance(first, Lead)
    tasks = [asyncio.create_task(flights.turn("k")) for _ in range(2)]
    await settle()
    flights.lost(first, failed=False)
    tasks[0].cancel()  # it has been given the turn and has not run yet
    await settle()
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].result(), Lead)


async def test_one_that_waits_and_is_cancelled_takes_nothing_along() -> None:
    flights = Flights()
    first = await flights.turn("k")
    assert isinstance(first, Lead)
    waiting = asyncio.create_task(flights.turn("k"))
    await settle()
    waiting.cancel()
    await settle()
    flights.lost(first, failed=False)
    assert len(flights) == 0
    assert isinstance(await flights.turn("k"), Lead)


async def test_a_reader_that_stopped_reading_stops_nobody() -> None:
    flights = Flights(look_s=0.01)
    slow = await flights.turn("k")
    assert isinstance(slow, Lead)
    slow.paused = True
    waiting = asyncio.create_task(flights.turn("k"))
    turn = await asyncio.wait_for(waiting, 20)
    assert isinstance(turn, Lead)
    flights.lost(slow, failed=True)  # it has lost its turn already
    third = asyncio.create_task(flights.turn("k"))
    await settle()
    flights.landed(turn, FOUND)
    assert await third == FOUND


async def test_a_reader_that_reads_on_keeps_its_turn() -> None:
    flights = Flights(look_s=0.01)
    lead = await flights.turn("k")
    assert isinstance(lead, Lead)
    waiting = asyncio.create_task(flights.turn("k"))
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.1
    while loop.time() < until:
        lead.progress += 1
        lead.paused = True
        await asyncio.sleep(0)
        lead.paused = False
        assert not waiting.done()
    flights.landed(lead, FOUND)
    assert await waiting == FOUND


async def test_what_a_stalled_one_brings_late_is_still_given_to_those_who_wait() -> None:
    flights = Flights(look_s=0.01)
    slow = await flights.turn("k")
    assert isinstance(slow, Lead)
    slow.paused = True
    first = asyncio.create_task(flights.turn("k"))
    await asyncio.wait_for(first, 20)
    second = asyncio.create_task(flights.turn("k"))
    await settle()
    flights.landed(slow, FOUND)
    assert await second == FOUND
    assert len(flights) == 0


def test_loops_do_not_wait_for_each_other() -> None:
    flights = Flights()

    async def lead() -> Turn:
        return await flights.turn("k")

    async def inside() -> Turn:
        assert isinstance(await flights.turn("k"), Lead)
        return await asyncio.to_thread(asyncio.run, lead())

    assert asyncio.run(inside()) == "alone"
    # The loop of the first one is closed, and it never said how it ended.
    assert isinstance(asyncio.run(lead()), Lead)


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_everybody_ends(seed: int) -> None:
    dice = Random(seed)
    keys = [f"k{dice.randrange(3)}" for _ in range(60)]

    async def send(_: int) -> Found | None:
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        match dice.randrange(4):
            case 0:
                raise ValueError
            case 1:
                return None
        return FOUND

    asker = Asker(Flights(look_s=0.01), send)
    tasks = [asyncio.create_task(asker.ask(key)) for key in keys]
    while not all(task.done() for task in tasks):
        if dice.randrange(3) == 0:
            dice.choice(tasks).cancel()
        await asyncio.sleep(0)
    kinds = {
        type(task.exception()) if not task.cancelled() else asyncio.CancelledError for task in tasks
    }
    assert kinds <= {type(None), ValueError, asyncio.CancelledError}
    assert len(asker.flights) == 0


@pytest.mark.usefixtures("new_garbage")
async def test_a_flight_leaves_nothing_behind() -> None:
    flights = Flights()
    lead = await flights.turn("k")
    assert isinstance(lead, Lead)
    waiting = [asyncio.create_task(flights.turn("k")) for _ in range(3)]
    await settle()
    flights.landed(lead, FOUND)
    await asyncio.gather(*waiting)
    del lead, waiting
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Lead)]
