"""The official SDKs of Groq, Mistral, Together and Perplexity judge their batches."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, Client

pytestmark = pytest.mark.sdk
KEY = "sk-batch-0123456789abcdef"
HOUR, DAY = 3600, 86_400
TURBO = "meta-llama/Llama-3.3-70B-Instruct-Turbo"


@pytest.fixture
def mistral(own: Simulator) -> Iterator[Client]:
    from mistralai.client import Mistral

    with Mistral(api_key=KEY, server_url=f"{own.url}/mistral") as made:
        yield made


@pytest.fixture
def together(own: Simulator) -> Iterator[Client]:
    from together import Together

    with Together(api_key=KEY, base_url=own.provider_url("together"), max_retries=0) as made:
        yield made


def jsonl(lines: list[Any]) -> bytes:
    return "".join(f"{json.dumps(each)}\n" for each in lines).encode()


def chat(key: str, model: str | None = None, text: str = "Please say yes") -> dict[str, Any]:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": text}], "max_tokens": 40}
    body |= {"model": model} if model else {}
    whole = {"method": "POST", "url": "/v1/chat/completions"} if model else {}
    return {"custom_id": key, **whole, "body": body}


def read(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines()]


# ------------------------------------------------------------------ Groq and Perplexity


def test_groq(own: Simulator) -> None:
    from groq import Groq

    with Groq(api_key=KEY, base_url=f"{own.url}/groq", max_retries=0) as client:
        lines = [chat(f"row{n}", "llama-3.1-8b-instant") for n in range(4)]
        file = client.files.create(file=("b.jsonl", jsonl(lines)), purpose="batch")
        assert file.id
        made = client.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"llmo_job": "j1"},
        )
        own.advance(HOUR)
        batch = client.batches.retrieve(made.id)
        assert batch.request_counts
        assert batch.output_file_id
        assert (batch.status, batch.request_counts.completed) == ("completed", 4)
        results = read(client.files.content(batch.output_file_id).read())
        assert len(results) == 4
        assert [each.metadata for each in client.batches.list().data] == [{"llmo_job": "j1"}]
        slow = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="7d"
        )
        assert client.batches.cancel(slow.id).status == "cancelling"
    used = [result["response"]["body"]["usage"] for result in results]
    owed = sum(u["prompt_tokens"] * 25_000 + u["completion_tokens"] * 40_000 for u in used)
    assert own.ledger()["rows"][0]["cost_pico"] == owed


def test_perplexity(own: Simulator) -> None:
    from perplexity import Perplexity

    lines = [
        {
            "custom_id": f"row{n}",
            "method": "POST",
            "url": "/v1/responses",
            "body": {"model": "openai/gpt-5.4-mini", "input": "Hi", "max_output_tokens": 900},
        }
        for n in range(3)
    ]
    base = own.provider_url("perplexity")
    with Perplexity(api_key=KEY, base_url=base, max_retries=0) as client:
        file = client.files.create(file=("b.jsonl", jsonl(lines)), purpose="batch")
        made = [
            client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/responses",
                extra_headers={"Idempotency-Key": "intent-1"},
            )
            for _ in range(2)
        ]
        assert made[0].id == made[1].id
        own.advance(HOUR)
        batch = client.batches.retrieve(made[0].id)
        assert (batch.status, batch.request_counts.completed) == ("completed", 3)
        assert batch.usage.output_tokens > 0
        assert batch.output_file_id
        assert [each.id for each in client.batches.list(limit=10).data] == [batch.id]
        results = read(client.files.content(batch.output_file_id).read())
        slow = client.batches.create(input_file_id=file.id, endpoint="/v1/responses")
        assert client.batches.cancel(slow.id).status == "cancelling"
        own.advance(HOUR)
        assert client.batches.retrieve(slow.id).status == "cancelled"
        assert file.id in [each.id for each in client.files.list(purpose="batch").data]
        assert client.files.delete(file.id).deleted
    costs = [result["response"]["body"]["usage"]["cost"]["total_cost"] for result in results]
    assert sum(costs) == pytest.approx(own.ledger()["total"]["cost_pico"] / 10**12)


# ------------------------------------------------------------------ Mistral


def test_mistral_by_file(own: Simulator, mistral: Client) -> None:
    lines = [chat(f"row{n}", text=f"Please say {n}") for n in range(20)]
    lines[4]["body"]["temperature"] = "warm"
    file = mistral.files.upload(
        file={"file_name": "b.jsonl", "content": jsonl(lines)}, purpose="batch"
    )
    assert (file.num_lines, file.sample_type, file.source) == (20, "batch_request", "upload")
    job = mistral.batch.jobs.create(
        input_files=[file.id],
        endpoint="/v1/chat/completions",
        model="mistral-small-latest",
        metadata={"llmo_job": "j1"},
        timeout_hours=48,
    )
    assert (job.status, job.total_requests, job.metadata) == ("QUEUED", 20, {"llmo_job": "j1"})
    own.advance(HOUR)
    job = mistral.batch.jobs.get(job_id=job.id)
    assert (job.status, job.succeeded_requests, job.failed_requests) == ("SUCCESS", 19, 1)
    assert job.created_at < job.started_at < job.completed_at
    good = read(mistral.files.download(file_id=job.output_file).read())
    (bad,) = read(mistral.files.download(file_id=job.error_file).read())
    assert sorted(each["custom_id"] for each in [*good, bad]) == sorted(
        each["custom_id"] for each in lines
    )
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("row4", 422)
    used = [each["response"]["body"]["usage"] for each in good]
    row = own.ledger()["rows"][0]
    assert row["usage"]["input_tokens"] == sum(u["prompt_tokens"] for u in used)
    direct = mistral.chat.complete(
        model="mistral-small-latest", messages=lines[0]["body"]["messages"], max_tokens=40
    )
    (first,) = (each for each in good if each["custom_id"] == "row0")
    assert first["response"]["body"]["usage"]["total_tokens"] == direct.usage.total_tokens
    items = {item["custom_id"]: item["cost_pico"] for item in own.ledger(items=True)["rows"]}
    assert items["row0"] * 2 == items[None]


def test_mistral_inline(own: Simulator, mistral: Client) -> None:
    requests = [{"body": {"messages": HELLO, "max_tokens": 20}, "custom_id": f"r{n}"} for n in "ab"]
    requests.append({"body": {"messages": HELLO, "max_tokens": 20}})
    job = mistral.batch.jobs.create(
        requests=requests, endpoint="/v1/chat/completions", model="mistral-small-latest"
    )
    own.advance(HOUR)
    assert mistral.batch.jobs.get(job_id=job.id).outputs is None
    job = mistral.batch.jobs.get(job_id=job.id, inline=True)
    assert {output["custom_id"] for output in job.outputs} == {"ra", "rb", None}


def test_mistral_lists_cancels_and_times_out(own: Simulator, mistral: Client) -> None:
    own.set_batches(item=60.0, queue=0.0)
    requests = [{"body": {"messages": HELLO}, "custom_id": f"r{n}"} for n in range(60)]
    create: dict[str, Any] = {
        "requests": requests,
        "endpoint": "/v1/chat/completions",
        "model": "mistral-small-latest",
    }
    first, second = [mistral.batch.jobs.create(**create, timeout_hours=h) for h in (1, 24)]
    own.set_batches(item=600.0)
    third = mistral.batch.jobs.create(**create, timeout_hours=1)
    own.advance(600)
    running = mistral.batch.jobs.get(job_id=second.id)
    assert running.status == "RUNNING"
    assert 0 < running.completed_requests < 60
    assert mistral.batch.jobs.cancel(job_id=second.id).status == "CANCELLATION_REQUESTED"
    own.advance(DAY)
    listed = mistral.batch.jobs.list(page=0, page_size=2, metadata={"llmo_job": "j1"})
    assert (listed.total, [job.id for job in listed.data]) == (3, [third.id, second.id])
    cancelled = mistral.batch.jobs.list(status=["CANCELLED"]).data
    assert [job.id for job in cancelled] == [second.id]
    assert 0 < cancelled[0].succeeded_requests < 60
    late = mistral.batch.jobs.get(job_id=third.id)
    assert late.status == "TIMEOUT_EXCEEDED"
    assert len(read(mistral.files.download(file_id=late.output_file).read())) == (
        late.succeeded_requests
    )
    mistral.batch.jobs.delete(job_id=first.id)
    assert len(mistral.batch.jobs.list().data) == 2


def test_mistral_refuses(own: Simulator, mistral: Client) -> None:
    from mistralai.client.errors import SDKError

    endpoint = "/v1/chat/completions"
    for wrong, message in (
        ({"model": "mistral-small-latest"}, "Exactly one of"),
        ({"model": "none", "requests": [{"body": {}}]}, "Invalid model"),
        ({"model": "mistral-small-latest", "input_files": ["x"]}, "No file matches"),
        (
            {"model": "mistral-small-latest", "requests": [{"body": {}}], "timeout_hours": 169},
            "between 1 and 168",
        ),
    ):
        with pytest.raises(SDKError, match=message):
            mistral.batch.jobs.create(endpoint=endpoint, **wrong)


# ------------------------------------------------------------------ Together


@pytest.mark.parametrize(
    "model, discount", [(TURBO, 50), ("meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", 0)]
)
def test_together(
    own: Simulator, together: Client, tmp_path: Path, model: str, discount: int
) -> None:
    path = tmp_path / "b.jsonl"
    path.write_bytes(jsonl([chat(f"row{n}", model) for n in range(5)]))
    file = together.files.upload(file=path, purpose="batch-api")
    assert (file.filename, file.purpose, file.processed) == ("b.jsonl", "batch-api", True)
    made = together.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions")
    assert made.job.status == "VALIDATING"
    own.advance(HOUR)
    job = together.batches.retrieve(made.job.id)
    assert (job.status, job.progress, job.input_file_id) == ("COMPLETED", 100.0, file.id)
    assert [each.id for each in together.batches.list()] == [job.id]
    results = read(together.files.content(job.output_file_id).read())
    assert sorted(each["custom_id"] for each in results) == [f"row{n}" for n in range(5)]
    row = own.ledger()["rows"][0]
    together.chat.completions.create(**chat("", model)["body"])
    alone = own.ledger()["rows"][-1]
    assert row["cost_pico"] == alone["cost_pico"] * 5 * (100 - discount) // 100
    assert own.batches()["batches"][0]["label"] == {"input_file_id": file.id}


def test_together_failures_and_cancellation(
    own: Simulator, together: Client, tmp_path: Path
) -> None:
    own.set_batches(item=60.0, queue=0.0)
    path = tmp_path / "b.jsonl"
    lines = [chat(f"row{n}", TURBO) for n in range(30)]
    lines[0]["body"]["model"] = lines[1]["body"]["model"] = "nobody/none"
    path.write_bytes(jsonl(lines))
    file = together.files.upload(file=path, purpose="batch-api")
    job = together.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions").job
    own.advance(1500)
    assert 10 < together.batches.retrieve(job.id).progress < 95
    together.batches.cancel(job.id)
    own.advance(60)
    job = together.batches.retrieve(job.id)
    assert job.status == "CANCELLED"
    good = read(together.files.content(job.output_file_id).read())
    bad = read(together.files.content(job.error_file_id).read())
    assert len(good) + len(bad) == 30
    assert {each["error"]["code"] for each in bad} <= {"404", "cancelled"}
    assert own.ledger()["rows"][0]["requests"] == len(good)


def test_together_checks_the_file(own: Simulator, together: Client, tmp_path: Path) -> None:
    import together as sdk

    path = tmp_path / "b.jsonl"
    path.write_bytes(jsonl([chat("a" * 65, TURBO)]))
    file = together.files.upload(file=path, purpose="batch-api")
    job = together.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions").job
    own.advance(HOUR)
    job = together.batches.retrieve(job.id)
    assert job.status == "FAILED"
    assert "at most 64" in job.error
    with pytest.raises(sdk.APIError, match="Invalid 'input_file_id'"):
        together.batches.create(input_file_id="file-none", endpoint="/v1/chat/completions")
