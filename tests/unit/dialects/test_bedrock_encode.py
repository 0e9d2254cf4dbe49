"""Requests for Converse: what is sent, merged, dropped, translated and refused."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import bedrock
from llm_orchestrator.errors import UnsupportedError
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import (
    Image,
    Message,
    OutputSchema,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from tests.unit.dialects.bedrock_samples import HI, asked, body, judged, sent
from tests.unit.dialects.bedrock_samples import bedrock as target_of

TOOL = Tool("f", "does", {"type": "object", "properties": {"x": {"type": "integer"}}})
SCHEMA = OutputSchema("out", {"type": "object", "properties": {"x": {"type": "string"}}})
CALL = Message("assistant", (ToolCall(id="t1", name="f", arguments='{"x": 1}'),))
RESULT = Message("tool", (ToolResult(call_id="t1", content="20 degrees"),))
ANY = target_of()
LLAMA = target_of(id="us.meta.llama4-scout-17b-instruct-v1:0")
NOVA = target_of(id="us.amazon.nova-pro-v1:0")
DEFAULT = {"cachePoint": {"type": "default"}}


def content(*parts: Any, target: Candidate = ANY, **fields: Any) -> list[dict[str, Any]]:
    """The blocks of a user's turn with these parts."""
    found: list[dict[str, Any]] = body(asked(Message("user", parts), **fields), target)["messages"]
    return list(found[0]["content"])


# ------------------------------------------------------------------ addresses


def test_plain_and_streamed_requests_go_to_two_addresses() -> None:
    host = "https://bedrock-runtime.us-east-1.amazonaws.com"
    model = "us.anthropic.claude-x-v1%3A0"
    assert bedrock.encode(asked(), ANY).url == f"{host}/model/{model}/converse"
    stream = bedrock.encode(asked(stream=True), ANY)
    assert stream.url == f"{host}/model/{model}/converse-stream"
    assert "stream" not in json.loads(stream.body)


def test_an_arn_is_one_segment_of_the_path() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12"
    url = bedrock.encode(asked(), target_of(id=arn)).url
    assert url.endswith(
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012"
        "%3Aapplication-inference-profile%2Fab12/converse"
    )


# ------------------------------------------------------------------ turns


def test_system_turns_become_the_system_prompt_and_a_late_one_is_said() -> None:
    late = Message("system", "late")
    found, notices = sent(
        asked(Message("system", "a"), Message("system", (Text(text="b"),)), *HI, late)
    )
    assert found["system"] == [{"text": "a"}, {"text": "b"}, {"text": "late"}]
    assert found["messages"] == [{"role": "user", "content": [{"text": "Hi"}]}]
    assert len(notices) == 1
    assert "moved to the front" in notices[0]


def test_consecutive_turns_of_one_role_are_merged() -> None:
    found = body(asked(Message("user", "a"), Message("user", (Text(text="b"),))))
    assert found["messages"] == [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]


def test_blank_texts_are_left_out_where_anything_else_is_said() -> None:
    assert "system" not in body(asked(Message("system", " "), *HI))
    assert content(Text(text=" "), Text(text="a"), Text(text="")) == [{"text": "a"}]
    assert content(Text(text="")) == [{"text": ""}]  # for the service to refuse
    calls = Message("assistant", (Text(text=""), *CALL.content))
    found = body(asked(*HI, calls, RESULT, tools=(TOOL,)))
    assert [list(block) for block in found["messages"][1]["content"]] == [["toolUse"]]


def test_the_name_of_a_speaker_is_dropped_and_said() -> None:
    _, notices = sent(asked(Message("user", "Hi", name="ada")))
    assert notices == ["the name of a speaker is not supported here"]


def test_ending_with_an_assistant_turn_needs_a_model_that_takes_it() -> None:
    turns = (*HI, Message("assistant", "The answer is"))
    assert body(asked(*turns), target_of("prefill"))["messages"][1]["role"] == "assistant"
    with pytest.raises(UnsupportedError, match="prefill"):
        bedrock.encode(asked(*turns), target_of(""))


# ------------------------------------------------------------------ images


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp"])
def test_images_go_as_bytes_with_their_format(kind: str) -> None:
    assert content(Image(url=f"data:image/{kind};base64,AAAA")) == [
        {"image": {"format": kind, "source": {"bytes": "AAAA"}}}
    ]


def test_images_in_a_bucket_go_by_their_address() -> None:
    assert content(Image(url="s3://a-bucket/b/c.JPG")) == [
        {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://a-bucket/b/c.JPG"}}}}
    ]


@pytest.mark.parametrize(
    "url, words",
    [
        ("https://e.x/a.png", "its bytes"),
        ("data:image/tiff;base64,AAAA", "png, jpeg"),
        ("s3://a/b", "png, jpeg"),
    ],
)
def test_other_images_are_refused_with_what_is_taken(url: str, words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        bedrock.encode(asked(Message("user", (Image(url=url),))), ANY)


def test_images_need_a_model_that_sees() -> None:
    request = asked(Message("user", (Image(url="data:image/png;base64,AAAA"),)))
    with pytest.raises(UnsupportedError, match="images"):
        bedrock.encode(request, target_of("tools"))


def test_the_detail_of_an_image_is_dropped_and_said() -> None:
    part = Image(url="data:image/png;base64,AAAA", detail="low")
    _, notices = sent(asked(Message("user", (part,))))
    assert notices == ["the detail of an image is not supported here"]


# ------------------------------------------------------------------ thoughts


def test_signed_thoughts_are_sent_back_unchanged() -> None:
    thoughts = (Reasoning(text="hm", signature="sig"), Reasoning(redacted="AAAA"))
    answer = Message("assistant", (*thoughts, Text(text="a")))
    assert body(asked(*HI, answer, *HI))["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "AAAA"}},
        {"text": "a"},
    ]


@pytest.mark.parametrize(
    "thought, target",
    [
        (Reasoning(text="hm"), ANY),
        (Reasoning(text="hm", signature="gemini:sig"), ANY),
        (Reasoning(text="hm", signature="sig"), LLAMA),
        (Reasoning(redacted="AAAA"), LLAMA),
    ],
)
def test_thoughts_of_others_are_left_out_and_said(thought: Reasoning, target: Candidate) -> None:
    answer = Message("assistant", (thought, Text(text="a")))
    found, notices = sent(asked(*HI, answer, *HI), target)
    assert found["messages"][1]["content"] == [{"text": "a"}]
    assert notices == ["earlier reasoning is not this model's own and was left out"]
    alone, _ = sent(asked(*HI, Message("assistant", (thought,)), *HI), target)
    assert [turn["role"] for turn in alone["messages"]] == ["user"]


# ------------------------------------------------------------------ cache


def test_markers_stand_behind_what_is_to_be_cached() -> None:
    system = Message("system", (Text(text="s", cache="1h"), Text(text="t")))
    user = Message("user", (Text(text="a", cache="5m"), Text(text="b")))
    found = body(asked(system, user, tools=(Tool("f", cache="5m"), Tool("g"))))
    hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert found["system"] == [{"text": "s"}, hour, {"text": "t"}]
    assert found["messages"][0]["content"] == [{"text": "a"}, DEFAULT, {"text": "b"}]
    assert [list(one) for one in found["toolConfig"]["tools"]] == [
        ["toolSpec"],
        ["cachePoint"],
        ["toolSpec"],
    ]


def test_markers_that_a_family_does_not_know_are_said() -> None:
    system = Message("system", (Text(text="s", cache="1h"),))
    found, notices = sent(asked(system, *HI, tools=(Tool("f", cache="5m"),)), NOVA)
    assert found["system"] == [{"text": "s"}, DEFAULT]
    assert len(found["toolConfig"]["tools"]) == 1
    assert sorted(notices) == [
        "a cache marker for an hour holds for five minutes here",
        "a cache marker is not supported here by this model",
    ]
    found, notices = sent(asked(system, *HI), target_of(""))
    assert found["system"] == [{"text": "s"}]
    assert len(notices) == 1


# ------------------------------------------------------------------ schema


def test_an_output_schema_is_text_here() -> None:
    found = body(asked(schema=SCHEMA))["outputConfig"]["textFormat"]
    assert found["type"] == "json_schema"
    wire = found["structure"]["jsonSchema"]
    assert wire["name"] == "out"
    assert json.loads(wire["schema"]) == SCHEMA.schema


def test_without_a_schema_mode_the_prompt_asks_for_it() -> None:
    found, notices = sent(asked(Message("system", "s"), *HI, schema=SCHEMA), target_of(""))
    assert "outputConfig" not in found
    assert found["system"][0] == {"text": "s"}
    assert '"x":{"type":"string"}' in found["system"][1]["text"]
    assert len(notices) == 1


# ------------------------------------------------------------------ parameters


def test_limits_and_sampling() -> None:
    request = asked(max_tokens=9, temperature=0.5, top_p=0.9, stop=("a", "b"))
    assert body(request)["inferenceConfig"] == {
        "maxTokens": 9,
        "temperature": 0.5,
        "topP": 0.9,
        "stopSequences": ["a", "b"],
    }
    assert "inferenceConfig" not in body(asked())


def test_a_temperature_above_one_is_lowered_and_said() -> None:
    found, notices = sent(asked(temperature=1.7))
    assert found["inferenceConfig"] == {"temperature": 1}
    assert notices == ["a temperature above 1 was lowered to 1, the most this wire takes"]


def test_sampling_needs_a_model_that_takes_it() -> None:
    request = asked(temperature=0.5, top_p=0.5, top_k=5, max_tokens=9)
    found, notices = sent(request, target_of(""))
    assert found["inferenceConfig"] == {"maxTokens": 9}
    assert "additionalModelRequestFields" not in found
    assert [notice.split()[0] for notice in notices] == ["temperature", "top_p", "top_k"]


@pytest.mark.parametrize(
    "id, fields",
    [
        ("us.anthropic.claude-x-v1:0", {"top_k": 5}),
        ("mistral.mistral-large-2407-v1:0", {"top_k": 5}),
        ("us.amazon.nova-pro-v1:0", {"inferenceConfig": {"topK": 5}}),
        ("cohere.command-r-v1:0", {"k": 5}),
        ("arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/ab", {"top_k": 5}),
    ],
)
def test_top_k_goes_where_the_family_wants_it(id: str, fields: dict[str, Any]) -> None:
    found = body(asked(top_k=5), target_of(id=id))
    assert found["additionalModelRequestFields"] == fields
    assert "inferenceConfig" not in found


def test_top_k_is_dropped_where_no_field_for_it_is_known() -> None:
    found, notices = sent(asked(top_k=5), LLAMA)
    assert "additionalModelRequestFields" not in found
    assert notices == ["top_k is not supported by this model"]


@pytest.mark.parametrize("field", ["seed", "frequency_penalty", "presence_penalty"])
def test_what_the_wire_has_no_field_for_is_dropped_and_said(field: str) -> None:
    assert sent(asked(**{field: 1}))[1] == [f"{field} is not supported here"]
    with pytest.raises(UnsupportedError, match=field):
        bedrock.encode(asked(**{field: 1}, strict=True), ANY)


@pytest.mark.parametrize(
    "asked_for, wire",
    [("flex", "flex"), ("priority", "priority"), ("standard", "default"), ("auto", "default")],
)
def test_service_tiers(asked_for: str, wire: str) -> None:
    assert body(asked(service_tier=asked_for))["serviceTier"] == {"type": wire}


def test_extra_fields_go_in_and_join_ours() -> None:
    extra = {
        "requestMetadata": {"team": "blue"},
        "additionalModelRequestFields": {"anthropic_beta": ["x"]},
        "inferenceConfig": {"topP": 0.1},
    }
    found = body(asked(top_k=5, temperature=0.2, extra=extra))
    assert found["requestMetadata"] == {"team": "blue"}
    assert found["additionalModelRequestFields"] == {"top_k": 5, "anthropic_beta": ["x"]}
    assert found["inferenceConfig"] == {"temperature": 0.2, "topP": 0.1}


# ------------------------------------------------------------------ counting


def test_counting_takes_what_counts_and_asks_the_model_itself() -> None:
    request = asked(
        Message("system", "s"), *HI, tools=(TOOL,), schema=SCHEMA, max_tokens=9, temperature=0.1
    )
    call = bedrock.encode_count(request, ANY)
    assert call.url.endswith("/model/anthropic.claude-x-v1%3A0/count-tokens")
    found = json.loads(call.body)
    judged("CountTokens", found, modelId="anthropic.claude-x-v1:0")
    assert found["input"]["converse"].keys() == {"messages", "system", "toolConfig"}


def test_an_application_profile_cannot_count() -> None:
    base = "arn:aws:bedrock:us-east-1:123456789012:"
    with pytest.raises(UnsupportedError, match="application inference profile"):
        bedrock.encode_count(asked(), target_of(id=base + "application-inference-profile/ab12"))
    profile = target_of(id=base + "inference-profile/us.anthropic.claude-x-v1:0")
    assert "/model/anthropic.claude-x-v1%3A0/" in bedrock.encode_count(asked(), profile).url
