"""The official cohere SDK judges datasets and batches, and fastavro what comes out of them."""

import io
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import cohere
import fastavro
import pytest
from cohere import errors

from llm_orchestrator.simulator import Simulator

from .conftest import WEATHER, Client

KEY = "co-batch-0123456789abcdef"
HOUR, DAY = 3600, 86_400
CHAT, EMBED = "batch-chat-v2-input", "batch-embed-v2-input"
MODEL = "command-r-08-2024"


@pytest.fixture
def client(own: Simulator) -> Iterator[Client]:
    with cohere.ClientV2(api_key=KEY, base_url=own.cohere_url) as made:
        yield made


def say(key: str, text: str = "Please say yes", **more: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 40}
    return {"custom_id": key, "body": body | more}


def upload(own: Simulator, client: Client, lines: list[Any], kind: str = CHAT) -> str:
    data = io.BytesIO("".join(f"{json.dumps(each)}\n" for each in lines).encode())
    data.name = "in.jsonl"
    made = client.datasets.create(name="j1", type=kind, data=data)
    assert client.datasets.get(made.id).dataset.validation_status == "queued"
    own.advance(10)
    return str(made.id)


def results(own: Simulator, client: Client, name: str) -> list[Any]:
    found = client.datasets.get(name).dataset
    with urllib.request.urlopen(found.dataset_parts[0].url, timeout=60) as reply:
        rows: list[Any] = list(fastavro.reader(io.BytesIO(reply.read())))
    assert len(rows) == found.dataset_parts[0].num_rows
    return rows


def test_from_dataset_to_avro(own: Simulator, client: Client) -> None:
    lines = [say(f"row{n}", f"Please say {n}") for n in range(600)]
    lines[3]["body"]["temperature"] = 7
    name = upload(own, client, lines)
    made = client.batches.create(request={"name": "j1", "input_dataset_id": name, "model": MODEL})
    batch = made.batch
    assert (batch.status, batch.num_records, batch.name) == ("BATCH_STATUS_QUEUED", 600, "j1")
    assert batch.output_dataset_id == ""
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id).batch
    assert batch.status == "BATCH_STATUS_COMPLETED"
    assert (batch.num_successful_records, batch.num_failed_records) == (599, 1)
    rows = {row["custom_id"]: row for row in results(own, client, batch.output_dataset_id)}
    assert sorted(rows) == sorted(line["custom_id"] for line in lines)
    assert rows["row3"]["body"] is None
    assert "temperature" in rows["row3"]["error"]
    good = [row["body"] for row in rows.values() if not row["error"]]
    direct = client.chat(model=MODEL, messages=lines[0]["body"]["messages"], max_tokens=40)
    assert rows["row0"]["body"]["message"]["content"][0]["text"] == direct.message.content[0].text
    units = [body["usage"]["billed_units"] for body in good]
    assert int(batch.input_tokens) == sum(unit["input_tokens"] for unit in units)
    # 0.15 and 0.60 dollars a million; no discount is known
    owed = sum(u["input_tokens"] * 150_000 + u["output_tokens"] * 600_000 for u in units)
    (row,) = (row for row in own.ledger()["rows"] if row["batch_id"])
    assert row["cost_pico"] == owed


def test_embeddings_tools_and_thoughts(own: Simulator, client: Client) -> None:
    inputs = [{"content": [{"type": "text", "text": "one"}]}]
    body = {"input_type": "classification", "embedding_types": ["float"], "inputs": inputs}
    vectors = upload(own, client, [{"custom_id": "a", "body": body}], EMBED)
    function = {"name": "weather", "description": "Weather", "parameters": json.dumps(WEATHER)}
    tool = {"type": "function", "function": function}
    lines = [
        say("tool", "What is the weather in Paris?", tools=[tool]),
        say("thought", reasoning=True, thinking_budget=20),
    ]
    said = upload(own, client, lines)
    made = [
        client.batches.create(request={"name": n, "input_dataset_id": d, "model": m}).batch.id
        for n, d, m in (("v", vectors, "batch-embed-v4"), ("c", said, "sim-chat"))
    ]
    own.advance(HOUR)
    first, second = [client.batches.retrieve(name).batch for name in made]
    (row,) = results(own, client, first.output_dataset_id)
    assert len(row["body"]["embeddings"]["float"][0]) == 1536
    assert row["body"]["meta"]["billed_units"]["input_tokens"] == 1
    rows = {row["custom_id"]: row for row in results(own, client, second.output_dataset_id)}
    call = rows["tool"]["body"]["message"]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert rows["thought"]["body"]["message"]["content"][0]["thinking"]


def test_bad_datasets_are_not_validated(own: Simulator, client: Client) -> None:
    for lines, message in (
        ([say("a"), say("a")], "duplicate"),
        ([{"custom_id": "a"}], "row 0"),
        ([], "empty"),
    ):
        name = upload(own, client, lines)
        found = client.datasets.get(name).dataset
        assert found.validation_status == "failed"
        assert message in found.validation_error
        with pytest.raises(errors.BadRequestError, match="not validated"):
            client.batches.create(request={"name": "x", "input_dataset_id": name, "model": MODEL})
    with pytest.raises(errors.NotFoundError):
        client.batches.create(request={"name": "x", "input_dataset_id": "no", "model": MODEL})


def test_lists_and_cancellation(own: Simulator, client: Client) -> None:
    own.set_batches(item=60, queue=0, list_lag=30)
    name = upload(own, client, [say(f"row{n}") for n in range(20)])
    asked = {"input_dataset_id": name, "model": MODEL}
    made = [client.batches.create(request={"name": n} | asked).batch.id for n in "abc"]
    assert client.batches.list().batches == []
    own.advance(600)
    page = client.batches.list(page_size=2)
    assert [batch.name for batch in page.batches] == ["c", "b"]
    rest = client.batches.list(page_size=2, page_token=page.next_page_token)
    assert [batch.name for batch in rest.batches] == ["a"]
    client.batches.cancel(made[0])
    assert client.batches.retrieve(made[0]).batch.status == "BATCH_STATUS_CANCELING"
    own.advance(60)
    batch = client.batches.retrieve(made[0]).batch
    assert batch.status == "BATCH_STATUS_CANCELED"
    assert len(results(own, client, batch.output_dataset_id)) == batch.num_successful_records
    assert 0 < batch.num_successful_records < 20


def test_datasets_are_listed_and_deleted(own: Simulator, client: Client) -> None:
    first, second = upload(own, client, [say("a")]), upload(own, client, [say("b")])
    assert [each.id for each in client.datasets.list().datasets] == [second, first]
    assert client.datasets.get_usage().organization_usage > 100
    client.datasets.delete(first)
    with pytest.raises(errors.NotFoundError):
        client.datasets.get(first)
    own.advance(31 * DAY)
    assert client.datasets.list().datasets == []
