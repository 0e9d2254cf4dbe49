"""The sixteen cases of the public Failover Bench, as models `fb-...` on every wire.

A healthy answer is always the same sixty words, one word a token. The figures come from a set of
timings, so that a test need not wait as long as a real outage does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llm_orchestrator.simulator.faults import KINDS, Fault, configure

ANSWER: Final = (
    "Anyone can look reliable while every provider behind them answers on time. The useful moment "
    "comes when one replies late, another hangs up halfway through a sentence, and a third calls "
    "the request too large. What a caller remembers afterwards is simple: whether the answer "
    "arrived whole, whether it came soon enough to matter, and whether the bill was honest."
)
"""Sixty words."""

TIMINGS: Final[dict[str, dict[str, float]]] = {
    "full": {
        "retry_after": 2.0,
        "slow_first": 20.0,
        "stall": 30.0,
        "silence": 120.0,
        "down": 60.0,
        "token": 0.015,
    },
    "fast": {
        "retry_after": 2.0,
        "slow_first": 3.0,
        "stall": 4.0,
        "silence": 15.0,
        "down": 6.0,
        "token": 0.005,
    },
}
"""Seconds: how long each fault lasts and how long an `fb-` model takes for a token."""

_CASES: Final[dict[str, tuple[str, dict[str, int], str]]] = {
    "s01": ("rate-limit", {"times": 1}, "429 with Retry-After"),
    "s02": ("rate-limit-bare", {}, "429 without Retry-After, persistent"),
    "s03": ("server-error", {"times": 1}, "500 once, then healthy"),
    "s04": ("unavailable", {}, "503 persistent"),
    "s05": ("reset", {"times": 1}, "reset before headers"),
    "s06": ("silence", {}, "no response at all"),
    "s07": ("slow-first", {}, "slow first token"),
    "s08": ("cut", {"after": 40}, "stream cut"),
    "s09": ("stall", {"after": 20}, "stream stalls"),
    "s10": ("malformed", {"after": 10}, "malformed chunk"),
    "s11": ("no-done", {}, "no [DONE]"),
    "s12": ("context-length", {}, "context length exceeded"),
    "s13": ("content-filter", {}, "content filter"),
    "s14": ("cut", {"after": 40}, "stream cut; the fallback refuses prefill"),
    "s15": ("down", {}, "down, then healthy"),
    "s16": ("unavailable", {}, "503 persistent; the accounting counts"),
}

MODELS: Final = (
    "fb-ok",
    "fb-ok-noprefill",
    "fb-s01-429-retry-after",
    "fb-s02-429-persistent",
    "fb-s03-500-then-200",
    "fb-s04-503-persistent",
    "fb-s05-reset",
    "fb-s06-no-response",
    "fb-s07-slow-ttft",
    "fb-s08-stream-cut",
    "fb-s09-stream-stall",
    "fb-s10-malformed-chunk",
    "fb-s11-no-done",
    "fb-s12-context-length",
    "fb-s13-content-filter",
    "fb-s14-stream-cut",
    "fb-s15-flap",
    "fb-s16-503-persistent",
)

_LASTING: Final = {
    "rate-limit": ("retry_after", "retry_after"),
    "silence": ("seconds", "silence"),
    "slow-first": ("seconds", "slow_first"),
    "slow-headers": ("seconds", "slow_first"),
    "stall": ("seconds", "stall"),
    "down": ("seconds", "down"),
}


def timings(given: str | Mapping[str, float]) -> dict[str, float]:
    """A set of timings by name, or the full set with some figures replaced."""
    if isinstance(given, str):
        if given not in TIMINGS:
            raise ValueError(f"no timings {given!r}; there are {', '.join(TIMINGS)}")
        return dict(TIMINGS[given])
    unknown = set(given) - set(TIMINGS["full"])
    if unknown:
        raise ValueError(f"no timings {sorted(unknown)}; there are {list(TIMINGS['full'])}")
    return TIMINGS["full"] | dict(given)


def timed(fault: Fault, seconds: Mapping[str, float]) -> Fault:
    """The fault with the duration of this set, unless it was given one of its own."""
    key, figure = _LASTING.get(fault.name, ("", ""))
    if not key or getattr(fault, key) != getattr(KINDS[fault.name], key):
        return fault
    return configure(fault, {key: seconds[figure]})


def fault_of(model: str) -> Fault | None:
    """The fault that belongs to an `fb-` model, by the number in its name."""
    case = _CASES.get(model[3:6]) if model.startswith("fb-s") else None
    return configure(KINDS[case[0]], dict(case[1])) if case else None


def exists(model: str) -> bool:
    """Whether the name is one of the bench's models."""
    return model in MODELS
