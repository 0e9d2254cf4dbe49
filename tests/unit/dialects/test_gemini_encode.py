"""Requests for generateContent: what is sent, moved, dropped, translated and refused."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import anthropic, gemini
from llm_orchestrator.errors import InvalidRequestError, UnsupportedError
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import (
    Effort,
    Image,
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
from tests.unit.dialects import targets

HI = (Message("user", "Hi"),)
TOOL = Tool("f", "does", {"type": "object", "properties": {"x": {"type": "integer"}}})
SCHEMA = OutputSchema("out", {"type": "object", "properties": {"x": {"type": "string"}}})
ANY = targets.gemini(id="gemini-3.8-flash")
OLD = targets.gemini(id="gemini-2.5-flash")


def asked(**fields: Any) -> Request:
    everything: dict[str, Any] = {"messages": HI} | fields
    return Request(**everything)


def sent(request: Request, target: Candidate = ANY) -> tuple[dict[str, Any], list[str]]:
    """The body and the notices; encoding twice must give the same."""
    call = gemini.encode(request, target)
    assert gemini.encode(request, target) == call
    return json.loads(call.body), list(call.notices)


def body(request: Request, target: Candidate = ANY) -> dict[str, Any]:
    found, notices = sent(request, target)
    assert notices == []
    return found


def turns(*messages: Message, target: Candidate = ANY) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(asked(messages=messages), target)["contents"]
    return found


def config(target: Candidate = ANY, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = body(asked(**fields), target)["generationConfig"]
    return found


# ------------------------------------------------------------------ turns


def test_roles_and_the_system_prompt() -> None:
    system = (Message("system", "a"), Message("system", (Text(text="b"),)))
    found = body(asked(messages=(*system, *HI, Message("assistant", "yo"), *HI)))
    assert found["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert [turn["role"] for turn in found["contents"]] == ["user", "model", "user"]


def test_a_late_system_turn_is_moved_and_said() -> None:
    found, notices = sent(asked(messages=(*HI, Message("system", "late"))))
    assert found["systemInstruction"]["parts"] == [{"text": "late"}]
    assert notices == ["a later system turn was moved to the front"]


def test_a_model_without_system_prompts_gets_it_with_the_first_message() -> None:
    found, notices = sent(
        asked(messages=(Message("system", "s"), *HI)), targets.gemini(lacks="system")
    )
    assert "systemInstruction" not in found
    assert found["contents"] == [{"role": "user", "parts": [{"text": "s"}, {"text": "Hi"}]}]
    assert len(notices) == 1


def test_empty_texts_are_left_out() -> None:
    turn = Message("user", (Text(text=""), Text(text="b")))
    assert turns(*HI, Message("assistant", ""), turn) == [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "user", "parts": [{"text": "b"}]},
    ]
    with pytest.raises(InvalidRequestError, match="nothing but empty"):
        sent(asked(messages=(Message("user", ""),)))


def test_prefill_is_refused_where_it_is_not_known_to_work() -> None:
    ending = (*HI, Message("assistant", "Well"))
    assert turns(*ending, target=targets.gemini("prefill"))[-1]["role"] == "model"
    with pytest.raises(UnsupportedError, match="prefill"):
        sent(asked(messages=ending), targets.gemini("system"))


def test_images() -> None:
    data = Image(url="data:image/png;base64,aGk=")
    near, far = Image(url="https://e.x/a/b.JPG?c=d.e"), Image(url="https://e.x/picture")
    assert turns(Message("user", (data, near, far)))[0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"fileData": {"fileUri": near.url, "mimeType": "image/jpeg"}},
        {"fileData": {"fileUri": far.url}},
    ]
    with pytest.raises(UnsupportedError, match="images"):
        sent(asked(messages=(Message("user", (data,)),)), targets.gemini("system"))


def test_the_detail_of_an_image() -> None:
    request = asked(
        messages=(Message("user", (Image(url="data:image/png;base64,aGk=", detail="low"),)),)
    )
    (part,) = body(request)["contents"][0]["parts"]
    assert part["mediaResolution"] == {"level": "MEDIA_RESOLUTION_LOW"}
    found, notices = sent(request, OLD)
    assert "mediaResolution" not in found["contents"][0]["parts"][0]
    assert notices == ["the detail of an image is not supported here"]


# ------------------------------------------------------------------ tools


def call(id: str = "c1", signature: str | None = "gemini:s1") -> ToolCall:
    return ToolCall(id=id, name="f", arguments='{"x":1}', signature=signature)


def result(content: str, id: str = "c1", **more: Any) -> Message:
    return Message("tool", (ToolResult(call_id=id, content=content, **more),))


def test_a_tool_loop_keeps_signatures_and_answers_in_one_turn() -> None:
    both = Message("assistant", (Text(text="Let me see."), call(), call("c2", None)))
    found = turns(*HI, both, result('{"t": 20}'), result("fine", "c2"), Message("user", "And?"))
    assert found[1]["parts"] == [
        {"text": "Let me see."},
        {
            "functionCall": {"id": "c1", "name": "f", "args": {"x": 1}},
            "thoughtSignature": "s1",
        },
        {"functionCall": {"id": "c2", "name": "f", "args": {"x": 1}}},
    ]
    assert found[2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "c1", "name": "f", "response": {"t": 20}}},
            {"functionResponse": {"id": "c2", "name": "f", "response": {"output": "fine"}}},
        ],
    }
    assert found[3] == {"role": "user", "parts": [{"text": "And?"}]}


@pytest.mark.parametrize(
    "content,response",
    [
        ("20", {"output": 20}),
        ('"x"', {"output": "x"}),
        ("[1]", {"output": [1]}),
        ("null", {"output": None}),
        ("", {"output": ""}),
        ("two words", {"output": "two words"}),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        ("{broken", {"output": "{broken"}),
    ],
)
def test_an_answer_is_always_an_object(content: str, response: Any) -> None:
    found = turns(*HI, Message("assistant", (call(),)), result(content))
    assert found[-1]["parts"][0]["functionResponse"]["response"] == response


def test_a_failed_tool() -> None:
    found = turns(*HI, Message("assistant", (call(),)), result("no such city", is_error=True))
    assert found[-1]["parts"][0]["functionResponse"]["response"] == {"error": "no such city"}


def test_an_answer_to_no_call_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="the call c9"):
        sent(asked(messages=(*HI, result("20", "c9"))))


@pytest.mark.parametrize("signature", [None, "of-another-wire", "openai:x"])
def test_a_call_of_another_model_gets_the_documented_signature(signature: str | None) -> None:
    history = (
        *HI,
        Message("assistant", (call("a", signature), call("b", signature))),
        result("1", "a"),
    )
    first, second = turns(*history)[1]["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in second
    # Earlier generations do not ask for one.
    assert "thoughtSignature" not in turns(*history, target=OLD)[1]["parts"][0]


def test_signatures_of_texts_come_back_with_them_and_thoughts_do_not() -> None:
    turn = Message(
        "assistant",
        (Reasoning(text="hm"), Reasoning(signature="gemini:s"), Text(text="So."), call()),
    )
    assert turns(*HI, turn, result("1"))[1]["parts"][0] == {"text": "So.", "thoughtSignature": "s"}
    only = Message("assistant", (Text(text="So."), Reasoning(text="hm", signature="gemini:s")))
    assert turns(*HI, only, *HI)[1]["parts"] == [
        {"text": "So."},
        {"text": "", "thoughtSignature": "s"},
    ]


def test_our_signatures_do_not_go_to_another_wire() -> None:
    turn = Message(
        "assistant",
        (Reasoning(text="hm", signature="gemini:s"), Reasoning(signature="gemini:t"), call()),
    )
    request = Request(messages=(*HI, turn, result("1")), max_tokens=9)
    assert b"gemini:" not in anthropic.encode(request, targets.anthropic()).body
    blocks = json.loads(anthropic.encode(request, targets.anthropic()).body)["messages"][1][
        "content"
    ]
    assert [block["type"] for block in blocks] == ["tool_use"], "thoughts stay where they were had"


@pytest.mark.parametrize(
    "choice,expected",
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice(name="f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tools_and_the_choice_among_them(choice: ToolChoice, expected: Any) -> None:
    found = body(asked(tools=(TOOL, Tool("g")), tool_choice=choice))
    assert found["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does", "parametersJsonSchema": TOOL.parameters},
                {"name": "g"},
            ]
        }
    ]
    assert found["toolConfig"] == {"functionCallingConfig": expected}


def test_what_tools_cannot_have_here_is_said() -> None:
    tool = Tool("f", strict=True, cache="5m")
    _, notices = sent(asked(tools=(tool,), parallel_tool_calls=False))
    assert [notice.split()[0] for notice in notices] == ["strict", "parallel_tool_calls", "a"]
    with pytest.raises(UnsupportedError, match="parallel_tool_calls"):
        sent(asked(tools=(TOOL,), parallel_tool_calls=False, strict=True))
    with pytest.raises(UnsupportedError, match="tools"):
        sent(asked(tools=(TOOL,)), targets.gemini("system"))


# ------------------------------------------------------------------ schema


def test_the_output_schema() -> None:
    found = config(schema=SCHEMA)
    assert found == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA.schema}
    assert config(schema=SCHEMA, tools=(TOOL,)) == found


@pytest.mark.parametrize(
    "target,tools", [(targets.gemini("system tools"), ()), (OLD, (TOOL,))], ids=["no mode", "tools"]
)
def test_where_there_is_no_schema_mode_it_is_asked_for_in_words(
    target: Candidate, tools: tuple[Tool, ...]
) -> None:
    found, notices = sent(asked(schema=SCHEMA, tools=tools), target)
    assert "generationConfig" not in found
    assert '{"type":"object"' in found["systemInstruction"]["parts"][0]["text"]
    assert len(notices) == 1


# ------------------------------------------------------------------ parameters


def test_parameters() -> None:
    assert config(
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        max_tokens=9,
        stop=("a", "b"),
        seed=3,
    ) == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 4,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.2,
        "maxOutputTokens": 9,
        "stopSequences": ["a", "b"],
        "seed": 3,
    }


def test_what_has_no_place_is_said() -> None:
    found, notices = sent(
        asked(temperature=0.5, user="u", service_tier="scale"), targets.gemini("system")
    )
    assert found.keys() == {"contents"}
    assert [notice.split()[0] for notice in notices] == ["temperature", "service_tier", "user"]


def test_service_tiers() -> None:
    assert body(asked(service_tier="flex"))["serviceTier"] == "flex"


def test_extra_fields_go_into_what_is_there() -> None:
    extra = {"generationConfig": {"candidateCount": 1}, "safetySettings": [], "labels": {"a": "b"}}
    found = body(asked(seed=3, extra=extra))
    assert found["generationConfig"] == {"seed": 3, "candidateCount": 1}
    assert (found["safetySettings"], found["labels"]) == ([], {"a": "b"})


@pytest.mark.parametrize(
    "model,effort,expected",
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-2.5-flash", "max", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "minimal", {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-2.5-pro", "xhigh", {"thinkingBudget": 32768, "includeThoughts": True}),
        (
            "gemini-robotics-er-1.5-preview",
            "low",
            {"thinkingBudget": 1024, "includeThoughts": True},
        ),
        ("gemini-3.1-flash-lite", "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3.5-flash", "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3.8-flash", "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3.8-flash", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-4-argon", "max", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-flash-latest", "low", {"thinkingLevel": "LOW", "includeThoughts": True}),
    ],
)
def test_effort(model: str, effort: Effort, expected: Any) -> None:
    assert config(targets.gemini(id=model), effort=effort) == {"thinkingConfig": expected}


@pytest.mark.parametrize(
    "model,expected",
    [
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("gemini-3.8-flash", {"thinkingLevel": "LOW"}),
    ],
)
def test_thinking_that_cannot_be_turned_off_is_said(model: str, expected: Any) -> None:
    found, notices = sent(asked(effort="none"), targets.gemini(id=model))
    assert found["generationConfig"] == {"thinkingConfig": expected}
    assert len(notices) == 1


def test_a_model_that_does_not_think() -> None:
    plain = targets.gemini("system")
    assert body(asked(effort="none"), plain).keys() == {"contents"}
    found, notices = sent(asked(effort="low"), plain)
    assert found.keys() == {"contents"}
    assert notices == ["effort is not supported by this model"]
