"""One row at work: what the scenarios use to ask it, and the books that are compared at the end."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.events import EndEvent, StreamEvent
from llm_orchestrator.types.model import Ability
from llm_orchestrator.types.reply import Reply

from .rows import Row

Outcome: TypeAlias = Literal["works", "told", "refused"]
HELLO = [{"role": "user", "content": "Please describe a quiet morning by the sea."}]
_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
)


@dataclass
class Case:
    """A row, the simulator behind it, and an orchestrator that asks nobody else."""

    row: Row
    sim: Simulator
    home: Path
    setenv: Callable[[str, str], None]
    needs: Ability | None
    outcome: Outcome
    replies: list[Reply] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, value in self.row.env.items():
            self.setenv(name, value)
        self.llm = self._orchestrator(self.row.key)

    def _orchestrator(self, key: str | None) -> AsyncLLMOrchestrator:
        config: dict[str, Any] = {
            "active_provider": self.row.name,
            "providers": {self.row.name: self.row.section(self.sim.url, key)},
            "fallback": {"enabled": False},
            "retry": {"max_retries": 1, "base_delay": 0.005, "max_delay": 0.01, "max_wait": 1.0},
            "timeouts": {"idle": 2.0},
        }
        return AsyncLLMOrchestrator(config)

    async def stranger(self) -> None:
        """From now on nobody knows who asks."""
        await self.llm.close()
        for name in self.row.env:
            if "SECRET" in name:
                self.setenv(name, "bad-canary-0123")
        self.llm = self._orchestrator("bad-canary-0123" if self.row.key else None)

    @property
    def model(self) -> str:
        """The model that this scenario asks."""
        return self.row.target(self.needs).name

    async def ask(self, messages: Any = HELLO, **options: Any) -> Reply:
        """The whole answer."""
        options.setdefault("model", self.model)
        reply = await self.llm.send_request(messages, **options)
        self.replies.append(reply)
        return reply

    async def stream(
        self, messages: Any = HELLO, **options: Any
    ) -> tuple[list[StreamEvent], Reply]:
        """The events of a streamed answer, and the reply at their end."""
        options.setdefault("model", self.model)
        found = self.llm.send_streaming_request(messages, **options)
        events = [event async for event in found]
        assert isinstance(events[-1], EndEvent)
        self.replies.append(events[-1].reply)
        return events, events[-1].reply

    async def both(self, messages: Any = HELLO, **options: Any) -> Sequence[Reply]:
        """The answer whole, and the answer streamed."""
        return await self.ask(messages, **options), (await self.stream(messages, **options))[1]

    def fault(self, name: str, **figures: Any) -> None:
        """Play a fault on what is asked from now on; ``count`` limits how often."""
        self.sim.add_fault(fault=name, **figures)

    @property
    def thought(self) -> int:
        """Tokens of thoughts in the answer before, as the simulator counted them."""
        count: int = self.sim.ledger()["rows"][-1]["usage"]["reasoning_tokens"]
        return count

    # ---------------------------------------------------------------- the books

    async def balance(self) -> None:
        """Close, and compare our ledger with the simulator's bill, request by request."""
        await self.llm.close()
        ours = self._settlements()
        for bill in self.sim.ledger()["rows"]:
            known = ours.pop(bill["client_request_id"])
            if known["status"] == "ok":
                self._same(known, bill)
        assert all(one["status"] == "dropped" for one in ours.values()), "sent, and not billed"
        for reply in self.replies:
            costs = [a.cost_pico for a in reply.attempts]
            assert reply.cost_pico == (None if costs[-1] is None else sum(c or 0 for c in costs))

    def _same(self, ours: dict[str, Any], bill: dict[str, Any]) -> None:
        unsaid = self.row.unsaid
        if "embeddings" in unsaid and "embed" in bill["wire"]:
            assert ours["cost_pico"] is None or ours["usage_estimated"], (ours, bill)
            return
        assert not ours["usage_estimated"], ours
        for name in _TOKENS:
            if name.partition("_")[0] not in unsaid:
                assert (name, ours[name] or 0) == (name, bill["usage"][name]), ours
        if "cache" in unsaid and bill["usage"]["cache_read_tokens"]:
            assert ours["cost_pico"] >= bill["cost_pico"], "nobody can know what was cheaper"
        elif self.row.provider.local:
            assert ours["cost_pico"] == 0
        else:
            assert ours["cost_pico"] == bill["cost_pico"], (ours, bill)

    def _settlements(self) -> dict[str, dict[str, Any]]:
        path = self.home / "ledger.db"
        if not path.exists():
            return {}
        with closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            rows = [dict(row) for row in db.execute("SELECT * FROM settlements")]
        return {row["attempt_id"]: row for row in rows}
