"""What one gets wrong on the first day is told so that one can put it right."""

from collections.abc import Iterator
from typing import Any

import pytest

from llm_orchestrator import InvalidRequestError, LLMOrchestrator, ModelNotFoundError
from llm_orchestrator.simulator import Simulator


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator().run_in_thread() as simulator:
        yield simulator


def test_an_address_without_its_version(sim: Simulator) -> None:
    # The SDKs of the Messages wire take it so, those of the other want the version in it.
    messages = {"api_key": "any-key", "base_url": f"{sim.url}/anthropic"}
    with LLMOrchestrator({"providers": {"anthropic": messages}}) as orchestrator:
        assert orchestrator.send_request("Hello").content
    address = f"{sim.url}/openai"
    config = {"providers": {"openai": {"api_key": "any-key", "base_url": address}}}
    with LLMOrchestrator(config) as orchestrator, pytest.raises(ModelNotFoundError) as caught:
        orchestrator.send_request("Hello")
    own = "the provider's own is https://api.openai.com/v1"
    assert f"the API does not begin at {address} (base_url; {own})" in str(caught.value)
    assert "did you mean" not in str(caught.value)


def test_a_misspelled_model(sim: Simulator) -> None:
    config = {"providers": {"openai": {"api_key": "any-key", "base_url": sim.openai_url}}}
    with LLMOrchestrator(config) as orchestrator, pytest.raises(ModelNotFoundError) as caught:
        orchestrator.send_request("Hello", model="gpt-4o-mni")
    assert "gpt-4o-mini" in caught.value.suggestions
    assert "; did you mean gpt-4o-mini" in str(caught.value)
    assert ".;" not in str(caught.value)


@pytest.mark.parametrize(
    "messages, told",
    [
        ("", "give at least one user message"),
        ([], "give at least one user message"),
        (5, "expected a text, a message or a list of them, got int"),
        (None, "expected a text, a message or a list of them, got nothing"),
        ([{"rol": "user", "content": "Hello"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content is missing"),
        (["Hello"], "messages[0]: expected"),
    ],
)
def test_messages_that_are_none(messages: Any, told: str, sim: Simulator) -> None:
    config = {"providers": {"openai": {"api_key": "any-key", "base_url": sim.openai_url}}}
    with LLMOrchestrator(config) as orchestrator, pytest.raises(InvalidRequestError) as caught:
        orchestrator.send_request(messages)
    assert told in str(caught.value)
