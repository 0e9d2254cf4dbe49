"""The official openai SDK judges batches on OpenAI's wire."""

import io
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from llm_orchestrator.simulator import Simulator, account_of

from .conftest import HELLO, Client

KEY = "sk-batch-0123456789abcdef"
HOUR, DAY = 3600, 86_400


@pytest.fixture
def own() -> Iterator[Simulator]:
    """A simulator whose clock may be turned."""
    with Simulator(seed=3).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def client(own: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=own.openai_url, max_retries=0) as made:
        yield made


def line(key: str, **more: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 30} | more
    return {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(lines: list[Any]) -> io.BytesIO:
    file = io.BytesIO("".join(f"{json.dumps(each)}\n" for each in lines).encode())
    file.name = "input.jsonl"
    return file


def create(client: Client, lines: list[Any], **more: Any) -> Any:
    file = client.files.create(file=jsonl(lines), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint=more.pop("endpoint", "/v1/chat/completions"),
        completion_window="24h",
        **more,
    )


def content(client: Client, name: str | None) -> list[Any]:
    assert name
    return [json.loads(each) for each in client.files.content(name).text.splitlines()]


def test_from_file_to_results(own: Simulator, client: Client) -> None:
    lines = [line(f"row{n}", messages=[{"role": "user", "content": f"Say {n}"}]) for n in range(40)]
    file = client.files.create(file=jsonl(lines), purpose="batch")
    assert (file.purpose, file.filename, file.object) == ("batch", "input.jsonl", "file")
    assert file.expires_at - file.created_at == 30 * DAY
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"llmo_job": "j1"},
    )
    assert (batch.status, batch.request_counts.total) == ("validating", 0)
    assert batch.expires_at - batch.created_at == DAY
    own.advance(10)
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.request_counts.total) == ("in_progress", 40)
    assert batch.output_file_id is None
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed"
    assert (batch.request_counts.completed, batch.request_counts.failed) == (40, 0)
    assert batch.metadata == {"llmo_job": "j1"}
    assert batch.error_file_id is None
    assert batch.created_at < batch.in_progress_at < batch.finalizing_at < batch.completed_at
    results = content(client, batch.output_file_id)
    keys = [result["custom_id"] for result in results]
    assert sorted(keys) == sorted(each["custom_id"] for each in lines)
    assert keys != [each["custom_id"] for each in lines]
    used = [result["response"]["body"]["usage"] for result in results]
    assert batch.usage.input_tokens == sum(usage["prompt_tokens"] for usage in used)
    assert batch.usage.output_tokens == sum(usage["completion_tokens"] for usage in used)
    info = client.files.retrieve(batch.output_file_id)
    assert info.purpose == "batch_output"
    assert info.bytes == len(client.files.content(batch.output_file_id).content)
    # half of 0.15 and 0.60 dollars a million
    owed = batch.usage.input_tokens * 75_000 + batch.usage.output_tokens * 300_000
    (row,) = own.ledger()["rows"]
    assert (row["cost_pico"], row["requests"], row["service_tier"]) == (owed, 40, "batch")
    assert (row["batch_id"], row["account"]) == (batch.id, account_of(KEY))
    assert (row["settled"], row["outcome"]) == (True, "completed")


def test_an_item_answers_as_a_request_does(own: Simulator, client: Client) -> None:
    direct = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=30)
    batch = create(client, [line("one")])
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    (result,) = content(client, batch.output_file_id)
    body = result["response"]["body"]
    assert result["response"]["status_code"] == 200
    assert result["error"] is None
    assert body["choices"][0]["message"]["content"] == direct.choices[0].message.content
    assert body["usage"]["completion_tokens"] == direct.usage.completion_tokens
    rows = own.ledger(items=True)["rows"]
    assert rows[1]["custom_id"] == "one"
    assert rows[1]["cost_pico"] * 2 == rows[0]["cost_pico"]
