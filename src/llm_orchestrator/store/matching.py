"""Which budgets an attempt is charged to."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from llm_orchestrator.store.periods import Span, span
from llm_orchestrator.types.budget import Budget

_KEPT = 4096
"""Callers whose charges are remembered."""
_EVER = 2**63
RUN = "run"
"""The tag that says which run an attempt belongs to."""

Key: TypeAlias = str
"""A budget in one of its periods, of one subject: ``bud_1 2026-11/ana``."""


def make_key(budget_id: str, window_key: str) -> Key:
    """The key of a window."""
    return f"{budget_id} {window_key}"


def split_key(key: Key) -> tuple[str, str]:
    """The budget's id, and the key of the window in it."""
    budget_id, _, window_key = key.partition(" ")
    return budget_id, window_key


class Spender(Protocol):
    """Who spends, as an `AttemptRow` says it."""

    @property
    def session_id(self) -> str | None: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def key_id(self) -> str | None: ...
    @property
    def tags(self) -> str | None: ...
    @property
    def started_at(self) -> int: ...


class Caller(NamedTuple):
    """A `Spender` for whom there is no row yet."""

    session_id: str | None
    user_id: str | None
    key_id: str | None
    tags: str | None
    started_at: int


class Charge(NamedTuple):
    """A window that an attempt is charged to, and what it is called."""

    key: Key
    budget: Budget
    subject: str
    span: Span


class Charges(msgspec.Struct, frozen=True, eq=False):
    """All windows of one caller; the same object as long as nothing of it changes."""

    items: tuple[Charge, ...] = ()
    keys: tuple[Key, ...] = ()
    """In order."""
    text: str = ""
    """The keys as lines."""
    start_us: int = 0
    end_us: int = _EVER


NOTHING = Charges()


class Book:
    """The budgets that hold, found by who spends. Made anew when one of them changes."""

    def __init__(self, budgets: Iterable[Budget] = ()) -> None:
        self.budgets: dict[str, Budget] = {one.id: one for one in budgets}
        self._of: dict[tuple[str, str], list[Budget]] = {}
        for one in self.budgets.values():
            self._of.setdefault((one.scope, one.subject), []).append(one)
        scopes = {one.scope for one in self.budgets.values()}
        self._tags = bool(scopes & {"tag", "run"})
        self._known: dict[tuple[str | None, ...], Charges] = {}

    def __bool__(self) -> bool:
        return bool(self.budgets)

    def charges(self, spender: Spender) -> Charges:
        """The windows that are charged."""
        if not self.budgets:
            return NOTHING
        caller = (spender.session_id, spender.user_id, spender.key_id, spender.tags)
        found = self._known.get(caller)
        if found is None or not found.start_us <= spender.started_at < found.end_us:
            if len(self._known) >= _KEPT:
                self._known.clear()
            found = self._known[caller] = self._find(spender)
        return found

    def _find(self, spender: Spender) -> Charges:
        pairs = self._matching(spender)
        items = [_charge(budget, subject, spender.started_at) for budget, subject in pairs]
        items.sort(key=lambda one: one.key)
        if not items:
            return NOTHING
        keys = tuple(one.key for one in items)
        ends = [one.span.end_us for one in items if one.span.end_us is not None]
        start = max(one.span.start_us for one in items)
        return Charges(tuple(items), keys, "\n".join(keys), start, min(ends, default=_EVER))

    def _matching(self, spender: Spender) -> list[tuple[Budget, str]]:
        found = [(one, "") for one in self._of.get(("global", ""), ())]
        own = (
            ("session", spender.session_id),
            ("user", spender.user_id),
            ("key", spender.key_id),
        )
        for scope, subject in own:
            if subject:
                found += self._for(scope, subject, "")
        if self._tags and spender.tags:
            tags: dict[str, str] = msgspec.json.decode(spender.tags)
            for name, value in tags.items():
                found += self._for("tag", f"{name}={value}", name)
            if run := tags.get(RUN):
                found += self._for("run", run, "")
        return found

    def _for(self, scope: str, subject: str, each: str) -> list[tuple[Budget, str]]:
        """The budgets of one subject, and those of each where it has none of its own."""
        own = self._of.get((scope, subject), [])
        periods = {one.period for one in own}
        rest = [one for one in self._of.get((scope, each), ()) if one.period not in periods]
        return [(one, "") for one in own] + [(one, _one_line(subject)) for one in rest]


def _charge(budget: Budget, subject: str, at_us: int) -> Charge:
    then = span(budget.period, budget.zone, at_us)
    window = f"{then.key}/{subject}" if subject else then.key
    return Charge(make_key(budget.id, window), budget, subject, then)


def _one_line(subject: str) -> str:
    return " ".join(subject.split()) if "\n" in subject or "\r" in subject else subject
