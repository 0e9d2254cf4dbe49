"""Lists, files and faults of batches, by way of OpenAI's SDK."""

import json
from collections.abc import Iterator

import openai
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, Client
from .openai_files import DAY, HOUR, content, create, jsonl, line

KEY = "sk-batch-0123456789abcdef"


@pytest.fixture
def client(own: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=own.openai_url, max_retries=0) as made:
        yield made


# ------------------------------------------------------------------ lists and files


def test_lists_lag_and_have_pages(own: Simulator, client: Client) -> None:
    own.set_batches(list_lag=60)
    names = [create(client, [line("a")], metadata={"n": str(n)}).id for n in range(5)]
    assert client.batches.retrieve(names[0]).id == names[0]
    assert client.batches.list().data == []
    own.advance(61)
    assert [batch.id for batch in client.batches.list(limit=2)] == names[::-1]
    page = client.batches.list(limit=2, after=names[3])
    assert ([batch.id for batch in page.data], page.has_more) == ([names[2], names[1]], True)
    with pytest.raises(openai.BadRequestError, match="'limit'"):
        client.batches.list(limit=101)


def test_lists_lag_in_real_seconds_too(own: Simulator, client: Client) -> None:
    own.set_batches(list_lag_real=3600)
    create(client, [line("a")])
    own.advance(DAY)
    assert client.batches.list().data == []


def test_files_are_listed_deleted_and_expire(own: Simulator, client: Client) -> None:
    kept = client.files.create(file=jsonl([line("a")]), purpose="assistants")
    file = client.files.create(
        file=jsonl([line("a")]),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert [each.id for each in client.files.list()] == [file.id, kept.id]
    assert [each.id for each in client.files.list(purpose="batch")] == [file.id]
    with pytest.raises(openai.BadRequestError, match="must have the purpose 'batch'"):
        client.batches.create(
            input_file_id=kept.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    assert client.files.delete(kept.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(kept.id)
    own.advance(3601)
    with pytest.raises(openai.NotFoundError):
        client.files.content(file.id)


def test_results_expire(own: Simulator, client: Client) -> None:
    batch = create(
        client, [line("a")], output_expires_after={"anchor": "created_at", "seconds": 7200}
    )
    own.advance(HOUR)
    batch = client.batches.retrieve(batch.id)
    info = client.files.retrieve(batch.output_file_id)
    assert info.expires_at - info.created_at == 7200
    own.advance(7200)
    with pytest.raises(openai.NotFoundError):
        client.files.content(batch.output_file_id)


# ------------------------------------------------------------------ faults


@pytest.mark.parametrize("fault", ["lost-reply", "lost-reply-reset", "error-after-accept"])
def test_accepted_without_a_good_reply(own: Simulator, client: Client, fault: str) -> None:
    own.add_fault(fault=fault, provider="openai", count=1)
    with pytest.raises((openai.APIConnectionError, openai.InternalServerError)):
        create(client, [line("a")], metadata={"tag": "one"})
    (batch,) = client.batches.list().data
    assert batch.metadata == {"tag": "one"}
    create(client, [line("a")], metadata={"tag": "one"})
    assert own.batches()["duplicates"] == 1
    assert own.batches()["paid_twice"] == 0
    client.batches.cancel(batch.id)
    own.advance(HOUR)
    seen = own.batches()
    assert (seen["accepted"], seen["duplicates"], seen["paid_twice"]) == (2, 1, 0)
    assert own.paid_twice() == {"items": 0, "cost_pico": 0, "examples": []}


def test_both_of_two_equal_batches_may_be_paid(own: Simulator, client: Client) -> None:
    first = create(client, [line("a"), line("b")])
    second = create(client, [line("b"), line("a")])
    third = create(client, [line("c")])
    own.advance(HOUR)
    seen = own.batches()
    assert [batch["duplicate_of"] for batch in seen["batches"]] == [None, first.id, None]
    assert seen["paid_twice"] == 1
    # all items have the same body, so those of the second and of the third were paid again
    found = own.paid_twice()
    assert found["items"] == 3
    assert {each[1] for each in found["examples"]} == {second.id, third.id}


def test_results_as_faults_leave_them(own: Simulator, client: Client) -> None:
    found = {}
    for fault in ("garbage-results", "unknown-ids", "doubled-results", "missing-results"):
        own.add_fault(fault=fault, share=0.2, count=1)
        batch = create(client, [line(f"row{n}") for n in range(10)])
        own.advance(HOUR)
        batch = client.batches.retrieve(batch.id)
        assert batch.status == "completed"
        found[fault] = client.files.content(batch.output_file_id).text.splitlines()
    broken = [text for text in found["garbage-results"] if not text.endswith("}")]
    assert (len(found["garbage-results"]), len(broken)) == (10, 2)
    keys = [json.loads(text)["custom_id"] for text in found["unknown-ids"]]
    assert sorted(set(keys) - {f"row{n}" for n in range(10)}) == ["nobody0", "nobody5"]
    keys = [json.loads(text)["custom_id"] for text in found["doubled-results"]]
    assert (len(keys), len(set(keys))) == (12, 10)
    keys = [json.loads(text)["custom_id"] for text in found["missing-results"]]
    assert set(keys) == {f"row{n}" for n in range(10)} - {"row0", "row5"}
    assert [row["requests"] for row in own.ledger()["rows"]] == [10, 10, 10, 8]


def test_items_fail_with_the_status_of_the_fault(own: Simulator, client: Client) -> None:
    own.add_fault(fault="item-errors", share=0.5, status=429, count=1)
    batch = create(client, [line(f"row{n}") for n in range(10)])
    own.advance(HOUR)
    bad = content(client, client.batches.retrieve(batch.id).error_file_id)
    assert [each["response"]["status_code"] for each in bad] == [429] * 5


def test_some_lines_are_refused_in_every_batch(own: Simulator, client: Client) -> None:
    own.add_fault(fault="refused-lines", share=0.3)
    turns = [[{"role": "user", "content": f"Say {n}."}] for n in range(30)]
    lines = [line(f"row{n}", messages=turn) for n, turn in enumerate(turns)]
    found = []
    for given in (lines, lines[::-1]):
        batch = create(client, given)
        own.advance(HOUR)
        batch = client.batches.retrieve(batch.id)
        assert batch.status == "failed"
        assert {fault.code for fault in batch.errors.data} == {"invalid_request"}
        found.append({given[fault.line - 1]["custom_id"] for fault in batch.errors.data})
    assert found[0] == found[1]
    assert 0 < len(found[0]) < 20
    assert own.ledger()["total"]["requests"] == 0


def test_a_batch_that_fails_and_results_that_are_lost(own: Simulator, client: Client) -> None:
    own.add_fault(fault="batch-failed", count=1)
    own.add_fault(fault="lost-results", count=1)
    first, second = create(client, [line("a")]), create(client, [line("b")])
    own.advance(HOUR)
    assert client.batches.retrieve(first.id).status == "failed"
    name = client.batches.retrieve(second.id).output_file_id
    with pytest.raises(openai.NotFoundError):
        client.files.content(name)


def test_requests_about_batches_fail_where_a_rule_says_so(own: Simulator, client: Client) -> None:
    batch = create(client, [line("a")])
    own.add_fault(fault="unavailable", on="poll", count=1)
    own.add_fault(fault="reset", on="list", count=1)
    own.add_fault(fault="cut", on="results", count=1)
    own.add_fault(fault="rate-limit", on="create", retry_after=3, count=1)
    own.advance(HOUR)
    with pytest.raises(openai.InternalServerError):
        client.batches.retrieve(batch.id)
    with pytest.raises(openai.APIConnectionError):
        client.batches.list()
    with pytest.raises(openai.RateLimitError) as caught:
        create(client, [line("b")])
    assert caught.value.response.headers["retry-after"] == "3"
    name = client.batches.retrieve(batch.id).output_file_id
    with pytest.raises(openai.APIConnectionError):
        client.files.content(name)
    assert content(client, name)
    assert own.batches()["accepted"] == 1
    assert client.chat.completions.create(model="gpt-4o-mini", messages=HELLO).choices


def test_faults_in_the_name_of_the_model(own: Simulator, client: Client) -> None:
    named = "sim-chat+fault=server-error,times=1"
    seen = []
    for _ in range(2):
        batch = create(client, [line("a", model=named), line("b", model=named, max_tokens=9)])
        own.advance(HOUR)
        counts = client.batches.retrieve(batch.id).request_counts
        seen.append((counts.completed, counts.failed))
    assert seen == [(0, 2), (2, 0)]
    batch = create(client, [line("a", model="sim-chat+fault=empty")])
    own.advance(HOUR)
    (result,) = content(client, client.batches.retrieve(batch.id).output_file_id)
    assert result["response"]["body"]["choices"][0]["message"]["content"] == ""


def test_items_cannot_be_streamed(own: Simulator, client: Client) -> None:
    batch = create(client, [line("a", stream=True)])
    own.advance(HOUR)
    (bad,) = content(client, client.batches.retrieve(batch.id).error_file_id)
    assert "Streaming" in bad["response"]["body"]["error"]["message"]
