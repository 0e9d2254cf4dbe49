"""Requests for Mistral mean what its SDK sends."""

import pytest

from llm_orchestrator.types.request import Request
from tests.wire.recorded import MISSING, Difference
from tests.wire.rows import ASKED, HI, JSON_ASKED, STREAM_ASKED, Row

MISTRAL = Row("mistral", "mistralai")
CASES = ASKED | {"reasoning": Request(messages=HI, effort="high")}
DEFAULT: Difference = {"body.stream": (False, MISSING)}
"""What goes without saying is not said."""
DELIBERATE: dict[str, Difference] = {
    "multi_turn": {"body.messages.1.prefix": (False, MISSING)},
    "tool_result": {
        "body.messages.1.prefix": (False, MISSING),
        "body.messages.1.tool_calls.0.index": (0, MISSING),
        # Ids that are not nine letters and digits are refused.
        "body.messages.1.tool_calls.0.id": ("call_1", "rKSxKBV4V"),
        "body.messages.2.tool_call_id": ("call_1", "rKSxKBV4V"),
    },
}


def test_every_recorded_case_is_compared() -> None:
    assert MISTRAL.recorded.keys() == CASES.keys() | {"embeddings", "models_list"}


@pytest.mark.parametrize("case", CASES)
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    found, call = MISTRAL.case(case, CASES[case])
    usual = STREAM_ASKED if case == "stream" else JSON_ASKED | DEFAULT
    assert found == usual | DELIBERATE.get(case, {})
    assert call.notices == ()


def test_the_other_calls() -> None:
    assert MISTRAL.embeddings() == JSON_ASKED
    assert MISTRAL.embeddings(256) == JSON_ASKED | {"body.output_dimension": (MISSING, 256)}
    assert MISTRAL.models() == JSON_ASKED
