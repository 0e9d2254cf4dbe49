"""What is asked of each row of the table, so that somebody has to pay for it."""

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp

from benchmarks.billing import published
from benchmarks.billing.books import Accounts, Line, ledger
from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.model import Ability
from tests.conformance.rows import ROWS, SIMULATED, Row

HELLO = "Please describe a quiet morning by the sea."
LONG = "The same long beginning of every question. " * 700
_MOST = 400
"""Tokens of an answer: some servers publish no limit, and nothing else would bound what is owed."""
_CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": _CITY}}


class Payer:
    """One row behind an orchestrator that may ask one other provider for help."""

    def __init__(self, row: Row, sim: Simulator) -> None:
        self.row = row
        self.sim = sim
        self.spare = ROWS["anthropic" if row.name == "openai" else "openai"]
        sections = {one.name: one.section(sim.url, one.key) for one in (self.spare, row)}
        self.llm = AsyncLLMOrchestrator(
            {
                "active_provider": row.name,
                "providers": sections,
                "retry": {"max_retries": 0, "max_wait": 3.0},
                "timeouts": {"idle": 5.0},
            }
        )

    def model(self, needs: Ability | None = None) -> str:
        """Who is asked for something that needs the ability."""
        return self.row.target(needs).name

    async def both(self, prompt: Any, needs: Ability | None = None, **options: Any) -> None:
        """The answer whole, and the answer streamed."""
        options.setdefault("model", self.model(needs))
        await self.llm.send_request(prompt, **options)
        await self.stream(prompt, **options)

    async def stream(self, prompt: Any = HELLO, **options: Any) -> None:
        """The answer streamed."""
        if "chain" not in options:
            options.setdefault("model", self.model())
        async for _ in self.llm.send_streaming_request(prompt, **options):
            pass

    def fault(self, name: str, **figures: Any) -> None:
        """Break the next request in this way."""
        self.sim.add_fault(fault=name, count=1, **figures)


async def plain(payer: Payer) -> None:
    """One answer."""
    await payer.llm.send_request(HELLO, model=payer.model(), max_tokens=_MOST)


async def stream(payer: Payer) -> None:
    """The same, streamed."""
    await payer.stream()


async def cut_stream(payer: Payer) -> None:
    """A stream that ends in the middle, and is not asked for again."""
    payer.fault("cut-clean", after=20)
    with contextlib.suppress(OrchestratorError):
        await payer.stream(max_tokens=_MOST, on_break="fail")


def _marked(kind: dict[str, str]) -> list[dict[str, Any]]:
    part = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"} | kind}
    return [{"role": "user", "content": [part]}]


async def cached(payer: Payer) -> None:
    """A long beginning that is asked four times."""
    await payer.both(_marked({}), "cache")
    await payer.both(_marked({}), "cache")


async def cache_write(payer: Payer) -> None:
    """A long beginning that is kept, for minutes and for an hour."""
    for kind in ({}, {"ttl": "1h"}):
        for ask in (payer.llm.send_request, payer.stream):
            await ask(_marked(kind), model=payer.model("cache"))
            payer.sim.reset()


async def reasoning(payer: Payer) -> None:
    """Much thought before the answer."""
    await payer.both(HELLO, "reasoning", effort="high")


async def tools(payer: Payer) -> None:
    """Two calls of a tool."""
    await payer.both("What is the weather in Paris and in Rome?", "tools", tools=[_WEATHER])


async def embeddings(payer: Payer) -> None:
    """Vectors of three texts."""
    await payer.llm.embed(["a b c", "d", "a longer text"], model=payer.model("embeddings"))


async def fallback(payer: Payer) -> None:
    """The row refuses and another answers; then the other way round."""
    chain = [payer.model(), payer.spare.target().name]
    for names in (chain, chain[::-1]):
        for ask in (payer.llm.send_request, payer.stream):
            payer.fault("overloaded")
            await ask(HELLO, chain=names)


async def rescued(payer: Payer) -> None:
    """The stream of the row breaks, and the answer is completed by whoever can."""
    payer.fault("cut-clean", after=20)
    chain = [payer.model(), payer.spare.target().name]
    await payer.stream(max_tokens=_MOST, chain=chain)


Ask: TypeAlias = Callable[[Payer], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One reason to pay: what is asked, the ability it needs, and what the bill must then show."""

    name: str
    ask: Ask
    needs: Ability | None = None
    shows: tuple[str, ...] = ()


SCENARIOS = (
    Scenario("plain", plain),
    Scenario("stream", stream),
    Scenario("cut stream", cut_stream),
    Scenario("cached", cached, "cache", ("cache_read_tokens",)),
    Scenario("cache write", cache_write, "cache", ("cache_write_tokens",)),
    Scenario("reasoning", reasoning, "reasoning", ("reasoning_tokens",)),
    Scenario("tools", tools, "tools"),
    Scenario("embeddings", embeddings, "embeddings"),
    Scenario("fallback", fallback),
    Scenario("rescued stream", rescued),
)


_MARKED = frozenset(("anthropic", "bedrock"))
"""Wires on which a request can mark what is to be cached."""


def lacking(row: Row, scenario: Scenario) -> str:
    """Why a row does not have a scenario; empty when it has."""
    if scenario.needs and not row.can(scenario.needs):
        return f"has no {scenario.needs}"
    if scenario.name == "cache write":
        entry = published.listed(row.name, row.target("cache").model.id) or {}
        if not any("cache_write" in price for price in entry.get("prices", ())):
            return "charges nothing for writing to the cache"
        if row.target("cache").provider.dialect not in _MARKED:
            return "writes to its cache when it likes, not when it is asked to"
    return ""


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """These variables are set, and afterwards what they were."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, text in before.items():
            if text is None:
                del os.environ[name]
            else:
                os.environ[name] = text


async def pay(row: Row, sim: Simulator, home: Path, only: frozenset[str]) -> list[Line]:
    """Every scenario of a row, compared; ``home`` takes the ledger."""
    first, marks, lines = sim.ledger()["last_seq"], dict[str, tuple[int, int]](), list[Line]()
    failed: dict[str, str] = {}
    with environment(LLMO_HOME=str(home), **row.env):
        payer = Payer(row, sim)
        for scenario in SCENARIOS:
            if lacking(row, scenario) or (only and scenario.name not in only):
                continue
            sim.reset()
            before = sim.ledger()["last_seq"]
            try:
                await scenario.ask(payer)
            except OrchestratorError as error:
                failed[scenario.name] = f"{type(error).__name__}: {error}"[:300]
            marks[scenario.name] = (before, sim.ledger()["last_seq"])
        await payer.llm.close()
    bills = await _bills(sim, first)
    ours = ledger(home / "ledger.db")
    accounts = Accounts(
        ours,
        SIMULATED,
        frozenset(one.name for one in ROWS.values() if one.provider.local),
        frozenset(one.name for one in SCENARIOS if one.needs in row.unsaid),
    )
    for scenario in SCENARIOS:
        if why := lacking(row, scenario):
            lines.append(Line(row.id, scenario.name, "-", why))
        elif scenario.name in failed:
            lines.append(Line(row.id, scenario.name, "DIFFERS", failed[scenario.name]))
        elif scenario.name in marks:
            low, high = marks[scenario.name]
            mine = [bill for bill in bills if low < bill["seq"] <= high]
            lines.append(_shown(scenario, mine, accounts.line(row.id, scenario.name, mine)))
    if stray := ours.keys() - {bill["client_request_id"] for bill in bills}:
        lines.append(Line(row.id, "(all)", "DIFFERS", f"{len(stray)} booked, and not billed"))
    return lines


async def _bills(sim: Simulator, since: int) -> list[dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{sim.url}/_ledger", params={"since": since}) as reply,
    ):
        found: list[dict[str, Any]] = (await reply.json())["rows"]
        return found


def _shown(scenario: Scenario, bills: list[dict[str, Any]], line: Line) -> Line:
    """What the scenario is about has to be in the bill, or nothing is proven."""
    for name in scenario.shows:
        if not any(bill["usage"][name] for bill in bills):
            return Line(line.row, line.scenario, "DIFFERS", f"no {name} in the bill")
    return line
