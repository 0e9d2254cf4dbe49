"""Our requests on the wire of Messages mean what the official SDKs of both versions send."""

import pytest

from llm_orchestrator.dialects import anthropic
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Candidate
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
from tests.unit.dialects import targets
from tests.wire.recorded import MISSING, Difference, differences, requests

RECORDED = requests("anthropic")
OLDER = requests("anthropic_2023-06-01")
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = Tool("get_weather", "Weather", WEATHER)
_SOURCE = RECORDED["image_base64"]["body"]["messages"][0]["content"][0]["source"]
PIXEL = f"data:image/png;base64,{_SOURCE['data']}"
HI = (Message("user", "Hi"),)
PLAIN = targets.anthropic()


def asked(**fields: object) -> Request:
    return Request(**({"messages": HI, "max_tokens": 64} | fields))  # type: ignore[arg-type]


REQUESTS: dict[str, Request] = {
    "plain": asked(),
    "system": asked(messages=(Message("system", "Be brief."), *HI)),
    "system_cached": asked(
        messages=(Message("system", (Text(text="Be brief.", cache="1h"),)), *HI)
    ),
    "multi_turn": asked(
        messages=(Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    ),
    "image_base64": asked(messages=(Message("user", (Image(url=PIXEL), Text(text="What?"))),)),
    "image_url": asked(
        messages=(Message("user", (Image(url="https://e.x/a.png"), Text(text="What?"))),)
    ),
    "tools": asked(tools=(TOOL,), tool_choice=ToolChoice("auto"), parallel_tool_calls=False),
    "tool_result": asked(
        messages=(
            Message("user", "Weather?"),
            Message(
                "assistant",
                (ToolCall(id="toolu_1", name="get_weather", arguments='{"city":"Paris"}'),),
            ),
            Message("tool", (ToolResult(call_id="toolu_1", content="20"),)),
        ),
        tools=(TOOL,),
    ),
    "json_schema": asked(schema=OutputSchema("out", WEATHER)),
    "thinking": asked(effort="low"),
    "thinking_budget": asked(effort="minimal", max_tokens=4096),
    "params": asked(stop=("END",), user="u1", service_tier="standard_only"),
    "stream": asked(stream=True),
    "count_tokens": Request(messages=(Message("system", "s"), *HI)),
}
TARGETS = {
    "thinking": targets.anthropic("reasoning adaptive_thinking effort"),
    "thinking_budget": targets.anthropic("reasoning"),
}

EVERYWHERE: Difference = {
    # The transport accepts anything, and the decoder says what came instead of JSON.
    "headers.accept": ("application/json", MISSING),
    # Both versions take both; this one says that it is an API key and no login.
    "headers.authorization": ("Bearer TEST_KEY", MISSING),
    "headers.x-api-key": (MISSING, "TEST_KEY"),
}
DELIBERATE: dict[str, Difference] = {
    "models_list": {
        "path": ("/v1/models?limit=100", "/v1/models?limit=1000"),  # fewer pages to ask for
        # Sent with every request, and a GET with it is answered the same.
        "headers.content-type": (MISSING, "application/json"),
    },
    # The default goes without saying.
    "tool_result": {"body.messages.2.content.0.is_error": (False, MISSING)},
}
OLDER_EVERYWHERE: Difference = {"headers.accept": ("application/json", MISSING)}


def target(case: str) -> Candidate:
    return TARGETS.get(case, PLAIN)


def sent(case: str) -> HTTPCall:
    if case == "models_list":
        return anthropic.list_models(PLAIN.provider, None)
    encode = anthropic.encode_count if case == "count_tokens" else anthropic.encode
    return encode(REQUESTS[case], target(case))


def test_every_recorded_case_is_compared() -> None:
    assert RECORDED.keys() == REQUESTS.keys() | {"models_list"}
    assert RECORDED.keys() >= DELIBERATE.keys()


@pytest.mark.parametrize("case", RECORDED)
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    call = sent(case)
    found = differences(RECORDED[case], call, PLAIN.provider)
    assert found == EVERYWHERE | DELIBERATE.get(case, {})
    assert call.notices == ()


def test_the_older_version_is_sent_as_its_sdk_sends_it() -> None:
    plain = targets.anthropic(version=targets.OLDER)
    assert differences(OLDER["plain"], anthropic.encode(asked(), plain), plain.provider) == (
        OLDER_EVERYWHERE
    )


def test_sampling_parameters_choose_the_older_version() -> None:
    request = asked(stop=("END",), temperature=0.2, top_k=5, top_p=0.9)
    call = anthropic.encode(request, PLAIN)
    assert differences(OLDER["params"], call, PLAIN.provider) == OLDER_EVERYWHERE


@pytest.mark.parametrize("case", RECORDED)
def test_encoding_changes_nothing_and_repeats(case: str) -> None:
    assert sent(case) == sent(case)
