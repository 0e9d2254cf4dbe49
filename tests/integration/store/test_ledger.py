import asyncio
import gc
import os
import threading
import time
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llm_orchestrator.errors import ClosedError
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.writer import Committed
from tests.integration.store.data import attempt, call, read, settlement, wait_for

COUNTS = (
    "SELECT (SELECT COUNT(*) FROM attempts), (SELECT COUNT(*) FROM settlements),"
    " (SELECT COUNT(*) FROM calls)"
)


@pytest.fixture
async def ledger(store_url: str) -> AsyncIterator[Ledger]:
    ledger = Ledger(store_url)
    yield ledger
    await ledger.close()


async def one_call(ledger: Ledger, key: str) -> None:
    assert await ledger.intent(attempt(key)) is Committed.YES
    ledger.add(settlement(key))
    ledger.add(call(key))


async def test_intent_is_in_the_store_once_awaited(ledger: Ledger, store_url: str) -> None:
    row = attempt("1", hold_pico=5, session_id="ses_1", price_version="v1", tags='{"a":1}')
    assert await ledger.intent(row) is Committed.YES
    found = read(
        store_url,
        "SELECT attempt_id, call_id, session_id, number, provider, model, started_at, hold_pico,"
        " price_version, executor_id, category, strategy, user_id, tags FROM attempts",
    )
    own, filled = ("openai", "gpt-4o-mini", row.started_at, 5, "v1"), ledger.executor_id
    expected = ("att_1", "call_1", "ses_1", 1, *own, filled, "orchestration", None, None, '{"a":1}')
    assert found == [expected]


async def test_every_field_of_an_outcome_is_kept(ledger: Ledger, store_url: str) -> None:
    end = settlement(
        "1",
        status="truncated",
        error="TruncatedError",
        request_id="req_1",
        cache_read_tokens=1,
        cache_write_tokens=2,
        cache_write_1h_tokens=3,
        reasoning_tokens=4,
        usage_estimated=True,
        cost_source="estimate",
        first_token_us=7,
    )
    done = call("1", stream=True, fallback_used=True, routing_decision="{}", error="x", user_id="u")
    ledger.add(end)
    ledger.add(done)
    await ledger.flush()
    names = ", ".join(end.__struct_fields__)
    [found] = read(store_url, f"SELECT {names} FROM settlements")
    assert found == tuple(getattr(end, name) for name in end.__struct_fields__)
    names = ", ".join(done.__struct_fields__)
    [found] = read(store_url, f"SELECT {names} FROM calls")
    assert found == tuple(getattr(done, name) for name in done.__struct_fields__)


async def test_many_at_once_all_arrive(ledger: Ledger, store_url: str) -> None:
    await asyncio.gather(*(one_call(ledger, str(n)) for n in range(1000)))
    await ledger.flush()
    assert read(store_url, COUNTS) == [(1000, 1000, 1000)]


async def test_rows_of_all_shapes_go_in_one_group(ledger: Ledger, store_url: str) -> None:
    rows = [attempt(str(n), **({"user_id": "u"} if n % 3 else {"hold_pico": n})) for n in range(99)]
    assert set(await asyncio.gather(*map(ledger.intent, rows))) == {Committed.YES}
    found = read(store_url, "SELECT COUNT(*), COUNT(user_id), COUNT(hold_pico) FROM attempts")
    assert found == [(99, 66, 33)]


async def test_outcomes_need_no_further_intent(ledger: Ledger, store_url: str) -> None:
    await ledger.intent(attempt("1"))
    ledger.add(settlement("1"))
    await asyncio.to_thread(wait_for, store_url, "SELECT COUNT(*) FROM settlements", [(1,)])


async def test_a_row_written_twice_is_there_once(ledger: Ledger, store_url: str) -> None:
    for cost in (1, 2):
        await one_call(ledger, "1")
        ledger.add(settlement("1", cost_pico=cost))
    await ledger.flush()
    assert read(store_url, COUNTS) == [(1, 1, 1)]
    assert read(store_url, "SELECT cost_pico FROM settlements") == [(27_000_000,)]


async def test_a_cancelled_waiter_harms_nobody(ledger: Ledger, store_url: str) -> None:
    tasks = [asyncio.create_task(one_call(ledger, str(n))) for n in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results].count(asyncio.CancelledError) == 1
    await ledger.flush()
    assert read(store_url, COUNTS) == [(10, 9, 9)]


def test_several_loops_and_threads_share_one(store_url: str) -> None:
    ledger = Ledger(store_url)

    async def calls(name: int) -> None:
        await asyncio.gather(*(one_call(ledger, f"{name}-{n}") for n in range(50)))

    threads = [threading.Thread(target=asyncio.run, args=(calls(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.add(call("no loop"))  # from a thread that has no loop
    assert ledger.flush_sync(30) is Committed.YES
    ledger.close_sync()
    assert read(store_url, COUNTS) == [(200, 200, 201)]


def test_a_loop_that_ended_leaves_nothing_behind(store_url: str) -> None:
    ledger = Ledger(store_url)
    for n in range(3):
        asyncio.run(one_call(ledger, str(n)))  # its timer never fires
    ledger.close_sync()
    assert read(store_url, COUNTS) == [(3, 3, 3)]


def test_nothing_is_opened_before_the_first_row(store_url: str) -> None:
    ledger = Ledger(store_url)
    assert ledger.flush_sync() is Committed.YES
    ledger.close_sync()
    if store_url.startswith("sqlite"):
        assert not Path(store_url.removeprefix("sqlite:///")).exists()
    else:
        assert read(store_url, "SELECT to_regclass('calls')") == [(None,)]


async def test_close_writes_what_is_left_and_signs_off(store_url: str) -> None:
    ledger = Ledger(store_url)
    await one_call(ledger, "1")
    await ledger.close()
    assert read(store_url, COUNTS) == [(1, 1, 1)]
    assert read(store_url, "SELECT COUNT(*) FROM executors WHERE ended_at IS NULL") == [(0,)]
    with pytest.raises(ClosedError):
        ledger.intent(attempt("2"))
    await ledger.close()


async def test_outcomes_that_come_after_the_end_are_written(store_url: str) -> None:
    """They were paid for. They come from this loop, from threads, one by one and many at once."""
    ledger = Ledger(store_url)
    await asyncio.gather(*(ledger.intent(attempt(str(n))) for n in range(30)))
    await ledger.close()
    ledger.add(settlement("0"))
    ledger.add(call("0"))
    assert await ledger.flush() is Committed.YES
    assert read(store_url, COUNTS) == [(30, 1, 1)]

    def late(first: int) -> None:
        for n in range(first, first + 10):
            ledger.add(settlement(str(n)))
            ledger.add(call(str(n)))

    threads = [threading.Thread(target=late, args=(first,)) for first in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await asyncio.to_thread(wait_for, store_url, COUNTS, [(30, 30, 30)])
    assert read(store_url, "SELECT COUNT(*) FROM executors WHERE ended_at IS NULL") == [(0,)]


def test_closing_while_many_write(store_url: str) -> None:
    """Whatever the moment: nobody waits for ever, and no outcome is lost."""
    for _ in range(5):
        ledger = Ledger(store_url)
        outcomes: list[str] = []

        async def calls(name: str, ledger: Ledger, outcomes: list[str]) -> None:
            for n in range(1000):
                key = f"{ledger.executor_id}-{name}-{n}"
                try:
                    await ledger.intent(attempt(key))
                except ClosedError:
                    return
                ledger.add(settlement(key))
                outcomes.append(key)

        threads = [
            threading.Thread(target=asyncio.run, args=(calls(str(n), ledger, outcomes),))
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        while len(outcomes) < 20:
            time.sleep(0.001)
        ledger.close_sync()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert ledger.flush_sync(30) is Committed.YES
        mine = f"WHERE attempt_id LIKE 'att_{ledger.executor_id}%'"
        for rows in ("attempts", "settlements"):
            found = read(store_url, f"SELECT COUNT(*) FROM {rows} {mine}")
            assert found == [(len(outcomes),)]


def test_outcomes_of_a_loop_that_ended_do_not_wait_for_the_next_call(store_url: str) -> None:
    ledger = Ledger(store_url)
    asyncio.run(one_call(ledger, "1"))
    wait_for(store_url, COUNTS, [(1, 1, 1)])
    asyncio.run(add_only(ledger, "2"))
    wait_for(store_url, COUNTS, [(1, 2, 2)])
    ledger.close_sync()


async def add_only(ledger: Ledger, key: str) -> None:
    ledger.add(settlement(key))
    ledger.add(call(key))


@pytest.mark.usefixtures("new_garbage")
def test_loops_that_ended_are_let_go(store_url: str) -> None:
    ledger = Ledger(store_url)
    loops = [asyncio.new_event_loop() for _ in range(5)]
    for n, loop in enumerate(loops):
        loop.run_until_complete(one_call(ledger, str(n)))
        loop.close()
    ledger.flush_sync()
    gone = [weakref.ref(loop) for loop in loops]
    del loops, loop
    gc.collect()
    assert [ref() for ref in gone] == [None] * 5
    ledger.close_sync()


async def test_a_row_that_is_none_is_refused(ledger: Ledger) -> None:
    with pytest.raises(TypeError, match="AttemptRow"):
        ledger.add(attempt("1"))  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_forked_child_writes_for_itself(store_url: str) -> None:
    ledger = Ledger(store_url)
    await one_call(ledger, "parent")  # its outcome is still in memory when we fork
    parent = ledger.executor_id
    child = await asyncio.to_thread(fork_and_write, ledger)
    assert child == 0
    await one_call(ledger, "after")
    await ledger.close()
    assert read(store_url, COUNTS) == [(3, 3, 3)]
    writers = read(store_url, "SELECT attempt_id, executor_id FROM attempts ORDER BY 1")
    assert dict(writers)["att_after"] == dict(writers)["att_parent"] == parent
    assert dict(writers)["att_child"] != parent


def fork_and_write(ledger: Ledger) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(one_call(ledger, "child"))
            ledger.close_sync()
        finally:
            os._exit(0 if ledger.flush_sync(10) is Committed.YES else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def test_a_text_that_no_database_takes_is_cleaned(ledger: Ledger, store_url: str) -> None:
    bad = attempt("bad", model="\ud800 nul\0!")
    rows = [attempt("1"), bad, attempt("2")]
    assert set(await asyncio.gather(*map(ledger.intent, rows))) == {Committed.YES}
    found = dict(read(store_url, "SELECT attempt_id, model FROM attempts"))
    assert found.keys() == {"att_1", "att_bad", "att_2"}
    assert "\ud800" not in found["att_bad"]


async def test_a_row_that_cannot_be_stored_stops_no_other(
    ledger: Ledger, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [attempt("1"), attempt("huge", hold_pico=2**70), attempt("2")]
    assert Committed.NO in await asyncio.gather(*map(ledger.intent, rows))
    found = read(store_url, "SELECT attempt_id FROM attempts ORDER BY 1")
    assert found == [("att_1",), ("att_2",)]
    assert "set aside in" in caplog.text
