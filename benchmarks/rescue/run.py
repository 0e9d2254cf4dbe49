"""Runs cases, all at once: each with an orchestrator, an account and connections of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.rescue.cases import Case, Mode
from benchmarks.rescue.outcome import Call, Outcome, Result, judge
from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.simulator import Simulator, account_of
from llm_orchestrator.simulator.failover import ANSWER
from llm_orchestrator.types.events import ContinueEvent, EndEvent, RestartEvent
from llm_orchestrator.types.reply import Reply

PROMPT = "In sixty words: when does a caller find out whether an LLM gateway is any good?"
_MAX_TOKENS = 80  # a whole answer has sixty; says how long to wait for one that is not streamed
_PROBE_S = 10.0
_PRICES = {"input": 1, "output": 2}  # USD per million tokens, as the simulator bills them


class Profile(msgspec.Struct, frozen=True):
    """How long faults last and how patient we are, in seconds."""

    name: str
    timings: dict[str, float]
    calls: int
    every: float
    call_limit: float
    timeouts: dict[str, float]


FULL = Profile("full", {}, calls=20, every=4.0, call_limit=30.0, timeouts={"first_token": 10.0})
"""The published one, with our defaults; 10 s as a number lets us leave whole answers, too."""

FAST = Profile(
    "fast",
    {"slow_first": 12.0, "stall": 12.0, "silence": 20.0, "down": 4.0, "token": 0.003},
    calls=10,
    every=1.0,
    call_limit=15.0,
    timeouts={"first_token": 4.0, "idle": 4.0},
)
"""For tests: shorter faults, and limits that are shorter still."""


class Bench:
    """One simulator and the place of the ledger that all cases of a run write to."""

    def __init__(self, simulator: Simulator, profile: Profile, folder: Path) -> None:
        self.simulator = simulator
        self.profile = profile
        self.ledger = folder / "ledger.db"

    async def run(self, cases: Sequence[Case], modes: Sequence[Mode]) -> list[Result]:
        """All cases in all modes that have a meaning for them, at once."""
        work = [(case, mode) for case in cases for mode in modes if mode in case.modes]
        async with AsyncExitStack() as stack:
            made = [self._orchestrator(case, mode, _key(case, mode)) for case, mode in work]
            for one in made:
                await stack.enter_async_context(one)
            self.simulator.reset()  # the outage counts from here
            runs = [
                self._one(case, mode, one) for (case, mode), one in zip(work, made, strict=True)
            ]
            return await asyncio.gather(*runs)

    async def _one(self, case: Case, mode: Mode, orchestrator: AsyncLLMOrchestrator) -> Result:
        found = Outcome(fallback_model=case.fallback)
        if case.sequence:
            await self._series(orchestrator, mode, found)
        else:
            _copy(await _ask(orchestrator, mode, case.limit), found)
        self._look(case, account_of(_key(case, mode)), found)
        probe = await _ask(orchestrator, "plain", _PROBE_S, model="fb-ok")
        found.alive, found.alive_error = probe.complete, probe.error
        return judge(case, mode, found)

    def _orchestrator(self, case: Case, mode: Mode, key: str) -> AsyncLLMOrchestrator:
        anthropic = mode.startswith("anthropic")
        name = "anthropic" if anthropic else "openai"
        names = dict.fromkeys((case.model, case.fallback, "fb-ok"))
        models: list[dict[str, Any]] = [{"name": one, "prices": _PRICES} for one in names]
        if case.prefill:
            models[1]["abilities"] = ["tools", "prefill"]
        provider = {
            "api_key": key,
            "base_url": f"{self.simulator.url}/{name}/v1",
            "fallback_models": [case.fallback],
            "models": models,
        }
        config: dict[str, Any] = {
            "active_provider": name,
            "active_model": case.model,
            "providers": {name: provider},
            "routing_strategy": "specified",
            "store": {"url": f"sqlite:///{self.ledger}"},
            "timeouts": self.profile.timeouts,
        }
        return AsyncLLMOrchestrator(config)

    async def _series(self, orchestrator: AsyncLLMOrchestrator, mode: Mode, found: Outcome) -> None:
        """One call after the other, at a fixed pace; the worst of them stands for all."""
        profile, world = self.profile, self.simulator.world
        for number in range(profile.calls):
            due = world.started + number * profile.every
            await asyncio.sleep(max(0.0, due - world.clock.ticks()))
            at = world.clock.ticks() - world.started
            call = await _ask(orchestrator, mode, profile.call_limit)
            call.at = at
            found.series.append(call)
        rank = {"hang": 0, "error": 1, "answer": 2}
        _copy(min(found.series, key=lambda one: (rank[one.ended], one.complete)), found)
        found.attempts = sum(one.attempts for one in found.series)
        found.down = world.timings["down"]

    def _look(self, case: Case, account: str, found: Outcome) -> None:
        """What the provider has seen of it."""
        seen = [entry for entry in self.simulator.log() if entry["account"] == account]
        primary = [entry for entry in seen if entry["model"] == case.model]
        found.primary = [entry["t"] for entry in primary]
        found.fallback = [entry["t"] for entry in seen if entry["model"] == case.fallback]
        found.prefill_refusals = sum("prefill" in entry["action"] for entry in seen)
        answered = [entry["t"] for entry in primary if entry["status"] == 200]
        if found.series and answered:
            found.back = max(0.0, min(answered) - found.down)
        rows = [row for row in self.simulator.ledger()["rows"] if row["account"] == account]
        found.billed = sum(row["cost_pico"] for row in rows)


def _key(case: Case, mode: Mode) -> str:
    return f"sim-{case.id}-{mode.replace(' ', '-')}-key".lower()


def _copy(call: Call, found: Outcome) -> None:
    for name in Call.__struct_fields__:
        setattr(found, name, getattr(call, name))


async def _ask(
    orchestrator: AsyncLLMOrchestrator, mode: Mode, limit: float, model: str | None = None
) -> Call:
    """One call, to its end or to the limit."""
    call = Call()
    began = time.perf_counter()
    try:
        async with asyncio.timeout(limit):
            if mode.endswith("stream"):
                reply, text = await _stream(orchestrator, call)
            else:
                reply = await orchestrator.send_request(PROMPT, model=model, max_tokens=_MAX_TOKENS)
                text = reply.content
        call.ended = "answer"
        call.complete = text.split() == ANSWER.split() and text == reply.content
        call.model, call.cost, call.notices = reply.model, reply.cost_pico, reply.notices
        call.attempts = len(reply.attempts)
        usage = reply.attempts[-1].usage
        call.usage_known = usage is not None and usage.output_tokens > 0 and not usage.estimated
    except TimeoutError:
        call.ended, call.error = "hang", f"no end within {limit:g} s"
    except OrchestratorError as error:
        call.error = f"{type(error).__name__}: {error.message}"
        call.attempts = len(error.attempts)
    call.wall = time.perf_counter() - began
    return call


async def _stream(orchestrator: AsyncLLMOrchestrator, call: Call) -> tuple[Reply, str]:
    """The reply, and the text as a reader who follows the events has it at the end."""
    text, reply = "", None
    async for event in orchestrator.send_streaming_request(PROMPT, max_tokens=_MAX_TOKENS):
        if isinstance(event, RestartEvent):
            call.restarted, text = True, ""
        elif isinstance(event, ContinueEvent):
            call.continued = True
        elif isinstance(event, EndEvent):
            reply = event.reply
        text += str(event)
    assert reply is not None, "a stream ended without an EndEvent"
    return reply, text
