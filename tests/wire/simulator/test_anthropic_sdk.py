"""The official anthropic SDK judges the Anthropic wire."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, PIXEL, WEATHER, Client

TOOL: dict[str, Any] = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": WEATHER,
}
MODEL = "claude-haiku-4-5"
Rows = Callable[[], list[dict[str, Any]]]


def test_plain_reply_and_its_bill(ant: Client, rows: Rows) -> None:
    raw = ant.messages.with_raw_response.create(model=MODEL, max_tokens=300, messages=HELLO)
    reply = raw.parse()
    assert reply.stop_reason == "end_turn"
    assert len(reply.content[0].text.split()) > 15
    assert reply.model == "claude-haiku-4-5-20251001"
    assert raw.headers["request-id"] == reply._request_id
    assert raw.headers["anthropic-ratelimit-requests-limit"].isdigit()
    assert raw.headers["anthropic-ratelimit-output-tokens-reset"].endswith("Z")
    (row,) = rows()
    assert row["request_id"] == reply._request_id
    assert row["usage"]["input_tokens"] == reply.usage.input_tokens
    assert row["usage"]["output_tokens"] == reply.usage.output_tokens
    want = reply.usage.input_tokens * 1_000_000 + reply.usage.output_tokens * 5_000_000
    assert row["cost_pico"] == want


def test_stream_has_every_kind_of_event(ant: Client, rows: Rows) -> None:
    ask: dict[str, Any] = {
        "model": "sim-chat",
        "max_tokens": 4000,
        "messages": HELLO,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    plain = ant.messages.create(**ask)
    events = list(ant.messages.create(stream=True, **ask))
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 2
    deltas = [e.delta for e in events if e.type == "content_block_delta"]
    assert [d.type for d in deltas].index("signature_delta") == len(
        [d for d in deltas if d.type == "thinking_delta"]
    )
    with ant.messages.stream(**ask) as stream:
        final = stream.get_final_message()
    assert [b.to_dict() for b in final.content] == [b.to_dict() for b in plain.content]
    assert final.usage.output_tokens == plain.usage.output_tokens
    assert final.usage.output_tokens_details.thinking_tokens > 0
    assert [row["cost_pico"] for row in rows()] == [rows()[0]["cost_pico"]] * 3
    assert rows()[0]["usage"]["reasoning_tokens"] == (
        plain.usage.output_tokens_details.thinking_tokens
    )


def test_pings_are_on_the_wire(sim: Simulator, key: str) -> None:
    body = {"model": "sim-chat", "max_tokens": 50, "messages": HELLO, "stream": True}
    request = urllib.request.Request(
        f"{sim.anthropic_url}/v1/messages",
        json.dumps(body).encode(),
        {"x-api-key": key, "anthropic-version": "2023-06-01"},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        text = reply.read().decode()
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert 'event: ping\ndata: {"type":"ping"}\n\n' in text
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        assert json.loads(data.removeprefix("data: "))["type"] == name.removeprefix("event: ")


def test_tool_loop_with_thinking(ant: Client) -> None:
    ask = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
    options: dict[str, Any] = {
        "model": "sim-chat",
        "max_tokens": 2000,
        "tools": [TOOL],
        "thinking": {"type": "adaptive"},
    }
    reply = ant.messages.create(messages=ask, **options)
    assert reply.stop_reason == "tool_use"
    assert [block.type for block in reply.content] == ["thinking", "tool_use", "tool_use"]
    uses = reply.content[1:]
    assert [use.input for use in uses] == [{"city": "Paris"}, {"city": "Rome"}]
    results = [
        {"type": "tool_result", "tool_use_id": use.id, "content": f"{n}0 degrees"}
        for n, use in enumerate(uses, start=1)
    ]
    turns = [*ask, {"role": "assistant", "content": reply.content}]
    final = ant.messages.create(messages=[*turns, {"role": "user", "content": results}], **options)
    assert final.stop_reason == "end_turn"
    assert "10 degrees" in final.content[-1].text
    with pytest.raises(anthropic.BadRequestError, match="without `tool_result`"):
        ant.messages.create(messages=[*turns, {"role": "user", "content": results[:1]}], **options)
    stray = {"type": "tool_result", "tool_use_id": "toolu_other", "content": "?"}
    with pytest.raises(anthropic.BadRequestError, match="unexpected `tool_use_id`"):
        ant.messages.create(messages=[*ask, {"role": "user", "content": [stray]}], **options)
    changed = reply.content[0].model_copy(update={"thinking": "something else"})
    forged = [*ask, {"role": "assistant", "content": [changed, *uses]}]
    with pytest.raises(anthropic.BadRequestError, match="signature"):
        ant.messages.create(messages=[*forged, {"role": "user", "content": results}], **options)


def test_streamed_tool_input_comes_in_pieces(ant: Client) -> None:
    ask = [{"role": "user", "content": "Weather in Paris, please"}]
    with ant.messages.stream(model=MODEL, max_tokens=200, messages=ask, tools=[TOOL]) as stream:
        pieces = [e.partial_json for e in stream if e.type == "input_json"]
        final = stream.get_final_message()
    assert len(pieces) > 2
    assert final.content[0].input == {"city": "Paris"}
    one = ant.messages.create(
        model=MODEL,
        max_tokens=200,
        messages=[{"role": "user", "content": "Weather in Paris and Rome"}],
        tools=[TOOL],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
    )
    assert len(one.content) == 1


def test_json_schema_is_satisfied(ant: Client) -> None:
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["positive", "negative"]}, "city": {"type": "string"}},
        "required": ["mood", "city"],
        "additionalProperties": False,
    }
    reply = ant.messages.create(
        model=MODEL,
        max_tokens=200,
        messages=[{"role": "user", "content": "Read this: The awful hotel in Lyon was dirty."}],
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    assert json.loads(reply.content[0].text) == {"mood": "negative", "city": "Lyon"}


def test_stop_sequence_length_and_prefill(ant: Client) -> None:
    whole = ant.messages.create(model="sim-chat", max_tokens=500, messages=HELLO)
    text = whole.content[0].text
    word = text.split()[4]
    stopped = ant.messages.create(
        model="sim-chat", max_tokens=500, messages=HELLO, stop_sequences=[word]
    )
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word)
    short = ant.messages.create(model="sim-chat", max_tokens=3, messages=HELLO)
    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 3)
    begun = short.content[0].text.rstrip()
    rest = ant.messages.create(
        model="sim-chat",
        max_tokens=500,
        messages=[*HELLO, {"role": "assistant", "content": begun}],
    )
    assert begun + rest.content[0].text == text


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-sonnet-5"])
def test_newer_models_refuse_prefill(ant: Client, model: str) -> None:
    ask = [*HELLO, {"role": "assistant", "content": "The sea"}]
    with pytest.raises(anthropic.BadRequestError, match="does not support assistant message pref"):
        ant.messages.create(model=model, max_tokens=50, messages=ask)


def test_cache_is_written_then_read(ant: Client, rows: Rows) -> None:
    long = "Every rule of the house counts. " * 300
    system = [{"type": "text", "text": long, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    marked = {"type": "text", "text": "x" * 3000, "cache_control": {"type": "ephemeral"}}
    question = [{"role": "user", "content": [marked]}]
    ask: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 50,
        "system": system,
        "messages": question,
    }
    first, again = (ant.messages.create(**ask).usage for _ in range(2))
    hour = first.cache_creation.ephemeral_1h_input_tokens
    short = first.cache_creation.ephemeral_5m_input_tokens
    assert hour > 1024
    assert short == 500 + 3
    assert first.cache_creation_input_tokens == hour + short
    assert first.cache_read_input_tokens == 0
    assert again.cache_read_input_tokens == hour + short
    assert again.cache_creation_input_tokens == 0
    assert first.input_tokens == again.input_tokens
    one, two = rows()
    output = one["usage"]["output_tokens"] * 5_000_000
    fresh = first.input_tokens * 1_000_000
    assert one["cost_pico"] == fresh + output + hour * 2_000_000 + short * 1_250_000
    assert two["cost_pico"] == fresh + output + (hour + short) * 100_000
    assert one["usage"]["input_tokens"] == first.input_tokens + hour + short


def test_short_prefix_is_silently_not_cached(ant: Client) -> None:
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    usage = ant.messages.create(model=MODEL, max_tokens=50, system=system, messages=HELLO).usage
    assert usage.cache_creation_input_tokens == usage.cache_read_input_tokens == 0


def test_images_documents_and_token_count(ant: Client, rows: Rows) -> None:
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
    }
    paper = {"type": "document", "source": {"type": "text", "data": "Once upon a time."}}
    parts = [image, paper, {"type": "text", "text": "What?"}]
    ask = [{"role": "user", "content": parts}]
    count = ant.messages.count_tokens(model=MODEL, messages=ask, system="Be kind.", tools=[TOOL])
    reply = ant.messages.create(
        model=MODEL, max_tokens=50, messages=ask, system="Be kind.", tools=[TOOL]
    )
    assert count.input_tokens == reply.usage.input_tokens
    assert len(rows()) == 1
    wrong = {"type": "base64", "media_type": "image/jpeg", "data": PIXEL}
    with pytest.raises(anthropic.BadRequestError, match="media type image/jpeg"):
        ant.messages.create(
            model=MODEL,
            max_tokens=5,
            messages=[{"role": "user", "content": [{"type": "image", "source": wrong}]}],
        )


def test_models_come_in_pages(ant: Client) -> None:
    first = ant.models.list(limit=5)
    assert first.has_more
    every = list(first)
    assert len(every) == len({model.id for model in every}) > 15
    assert all(model.id.startswith(("claude", "fb-")) for model in every)
    assert {model.lifecycle for model in every} <= {"active", "deprecated"}
    haiku = ant.models.retrieve("claude-haiku-4-5")
    assert haiku.capabilities.image_input.supported
    assert haiku.capabilities.thinking.types.enabled.supported
    assert not ant.models.retrieve("claude-opus-4-8").capabilities.thinking.types.enabled.supported
    with pytest.raises(anthropic.NotFoundError):
        ant.models.retrieve("claude-nobody")


def test_without_a_prefix_the_version_header_tells_the_wire(sim: Simulator, key: str) -> None:
    with anthropic.Anthropic(api_key=key, base_url=sim.url) as client:
        assert "claude-haiku-4-5" in [model.id for model in client.models.list(limit=100)]
        assert client.messages.create(model="sim-chat", max_tokens=9, messages=HELLO).content


def test_older_version_with_sampling_and_x_api_key(sim: Simulator, key: str) -> None:
    headers = {"anthropic-version": "2023-06-01", "x-api-key": key, "authorization": ""}
    with anthropic.Anthropic(
        api_key="unused", base_url=sim.anthropic_url, max_retries=0, default_headers=headers
    ) as client:
        ask: dict[str, Any] = {"model": MODEL, "max_tokens": 9, "messages": HELLO}
        assert client.messages.create(**ask, extra_body={"temperature": 0.2}).content
        with pytest.raises(anthropic.BadRequestError, match="cannot both"):
            client.messages.create(**ask, extra_body={"temperature": 0.2, "top_p": 0.5})
        with pytest.raises(anthropic.BadRequestError, match="sampling"):
            client.messages.create(
                **(ask | {"model": "claude-opus-4-8"}), extra_body={"temperature": 1.0}
            )
