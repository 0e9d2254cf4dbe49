"""Requests for Groq mean what its SDK sends."""

import pytest

from llm_orchestrator.errors import UnsupportedError
from llm_orchestrator.types.request import Request
from tests.wire.rows import ASKED, HI, JSON_ASKED, Row

GROQ = Row("groq")
CASES = ASKED | {
    "reasoning": Request(
        messages=HI, effort="low", service_tier="flex", extra={"reasoning_format": "parsed"}
    )
}


def test_every_recorded_case_is_compared() -> None:
    assert GROQ.recorded.keys() == CASES.keys() | {"embeddings", "models_list"}


@pytest.mark.parametrize("case", CASES)
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    found, call = GROQ.case(case, CASES[case])
    assert found == JSON_ASKED
    assert call.notices == ()


def test_the_other_calls() -> None:
    assert GROQ.models() == JSON_ASKED
    # The SDK has the call, but the provider has no model for it.
    with pytest.raises(UnsupportedError, match="embeddings"):
        GROQ.embeddings()
