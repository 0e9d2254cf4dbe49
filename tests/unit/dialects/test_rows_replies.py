"""What each provider of the table answers in its own way, read by its row."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import openai
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.events import UsageEvent
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.secret import Secret
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, feed
from tests.wire.recorded import streams

RECORDED = streams()


def target(name: str) -> Candidate:
    row = msgspec.structs.replace(TABLE[name], key=Secret("TEST_KEY"))
    return Candidate(row, Model(provider=name, id="x"))


def read(name: str, body: Any) -> Response:
    return openai.decode(targets.reply(200, json.dumps(body)), target(name))


def stream(name: str, *chunks: Any) -> Outcome:
    data = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return feed(openai, target(name), data)


def choice(finish: str | None = "stop", kind: str = "message", **turn: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, kind: turn, "finish_reason": finish}]}


def failed(name: str, status: int, body: Any, **headers: str) -> errors.OrchestratorError:
    return openai.error(targets.reply(status, json.dumps(body), **headers), target(name))


def costs(out: Outcome) -> list[int | None]:
    return [event.reported_cost for event in out.events if isinstance(event, UsageEvent)]


# ------------------------------------------------------------------ Groq


def test_groq_usage_in_its_own_place() -> None:
    out = feed(openai, target("groq"), [RECORDED["groq_x_groq_usage"]["bytes"].encode()])
    assert (out.text, out.usage, out.settled) == ("Hi", Usage(10, 1), True)


def test_groq_errors_in_its_own_place() -> None:
    error = {"x_groq": {"id": "r", "error": "over capacity"}, "choices": []}
    out = stream("groq", choice(None, "delta", content="Hel"), error)
    assert isinstance(out.error, errors.ServerError)
    assert "over capacity" in out.error.message


def test_groq_days_and_capacity() -> None:
    limit = {"error": {"message": "Rate limit", "type": "requests", "code": "rate_limit_exceeded"}}
    found = failed("groq", 429, limit, X_RateLimit_Remaining_Requests="0", Retry_After="2000")
    assert isinstance(found, errors.QuotaExhaustedError)
    assert type(failed("groq", 429, limit)) is errors.RateLimitError
    flex = {"error": {"message": "capacity", "code": "capacity_exceeded"}}
    found = failed("groq", 498, flex)
    assert isinstance(found, errors.OverloadedError)
    assert found.retryable


# ------------------------------------------------------------------ Perplexity


SOURCES = [{"title": "t", "url": "https://a.example", "date": None}]
USED = {
    "prompt_tokens": 33,
    "completion_tokens": 3581,
    "total_tokens": 3614,
    "citation_tokens": 8180,
    "num_search_queries": 22,
    "reasoning_tokens": 149213,
    "cost": {
        "input_tokens_cost": 0.000066,
        "output_tokens_cost": 0.028648,
        "citation_tokens_cost": 0.01636,
        "reasoning_tokens_cost": 0.447639,
        "search_queries_cost": 0.11,
        "total_cost": 0.602713,
    },
}
NOTHING = USED | {"cost": {"input_tokens_cost": 0, "output_tokens_cost": 0, "total_cost": 0}}


def test_perplexity_answers() -> None:
    body = choice(content="<think>\nhm\n</think>\n\nParis [1]") | {
        "citations": ["https://a.example"],
        "search_results": SOURCES,
        "usage": USED,
    }
    found = read("perplexity", body)
    assert found.parts == (Reasoning(text="hm"), Text(text="Paris [1]"))
    assert found.usage == Usage(33, 3581 + 149213, 0, 0, 0, 149213)
    assert found.reported_cost == 602_713_000_000
    assert found.extra is not None
    assert found.extra["citations"] == ["https://a.example"]
    assert found.extra["search_results"] == SOURCES
    assert found.extra["citation_tokens"] == 8180
    assert found.extra["cost"]["citation_tokens_cost"] == Decimal("0.01636")


def test_perplexity_streams() -> None:
    """Whole messages stand beside the pieces; costs are nothing until the last chunk."""

    def chunk(piece: str, whole: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
        turns = {"delta": {"content": piece}, "message": {"content": whole}}
        return {"choices": [{"index": 0, **turns, "finish_reason": finish}]} | more

    out = stream(
        "perplexity",
        chunk("Par", "Par", usage=NOTHING),
        chunk("is", "Paris", usage=NOTHING, search_results=SOURCES),
        chunk("", "Paris", "stop", usage=USED, citations=["https://a.example"]),
    )
    assert (out.text, out.finished, out.settled) == ("Paris", True, True)
    assert costs(out) == [None, None, 602_713_000_000]
    assert out.response.extra is not None
    assert out.response.extra["search_results"] == SOURCES
    assert out.response.extra["citations"] == ["https://a.example"]


def test_perplexity_vectors() -> None:
    body = {
        "data": [{"index": 0, "embedding": "AQL//g=="}],
        "usage": {"prompt_tokens": 3, "cost": {"total_cost": 0.0000001, "currency": "USD"}},
    }
    reply = targets.reply(200, json.dumps(body))
    vectors, response = openai.decode_embeddings(reply, target("perplexity"))
    assert vectors == [[1.0, 2.0, -1.0, -2.0]]
    assert (response.usage, response.reported_cost) == (Usage(3), 100_000)


# ------------------------------------------------------------------ Mistral


def test_mistral_streams() -> None:
    out = feed(openai, target("mistral"), [RECORDED["mistral_stream"]["bytes"].encode()])
    assert out.response.parts == (
        Reasoning(text="hm"),
        Text(text="Hello"),
        ToolCall(id="abcdefghi", name="get_weather", arguments='{"city": "Paris"}'),
    )
    assert (out.usage, out.settled) == (Usage(10, 5), True)


@pytest.mark.parametrize("reason", ["length", "model_length"])
def test_mistral_lengths(reason: str) -> None:
    assert read("mistral", choice(reason, content="Hel")).finish_reason == "length"


def test_mistral_errors() -> None:
    case = RECORDED["errors"]["mistral_422"]
    found = failed("mistral", case["status"], case["body"])
    assert type(found) is errors.InvalidRequestError
    assert found.message == "body.model: Field required"
    capacity = {"object": "error", "message": "Service tier capacity exceeded", "code": "3505"}
    assert type(failed("mistral", 429, capacity)) is errors.RateLimitError
    with pytest.raises(errors.ServerError):
        read("mistral", choice("error", content=""))


def test_mistral_models() -> None:
    body = {"data": [{"id": "a", "max_context_length": 32768, "capabilities": {}}]}
    models, _ = openai.read_models(targets.reply(200, json.dumps(body)), target("mistral").provider)
    assert [(model.id, model.context) for model in models] == [("a", 32768)]


# ------------------------------------------------------------------ Together


def test_together_ends_with_its_own_word() -> None:
    used = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    found = read("together", choice("eos", content="Hello", reasoning="hm") | {"usage": used})
    assert (found.text, found.finish_reason, found.usage) == ("Hello", "stop", Usage(3, 2))
    assert found.parts[0] == Reasoning(text="hm")


def test_together_lists_without_a_frame() -> None:
    body = '[{"id":"a","type":"chat","context_length":8192},{"id":"b","context_length":null}]'
    models, following = openai.read_models(targets.reply(200, body), target("together").provider)
    assert [(model.id, model.context) for model in models] == [("a", 8192), ("b", None)]
    assert following is None


def test_together_vectors_have_no_usage() -> None:
    reply = targets.reply(200, '{"data":[{"index":0,"embedding":[0.5]}]}')
    vectors, response = openai.decode_embeddings(reply, target("together"))
    assert (vectors, response.usage) == ([[0.5]], None)


def test_together_out_of_credit() -> None:
    body = {"error": {"message": "credit limit exceeded", "type": "credit_limit", "code": None}}
    assert type(failed("together", 402, body)) is errors.QuotaExhaustedError


# ------------------------------------------------------------------ OpenRouter


def test_openrouter_answers() -> None:
    used = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cost": 0.00014,
        "cost_details": {"upstream_inference_cost": None},
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    found = read(
        "openrouter", choice(content="Hi", reasoning="hm") | {"provider": "p", "usage": used}
    )
    assert found.usage == Usage(10, 5, 4, 2, 0, 3)
    assert found.reported_cost == 140_000_000
    assert found.extra == {"provider": "p", "cost": Decimal("0.00014")}
    out = stream(
        "openrouter",
        choice(None, "delta", content="Hi") | {"provider": "p"},
        choice("stop", "delta", content=""),
        {"choices": [], "usage": used},
    )
    assert costs(out) == [140_000_000]
    assert out.response.extra == {"provider": "p"}


def test_openrouter_comments_and_errors() -> None:
    data = RECORDED["openrouter_comment_and_error"]["bytes"].encode()
    out = feed(openai, target("openrouter"), [data])
    assert type(out.error) is errors.ServerError
    assert (out.error.code, out.text) == ("provider_unavailable", "Hel")
    late = {"error": {"code": 429, "message": "slow down", "metadata": {"provider_name": "p"}}}
    with pytest.raises(errors.RateLimitError):
        read("openrouter", late)


@pytest.mark.parametrize(
    "status, error, kind",
    [
        (402, {"code": 402, "message": "Insufficient credits"}, errors.QuotaExhaustedError),
        (
            403,
            {"code": 403, "message": "flagged", "metadata": {"reasons": ["x"]}},
            errors.ContentFilterError,
        ),
        (408, {"code": 408, "message": "timed out"}, errors.ServerError),
        (429, {"code": 429, "message": "free-models-per-day"}, errors.QuotaExhaustedError),
        (502, {"code": 502, "message": "down"}, errors.ServerError),
        (503, {"code": 503, "message": "nobody can"}, errors.OverloadedError),
        (
            400,
            {"code": 400, "message": "m", "metadata": {"error_type": "context_length_exceeded"}},
            errors.ContextLengthError,
        ),
    ],
)
def test_openrouter_failures(status: int, error: Any, kind: type[errors.OrchestratorError]) -> None:
    assert type(failed("openrouter", status, {"error": error})) is kind


# ------------------------------------------------------------------ DeepInfra and Azure


def test_deepinfra_says_what_it_will_charge() -> None:
    used = {"prompt_tokens": 10, "completion_tokens": 5, "estimated_cost": 0.0000034}
    assert read("deepinfra", choice(content="Hi") | {"usage": used}).reported_cost == 3_400_000
    out = stream("deepinfra", choice("stop", "delta", content="Hi"), {"choices": [], "usage": used})
    assert costs(out) == [3_400_000]


def test_azure_filters() -> None:
    body = {"error": {"message": "filtered", "code": "content_filter", "innererror": {}}}
    found = failed("azure", 400, body)
    assert isinstance(found, errors.ContentFilterError)
    assert not found.retryable
    out = stream(
        "azure",
        {"choices": [], "prompt_filter_results": [], "model": "", "id": ""},
        choice(None, "delta", content="Hel") | {"model": "gpt-x", "id": "c"},
        choice("content_filter", "delta"),
    )
    assert (out.text, out.response.finish_reason) == ("Hel", "content_filter")


def test_azure_thinks_in_no_tags() -> None:
    assert read("azure", choice(content="<think>a</think>b")).text == "<think>a</think>b"
