"""The official google-genai SDK judges batches of the Gemini API."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from llm_orchestrator.simulator import Simulator

from .conftest import Client

KEY = "AIza-batch-0123456789"
HOUR, DAY = 3600, 86_400
MODEL = "gemini-2.5-flash-lite"


@pytest.fixture(params=["v1", "v1beta"])
def client(request: pytest.FixtureRequest, own: Simulator) -> Iterator[Client]:
    options = types.HttpOptions(base_url=own.gemini_url, api_version=request.param)
    made = genai.Client(api_key=KEY, http_options=options)
    yield made
    made.close()


def asked(text: str) -> dict[str, Any]:
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return {"contents": contents, "generationConfig": {"maxOutputTokens": 30}}


def inline(count: int) -> list[Any]:
    return [
        types.InlinedRequest(
            contents=[{"role": "user", "parts": [{"text": f"Please say {n}"}]}],
            metadata={"key": f"row{n}"},
            config=types.GenerateContentConfig(max_output_tokens=900),
        )
        for n in range(count)
    ]


def upload(client: Client, lines: list[Any]) -> Any:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    config = types.UploadFileConfig(display_name="input", mime_type="jsonl")
    return client.files.upload(file=io.BytesIO(text.encode()), config=config)


def test_inline_requests_come_back_in_their_order(own: Simulator, client: Client) -> None:
    job = client.batches.create(
        model=MODEL, src=inline(20), config=types.CreateBatchJobConfig(display_name="j1")
    )
    assert (job.state, job.display_name, job.model) == (
        types.JobState.JOB_STATE_PENDING,
        "j1",
        f"models/{MODEL}",
    )
    own.advance(HOUR)
    job = client.batches.get(name=job.name)
    assert job.state == types.JobState.JOB_STATE_SUCCEEDED
    assert job.create_time < job.end_time
    answers = job.dest.inlined_responses
    assert [answer.metadata["key"] for answer in answers] == [f"row{n}" for n in range(20)]
    used = [answer.response.usage_metadata for answer in answers]
    assert all(answer.response.text for answer in answers)
    # half of 0.10 and 0.40 dollars a million
    said = [u.total_token_count - u.prompt_token_count for u in used]
    owed = sum(u.prompt_token_count for u in used) * 50_000 + sum(said) * 200_000
    (row,) = own.ledger()["rows"]
    assert (row["cost_pico"], row["requests"], row["provider"]) == (owed, 20, "gemini")
    assert own.batches()["batches"][0]["label"] == "j1"


def test_a_file_goes_in_and_a_file_comes_out(own: Simulator, client: Client) -> None:
    lines: list[Any] = [{"key": f"row{n}", "request": asked(f"Please say {n}")} for n in range(30)]
    lines[3]["request"]["contents"] = []
    file = upload(client, lines)
    assert (file.state, file.display_name, file.source) == (
        types.FileState.ACTIVE,
        "input",
        types.FileSource.UPLOADED,
    )
    job = client.batches.create(model=MODEL, src=file.name, config={"display_name": "j2"})
    own.advance(HOUR)
    job = client.batches.get(name=job.name)
    assert job.state == types.JobState.JOB_STATE_SUCCEEDED
    text = client.files.download(file=job.dest.file_name).decode()
    results = [json.loads(line) for line in text.splitlines()]
    keys = [result["key"] for result in results]
    assert sorted(keys) == sorted(line["key"] for line in lines)
    assert keys != [line["key"] for line in lines]
    failed = {result["key"]: result["error"] for result in results if "error" in result}
    assert list(failed) == ["row3"]
    assert failed["row3"]["code"] == 3
    assert own.ledger()["rows"][0]["requests"] == 29
    with pytest.raises(errors.ClientError, match="Only generated files"):
        client.files.download(file=file.name)


def test_embeddings(own: Simulator, client: Client) -> None:
    with pytest.warns(Warning, match="experimental"):
        job = client.batches.create_embeddings(
            model="gemini-embedding-001",
            src=types.EmbeddingsBatchJobSource(
                inlined_requests=types.EmbedContentBatch(contents=["one two", "three"])
            ),
            config={"display_name": "vectors"},
        )
    own.advance(HOUR)
    job = client.batches.get(name=job.name)
    answers = job.dest.inlined_embed_content_responses
    assert [len(answer.response.embedding.values) for answer in answers] == [3072, 3072]
    tokens = sum(answer.response.token_count for answer in answers)
    row = own.ledger()["rows"][0]
    assert row["usage"]["input_tokens"] == tokens
    assert row["cost_pico"] == tokens * 75_000


def test_cancelled_and_expired_batches_leave_nothing(own: Simulator, client: Client) -> None:
    own.set_batches(item=60.0, queue=0.0)
    first = client.batches.create(model=MODEL, src=inline(20))
    own.advance(600)
    assert client.batches.get(name=first.name).state == types.JobState.JOB_STATE_RUNNING
    client.batches.cancel(name=first.name)
    own.add_fault(fault="batch-expired")
    second = client.batches.create(model=MODEL, src=inline(20))
    own.advance(3 * DAY)
    states = [client.batches.get(name=job.name) for job in (first, second)]
    assert [job.state for job in states] == [
        types.JobState.JOB_STATE_CANCELLED,
        types.JobState.JOB_STATE_EXPIRED,
    ]
    assert [job.dest for job in states] == [None, None]
    assert own.ledger()["total"]["cost_pico"] == 0
    with pytest.raises(errors.ClientError, match="has ended"):
        client.batches.cancel(name=first.name)


def test_lists_and_deletion(own: Simulator, client: Client) -> None:
    own.set_batches(list_lag=30, queue=900)
    names = [client.batches.create(model=MODEL, src=inline(1)).name for _ in range(3)]
    assert list(client.batches.list()) == []
    own.advance(31)
    listed = client.batches.list(config={"page_size": 2})
    assert [job.name for job in listed] == names[::-1]
    client.batches.delete(name=names[1])
    assert [job.name for job in client.batches.list()] == [names[2], names[0]]
    with pytest.raises(errors.ClientError, match="not found"):
        client.batches.get(name=names[1])


def test_files_are_listed_deleted_and_expire(own: Simulator, client: Client) -> None:
    first, second = upload(client, [{}]), upload(client, [{}])
    assert [file.name for file in client.files.list()] == [second.name, first.name]
    assert client.files.get(name=first.name).size_bytes == 3
    client.files.delete(name=first.name)
    with pytest.raises(errors.ClientError, match="permission"):
        client.files.get(name=first.name)
    own.advance(2 * DAY)
    with pytest.raises(errors.ClientError, match="permission"):
        client.batches.create(model=MODEL, src=second.name)
    assert list(client.files.list()) == []


def test_large_files_come_in_pieces(own: Simulator, client: Client) -> None:
    line = {"key": "a", "request": asked("word " * 2000)}
    file = upload(client, [line] * 1000)
    assert file.size_bytes == (len(json.dumps(line)) + 1) * 1000 > 8 * 1024 * 1024
    job = client.batches.create(model=MODEL, src=file.name)
    assert own.batches()["batches"][0]["requests"] == 1000
    client.batches.cancel(name=job.name)


def test_what_is_refused(own: Simulator, client: Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        client.batches.create(model="gemini-none", src=inline(1))
    assert caught.value.code == 404
    with pytest.raises(errors.ClientError, match="not supported"):
        client.batches.create(model="gemini-embedding-001", src=inline(1))
    own.set_batches(enqueued_tokens=100)
    with pytest.raises(errors.ClientError, match="enqueued"):
        client.batches.create(model=MODEL, src=inline(50))
    big = inline(1)
    big[0].contents = [{"role": "user", "parts": [{"text": "x" * 20_000_001}]}]
    own.set_batches(enqueued_tokens=None)
    with pytest.raises(errors.ClientError, match="at most 20000000 bytes"):
        client.batches.create(model=MODEL, src=big)
    assert own.batches()["accepted"] == 0


def test_two_posts_make_two_jobs(own: Simulator, client: Client) -> None:
    own.add_fault(fault="lost-reply", provider="gemini", count=1)
    with pytest.raises(Exception, match="disconnected"):
        client.batches.create(model=MODEL, src=inline(2), config={"display_name": "j3"})
    client.batches.create(model=MODEL, src=inline(2), config={"display_name": "j3"})
    assert [job.display_name for job in client.batches.list()] == ["j3", "j3"]
    own.advance(HOUR)
    seen = own.batches()
    assert (seen["duplicates"], seen["paid_twice"]) == (1, 1)
