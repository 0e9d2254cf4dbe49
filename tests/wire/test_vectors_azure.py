"""Requests for Azure's two surfaces mean what the official SDK sends."""

from typing import Any

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.dialects import openai
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.request import Request
from tests.wire.recorded import MISSING, Difference, differences, requests
from tests.wire.rows import HI, JSON_ASKED

RECORDED = requests("azure")
LEGACY = {
    "api_key": "TEST_KEY",
    "base_url": "https://res.example/openai",
    "quirks": {
        "chat_path": "/deployments/{model}/chat/completions?api-version=2025-04-01-preview",
        "embeddings_path": "/deployments/{model}/embeddings?api-version=2025-04-01-preview",
        "models_path": "/models?api-version=2025-04-01-preview",
    },
}


def azure(**settings: Any) -> Provider:
    found = Directory(load({"providers": {"azure": settings}}, env={}))
    return found.use("azure")


def test_azure_by_deployment() -> None:
    row = azure(**LEGACY)
    chat = Candidate(row, Model(provider="azure", id="my-deployment"))
    call = openai.encode(Request(messages=HI), chat)
    assert differences(RECORDED["azure_plain"], call, row) == JSON_ASKED
    embedder = Candidate(row, Model(provider="azure", id="my-emb"))
    call = openai.encode_embeddings(["a"], embedder, None)
    assert differences(RECORDED["azure_embeddings"], call, row) == JSON_ASKED | {
        "body.input": ("a", MISSING),
        "body.input.0": (MISSING, "a"),
    }
    call = openai.list_models(row, None)
    assert differences(RECORDED["azure_models"], call, row) == JSON_ASKED


@pytest.mark.parametrize("slash", ["", "/"])
def test_azure_v1(slash: str) -> None:
    row = azure(api_key="TEST_KEY", variables={"endpoint": f"https://res.openai.azure.com{slash}"})
    recorded = RECORDED["azure_v1_plain"]
    target = Candidate(row, Model(provider="azure", id=recorded["body"]["model"]))
    assert row.base_url == "https://res.openai.azure.com/openai/v1"
    found = differences(recorded, openai.encode(Request(messages=HI), target), row)
    key: Difference = {
        # Both are taken; the SDK knows this surface as OpenAI's own.
        "headers.authorization": ("Bearer TEST_KEY", MISSING),
        "headers.api-key": (MISSING, "TEST_KEY"),
    }
    assert found == JSON_ASKED | key
