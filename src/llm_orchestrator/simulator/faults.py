"""Faults: what can go wrong, and how a test asks for it.

Three ways to get one:

1. by model name: `<model>+fault=<name>[,<key>=<value>...]`, for example
   `sim-chat+fault=rate-limit,times=2,retry_after=1` or `gpt-4o-mini+fault=cut,after=12`;
2. by rate: a share of all requests (`fault_rate`), drawn from a mix by the seed and the request's
   content, so that the same request sent again gets a new draw and order does not matter;
3. by a rule: `POST /_faults {"fault": "stall", "model": "gpt-*", "account": "...", "count": 3}`.
   `count` limits how often a rule strikes; without it, it stays until `POST /_reset`.

Keys: `times` (only the first n attempts of this account on this model; 0 = all), `after` (tokens
before it strikes, or for `malformed` the number of the broken event), `seconds`, `retry_after`,
`status`, `share` (of a batch's items).

A rule strikes requests that generate, unless `on` names a batch operation: upload, create, poll,
list, results, cancel, delete (`*` = all of these and requests). Faults that only batches have
strike `create`, and then only that batch; those of lists strike `list`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from llm_orchestrator.simulator.draw import Draw

MARK: Final = "+fault="


class FaultNameError(ValueError):
    """The name, key or value of a fault is not known."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault with its figures; see the module's text for the keys."""

    name: str
    stage: str
    times: int = 0
    after: int = 0
    seconds: float = 0.0
    retry_after: float | None = None
    status: int = 0
    share: float = 0.1

    def strikes(self, attempt: int) -> bool:
        """Whether this attempt (from 1) of an account on a model is hit."""
        return self.times == 0 or attempt <= self.times


def _kinds() -> dict[str, Fault]:
    """By stage: status (an error reply), socket (before headers), late (a delay), stream, content.

    A fault of the stage `batch` tells what becomes of a batch that was accepted; one of `list` what
    a list of batches shows.
    """
    statuses = {
        "rate-limit": Fault("rate-limit", "status", status=429, retry_after=2.0),
        "rate-limit-bare": Fault("rate-limit-bare", "status", status=429),
        "quota": Fault("quota", "status", status=429),
        "server-error": Fault("server-error", "status", status=500),
        "bad-gateway": Fault("bad-gateway", "status", status=502),
        "unavailable": Fault("unavailable", "status", status=503),
        "overloaded": Fault("overloaded", "status", status=529),
        "gzip-error": Fault("gzip-error", "status", status=500),
        "status": Fault("status", "status", status=504),
        "context-length": Fault("context-length", "status", status=400),
        "content-filter": Fault("content-filter", "status", status=400),
        "prefill-refused": Fault("prefill-refused", "status", status=400),
        "down": Fault("down", "status", status=503, seconds=60.0),
    }
    others = [
        Fault("reset", "socket"),
        Fault("silence", "socket", seconds=120.0),
        Fault("slow-headers", "late", seconds=20.0),
        Fault("slow-first", "late", seconds=20.0),
        Fault("cut", "stream", after=40),
        Fault("cut-clean", "stream", after=40),
        Fault("cut-reset", "stream", after=40),
        Fault("stall", "stream", after=20, seconds=30.0),
        Fault("malformed", "stream", after=10),
        Fault("no-done", "stream"),
        Fault("no-usage", "stream"),
        Fault("double-finish", "stream"),
        Fault("error-first", "stream"),
        Fault("error-mid", "stream", after=10),
        Fault("split-utf8", "stream"),
        Fault("wrong-length", "stream"),
        Fault("error-body", "content"),
        Fault("empty", "content"),
        Fault("filtered", "content", after=8),
        Fault("lost-reply", "batch"),
        Fault("lost-reply-reset", "batch"),
        Fault("error-after-accept", "batch", status=500),
        Fault("batch-failed", "batch"),
        Fault("refused-lines", "batch"),
        Fault("batch-expired", "batch", share=0.5),
        Fault("item-errors", "batch", status=500),
        Fault("garbage-results", "batch"),
        Fault("unknown-ids", "batch"),
        Fault("doubled-results", "batch"),
        Fault("missing-results", "batch"),
        Fault("lost-results", "batch"),
        Fault("unmetered-results", "batch"),
        Fault("late-results", "batch", seconds=7200.0),
        Fault("doubled-list", "list"),
        Fault("oldest-first", "list"),
    ]
    return statuses | {fault.name: fault for fault in others}


KINDS: Final = _kinds()
"""Every fault by name, with its default figures."""

_USUAL: Final = {"batch": "create", "list": "list"}
"""Stages whose faults strike something else than requests."""

DEFAULT_MIX: Final[dict[str, int]] = {
    "rate-limit,retry_after=1": 3,
    "server-error": 3,
    "unavailable": 3,
    "overloaded": 2,
    "reset": 3,
    "cut,after=5": 3,
    "error-mid,after=3": 1,
    "empty": 1,
    "bad-gateway": 1,
}
"""What `fault_rate` draws from: a fault as in a model name, and its weight."""


def parse(text: str) -> Fault:
    """A fault from `<name>[,<key>=<value>...]`."""
    name, *options = [part.strip() for part in text.split(",")]
    if name not in KINDS:
        raise FaultNameError(f"no fault {name!r}; there are {', '.join(sorted(KINDS))}")
    return configure(KINDS[name], dict(_pair(option) for option in options))


def _pair(option: str) -> tuple[str, str]:
    key, mark, value = option.partition("=")
    if not mark:
        raise FaultNameError(f"{option!r} is not <key>=<value>")
    return key, value


def configure(fault: Fault, options: dict[str, Any]) -> Fault:
    """A fault with other figures; values may be text."""
    whole, real = ("times", "after", "status"), ("seconds", "retry_after", "share")
    figures: dict[str, Any] = {}
    for key, value in options.items():
        try:
            if key in whole:
                figures[key] = int(value)
            elif key in real:
                figures[key] = float(value)
            else:
                raise FaultNameError(f"no key {key!r}; there are {', '.join(whole + real)}")
        except (TypeError, ValueError) as error:
            raise FaultNameError(f"{key}={value!r}: {error}") from error
    return replace(fault, **figures)


def of_model(name: str) -> tuple[str, Fault | None]:
    """Split a model name as sent into the model's own name and the fault it asks for."""
    model, mark, text = name.partition(MARK)
    return (model, parse(text)) if mark else (name, None)


@dataclass(slots=True)
class Rule:
    """A fault for requests that match; patterns are those of file names (`gpt-*`)."""

    id: int
    fault: Fault
    model: str = "*"
    account: str = "*"
    provider: str = "*"
    on: str = "request"
    count: int | None = None
    rate: float = 1.0
    hits: int = 0

    def matches(self, provider: str, account: str, model: str, on: str) -> bool:
        """Whether the rule still has hits left and covers this request."""
        left = self.count is None or self.hits < self.count
        return (
            left
            and fnmatchcase(on, self.on)
            and fnmatchcase(model, self.model)
            and fnmatchcase(account, self.account)
            and fnmatchcase(provider, self.provider)
        )


class FaultBook:
    """Rules, the random mix, and the attempts of each account on each model."""

    def __init__(self, seed: int, rate: float, mix: dict[str, int] | None = None) -> None:
        self._seed = seed
        self.rate = rate
        weights = DEFAULT_MIX if mix is None else mix
        self._mix = [parse(name) for name, weight in weights.items() for _ in range(weight)]
        self._attempts: dict[tuple[str, ...], int] = {}
        self._next = 1
        self.rules: list[Rule] = []

    def reset(self) -> None:
        """Forget attempts and rules."""
        self._attempts.clear()
        self.rules.clear()

    def attempt(self, *key: str) -> int:
        """Count an attempt under this key; the first is 1."""
        self._attempts[key] = self._attempts.get(key, 0) + 1
        return self._attempts[key]

    def add(self, spec: dict[str, Any]) -> Rule:
        """A rule from the body of `POST /_faults`."""
        spec = dict(spec)
        name = spec.pop("fault", None)
        if not isinstance(name, str):
            raise FaultNameError("'fault' must name a fault")
        rule = Rule(id=self._next, fault=parse(name))
        for key in ("model", "account", "provider"):
            setattr(rule, key, str(spec.pop(key, "*")))
        rule.on = str(spec.pop("on", _USUAL.get(rule.fault.stage, "request")))
        count = spec.pop("count", None)
        rule.count = None if count is None else int(count)
        rule.rate = float(spec.pop("rate", 1.0))
        rule.fault = configure(rule.fault, spec)
        self._next += 1
        self.rules.append(rule)
        return rule

    def ruled(self, provider: str, account: str, model: str, on: str = "request") -> Fault | None:
        """The fault of the first rule that strikes this request."""
        for rule in self.rules:
            if not rule.matches(provider, account, model, on):
                continue
            if rule.rate < 1 and Draw(self._seed, rule.id, *self._count(rule)).fraction() >= (
                rule.rate
            ):
                continue
            rule.hits += 1
            return rule.fault
        return None

    def _count(self, rule: Rule) -> tuple[int]:
        return (self.attempt("rule", str(rule.id)),)

    def drawn(self, account: str, model: str, content: str) -> Fault | None:
        """The fault that the random mix has for this sending of this content."""
        if self.rate <= 0 or not self._mix:
            return None
        turn = self.attempt("drawn", account, model, content)
        draw = Draw(self._seed, account, model, content, turn)
        return draw.pick(self._mix) if draw.fraction() < self.rate else None
