"""What the model lists of several servers tell of context, limits and abilities."""

from typing import Any

import msgspec
import pytest

from llm_orchestrator.dialects import anthropic, cohere, openai
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.model import Model
from tests.unit.dialects import targets

YES, NO = {"supported": True}, {"supported": False}


def listed(dialect: Any, body: Any) -> Model:
    provider = targets.openai().provider
    reply = HTTPReply(200, {}, msgspec.json.encode(body))
    models, following = dialect.read_models(reply, provider)
    assert following is None
    model: Model
    (model,) = models
    assert not model.known
    return model


def of_openai(**facts: Any) -> Model:
    return listed(openai, {"object": "list", "data": [{"id": "m", "object": "model", **facts}]})


def test_a_list_that_tells_names_alone() -> None:
    assert of_openai(owned_by="somebody") == Model(provider="openai", id="m", known=False)


@pytest.mark.parametrize(
    "facts",
    [
        {"context_length": 4096},
        {"context_window": 4096, "max_completion_tokens": 512},
        {"max_context_length": 4096},
        {"context_length": 4096, "top_provider": {"max_completion_tokens": 512}},
    ],
)
def test_limits_by_any_of_their_names(facts: dict[str, Any]) -> None:
    model = of_openai(**facts)
    assert model.context == 4096
    assert model.max_output == (512 if "512" in str(facts) else None)


def test_parameters_and_inputs_are_abilities() -> None:
    model = of_openai(
        supported_parameters=["max_tokens", "tools", "structured_outputs", "temperature", 7],
        architecture={"input_modalities": ["text", "image"]},
    )
    assert model.abilities is not None
    assert {"tools", "schema", "vision", "sampling", "system"} <= model.abilities
    assert not {"reasoning", "pdf", "audio"} & model.abilities


def test_inputs_that_are_not_told_may_be_pictures() -> None:
    model = of_openai(supported_parameters=["temperature"])
    expected = "sampling system parallel_tools vision cache"
    assert model.abilities == frozenset(expected.split())


def test_flags_are_abilities() -> None:
    said = {"completion_chat": True, "function_calling": True, "vision": False, "reasoning": False}
    model = of_openai(capabilities=said)
    assert model.can("tools")
    assert model.can("schema")  # nothing is said of it
    assert not model.can("vision")
    assert not model.can("reasoning")
    # What does not chat is no chat model without abilities.
    assert of_openai(capabilities=said | {"completion_chat": False}).abilities is None


def test_a_bare_list_with_types() -> None:
    assert listed(openai, [{"id": "m", "type": "embedding"}]).mode == "embedding"
    assert listed(openai, [{"id": "m", "type": "language"}]).mode == "chat"


@pytest.mark.parametrize("junk", ["yes", 7, ["tools"], {"tools": []}, None, {"a": {"b": 1}}])
def test_what_has_another_form_says_nothing_and_breaks_nothing(junk: Any) -> None:
    model = of_openai(
        capabilities=junk, architecture=junk, top_provider=junk, max_completion_tokens=junk
    )
    assert model.abilities is None
    assert model.max_output in {None, 7}


def test_capabilities_of_the_messages_wire() -> None:
    flags = {
        "image_input": YES,
        "pdf_input": NO,
        "structured_outputs": NO,
        "effort": YES | {"low": YES},
        "thinking": YES | {"types": {"adaptive": YES, "enabled": NO}},
        "batch": YES,
    }
    line = {"id": "claude-new", "max_input_tokens": 200_000, "max_tokens": 64_000}
    model = listed(anthropic, {"data": [line | {"capabilities": flags}], "has_more": False})
    assert (model.context, model.max_output) == (200_000, 64_000)
    assert model.abilities is not None
    assert {"vision", "reasoning", "effort", "adaptive_thinking", "tools"} <= model.abilities
    assert not {"pdf", "schema"} & model.abilities
    assert listed(anthropic, {"data": [line], "has_more": False}).abilities is None


def test_features_of_the_chat_wire_of_cohere() -> None:
    line = {"name": "command-new", "endpoints": ["chat"], "context_length": 1000.0}
    model = listed(cohere, {"models": [line | {"features": ["tools", "json_schema"]}]})
    assert model.can("tools")
    assert model.can("schema")
    assert model.can("sampling")
    assert not model.can("vision")
    assert listed(cohere, {"models": [line | {"features": None}]}).abilities is None
    embeds = {"name": "embed-new", "endpoints": ["embed"], "features": ["vision"]}
    model = listed(cohere, {"models": [embeds]})
    assert (model.mode, model.abilities) == ("embedding", None)
