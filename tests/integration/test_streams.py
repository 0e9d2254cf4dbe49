"""Streams that break, stall, are left and are cancelled, over the simulator."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator, LLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.events import (
    ContinueEvent,
    FinishEvent,
    RestartEvent,
    StreamEvent,
    TextDelta,
)
from tests.integration.world import (
    HAIKU,
    HELLO,
    MINI,
    SLOW,
    all_of,
    booked,
    check_books,
    configuration,
    end_of,
    table,
)
from tests.waiting import until


async def collect(
    events: AsyncGenerator[StreamEvent, None],
) -> tuple[list[StreamEvent], E.OrchestratorError | None]:
    """The events, and the error that ended them."""
    found: list[StreamEvent] = []
    try:
        async for event in events:
            found.append(event)  # noqa: PERF401 - what came before an error counts
    except E.OrchestratorError as error:
        return found, error
    return found, None


def text(events: list[StreamEvent]) -> str:
    return "".join(map(str, events))


def of_kind(events: list[StreamEvent], *kinds: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


# ------------------------------------------------------------------ broken ones


@pytest.mark.parametrize("fault", ["server-error", "reset", "error-first", "bad-gateway"])
async def test_before_the_first_word_nobody_notices(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path, fault: str
) -> None:
    sim.add_fault(fault=fault, model=MINI)
    events, error = await collect(llm.send_streaming_request(HELLO))
    assert error is None
    assert not of_kind(events, RestartEvent, ContinueEvent)
    reply = end_of(events)
    assert (reply.provider, reply.content) == ("anthropic", text(events))
    assert {a.status for a in reply.attempts[:-1]} == {"error"}
    await booked(llm, sim, llmo_home)


@pytest.mark.parametrize("fault", ["cut", "cut-clean", "cut-reset", "error-mid", "stall"])
async def test_a_broken_stream_is_continued(sim: Simulator, llmo_home: Path, fault: str) -> None:
    """Haiku takes the beginning of its own turn, and goes on from there."""
    config = configuration(sim, timeouts={"idle": 0.3})
    sim.add_fault(fault=fault, model=MINI, after=10, seconds=5)
    async with AsyncLLMOrchestrator(config) as llm:
        events, error = await collect(llm.send_streaming_request(HELLO))
    assert error is None
    (told,) = of_kind(events, ContinueEvent)
    assert (told.provider, told.model) == ("anthropic", HAIKU)
    reply = end_of(events)
    assert reply.content == text(events)
    assert reply.finish_reason == "stop"
    assert [a.error for a in reply.attempts][-1] is None
    assert any("continued" in notice for notice in reply.notices)
    last = sim.log()[-1]
    assert last["last_role"] == "assistant"
    check_books(sim, llmo_home)
    broken, whole = table(llmo_home, "settlements")[-2:]
    assert (broken["status"] in ("truncated", "error"), whole["status"]) == (True, "ok")
    (call,) = table(llmo_home, "calls")
    assert (call["status"], call["fallback_used"]) == ("ok", 1)


async def test_the_seam_of_a_continued_text_has_one_space(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    sim.add_fault(fault="cut", model=MINI, after=10)
    events, _ = await collect(llm.send_streaming_request(HELLO))
    found = text(events)
    assert "  " not in found
    place = next(n for n, event in enumerate(events) if isinstance(event, ContinueEvent))
    before, after = text(events[:place]), text(events[place:])
    assert before.endswith(" ") or after.startswith((" ", ",", "."))


async def test_a_broken_stream_is_restarted(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    sim.add_fault(fault="cut", model=MINI, after=10)
    whole = await llm.send_request(HELLO, provider="anthropic")
    events, error = await collect(llm.send_streaming_request(HELLO, on_break="restart"))
    assert error is None
    place = next(n for n, event in enumerate(events) if isinstance(event, RestartEvent))
    assert text(events[:place])
    reply = end_of(events)
    assert text(events[place:]) == reply.content == whole.content
    assert any("begun again" in notice for notice in reply.notices)
    await booked(llm, sim, llmo_home)


async def test_where_the_next_cannot_continue_it_is_restarted(sim: Simulator) -> None:
    config = configuration(sim)
    config["providers"]["openai"]["fallback_models"] = ["gpt-4o"]
    sim.add_fault(fault="cut", model=MINI, after=10)
    async with AsyncLLMOrchestrator(config) as llm:
        events, error = await collect(llm.send_streaming_request(HELLO))
    assert error is None
    (told,) = of_kind(events, RestartEvent)
    assert told.model == "gpt-4o"
    assert end_of(events).content in text(events)


@pytest.mark.parametrize("fault", ["cut", "error-mid"])
async def test_a_broken_stream_fails_with_its_text(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path, fault: str
) -> None:
    sim.add_fault(fault=fault, model=MINI, after=10)
    events, error = await collect(llm.send_streaming_request(HELLO, on_break="fail"))
    assert error is not None
    assert text(events)
    assert error.text == text(events)
    assert len(error.attempts) == 1
    assert not of_kind(events, FinishEvent)
    await booked(llm, sim, llmo_home)
    (call,) = table(llmo_home, "calls")
    assert (call["status"], call["error"]) == ("error", type(error).__name__)
    (outcome,) = table(llmo_home, "settlements")
    assert outcome["usage_estimated"] == 1 or outcome["cost_source"] == "price"


async def test_where_all_break_the_text_so_far_is_in_the_error(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    sim.add_fault(fault="cut", model="*", after=10)
    events, error = await collect(llm.send_streaming_request(HELLO))
    assert isinstance(error, E.TruncatedError)
    assert error.text
    assert error.text in text(events)
    assert (error.provider, error.model) == ("openai", MINI)
    assert {a.status for a in error.attempts} == {"truncated"}
    await booked(llm, sim, llmo_home)


async def test_by_configuration(sim: Simulator) -> None:
    sim.add_fault(fault="cut", model=MINI, after=10)
    async with AsyncLLMOrchestrator(configuration(sim, stream={"on_break": "fail"})) as llm:
        _, error = await collect(llm.send_streaming_request(HELLO))
    assert isinstance(error, E.TruncatedError)


@pytest.mark.parametrize(
    "fault", ["malformed", "no-done", "no-usage", "double-finish", "split-utf8"]
)
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_blemishes_that_do_not_matter(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path, fault: str, provider: str
) -> None:
    sim.add_fault(fault=fault, provider=provider)
    events, error = await collect(llm.send_streaming_request(HELLO, provider=provider))
    assert error is None
    reply = end_of(events)
    assert len(reply.attempts) == 1
    assert reply.content == text(events)
    assert any("malformed" in notice for notice in reply.notices) == (fault == "malformed")
    assert "�" not in reply.content
    await booked(llm, sim, llmo_home)
    (outcome,) = table(llmo_home, "settlements")
    if outcome["cost_pico"] is None:
        assert fault == "no-usage"
    elif fault == "no-usage":
        assert outcome["usage_estimated"] == 1


async def test_a_server_that_does_not_stream_answers_all_the_same(
    llm: AsyncLLMOrchestrator, sim: Simulator
) -> None:
    """Its whole reply comes as one stream."""
    plain = await llm.send_request(HELLO)
    extra = {"stream": False, "stream_options": None}
    events = await all_of(llm.send_streaming_request(HELLO, extra=extra))
    assert text(events) == plain.content
    assert end_of(events).usage == plain.usage


async def test_a_slow_first_token_goes_elsewhere(sim: Simulator, llmo_home: Path) -> None:
    sim.add_fault(fault="slow-first", model=MINI, seconds=15)
    config = configuration(sim, timeouts={"first_token": 0.3})
    async with AsyncLLMOrchestrator(config) as llm:
        events = await all_of(llm.send_streaming_request(HELLO))
    reply = end_of(events)
    assert reply.provider == "anthropic"
    assert [(a.model, a.error) for a in reply.attempts] == [
        (MINI, "APITimeoutError"),
        (HAIKU, None),
    ], "a silent route is not asked twice"
    check_books(sim, llmo_home)


# ------------------------------------------------------------------ left and cancelled


async def started(llm: AsyncLLMOrchestrator) -> AsyncGenerator[StreamEvent, None]:
    """A stream that has said its first words."""
    events = llm.send_streaming_request(HELLO)
    async for event in events:
        if isinstance(event, TextDelta):
            return events
    raise AssertionError("it said nothing")


async def test_a_stream_that_is_left_is_booked_as_cancelled(llmo_home: Path) -> None:
    async with Simulator(latency=SLOW) as sim:
        async with AsyncLLMOrchestrator(configuration(sim)) as llm:
            async with aclosing(llm.send_streaming_request(HELLO)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        break
            await until(lambda: "client_gone" in sim.log()[0])
            assert llm.session.failed_calls == 1
        check_books(sim, llmo_home)
    (outcome,) = table(llmo_home, "settlements")
    (call,) = table(llmo_home, "calls")
    assert (outcome["status"], call["status"], call["error"]) == ("cancelled", "cancelled", None)
    assert (outcome["usage_estimated"], outcome["cost_source"]) == (1, "estimate")
    assert outcome["cost_pico"] > 0


async def test_a_stream_that_is_forgotten_is_cut_and_booked(llmo_home: Path) -> None:
    async with Simulator(latency=SLOW) as sim:
        async with AsyncLLMOrchestrator(configuration(sim)) as llm:
            events = await started(llm)
            del events  # the loop closes what nobody holds any more
            await until(lambda: "client_gone" in sim.log()[0])
            await until(lambda: llm.session.calls)
        check_books(sim, llmo_home)
    (call,) = table(llmo_home, "calls")
    assert call["status"] == "cancelled"


async def test_a_cancelled_stream_is_booked_as_cancelled(llmo_home: Path) -> None:
    async with Simulator(latency=SLOW) as sim:
        async with AsyncLLMOrchestrator(configuration(sim)) as llm:
            task = asyncio.ensure_future(all_of(llm.send_streaming_request(HELLO)))
            await until(sim.log)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        check_books(sim, llmo_home)
    (outcome,) = table(llmo_home, "settlements")
    (call,) = table(llmo_home, "calls")
    assert (outcome["status"], call["status"]) == ("cancelled", "cancelled")


async def test_what_the_reader_raises_is_no_failure_of_the_provider(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    async def use() -> None:
        async with aclosing(llm.send_streaming_request(HELLO)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()
    assert (await llm.send_request(HELLO)).provider == "openai"
    await booked(llm, sim, llmo_home)
    first, second = table(llmo_home, "settlements")
    assert (first["status"], second["status"]) == ("cancelled", "ok")


async def test_leaving_after_the_last_event_is_no_failure(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    events = llm.send_streaming_request(HELLO)
    async with aclosing(events):
        async for event in events:
            if hasattr(event, "reply"):
                break
    assert (llm.session.calls, llm.session.failed_calls) == (1, 0)
    await booked(llm, sim, llmo_home)
    (call,) = table(llmo_home, "calls")
    assert call["status"] == "ok"


async def test_a_slow_reader_loses_nothing(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    plain = await llm.send_request(HELLO)
    found = []
    async for event in llm.send_streaming_request(HELLO):
        found.append(event)
        await asyncio.sleep(0.002)
    assert text(found) == plain.content


# ------------------------------------------------------------------ wrong arguments


WRONG: list[tuple[dict[str, Any], type[E.OrchestratorError]]] = [
    ({"messages": ""}, E.InvalidRequestError),
    ({"temperature": 7}, E.InvalidRequestError),
    ({"chain": [MINI, MINI]}, E.InvalidRequestError),
    ({"provider": "nobody"}, E.OrchestratorError),
    ({"max_cost": -1}, E.InvalidRequestError),
    ({"max_cost": "0.000001"}, E.BudgetError),
    ({"on_break": "give up"}, E.InvalidRequestError),
]


@pytest.mark.parametrize(("wrong", "error"), WRONG)
async def test_wrong_arguments_are_told_at_the_call(
    llm: AsyncLLMOrchestrator, sim: Simulator, wrong: dict[str, Any], error: type[Exception]
) -> None:
    """Not only when the stream is read, far away."""
    arguments = {"messages": HELLO} | wrong
    with pytest.raises(error):
        llm.send_streaming_request(**arguments)
    assert sim.log() == []


@pytest.mark.parametrize(("wrong", "error"), WRONG)
def test_in_sync_code_as_well(wrong: dict[str, Any], error: type[Exception]) -> None:
    with Simulator().run_in_thread() as sim, LLMOrchestrator(configuration(sim)) as llm:
        arguments = {"messages": HELLO} | wrong
        with pytest.raises(error):
            llm.send_streaming_request(**arguments)


async def test_a_stream_takes_its_time_from_when_it_is_read(
    llm: AsyncLLMOrchestrator, llmo_home: Path
) -> None:
    events = llm.send_streaming_request(HELLO)
    await asyncio.sleep(0.01)
    began = time.time_ns() // 1000
    await all_of(events)
    await llm.close()
    (call,) = table(llmo_home, "calls")
    assert call["started_at"] >= began
