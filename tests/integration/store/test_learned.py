"""What is fitted to verdicts, in both databases."""

import random

import pytest

from llm_orchestrator.engine import learning
from llm_orchestrator.engine.learning import Skills, Taught, fit
from llm_orchestrator.routing.pieces import pieces
from llm_orchestrator.routing.skill import ENOUGH, Skill
from llm_orchestrator.store.feedback import Features, Feedback
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.types.request import Message, Request
from tests.integration.learning import STRONG, WEAK, teach
from tests.integration.store.data import call, read
from tests.unit.routing.labelled import prompt

PROOF = prompt(random.Random(7), "proof")


def lesson(text: str, category: str) -> learning.Lesson:
    return learning.lesson(Request(messages=(Message("user", text),)), category, None)


def test_verdicts_teach_each_model(store_url: str) -> None:
    feedback = teach(store_url, ENOUGH)
    assert sorted(fit(feedback), key=lambda one: one.model) == [
        Taught(STRONG, ENOUGH, known=True),
        Taught(WEAK, ENOUGH, known=True),
    ]
    weak = Skill.decode(feedback.kept([WEAK])[WEAK].body)
    assert weak.estimate(pieces(PROOF), "proof").right < 0.65
    assert weak.estimate(pieces("say hello kindly"), "greet").right > 0.85


def test_it_is_learned_anew_only_when_enough_labels_came(store_url: str) -> None:
    feedback = teach(store_url, 60, models=(WEAK,))
    assert fit(feedback, anew=False) == []
    assert fit(feedback) == [Taught(WEAK, 60, known=False)]
    feedback = teach(store_url, 40, seed=2, models=(WEAK,))
    assert fit(feedback, only=STRONG, anew=False) == []
    assert fit(feedback, only=WEAK, anew=False) == [Taught(WEAK, 100, known=True)]
    feedback = teach(store_url, 19, seed=3, models=(WEAK,))
    assert fit(feedback, anew=False) == []
    feedback = teach(store_url, 1, seed=4, models=(WEAK,))
    assert fit(feedback, anew=False) == [Taught(WEAK, 120, known=True)]


def test_what_was_learned_is_used(store_url: str) -> None:
    feedback = teach(store_url, ENOUGH)
    skills = Skills(store_url)
    assert skills.record(WEAK, lesson(PROOF, "proof")) is None
    fit(feedback)
    assert skills.of(WEAK) is None, "what was read is good for a while"
    skills = Skills(store_url)
    record = skills.record(WEAK, lesson(PROOF, "proof"))
    assert record is not None
    assert 15 <= record.asked <= 35
    assert record.right / record.asked < 0.65
    assert skills.record(WEAK, lesson(PROOF, "poems")) is None
    assert skills.record("openai/other", lesson(PROOF, "proof")) is None
    found = skills.prior(WEAK, STRONG).guess(PROOF, "proof")
    assert found.known
    assert found.score > 0.3


async def test_another_versions_features_are_left_out(store_url: str) -> None:
    feedback = teach(store_url, 3, models=(WEAK,))
    ledger = Ledger(store_url)
    ledger.add(call("odd", model="gpt-4o-mini", features=Features("AAAA").written()))
    await ledger.close()
    feedback.give("call_odd", 1.0)
    assert fit(feedback) == [Taught(WEAK, 3, known=False)]
    assert read(store_url, "SELECT name, labels FROM routing_models") == [(WEAK, 4)]


def test_what_cannot_be_read_is_told_once(store_url: str, caplog: pytest.LogCaptureFixture) -> None:
    feedback = Feedback(store_url)
    teach(store_url, 1)
    feedback.keep(WEAK, b"not ours", 200)
    skills = Skills(store_url)
    assert skills.of(WEAK) is None
    skills.again()
    assert skills.of(WEAK) is None
    told = [one.message for one in caplog.records if "what was learned" in one.message]
    assert len(told) == 1
    assert told[0].startswith("what was learned cannot be read (this is nothing that was learned")
