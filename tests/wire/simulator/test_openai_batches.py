"""The official openai SDK judges batches on OpenAI's wire."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from llm_orchestrator.simulator import Simulator, account_of

from .conftest import HELLO, Client
from .openai_files import DAY, HOUR, content, create, jsonl, line

KEY = "sk-batch-0123456789abcdef"


@pytest.fixture
def client(own: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=own.openai_url, max_retries=0) as made:
        yield made


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


# ------------------------------------------------------------------ failures


def test_failed_items_are_in_the_error_file(own: Simulator, client: Client) -> None:
    lines = [line(f"row{n}") for n in range(10)]
    lines[2]["body"]["messages"] = "none"
    lines[5]["body"]["temperature"] = 9
    batch = create(client, lines)
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.request_counts.completed) == ("completed", 8)
    assert batch.request_counts.failed == 2
    bad = content(client, batch.error_file_id)
    assert {each["custom_id"] for each in bad} == {"row2", "row5"}
    assert {each["response"]["status_code"] for each in bad} == {400}
    assert all(each["response"]["body"]["error"]["message"] for each in bad)
    assert len(content(client, batch.output_file_id)) == 8
    assert own.ledger()["rows"][0]["requests"] == 8


def test_when_all_fail_there_is_no_output(own: Simulator, client: Client) -> None:
    batch = create(client, [line(f"row{n}", messages=[]) for n in range(3)])
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert len(content(client, batch.error_file_id)) == 3
    assert own.ledger()["total"]["cost_pico"] == 0


def test_the_provider_fails_some_by_itself(own: Simulator, client: Client) -> None:
    own.set_batches(failures=0.3)
    lines = [line(f"row{n}") for n in range(100)]
    batches = [create(client, lines) for _ in range(2)]
    own.advance(HOUR)
    failed = []
    for made in batches:
        bad = content(client, client.batches.retrieve(made.id).error_file_id)
        assert {each["response"]["status_code"] for each in bad} == {500}
        failed.append({each["custom_id"] for each in bad})
    assert 15 < len(failed[0]) < 45
    assert failed[0] != failed[1]


def test_expired_with_partial_results(own: Simulator, client: Client) -> None:
    own.set_batches(item=3600, queue=0)
    batch = create(client, [line(f"row{n}") for n in range(60)])
    own.advance(DAY - 60)
    assert client.batches.retrieve(batch.id).status == "in_progress"
    own.advance(120)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "expired"
    assert batch.expired_at == batch.expires_at
    good = content(client, batch.output_file_id)
    bad = content(client, batch.error_file_id)
    assert len(good) + len(bad) == 60
    assert 10 < len(good) < 50
    assert {each["error"]["code"] for each in bad} == {"batch_expired"}
    assert {each["response"] for each in bad} == {None}
    assert len({each["custom_id"] for each in good + bad}) == 60
    row = own.ledger()["rows"][0]
    assert (row["requests"], row["outcome"]) == (len(good), "expired")


def test_cancelled_with_partial_results(own: Simulator, client: Client) -> None:
    own.set_batches(item=10, queue=0, cancelling=60)
    batch = create(client, [line(f"row{n}") for n in range(60)])
    own.advance(200)
    batch = client.batches.cancel(batch.id)
    assert batch.status == "cancelling"
    before = batch.request_counts.completed
    own.advance(30)
    assert client.batches.retrieve(batch.id).status == "cancelling"
    own.advance(40)
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "cancelled"
    assert batch.cancelling_at < batch.cancelled_at
    good = content(client, batch.output_file_id)
    assert before < len(good) < 60
    bad = content(client, batch.error_file_id)
    assert {each["error"]["code"] for each in bad} == {"batch_cancelled"}
    assert len(good) + len(bad) == 60
    assert own.ledger()["rows"][0]["requests"] == len(good)
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_cancelled_before_it_began_costs_nothing(own: Simulator, client: Client) -> None:
    own.set_batches(queue=600)
    batch = create(client, [line("a")])
    client.batches.cancel(batch.id)
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.output_file_id) == ("cancelled", None)
    assert own.ledger()["total"]["cost_pico"] == 0
    assert own.batches()["batches"][0]["billed"] == 0


def test_late_items_of_a_straggling_batch(own: Simulator, client: Client) -> None:
    own.set_batches(stragglers=1, late=HOUR, queue=0)
    batch = create(client, [line(f"row{n}") for n in range(100)])
    own.advance(600)
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.request_counts.completed) == ("in_progress", 98)
    own.advance(HOUR)
    assert client.batches.retrieve(batch.id).status == "completed"


@pytest.mark.parametrize(
    "lines, code",
    [
        ([line("a"), line("a")], "duplicate_custom_id"),
        ([line("a"), line("b", model="gpt-4o")], "mismatched_model"),
        ([line("a" * 513)], "invalid_custom_id"),
        ([line("a") | {"url": "/v1/embeddings"}], "invalid_url"),
        ([line("a") | {"method": "GET"}], "invalid_method"),
        ([{"custom_id": "a"}], "missing_required_parameter"),
        (["not an object"], "missing_required_parameter"),
        ([], "empty_file"),
        ([line(f"row{n}") for n in range(6)], "too_many_tasks"),
    ],
)
def test_a_bad_file_fails_as_a_whole(
    own: Simulator, client: Client, lines: list[Any], code: str
) -> None:
    own.set_batches(requests=5)
    batch = create(client, lines)
    assert batch.status == "validating"
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    assert (batch.status, batch.output_file_id) == ("failed", None)
    assert code in {problem.code for problem in batch.errors.data}
    assert batch.failed_at is not None
    assert own.ledger()["total"]["requests"] == 0


def test_a_line_that_is_not_json_is_named(own: Simulator, client: Client) -> None:
    data = json.dumps(line("a")).encode() + b'\n\n{"custom_id": "b", \n'
    file = client.files.create(file=("x.jsonl", data), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    own.advance(HOUR)
    (problem,) = client.batches.retrieve(batch.id).errors.data
    assert (problem.code, problem.line) == ("invalid_json_line", 2)


@pytest.mark.parametrize(
    "more, message",
    [
        ({"endpoint": "/v1/videos"}, "Supported values"),
        ({"completion_window": "48h"}, "'24h'"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "16 pairs"),
        ({"metadata": {"k" * 65: "x"}}, "64 characters"),
        ({"metadata": {"k": "x" * 513}}, "512 characters"),
        ({"metadata": {"k": 1}}, "expected a string"),
        ({"input_file_id": "file-none"}, "Invalid 'input_file_id'"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 60}}, "between 3600"),
    ],
)
def test_what_is_refused_at_once(
    own: Simulator, client: Client, more: dict[str, Any], message: str
) -> None:
    file = client.files.create(file=jsonl([line("a")]), purpose="batch")
    asked: dict[str, Any] = {
        "input_file_id": file.id,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    with pytest.raises(openai.BadRequestError, match=message):
        client.batches.create(**(asked | more))
    assert own.batches()["accepted"] == 0


def test_limits_of_size_and_of_what_is_enqueued(own: Simulator, client: Client) -> None:
    own.set_batches(bytes=2_000)
    with pytest.raises(openai.APIStatusError) as caught:
        create(client, [line(f"row{n}") for n in range(40)])
    assert caught.value.status_code == 413
    own.set_batches(bytes=None, enqueued_tokens=2_000, queue=600)
    batches = [create(client, [line(f"{b}{n}") for n in range(25)]) for b in "abc"]
    own.advance(30)
    seen = [client.batches.retrieve(batch.id) for batch in batches]
    assert [batch.status for batch in seen].count("in_progress") == 1
    failed = next(batch for batch in seen if batch.status == "failed")
    assert failed.errors.data[0].code == "token_limit_exceeded"
    own.advance(HOUR)
    batch = create(client, [line(f"d{n}") for n in range(25)])
    own.advance(HOUR)
    assert client.batches.retrieve(batch.id).status == "completed"


def test_embeddings_are_counted_by_their_inputs(own: Simulator, client: Client) -> None:
    texts = [str(number) for number in range(2_000)]
    body = {"model": "text-embedding-3-small", "input": texts, "dimensions": 1}
    url = {"method": "POST", "url": "/v1/embeddings"}
    lines = [{"custom_id": f"row{n}", **url, "body": body} for n in range(26)]
    batch = create(client, lines, endpoint="/v1/embeddings")
    own.advance(HOUR)
    (problem,) = client.batches.retrieve(batch.id).errors.data
    assert problem.code == "too_many_inputs"


def test_embeddings_and_responses(own: Simulator, client: Client) -> None:
    vectors = [
        {
            "custom_id": key,
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": "text-embedding-3-small", "input": ["one", "two"]},
        }
        for key in "ab"
    ]
    said = {"model": "gpt-4o-mini", "input": "Say yes", "max_output_tokens": 20}
    responses = [
        {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": said},
    ]
    made = [
        create(client, vectors, endpoint="/v1/embeddings"),
        create(client, responses, endpoint="/v1/responses"),
    ]
    own.advance(HOUR)
    first, second = [client.batches.retrieve(batch.id) for batch in made]
    body = content(client, first.output_file_id)[0]["response"]["body"]
    assert [len(each["embedding"]) for each in body["data"]] == [1536, 1536]
    body = content(client, second.output_file_id)[0]["response"]["body"]
    assert body["status"] in {"completed", "incomplete"}
    assert [row["cost_pico"] > 0 for row in own.ledger()["rows"]] == [True, True]
