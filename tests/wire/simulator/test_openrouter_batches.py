"""Batches of OpenRouter: by plain HTTP, and by its official SDK where that is installed."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO

KEY = "sk-or-batch-0123456789abcdef"
HOUR, DAY = 3600, 86_400
MODEL = "anthropic/claude-haiku-4.5"


def call(own: Simulator, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{own.provider_url('openrouter')}{path}",
        None if body is None else json.dumps(body).encode(),
        {"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def order(count: int = 3, **more: Any) -> dict[str, Any]:
    bodies = [{"messages": HELLO, "max_tokens": 20} for _ in range(count)]
    requests = [{"custom_id": f"row{n}", "body": body} for n, body in enumerate(bodies)]
    return {"endpoint": "/v1/chat/completions", "model": MODEL, "requests": requests} | more


def test_from_requests_to_results(own: Simulator) -> None:
    asked = order(20)
    asked["requests"][2]["body"]["temperature"] = "warm"
    status, batch = call(own, "POST", "/batches", asked)
    assert (status, batch["status"], batch["request_counts"]["total"]) == (202, "validating", 20)
    assert call(own, "GET", f"/batches/{batch['id']}")[1]["results"] is None
    own.advance(HOUR)
    _, batch = call(own, "GET", f"/batches/{batch['id']}")
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 20, "completed": 19, "failed": 1}
    results = {result["custom_id"]: result for result in batch["results"]}
    assert list(results) != [f"row{n}" for n in range(20)]
    assert results["row2"]["response"] is None
    assert results["row2"]["error"]["type"] == "invalid_request"
    costs = [r["response"]["body"]["usage"]["cost"] for r in results.values() if r["response"]]
    assert batch["usage"]["cost"] == pytest.approx(sum(costs))
    billed = own.ledger()["rows"][0]["cost_pico"]
    assert batch["usage"]["cost"] == pytest.approx(billed / 10**12)
    body = asked["requests"][0]["body"] | {"model": MODEL}
    call(own, "POST", "/chat/completions", body)
    assert own.ledger()["rows"][-1]["cost_pico"] * 19 == billed * 2


def test_the_list_has_no_results_and_fewer_states(own: Simulator) -> None:
    own.set_batches(list_lag=30)
    names = [call(own, "POST", "/batches", order(1))[1]["id"] for _ in range(3)]
    assert call(own, "GET", "/batches")[1]["data"] == []
    own.advance(HOUR)
    _, page = call(own, "GET", "/batches?limit=2&status=completed&created_after=2020-01-01")
    assert [batch["id"] for batch in page["data"]] == [names[2], names[1]]
    assert (page["has_more"], page["last_id"]) == (True, names[1])
    assert {batch["results"] for batch in page["data"]} == {None}
    assert call(own, "GET", f"/batches?after={names[1]}")[1]["data"][0]["id"] == names[0]
    assert call(own, "GET", "/batches?status=failed")[1]["data"] == []
    assert call(own, "GET", "/batches?created_before=2020-01-01")[1]["data"] == []


def test_only_what_has_ended_is_deleted(own: Simulator) -> None:
    _, batch = call(own, "POST", "/batches", order())
    assert call(own, "DELETE", f"/batches/{batch['id']}")[0] == 409
    own.advance(HOUR)
    status, gone = call(own, "DELETE", f"/batches/{batch['id']}")
    assert (status, gone["deleted"], gone["deletion"]) == (200, True, {"openrouter": "deleted"})
    assert call(own, "GET", f"/batches/{batch['id']}")[0] == 404


def test_requests_are_validated_later(own: Simulator) -> None:
    asked = order()
    asked["requests"][1]["custom_id"] = "row0"
    status, batch = call(own, "POST", "/batches", asked)
    assert status == 202
    own.advance(HOUR)
    _, batch = call(own, "GET", f"/batches/{batch['id']}")
    assert batch["status"] == "failed"
    assert "row0" in batch["error"]["message"]


@pytest.mark.parametrize(
    "more, status",
    [
        ({"requests": []}, 400),
        ({"endpoint": "/v1/images"}, 400),
        ({"completion_window": "48h"}, 400),
        ({"callback_url": "https://example.com"}, 400),  # after the requests
        ({"provider": {"order": ["x"]}}, 400),
        ({"model": "nobody/none"}, 404),
        ({"metadata": {}}, 400),
        ({"requests": [{"custom_id": str(n), "body": {}} for n in range(5001)]}, 400),
    ],
)
def test_what_is_refused_at_once(own: Simulator, more: dict[str, Any], status: int) -> None:
    assert call(own, "POST", "/batches", order() | more)[0] == status
    assert own.batches()["accepted"] == 0


def test_an_address_to_call_back_comes_first(own: Simulator) -> None:
    asked = {"callback_url": "https://example.com"} | order()
    assert call(own, "POST", "/batches", asked)[0] == 202


@pytest.mark.sdk
def test_official_sdk(own: Simulator) -> None:
    from openrouter import OpenRouter

    with OpenRouter(api_key=KEY, server_url=own.provider_url("openrouter")) as client:
        asked = order(3)
        batch = client.batch.create_batches(
            endpoint=asked["endpoint"], model=MODEL, requests=asked["requests"]
        )
        own.advance(HOUR)
        batch = client.batch.get_batches(id=batch.id)
        assert (batch.status, batch.request_counts.completed) == ("completed", 3)
        said = {result.custom_id: result.response.body for result in batch.results}
        assert all(body.choices[0].message.content for body in said.values())
        listed = client.batch.list(limit=10).result.data
        assert [each.id for each in listed] == [batch.id]
        assert client.batch.delete(id=batch.id).deletion.openrouter == "deleted"
