"""Answers of Converse, counts, vectors and model lists."""

import json
from typing import Any

import pytest

from llm_orchestrator import errors
from llm_orchestrator.dialects import bedrock
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Reasoning, Text, ToolCall
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects.bedrock_samples import HOST
from tests.unit.dialects.bedrock_samples import bedrock as target_of
from tests.unit.dialects.targets import reply

TARGET = target_of()
TITAN = target_of(id="amazon.titan-embed-text-v2:0")
COHERE = target_of(id="cohere.embed-multilingual-v3")
COHERE_4 = target_of(id="us.cohere.embed-v4:0")
NOVA = target_of(id="amazon.nova-2-multimodal-embeddings-v1:0")
_NO_ANSWER = "not one of this API|a web page came instead of an answer"
ONE = {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11}


def answer(
    *content: dict[str, Any], stop: str = "end_turn", usage: Any = ONE, **fields: Any
) -> Response:
    body = {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": stop,
        "usage": usage,
        "metrics": {"latencyMs": 1},
    } | fields
    return bedrock.decode(reply(200, json.dumps(body), x_amzn_RequestId="r-1"), TARGET)


# ------------------------------------------------------------------ answers


def test_a_text() -> None:
    found = answer({"text": "Hello"})
    assert found == Response(
        (Text(text="Hello"),), "stop", Usage(9, 2), "us.anthropic.claude-x-v1:0", "", "r-1"
    )


def test_thoughts_texts_and_calls_in_their_order() -> None:
    found = answer(
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "AAAA"}},
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        {"text": "I look."},
        {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"x": [1, 2.50]}}},
        stop="tool_use",
    )
    assert found.parts == (
        Reasoning(text="hm", signature="sig"),
        Reasoning(redacted="AAAA"),
        Reasoning(text="hm"),
        Text(text="I look."),
        ToolCall(id="t1", name="f", arguments='{"x": [1, 2.5]}'),
    )
    assert found.finish_reason == "tool_calls"


def test_arguments_in_a_string_are_taken_out_of_it() -> None:
    found = answer({"toolUse": {"toolUseId": "t1", "name": "f", "input": '{"x": 1}'}})
    assert found.parts == (ToolCall(id="t1", name="f", arguments='{"x": 1}'),)


def test_cited_texts_are_texts_and_what_is_not_asked_for_is_passed_over() -> None:
    found = answer(
        {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": []}},
        {"toolUse": {"toolUseId": "s", "name": "web", "input": {}, "type": "server_tool_use"}},
        {"video": {"format": "mp4"}},
        {"somethingNew": 1},
    )
    assert found.parts == (Text(text="ab"),)


@pytest.mark.parametrize(
    "wire, meaning",
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "other"),
    ],
)
def test_stop_reasons(wire: str, meaning: str) -> None:
    assert answer({"text": "a"}, stop=wire).finish_reason == meaning


@pytest.mark.parametrize("stop", ["malformed_model_output", "malformed_tool_use"])
def test_an_answer_that_the_service_could_not_read_is_an_error(stop: str) -> None:
    with pytest.raises(errors.BadReplyError, match="malformed") as caught:
        answer({"text": "a"}, stop=stop)
    assert (caught.value.code, caught.value.retryable) == (stop, True)
    assert caught.value.request_id == "r-1"


def test_the_input_includes_the_cache_and_an_hour_is_told_apart() -> None:
    usage = ONE | {
        "cacheReadInputTokens": 50,
        "cacheWriteInputTokens": 30,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 20}, {"ttl": "5m", "inputTokens": 10}],
    }
    assert answer({"text": "a"}, usage=usage).usage == Usage(89, 2, 50, 30, 20)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"inputTokens": -1},
        {"inputTokens": 2**70},
        {"inputTokens": 1, "cacheDetails": [{"ttl": "1h", "inputTokens": 9}]},
    ],
)
def test_usage_that_is_missing_or_impossible_is_unknown(usage: Any) -> None:
    assert answer({"text": "a"}, usage=usage).usage is None


def test_the_lane_and_the_models_own_fields_are_kept() -> None:
    found = answer(
        {"text": "a"}, serviceTier={"type": "flex"}, additionalModelResponseFields={"stop": "x"}
    )
    assert found.service_tier == "flex"
    assert found.extra == {"additionalModelResponseFields": {"stop": "x"}}


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", "<html>", '{"output": {}}', '{"output": {"message": null}}']
)
def test_a_body_of_another_kind_is_said(body: str) -> None:
    with pytest.raises(errors.BadReplyError, match=_NO_ANSWER):
        bedrock.decode(reply(200, body), TARGET)


# ------------------------------------------------------------------ counts


def test_a_count() -> None:
    assert bedrock.decode_count(reply(200, '{"inputTokens": 12}'), TARGET) == 12
    with pytest.raises(errors.BadReplyError):
        bedrock.decode_count(reply(200, '{"input_tokens": 12}'), TARGET)


# ------------------------------------------------------------------ vectors


def vectors(texts: list[str], target: Candidate, dimensions: int | None = None) -> dict[str, Any]:
    call = bedrock.encode_embeddings(texts, target, dimensions)
    assert call.url.endswith("/invoke")
    found: dict[str, Any] = json.loads(call.body)
    return found


def test_titan_takes_one_text() -> None:
    assert vectors(["a"], TITAN) == {"inputText": "a", "normalize": True}
    assert vectors(["a"], TITAN, 256)["dimensions"] == 256
    older = target_of(id="amazon.titan-embed-text-v1")
    assert vectors(["a"], older) == {"inputText": "a"}
    with pytest.raises(errors.UnsupportedError, match="dimensions"):
        vectors(["a"], older, 256)


@pytest.mark.parametrize("target", [TITAN, NOVA])
def test_more_texts_than_the_model_takes_are_refused_with_what_takes_them(
    target: Candidate,
) -> None:
    with pytest.raises(errors.UnsupportedError, match="cohere"):
        vectors(["a", "b"], target)


def test_cohere_takes_many() -> None:
    body = {"texts": ["a", "b"], "input_type": "search_document", "embedding_types": ["float"]}
    assert vectors(["a", "b"], COHERE) == body
    assert vectors(["a", "b"], COHERE_4, 512) == body | {"output_dimension": 512}
    with pytest.raises(errors.UnsupportedError, match="dimensions"):
        vectors(["a"], COHERE, 512)


def test_nova_has_a_task() -> None:
    assert vectors(["a"], NOVA, 256) == {
        "taskType": "SINGLE_EMBEDDING",
        "singleEmbeddingParams": {
            "embeddingPurpose": "GENERIC_INDEX",
            "embeddingDimension": 256,
            "text": {"truncationMode": "NONE", "value": "a"},
        },
    }


def test_other_models_do_not_embed() -> None:
    with pytest.raises(errors.UnsupportedError, match="Titan, Nova and Cohere"):
        vectors(["a"], TARGET)


@pytest.mark.parametrize(
    "body, headers, usage",
    [
        ({"embedding": [0.5, 1], "inputTextTokenCount": 3}, {}, Usage(3)),
        (
            {"embedding": [0.5, 1], "embeddingsByType": {"float": [0.5, 1]}},
            {"X_Amzn_Bedrock_Input_Token_Count": "4"},
            Usage(4),
        ),
        ({"embeddings": [[0.5, 1]], "response_type": "embeddings_floats"}, {}, None),
        ({"embeddings": {"float": [[0.5, 1]]}, "response_type": "embeddings_by_type"}, {}, None),
        ({"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5, 1]}]}, {}, None),
        (
            {"embeddings": [[0.5, 1]]},
            {"X_Amzn_Bedrock_Input_Token_Count": "many"},
            None,
        ),
    ],
)
def test_vectors_of_every_shape(
    body: dict[str, Any], headers: dict[str, str], usage: Usage | None
) -> None:
    answer = reply(200, json.dumps(body), x_amzn_RequestId="r-1", **headers)
    found, response = bedrock.decode_embeddings(answer, TITAN)
    assert found == [[0.5, 1.0]]
    assert (response.usage, response.request_id) == (usage, "r-1")


@pytest.mark.parametrize(
    "body", ["{}", "<html>", '{"embeddings": "x"}', '{"embeddings": {}}', '{"embedding": "AA"}']
)
def test_vectors_that_are_none_are_said(body: str) -> None:
    with pytest.raises(errors.BadReplyError, match=_NO_ANSWER):
        bedrock.decode_embeddings(reply(200, body), TITAN)


# ------------------------------------------------------------------ models


def test_models_come_from_the_control_host_and_profiles_after_them() -> None:
    call = bedrock.list_models(TARGET.provider, None)
    control = HOST.replace("bedrock-runtime", "bedrock")
    assert (call.method, call.url) == ("GET", f"{control}/foundation-models")
    body = {
        "modelSummaries": [
            {"modelId": "a.chat", "outputModalities": ["TEXT"]},
            {
                "modelId": "a.picture",
                "outputModalities": ["IMAGE"],
                "inferenceTypesSupported": ["ON_DEMAND"],
            },
            {
                "modelId": "a.vectors",
                "outputModalities": ["EMBEDDING"],
                "inferenceTypesSupported": ["ON_DEMAND", "PROVISIONED"],
            },
            {"modelId": "a.chat:0:8k", "inferenceTypesSupported": ["PROVISIONED"]},
            {"modelId": "a.profile", "inferenceTypesSupported": ["INFERENCE_PROFILE"]},
            {"modelId": "a.new", "modelLifecycle": {"status": "ACTIVE"}},
        ]
    }
    models, page = bedrock.read_models(reply(200, json.dumps(body)), TARGET.provider)
    assert [(one.id, one.mode) for one in models] == [
        ("a.chat", "chat"),
        ("a.vectors", "embedding"),
        ("a.new", "chat"),
    ]
    call = bedrock.list_models(TARGET.provider, page)
    assert call.url == f"{control}/inference-profiles?maxResults=1000"


def test_profiles_come_in_pages() -> None:
    profile = {"inferenceProfileId": "us.a.chat", "status": "ACTIVE", "type": "SYSTEM_DEFINED"}
    body: dict[str, Any] = {"inferenceProfileSummaries": [profile], "nextToken": "a/b="}
    models, page = bedrock.read_models(reply(200, json.dumps(body)), TARGET.provider)
    assert [one.id for one in models] == ["us.a.chat"]
    call = bedrock.list_models(TARGET.provider, page)
    assert call.url.endswith("/inference-profiles?maxResults=1000&nextToken=a%2Fb%3D")
    del body["nextToken"]
    assert bedrock.read_models(reply(200, json.dumps(body)), TARGET.provider)[1] is None


def test_a_server_of_ones_own_has_one_host() -> None:
    target = target_of(base_url="http://127.0.0.1:8080")
    url = bedrock.list_models(target.provider, None).url
    assert url == "http://127.0.0.1:8080/foundation-models"


def test_a_list_that_is_none_is_said() -> None:
    for body in ("{}", "<html>", '{"data": []}'):
        with pytest.raises(errors.BadReplyError, match=_NO_ANSWER):
            bedrock.read_models(reply(200, body), TARGET.provider)
