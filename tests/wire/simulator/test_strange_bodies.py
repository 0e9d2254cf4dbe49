"""Whatever JSON comes in, a provider answers with a reply or a clean refusal, never a crash."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_orchestrator.simulator import Simulator

from .conftest import WEATHER

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "user", "text"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "text", "content", "role", "name", "schema", "id", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
HELLO = {"role": "user", "content": [{"type": "input_text", "text": "Weather in Paris?"}]}
TURN = {"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]}
CHAT: dict[str, Any] = {
    "model": "sim-chat",
    "messages": [
        TURN,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": WEATHER}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "o", "schema": WEATHER}},
    "stop": ["a"],
    "stream": False,
    "n": 1,
}
MESSAGES: dict[str, Any] = {
    "model": "sim-chat",
    "max_tokens": 20,
    "system": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        TURN,
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c",
                    "content": [{"type": "text", "text": "1"}],
                }
            ],
        },
    ],
    "tools": [{"name": "f", "input_schema": WEATHER}],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "adaptive"},
    "output_config": {"format": {"type": "json_schema", "schema": WEATHER}},
    "stop_sequences": ["a"],
    "metadata": {"user_id": "u"},
}
EMBED: dict[str, Any] = {"model": "sim-embed", "input": ["a", "b"], "dimensions": 8}
COUNT: dict[str, Any] = {"model": "sim-chat", "input": [HELLO], "instructions": "x"}
RESPONSES: dict[str, Any] = {
    "model": "sim-reason",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather in Paris?"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
    ],
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "f", "parameters": WEATHER}],
    "tool_choice": {"type": "function", "name": "f"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_schema", "name": "o", "schema": WEATHER}},
    "include": ["reasoning.encrypted_content"],
}
GEMINI: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"text": "Weather in Paris?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"city": "Paris"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"x": 1}}}]},
    ],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": WEATHER}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "temperature": 1,
        "maxOutputTokens": 50,
        "stopSequences": ["a"],
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"x": {"type": "STRING"}}},
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 5},
    },
    "serviceTier": "flex",
}
CONVERSE: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": [{"text": "Weather?"}, {"cachePoint": {"type": "default"}}]},
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t", "content": [{"json": {"x": 1}}]}}],
        },
    ],
    "system": [{"text": "Be brief."}],
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": WEATHER}}}],
        "toolChoice": {"tool": {"name": "f"}},
    },
    "inferenceConfig": {"maxTokens": 2000, "temperature": 1, "stopSequences": ["a"]},
    "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    "outputConfig": {"effort": "low"},
    "serviceTier": {"type": "flex"},
}
COHERE: dict[str, Any] = {
    "model": "sim-reason",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]},
        {
            "role": "assistant",
            "tool_plan": "x",
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "c",
            "content": [{"type": "document", "document": {"data": "1"}}],
        },
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": WEATHER}}],
    "tool_choice": "REQUIRED",
    "response_format": {"type": "json_object", "schema": WEATHER},
    "thinking": {"type": "enabled", "token_budget": 5},
    "stop_sequences": ["a"],
}
ID = "abcdefghi"
COMPAT: dict[str, Any] = {
    "model": "sim-reason",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
            ],
        },
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": ID, "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": ID, "content": "1"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": WEATHER}}],
    "tool_choice": "auto",
    "stop": ["a"],
    "reasoning_effort": "low",
}
PARTS = {"parts": [{"text": "a"}]}
CASES = {
    "/groq/openai/v1/chat/completions": COMPAT | {"reasoning_format": "raw", "n": 1},
    "/mistral/v1/chat/completions": COMPAT | {"random_seed": 7, "prompt_mode": "reasoning"},
    "/mistral/v1/embeddings": {"model": "sim-embed", "input": ["a"], "output_dimension": 8},
    "/together/v1/chat/completions": COMPAT | {"reasoning": {"enabled": True}, "logprobs": 1},
    "/perplexity/chat/completions": COMPAT
    | {
        "model": "sim-sonar",
        "tools": None,
        "tool_choice": None,
        "web_search_options": {"search_context_size": "low"},
    },
    "/perplexity/v1/embeddings": {"model": "sim-embed", "input": ["a"], "dimensions": 8},
    "/openrouter/api/v1/chat/completions": COMPAT
    | {"models": ["sim-chat"], "reasoning": {"effort": "low", "max_tokens": 9}},
    "/deepinfra/v1/openai/chat/completions": COMPAT | {"seed": 7},
    "/v1/responses": RESPONSES,
    "/v1beta/models/sim-reason:generateContent": GEMINI,
    "/v1beta/models/sim-chat:countTokens": {"contents": [{"role": "user"} | PARTS]},
    "/v1beta/models/sim-embed:batchEmbedContents": {
        "requests": [{"model": "models/sim-embed", "content": PARTS, "outputDimensionality": 4}]
    },
    "/vertex/v1/projects/p/locations/global/publishers/google/models/sim-embed:predict": {
        "instances": [{"content": "a", "task_type": "CLUSTERING"}],
        "parameters": {"outputDimensionality": 4},
    },
    "/model/sim-reason/converse": CONVERSE,
    "/model/sim-chat/count-tokens": {"input": {"converse": CONVERSE}},
    "/model/sim-embed/invoke": {"texts": ["a"], "input_type": "search_query", "truncate": "END"},
    "/v2/chat": COHERE,
    "/v2/embed": {
        "model": "sim-embed",
        "inputs": [{"content": [{"type": "text", "text": "a"}]}],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 4,
    },
    "/v1/chat/completions": CHAT,
    "/v1/messages": MESSAGES,
    "/v1/embeddings": EMBED,
    "/v1/responses/input_tokens": COUNT,
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every spot in a body where something else could stand."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else []
    if isinstance(value, list):
        items = list(enumerate(value))
    return found + [spot for key, part in items for spot in places(part, (*path, key))]


def status(url: str, body: Any) -> int:
    headers = {"authorization": "Bearer sk-1"}
    if url.endswith("/messages"):
        headers["anthropic-version"] = "2026-10-21"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        reply = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        reply = error
    with reply:
        said = json.load(reply)
        if reply.status != 200:
            assert "detail" in said or "message" in said.get("error", said)
        return int(reply.status)


@pytest.mark.parametrize("path", CASES)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_body_crashes_a_wire(sim: Simulator, path: str, data: st.DataObject) -> None:
    body = json.loads(json.dumps(CASES[path]))
    spot = data.draw(st.sampled_from(places(body)))
    holder = body
    for key in spot[:-1]:
        holder = holder[key]
    if data.draw(st.booleans()):
        holder[spot[-1]] = data.draw(JSON)
    else:
        del holder[spot[-1]]
    if body.get("stream") is True:
        body["stream"] = False
    assert status(sim.url + path, body) in {200, 400, 403, 404, 422}


@pytest.mark.parametrize("path", CASES)
def test_the_bodies_are_fine_to_begin_with(sim: Simulator, path: str) -> None:
    assert status(sim.url + path, CASES[path]) == 200
