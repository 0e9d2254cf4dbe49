"""How an effort is asked for: each family of models has its own way."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import bedrock
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Effort, Message, Request
from tests.unit.dialects.bedrock_samples import bedrock as target_of
from tests.unit.dialects.bedrock_samples import judged

NOVA_2 = target_of(id="us.amazon.nova-2-lite-v1:0")
THINKER = "reasoning sampling"
ADAPTIVE = target_of("reasoning adaptive_thinking effort sampling")


def sent(effort: Effort, target: Candidate, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    request = Request(messages=(Message("user", "Hi"),), effort=effort, **fields)
    call = bedrock.encode(request, target)
    body = json.loads(call.body)
    judged("Converse", body, modelId=target.model.id)
    del body["messages"]
    return body, list(call.notices)


def fields(effort: Effort, id: str) -> tuple[dict[str, Any], list[str]]:
    body, notices = sent(effort, target_of("reasoning", id=id))
    return body.get("additionalModelRequestFields", {}), notices


# ------------------------------------------------------------------ Claude


def test_newer_claudes_think_by_effort_and_show_it() -> None:
    assert sent("xhigh", ADAPTIVE) == (
        {
            "outputConfig": {"effort": "xhigh"},
            "additionalModelRequestFields": {
                "thinking": {"type": "adaptive", "display": "summarized"}
            },
        },
        [],
    )
    assert sent("minimal", ADAPTIVE)[0]["outputConfig"] == {"effort": "low"}


@pytest.mark.parametrize(
    "effort, limits, budget, most",
    [
        ("low", {"max_tokens": 9000}, 2048, 9000),
        ("high", {"max_tokens": 9000}, 8999, 9000),
        ("medium", {}, 8192, 12288),
        ("max", {}, 32768, 36864),
    ],
)
def test_older_claudes_think_by_a_budget_below_the_limit(
    effort: Effort, limits: dict[str, int], budget: int, most: int
) -> None:
    body, notices = sent(effort, target_of(THINKER), **limits)
    thinking = {"type": "enabled", "budget_tokens": budget}
    assert body["additionalModelRequestFields"] == {"thinking": thinking}
    assert body["inferenceConfig"] == {"maxTokens": most}
    assert notices == []


def test_the_models_own_limit_is_the_neutral_one() -> None:
    body, _ = sent("low", target_of(THINKER, max_output=64_000))
    assert body["inferenceConfig"] == {"maxTokens": 64_000}


def test_a_limit_without_room_for_thoughts_leaves_them_out() -> None:
    body, notices = sent("low", target_of(THINKER), max_tokens=1000, temperature=0.5)
    assert body == {"inferenceConfig": {"maxTokens": 1000, "temperature": 0.5}}
    assert notices == ["effort needs max_tokens above 1024 on this model"]


def test_a_thinking_claude_takes_no_sampling() -> None:
    body, notices = sent("low", ADAPTIVE, temperature=0.5, top_k=3)
    assert "inferenceConfig" not in body
    assert [notice.split()[0] for notice in notices] == ["temperature", "top_k"]


def test_thinking_can_be_switched_off() -> None:
    assert fields("none", "us.anthropic.claude-x-v1:0") == ({"thinking": {"type": "disabled"}}, [])


# ------------------------------------------------------------------ the others


@pytest.mark.parametrize(
    "id, effort, wire",
    [
        ("us.amazon.nova-2-lite-v1:0", "low", {"type": "enabled", "maxReasoningEffort": "low"}),
        ("us.amazon.nova-2-lite-v1:0", "high", {"type": "enabled", "maxReasoningEffort": "high"}),
        ("us.amazon.nova-2-lite-v1:0", "none", {"type": "disabled"}),
        ("us.openai.gpt-6-sol", "xhigh", {"effort": "xhigh"}),
        ("openai.gpt-6-luna", "none", {"effort": "none"}),
        ("openai.gpt-oss-120b-1:0", "high", "high"),
        ("moonshotai.kimi-k2-thinking", "medium", "medium"),
        ("us.deepseek.v3.2", "high", "high"),
        ("us.zai.glm-5.3", "low", "low"),
    ],
)
def test_each_family_has_its_field(id: str, effort: Effort, wire: Any) -> None:
    name = {
        "amazon": "reasoningConfig",
        "openai.gpt-6": "reasoning",
        "glm": "reasoning_config",
    }
    field = next((word for part, word in name.items() if part in id), "reasoning_effort")
    assert fields(effort, id) == ({field: wire}, [])


@pytest.mark.parametrize(
    "id, effort, word",
    [
        ("openai.gpt-oss-20b-1:0", "minimal", "low"),
        ("openai.gpt-oss-20b-1:0", "max", "high"),
        ("us.moonshotai.kimi-k3", "medium", "low"),
        ("us.moonshotai.kimi-k3", "xhigh", "high"),
    ],
)
def test_a_word_that_the_family_lacks_becomes_the_nearest(
    id: str, effort: Effort, word: str
) -> None:
    found, notices = fields(effort, id)
    assert found == {"reasoning_effort": word}
    assert notices == [f"effort {effort} was set to {word}, the nearest that this model takes"]


@pytest.mark.parametrize("limit", [{"max_tokens": 9}, {"temperature": 0.5}, {"top_k": 3}])
def test_nova_thinks_less_rather_than_without_the_limits_that_were_asked_for(
    limit: dict[str, Any],
) -> None:
    body, notices = sent("high", NOVA_2, **limit)
    config = body["additionalModelRequestFields"]["reasoningConfig"]
    assert config == {"type": "enabled", "maxReasoningEffort": "medium"}
    assert len(notices) == 1
    assert "lowered to medium" in notices[0]


def test_a_model_that_cannot_stop_thinking_says_so() -> None:
    found, notices = fields("none", "openai.gpt-oss-20b-1:0")
    assert found == {}
    assert notices == ["effort none cannot be asked for: the model thinks as it does by itself"]


@pytest.mark.parametrize("id", ["us.xai.grok-4.6", "arn:aws:bedrock:eu-west-1:1:x/y"])
def test_where_no_field_is_known_the_effort_is_dropped_and_said(id: str) -> None:
    found, notices = fields("high", id)
    assert found == {}
    assert len(notices) == 1
    assert "additionalModelRequestFields" in notices[0]


def test_models_that_do_not_think_say_so_unless_nothing_was_asked() -> None:
    assert sent("high", target_of("")) == ({}, ["effort is not supported by this model"])
    assert sent("none", target_of("")) == ({}, [])
