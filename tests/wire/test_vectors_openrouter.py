"""Requests for OpenRouter mean what its SDK sends."""

from typing import Any

import pytest

from llm_orchestrator.types.request import Request
from tests.wire.recorded import MISSING, Difference
from tests.wire.rows import ASKED, HI, JSON_ASKED, STREAM_ASKED, Row

OPENROUTER = Row("openrouter")
ROUTING: dict[str, Any] = {
    "models": ["vendor/x", "vendor/y"],
    "provider": {"allow_fallbacks": False, "order": ["openai"]},
    "reasoning": {"effort": "low"},
}
CASES = ASKED | {"routing": Request(messages=HI, extra=ROUTING)}
OPTIONAL: Difference = {
    # Name the program to OpenRouter; `headers` of the configuration can send them.
    "headers.http-referer": ("https://app.example", MISSING),
    "headers.x-openrouter-title": ("llmo", MISSING),
}
DEFAULT: Difference = {"body.stream": (False, MISSING)}


def test_every_recorded_case_is_compared() -> None:
    assert OPENROUTER.recorded.keys() == CASES.keys() | {"embeddings", "models_list"}


@pytest.mark.parametrize("case", CASES)
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    found, call = OPENROUTER.case(case, CASES[case])
    assert found == OPTIONAL | (STREAM_ASKED if case == "stream" else JSON_ASKED | DEFAULT)
    assert call.notices == ()


def test_the_other_calls() -> None:
    accepted = {
        "headers.accept": ("application/json;q=1, text/event-stream;q=0", MISSING),
    }
    assert OPENROUTER.embeddings() == OPTIONAL | accepted
    assert OPENROUTER.models() == OPTIONAL | JSON_ASKED
