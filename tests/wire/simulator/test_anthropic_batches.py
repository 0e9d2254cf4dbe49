"""The official anthropic SDK judges message batches."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, Client

KEY = "sk-ant-batch-0123456789"
HOUR, DAY = 3600, 86_400


@pytest.fixture
def client(own: Simulator) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=KEY, base_url=own.anthropic_url, max_retries=0) as made:
        yield made


def item(key: str, **more: Any) -> Any:
    params = {"model": "claude-haiku-4-5", "max_tokens": 30, "messages": HELLO} | more
    return {"custom_id": key, "params": params}


def items(count: int) -> list[Any]:
    said = [[{"role": "user", "content": f"Please say {n}"}] for n in range(count)]
    return [item(f"row{n}", messages=messages) for n, messages in enumerate(said)]


@pytest.fixture(params=["messages", "beta"])
def batches(request: pytest.FixtureRequest, client: Client) -> Client:
    """The endpoints as both faces of the SDK have them."""
    return client.messages.batches if request.param == "messages" else client.beta.messages.batches


def test_from_requests_to_results(own: Simulator, batches: Client) -> None:
    own.set_batches(queue=0, item=10)
    batch = batches.create(requests=items(30))
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 30)
    assert (batch.expires_at - batch.created_at).total_seconds() == DAY
    assert batch.results_url is None
    own.advance(60)
    batch = batches.retrieve(batch.id)
    assert batch.request_counts.processing == 30
    own.advance(HOUR)
    batch = batches.retrieve(batch.id)
    assert (batch.processing_status, batch.request_counts.succeeded) == ("ended", 30)
    assert batch.created_at < batch.ended_at < batch.expires_at
    results = list(batches.results(batch.id))
    keys = [result.custom_id for result in results]
    assert sorted(keys) == sorted(f"row{n}" for n in range(30))
    assert keys != [f"row{n}" for n in range(30)]
    assert {result.result.type for result in results} == {"succeeded"}
    used = [result.result.message.usage for result in results]
    assert {usage.service_tier for usage in used} == {"batch"}
    # half of 1 and 5 dollars a million
    owed = sum(usage.input_tokens * 500_000 + usage.output_tokens * 2_500_000 for usage in used)
    (row,) = own.ledger()["rows"]
    assert (row["cost_pico"], row["requests"], row["batch_id"]) == (owed, 30, batch.id)


def test_models_may_be_mixed_and_bad_items_fail_alone(own: Simulator, client: Client) -> None:
    batch = client.messages.batches.create(
        requests=[
            item("fine"),
            item("large", model="claude-sonnet-4-5"),
            item("unknown", model="claude-none"),
            item("warm", temperature=0.5),
        ]
    )
    own.advance(HOUR)
    batch = client.messages.batches.retrieve(batch.id)
    assert (batch.request_counts.succeeded, batch.request_counts.errored) == (2, 2)
    results = {r.custom_id: r.result for r in client.messages.batches.results(batch.id)}
    assert results["unknown"].error.error.type == "not_found_error"
    assert results["warm"].error.type == "error"
    assert results["warm"].error.error.type == "invalid_request_error"
    rows = own.ledger()["rows"]
    assert {(row["model"], row["requests"]) for row in rows} == {
        ("claude-haiku-4-5", 1),
        ("claude-sonnet-4-5", 1),
    }
    assert len({row["seq"] for row in rows}) == 1


def test_cancelled_in_the_middle(own: Simulator, batches: Client) -> None:
    own.set_batches(item=10.0, queue=0.0, cancelling=30.0)
    batch = batches.create(requests=items(40))
    own.advance(150)
    batch = batches.cancel(batch.id)
    assert batch.processing_status == "canceling"
    assert batch.cancel_initiated_at is not None
    own.advance(60)
    batch = batches.retrieve(batch.id)
    counts = batch.request_counts
    assert batch.processing_status == "ended"
    assert counts.succeeded + counts.canceled == 40
    assert 5 < counts.succeeded < 35
    kinds = [result.result.type for result in batches.results(batch.id)]
    assert kinds.count("succeeded") == counts.succeeded
    assert kinds.count("canceled") == counts.canceled
    assert own.ledger()["rows"][0]["requests"] == counts.succeeded
    with pytest.raises(anthropic.BadRequestError, match="already ended"):
        batches.cancel(batch.id)


def test_expired_with_what_was_finished(own: Simulator, batches: Client) -> None:
    own.add_fault(fault="batch-expired", share=0.25)
    batch = batches.create(requests=items(40))
    own.advance(DAY - 60)
    assert batches.retrieve(batch.id).processing_status == "in_progress"
    own.advance(120)
    counts = batches.retrieve(batch.id).request_counts
    assert (counts.succeeded, counts.expired, counts.processing) == (10, 30, 0)
    assert sum(r.result.type == "expired" for r in batches.results(batch.id)) == 30
    assert own.ledger()["rows"][0]["requests"] == 10


def test_lists_pages_and_deletion(own: Simulator, client: Client) -> None:
    own.set_batches(list_lag=30, queue=900)
    names = [client.messages.batches.create(requests=items(2)).id for _ in range(3)]
    assert list(client.messages.batches.list()) == []
    own.advance(31)
    assert [batch.id for batch in client.messages.batches.list(limit=1)] == names[::-1]
    page = client.messages.batches.list(limit=2)
    assert page.has_more
    assert (page.first_id, page.last_id) == (names[2], names[1])
    before = client.messages.batches.list(before_id=names[0], limit=1)
    assert [batch.id for batch in before.data] == [names[1]]
    with pytest.raises(anthropic.BadRequestError, match="being processed"):
        client.messages.batches.delete(names[0])
    own.advance(HOUR)
    assert client.messages.batches.delete(names[0]).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(names[0])
    assert [batch.id for batch in client.messages.batches.list()] == [names[2], names[1]]


def test_results_are_archived(own: Simulator, client: Client) -> None:
    batch = client.messages.batches.create(requests=items(2))
    with pytest.raises(anthropic.AnthropicError, match="Has it finished"):
        client.messages.batches.results(batch.id)
    own.advance(28 * DAY)
    assert len(list(client.messages.batches.results(batch.id))) == 2
    own.advance(2 * DAY)
    batch = client.messages.batches.retrieve(batch.id)
    assert batch.results_url is None
    assert batch.archived_at is not None


@pytest.mark.parametrize(
    "requests, message",
    [
        ([], "at least 1 item"),
        ([item("a"), item("a")], "duplicate custom_id 'a'"),
        ([item("a" * 65)], "requests.0.custom_id: String should match"),
        ([item("a"), item("b c")], "requests.1.custom_id"),
        ([{"custom_id": "a"}], "requests.0: .*params"),
        ([{"custom_id": "a", "params": []}], "valid dictionary"),
        ([item(f"r{n}") for n in range(6)], "at most 5 items"),
    ],
)
def test_what_is_refused_at_once(
    own: Simulator, client: Client, requests: list[Any], message: str
) -> None:
    own.set_batches(requests=5)
    with pytest.raises(anthropic.BadRequestError, match=message):
        client.messages.batches.create(requests=requests)
    assert own.batches()["batches"] == []


def test_limits_of_size_and_of_what_is_enqueued(own: Simulator, client: Client) -> None:
    own.set_batches(bytes=4_000)
    with pytest.raises(anthropic.RequestTooLargeError):
        client.messages.batches.create(requests=items(100))
    own.set_batches(bytes=None, enqueued_tokens=2_000)
    client.messages.batches.create(requests=items(40))
    with pytest.raises(anthropic.RateLimitError):
        client.messages.batches.create(requests=items(40))
    own.advance(HOUR)
    client.messages.batches.create(requests=items(40))
    assert own.batches()["accepted"] == 2


def test_two_accounts_do_not_see_each_other(own: Simulator, client: Client) -> None:
    batch = client.messages.batches.create(requests=items(2))
    with anthropic.Anthropic(api_key="sk-other", base_url=own.anthropic_url) as other:
        assert list(other.messages.batches.list()) == []
        with pytest.raises(anthropic.NotFoundError):
            other.messages.batches.retrieve(batch.id)


def test_a_lost_reply_leaves_a_batch(own: Simulator, client: Client) -> None:
    own.add_fault(fault="lost-reply", provider="anthropic", count=1)
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.batches.create(requests=items(3))
    (batch,) = client.messages.batches.list()
    assert batch.request_counts.processing == 3
    client.messages.batches.create(requests=items(3))
    own.advance(HOUR)
    seen = own.batches()
    assert (seen["accepted"], seen["duplicates"], seen["paid_twice"]) == (2, 1, 1)
    assert seen["batches"][1]["duplicate_of"] == batch.id
    assert own.paid_twice()["items"] == 3
    assert json.dumps(seen)
