"""One model behind one key of one provider: the gates of its requests, and what was learned."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llm_orchestrator.pipeline.limits import headers as wire
from llm_orchestrator.pipeline.limits.gates import (
    REQUESTS,
    STEP_S,
    Gate,
    Need,
    Slots,
    Stamp,
    Window,
)
from llm_orchestrator.pipeline.limits.gauge import Gauge
from llm_orchestrator.pipeline.limits.pace import Pace

if TYPE_CHECKING:
    from llm_orchestrator.pipeline.limits.queue import ProviderQueue, Waiter
    from llm_orchestrator.types.usage import Usage

LONGEST_REST_S = 300.0
"""A ``Retry-After`` is believed so far: some mean an hour of a limit that is soon raised."""
FEW = 32
"""With more free requests than this, a reply is not read."""
SMALL = 16_384
"""An input of at most so many bytes may go free."""
_MOST_FREE = 64
_SMALL_TOKENS = 4096
_TICKET = 2048
_WORTH = 4
_PROBES = 4
"""Replies that are searched for rate-limit headers, before it is taken that there are none."""
_NEVER = -1
_UNSEEN_OUTPUT = 512
_BYTES = 0.25
_FADE = 0.1
_AROUND = 256
"""What the bound of an input counts beside its text."""
_REFUSED_SHARE = 0.1
_OFTEN = 0.25
"""Refusals among the last replies from which on a limit is suspected that no reply tells."""
_FORGOTTEN = 0.005


class Take:
    """What one request has taken, until it has ended; or each of several, if it is a ``ticket``."""

    __slots__ = ("ends", "gates", "line", "marks", "member", "need", "stamps", "ticket")

    marks: Sequence[int] | None
    """The parts of the shared windows that count it; ``None``: only this process knows."""
    member: str
    """Its name in the shared slots."""

    def __init__(
        self, line: "Line", need: Need, gates: Sequence[Gate], stamps: Sequence[Stamp | None]
    ) -> None:
        self.line = line
        self.need = need
        self.gates = gates
        self.stamps = stamps
        self.marks = None
        self.ticket = False
        self.ends: list[tuple[Gate, Stamp | None, int]] | None = None
        """For a ticket: the gates that an ordinary end matters to, with what they count."""


class Line:
    """What one request of this model needs, and whether there is room for it now.

    While nothing is near, that costs little. Some requests go *free* past the gauges, which hold
    back that much. At the other gates one request takes for some that may follow, and leaves them
    *tickets*, which are good for as long as a window counts as one moment.
    """

    __slots__ = (
        "_bytes",
        "_daily",
        "_output",
        "_probes",
        "blocked",
        "free",
        "gates",
        "gauges",
        "model",
        "name",
        "names",
        "own",
        "pace",
        "provider",
        "queue",
        "refusals",
        "sized",
        "slotted",
        "small",
        "tickets",
        "until",
        "waiting",
    )

    def __init__(
        self,
        queue: "ProviderQueue",
        provider: str,
        model: str,
        name: str,
        own: Sequence[Gate],
        *,
        learns: bool,
        daily: bool = False,
    ) -> None:
        self.queue = queue
        self.provider = provider
        self.model = model
        self.name = name
        """``provider#key/model``; of the key only a short hash."""
        self.own = tuple(own)
        """The gates of the configuration."""
        self.gauges: tuple[Gauge, ...] = ()
        """The limits that replies told."""
        self.refusals = 0.0
        """The share of replies that were refusals, the last ones counting most. 0: long ago."""
        self.pace: Pace | None = None
        """What refusals have shown that no reply tells."""
        self.gates: tuple[Gate, ...] = self.own
        """All of them."""
        self.sized = any(gate.kind != REQUESTS for gate in self.gates)
        """Whether it matters how large requests are."""
        self.slotted = any(isinstance(gate, Slots) for gate in self.gates)
        """Whether it matters when they end."""
        self.tickets: list[Take] = []
        """One and the same, as often as it may be used."""
        self.until = 0.0
        """Until when they are good."""
        self.small = 0
        """The largest input, in bytes, that may use one."""
        self.free = 0
        """How many small requests may pass the gauges without being counted."""
        self.names: tuple[wire.Names, ...] = ()
        """The headers that tell its gauges, in their order."""
        self.blocked = 0.0
        """Until when the provider wants to be left alone."""
        self.waiting: list[Waiter] = []
        """A heap: the first is the next."""
        self._daily = daily
        self._probes = _PROBES if learns else _NEVER
        self._output = float(_UNSEEN_OUTPUT)
        self._bytes = _BYTES

    @property
    def calm(self) -> bool:
        """Whether nothing was refused lately."""
        return not self.refusals and self.pace is None

    @property
    def blind(self) -> bool:
        """Whether its replies tell nothing of limits, or need not be read."""
        return not self.names and self._probes <= 0

    @property
    def common(self) -> bool:
        """Whether several processes should count together: a learned limit only when it is near."""
        return bool(self.own) or any(gauge.low for gauge in self.gauges)

    # ------------------------------------------------------------ before the wire

    def need(self, most_input: int, max_tokens: int | None) -> Need:
        """An estimate, by what earlier requests used: twice their output, or the longest allowed.

        ``most_input`` is the upper bound of the input, about its bytes.
        """
        if not self.sized:
            return 1, 0, 0, 0
        sent = int(max(most_input - _AROUND, 0) * self._bytes) + 1
        made = int(self._output)
        if max_tokens is not None and max_tokens < made:
            made = max_tokens
        return 1, sent + made, sent, made

    def wait(self, need: Need, now: float, share: float = 1.0) -> float:
        """Seconds until all gates have room; 0 is now."""
        longest = self.blocked - now if self.blocked > now else 0.0
        for gate in self.gates:
            longest = max(longest, gate.wait(need[gate.kind], now, share))
        return longest

    def short(self, need: Need, now: float, share: float = 1.0) -> list[Gate]:
        """The gates that have no room for it."""
        return [gate for gate in self.gates if gate.wait(need[gate.kind], now, share)]

    def ahead(self, need: Need, priority: int, now: float) -> float:
        """Seconds until a caller would go who comes last among those of this priority."""
        waits = [gate.ahead(need[gate.kind], priority, now) for gate in self.gates]
        return max(self.blocked - now, 0.0, *waits)

    def take(self, need: Need, now: float, gates: Sequence[Gate] | None = None) -> Take:
        """Count it at all gates, or at these."""
        if gates is None:
            gates = self.gates
        return Take(self, need, gates, [gate.take(need[gate.kind], now) for gate in gates])

    def leave_tickets(self, most_input: int, now: float) -> None:
        """Take for some that may follow soon, if there is plenty of room."""
        small = max(_TICKET, 2 * most_input)
        need = self.need(small, None)
        free = self.free > FEW and small <= SMALL
        gates = self.own if free else self.gates
        many = _MOST_FREE
        for gate in gates:
            many = min(many, gate.spare(need[gate.kind], now))
        if free:
            many = min(many, self.free)
        if many < _WORTH:
            return
        if free:
            self.free -= many
        take = self.take((many, *(many * one for one in need[1:])), now, gates)  # type: ignore[arg-type]
        take.need, take.ticket = need, True
        take.ends = [
            (gate, stamp, gate.kind)
            for gate, stamp in zip(gates, take.stamps, strict=True)
            if not (isinstance(gate, Window) and gate.kind == REQUESTS)
        ]
        self.small = small
        self.until = (now // STEP_S + 1) * STEP_S
        self.tickets = [take] * many

    def take_back(self) -> bool:
        """Give back what unused tickets have taken; whether there was any."""
        tickets, self.until = self.tickets, 0.0
        unused = 0
        while tickets:
            take = tickets.pop()
            unused += 1
        if unused:
            for place, gate in enumerate(take.gates):
                gate.end(take.stamps[place], unused * take.need[gate.kind], 0, None)
        return unused > 0

    def alone(self) -> None:
        """In a forked process: nothing is under way here, and nobody waits."""
        self.waiting, self.tickets, self.until = [], [], 0.0
        for gate in self.gates:
            gate.alone()

    # ------------------------------------------------------------ after it

    def settle(self, take: Take, used: Need, seconds: float | None) -> None:
        """The request has ended and used that much; ``None``: nobody knows how long it took."""
        need = take.need
        for place, gate in enumerate(take.gates):
            gate.end(take.stamps[place], need[gate.kind], used[gate.kind], seconds)

    def saw(self, most_input: int, usage: "Usage") -> None:
        """Learn from an answer how large they are."""
        self._output += _FADE * (2 * usage.output_tokens - self._output)
        if usage.input_tokens and most_input > _AROUND:
            ratio = usage.input_tokens / (most_input - _AROUND)
            self._bytes += _FADE * (min(ratio, 1.0) - self._bytes)

    def block(self, seconds: float, now: float) -> None:
        """The provider wants to be left alone for so long."""
        self.blocked = max(self.blocked, now + min(seconds, LONGEST_REST_S))

    def refused(self, rest: float | None, now: float) -> None:
        """A reply was a 429, which asks to rest for so many seconds."""
        self.free = 0
        self.until = 0.0
        if rest is not None:
            self.block(rest, now)
        self.refusals += _REFUSED_SHARE * (1 - self.refusals)
        if self.refusals < _OFTEN:
            return  # once is an accident, and no reason to slow everybody down
        if not any(gauge.low for gauge in self.gauges):  # which would explain it
            if self.pace is None:
                self.pace = Pace(f"{self.name}:pace")
                self._gather()
            self.pace.slower(None if rest is None else min(rest, LONGEST_REST_S), now)

    def answered(self) -> None:
        """A reply was none."""
        self.refusals *= 1 - _REFUSED_SHARE
        if self.refusals < _FORGOTTEN:
            self.refusals = 0.0
        if self.pace is not None:
            self.pace.faster()
            if self.pace.over:
                self.pace = None
                self._gather()

    def follow(self, headers: Mapping[str, str], now: float, *, refused: bool = False) -> None:
        """Learn from the headers of a reply; a ``refused`` one gives nothing free."""
        if not self.names:
            if self._probes > 0 or (refused and not self._probes):
                self._probes = max(0, self._probes - 1)
                self._find(headers, now)
            return
        free = 0 if refused else _MOST_FREE
        lefts = []
        for names, gauge in zip(self.names, self.gauges, strict=True):
            left = wire.amount(headers.get(names.remaining))
            if left is not None and (gauge.low or not left * 2 >= gauge.limit >= left):
                limit = wire.limit(headers.get(names.limit))
                if limit == 0:
                    continue  # some say 0 or -1 where they count nothing
                reset = wire.seconds(headers.get(names.reset), headers)
                gauge.follow(limit or max(gauge.limit, left), left, reset, now)
            if left is None or gauge.low:
                free = 0
            else:  # before a quarter of what is left is used, small requests do not matter
                free = min(free, left // (4 * self._most(gauge)))
                lefts.append((gauge, left))
        self.free = free
        if free:
            for gauge, left in lefts:
                gauge.hold_back(free * self._most(gauge), left, now)

    def _most(self, gauge: Gauge) -> int:
        """What one small request takes there."""
        return 1 if gauge.kind == REQUESTS else _SMALL_TOKENS + int(self._output)

    def _find(self, headers: Mapping[str, str], now: float) -> None:
        gauges = []
        names = []
        for one in wire.told(headers, daily=self._daily):
            left = wire.amount(headers.get(one.remaining))
            limit = wire.limit(headers.get(one.limit)) or left
            if left is not None and limit:
                gauge = Gauge(one.kind, limit, f"{self.name}:{one.remaining}", one.period, now)
                gauge.follow(limit, left, wire.seconds(headers.get(one.reset), headers), now)
                gauges.append(gauge)
                names.append(one)
        if not gauges:
            return
        self.names, self.gauges = tuple(names), tuple(gauges)
        # What the provider tells holds, not what somebody once wrote down.
        kinds = {gauge.kind for gauge in gauges}
        self.own = tuple(
            gate
            for gate in self.own
            if not (isinstance(gate, Window) and gate.preset and gate.kind in kinds)
        )
        self._gather()

    def _gather(self) -> None:
        paced = () if self.pace is None else (self.pace,)
        self.gates = (*self.own, *self.gauges, *paced)
        self.sized = any(gate.kind != REQUESTS for gate in self.gates)
        # A reading may hold what is under way, or not: then it matters, too.
        self.slotted = bool(self.gauges) or any(isinstance(gate, Slots) for gate in self.own)
