"""Every request about batches that the official SDKs were seen to send has a place here."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from llm_orchestrator.simulator.application import application
from llm_orchestrator.simulator.world import Settings, World

RECORDED = json.loads((Path(__file__).parents[1] / "vectors" / "batches.json").read_text())
PREFIXES = {
    "anthropic": "/anthropic",
    "anthropic_2023-06-01": "/anthropic",
    "bedrock_boto3": "/bedrock",
    "cohere": "/cohere",
    "google_genai": "/gemini",
    "groq": "/groq",
    "mistralai": "/mistral",
    "openai": "/openai",
    "openrouter": "/openrouter",
    "perplexity": "/perplexity",
    "together": "/together",
}
ELSEWHERE = ("/object-store/", "/upload/session")
"""Addresses that the server which was recorded gave out itself."""

CASES = [
    (sdk, case, request)
    for sdk, cases in RECORDED.items()
    for case, requests in cases.items()
    for request in requests
    if not request["path"].startswith(ELSEWHERE)
]


@pytest.mark.parametrize(
    "sdk, case, request_", CASES, ids=[f"{s} {c} {r['method']}" for s, c, r in CASES]
)
async def test_is_routed(sdk: str, case: str, request_: dict[str, Any]) -> None:
    prefix = PREFIXES[sdk]
    if case.startswith("azure"):
        prefix = "/azure"
    elif case.startswith("vertex"):
        prefix = "/vertex"
    app = application(World(Settings()))
    path = prefix + request_["path"]
    found = await app.router.resolve(make_mocked_request(request_["method"], path))
    assert found.http_exception is None
