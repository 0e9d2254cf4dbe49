"""Verdicts, and what was learned from them, in both databases."""

from pathlib import Path

import pytest

from llm_orchestrator.errors import InvalidRequestError, StoreError
from llm_orchestrator.routing.pieces import pack, pieces
from llm_orchestrator.store.feedback import Count, Features, Feedback, Label
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.types.verdict import Verdict
from tests.integration.store.data import NOW, call, read

WORDS = pack(pieces("What is the capital of France?"))
SONNET = "claude-sonnet-4-5"


@pytest.fixture
async def feedback(store_url: str) -> Feedback:
    """The feedback of a store with a few calls."""
    ledger = Ledger(store_url)
    ledger.add(call("plain", category="billing"))
    ledger.add(call("learned", features=Features(WORDS, "system:ab").written()))
    ledger.add(call("other", model=SONNET, features=Features(WORDS).written()))
    ledger.add(call("junk", started_at=NOW - 9, features="{not ours"))
    ledger.add(call("failed", status="error", provider=None, model=None, started_at=NOW + 9))
    await ledger.close()
    return Feedback(store_url, clock=lambda: NOW / 1e6)


async def test_a_verdict_is_kept_with_the_calls_facts(feedback: Feedback, store_url: str) -> None:
    given = feedback.give("call_plain", 1.0, "nice")
    assert given == Verdict("call_plain", "openai/gpt-4o-mini", "billing", 1.0, teaches=False)
    rows = read(store_url, "SELECT call_id, at, verdict, note, category, model FROM feedback")
    assert rows == [("call_plain", NOW, 1.0, "nice", "billing", "openai/gpt-4o-mini")]


async def test_a_later_verdict_wins_and_a_note_stays(feedback: Feedback, store_url: str) -> None:
    feedback.give("call_plain", 1.0, "nice")
    feedback.give("call_plain", 0.25)
    assert read(store_url, "SELECT verdict, note FROM feedback") == [(0.25, "nice")]


async def test_features_make_it_a_label(feedback: Feedback) -> None:
    given = feedback.give("call_learned", 0.0)
    assert given.teaches
    assert given.category == "system:ab"
    feedback.give("call_other", 1.0)
    feedback.give("call_plain", 1.0)
    feedback.give("call_junk", 1.0)
    assert feedback.labels("openai/gpt-4o-mini") == [Label("system:ab", 0.0, WORDS)]
    assert feedback.labels(f"openai/{SONNET}") == [Label(None, 1.0, WORDS)]
    assert feedback.counts() == [
        Count(f"openai/{SONNET}", 1, 1.0, 1),
        Count("openai/gpt-4o-mini", 3, 2.0, 1),
    ]


async def test_last_is_the_last_call_that_was_answered(feedback: Feedback) -> None:
    assert feedback.give("last", 1.0).call_id == "call_plain"


async def test_calls_that_have_no_verdict(feedback: Feedback, store_url: str) -> None:
    with pytest.raises(InvalidRequestError, match="there is no call call_x in the ledger at"):
        feedback.give("call_x", 1.0)
    with pytest.raises(InvalidRequestError, match="nobody answered the call call_failed"):
        feedback.give("call_failed", 1.0)
    assert read(store_url, "SELECT * FROM feedback") == []


async def test_what_was_learned_comes_back(feedback: Feedback) -> None:
    body = bytes(range(256)) * 1000
    feedback.keep("p/one", b"old", 100)
    feedback.keep("p/one", body, 120)
    feedback.keep("p/two", b"", 7)
    assert feedback.learned() == {"p/one": (120, NOW), "p/two": (7, NOW)}
    assert feedback.kept(["p/one"])["p/one"].body == body
    assert feedback.kept(["p/one", "p/x"]).keys() == {"p/one"}
    assert feedback.kept([]) == {}
    assert feedback.kept().keys() == {"p/one", "p/two"}


def test_a_store_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    feedback = Feedback(f"sqlite:///{tmp_path}/none.db")
    assert feedback.counts() == []
    assert feedback.learned() == {}
    with pytest.raises(InvalidRequestError, match="there is no call last"):
        feedback.give("last", 1.0)
    assert not list(tmp_path.iterdir())


def test_a_store_that_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database at all, but long enough to look like one " * 40)
    feedback = Feedback(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="file is not a database"):
        feedback.give("last", 1.0)
    with pytest.raises(StoreError, match=r"the feedback at .* cannot be read"):
        feedback.counts()


def test_a_server_that_is_away() -> None:
    with pytest.raises(StoreError, match=r"\*\*\*@127.0.0.1:1/x cannot be read") as caught:
        Feedback("postgresql://ann:secret@127.0.0.1:1/x").counts()
    assert "secret" not in str(caught.value)
