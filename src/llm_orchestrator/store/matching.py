"""Which budgets an attempt is charged to."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from llm_orchestrator.store.periods import Span, span
from llm_orchestrator.types.budget import Budget

_KEPT = 4096
"""Callers whose charges are remembered."""
RUN = "run"
"""The tag that says which run an attempt belongs to."""


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
    """The same, before there is a row."""

    session_id: str | None
    user_id: str | None
    key_id: str | None
    tags: str | None
    started_at: int


class Key(NamedTuple):
    """A budget in one of its periods, of one subject."""

    budget_id: str
    window: str


class Charge(NamedTuple):
    """A window that an attempt is charged to, and what it is called."""

    key: Key
    budget: Budget
    subject: str
    span: Span


class Book:
    """The budgets that hold, found by who spends. Made anew when one of them changes."""

    def __init__(self, budgets: Iterable[Budget] = ()) -> None:
        self.budgets: dict[str, Budget] = {one.id: one for one in budgets}
        self._of: dict[tuple[str, str], list[Budget]] = {}
        for one in self.budgets.values():
            self._of.setdefault((one.scope, one.subject), []).append(one)
        scopes = {one.scope for one in self.budgets.values()}
        self._tags = bool(scopes & {"tag", "run"})
        self._callers: dict[tuple[str | None, ...], list[tuple[Budget, str]]] = {}
        self._spans: dict[tuple[str, str], Span] = {}

    def __bool__(self) -> bool:
        return bool(self.budgets)

    def charges(self, spender: Spender) -> Sequence[Charge]:
        """The windows that are charged, in the order of their keys."""
        if not self.budgets:
            return ()
        caller = (spender.session_id, spender.user_id, spender.key_id, spender.tags)
        found = self._callers.get(caller)
        if found is None:
            if len(self._callers) >= _KEPT:
                self._callers.clear()
            found = self._callers[caller] = self._matching(spender)
        return [self._charge(budget, subject, spender.started_at) for budget, subject in found]

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
        return sorted(found, key=lambda pair: (pair[0].id, pair[1]))

    def _for(self, scope: str, subject: str, each: str) -> list[tuple[Budget, str]]:
        """The budgets of one subject, and those of each where it has none of its own."""
        own = self._of.get((scope, subject), [])
        periods = {one.period for one in own}
        rest = [one for one in self._of.get((scope, each), ()) if one.period not in periods]
        return [(one, "") for one in own] + [(one, subject) for one in rest]

    def _charge(self, budget: Budget, subject: str, at_us: int) -> Charge:
        place = (budget.period, budget.zone)
        now = self._spans.get(place)
        if now is None or at_us < now.start_us or (now.end_us is not None and at_us >= now.end_us):
            now = self._spans[place] = span(budget.period, budget.zone, at_us)
        window = f"{now.key}/{subject}" if subject else now.key
        return Charge(Key(budget.id, window), budget, subject, now)
