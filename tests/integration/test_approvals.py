"""Calls that are dear need somebody's consent, and go through once."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import (
    ApprovalRequiredError,
    AsyncLLMOrchestrator,
    InvalidRequestError,
    UnsupportedError,
)
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.approvals import Approvals
from tests.integration.world import HELLO, all_of, configuration, end_of, table
from tests.waiting import until


def asking(sim: Simulator, **approval: Any) -> dict[str, Any]:
    return configuration(sim, auto_approve_threshold_usd="0.0001", approval=approval)


@pytest.fixture
def tickets(llmo_home: Path) -> Approvals:
    return Approvals(f"sqlite:///{llmo_home / 'ledger.db'}")


async def refused(llm: AsyncLLMOrchestrator, **options: Any) -> ApprovalRequiredError:
    with pytest.raises(ApprovalRequiredError) as caught:
        await llm.send_request(HELLO, **options)
    return caught.value


async def test_a_cheap_call_needs_none(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(asking(sim)) as llm:
        assert (await llm.send_request(HELLO, max_tokens=50)).content


async def test_a_dear_call_is_not_sent(sim: Simulator, tickets: Approvals) -> None:
    async with AsyncLLMOrchestrator(asking(sim)) as llm:
        error = await refused(llm, user="ana")
        again = await refused(llm, user="ana")
        other = await refused(llm, user="bob")
    assert sim.log() == []
    assert error.ticket == again.ticket != other.ticket
    assert error.expected is not None
    assert error.most is not None
    assert 0 < error.expected < error.most
    assert f"llmo approvals approve {error.ticket}" in str(error)
    assert [one.user_id for one in tickets.all()] == ["ana", "bob"]


async def test_approved_it_goes_through_once(
    sim: Simulator, tickets: Approvals, llmo_home: Path
) -> None:
    async with AsyncLLMOrchestrator(asking(sim)) as llm:
        ticket = (await refused(llm)).ticket
        tickets.decide(ticket, "approved", by="boss")
        outcomes = await asyncio.gather(
            *(llm.send_request(HELLO) for _ in range(8)), return_exceptions=True
        )
        replies = [one for one in outcomes if not isinstance(one, BaseException)]
        assert len(replies) == 1
        assert all(isinstance(one, ApprovalRequiredError) for one in outcomes if one not in replies)
        assert len(sim.ledger()["rows"]) == 1
        used = tickets.get(ticket)
        assert used is not None
        assert (used.status, used.call_id, used.decided_by) == ("used", replies[0].id, "boss")
    assert len(table(llmo_home, "attempts")) == 1


async def test_consent_is_to_this_call_alone(sim: Simulator, tickets: Approvals) -> None:
    async with AsyncLLMOrchestrator(asking(sim)) as llm:
        tickets.decide((await refused(llm)).ticket, "approved")
        await refused(llm, temperature=0.5)
        await refused(llm, model="gpt-4o")
    assert sim.log() == []


async def test_a_rejected_call_is_told_why(sim: Simulator, tickets: Approvals) -> None:
    async with AsyncLLMOrchestrator(asking(sim)) as llm:
        ticket = (await refused(llm)).ticket
        tickets.decide(ticket, "rejected", by="boss", note="use a smaller model")
        error = await refused(llm)
    assert error.code == "rejected"
    assert "rejected by boss: use a smaller model" in str(error)
    with pytest.raises(InvalidRequestError, match="is rejected"):
        tickets.decide(ticket, "approved")


async def test_a_call_waits_for_consent(sim: Simulator, tickets: Approvals) -> None:
    async with AsyncLLMOrchestrator(asking(sim, wait=30)) as llm:
        call = asyncio.ensure_future(all_of(llm.send_streaming_request(HELLO)))
        await until(lambda: bool(tickets.all()))
        assert sim.log() == []
        await asyncio.to_thread(tickets.decide, tickets.all()[0].id, "approved")
        assert end_of(await call).content


async def test_waiting_ends(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(asking(sim, wait=0.2)) as llm:
        assert (await refused(llm)).code == "waiting"


async def test_a_ticket_expires(sim: Simulator, llmo_home: Path) -> None:
    async with AsyncLLMOrchestrator(asking(sim, expires=3600)) as llm:
        ticket = (await refused(llm)).ticket
    now = [0.0]
    later = Approvals(f"sqlite:///{llmo_home / 'ledger.db'}", clock=lambda: now[0])
    found = later.get(ticket)
    assert found is not None
    now[0] = found.expires_at / 1e6 - 1
    assert [one.id for one in later.all()] == [ticket]
    now[0] += 2
    assert later.all() == []
    with pytest.raises(InvalidRequestError, match="is expired"):
        later.decide(ticket, "approved")


async def test_a_call_that_sends_nothing_keeps_its_consent(
    sim: Simulator, tickets: Approvals
) -> None:
    impossible: Any = {"top_k": 5, "strict": True, "provider": "openai"}
    async with AsyncLLMOrchestrator(asking(sim)) as llm:
        ticket = (await refused(llm, **impossible)).ticket
        tickets.decide(ticket, "approved")
        with pytest.raises(UnsupportedError):
            await llm.send_request(HELLO, **impossible)
    found = tickets.get(ticket)
    assert found is not None
    assert (found.status, found.call_id) == ("approved", None)
    assert sim.log() == []


async def test_an_unknown_price_needs_consent(sim: Simulator) -> None:
    async with AsyncLLMOrchestrator(asking(sim)) as llm:
        error = await refused(llm, model="openai/gpt-9-unheard-of", max_tokens=10)
    assert error.expected is None
    assert "an unknown amount" in str(error)


async def test_an_ensemble_is_judged_as_a_whole(sim: Simulator) -> None:
    config = configuration(sim, auto_approve_threshold_usd="0.003")
    async with AsyncLLMOrchestrator(config) as llm:
        assert (await llm.send_request(HELLO, model="claude-haiku-4-5")).content
        await refused(llm, strategy="vote", ensemble_size=4)


async def test_the_record_is_json(sim: Simulator, tickets: Approvals) -> None:
    async with AsyncLLMOrchestrator(asking(sim)) as llm:
        await refused(llm, tags={"team": "blue"}, category="drafts")
    found = tickets.all()[0]
    assert (found.category, json.loads(found.tags or "")) == ("drafts", {"team": "blue"})
