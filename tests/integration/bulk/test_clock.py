"""The clocks that runs live by."""

import asyncio
import time

import pytest

from llm_orchestrator.bulk.clock import SimulatedClock, SystemClock
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.simulator import Simulator


async def test_the_clock_of_a_simulator_is_followed(sim: Simulator) -> None:
    clock = SimulatedClock(sim.url)
    sim.advance(90 * 86_400)
    assert abs(clock.now() - sim.advance(0)) < 60
    sim.world.clock.hasten(1000)
    await clock.refresh()
    assert clock.speed == 1000
    began, at = time.monotonic(), clock.now()
    await clock.sleep(1000)
    assert clock.now() - at >= 1000
    assert time.monotonic() - began < 60
    assert abs(clock.wall() - time.time()) < 60


async def test_who_sleeps_wakes_when_the_clock_is_turned(sim: Simulator) -> None:
    clock = SimulatedClock(sim.url)
    sleeper = asyncio.create_task(clock.sleep(7200))
    await asyncio.sleep(0.05)
    assert not sleeper.done()
    sim.advance(7300)
    await asyncio.wait_for(sleeper, 60)


async def test_nobody_tells_the_time() -> None:
    clock = SimulatedClock("http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="no simulator tells the time at http://127"):
        await clock.refresh()


async def test_the_system_clock() -> None:
    clock = SystemClock()
    await clock.refresh()
    assert clock.speed == 1
    assert abs(clock.now() - time.time()) < 60
    assert clock.wall() <= time.time()
    began = time.monotonic()
    await clock.sleep(0.02)
    await clock.sleep(-5)
    assert time.monotonic() - began >= 0.02
