"""The official openai SDK judges the OpenAI wire."""

import base64
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, PIXEL, WEATHER, Client

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER},
}
Rows = Callable[[], list[dict[str, Any]]]


def test_plain_reply_and_its_bill(oai: Client, rows: Rows) -> None:
    raw = oai.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=HELLO, extra_headers={"X-Client-Request-Id": "mine-1"}
    )
    reply = raw.parse()
    assert reply.choices[0].finish_reason == "stop"
    assert len(reply.choices[0].message.content.split()) > 15
    assert reply.model == "gpt-4o-mini-2024-07-18"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert raw.headers["x-ratelimit-remaining-requests"].isdigit()
    assert raw.headers["x-ratelimit-reset-tokens"].endswith("ms")
    assert raw.headers["openai-processing-ms"].isdigit()
    (row,) = rows()
    assert row["request_id"] == raw.headers["x-request-id"] == reply._request_id
    assert (row["client_request_id"], row["status"], row["outcome"]) == ("mine-1", 200, "ok")
    assert row["usage"]["input_tokens"] == reply.usage.prompt_tokens
    assert row["usage"]["output_tokens"] == reply.usage.completion_tokens


def test_stream_says_the_same_as_plain(oai: Client, rows: Rows) -> None:
    plain = oai.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    chunks = list(
        oai.chat.completions.create(
            model="gpt-4o-mini",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == plain.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len(chunks) == plain.usage.completion_tokens + 3
    first, second = rows()
    assert first["usage"] == second["usage"]
    assert first["cost_pico"] == second["cost_pico"] > 0


def test_stream_without_include_usage_has_none(oai: Client) -> None:
    chunks = list(oai.chat.completions.create(model="sim-chat", messages=HELLO, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_parallel_tool_calls_and_their_results(oai: Client) -> None:
    ask = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
    reply = oai.chat.completions.create(model="gpt-4o", messages=ask, tools=[TOOL])
    message = reply.choices[0].message
    assert reply.choices[0].finish_reason == "tool_calls"
    assert [json.loads(c.function.arguments) for c in message.tool_calls] == [
        {"city": "Paris"},
        {"city": "Rome"},
    ]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{n}0 degrees"}
        for n, call in enumerate(message.tool_calls, start=1)
    ]
    final = oai.chat.completions.create(
        model="gpt-4o",
        messages=[*ask, message.model_dump(exclude_none=True), *results],
        tools=[TOOL],
    )
    assert final.choices[0].finish_reason == "stop"
    assert "10 degrees" in final.choices[0].message.content
    assert "20 degrees" in final.choices[0].message.content
    single = oai.chat.completions.create(
        model="gpt-4o", messages=ask, tools=[TOOL], parallel_tool_calls=False
    )
    assert len(single.choices[0].message.tool_calls) == 1


def test_streamed_tool_arguments_come_in_pieces(oai: Client) -> None:
    ask = [{"role": "user", "content": "Weather in Paris and Rome, please"}]
    with oai.chat.completions.stream(model="gpt-4o", messages=ask, tools=[TOOL]) as stream:
        pieces = [e for e in stream if e.type == "tool_calls.function.arguments.delta"]
        final = stream.get_final_completion()
    assert len(pieces) > 4
    calls = final.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Paris", "Rome"]


@pytest.mark.parametrize(
    "choice, called",
    [
        ("none", False),
        ("auto", False),
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
    ],
)
def test_tool_choice(oai: Client, choice: Any, called: bool) -> None:
    ask = [{"role": "user", "content": "Hi"}]
    reply = oai.chat.completions.create(
        model="gpt-4o", messages=ask, tools=[TOOL], tool_choice=choice
    )
    assert bool(reply.choices[0].message.tool_calls) is called


class Review(BaseModel):
    sentiment: str
    score: float
    topics: list[str]
    urgent: bool | None


def test_json_schema_is_satisfied(oai: Client) -> None:
    ask = [{"role": "user", "content": "Judge this review: I love the wonderful bread."}]
    reply = oai.chat.completions.parse(model="gpt-4o", messages=ask, response_format=Review)
    review = reply.choices[0].message.parsed
    assert isinstance(review, Review)
    assert review.sentiment == "positive"


def test_json_mode_follows_the_keys_in_the_prompt(oai: Client) -> None:
    prompt = (
        'Answer in JSON like {"label": "bug|praise", "count": 3}.\n\nText: The app is terrible.'
    )
    reply = oai.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": prompt}],
        response_format={"type": "json_object"},
    )
    value = json.loads(reply.choices[0].message.content)
    assert value["label"] in {"bug", "praise"}
    assert isinstance(value["count"], int)


def test_image_costs_tokens(oai: Client) -> None:
    url = f"data:image/png;base64,{PIXEL}"
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]
    with_image = oai.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": parts}]
    )
    without = oai.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "What?"}]
    )
    assert with_image.usage.prompt_tokens - without.usage.prompt_tokens >= 255


def test_stop_and_length(oai: Client) -> None:
    whole = oai.chat.completions.create(model="sim-chat", messages=HELLO)
    text = whole.choices[0].message.content
    word = text.split()[5]
    stopped = oai.chat.completions.create(model="sim-chat", messages=HELLO, stop=[word])
    assert stopped.choices[0].message.content == text[: text.index(word)]
    assert stopped.choices[0].finish_reason == "stop"
    short = oai.chat.completions.create(model="sim-chat", messages=HELLO, max_completion_tokens=5)
    assert short.choices[0].finish_reason == "length"
    assert short.usage.completion_tokens == 5
    assert text.startswith(short.choices[0].message.content)


def test_seed_changes_the_answer_and_repeats_it(oai: Client) -> None:
    def said(seed: int) -> str:
        reply = oai.chat.completions.create(model="sim-chat", messages=HELLO, seed=seed)
        return str(reply.choices[0].message.content)

    assert said(1) == said(1)
    assert len({said(seed) for seed in range(4)}) > 1


def test_several_choices(oai: Client) -> None:
    reply = oai.chat.completions.create(model="sim-chat", messages=HELLO, n=3)
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in reply.choices}) > 1


def test_reasoning_is_billed_inside_the_output(oai: Client, rows: Rows) -> None:
    low, high = (
        oai.chat.completions.create(model="o4-mini", messages=HELLO, reasoning_effort=effort).usage
        for effort in ("low", "high")
    )
    assert low.completion_tokens_details.reasoning_tokens > 0
    assert (
        low.completion_tokens_details.reasoning_tokens
        < high.completion_tokens_details.reasoning_tokens
        < high.completion_tokens
    )
    tight = oai.chat.completions.create(
        model="o4-mini", messages=HELLO, reasoning_effort="high", max_completion_tokens=50
    )
    assert tight.choices[0].message.content == ""
    assert tight.choices[0].finish_reason == "length"
    assert rows()[-1]["usage"]["reasoning_tokens"] == 50


def test_models_that_think_only_when_asked(oai: Client) -> None:
    quiet = oai.chat.completions.create(model="gpt-5.1", messages=HELLO, temperature=0.2)
    assert quiet.usage.completion_tokens_details.reasoning_tokens == 0
    asked = oai.chat.completions.create(model="gpt-5.1", messages=HELLO, reasoning_effort="low")
    assert asked.usage.completion_tokens_details.reasoning_tokens > 0
    with pytest.raises(openai.BadRequestError, match=r"does not support 0\.2"):
        oai.chat.completions.create(
            model="gpt-5.1", messages=HELLO, temperature=0.2, reasoning_effort="low"
        )
    always = oai.chat.completions.create(model="sim-reason", messages=HELLO)
    assert always.usage.completion_tokens_details.reasoning_tokens > 0


def test_repeated_prefix_is_cached(oai: Client, rows: Rows) -> None:
    long = [{"role": "system", "content": "Every rule of the house counts. " * 300}, *HELLO]
    first = oai.chat.completions.create(model="gpt-4o", messages=long).usage
    again = oai.chat.completions.create(model="gpt-4o", messages=long).usage
    assert first.prompt_tokens_details.cached_tokens == 0
    cached = again.prompt_tokens_details.cached_tokens
    assert 1024 <= cached <= again.prompt_tokens
    assert cached % 128 == 0
    assert rows()[1]["cost_pico"] < rows()[0]["cost_pico"]


def test_embeddings_as_base64_and_as_floats(oai: Client, rows: Rows) -> None:
    texts = ["a red boat on the lake", "a red boat on a lake", "tax law of Denmark"]
    reply = oai.embeddings.create(model="text-embedding-3-small", input=texts)
    near, also, far = (item.embedding for item in reply.data)
    assert len(near) == 1536
    assert math.isclose(sum(x * x for x in near), 1.0, rel_tol=1e-5)
    assert sum(a * b for a, b in zip(near, also, strict=True)) > 0.6
    assert sum(a * b for a, b in zip(near, far, strict=True)) < 0.5
    floats = oai.embeddings.create(
        model="text-embedding-3-small", input="x", dimensions=256, encoding_format="float"
    )
    assert len(floats.data[0].embedding) == 256
    raw = oai.embeddings.with_raw_response.create(model="text-embedding-3-small", input=texts[0])
    packed = base64.b64decode(json.loads(raw.text)["data"][0]["embedding"])
    assert list(struct.unpack("<1536f", packed)) == near
    assert [row["wire"] for row in rows()] == ["openai.embeddings"] * 3
    assert rows()[0]["usage"]["output_tokens"] == 0
    assert rows()[0]["cost_pico"] == reply.usage.total_tokens * 20_000


def test_models_and_token_count(oai: Client, rows: Rows) -> None:
    names = [model.id for model in oai.models.list()]
    assert {"gpt-4o", "text-embedding-3-small", "fb-ok"} <= set(names)
    assert not any(name.startswith("claude") for name in names)
    assert oai.models.retrieve("gpt-4o").owned_by == "system"
    with pytest.raises(openai.NotFoundError):
        oai.models.retrieve("gpt-nothing")
    count = oai.responses.input_tokens.count(model="gpt-4o", input="How many tokens is this?")
    assert 5 < count.input_tokens < 20
    assert rows() == []


def test_shared_paths_tell_the_wires_apart(sim: Simulator, key: str) -> None:
    with openai.OpenAI(api_key=key, base_url=f"{sim.url}/v1") as client:
        assert "gpt-4o" in [model.id for model in client.models.list()]
        reply = client.chat.completions.create(model="sim-chat", messages=HELLO)
        assert reply.choices[0].message.content
