"""OpenAI's own SDK judges the batches of those who follow it; each with what it has otherwise."""

import io
import json
from typing import Any

import openai
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, Client

KEY = "sk-batch-0123456789abcdef"
HOUR, DAY = 3600, 86_400
MODELS = {
    "azure": "gpt-4o-mini",
    "groq": "llama-3.1-8b-instant",
    "deepinfra": "meta-llama/Llama-3.3-70B-Instruct",
    "perplexity": "openai/gpt-5.4-mini",
}


def client_of(own: Simulator, provider: str) -> Client:
    url = own.provider_url(provider) + ("/v1" if provider == "perplexity" else "")
    return openai.OpenAI(api_key=KEY, base_url=url, max_retries=0)


def line(key: str, model: str, endpoint: str) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model}
    if endpoint.endswith("responses"):
        body |= {"input": HELLO[0]["content"], "max_output_tokens": 60}
    elif endpoint.endswith("embeddings"):
        body |= {"input": HELLO[0]["content"]}
    else:
        body |= {"messages": HELLO, "max_tokens": 60}
    return {"custom_id": key, "method": "POST", "url": endpoint, "body": body}


def create(client: Client, lines: list[Any], endpoint: str, **more: Any) -> Any:
    data = io.BytesIO("".join(f"{json.dumps(each)}\n" for each in lines).encode())
    data.name = "input.jsonl"
    file = client.files.create(file=data, purpose="batch")
    settings = {"completion_window": "24h", "metadata": {"llmo_job": "j1"}} | more
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, **settings)


def results(client: Client, name: str | None) -> list[Any]:
    assert name
    return [json.loads(each) for each in client.files.content(name).text.splitlines()]


@pytest.mark.parametrize(
    "provider, endpoint, model, discount",
    [
        ("azure", "/v1/chat/completions", "gpt-4o-mini", 50),
        ("azure", "/chat/completions", "gpt-4o-mini", 50),
        ("azure", "/v1/embeddings", "text-embedding-3-small", 50),
        ("azure", "/v1/responses", "gpt-4o-mini", 50),
        ("groq", "/v1/chat/completions", "llama-3.1-8b-instant", 50),
        ("deepinfra", "/v1/chat/completions", "meta-llama/Llama-3.3-70B-Instruct", 20),
        ("deepinfra", "/v1/embeddings", "sim-embed", 20),
        ("perplexity", "/v1/responses", "openai/gpt-5.4-mini", 0),
    ],
)
def test_from_file_to_results(
    own: Simulator, provider: str, endpoint: str, model: str, discount: int
) -> None:
    client = client_of(own, provider)
    batch = create(client, [line(f"row{n}", model, endpoint) for n in range(5)], endpoint)
    assert batch.status == "validating"
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.request_counts.completed) == ("completed", 5)
    assert batch.metadata == {"llmo_job": "j1"}
    found = results(client, batch.output_file_id)
    assert sorted(result["custom_id"] for result in found) == [f"row{n}" for n in range(5)]
    assert [each.id for each in client.batches.list().data] == [batch.id]
    (row,) = own.ledger()["rows"]
    assert (row["provider"], row["requests"]) == (provider, 5)
    body = line("", model, endpoint)["body"]
    client.post(endpoint.removeprefix("/v1"), body=body, cast_to=object)
    alone = own.ledger()["rows"][-1]
    assert row["cost_pico"] == alone["cost_pico"] * 5 * (100 - discount) // 100


@pytest.mark.parametrize("provider", MODELS)
def test_what_is_done_when_a_batch_is_cancelled_is_kept(own: Simulator, provider: str) -> None:
    own.set_batches(queue=0, item=60)
    client = client_of(own, provider)
    endpoint = "/v1/responses" if provider == "perplexity" else "/v1/chat/completions"
    lines = [line(f"row{n}", MODELS[provider], endpoint) for n in range(20)]
    batch = create(client, lines, endpoint)
    own.advance(600)
    assert client.batches.cancel(batch.id).status == "cancelling"
    own.advance(60)
    batch = client.batches.retrieve(batch.id)
    done = batch.request_counts.completed
    assert (batch.status, 0 < done < 20) == ("cancelled", True)
    left = results(client, batch.error_file_id)
    assert {each["error"]["code"] for each in left} == {"batch_cancelled"}
    assert len(results(client, batch.output_file_id)) == done == 20 - len(left)
    assert own.ledger()["rows"][0]["requests"] == done
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_azure_has_older_paths(own: Simulator) -> None:
    client = openai.AzureOpenAI(
        api_key=KEY, azure_endpoint=f"{own.url}/azure", api_version="2025-04-01-preview"
    )
    batch = create(client, [line("a", "gpt-4o-mini", "/chat/completions")], "/chat/completions")
    own.advance(HOUR)
    assert client.batches.retrieve(batch.id).status == "completed"


def test_groq_takes_a_week_and_lists_all_at_once(own: Simulator) -> None:
    client = client_of(own, "groq")
    lines = [line("a", MODELS["groq"], "/v1/chat/completions")]
    week = create(client, lines, "/v1/chat/completions", completion_window="7d")
    assert week.expires_at - week.created_at == 7 * DAY
    for window in ("8d", "23h", "soon"):
        with pytest.raises(openai.BadRequestError, match="24h to 7d"):
            create(client, lines, "/v1/chat/completions", completion_window=window)
    for _ in range(3):
        create(client, lines, "/v1/chat/completions")
    assert len(client.batches.list(limit=1).data) == 4


def test_deepinfra_wants_one_model(own: Simulator) -> None:
    client = client_of(own, "deepinfra")
    endpoint = "/v1/chat/completions"
    lines = [line("a", MODELS["deepinfra"], endpoint), line("b", "sim-chat", endpoint)]
    batch = create(client, lines, endpoint)
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "failed"
    assert [(each.code, each.line) for each in batch.errors.data] == [("mismatched_model", 2)]
    assert own.ledger()["total"]["cost_pico"] == 0


def test_perplexity_makes_one_batch_of_one_key(own: Simulator) -> None:
    client = client_of(own, "perplexity")
    lines = [line("a", MODELS["perplexity"], "/v1/responses")]
    own.add_fault(fault="lost-reply", count=1)
    headers = {"Idempotency-Key": "intent-1"}
    with pytest.raises(openai.APIConnectionError):
        create(client, lines, "/v1/responses", extra_headers=headers)
    first = create(client, lines, "/v1/responses", extra_headers=headers)
    again = create(client, lines, "/v1/responses", extra_headers=headers)
    other = create(client, lines, "/v1/responses", extra_headers={"Idempotency-Key": "intent-2"})
    assert first.id == again.id != other.id
    assert own.batches()["accepted"] == 2
    with pytest.raises(openai.BadRequestError, match="Supported values are: '/v1/responses'"):
        create(client, lines, "/v1/chat/completions")
