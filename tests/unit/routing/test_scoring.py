"""The classic synthesis."""

from types import SimpleNamespace

import pytest

from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.routing.ensemble import synthesize_responses
from llm_orchestrator.routing.scoring import Entry, scores

LONG = "Use REST for public interfaces, because caching and tools are mature. " * 20
SHORT = "GraphQL, I think."


def test_the_shares_of_a_score() -> None:
    one = scores([Entry("word " * 100, level=4, confidence=0.8)])[0]
    assert one.total == pytest.approx(0.5 * 0.8 + 0.3 * 1.0 + 0.2 * 0.5)
    assert one.consensus == 0.0


def test_consensus_is_a_bonus() -> None:
    alone = scores([Entry("alpha beta gamma", confidence=0.5), Entry("delta", confidence=0.5)])
    agreed = scores([Entry("alpha beta gamma", confidence=0.5)] * 2)
    assert agreed[0].total > alone[0].total
    assert agreed[0].consensus == 1.0


def test_synthesis_of_dicts() -> None:
    found = synthesize_responses(
        [
            {"response": SHORT, "model": "small", "confidence": 0.4},
            {"response": LONG, "model": "large", "level": "expert", "confidence": 0.9},
        ]
    )
    assert found["model"] == "large"
    assert found["response"] == LONG
    assert found["confidence"] == 0.9
    assert found["all_confidences"] == [0.4, 0.9]
    assert found["ensemble_size"] == 2
    assert found["models"] == ["small", "large"]


def test_synthesis_of_results_and_texts() -> None:
    result = SimpleNamespace(response=LONG, model_used="large", confidence=0.9)
    found = synthesize_responses([SHORT, result])
    assert found["model"] == "large"


@pytest.mark.parametrize("given", [[], [{"model": "x"}], [17]])
def test_nothing_to_synthesize(given: list[object]) -> None:
    with pytest.raises(InvalidRequestError, match="responses"):
        synthesize_responses(given)
