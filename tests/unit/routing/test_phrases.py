"""Refusals, answers that break off, and the classic score of how sure a text sounds."""

import pytest

from llm_orchestrator.routing.phrases import HIGH, LOW, ConfidenceDetector, fault
from tests.unit.routing.fakes import MINI, answer

PLAIN = "The capital of France is Paris, " + "as everybody in the country knows very well " * 3


def test_the_classic_score() -> None:
    detector = ConfidenceDetector()
    assert detector.detect(PLAIN) == 0.7
    assert detector.detect(PLAIN + "I think.") == pytest.approx(0.55)
    assert detector.detect(PLAIN + "I think it is possibly so.") == pytest.approx(0.4)
    assert detector.detect(PLAIN + "That is proven and established.") == pytest.approx(0.8)
    assert detector.detect("Paris.") == pytest.approx(0.5)
    assert detector.detect(PLAIN * 5) == pytest.approx(0.8)
    assert detector.detect("") == 0.0
    assert detector.detect_confidence(PLAIN) == detector.detect(PLAIN)


def test_scores_stay_in_their_bounds() -> None:
    detector = ConfidenceDetector()
    assert detector.detect(". ".join(LOW)) == 0.0
    assert 0 <= detector.detect(PLAIN * 9 + ". ".join(HIGH) * 9) <= 1
    assert detector.is_confident(PLAIN)
    assert not detector.is_confident(PLAIN, 0.71)
    assert not ConfidenceDetector(0.71).is_confident(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, but I can’t help with that.",
        "I cannot provide information on that.",
        "Unfortunately, I am unable to answer this question.",
        "Sorry, I won't help with this.",
        "I am not able to complete this.",
        "The text lacks the data. Therefore, I cannot provide an answer in the requested format.",
        "As an AI, I cannot discuss this.",
        "I don't know.",
    ],
)
def test_refusals(text: str) -> None:
    assert ConfidenceDetector().is_refusal(text)
    assert ConfidenceDetector().detect(text) == 0.0
    assert fault(answer(MINI, text)) == "it is a refusal"


@pytest.mark.parametrize(
    "text",
    [
        "Paris.",
        "I can help with that: the answer is 12.",
        "You cannot divide by zero, so the function has no value there.",
        "The narrator says: I cannot go on.",
        "I'm sorry to hear that. Here is what you can do: call the office first.",
        "It cannot be determined from the data alone, so the answer is D.",
    ],
)
def test_what_is_no_refusal(text: str) -> None:
    assert not ConfidenceDetector().is_refusal(text)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("The reasons for this are many, and", True),
        ("```python\nprint(1)\n", True),
        ("It follows that x =", True),
        ("This is a sentence of more than twelve words that simply stops in the mid", True),
        ("Paris", False),
        ("A whole sentence.", False),
        ("- one\n- two\n- three", False),
        ("```python\nprint(1)\n```", False),
        ("", False),
        ("A long and whole sentence with many words that ends as it should, at last.", False),
    ],
)
def test_what_breaks_off(text: str, cut: bool) -> None:
    assert ConfidenceDetector().is_truncated(text) is cut


def test_what_is_no_answer() -> None:
    assert fault(answer(MINI, "  ")) == "it is empty"
    assert fault(answer(MINI, "Part of", "content_filter")) == "the provider cut it"
    assert fault(answer(MINI, "", "tool_calls")) == ""
    assert fault(answer(MINI, "12")) == ""
