"""The official boto3 judges the Bedrock wire."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError, EventStreamError
from urllib3.exceptions import ProtocolError

from llm_orchestrator.simulator import Simulator

from .conftest import HELLO, PIXEL, WEATHER, Client

Rows = Callable[[], list[dict[str, Any]]]
PROMPT = HELLO[0]["content"]
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": PROMPT}]}]}
TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "get_weather",
                "description": "Weather of a city",
                "inputSchema": {"json": WEATHER},
            }
        }
    ]
}
SESSION = boto3.session.Session()  # reads the service models once
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def client(
    sim: Simulator,
    key: str,
    secret: str = "",
    token: str | None = None,
    service: str = "bedrock-runtime",
    region: str = "us-east-1",
) -> Client:
    return SESSION.client(
        service,
        region_name=region,
        endpoint_url=sim.bedrock_url,
        aws_access_key_id=key,
        aws_secret_access_key=secret or f"secret-of-{key}",
        aws_session_token=token,
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture
def aws(sim: Simulator, key: str) -> Iterator[Client]:
    made = client(sim, key)
    yield made
    made.close()


def streamed(aws: Client, **given: Any) -> list[dict[str, Any]]:
    return list(aws.converse_stream(**given)["stream"])


def joined(events: list[dict[str, Any]], *path: str) -> str:
    text = ""
    for event in events:
        value: Any = event.get("contentBlockDelta", {}).get("delta", {})
        for name in path:
            value = value.get(name, {})
        text += value or ""
    return text


def test_plain_and_stream_and_their_bill(aws: Client, rows: Rows) -> None:
    plain = aws.converse(modelId=HAIKU, **ASK)
    events = streamed(aws, modelId=HAIKU, **ASK)
    (block,) = plain["output"]["message"]["content"]
    assert joined(events, "text") == block["text"]
    assert len(block["text"].split()) > 15
    assert events[0] == {"messageStart": {"role": "assistant"}}
    assert events[-2]["messageStop"]["stopReason"] == plain["stopReason"] == "end_turn"
    used = events[-1]["metadata"]["usage"]
    assert used == plain["usage"]
    assert used["totalTokens"] == used["inputTokens"] + used["outputTokens"]
    assert "contentBlockStart" not in {kind for event in events for kind in event}
    first, second = rows()
    assert first["request_id"] == plain["ResponseMetadata"]["RequestId"]
    assert first["usage"] == second["usage"]
    expected = used["inputTokens"] * 1_100_000 + used["outputTokens"] * 5_500_000
    assert first["cost_pico"] == second["cost_pico"] == expected


def test_calls_and_their_results(aws: Client) -> None:
    ask = [{"role": "user", "content": [{"text": "What is the weather in Paris and in Rome?"}]}]
    given: dict[str, Any] = {"modelId": "sim-chat", "messages": ask, "toolConfig": TOOLS}
    reply = aws.converse(**given)
    uses = [block["toolUse"] for block in reply["output"]["message"]["content"]]
    assert reply["stopReason"] == "tool_use"
    assert [use["input"] for use in uses] == [{"city": "Paris"}, {"city": "Rome"}]
    events = streamed(aws, **given)
    starts = [e["contentBlockStart"] for e in events if "contentBlockStart" in e]
    assert [start["start"]["toolUse"]["name"] for start in starts] == ["get_weather"] * 2
    assert [start["contentBlockIndex"] for start in starts] == [0, 1]
    assert joined(events, "toolUse", "input") == '{"city": "Paris"}{"city": "Rome"}'
    results = [
        {"toolResult": {"toolUseId": use["toolUseId"], "content": [content], "status": "success"}}
        for use, content in zip(uses, ({"json": {"temp": 11}}, {"text": "20 C"}), strict=True)
    ]
    turns = [*ask, reply["output"]["message"], {"role": "user", "content": results}]
    after = aws.converse(modelId="sim-chat", messages=turns, toolConfig=TOOLS)
    assert '{"temp": 11}; 20 C' in after["output"]["message"]["content"][0]["text"]
    forced = {**TOOLS, "toolChoice": {"tool": {"name": "get_weather"}}}
    assert aws.converse(modelId="sim-chat", **ASK, toolConfig=forced)["stopReason"] == "tool_use"


def test_schema_system_picture_and_limits(aws: Client) -> None:
    structure = {"jsonSchema": {"schema": json.dumps(WEATHER), "name": "out"}}
    content = [
        {"text": "Where is this, Oslo?"},
        {"image": {"format": "png", "source": {"bytes": base64.b64decode(PIXEL)}}},
    ]
    reply = aws.converse(
        modelId="sim-chat",
        system=[{"text": "Be brief."}],
        messages=[{"role": "user", "content": content}],
        outputConfig={"textFormat": {"type": "json_schema", "structure": structure}},
        inferenceConfig={"temperature": 0.2, "topP": 0.9, "stopSequences": ["END"]},
    )
    assert set(json.loads(reply["output"]["message"]["content"][0]["text"])) == {"city"}
    cut = aws.converse(modelId="sim-chat", **ASK, inferenceConfig={"maxTokens": 5})
    assert (cut["stopReason"], cut["usage"]["outputTokens"]) == ("max_tokens", 5)
    begun = [*ASK["messages"], {"role": "assistant", "content": [{"text": "The waves"}]}]
    assert aws.converse(modelId="sim-chat", messages=begun)["stopReason"] == "end_turn"


def test_thinking(aws: Client, rows: Rows) -> None:
    extra = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    given: dict[str, Any] = {"modelId": "sim-reason", "additionalModelRequestFields": extra} | ASK
    reply = aws.converse(**given)
    thought, said = reply["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["signature"]
    events = streamed(aws, **given)
    assert joined(events, "text") == said["text"]
    text = thought["reasoningContent"]["reasoningText"]["text"]
    assert joined(events, "reasoningContent", "text") == text
    assert rows()[0]["usage"]["reasoning_tokens"] > 0
    turns = [*ASK["messages"], reply["output"]["message"], *ASK["messages"]]
    assert aws.converse(**given | {"messages": turns})["stopReason"] == "end_turn"
    thought["reasoningContent"]["reasoningText"]["text"] += "!"
    with pytest.raises(ClientError, match="Invalid `signature`"):
        aws.converse(**given | {"messages": turns})


def test_cache_points(aws: Client, rows: Rows) -> None:
    long = "The quick brown fox jumps over the lazy dog. " * 200
    system = [{"text": long}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    point = [{"text": long}, {"cachePoint": {"type": "default"}}, {"text": "Go on."}]
    given: dict[str, Any] = {"modelId": HAIKU, "system": system}
    given["messages"] = [{"role": "user", "content": point}]
    first, second = [aws.converse(**given)["usage"] for _ in range(2)]
    written = {part["ttl"]: part["inputTokens"] for part in first["cacheDetails"]}
    assert set(written) == {"5m", "1h"}
    assert first["cacheWriteInputTokens"] == sum(written.values())
    assert first["cacheReadInputTokens"] == 0
    assert second["cacheReadInputTokens"] == sum(written.values())
    assert "cacheDetails" not in second
    costs = [row["cost_pico"] for row in rows()]
    rest, output = first["inputTokens"], first["outputTokens"] * 5_500_000
    price = {"5m": 1_375_000, "1h": 2_200_000}
    assert costs[0] == rest * 1_100_000 + output + sum(written[t] * price[t] for t in price)
    assert costs[1] == rest * 1_100_000 + output + sum(written.values()) * 110_000


@pytest.mark.parametrize(
    "model, body, path",
    [
        (
            "amazon.titan-embed-text-v2:0",
            {"inputText": "the cat sat", "dimensions": 256, "normalize": True},
            ["embedding"],
        ),
        (
            "cohere.embed-english-v3",
            {"texts": ["the cat sat"], "input_type": "search_query"},
            ["embeddings", 0],
        ),
        (
            "us.cohere.embed-v4:0",
            {
                "texts": ["the cat sat"],
                "input_type": "search_query",
                "embedding_types": ["float"],
                "output_dimension": 256,
            },
            ["embeddings", "float", 0],
        ),
        ("sim-embed", {"inputText": "the cat sat"}, ["embedding"]),
    ],
)
def test_embeddings(aws: Client, rows: Rows, model: str, body: Any, path: list[Any]) -> None:
    reply = aws.invoke_model(modelId=model, body=json.dumps(body))
    found = json.loads(reply["body"].read())
    for step in path:
        found = found[step]
    assert sum(value * value for value in found) == pytest.approx(1)
    assert len(found) == body.get("dimensions", body.get("output_dimension", len(found)))
    (row,) = rows()
    headers = reply["ResponseMetadata"]["HTTPHeaders"]
    assert int(headers["x-amzn-bedrock-input-token-count"]) == row["usage"]["input_tokens"]
    assert row["cost_pico"] > 0


def test_counting_is_free(aws: Client, rows: Rows) -> None:
    counted = aws.count_tokens(modelId="sim-chat", input={"converse": ASK})["inputTokens"]
    old = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": 9}
    body = json.dumps(old).encode()
    again = aws.count_tokens(modelId="sim-chat", input={"invokeModel": {"body": body}})
    assert again["inputTokens"] == counted
    model = HAIKU.removeprefix("us.")  # which only an inference profile can call
    assert aws.count_tokens(modelId=model, input={"converse": ASK})["inputTokens"] > 0
    assert rows() == []
    assert aws.converse(modelId="sim-chat", **ASK)["usage"]["inputTokens"] == counted


def test_control_plane(sim: Simulator, key: str) -> None:
    control = client(sim, key, service="bedrock")
    every = control.list_foundation_models()["modelSummaries"]
    texts = control.list_foundation_models(byOutputModality="TEXT")["modelSummaries"]
    assert len(every) > len(texts) > 50
    types = {model["modelId"]: model["inferenceTypesSupported"] for model in every}
    assert types["anthropic.claude-opus-4-7"] == []
    assert types["amazon.nova-lite-v1:0"] == ["ON_DEMAND"]
    one = control.get_foundation_model(modelIdentifier="amazon.nova-lite-v1:0")["modelDetails"]
    assert one["modelArn"] == "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
    found: list[str] = []
    for page in control.get_paginator("list_inference_profiles").paginate(
        PaginationConfig={"PageSize": 20}
    ):
        found += [profile["inferenceProfileId"] for profile in page["inferenceProfileSummaries"]]
    assert len(found) == len(set(found)) > 40
    assert HAIKU in found
    control.close()


@pytest.mark.parametrize(
    "fault, name, code",
    [
        ("rate-limit", "ThrottlingException", 429),
        ("quota", "ThrottlingException", 429),
        ("server-error", "InternalServerException", 500),
        ("unavailable", "ServiceUnavailableException", 503),
        ("overloaded", "ServiceUnavailableException", 503),
        ("status,status=408", "ModelTimeoutException", 408),
        ("status,status=424", "ModelErrorException", 424),
        ("status,status=403", "AccessDeniedException", 403),
        ("context-length", "ValidationException", 400),
        ("content-filter", "ValidationException", 400),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(aws: Client, stream: bool, fault: str, name: str, code: int) -> None:
    send = aws.converse_stream if stream else aws.converse
    with pytest.raises(getattr(aws.exceptions, name)) as caught:
        send(modelId=f"sim-chat+fault={fault}", **ASK)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == code
    assert caught.value.response["Error"]["Code"] == name


@pytest.mark.parametrize(
    "fault, error, seen",
    [
        ("error-mid,after=4", EventStreamError, 5),
        ("malformed,after=3", ChecksumMismatch, 2),
        ("cut,after=4", ProtocolError, 5),
    ],
)
def test_streams_that_break(aws: Client, fault: str, error: Any, seen: int) -> None:
    events: list[Any] = []
    stream = aws.converse_stream(modelId=f"sim-chat+fault={fault}", **ASK)["stream"]
    with closing(stream), pytest.raises(error):
        events.extend(stream)
    assert len(events) == seen


def test_filtered_answers(aws: Client) -> None:
    reply = aws.converse(modelId="sim-chat+fault=filtered", **ASK)
    assert reply["stopReason"] == "content_filtered"
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    reply = aws.converse(modelId="sim-chat+fault=filtered", **ASK, guardrailConfig=guard)
    assert reply["stopReason"] == "guardrail_intervened"


def test_service_tiers(aws: Client, rows: Rows) -> None:
    for tier in ("flex", "priority", "default"):
        reply = aws.converse(modelId="amazon.nova-pro-v1:0", **ASK, serviceTier={"type": tier})
        assert reply["stopReason"] == "end_turn"
    flex, priority, standard = [row["cost_pico"] for row in rows()]
    assert flex < standard < priority
