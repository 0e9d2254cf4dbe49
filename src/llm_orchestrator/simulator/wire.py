"""What each provider's wire offers to the part that answers requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from llm_orchestrator.simulator.answers import Answer
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.caches import CacheUse
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.frames import Frame, SpareParts, Step
from llm_orchestrator.simulator.front import Front
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.refusal import Refusal

if TYPE_CHECKING:
    from llm_orchestrator.simulator.world import World


@dataclass(slots=True)
class Reply:
    """A good reply, ready to be written: `usage` is what the whole of it costs in tokens."""

    world: World
    number: int
    ask: Ask
    answers: list[Answer]
    usage: Usage
    cache: CacheUse

    def parts(self, usage: Usage | None = None) -> dict[str, Decimal]:
        """What this much of the reply costs in dollars, by what it is for; all if not told."""
        ask = self.ask
        return self.world.bill.parts(ask.model, usage or self.usage, ask.tier, ask.flat)

    def cost(self, usage: Usage | None = None) -> Decimal:
        """What this much of the reply costs in dollars; all of it if not told."""
        return sum(self.parts(usage).values(), Decimal(0))


class Wire(Front, Protocol):
    """One endpoint that generates: it parses, refuses and writes in one provider's words."""

    name: str
    stream_type: str = "text/event-stream; charset=utf-8"
    timing_header: str = ""  # carries the milliseconds spent

    def unpack(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        """The body with "model", when this wire carries it elsewhere."""
        del request
        return body

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        """A valid request, or a Refusal."""
        ...

    def cached(self, world: World, account: str, ask: Ask) -> CacheUse:
        """What the provider's prompt cache does for this request."""
        del world, account, ask
        return CacheUse()

    def played(self, fault: Fault) -> Fault:
        """The fault as this provider has it; some refuse where others answer."""
        return fault

    def fault(self, fault: Fault, ask: Ask) -> Refusal:
        """The provider's words for a fault that is an error reply."""
        ...

    def headers(self, world: World, account: str, model: str) -> dict[str, str]:
        """The rate-limit headers of any reply for this model."""
        del world, account, model
        return {}

    def reply_headers(self, reply: Reply) -> dict[str, str]:
        """The headers of a good reply that tell what it cost."""
        del reply
        return {}

    def plain(self, reply: Reply) -> Any:
        """The body of a reply in one piece."""
        ...

    def frames(self, reply: Reply) -> Iterator[Frame]:
        """The events of a streamed reply."""
        ...

    def spare(self, reply: Reply) -> SpareParts:
        """What faults need to break a stream in the provider's way."""
        ...

    def wrapped(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The steps of a stream with what has to stand between them."""
        return steps
