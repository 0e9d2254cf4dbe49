"""Batches on OpenAI's wire: lines, states, pages, and results of every kind."""

import json
from typing import Any

import msgspec
import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects.batch import dialect, perhaps_accepted, refusal, whole
from llm_orchestrator.dialects.openai import batch
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.batch import BatchRef, BatchState
from llm_orchestrator.types.http import FilePart, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.batching import FILE, ask, by_id, embed, exchange, ndjson, order, pieces

OPENAI = TABLE["openai"]
TARGET = Candidate(OPENAI, Model(provider="openai", id="gpt-x"))

BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "status": "in_progress",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "created_at": 1_000,
    "expires_at": 87_400,
    "request_counts": {"total": 3, "completed": 1, "failed": 1},
    "metadata": {"llmo_job": "j1"},
}


def told(**changes: Any) -> dict[str, Any]:
    return BATCH | changes


def answer(custom_id: str, text: str = "yes", **changes: Any) -> dict[str, Any]:
    body = {
        "id": "chatcmpl-1",
        "model": "gpt-x-1",
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2},
    }
    response = {"status_code": 200, "request_id": "req_1", "body": body} | changes
    return {"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}


def read(*rows: Any, embeds: bool = False) -> dict[str | None, Any]:
    return by_id(batch.read_results([ndjson(*rows)], "output", TARGET, embeds=embeds))


def test_a_line_holds_the_body_of_the_same_request_in_real_time() -> None:
    notices: set[str] = set()
    line = json.loads(batch.line(ask("a1", temperature=0.5, top_k=3, stream=True), TARGET, notices))
    assert line == {
        "custom_id": "a1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "gpt-x",
            "messages": [{"role": "user", "content": "Hi"}],
            "temperature": 0.5,
        },
    }
    assert notices == {"top_k has no meaning here"}


def test_a_line_for_vectors_and_one_for_responses_name_their_endpoints() -> None:
    line = json.loads(batch.line(embed("e1", "a", "b"), TARGET))
    assert (line["url"], line["body"]["input"]) == ("/v1/embeddings", ["a", "b"])
    pro = Candidate(OPENAI, Model(provider="openai", id="o3-pro"))
    line = json.loads(batch.line(ask(), pro))
    assert line["url"] == "/v1/responses"
    assert line["body"]["input"] == [{"role": "user", "content": "Hi"}]


def test_what_no_batch_can_ask_for_is_refused() -> None:
    groq = Candidate(TABLE["groq"], Model(provider="groq", id="x"))
    assert refusal(groq) is None
    assert refusal(groq, embeds=True)
    with pytest.raises(errors.UnsupportedError, match="cannot be asked in a batch"):
        dialect(groq.provider).line(embed(), groq)
    sonar = Candidate(TABLE["perplexity"], Model(provider="perplexity", id="sonar"))
    with pytest.raises(errors.UnsupportedError, match="cannot be asked in a batch"):
        dialect(sonar.provider).line(ask(), sonar)
    assert refusal(Candidate(TABLE["perplexity"], Model(provider="perplexity", id="openai/x"))) is (
        None
    )
    with pytest.raises(errors.UnsupportedError, match="batches are not offered"):
        dialect(TABLE["ollama"])


def test_the_file_goes_up_from_the_disk() -> None:
    (call,), file_id = exchange(batch.upload(FILE, TARGET), {"id": "file-9", "object": "file"})
    assert file_id == "file-9"
    assert FilePart(FILE.path, FILE.size) in call.parts
    assert call.size == FILE.size + sum(len(p) for p in call.parts if isinstance(p, bytes))
    assert not call.once


def test_the_creation_is_the_one_call_that_is_not_repeated() -> None:
    (call,), status = exchange(batch.create(order(), TARGET), told(status="validating"))
    assert call.once
    assert json.loads(call.body) == {
        "input_file_id": "file-1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"llmo_job": "j1"},
    }
    assert (status.id, status.state, status.tag) == ("batch_1", BatchState.VALIDATING, "j1")
    for other in (batch.poll("batch_1", TARGET), batch.cancel("batch_1", TARGET)):
        (call,), _ = exchange(other, told())
        assert not call.once


def test_long_windows_are_written_in_days() -> None:
    groq = Candidate(TABLE["groq"], Model(provider="groq", id="x"))
    (call,), _ = exchange(batch.create(order(hours=168), groq), told())
    assert json.loads(call.body)["completion_window"] == "7d"


def test_an_idempotent_creation_says_so() -> None:
    target = Candidate(TABLE["perplexity"], Model(provider="perplexity", id="openai/x"))
    assert target.provider.batch is not None
    assert target.provider.batch.idempotent
    (call,), _ = exchange(batch.create(order(), target), told())
    assert call.headers["Idempotency-Key"] == "j1"


@pytest.mark.parametrize("word", [*batch.STATES, "something_new"])
def test_every_state_of_the_wire_has_one_of_ours(word: str) -> None:
    _, status = exchange(batch.poll("batch_1", TARGET), told(status=word))
    assert status.word == word
    assert status.state.over is (word in {"completed", "failed", "expired", "cancelled"})


def test_a_status_holds_what_the_batch_says_of_itself() -> None:
    usage = {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 39,
    }
    ended = told(status="expired", output_file_id="f-o", error_file_id="f-e", expired_at=90_000)
    _, status = exchange(batch.poll("batch_1", TARGET), ended | {"usage": usage, "model": "gpt-x"})
    assert (status.total, status.completed, status.failed) == (3, 1, 1)
    assert (status.created_at, status.expires_at, status.ended_at) == (1_000, 87_400, 90_000)
    assert status.results == (BatchRef("output", "f-o"), BatchRef("error", "f-e"))
    assert status.usage == Usage(30, 9, 4, 0, 0, 2)
    again = msgspec.json.decode(msgspec.json.encode(status), type=type(status))
    assert again == status


def test_a_file_that_is_wrong_as_a_whole_says_where() -> None:
    faults = [{"code": "invalid_json_line", "line": n, "message": "bad"} for n in range(1, 6)]
    failed = told(status="failed", errors={"object": "list", "data": faults}, output_file_id=None)
    _, status = exchange(batch.poll("batch_1", TARGET), failed)
    assert status.error == "line 1: bad; line 2: bad; line 3: bad; and 2 more"
    assert status.results == ()
    assert exchange(batch.results(status, TARGET)) == ([], ())


def test_only_what_cost_nothing_is_created_again_later() -> None:
    full = {"data": [{"message": "Enqueued token limit reached for gpt-x."}]}
    none = {"total": 0, "completed": 0, "failed": 0}
    for counts, crowded in ((none, True), (None, True), (none | {"completed": 2}, False)):
        failed = told(status="failed", errors=full, request_counts=counts)
        _, status = exchange(batch.poll("b", TARGET), failed)
        assert status.crowded is crowded


@pytest.mark.parametrize("odd", ["no", 7, ["no"], {"data": "no", "input_tokens": "some"}])
def test_a_batch_is_read_whatever_its_errors_and_its_usage_are(odd: Any) -> None:
    _, status = exchange(batch.poll("b", TARGET), told(status="failed", errors=odd, usage=odd))
    assert (status.state, status.usage, status.error) == (BatchState.FAILED, None, None)


def test_the_list_is_read_until_its_batches_are_too_old() -> None:
    pages: list[dict[str, Any]] = [
        {"data": [told(id="b9", created_at=900), told(id="b8", created_at=800)], "has_more": True},
        {"data": [told(id="b7", created_at=700, metadata=None)], "has_more": True, "last_id": "b7"},
        {"data": [told(id="b6", created_at=600), told(id="b1", created_at=100)], "has_more": True},
    ]
    calls, found = exchange(batch.list_recent(TARGET, 500), *pages)
    assert [one.id for one in found] == ["b9", "b8", "b7", "b6"]
    queries = [call.url.partition("?")[2] for call in calls]
    assert queries == ["limit=100", "after=b8&limit=100", "after=b7&limit=100"]
    _, found = exchange(batch.list_recent(TARGET, 500, "j1"), *pages)
    assert [one.id for one in found] == ["b9", "b8", "b6"]


def test_a_list_without_pages_is_asked_for_once() -> None:
    groq = whole(TABLE["groq"])
    page = {"data": [told()], "has_more": True, "object": "list"}
    (call,), found = exchange(batch.list_recent(groq, 0), page)
    assert call.url == "https://api.groq.com/openai/v1/batches"
    assert [one.id for one in found] == ["batch_1"]


def test_both_files_are_fetched_in_every_state_that_is_over() -> None:
    ended = told(status="cancelled", output_file_id="f-o", error_file_id="f-e")
    _, status = exchange(batch.poll("batch_1", TARGET), ended)
    saved = HTTPReply(200, {}, b"", file="/tmp-folder/output")
    calls, outputs = exchange(batch.results(status, TARGET), saved, HTTPReply(200, {}, b"{}"))
    assert [call.url.rpartition("/v1")[2] for call in calls] == [
        "/files/f-o/content",
        "/files/f-e/content",
    ]
    assert all(call.save for call in calls)
    assert [(one.kind, one.path, one.data) for one in outputs] == [
        ("output", "/tmp-folder/output", b""),
        ("error", "", b"{}"),
    ]


# ------------------------------------------------------------------ results


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_results_come_whatever_the_pieces(size: int) -> None:
    rows = [answer(f"a{number}", "é" * number) for number in range(5)]
    data = ndjson(*rows).rstrip(b"\n") if size == 7 else ndjson(b"", *rows, b"  ")
    found = by_id(batch.read_results(pieces(data, size), "output", TARGET))
    assert {key: one.response.text for key, one in found.items()} == {
        f"a{number}": "é" * number for number in range(5)
    }
    assert found["a1"].outcome == "succeeded"
    assert found["a1"].usage == Usage(10, 2)
    assert found["a1"].response.request_id == "req_1"


def test_a_very_long_line_is_one_result() -> None:
    data = ndjson(answer("a1", "x" * 20_000_000), answer("a2"))
    first, second = batch.read_results(pieces(data, 65_536), "output", TARGET)
    assert first.response is not None
    assert (len(first.response.text), second.custom_id) == (20_000_000, "a2")


def test_vectors_are_read_in_the_order_of_their_texts() -> None:
    body = {
        "data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}],
        "usage": {"prompt_tokens": 4},
    }
    target = Candidate(TABLE["deepinfra"], Model(provider="deepinfra", id="bge"))
    data = ndjson(answer("e1", body=body))
    (found,) = batch.read_results([data], "output", target, embeds=True)
    assert found.vectors == [[1.0], [2.0]]
    assert found.usage == Usage(4)


@pytest.mark.parametrize(
    ("status", "code", "outcome", "kind"),
    [
        (400, "invalid_value", "failed", errors.InvalidRequestError),
        (400, "context_length_exceeded", "failed", errors.ContextLengthError),
        (401, "invalid_api_key", "failed", errors.AuthenticationError),
        (404, "model_not_found", "failed", errors.ModelNotFoundError),
        (422, None, "failed", errors.InvalidRequestError),
        (408, None, "retryable", errors.ServerError),
        (429, "rate_limit_exceeded", "retryable", errors.RateLimitError),
        (429, "insufficient_quota", "retryable", errors.QuotaExhaustedError),
        (500, None, "retryable", errors.ServerError),
        (503, None, "retryable", errors.OverloadedError),
    ],
)
def test_a_failed_row_says_whether_it_may_succeed(
    status: int, code: str | None, outcome: str, kind: type[errors.OrchestratorError]
) -> None:
    body = {"error": {"message": "no", "code": code}}
    found = read(answer("a1", status_code=status, body=body))["a1"]
    assert found.outcome == outcome
    assert type(found.error) is kind
    assert found.error.status_code == status
    assert found.error.message == "no"


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": 10},
        {"completion_tokens": 2},
        {"prompt_tokens": 0, "completion_tokens": 2},
        {"prompt_tokens": 0, "completion_tokens": 0},
    ],
)
def test_usage_that_leaves_something_out_is_unknown(usage: Any) -> None:
    row = answer("a1")
    row["response"]["body"]["usage"] = usage
    (one,) = read(row).values()
    assert (one.outcome, one.usage) == ("succeeded", None)


def test_rows_that_were_never_answered_say_why() -> None:
    def row(custom_id: str, code: str) -> dict[str, Any]:
        error = {"code": code, "message": "not done"}
        return {"custom_id": custom_id, "response": None, "error": error}

    typed = {"type": "batch_expired", "message": "not done"}
    wrong = {"type": "invalid_request_error", "message": "no"}
    found = read(
        row("a1", "batch_expired"),
        row("a2", "batch_cancelled"),
        row("a3", "request_timeout"),
        {"custom_id": "a4", "response": None, "error": typed},
        {"custom_id": "a5", "response": None, "error": wrong},
        {"custom_id": "a6", "error": "no words"},
    )
    assert {key: one.outcome for key, one in found.items()} == {
        "a1": "expired",
        "a2": "cancelled",
        "a3": "retryable",
        "a4": "expired",
        "a5": "failed",
        "a6": "retryable",
    }
    assert found["a3"].error.message == "not done"


def test_a_line_that_cannot_be_read_is_a_result_too() -> None:
    found = list(
        batch.read_results(
            [
                ndjson(
                    b"<html>",
                    {"custom_id": "a1", "response": "no object"},
                    {"custom_id": "a2"},
                    {"custom_id": "a3", "response": {"status_code": 200, "body": "no json"}},
                    b"\xff\xfe",
                    answer("zz", "not ours"),
                )
            ],
            "output",
            TARGET,
        )
    )
    assert [one.custom_id for one in found] == [None, "a1", "a2", "a3", None, "zz"]
    assert [one.outcome for one in found] == ["retryable"] * 5 + ["succeeded"]
    assert all(isinstance(one.error, errors.BadReplyError) for one in found[:5])


def test_an_answer_in_a_text_and_an_error_in_a_success_are_read() -> None:
    inner = json.dumps({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
    found = read(answer("a1", body=inner))["a1"]
    assert (found.outcome, type(found.error)) == ("retryable", errors.RateLimitError)


@pytest.mark.parametrize(
    ("error", "open_question"),
    [
        (errors.APIConnectionError("x", code="dns"), False),
        (errors.APIConnectionError("x", code="reset"), True),
        (errors.APIConnectionError("x", code="cut"), True),
        (errors.APITimeoutError("x", phase="connect"), False),
        (errors.APITimeoutError("x", phase="first_token"), True),
        (errors.ServerError("x", status_code=500), True),
        (errors.OverloadedError("x", status_code=503), True),
        (errors.BadReplyError("x", status_code=200), True),
        (errors.BadReplyError("x", status_code=302, code="redirect"), False),
        (errors.InvalidRequestError("x", status_code=400), False),
        (errors.RateLimitError("x", status_code=429), False),
        (errors.ServerError("x", status_code=409), True),
        (errors.AuthenticationError("no key"), False),
        (errors.ConfigError("no address"), False),
    ],
)
def test_which_errors_leave_it_open_whether_a_batch_was_made(
    error: errors.OrchestratorError, *, open_question: bool
) -> None:
    assert perhaps_accepted(error) is open_question
