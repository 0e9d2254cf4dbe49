"""Feedback to calls over the wire, and calls that go by what was learned from it."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import (
    AsyncLLMOrchestrator,
    ClosedError,
    ConfigError,
    InvalidRequestError,
    LLMOrchestrator,
    ServerError,
)
from llm_orchestrator.engine.learning import fit
from llm_orchestrator.routing.pieces import pieces, unpack
from llm_orchestrator.simulator import Simulator
from tests.integration.learning import STRONG, WEAK, teach
from tests.integration.world import HAIKU, HELLO, MINI, configuration, table

CHAIN = [WEAK, STRONG]
PROOF = "prove by induction that the sum over n holds for every apple river glass"
GREET = "say hello kindly to the customer named apple river glass"


def learning(sim: Simulator, **routing: Any) -> dict[str, Any]:
    return configuration(sim, routing={"learn": True, **routing})


async def test_a_verdict_is_kept(
    llm: AsyncLLMOrchestrator, sim: Simulator, llmo_home: Path
) -> None:
    reply = await llm.send_request(HELLO, max_tokens=20, category="poems")
    found = await llm.feedback(reply.id, "good", note="lovely")
    assert (found.model, found.category, found.verdict) == (WEAK, "poems", 1.0)
    assert not found.teaches
    (row,) = table(llmo_home, "feedback")
    assert (row["call_id"], row["verdict"], row["note"]) == (reply.id, 1.0, "lovely")
    assert row["features"] is None
    assert table(llmo_home, "calls")[0]["features"] is None


@pytest.mark.parametrize("said,value", [("bad", 0.0), (True, 1.0), (False, 0.0), (0.3, 0.3)])
def test_the_sync_face_takes_all_ways_to_say_it(llmo_home: Path, said: Any, value: float) -> None:
    with Simulator().run_in_thread() as sim, LLMOrchestrator(configuration(sim)) as llm:
        reply = llm.send_request(HELLO, max_tokens=20)
        assert llm.feedback(reply.id, said).verdict == value


async def test_the_answering_model_of_several_gets_it(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(configuration(sim)) as llm:
        sim.add_fault(fault="unavailable", provider="openai")
        reply = await llm.send_request(HELLO, max_tokens=20)
        assert (await llm.feedback(reply.id, "good")).model == STRONG


@pytest.mark.parametrize(
    "said,words",
    [("fine", "verdict: expected good, bad"), (2, "verdict"), (float("nan"), "verdict")],
)
async def test_what_is_no_verdict(llm: AsyncLLMOrchestrator, said: Any, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        await llm.feedback("call_1", said)


async def test_calls_that_have_no_verdict(llm: AsyncLLMOrchestrator, sim: Simulator) -> None:
    with pytest.raises(InvalidRequestError, match="there is no call call_1"):
        await llm.feedback("call_1", "good")
    with pytest.raises(InvalidRequestError, match="call_id: expected a text"):
        await llm.feedback(7, "good")  # type: ignore[arg-type]
    sim.add_fault(fault="unavailable")
    with pytest.raises(ServerError):
        await llm.send_request(HELLO, max_tokens=20)
    with pytest.raises(InvalidRequestError, match="there is no call last"):
        await llm.feedback("last", "good")
    await llm.close()
    with pytest.raises(ClosedError):
        await llm.feedback("call_1", "good")


async def test_without_a_ledger_there_is_no_feedback(sim: Simulator) -> None:
    config = configuration(sim, cost_tracking={"enabled": False})
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(ConfigError, match=r"cost_tracking\.enabled"):
            await llm.feedback("call_1", "good")


@pytest.mark.parametrize(
    "given,category",
    [
        ({}, None),
        ({"category": "poems", "tags": {"step": "x"}}, "poems"),
        ({"tags": {"step": "draft", "team": "a"}}, "step:draft"),
        ({"system": "You are a poet."}, "system:"),
        ({"tags": {"team": "a"}}, None),
    ],
)
async def test_who_learns_keeps_hashes_and_the_kind(
    sim: Simulator, llmo_home: Path, given: dict[str, Any], category: str | None
) -> None:
    async with AsyncLLMOrchestrator(learning(sim)) as llm:
        reply = await llm.send_request(HELLO, max_tokens=20, **given)
        found = await llm.feedback(reply.id, "good")
    assert found.teaches
    kept = json.loads(table(llmo_home, "calls")[0]["features"])
    if category is None:
        assert "category" not in kept
    else:
        assert kept["category"].startswith(category)
    assert found.category == kept.get("category")
    words = unpack(kept["words"])
    assert set(words.buckets) == set(pieces(HELLO[0]["content"]).buckets)
    assert "morning" not in json.dumps(table(llmo_home, "calls") + table(llmo_home, "feedback"))


async def test_streams_and_kept_answers_teach_as_well(sim: Simulator, llmo_home: Path) -> None:
    async with AsyncLLMOrchestrator(learning(sim)) as llm:
        async for _ in llm.send_streaming_request(HELLO, cache=True):
            pass
        await llm.send_request(HELLO, cache=True)
    streamed, kept = table(llmo_home, "calls")
    assert kept["cache_hit"]
    assert streamed["features"] == kept["features"] is not None


async def test_enough_verdicts_teach_by_themselves(sim: Simulator, llmo_home: Path) -> None:
    teach(str(llmo_home / "ledger.db"), 99)
    async with AsyncLLMOrchestrator(learning(sim)) as llm:
        reply = await llm.send_request(PROOF, max_tokens=20, category="proof")
        await llm.feedback(reply.id, "bad")
    (row,) = table(llmo_home, "routing_models")
    assert (row["name"], row["labels"]) == (WEAK, 100)


async def test_scored_asks_whom_the_prompt_needs(sim: Simulator, llmo_home: Path) -> None:
    fit(teach(str(llmo_home / "ledger.db"), 150))
    async with AsyncLLMOrchestrator(learning(sim)) as llm:
        for prompt, category, model in ((PROOF, "proof", HAIKU), (GREET, "greet", MINI)):
            options: dict[str, Any] = {"strategy": "scored", "chain": CHAIN, "max_tokens": 20}
            reply = await llm.send_request(prompt, category=category, **options)
            assert reply.model == model
            assert len(reply.attempts) == 1
            assert reply.routing is not None
            assert "score" in reply.routing["reason"]
            reply = await llm.send_request(prompt, category="unseen", **options)
            assert "no score of the prompt: no label has the category unseen" in reply.notices


FALLBACK: dict[str, Any] = {"strategy": "fallback", "confidence": "learned", "max_tokens": 20}


async def test_what_was_learned_stands_in_for_a_second_opinion(
    sim: Simulator, llmo_home: Path
) -> None:
    teach(str(llmo_home / "ledger.db"), 150)
    options: dict[str, Any] = {**FALLBACK, "chain": CHAIN, "threshold": 0.7}
    async with AsyncLLMOrchestrator(learning(sim)) as llm:
        before = await llm.send_request(GREET, category="greet", **options)
    fit(teach(str(llmo_home / "ledger.db"), 150, seed=2))
    async with AsyncLLMOrchestrator(learning(sim)) as llm:
        sure = await llm.send_request(GREET, category="greet", **options)
        unsure = await llm.send_request(PROOF, category="proof", **options)
    assert (before.confidence, len(before.attempts)) == (None, 2)
    assert sure.confidence is not None
    assert sure.confidence > 0.8
    assert len(sure.attempts) == 1
    assert (unsure.model, len(unsure.attempts)) == (HAIKU, 2)


async def test_the_planner_knows_what_was_learned(sim: Simulator, llmo_home: Path) -> None:
    """A first model that is not much cheaper is worth asking only where it is mostly right."""
    config = learning(sim)
    config["providers"]["openai"]["models"] = [
        {"name": MINI, "prices": {"input": "0.15", "output": "0.6"}},
        {"name": "gpt-4o", "prices": {"input": "0.2", "output": "0.8"}},
    ]
    options: dict[str, Any] = {**FALLBACK, "chain": [WEAK, "openai/gpt-4o"]}
    async with AsyncLLMOrchestrator(config) as llm:
        unknown = await llm.send_request(GREET, category="greet", **options)
    fit(teach(str(llmo_home / "ledger.db"), 400))
    async with AsyncLLMOrchestrator(config) as llm:
        good = await llm.send_request(GREET, category="greet", **options)
        bad = await llm.send_request(PROOF, category="proof", **options)
    assert (good.model, len(good.attempts)) == (MINI, 1)
    for reply in (unknown, bad):
        assert (reply.model, len(reply.attempts)) == ("gpt-4o", 1)
        assert any("asked openai/gpt-4o at once" in one for one in reply.notices)


async def test_a_scorer_by_name(sim: Simulator) -> None:
    config = configuration(sim, routing={"scorer": "complexity", "gain": 3})
    async with AsyncLLMOrchestrator(config) as llm:
        options: dict[str, Any] = {"strategy": "scored", "chain": CHAIN, "max_tokens": 20}
        assert (await llm.send_request("Say hello", **options)).model == MINI
        assert (await llm.send_request("Prove that", **options)).model == HAIKU
    config = configuration(sim, routing={"scorer": "complexty"})
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(InvalidRequestError, match="did you mean complexity"):
            await llm.send_request("Hi", strategy="scored", chain=CHAIN)


async def test_scored_without_learning_is_a_cascade(llm: AsyncLLMOrchestrator) -> None:
    reply = await llm.send_request("Hi", strategy="scored", chain=CHAIN, max_tokens=20)
    assert "no score of the prompt: routing.learn is off" in reply.notices
