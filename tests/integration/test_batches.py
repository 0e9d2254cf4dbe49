"""Batches of every provider over the simulator: from rows to results, and what they cost."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from llm_orchestrator.catalog.pricing import cost
from llm_orchestrator.dialects.batch import perhaps_accepted
from llm_orchestrator.errors import (
    APIConnectionError,
    BadReplyError,
    InvalidRequestError,
    OrchestratorError,
    RateLimitError,
    ServerError,
    UnsupportedError,
)
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.batch import BatchResult, BatchState
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.usage import Usage
from tests.conformance.rows import CATALOG
from tests.integration.batching import (
    ENDLESS,
    HOUR,
    NAMES,
    NOTHING_PARTIAL,
    SILENT,
    UNPRICED,
    UNTAGGED,
    WHOLE,
    Account,
    asks,
    texts,
)

Open = Callable[..., Account]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
async def at(sim: Simulator, tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Account] = []

    def make(name: str, model: str = "") -> Account:
        opened.append(Account(sim, name, tmp_path, model))
        return opened[-1]

    yield make
    for account in opened:
        await account.close()


def paid(account: Account, result: BatchResult) -> int | None:
    """What the row cost, as far as we know: as reported, else by the price of batches."""
    response = result.response
    if response is not None and response.reported_cost is not None:
        return response.reported_cost
    if result.usage is None:
        return None
    return cost(result.usage, account.target.model, tier="batch")


@pytest.mark.parametrize("name", NAMES)
async def test_from_rows_to_results(at: Open, name: str) -> None:
    account = at(name)
    now = account.sim.advance(0)
    status = await account.submit(asks(30))
    assert not status.state.over
    status = await account.ended(status)
    assert status.state is BatchState.COMPLETED
    counts = (status.total, status.completed, status.failed)
    assert counts == ((None, None, None) if name in SILENT else (30, 30, 0))
    assert status.created_at is not None
    assert abs(status.created_at - now) < HOUR
    assert status.ended_at is not None
    assert status.ended_at >= status.created_at
    found = await account.results(status)
    assert found.keys() == {f"r{number}" for number in range(30)}
    assert {one.outcome for one in found.values()} == {"succeeded"}
    assert all(one.response and one.response.text for one in found.values())
    bill = account.bill(status)
    assert bill["billed"] == 30
    costs = [paid(account, one) for one in found.values()]
    if name in UNPRICED:
        assert set(costs) == {None}
    else:
        assert sum(one or 0 for one in costs) == bill["cost_pico"] > 0


@pytest.mark.parametrize(
    ("name", "model", "percent"),
    [
        ("openai", "gpt-4o-mini", 50),
        ("anthropic", "claude-haiku-4-5", 50),
        ("gemini", "gemini-2.5-flash", 50),
        ("vertex", "gemini-2.5-flash", 50),
        ("mistral", "mistral-small-latest", 50),
        ("groq", "llama-3.1-8b-instant", 50),
        ("bedrock", "", 50),
        ("deepinfra", "meta-llama/Llama-3.3-70B-Instruct", 20),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", 50),
        ("together", "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", 0),
    ],
)
async def test_what_is_taken_off_is_what_the_model_has(
    at: Open, name: str, model: str, percent: int
) -> None:
    account = at(name)
    found = CATALOG.resolve(model, name) if model else account.target.model
    account.target = Candidate(account.target.provider, found)
    status = await account.ended(await account.submit(asks(4)))
    used = [one.usage for one in (await account.results(status)).values() if one.usage]
    live = sum(cost(one, found) or 0 for one in used)
    owed = sum(cost(one, found, tier="batch") or 0 for one in used)
    assert owed == account.bill(status)["cost_pico"] == live * (100 - percent) // 100 > 0
    cached = Usage(1000, 0, cache_read_tokens=1000)
    if name == "vertex":  # the price of cached tokens is not halved once more
        assert cost(cached, found, tier="batch") == cost(cached, found)


@pytest.mark.parametrize("name", NAMES)
async def test_a_batch_is_found_by_its_mark(at: Open, name: str) -> None:
    account = at(name)
    wire = account.target.provider.batch
    assert wire is not None
    since = account.sim.advance(0) - 60
    orders = [await account.order(asks(2, 10 * n), f"j{n}") for n in range(5)]
    made = [await account.drive(account.dialect.create(order, account.target)) for order in orders]
    listed = await account.known(since)
    assert {one.id for one in listed} == {one.id for one in made}
    for order, status in zip(orders, made, strict=True):
        mark = wire.mark(order)
        assert (mark is None) is (name in UNTAGGED)
        if mark is not None:
            assert [one.id for one in await account.known(since, mark)] == [status.id]
    account.sim.advance(2 * HOUR)
    assert await account.known(account.sim.advance(0) - HOUR) == []


@pytest.mark.parametrize("name", NAMES)
async def test_lists_are_read_page_by_page(at: Open, name: str) -> None:
    account = at(name)
    since = account.sim.advance(0) - 60
    order = await account.order(asks(1))
    made = [
        await account.drive(
            account.dialect.create(msgspec.structs.replace(order, tag=f"p{n}"), account.target)
        )
        for n in range(105)
    ]
    listed = await account.known(since)
    assert sorted(one.id for one in listed) == sorted(one.id for one in made)


@pytest.mark.parametrize("name", NAMES)
async def test_a_list_in_another_order_is_read_to_its_end(at: Open, name: str) -> None:
    account = at(name)
    account.sim.add_fault(fault="oldest-first", provider=name)
    order = await account.order(asks(1))

    async def make(tag: str) -> str:
        again = msgspec.structs.replace(order, tag=tag)
        account.sim.advance(1)
        return (await account.drive(account.dialect.create(again, account.target))).id

    for n in range(103):
        await make(f"old{n}")
    since = account.sim.advance(10 * HOUR) - 60
    made = [await make(f"new{n}") for n in range(2)]
    assert sorted(one.id for one in await account.known(since)) == sorted(made)


@pytest.mark.parametrize("name", NAMES)
async def test_what_was_answered_before_a_cancellation_is_read_and_paid(
    at: Open, name: str
) -> None:
    account = at(name)
    account.sim.set_batches(queue=0, item=10, validation=1)
    status = await account.submit(asks(60))
    account.sim.advance(200)
    if name in ENDLESS:
        with pytest.raises(UnsupportedError, match="cancelling"):
            await account.drive(account.dialect.cancel(status.id, account.target))
        return
    status = await account.drive(account.dialect.cancel(status.id, account.target))
    assert not status.state.over or status.state is BatchState.CANCELLED
    account.sim.advance(60)
    status = await account.poll(status)
    assert status.state is BatchState.CANCELLED
    found = await account.results(status)
    done = [one for one in found.values() if one.outcome == "succeeded"]
    left = [one for one in found.values() if one.outcome != "succeeded"]
    bill = account.bill(status)
    if name in NOTHING_PARTIAL:
        assert found == {}
        return
    assert 0 < len(done) == bill["billed"] < 60
    assert {one.outcome for one in left} <= {"cancelled"}
    if name not in UNPRICED:
        assert sum(paid(account, one) or 0 for one in done) == bill["cost_pico"]


@pytest.mark.parametrize("name", NAMES)
async def test_what_was_answered_before_the_end_of_time_is_read(at: Open, name: str) -> None:
    account = at(name)
    account.sim.add_fault(fault="batch-expired", provider=name)
    status = await account.ended(await account.submit(asks(20)), hours=200)
    # One wire has no such state: a batch that was too slow has failed there.
    assert status.state is (BatchState.FAILED if name == "cohere" else BatchState.EXPIRED)
    found = await account.results(status)
    done = [one for one in found.values() if one.outcome == "succeeded"]
    if name in NOTHING_PARTIAL:
        assert found == {}
        return
    assert len(done) == account.bill(status)["billed"] == 10
    assert {one.outcome for one in found.values()} <= {"succeeded", "expired"}


@pytest.mark.parametrize("name", NAMES)
async def test_rows_fail_one_by_one(at: Open, name: str) -> None:
    account = at(name)
    account.sim.add_fault(fault="item-errors", provider=name, share=0.25)
    status = await account.ended(await account.submit(asks(20)))
    assert status.state is BatchState.COMPLETED
    found = await account.results(status)
    assert len(found) == 20
    failed = [one for one in found.values() if one.outcome != "succeeded"]
    assert len(failed) == 5
    assert {one.outcome for one in failed} == {"retryable"}
    assert all(isinstance(one.error, ServerError) for one in failed)


@pytest.mark.parametrize("name", NAMES)
async def test_rows_that_are_wrong_say_that_they_would_fail_again(at: Open, name: str) -> None:
    account = at(name)
    items = [*asks(3), *asks(1, 3, extra={"temperature": "hot", "generationConfig": 7})]
    try:
        status = await account.ended(await account.submit(items))
    except InvalidRequestError:
        return  # refused as a whole, before there was a batch
    if status.state is BatchState.FAILED:
        assert status.error
        return
    found = await account.results(status)
    assert {key: one.outcome for key, one in found.items()} == {
        "r0": "succeeded",
        "r1": "succeeded",
        "r2": "succeeded",
        "r3": "failed",
    }
    assert isinstance(found["r3"].error, InvalidRequestError)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["unknown-ids", "doubled-results", "missing-results"])
async def test_results_that_are_not_what_was_asked_for(at: Open, name: str, fault: str) -> None:
    account = at(name)
    account.sim.add_fault(fault=fault, provider=name, share=0.5)
    status = await account.ended(await account.submit(asks(8)))
    outputs = await account.drive(account.dialect.results(status, account.target))
    found = [
        one.custom_id
        for output in outputs
        for one in account.read(output)
        if one.outcome == "succeeded"
    ]
    expected = {"unknown-ids": 12, "doubled-results": 12, "missing-results": 4}
    assert len(found) == expected[fault]
    assert (len(set(found)) == len(found)) is (fault != "doubled-results")


@pytest.mark.parametrize("name", NAMES)
async def test_results_that_say_nothing_of_what_they_used_have_no_cost(at: Open, name: str) -> None:
    account = at(name)
    account.sim.add_fault(fault="unmetered-results", provider=name, share=0.5)
    status = await account.ended(await account.submit(asks(8)))
    found = await account.results(status)
    assert {one.outcome for one in found.values()} == {"succeeded"}
    unknown = [one for one in found.values() if paid(account, one) is None]
    assert len(unknown) == (8 if name in UNPRICED else 4)
    assert sum(one.usage is None for one in found.values()) == 4


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WHOLE])
async def test_garbage_among_the_results_is_counted(at: Open, name: str) -> None:
    account = at(name)
    account.sim.add_fault(fault="garbage-results", provider=name, share=0.5)
    status = await account.ended(await account.submit(asks(8)))
    outputs = await account.drive(account.dialect.results(status, account.target))
    found = [one for output in outputs for one in account.read(output)]
    broken = [one for one in found if one.outcome != "succeeded"]
    assert broken
    assert all(isinstance(one.error, BadReplyError) for one in broken)


async def test_results_that_are_gone_are_an_error(at: Open) -> None:
    account = at("openai")
    account.sim.add_fault(fault="lost-results")
    status = await account.ended(await account.submit(asks(2)))
    with pytest.raises(OrchestratorError) as caught:
        await account.results(status)
    assert caught.value.status_code == 404


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["lost-reply", "lost-reply-reset", "error-after-accept"])
async def test_a_creation_whose_reply_is_lost_is_sent_once_and_found_again(
    at: Open, name: str, fault: str
) -> None:
    account = at(name)
    wire = account.target.provider.batch
    assert wire is not None
    order = await account.order(asks(3))
    account.sim.add_fault(fault=fault, provider=name, count=1)
    since = account.sim.advance(0) - 60
    with pytest.raises((APIConnectionError, ServerError)) as caught:
        await account.drive(account.dialect.create(order, account.target))
    assert perhaps_accepted(caught.value)
    assert account.sim.batches()["accepted"] == 1
    (found,) = await account.known(since, wire.mark(order))
    if wire.idempotent:
        again = await account.drive(account.dialect.create(order, account.target))
        assert again.id == found.id
    assert account.sim.batches()["accepted"] == 1
    assert len(await account.results(await account.ended(found))) == 3


@pytest.mark.parametrize("operation", ["upload", "poll", "list", "results", "cancel"])
async def test_everything_else_is_tried_again(at: Open, operation: str) -> None:
    account = at("openai")
    account.sim.add_fault(fault="server-error", on=operation, count=1)
    status = await account.submit(asks(3))
    assert await account.known(0)
    status = await account.ended(status)
    assert len(await account.results(status)) == 3
    if operation == "cancel":
        again = await account.drive(account.dialect.cancel(status.id, account.target))
        assert again.state is BatchState.COMPLETED  # there is nothing left to cancel
    assert sum(entry["action"] == "server-error" for entry in account.sim.log()) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_too_much_that_waits_is_a_reason_to_try_later(at: Open, name: str) -> None:
    account = at(name)
    account.sim.set_batches(enqueued_tokens=50)
    order = await account.order(asks(20))
    try:
        status = await account.drive(account.dialect.create(order, account.target))
    except RateLimitError:
        return  # refused at once
    status = await account.ended(status)
    assert (status.state, status.crowded) == (BatchState.FAILED, True)
    assert status.error


@pytest.mark.parametrize("name", ["openai", "gemini", "mistral", "bedrock", "deepinfra", "cohere"])
async def test_vectors(at: Open, name: str) -> None:
    models = {"openai": "text-embedding-3-small", "gemini": "gemini-embedding-001"}
    models |= {"mistral": "mistral-embed", "bedrock": "amazon.titan-embed-text-v2:0"}
    account = at(name, models.get(name, "sim-embed"))
    status = await account.ended(await account.submit(texts(5)))
    found = await account.results(status)
    assert found.keys() == {f"t{number}" for number in range(5)}
    assert all(one.vectors and len(one.vectors[0]) > 10 for one in found.values())
    if name in models:
        total = sum(paid(account, one) or 0 for one in found.values())
        assert total == account.bill(status)["cost_pico"] > 0


async def test_models_of_responses_are_asked_in_batches_too(at: Open) -> None:
    account = at("openai", "o3-pro")
    assert account.target.provider.dialect == "responses"
    status = await account.ended(await account.submit(asks(3)))
    assert account.bill(status)["endpoint"] == "/v1/responses"
    assert {one.outcome for one in (await account.results(status)).values()} == {"succeeded"}


async def test_sonar_has_no_batches(at: Open) -> None:
    with pytest.raises(UnsupportedError):
        at("perplexity", "sonar").rows(asks(1))
