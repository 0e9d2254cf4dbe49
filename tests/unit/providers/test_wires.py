"""Models of one provider that are asked in another way than its others: partners on Vertex AI."""

import json
from typing import Any

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.dialects import load as dialect
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider, Quirks, Wire
from llm_orchestrator.types.request import Message, Request

HOST = "https://us-central1-aiplatform.googleapis.com/v1beta1"
PLACE = f"{HOST}/projects/proj/locations/us-central1"
HI = (Message("system", "Be brief."), Message("user", "Hi"))


def vertex(**section: Any) -> Provider:
    variables = {"project": "proj", "location": "us-central1"}
    section |= {"api_key": "TEST_KEY", "variables": variables}
    return Directory(load({"providers": {"vertex": section}}, env={})).use("vertex")


def on(model: str, **section: Any) -> Candidate:
    return Candidate(vertex(**section), Model(provider="vertex", id=model))


def sent(target: Candidate, **fields: Any) -> tuple[HTTPCall, dict[str, Any]]:
    call = dialect(target.provider.dialect).encode(Request(messages=HI, **fields), target)
    return call, json.loads(call.body)


@pytest.mark.parametrize(
    "model,wire",
    [
        ("gemini-3.8-flash", "gemini"),
        ("text-embedding-005", "gemini"),
        ("claude-sonnet-5-5@default", "anthropic"),
        ("meta/llama-3.3-70b-instruct-maas", "openai"),
        ("xai/grok-4.7", "openai"),
        ("mistralai/codestral-2", "gemini"),  # its own way is not ours; it will be told
    ],
)
def test_the_model_decides_the_wire(model: str, wire: str) -> None:
    assert on(model).provider.dialect == wire
    assert on(model).name == f"vertex/{model}"


@pytest.mark.parametrize("stream", [False, True])
def test_claude_is_named_in_the_address_and_its_version_in_the_body(stream: bool) -> None:
    call, body = sent(on("claude-haiku-4-5@20251001"), max_tokens=9, stream=stream)
    method = "streamRawPredict" if stream else "rawPredict"
    models = f"{PLACE}/publishers/anthropic/models"
    assert call.url == f"{models}/claude-haiku-4-5@20251001:{method}"
    assert body == {
        "anthropic_version": "vertex-2023-10-16",
        "messages": [{"role": "user", "content": "Hi"}],
        "system": "Be brief.",
        "max_tokens": 9,
    } | ({"stream": True} if stream else {})
    assert dict(call.headers) == {"Content-Type": "application/json"}


def test_claude_is_counted() -> None:
    target = on("claude-haiku-4-5@20251001")
    call = dialect("anthropic").encode_count(Request(messages=HI), target)
    assert call.url == f"{PLACE}/publishers/anthropic/models/count-tokens:rawPredict"
    body = json.loads(call.body)
    assert (body["model"], body["anthropic_version"]) == (target.model.id, "vertex-2023-10-16")


def test_open_models_are_asked_as_openai_has_it() -> None:
    call, body = sent(on("meta/llama-3.3-70b-instruct-maas"), max_tokens=9)
    assert call.url == f"{PLACE}/endpoints/openapi/chat/completions"
    assert (body["model"], body["max_tokens"]) == ("meta/llama-3.3-70b-instruct-maas", 9)


def test_a_model_is_never_asked_as_the_one_before_it() -> None:
    claude = on("claude-opus-5")
    gemini = Candidate(claude.provider, Model(provider="vertex", id="gemini-3.8-flash"))
    assert gemini.provider == vertex()
    again = Candidate(gemini.provider, claude.model)
    assert again.provider == claude.provider
    assert again.provider.lacks == {"embeddings"}


def test_settings_of_the_row_hold_on_its_wires() -> None:
    target = on("claude-opus-5", base_url="http://127.0.0.1:9/v1", lacks=["vision"])
    call, _ = sent(target)
    assert call.url.startswith("http://127.0.0.1:9/v1/projects/proj/")
    assert target.provider.lacks == {"embeddings", "vision"}
    assert not target.can("vision")


def test_rows_without_wires_stay_as_they_are() -> None:
    row = Provider(name="p", dialect="openai", base_url="https://e.x")
    assert row.serving("anything") is row
    wire = Wire(models="a", dialect="gemini", quirks=Quirks(version="v"))
    made = Provider(name="p", dialect="openai", base_url="https://e.x", wires=(wire,))
    assert (made.serving("abc").dialect, made.serving("ba").dialect) == ("gemini", "openai")
