"""What the rate-limit headers of replies say, in the notation of each provider."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from time import time

import msgspec

from llm_orchestrator.pipeline.limits.gates import INPUT, OUTPUT, REQUESTS, TOKENS

_MINUTE, _DAY = 60.0, 86400.0


class Names(msgspec.Struct, frozen=True, gc=False):
    """The headers that tell one limit; ``reset`` may be missing."""

    kind: int
    remaining: str
    limit: str
    reset: str
    period: float = _MINUTE


def _names(kind: int, form: str, period: float = _MINUTE) -> Names:
    remaining, limit, reset = (form.format(word) for word in ("remaining", "limit", "reset"))
    return Names(kind, remaining, limit, reset, period)


KNOWN: tuple[Names, ...] = (
    # OpenAI, Azure, Groq and most who imitate them
    _names(REQUESTS, "x-ratelimit-{}-requests"),
    _names(TOKENS, "x-ratelimit-{}-tokens"),
    _names(REQUESTS, "anthropic-ratelimit-requests-{}"),
    _names(TOKENS, "anthropic-ratelimit-tokens-{}"),
    _names(INPUT, "anthropic-ratelimit-input-tokens-{}"),
    _names(OUTPUT, "anthropic-ratelimit-output-tokens-{}"),
    # Mistral; Together and OpenRouter use the first one, too
    _names(REQUESTS, "x-ratelimit-{}"),
    _names(REQUESTS, "x-ratelimit-{}-req-minute"),
    _names(TOKENS, "x-ratelimit-{}-tokens-minute"),
    _names(TOKENS, "x-tokenlimit-{}"),
    # gateways and servers of your own that follow the IETF's draft
    _names(REQUESTS, "ratelimit-{}"),
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": _DAY}
_EPOCH_S, _EPOCH_MS = 1e9, 1e12
"""Larger numbers are no durations but times."""


def told(headers: Mapping[str, str], *, daily: bool = False) -> tuple[Names, ...]:
    """The limits that a reply tells; ``daily``: it counts requests by the day."""
    found = [one for one in KNOWN if headers.get(one.remaining) is not None]
    if daily:
        found = [
            msgspec.structs.replace(one, period=_DAY) if one.kind == REQUESTS else one
            for one in found
        ]
    return tuple(found)


def amount(text: str | None) -> int | None:
    """A count from 0; ``None`` for anything else, such as the -1 of limits that are none."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return int(number) if number >= 0 and isfinite(number) else None


def limit(text: str | None) -> int | None:
    """A limit; of several (``100, 100;w=60``) the first."""
    return amount(text.partition(",")[0].partition(";")[0]) if text else None


def seconds(text: str | None, headers: Mapping[str, str]) -> float | None:
    """A reset in seconds from now: ``6m0s``, ``1.5``, a time of day, or seconds since 1970.

    A time is compared with the reply's own ``Date``: our clock may be wrong.
    """
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return _written(text.strip(), headers)
    if not isfinite(number) or number < 0:
        return None
    if number >= _EPOCH_S:
        at = number / 1000 if number >= _EPOCH_MS else number
        return max(0.0, at - _now(headers))
    return number


def _written(text: str, headers: Mapping[str, str]) -> float | None:
    parts = _DURATION.findall(text)
    if parts and "".join(map("".join, parts)) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            return None
        return max(0.0, at.timestamp() - _now(headers))
    except (ValueError, OverflowError):
        return None


def _now(headers: Mapping[str, str]) -> float:
    try:
        return parsedate_to_datetime(headers.get("date") or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return time()
