"""Our requests on the wire of Chat Completions mean what the official SDK sends."""

from collections.abc import Callable

import pytest

from llm_orchestrator.dialects import openai
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

RECORDED = requests("openai")
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = Tool("get_weather", "Weather", WEATHER)
PIXEL = RECORDED["image_base64"]["body"]["messages"][0]["content"][1]["image_url"]["url"]
HI = (Message("user", "Hi"),)
PLAIN = targets.openai()
EMBEDDER = targets.openai(id="text-embedding-3-small")

REQUESTS: dict[str, Request] = {
    "plain": Request(messages=HI),
    "system": Request(messages=(Message("system", "Be brief."), *HI)),
    "multi_turn": Request(
        messages=(Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    ),
    "image_base64": Request(
        messages=(Message("user", (Text(text="What?"), Image(url=PIXEL))),),
    ),
    "tools": Request(messages=HI, tools=(TOOL,), tool_choice=ToolChoice("auto")),
    "tool_result": Request(
        messages=(
            Message("user", "Weather?"),
            Message(
                "assistant",
                (ToolCall(id="call_1", name="get_weather", arguments='{"city": "Paris"}'),),
            ),
            Message("tool", (ToolResult(call_id="call_1", content='{"temp": 20}'),)),
        ),
        tools=(TOOL,),
    ),
    "json_schema": Request(messages=HI, schema=OutputSchema("out", WEATHER)),
    "params": Request(
        messages=HI, max_tokens=64, seed=7, stop=("END",), temperature=0.2, top_p=0.9
    ),
    "stream": Request(messages=HI, stream=True),
    "reasoning": Request(
        messages=(Message("system", "d"), *HI),
        effort="low",
        extra={"prompt_cache_key": "k", "verbosity": "low"},
    ),
}

CALLS: dict[str, Callable[[], HTTPCall]] = {
    "embeddings": lambda: openai.encode_embeddings(["a", "b"], EMBEDDER, None),
    "embeddings_dims": lambda: openai.encode_embeddings(["a"], EMBEDDER, 256),
    "models_list": lambda: openai.list_models(PLAIN.provider, None),
}

EVERYWHERE: Difference = {"headers.accept": ("application/json", MISSING)}
"""The transport accepts anything, and the decoder says what came instead of JSON."""

DELIBERATE: dict[str, Difference] = {
    # One text is a list of one, and the vectors always come in the smaller form.
    "embeddings_dims": {
        "body.input": ("a", MISSING),
        "body.input.0": (MISSING, "a"),
        "body.encoding_format": ("float", "base64"),
    },
}


def target(case: str) -> Candidate:
    if case == "reasoning":
        return targets.openai(id="o-x", system_role="developer")
    return PLAIN


def test_every_recorded_case_is_compared() -> None:
    assert RECORDED.keys() == REQUESTS.keys() | CALLS.keys()
    assert RECORDED.keys() >= DELIBERATE.keys()


@pytest.mark.parametrize("case", RECORDED)
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    call = CALLS[case]() if case in CALLS else openai.encode(REQUESTS[case], target(case))
    found = differences(RECORDED[case], call, PLAIN.provider)
    assert found == EVERYWHERE | DELIBERATE.get(case, {})
    assert call.notices == ()


@pytest.mark.parametrize("case", REQUESTS)
def test_encoding_changes_nothing_and_repeats(case: str) -> None:
    first = openai.encode(REQUESTS[case], target(case))
    assert openai.encode(REQUESTS[case], target(case)) == first
