"""Our requests on the wire of generateContent mean what the official SDK sends, on both hosts."""

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.dialects import gemini
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
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
from tests.wire.recorded import MISSING, Difference, differences, flat, requests

RECORDED = requests("google_genai")
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = Tool("get_weather", "Weather", WEATHER)
_SOURCE = RECORDED["image_base64"]["body"]["contents"][0]["parts"][0]["inlineData"]
PIXEL = f"data:image/png;base64,{_SOURCE['data']}"
HI = (Message("user", "Hi"),)
CALL = ToolCall(id="f1", name="get_weather", arguments='{"city":"Paris"}', signature="gemini:c2ln")


def asked(**fields: object) -> Request:
    return Request(**({"messages": HI} | fields))  # type: ignore[arg-type]


REQUESTS: dict[str, Request] = {
    "plain": asked(),
    "system": asked(messages=(Message("system", "Be brief."), *HI)),
    "multi_turn": asked(
        messages=(Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    ),
    "image_base64": asked(messages=(Message("user", (Image(url=PIXEL), Text(text="What?"))),)),
    "tools": asked(
        messages=(Message("user", "Weather?"),),
        tools=(TOOL,),
        tool_choice=ToolChoice(name="get_weather"),
    ),
    "tool_result": asked(
        messages=(
            Message("user", "Weather?"),
            Message("assistant", (CALL,)),
            Message("tool", (ToolResult(call_id="f1", content='{"temp":20}'),)),
        ),
        tools=(TOOL,),
    ),
    "json_schema": asked(schema=OutputSchema("out", WEATHER)),
    "params": asked(temperature=0.2, top_p=0.9, top_k=5, max_tokens=64, stop=("END",), seed=7),
    "thinking": asked(effort="minimal"),
    "thinking_level": asked(effort="low"),
    "cached_content": asked(extra={"cachedContent": "cachedContents/abc"}),
    "stream": asked(stream=True),
    "count_tokens": asked(),
    "vertex_plain": asked(),
    "vertex_stream": asked(stream=True),
    "vertex_count_tokens": asked(),
}
ELSEWHERE = {"embeddings", "models_list", "vertex_embeddings", "vertex_models_list"}
NOT_OURS = {"json_schema_openapi"}
"""Google's own kind of schema: we send JSON schema."""
IDS = {"thinking": "gemini-2.5-x"}

EVERYWHERE: Difference = {"headers.accept": ("*/*", MISSING)}  # what a client sends by itself
EMPTY: Difference = {"body.generationConfig": ({}, MISSING)}
_THOUGHTS = "body.generationConfig.thinkingConfig"
_TOOL = "body.tools.0.functionDeclarations.0.parameters"


def _renamed(before: str, after: str, value: object) -> Difference:
    """Both spellings mean the same to Google; ours is the documented one."""
    return {before: (value, MISSING), after: (MISSING, value)}


def _tool() -> Difference:
    return {
        place: pair
        for name, value in flat(WEATHER).items()
        for place, pair in _renamed(
            f"{_TOOL}_json_schema.{name}", f"{_TOOL}JsonSchema.{name}", value
        ).items()
    }


_IMAGE = "body.contents.0.parts.0.inlineData"
DELIBERATE: dict[str, Difference] = {
    # It has a place of its own and needs no role.
    "system": EMPTY | {"body.systemInstruction.role": ("user", MISSING)},
    "image_base64": _renamed(f"{_IMAGE}.mime_type", f"{_IMAGE}.mimeType", "image/png"),
    "tools": EMPTY | _tool(),
    "tool_result": EMPTY | _tool(),
    "params": {"body.generationConfig.candidateCount": (1, MISSING)},  # the default
    "thinking": _renamed(f"{_THOUGHTS}.thinking_budget", f"{_THOUGHTS}.thinkingBudget", 512)
    | _renamed(f"{_THOUGHTS}.include_thoughts", f"{_THOUGHTS}.includeThoughts", value=True),
    # Thoughts that are paid for are shown.
    "thinking_level": _renamed(f"{_THOUGHTS}.thinking_level", f"{_THOUGHTS}.thinkingLevel", "LOW")
    | {f"{_THOUGHTS}.includeThoughts": (MISSING, True)},
    "cached_content": EMPTY,
    "embeddings": {
        place: pair
        for number in (0, 1)
        for place, pair in {
            f"body.requests.{number}.content.role": ("user", MISSING),
            f"body.requests.{number}.taskType": ("RETRIEVAL_DOCUMENT", MISSING),  # an option of it
        }.items()
    },
    "models_list": {"path": ("/v1/models?pageSize=50", "/v1/models?pageSize=100")},
    "vertex_models_list": {
        "path": (
            "/v1beta1/publishers/google/models",
            "/v1beta1/publishers/google/models?pageSize=100",
        )
    },
}


def vertex() -> Provider:
    variables = {"project": "proj", "location": "us-central1"}
    section = {"api_key": targets.KEY, "variables": variables}
    return Directory(load({"providers": {"vertex": section}}, env={})).use("vertex")


def target(case: str) -> Candidate:
    name = "gemini-embedding-001" if "embed" in case else IDS.get(case, "gemini-x")
    if case.startswith("vertex"):
        return Candidate(vertex(), Model(provider="vertex", id=name))
    return targets.gemini(id=name)


def sent(case: str) -> HTTPCall:
    to = target(case)
    if case.endswith("models_list"):
        return gemini.list_models(to.provider, None)
    if case == "embeddings":
        return gemini.encode_embeddings(["a", "b"], to, 256)
    if case == "vertex_embeddings":
        return gemini.encode_embeddings(["a"], to, None)
    if case.endswith("count_tokens"):
        return gemini.encode_count(REQUESTS[case], to)
    return gemini.encode(REQUESTS[case], to)


def recorded(case: str) -> dict[str, object]:
    """The recording; a model of another generation is asked by its own name."""
    found = RECORDED[case]
    return found | {"path": found["path"].replace("gemini-x:", f"{IDS.get(case, 'gemini-x')}:")}


def test_every_recorded_case_is_compared() -> None:
    assert RECORDED.keys() == REQUESTS.keys() | ELSEWHERE | NOT_OURS
    assert RECORDED.keys() >= DELIBERATE.keys()


@pytest.mark.parametrize("case", sorted(RECORDED.keys() - NOT_OURS))
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    call = sent(case)
    found = differences(recorded(case), call, target(case).provider)
    assert found == EVERYWHERE | DELIBERATE.get(case, {})
    assert call.notices == ()


@pytest.mark.parametrize("case", sorted(RECORDED.keys() - NOT_OURS))
def test_encoding_changes_nothing_and_repeats(case: str) -> None:
    assert sent(case) == sent(case)
