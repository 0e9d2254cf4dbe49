"""Requests to Bedrock that are signed wrongly, go to the wrong place, or make no sense."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from llm_orchestrator.simulator import Simulator
from llm_orchestrator.simulator.bedrock import eventstream, sigv4

from .raw import Seen, post
from .test_bedrock_sdk import ASK, HAIKU, client

Rows = Callable[[], list[dict[str, Any]]]
VECTORS = Path(__file__).parents[1] / "vectors"
USER = ASK["messages"][0]
USE = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}}
CALL = {"role": "assistant", "content": [USE]}
ANSWER = {"toolUseId": "t1", "content": [{"text": "3"}]}
RESULT = {"role": "user", "content": [{"toolResult": ANSWER}]}
SPEC = {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}
TOOLS = {"toolConfig": {"tools": [{"toolSpec": SPEC}]}}
MARK = {"cachePoint": {"type": "default"}}


def turns(*messages: Any) -> dict[str, Any]:
    return {"messages": list(messages)}


def block(**given: Any) -> dict[str, Any]:
    return turns({"role": "user", "content": [given]})


def spec(**given: Any) -> dict[str, Any]:
    return {"toolConfig": {"tools": [{"toolSpec": SPEC | given}]}}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "extra key": ({"max_tokens": 5}, "extraneous key [max_tokens]"),
    "extra inner key": ({"inferenceConfig": {"topK": 5}}, "extraneous key [topK]"),
    "too hot": ({"inferenceConfig": {"temperature": 1.5}}, "inferenceConfig.temperature"),
    "no number": ({"inferenceConfig": {"maxTokens": "5"}}, "expected a number"),
    "too many tokens": ({"inferenceConfig": {"maxTokens": 10**7}}, "exceeds the model limit"),
    "empty stop": ({"inferenceConfig": {"stopSequences": [""]}}, "stopSequences"),
    "no messages": (turns(), "length greater than or equal to 1"),
    "no content": (turns({"role": "user", "content": []}), "length greater than or equal to 1"),
    "unknown role": (turns({"role": "bot", "content": [{"text": "x"}]}), "satisfy enum value set"),
    "assistant first": (turns(CALL, RESULT), "must start with a user message"),
    "twice the user": (turns(USER, USER), "must alternate"),
    "blank text": (block(text=" "), "is blank"),
    "empty union": (block(), "exactly one member"),
    "full union": (block(text="a", image={}), "exactly one member"),
    "unknown block": (block(thing={}), "unsupported content block thing"),
    "image format": (block(image={"format": "bmp", "source": {"bytes": ""}}), "[png, jpeg"),
    "no image": (block(image={"format": "png", "source": {"bytes": "aGk="}}), "process image"),
    "name of a document": (
        block(document={"format": "pdf", "name": "a/b", "source": {"bytes": ""}}),
        "document file name",
    ),
    "tools not declared": (turns(USER, CALL, RESULT), "toolConfig field must be defined"),
    "unanswered": (turns(USER, CALL, USER) | TOOLS, "Expected toolResult blocks at messages.2"),
    "unanswered at the end": (turns(USER, CALL) | TOOLS, "Expected toolResult"),
    "too many answers": (turns(RESULT) | TOOLS, "exceeds the number of toolUse"),
    "id of a call": (
        turns(USER, {"role": "assistant", "content": [{"toolUse": {"toolUseId": "é"}}]}) | TOOLS,
        "toolUse.toolUseId",
    ),
    "arguments as text": (
        turns(
            USER, {"role": "assistant", "content": [{"toolUse": USE["toolUse"] | {"input": "{}"}}]}
        )
        | TOOLS,
        "Provide a json object",
    ),
    "status of a result": (
        turns(USER, CALL, {"role": "user", "content": [{"toolResult": ANSWER | {"status": "no"}}]})
        | TOOLS,
        "[success, error]",
    ),
    "name of a tool": (spec(name="a b"), "toolSpec.name"),
    "empty description": (spec(description=""), "toolSpec.description"),
    "schema of a tool": (spec(inputSchema={"json": {"type": "string"}}), "one of the following"),
    "no tools": ({"toolConfig": {"tools": []}}, "toolConfig.tools"),
    "unknown choice": (
        {"toolConfig": TOOLS["toolConfig"] | {"toolChoice": {"tool": {"name": "g"}}}},
        "not in toolConfig.tools",
    ),
    "schema is no text": (
        {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {}}}}},
        "not valid JSON text",
    ),
    "effort": ({"outputConfig": {"effort": "wild"}}, "outputConfig.effort"),
    "tier": ({"serviceTier": {"type": "gold"}}, "serviceTier.type"),
    "five marks": ({"system": [{"text": "a"}, MARK] * 5}, "maximum of 4"),
    "mark first": ({"system": [MARK]}, "must follow content"),
    "lifetime": ({"system": [{"text": "a"}, {"cachePoint": {"type": "x"}}]}, "cachePoint"),
    "small budget": (
        {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 5}}},
        "at least 1024",
    ),
    "thinking": ({"additionalModelRequestFields": {"thinking": {"type": "deep"}}}, "expected tags"),
    "metadata": ({"requestMetadata": {"a": 1}}, "expected a map of texts"),
}


@pytest.mark.parametrize("case", CASES)
async def test_refused(sim: Simulator, key: str, rows: Rows, case: str) -> None:
    given, words = CASES[case]
    seen = await post(sim, "/bedrock/model/sim-chat/converse", ASK | given, key)
    assert (seen.status, seen.header("x-amzn-errortype")) == (400, "ValidationException")
    assert words in json.loads(seen.body)["message"]
    assert [row["cost_pico"] for row in rows()] == [0]


@pytest.mark.parametrize(
    "model, given, words",
    [
        ("us.anthropic.claude-opus-4-7", {"inferenceConfig": {"temperature": 0}}, "sampling"),
        (
            "us.anthropic.claude-opus-4-7",
            turns(USER, {"role": "assistant", "content": [{"text": "A"}]}),
            "prefill",
        ),
        ("amazon.titan-embed-text-v2:0", {}, "supported text or chat model"),
        ("amazon.nova-micro-v1:0", block(image={"format": "png"}), "image input"),
        ("sim-chat", turns({"role": "user", "content": [{"text": "a1" * 101_000}]}), "too long"),
        ("fb-s12-context-length", {}, "prompt is too long"),
    ],
)
async def test_what_a_model_does_not_take(
    sim: Simulator, key: str, model: str, given: Any, words: str
) -> None:
    seen = await post(sim, f"/bedrock/model/{model}/converse", ASK | given, key)
    assert seen.status == 400
    assert words in json.loads(seen.body)["message"]


@pytest.mark.parametrize(
    "model, region, name, words",
    [
        ("anthropic.claude-opus-4-7", "us-east-1", "ValidationException", "inference profile"),
        ("sim-profile", "us-east-1", "ValidationException", "inference profile"),
        ("eu.anthropic.claude-opus-4-7", "us-east-1", "ValidationException", "is invalid"),
        ("us.sim-chat", "eu-west-1", "ValidationException", "is invalid"),
        ("sim-only-eu-west-1", "us-east-1", "ValidationException", "is invalid"),
        ("nobody.knows-v1:0", "us-east-1", "ValidationException", "is invalid"),
        ("sim-denied", "us-east-1", "AccessDeniedException", "don't have access"),
        ("sim-chat", "mars-1", "InvalidSignatureException", "valid region"),
    ],
)
def test_places(sim: Simulator, key: str, model: str, region: str, name: str, words: str) -> None:
    aws = client(sim, key, region=region)
    with pytest.raises(ClientError, match=words) as caught:
        aws.converse(modelId=model, **ASK)
    assert caught.value.response["Error"]["Code"] == name
    aws.close()


@pytest.mark.parametrize(
    "model, region",
    [
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{HAIKU}", "us-east-1"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "us-east-1"),
        ("global.anthropic.claude-opus-4-7", "ap-south-1"),
        ("eu.sim-profile", "eu-west-1"),
        ("sim-only-eu-west-1", "eu-west-1"),
    ],
)
def test_right_places(sim: Simulator, key: str, model: str, region: str) -> None:
    aws = client(sim, key, region=region)
    assert aws.converse(modelId=model, **ASK)["stopReason"] == "end_turn"
    aws.close()


@pytest.mark.parametrize(
    "given, name",
    [
        ({"secret": "not mine"}, "InvalidSignatureException"),
        ({"key": "bad-id"}, "UnrecognizedClientException"),
        ({"token": "expired-yesterday"}, "ExpiredTokenException"),
        ({"key": "ASIA0000"}, "UnrecognizedClientException"),
    ],
)
def test_credentials(sim: Simulator, key: str, given: dict[str, str], name: str) -> None:
    aws = client(sim, **{"key": key} | given)
    with pytest.raises(ClientError) as caught:
        aws.converse(modelId="sim-chat", **ASK)
    assert caught.value.response["Error"]["Code"] == name
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    control = client(sim, **{"key": key} | given, service="bedrock")
    with pytest.raises(ClientError):
        control.list_foundation_models()
    aws.close()
    control.close()


def test_temporary_credentials(sim: Simulator) -> None:
    aws = client(sim, "ASIA0000", token="session")
    assert aws.converse(modelId="sim-chat", **ASK)["stopReason"] == "end_turn"
    aws.close()


async def test_configured_secrets() -> None:
    async with Simulator(aws_secrets={"AKIDEXAMPLE": "hush"}) as sim:
        for key, secret, status in (
            ("AKIDEXAMPLE", "hush", 200),
            ("AKIDEXAMPLE", "secret-of-AKIDEXAMPLE", 403),
            ("AKIDOTHER", "secret-of-AKIDOTHER", 403),
        ):
            assert (await signed(sim, key, secret)).status == status


async def signed(
    sim: Simulator,
    key: str,
    secret: str = "",
    off: float = 0,
    service: str = "bedrock",
    **change: str,
) -> Seen:
    """A request signed by botocore, `off` seconds away from now; `change` is done afterwards."""
    path, body = "/bedrock/model/us.sim-chat%3A0/converse", json.dumps(ASK)
    made = AWSRequest("POST", f"http://x{path}", data=body)
    made.headers["Content-Type"] = "application/json"
    auth = SigV4Auth(Credentials(key, secret or f"secret-of-{key}"), service, "us-east-1")
    moment = datetime.fromtimestamp(time.time() + off, UTC).strftime("%Y%m%dT%H%M%SZ")
    made.context["timestamp"] = moment
    auth._modify_request_before_signing(made)
    text = auth.string_to_sign(made, auth.canonical_request(made))
    auth._inject_signature_to_request(made, auth.signature(text, made))
    headers = dict(made.headers) | change
    return await post(sim, path, ASK, key, headers=headers)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"off": -400}, "Signature expired"),
        ({"off": 400}, "Signature not yet current"),
        ({"service": "s3"}, "correct service: 'bedrock'"),
        ({"Content-Type": "text/plain"}, "does not match"),
        ({"X-Amz-Date": "yesterday"}, "Date in Credential scope"),
        ({"X-Amz-Extra": "1"}, "must be a 'SignedHeader'"),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=x"}, "'Signature' parameter"),
        ({"Authorization": ""}, "Missing Authentication Token"),
    ],
)
async def test_signatures(sim: Simulator, given: dict[str, Any], words: str) -> None:
    assert (await signed(sim, "AKIDEXAMPLE")).status == 200
    refused = await signed(sim, "AKIDEXAMPLE", **given)
    assert refused.status in {400, 403}
    assert words in json.loads(refused.body)["message"]


def test_the_fixed_clock_signature() -> None:
    """Worked out by botocore, at a moment that is long past."""
    vector = json.loads((VECTORS / "bedrock_sigv4.json").read_text())
    parsed = sigv4.read(vector["authorization"])
    assert parsed.scope == "20260102/us-east-1/bedrock/aws4_request"
    given = (vector["secret_key"], parsed, vector["x_amz_date"], vector["canonical_request"])
    assert sigv4.sign(*given) == parsed.value


def test_frames_are_those_of_the_vectors() -> None:
    recorded = bytes.fromhex(
        json.loads((VECTORS / "bedrock_eventstream.json").read_text())["ok"]["hex"]
    )
    body = {"role": "assistant", "p": "abcd"}
    assert recorded.startswith(
        eventstream.frame(
            {
                ":event-type": "messageStart",
                ":content-type": "application/json",
                ":message-type": "event",
            },
            json.dumps(body, separators=(",", ":")).encode(),
        )
    )


async def test_wrong_paths(sim: Simulator, key: str) -> None:
    seen = await post(sim, "/bedrock/model/sim-chat/sing", ASK, key)
    assert (seen.status, seen.header("x-amzn-errortype")) == (404, "ResourceNotFoundException")
    embed = "/bedrock/model/amazon.titan-embed-text-v2%3A0/invoke"
    body: dict[str, Any]
    for body in ({}, {"inputText": "a", "dimensions": 7}, {"inputText": "a", "x": 1}):
        assert (await post(sim, embed, body, key)).status == 400
    cohere = "/bedrock/model/cohere.embed-english-v3/invoke"
    for body in ({"texts": ["a"]}, {"texts": [], "input_type": "search_query"}):
        assert (await post(sim, cohere, body, key)).status == 400
    assert (await post(sim, "/bedrock/model/sim-chat/invoke", {}, key)).status == 400
