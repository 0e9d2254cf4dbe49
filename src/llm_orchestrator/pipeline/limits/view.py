"""The limits as they stand, for people and programs that ask."""

from collections.abc import Iterable
from math import isinf
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.pipeline.limits.gates import UNITS, Gate, Slots, Window
from llm_orchestrator.pipeline.limits.gauge import Gauge
from llm_orchestrator.pipeline.limits.line import Line

Source: TypeAlias = Literal["configuration", "preset", "headers", "refusals"]


class RateLimit(msgspec.Struct, frozen=True):
    """One limit of one model behind one key, as it stands."""

    provider: str
    model: str
    """Which model was asked; the limit may be shared with others of the provider."""
    key: str
    """A short hash of the key; nothing of the key itself."""
    what: str
    """requests, tokens, input tokens, output tokens, or requests in flight."""
    source: Source
    """Where it comes from: the configuration, its preset, headers of replies, or only refusals."""
    limit: int | None
    """``None`` where only refusals have shown that there is one."""
    left: int | None
    wait_s: float | None
    """Seconds until one more small request has room; ``None``: nobody knows."""
    waiting: int
    """Calls that wait in this line."""


def view(lines: Iterable[Line], now: float) -> tuple[RateLimit, ...]:
    """All limits of all lines."""
    return tuple(_one(line, gate, now) for line in lines for gate in line.gates)


def _one(line: Line, gate: Gate, now: float) -> RateLimit:
    wait = max(gate.wait(1, now), line.blocked - now, 0.0)
    what, limit, left = UNITS[gate.kind], gate.limit, None
    source: Source = "configuration"
    if isinstance(gate, Window):
        left = gate.limit - gate.used
        if gate.preset:
            source = "preset"
    elif isinstance(gate, Slots):
        what, left = "requests in flight", gate.limit - gate.taken
    elif isinstance(gate, Gauge):
        source, left = "headers", int(gate.level)
    else:
        source = "refusals"
    return RateLimit(
        provider=line.provider,
        model=line.model,
        key=line.name.removeprefix(f"{line.provider}#").partition("/")[0],
        what=what,
        source=source,
        limit=None if source == "refusals" else limit,
        left=None if left is None else max(0, left),
        wait_s=None if isinf(wait) else wait,
        waiting=sum(not waiter.gone for waiter in line.waiting),
    )
