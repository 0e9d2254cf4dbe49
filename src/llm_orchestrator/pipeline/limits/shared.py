"""One count for all processes, in Redis; without it, each process keeps to a part of each limit.

Everything that comes together on a loop goes to Redis together, in one script. When Redis does not
answer in time, nobody waits for it again until it has answered a question of our own; meanwhile,
and for a minute after, the local gates hold at this process's part of each limit.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from llm_orchestrator.pipeline.limits.gates import Need, Slots, Window
from llm_orchestrator.pipeline.limits.gauge import Gauge
from llm_orchestrator.pipeline.limits.line import Line, Take
from llm_orchestrator.pipeline.limits.link import LEASE_MS, Answer, Link, Op, running
from llm_orchestrator.types.ids import ids

log = logging.getLogger("llm_orchestrator")

_STRICT_S = 60.0
"""How long after Redis is back what was taken without it may still count."""
_UNSEEN = 0.25
_FIRST_REST_S = 0.5
_LONGEST_REST_S = 10.0


class Shared:
    """The count of one Redis. Thread-safe as far as the keeper's lock is held."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 0.25,
        share: float | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.url = url
        self.timeout = timeout
        self.up = True
        """Whether Redis is asked. Until it was asked for the first time, that is hoped."""
        self.seen = 0
        """Processes that asked lately, this one included."""
        self.me = ids.new("lim")
        self._share = share
        self._clock = clock
        self._strict_until = 0.0
        self._retry_at = 0.0
        self._rest = _FIRST_REST_S
        self._links: dict[asyncio.AbstractEventLoop, Link] = {}
        self._pid = os.getpid()
        self._numbers = 0

    @property
    def where(self) -> str:
        """Its address, without a password."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path

    def part(self, now: float) -> float:
        """The part of each limit to which the local gates hold."""
        if self.up and now >= self._strict_until:
            return 1.0
        if not self.up and now >= self._retry_at:
            self._probe()
        if self._share is not None:
            return self._share
        return 1 / self.seen if self.seen else _UNSEEN

    # ------------------------------------------------------------ questions

    def ask(self, loop: asyncio.AbstractEventLoop, take: Take, answer: Answer) -> None:
        """Whether all processes together have room for it; ``answer`` is called on the loop.

        When there was room, it is counted.
        """
        self._numbers += 1
        take.member = f"{self.me}:{self._numbers}"
        self._link(loop).put((take.member, _gates(take)), take, answer)

    def settle(self, take: Take, used: Need) -> None:
        """A take that the count has, has ended."""
        gates: list[list[Any]] = []
        marks = iter(take.marks or ())
        for gate in take.gates:
            change = used[gate.kind] - take.need[gate.kind]
            if isinstance(gate, Window):
                mark = next(marks)
                if change:
                    gates.append([gate.name, "w", mark, change])
            elif isinstance(gate, Slots):
                gates.append([gate.name, "s", take.member])
            elif isinstance(gate, Gauge) and gate.low and change:
                gates.append([gate.name, "b", -change])
        take.marks = None
        for link in self._links.values():
            link.release(take.member)
        if gates:
            self._tell(("", gates))

    def block(self, line: Line, seconds: float) -> None:
        """The provider wants to be left alone for so long."""
        self._tell(("", [[f"{line.name}:blocked", "x", max(1, int(seconds * 1000))]]))

    async def close(self) -> None:
        """Say what is left to say on this loop, and close its connection."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None:
            await link.close()

    # ------------------------------------------------------------ its health

    def failed(self, error: BaseException) -> None:
        """Redis did not answer: leave it alone for a while, longer each time."""
        if self.up:
            log.warning(
                "rate limits: Redis at %s does not answer (%s); until it does, this process keeps "
                "to its part of each limit",
                self.where,
                type(error).__name__,
            )
        self.up = False
        self._retry_at = self._clock() + self._rest
        self._rest = min(self._rest * 2, _LONGEST_REST_S)

    def answered(self, seen: int) -> None:
        """Redis answered, and said how many processes ask."""
        self.seen = seen
        if not self.up:
            self.up = True
            self._strict_until = self._clock() + _STRICT_S
            self._rest = _FIRST_REST_S
            log.warning("rate limits: Redis at %s answers again", self.where)

    def _probe(self) -> None:
        loop = running()
        if loop is None:
            return
        self._retry_at = self._clock() + _LONGEST_REST_S  # nobody else meanwhile
        self._link(loop).put(("", []))

    # ------------------------------------------------------------ inside

    def _tell(self, op: Op) -> None:
        loop = running() or next((one for one in self._links if not one.is_closed()), None)
        if self.up and loop is not None:
            self._link(loop).put(op)

    def _link(self, loop: asyncio.AbstractEventLoop) -> "Link":
        if os.getpid() != self._pid:  # a forked child leaves the parent's connections alone
            self._pid = os.getpid()
            self.me = ids.new("lim")
            self._links = {}
        link = self._links.get(loop)
        if link is None:
            for other in [other for other in self._links if other.is_closed()]:
                del self._links[other]
            link = self._links[loop] = Link(self, loop)
        return link


def _gates(take: Take) -> list[list[Any]]:
    gates: list[list[Any]] = []
    need = take.need
    for gate in take.gates:
        amount = need[gate.kind]
        if isinstance(gate, Window):
            gates.append([gate.name, "w", amount, gate.limit, int(gate.period * 1000)])
        elif isinstance(gate, Slots):
            gates.append([gate.name, "s", gate.limit, LEASE_MS])
        elif isinstance(gate, Gauge) and gate.low:
            level = gate.level + amount  # as it was before this one
            told, gate.fresh = int(gate.fresh), False
            gates.append([gate.name, "b", amount, gate.limit, gate.rate / 1000, level, told])
    gates.append([f"{take.line.name}:blocked", "x"])
    return gates
