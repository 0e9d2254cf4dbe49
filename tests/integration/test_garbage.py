"""What ended calls leave behind: nothing that waits for the garbage collector, and no open file."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, LLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.transport.http import HTTPTransport
from tests.integration.world import HELLO, MINI, configuration
from tests.waiting import until


@pytest.fixture
def left(new_garbage: None) -> Iterator[Callable[[], list[object]]]:
    """Gives the errors and calls that nobody let go of since the test began."""

    def found() -> list[object]:
        return [one for one in gc.get_objects() if isinstance(one, E.OrchestratorError | Call)]

    del new_garbage
    gc.disable()
    yield found
    gc.enable()


async def ask(llm: AsyncLLMOrchestrator, kind: str) -> None:
    try:
        match kind:
            case "plain":
                await llm.send_request(HELLO)
            case "vectors":
                await llm.embed("a", model="text-embedding-3-small")
            case _:
                async for _ in llm.send_streaming_request(HELLO):
                    pass
    except E.OrchestratorError:
        pass


@pytest.mark.parametrize("transport", [DirectTransport, HTTPTransport])
@pytest.mark.parametrize("kind", ["plain", "stream", "vectors"])
@pytest.mark.parametrize(
    ("fault", "more"),
    [
        ("server-error", {"count": 1}),  # rescued
        ("server-error", {}),  # not to be rescued
        ("reset", {}),
        ("cut", {"after": 10}),
        ("error-mid", {"after": 10}),
        ("silence", {"seconds": 30}),
        ("content-filter", {}),
    ],
)
async def test_no_circles(
    sim: Simulator,
    left: Callable[[], list[object]],
    transport: Any,
    kind: str,
    fault: str,
    more: dict[str, Any],
) -> None:
    config = configuration(sim, timeouts={"total": 0.2})
    sim.add_fault(fault=fault, **more)
    async with AsyncLLMOrchestrator(config, transport=transport()) as llm:
        await ask(llm, kind)
    await until(lambda: not left())


async def test_no_circles_after_a_stream_that_was_left(
    sim: Simulator, left: Callable[[], list[object]]
) -> None:
    sim.add_fault(fault="stall", model=MINI, after=3, seconds=30)
    async with AsyncLLMOrchestrator(configuration(sim)) as llm:
        async for event in llm.send_streaming_request(HELLO):
            if str(event):
                break
    await until(lambda: not left())


@pytest.mark.parametrize("fault", ["server-error", "cut"])
def test_no_circles_from_sync_code(left: Callable[[], list[object]], fault: str) -> None:
    with Simulator().run_in_thread() as sim:
        sim.add_fault(fault=fault)
        with LLMOrchestrator(configuration(sim)) as llm:
            with suppress(E.OrchestratorError):
                llm.send_request(HELLO)
            with suppress(E.OrchestratorError):
                for _ in llm.send_streaming_request(HELLO, on_break="fail"):
                    pass
    asyncio.run(until(lambda: not left()))  # a thread may still be about to let go


async def test_the_cost_log_is_closed(sim: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "costs.jsonl"
    config = configuration(sim, cost_tracking={"log_path": str(path)})
    async with AsyncLLMOrchestrator(config) as llm:
        await llm.send_request(HELLO)
        events = llm.send_streaming_request(HELLO)
        await anext(events)
        assert held(path) == 1
    await events.aclose()  # booked after the end
    assert held(path) == 0
    assert len(path.read_text().splitlines()) == 2


def held(path: Path) -> int:
    """How often this process has the file open."""
    count = 0
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += file.readlink() == path
    return count
