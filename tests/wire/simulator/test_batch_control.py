"""What the simulator tells of batches, and how it is told about time."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import Client
from .openai_files import HOUR, content, create, line

KEY = "sk-batch-0123456789abcdef"


@pytest.fixture
def client(own: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=own.openai_url, max_retries=0) as made:
        yield made


def ask(own: Simulator, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{own.url}{path}", data, timeout=60) as reply:
        return json.load(reply)


def refused(own: Simulator, path: str, body: Any = None) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(own, path, body)
    caught.value.close()
    return caught.value.code


def test_the_clock_is_served_and_turned(own: Simulator) -> None:
    first = ask(own, "/_clock")
    assert abs(first["now"] - time.time()) < 60
    assert first["speed"] == 1
    later = ask(own, "/_clock", {"advance": 10 * HOUR})
    assert 10 * HOUR <= later["now"] - first["now"] < 10 * HOUR + 60
    fast = ask(own, "/_clock", {"speed": 3600})
    assert fast["speed"] == ask(own, "/_health")["speed"] == 3600
    assert ask(own, "/_clock", {"advance": 0})["now"] >= fast["now"]
    for wrong in ({"advance": -1}, {"speed": 0}, {}, {"lunch": 1}, [1]):
        assert refused(own, "/_clock", wrong) == 400


def test_a_fast_clock_ends_batches_by_itself() -> None:
    with (
        Simulator(speed=36_000).run_in_thread() as own,
        openai.OpenAI(api_key=KEY, base_url=own.openai_url) as sdk,
    ):
        client: Client = sdk
        batch = create(client, [line("a")])
        begun = time.monotonic()
        while client.batches.retrieve(batch.id).status != "completed":
            assert time.monotonic() - begun < 30
        batch = client.batches.retrieve(batch.id)
        assert batch.completed_at - batch.created_at > 30
        assert batch.expires_at - batch.created_at == 24 * HOUR


def test_every_accepted_batch_is_shown(own: Simulator, client: Client) -> None:
    batch = create(client, [line("a"), line("b", messages=[])], metadata={"tag": "t1"})
    (row,) = ask(own, "/_batches")["batches"]
    assert (row["id"], row["provider"], row["label"]) == (batch.id, "openai", {"tag": "t1"})
    assert (row["state"], row["requests"], row["billed"]) == ("validating", 2, 0)
    assert row["cost_usd"] == "0"
    own.advance(HOUR)
    seen = ask(own, "/_batches")
    (row,) = seen["batches"]
    assert (row["state"], row["succeeded"], row["failed"], row["billed"]) == ("completed", 1, 1, 1)
    assert row["cost_pico"] == seen["cost_pico"] == own.ledger()["total"]["cost_pico"] > 0
    lines = (
        urllib.request.urlopen(f"{own.url}/_batches/openai/{batch.id}", timeout=60)
        .read()
        .splitlines()
    )
    (item,) = map(json.loads, lines)
    assert (item["custom_id"], item["cost_pico"]) == ("a", row["cost_pico"])
    assert refused(own, "/_batches/openai/none") == 404


def test_settings_change_while_it_runs(own: Simulator, client: Client) -> None:
    ask(own, "/_batches", {"queue": 10_000, "openai.shuffled": False})
    slow = create(client, [line(f"row{n}") for n in range(50)])
    ask(own, "/_batches", {"queue": None})
    quick = create(client, [line(f"row{n}") for n in range(50)])
    own.advance(1000)
    assert client.batches.retrieve(slow.id).status == "in_progress"
    batch = client.batches.retrieve(quick.id)
    keys = [result["custom_id"] for result in content(client, batch.output_file_id)]
    assert keys == [f"row{n}" for n in range(50)]
    assert refused(own, "/_batches", {"lunch": 1}) == 400
    assert refused(own, "/_batches", [1]) == 400


def test_the_bill_grows_while_a_batch_runs(own: Simulator, client: Client) -> None:
    own.set_batches(item=10, queue=0)
    batch = create(client, [line(f"row{n}") for n in range(20)])
    seen = []
    for _ in range(6):
        own.advance(60)
        row = ask(own, "/_ledger")["rows"][-1]
        seen.append((row["requests"], row["cost_pico"], row["settled"]))
        assert client.batches.retrieve(batch.id).request_counts.completed == row["requests"]
    assert seen == sorted(seen)
    assert 0 < seen[0][0] < seen[1][0] < seen[-1][0] == 20
    assert (seen[0][2], seen[-1][2]) == (False, True)
    items = ask(own, "/_ledger?items=1")
    assert items["total"] == ask(own, "/_ledger")["total"]
    assert {row["custom_id"] for row in items["rows"]} == {f"row{n}" for n in range(20)}
    assert {row["service_tier"] for row in items["rows"]} == {"batch"}


def test_settled_batches_go_to_the_ledger_file(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    with (
        Simulator(ledger_file=path).run_in_thread() as own,
        openai.OpenAI(api_key=KEY, base_url=own.openai_url) as client,
    ):
        create(client, [line("a")])
        own.advance(HOUR)
        rows = own.ledger()["rows"]
    assert [json.loads(text) for text in path.read_text().splitlines()] == rows


def test_a_reset_keeps_batches_with_the_bill(own: Simulator, client: Client) -> None:
    batch = create(client, [line("a")])
    ask(own, "/_reset", {})
    assert client.batches.retrieve(batch.id).id == batch.id
    ask(own, "/_reset", {"ledger": True})
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(batch.id)
    assert own.batches()["batches"] == []
    create(client, [line("a")])
    own.advance(HOUR)
    assert own.ledger()["total"]["requests"] == 1


def test_light_answers_are_the_first_one_again(own: Simulator, client: Client) -> None:
    own.set_batches(light=True)
    lines = [line(f"row{n}", messages=[{"role": "user", "content": str(n)}]) for n in range(5000)]
    lines[7]["body"]["response_format"] = {"type": "nonsense"}
    batch = create(client, lines)
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (4999, 1)
    results = content(client, batch.output_file_id)
    assert len({result["custom_id"] for result in results}) == 4999
    assert len({json.dumps(result["response"]["body"]) for result in results}) == 1
    used = results[0]["response"]["body"]["usage"]
    owed = 4999 * (used["prompt_tokens"] * 75_000 + used["completion_tokens"] * 300_000)
    assert own.ledger()["total"]["cost_pico"] == owed


def test_the_log_shows_what_was_done_with_batches(own: Simulator, client: Client) -> None:
    batch = create(client, [line("a")])
    client.batches.cancel(batch.id)
    client.batches.list()
    kinds = [entry["wire"] for entry in own.log()]
    assert kinds == [f"openai.batches.{kind}" for kind in ("upload", "create", "cancel", "list")]
    assert {entry["status"] for entry in own.log()} == {200}


def test_rules_are_shown_with_what_they_strike(own: Simulator) -> None:
    rule = ask(own, "/_faults", {"fault": "item-errors", "share": 0.5, "provider": "openai"})
    assert (rule["on"], rule["share"]) == ("create", 0.5)
    assert ask(own, "/_faults", {"fault": "unavailable"})["on"] == "request"
    assert refused(own, "/_faults", {"fault": "item-errors", "share": "most"}) == 400
