"""Where compatible servers differ: each quirk does what its text says, and nothing without it."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator import errors
from llm_orchestrator.dialects import openai
from llm_orchestrator.errors import UnsupportedError
from llm_orchestrator.types.events import FinishEvent, UsageEvent
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import (
    Effort,
    Message,
    OutputSchema,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets
from tests.unit.dialects.feeding import Outcome, cut, feed

HI = (Message("user", "Hi"),)
TOOL = Tool("f", "does", {"type": "object", "properties": {}})
SCHEMA = OutputSchema("out", {"type": "object", "properties": {}})


def sent(target: Candidate, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """The body and the notices."""
    call = openai.encode(Request(**({"messages": HI} | fields)), target)
    return json.loads(call.body), list(call.notices)


def answer(target: Candidate, content: Any = "Hello", **fields: Any) -> Response:
    choice = {"message": {"content": content}, "finish_reason": fields.pop("finish", "stop")}
    body = json.dumps({"id": "i", "choices": [choice]} | fields)
    return openai.decode(targets.reply(200, body), target)


def chunk(finish: str | None = None, content: Any = None, **fields: Any) -> bytes:
    delta = {} if content is None else {"content": content}
    body = {"choices": [{"delta": delta, "finish_reason": finish}]} | fields
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def streamed(target: Candidate, *pieces: bytes) -> Outcome:
    return feed(openai, target, pieces)


# ------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    "asked, known, expected",
    [
        ("low", (), "low"),
        ("low", ("low", "high"), "low"),
        ("max", ("low", "medium", "high"), "high"),
        ("minimal", ("low", "medium", "high"), "low"),
        ("none", ("minimal", "high"), "minimal"),
    ],
)
def test_the_nearest_effort(asked: Effort, known: tuple[str, ...], expected: str) -> None:
    body, notices = sent(targets.openai(efforts=known), effort=asked)
    assert body["reasoning_effort"] == expected
    assert bool(notices) == (asked != expected)


def test_strict_refuses_another_effort() -> None:
    with pytest.raises(UnsupportedError, match="effort max"):
        sent(targets.openai(efforts=("low",)), effort="max", strict=True)


@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("required", "f")])
def test_a_tool_choice_that_is_not_known(choice: ToolChoice) -> None:
    target = targets.openai(tool_choices=frozenset(("auto", "none")))
    body, notices = sent(target, tools=(TOOL,), tool_choice=choice)
    assert "tool_choice" not in body
    assert len(notices) == 1
    body, notices = sent(target, tools=(TOOL,), tool_choice=ToolChoice("none"))
    assert (body["tool_choice"], notices) == ("none", [])


def test_ids_of_tool_calls_in_nine_letters_and_digits() -> None:
    calls = (ToolCall(id="call_1", name="f"), ToolCall(id="abcDEF123", name="f"))
    results = (
        ToolResult(call_id="abcDEF123", content="2"),
        ToolResult(call_id="call_1", content="1"),
    )
    messages = (*HI, Message("assistant", calls), Message("tool", results))
    body, notices = sent(targets.openai(call_ids=9), messages=messages)
    ours = [call["id"] for call in body["messages"][1]["tool_calls"]]
    assert ours[1] == "abcDEF123"
    assert len(ours[0]) == 9
    assert ours[0].isascii()
    assert ours[0].isalnum()
    # A result still belongs to its call.
    assert [turn["tool_call_id"] for turn in body["messages"][2:]] == [ours[1], ours[0]]
    assert notices == []


def test_a_beginning_of_the_answer_is_marked() -> None:
    messages = (*HI, Message("assistant", "So"))
    assert sent(targets.openai(prefill="prefix"), messages=messages)[0]["messages"][1] == {
        "role": "assistant",
        "content": "So",
        "prefix": True,
    }
    assert sent(targets.openai(prefill="prefix"))[0]["messages"] == [
        {"role": "user", "content": "Hi"}
    ]


@pytest.mark.parametrize("beside", [{"tools": (TOOL,)}, {"stream": True}])
def test_a_schema_that_must_stand_alone(beside: dict[str, Any]) -> None:
    target = targets.openai(schema_without=frozenset(("tools", "stream")))
    body, notices = sent(target, schema=SCHEMA, **beside)
    assert "response_format" not in body
    assert "JSON schema" in body["messages"][0]["content"]
    assert next(iter(beside)) in notices[0]
    body, notices = sent(target, schema=SCHEMA)
    assert (body["response_format"]["type"], notices) == ("json_schema", [])


def test_names_of_speakers_where_they_are_refused() -> None:
    target = targets.openai(unsupported=frozenset(("name",)))
    body, notices = sent(target, messages=(Message("user", "Hi", "ann"),))
    assert (body["messages"], len(notices)) == ([{"role": "user", "content": "Hi"}], 1)


def test_stream_options_where_they_are_refused() -> None:
    target = targets.openai(unsupported=frozenset(("stream_options",)))
    body, notices = sent(target, stream=True)
    assert "stream_options" not in body
    assert notices == []


def test_paths_with_the_name_of_the_model() -> None:
    target = targets.openai(
        id="my model/1",
        chat_path="/deployments/{model}/chat/completions?api-version=1",
        embeddings_path="/deployments/{model}/embeddings?api-version=1",
        models_path="/models?api-version=1",
    )
    base = "https://api.openai.com/v1"
    call = openai.encode(Request(messages=HI), target)
    assert call.url == f"{base}/deployments/my%20model%2F1/chat/completions?api-version=1"
    call = openai.encode_embeddings(["a"], target, None)
    assert call.url == f"{base}/deployments/my%20model%2F1/embeddings?api-version=1"
    assert openai.list_models(target.provider, None).url == f"{base}/models?api-version=1"


# ------------------------------------------------------------------ what a reply says beside


USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
COSTS = [
    ("0.000123456789", 123_456_789),
    ("1.2e-05", 12_000_000),
    ("0.0000000000004", 0),
    ("0.0000000000006", 1),
    ("0.1", 100_000_000_000),
    ("0", 0),
    ("3", 3 * 10**12),
    ("-1", None),
    ("1e300", None),
    ("1e999999999", None),
    ("null", None),
    ("true", None),
    ('"0.1"', None),
    ("{}", None),
]


@pytest.mark.parametrize("text, pico", COSTS)
def test_a_reported_cost_is_exact(text: str, pico: int | None) -> None:
    start = '{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":1,"cost":'
    body = f"{start}{text}}}}}"
    assert openai.decode(targets.reply(200, body), targets.openai()).reported_cost is None
    target = targets.openai(cost="usage.cost")
    assert openai.decode(targets.reply(200, body), target).reported_cost == pico


def test_a_cost_at_another_place() -> None:
    target = targets.openai(cost="usage.cost.total_cost")
    usage = USAGE | {"cost": {"total_cost": 0.000029}}
    assert answer(target, usage=usage).reported_cost == 29_000_000
    assert answer(target, usage=USAGE).reported_cost is None
    assert answer(target).reported_cost is None


def test_the_cost_of_a_stream_is_the_one_after_its_finish() -> None:
    target = targets.openai(cost="usage.cost")
    early, late = USAGE | {"cost": 0}, USAGE | {"cost": 0.25}
    out = streamed(target, chunk(content="a", usage=early), chunk("stop", usage=late))
    costs = [event.reported_cost for event in out.events if isinstance(event, UsageEvent)]
    assert costs == [None, 250_000_000_000]
    assert out.settled


def test_the_cost_of_embeddings() -> None:
    body = '{"data":[{"embedding":[1]}],"usage":{"prompt_tokens":1,"cost":{"total_cost":0.5}}}'
    target = targets.openai(cost="usage.cost.total_cost")
    _, response = openai.decode_embeddings(targets.reply(200, body), target)
    assert response.reported_cost == 5 * 10**11


EXTRA = {
    "citations": ["https://a.example"],
    "search_results": [{"title": "t", "score": 0.5}],
    "images": [],
    "related_questions": None,
    "usage": USAGE | {"cost": {"total_cost": 0.1}},
}
KEEP = ("citations", "search_results", "images", "related_questions", "usage.cost", "other")
KEPT = {
    "citations": ["https://a.example"],
    "search_results": [{"title": "t", "score": Decimal("0.5")}],
    "cost": {"total_cost": Decimal("0.1")},
}


def test_kept_fields() -> None:
    assert answer(targets.openai(), **EXTRA).extra is None
    assert answer(targets.openai(keep=KEEP), **EXTRA).extra == KEPT
    assert answer(targets.openai(keep=KEEP)).extra is None


def test_kept_fields_of_a_stream() -> None:
    target = targets.openai(keep=KEEP)
    early: dict[str, Any] = {"citations": ["https://b.example"]}
    out = streamed(target, chunk(content="a", **early), chunk("stop", **EXTRA))
    finish = next(event for event in out.events if isinstance(event, FinishEvent))
    assert finish.extra == KEPT
    assert out.response.extra == KEPT


def test_reasoning_tokens_apart() -> None:
    usage: dict[str, Any] = USAGE | {"reasoning_tokens": 100}
    assert answer(targets.openai(), usage=usage).usage == Usage(10, 5)
    assert answer(targets.openai(apart=True), usage=usage).usage == Usage(10, 105, 0, 0, 0, 100)
    usage = USAGE | {"completion_tokens_details": {"reasoning_tokens": 7}}
    assert answer(targets.openai(apart=True), usage=usage).usage == Usage(10, 12, 0, 0, 0, 7)
    out = streamed(targets.openai(apart=True), chunk("stop", usage=usage))
    assert out.usage == Usage(10, 12, 0, 0, 0, 7)


def test_pages_of_models() -> None:
    target = targets.openai(models_path="/models?offset=0&limit=500")
    call = openai.list_models(target.provider, None)
    assert call.url.endswith("/v1/models?offset=0&limit=500")
    links = {"next": "https://elsewhere.example/v9/other?offset=500&limit=500"}
    body = {"data": [{"id": "a", "context_length": 8}, {"id": "b"}], "links": links}
    models, following = openai.read_models(targets.reply(200, json.dumps(body)), target.provider)
    assert [(model.id, model.context) for model in models] == [("a", 8), ("b", None)]
    # Only the query is taken over: no reply sends our key elsewhere.
    call = openai.list_models(target.provider, following)
    assert call.url == "https://api.openai.com/v1/models?offset=500&limit=500"


@pytest.mark.parametrize("links", [None, {}, {"next": None}, {"next": "/models"}, [], {"next": 3}])
def test_the_last_page(links: Any) -> None:
    body = json.dumps({"data": [{"id": "a"}], "links": links})
    assert openai.read_models(targets.reply(200, body), targets.openai().provider)[1] is None


@pytest.mark.parametrize("name", ["context_length", "context_window", "max_context_length"])
def test_the_context_by_any_name(name: str) -> None:
    body = json.dumps({"data": [{"id": "a", name: 4096}, {"id": "b", name: "big"}]})
    models, _ = openai.read_models(targets.reply(200, body), targets.openai().provider)
    assert [model.context for model in models] == [4096, None]


def test_vectors_of_signed_bytes() -> None:
    body = '{"data":[{"embedding":"AH+AAQ=="}],"usage":{"prompt_tokens":1}}'
    target = targets.openai(embeddings_format="base64_int8")
    assert openai.decode_embeddings(targets.reply(200, body), target)[0] == [[0, 127, -128, 1]]


# ------------------------------------------------------------------ thoughts


TAGS = targets.openai(think_tags=True)
SPOKEN = [
    ("<think>hm</think>Hello", "hm", "Hello"),
    ("\n <think>\nhm, < 3 \n</think>\n\n Hello\n", "hm, < 3", "Hello\n"),
    ("<think></think>Hello", "", "Hello"),
    ("<think>only thoughts", "only thoughts", ""),
    ("<think>ends in half a tag </thi", "ends in half a tag </thi", ""),
    (" Hello <think>no</think>", "", " Hello <think>no</think>"),
    ("<thinking>no</thinking>", "", "<thinking>no</thinking>"),
    ("<thi", "", "<thi"),
    ("", "", ""),
    ("<think>a</think>b</think>c", "a", "b</think>c"),
]


@pytest.mark.parametrize("text, thought, rest", SPOKEN)
def test_thoughts_between_tags(text: str, thought: str, rest: str) -> None:
    parts = answer(TAGS, text).parts
    assert "".join(part.text for part in parts if isinstance(part, Reasoning)) == thought
    assert "".join(part.text for part in parts if isinstance(part, Text)) == rest
    assert answer(targets.openai(), text).text == text


@settings(deadline=None)
@given(st.sampled_from(SPOKEN), st.lists(st.integers(0, 60), max_size=8), st.booleans())
def test_thoughts_however_they_are_cut(
    spoken: tuple[str, str, str], places: list[int], finishes: bool
) -> None:
    text, thought, rest = spoken
    pieces = [chunk(content=piece.decode()) for piece in cut(text.encode(), places)]
    out = streamed(TAGS, *pieces, *([chunk("stop")] if finishes else []))
    parts = out.response.parts
    assert "".join(part.text for part in parts if isinstance(part, Reasoning)) == thought
    assert out.text == rest
    assert out.finished == finishes


THINKING = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"text": "m"}, "odd", {}]},
    {"type": "thinking", "thinking": "!"},
    {"type": "reference", "reference_ids": [1]},
    {"type": "text", "text": "Hello"},
    {"type": "thinking", "thinking": None},
]


def test_thoughts_in_chunks() -> None:
    expected = (Reasoning(text="hm!"), Text(text="Hello"))
    assert answer(targets.openai(), THINKING).parts == expected
    out = streamed(targets.openai(), chunk(content=THINKING), chunk("stop"))
    assert out.response.parts == expected


# ------------------------------------------------------------------ failures


def test_the_finish_reason_error() -> None:
    with pytest.raises(errors.ServerError):
        answer(targets.openai(), finish="error")
    out = streamed(targets.openai(), chunk(content="Hel"), chunk("error", content="lo"))
    assert type(out.error) is errors.ServerError
    assert (out.text, out.finished) == ("Hello", False)
