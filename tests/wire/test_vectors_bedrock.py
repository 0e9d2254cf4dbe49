"""Our requests, frames and signatures on Bedrock are those of the official SDK."""

import calendar
import json
import re
import time
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import bedrock
from llm_orchestrator.providers import aws
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.request import (
    Image,
    Message,
    OutputSchema,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm_orchestrator.types.secret import Secret
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.bedrock_samples import HOST
from tests.unit.dialects.bedrock_samples import bedrock as target_of
from tests.unit.dialects.feeding import feed, one_by_one
from tests.wire.recorded import FOLDER, MISSING, Difference, flat, requests

RECORDED = requests("bedrock_boto3")
FRAMES = json.loads((FOLDER / "bedrock_eventstream.json").read_text("utf-8"))
SIGNED = json.loads((FOLDER / "bedrock_sigv4.json").read_text("utf-8"))
BATCHES = {"batch_create", "batch_get", "batch_list", "batch_stop"}

KEYS = aws.Credentials("AKID", Secret("TEST_SECRET"), Secret("TEST_SESSION"))
CONTROL = "https://bedrock.us-east-1.amazonaws.com"
CLAUDE = target_of()
TITAN = target_of(id="amazon.titan-embed-text-v2:0")
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = Tool("get_weather", "Weather", WEATHER)
HI = (Message("user", "Hi"),)
_IMAGE = RECORDED["image_base64"]["body"]["messages"][0]["content"][1]["image"]
PIXEL = f"data:image/png;base64,{_IMAGE['source']['bytes']}"


def asked(**fields: Any) -> Request:
    return Request(**({"messages": HI} | fields))


REQUESTS: dict[str, Request] = {
    "plain": asked(),
    "system_cache": asked(messages=(Message("system", (Text(text="Be brief.", cache="5m"),)), *HI)),
    "multi_turn": asked(
        messages=(Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    ),
    "image_base64": asked(messages=(Message("user", (Text(text="What?"), Image(url=PIXEL))),)),
    "tools": asked(tools=(TOOL,), tool_choice=ToolChoice("required")),
    "tool_result": asked(
        messages=(
            *HI,
            Message(
                "assistant",
                (ToolCall(id="t1", name="get_weather", arguments='{"city":"Paris"}'),),
            ),
            Message("tool", (ToolResult(call_id="t1", content='{"temp": 20}'),)),
        ),
        tools=(TOOL,),
        tool_choice=ToolChoice("required"),
    ),
    "params": asked(max_tokens=64, temperature=0.2, top_p=0.9, stop=("END",), top_k=5),
    "json_schema": asked(schema=OutputSchema("out", WEATHER)),
    "stream": asked(stream=True),
    "count_tokens": asked(),
    "plain_api_key": asked(),
}
DELIBERATE: dict[str, Difference] = {
    # Success is what a result means when nothing else is said.
    "tool_result": {
        "body.messages.2.content.0.toolResult.status": ("success", MISSING),
    },
    # Written without blanks: the schema is text on this wire, and means the same.
    "json_schema": {
        "body.outputConfig.textFormat.structure.jsonSchema.schema": (
            json.dumps(WEATHER),
            json.dumps(WEATHER, separators=(",", ":")),
        ),
    },
    # The service counts for models, not for the profiles of a region.
    "count_tokens": {
        "path": (
            "/model/us.anthropic.claude-x-v1%3A0/count-tokens",
            "/model/anthropic.claude-x-v1%3A0/count-tokens",
        ),
    },
    # Models for embeddings are of interest too.
    "models_list": {"path": ("/foundation-models?byOutputModality=TEXT", "/foundation-models")},
    "profiles_list": {
        "path": ("/inference-profiles?maxResults=100", "/inference-profiles?maxResults=1000")
    },
}


def sent(case: str) -> HTTPCall:
    match case:
        case "models_list":
            return bedrock.list_models(CLAUDE.provider, None)
        case "profiles_list":
            return bedrock.list_models(CLAUDE.provider, "/inference-profiles?maxResults=1000")
        case "embeddings":
            return bedrock.encode_embeddings(["a"], TITAN, 256)
        case "count_tokens":
            return bedrock.encode_count(REQUESTS[case], CLAUDE)
    return bedrock.encode(REQUESTS[case], CLAUDE)


def masked(headers: dict[str, str]) -> dict[str, str]:
    """The headers without what differs from one moment to the next, as it was recorded."""
    found = {name.lower(): value for name, value in headers.items()}
    found["x-amz-date"] = re.sub(r"\d{8}T\d{6}Z", "YYYYMMDDTHHMMSSZ", found["x-amz-date"])
    text = re.sub(r"/\d{8}/", "/DATE/", found["authorization"])
    found["authorization"] = re.sub(r"[0-9a-f]{64}", "<hex64>", text)
    return found


def differences(case: str, call: HTTPCall) -> Difference:
    if case == "plain_api_key":
        headers = {"authorization": "Bearer TEST_KEY"} | {
            name.lower(): value for name, value in call.headers.items()
        }
    else:
        proof = aws.signature(call, KEYS, "us-east-1", time.time())
        headers = masked({**call.headers, **proof})
    ours = {
        "method": call.method,
        "path": call.url.removeprefix(HOST).removeprefix(CONTROL),
        "headers": headers,
        "body": json.loads(call.body) if call.body else None,
    }
    recorded = {name: RECORDED[case][name] for name in ours}
    theirs, mine = flat(recorded), flat(ours)
    return {
        place: (theirs.get(place, MISSING), mine.get(place, MISSING))
        for place in theirs.keys() | mine.keys()
        if theirs.get(place, MISSING) != mine.get(place, MISSING)
    }


def test_every_recorded_case_is_compared() -> None:
    others = {"models_list", "profiles_list", "embeddings"}
    assert RECORDED.keys() - BATCHES == REQUESTS.keys() | others
    assert RECORDED.keys() >= DELIBERATE.keys()


@pytest.mark.parametrize("case", sorted(RECORDED.keys() - BATCHES))
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    call = sent(case)
    assert differences(case, call) == DELIBERATE.get(case, {})
    assert call.notices == ()


@pytest.mark.parametrize("case", sorted(RECORDED.keys() - BATCHES))
def test_encoding_changes_nothing_and_repeats(case: str) -> None:
    assert sent(case) == sent(case)


# ------------------------------------------------------------------ signatures


def test_the_signature_is_the_recorded_one_to_the_letter() -> None:
    at = calendar.timegm(time.strptime(SIGNED["x_amz_date"], "%Y%m%dT%H%M%SZ"))
    call = HTTPCall(SIGNED["url"], SIGNED["body"].encode(), {"Content-Type": "application/json"})
    keys = aws.Credentials(SIGNED["access_key"], Secret(SIGNED["secret_key"]))
    assert aws.signature(call, keys, SIGNED["region"], at) == {
        "X-Amz-Date": SIGNED["x_amz_date"],
        "Authorization": SIGNED["authorization"],
    }


# ------------------------------------------------------------------ streams


@pytest.mark.parametrize("name", ["ok", "exception_midstream"])
def test_one_byte_at_a_time_means_the_same(name: str) -> None:
    data = bytes.fromhex(FRAMES[name]["hex"])
    whole = feed(bedrock, CLAUDE, [data])
    assert feed(bedrock, CLAUDE, one_by_one(data)).meaning == whole.meaning


def test_the_stream_that_the_sdk_read() -> None:
    out = feed(bedrock, CLAUDE, [bytes.fromhex(FRAMES["ok"]["hex"])])
    sdk = {name: body for one in FRAMES["ok"]["boto3_parsed"] for name, body in one.items()}
    usage = sdk["metadata"]["usage"]
    assert (out.error, out.finished, out.settled) == (None, True, True)
    assert out.response.parts == (
        Text(text="Hello"),
        ToolCall(id="tooluse_1", name="get_weather", arguments='{"city":"Paris"}'),
    )
    assert out.response.finish_reason == "tool_calls"
    assert out.usage == Usage(100, usage["outputTokens"], 54, 10)
    assert out.usage.total_tokens == usage["totalTokens"]


def test_the_exception_that_the_sdk_raised() -> None:
    recorded = FRAMES["exception_midstream"]
    out = feed(bedrock, CLAUDE, [bytes.fromhex(recorded["hex"])])
    assert type(out.error) is errors.RateLimitError
    assert out.error.message in recorded["boto3_parsed"]["message"]
    assert out.error.code == "ThrottlingException"
    assert not out.finished
