"""Requests for Perplexity mean what its SDK sends."""

import pytest

from llm_orchestrator.types.request import Request
from tests.wire.recorded import MISSING, Difference
from tests.wire.rows import ASKED, HI, JSON_ASKED, Row

PERPLEXITY = Row("perplexity")
SEARCH = {
    "search_domain_filter": ["a.com"],
    "search_recency_filter": "week",
    "web_search_options": {"search_context_size": "low"},
}
CASES = {name: ASKED[name] for name in ASKED if name in PERPLEXITY.recorded} | {
    "params": Request(messages=HI, max_tokens=64, temperature=0.2, top_p=0.9, extra=SEARCH)
}
ITS_OWN: Difference = JSON_ASKED | {
    # Says that it is the SDK, which we are not.
    "headers.x-source": ("perplexity-py", MISSING),
    "headers.x-title": ("Perplexity Python SDK", MISSING),
}


def test_every_recorded_case_is_compared() -> None:
    others = {"embeddings", "models_list", "responses"}
    assert PERPLEXITY.recorded.keys() == CASES.keys() | others


@pytest.mark.parametrize("case", CASES)
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    found, call = PERPLEXITY.case(case, CASES[case])
    assert found == ITS_OWN
    assert call.notices == ()


def test_models_of_other_makers_are_asked_by_responses() -> None:
    found, call = PERPLEXITY.case("responses", Request(messages=HI))
    one_turn: Difference = {
        "body.input": ("Hi", MISSING),
        "body.input.0.role": (MISSING, "user"),
        "body.input.0.content": (MISSING, "Hi"),
        "body.store": (MISSING, False),
    }
    assert found == ITS_OWN | one_turn
    assert call.notices == ()


def test_the_other_calls() -> None:
    # The default, said so that the decoder knows what comes.
    coding: Difference = {"body.encoding_format": (MISSING, "base64_int8")}
    assert PERPLEXITY.embeddings() == ITS_OWN | coding
    assert PERPLEXITY.models() == ITS_OWN
