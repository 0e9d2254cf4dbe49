"""What has been spent and done, read from the ledger: plain data, the same from both databases."""

import datetime as dt
import logging
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

import msgspec

from llm_orchestrator.errors import ConfigError, StoreError
from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.bad_rows import write
from llm_orchestrator.store.connect import connect, retire_dead
from llm_orchestrator.store.outage import advice_for, reason_of
from llm_orchestrator.store.rows import CallRow
from llm_orchestrator.store.spill import drain, waiting
from llm_orchestrator.store.urls import Target, parse_url
from llm_orchestrator.types.money import Pico, to_usd

log = logging.getLogger("llm_orchestrator")

Period: TypeAlias = Literal["daily", "weekly", "monthly", "all"]
Dimension: TypeAlias = Literal["provider", "model", "category", "strategy", "day", "user"]
_DAYS = {"daily": 1, "weekly": 7, "monthly": 30}
_SPLIT = 10**6  # SQLite's SUM overflows at 2**63: the parts above and below are summed apart


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows count; times are unix microseconds, ``until`` excluded."""

    since: int | None = None
    until: int | None = None
    provider: str | None = None
    model: str | None = None
    category: str | None = None
    strategy: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    call_id: str | None = None

    @classmethod
    def of(cls, period: str, *, now: dt.datetime | None = None, **others: Any) -> Self:
        """The filter of a period: today, the last 7 or 30 days with today, or all (in UTC)."""
        if period not in get_args(Period):
            raise ConfigError(
                f"period: {period!r} is none; write one of {', '.join(get_args(Period))}"
            )
        since = None
        if period in _DAYS:
            today = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).date()
            first = today - dt.timedelta(days=_DAYS[period] - 1)
            since = int(dt.datetime.combine(first, dt.time(), dt.UTC).timestamp()) * 10**6
        return cls(since=since, **others)

    def where(self) -> tuple[str, list[object]]:
        """The condition and its parameters."""
        parts: list[str] = []
        values: list[object] = []
        for name, value in msgspec.structs.asdict(self).items():
            if value is not None:
                sign = {
                    "since": "started_at >= ?",
                    "until": "started_at < ?",
                    "model": "? IN (model, provider || '/' || model)",  # also as reports show it
                }
                parts.append(sign.get(name, f"{name} = ?"))
                values.append(value)
        return " AND ".join(parts) or "1 = 1", values


class Totals(msgspec.Struct, kw_only=True):
    """Sums over calls and their attempts. Costs that are unknown are counted, not guessed."""

    calls: int = 0
    failed_calls: int = 0
    latency_us: int | None = None
    """Average of the calls."""
    cache_hits: int = 0
    """Calls whose answer was in the cache; they have no attempts."""
    saved_pico: Pico = 0
    """What those answers had cost when they were made, as far as that is known."""
    attempts: int = 0
    failed: int = 0
    """Attempts that did not end well, those of dead processes included."""
    open: int = 0
    """Attempts whose outcome is not known yet."""
    orphans: int = 0
    """Attempts whose process died before their outcome was written."""
    unpriced: int = 0
    """Ended attempts of unknown cost."""
    cost_pico: Pico = 0
    """What is known."""
    bound_pico: Pico = 0
    """At most this much more, for unpriced attempts that had an upper bound."""
    unbounded: int = 0
    """Unpriced attempts without an upper bound."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def cost(self) -> Decimal:
        """USD of what is known."""
        return to_usd(self.cost_pico)

    @property
    def saved(self) -> Decimal:
        """USD that the cache has saved, as far as that is known."""
        return to_usd(self.saved_pico)


def _parts(value: str) -> str:
    return f"SUM({value} / {_SPLIT}), SUM({value} - {value} / {_SPLIT} * {_SPLIT})"


_LOST = "cost_pico IS NULL AND status <> 'open'"
_HOLD = f"(CASE WHEN {_LOST} THEN hold_pico END)"
_TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")
_ATTEMPTS = (
    "COUNT(*), "
    "SUM(CASE WHEN status IN ('ok', 'open') THEN 0 ELSE 1 END), "
    "SUM(CASE WHEN status = 'open' THEN 1 ELSE 0 END), "
    "SUM(CASE WHEN status = 'unknown' THEN 1 ELSE 0 END), "
    f"SUM(CASE WHEN {_LOST} THEN 1 ELSE 0 END), "
    f"SUM(CASE WHEN {_LOST} AND hold_pico IS NULL THEN 1 ELSE 0 END), "
    f"{_parts('cost_pico')}, {_parts(_HOLD)}, " + ", ".join(f"SUM({t}_tokens)" for t in _TOKENS)
)
_CALLS = (
    "COUNT(*), SUM(CASE WHEN status = 'error' THEN 1 ELSE 0 END), "
    "SUM(latency_us / 1000), SUM(latency_us - latency_us / 1000 * 1000), "
    f"SUM(CASE WHEN cache_hit THEN 1 ELSE 0 END), {_parts('saved_pico')}"
)
_DAY = {
    "sqlite": "date(started_at / 1000000, 'unixepoch')",
    "postgres": "to_char(to_timestamp(started_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
_COLUMN = {"model": "provider || '/' || model", "user": "user_id"}


class Reports:
    """The read side of a store; a context manager. Raises `StoreError` for what cannot be read.

    Opening it also writes: it takes in spill files that dead processes left, and notes their end.
    A store that does not exist yet reads as empty and is not made.
    """

    def __init__(self, url: str | None = None) -> None:
        self.target: Target = parse_url(url)
        self._backend = open_current(self.target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self._backend.close()

    def totals(self, where: Filter | None = None) -> Totals:
        """Everything in one."""
        found = self._sums("''", where or Filter())
        return next(iter(found.values()), Totals())

    def by(self, dimension: Dimension, where: Filter | None = None) -> dict[str, Totals]:
        """Totals per provider, ``provider/model``, category, strategy, day (UTC) or user.

        What has no value, such as the provider of a call that nobody answered, is under ``""``.
        The most expensive comes first; days are in order.
        """
        if dimension not in get_args(Dimension):
            raise ConfigError(
                f"{dimension!r} is no grouping; write one of {', '.join(get_args(Dimension))}"
            )
        column = _DAY[self.target.kind] if dimension == "day" else _COLUMN.get(dimension, dimension)
        found = self._sums(column, where or Filter())
        if dimension == "day":
            return dict(sorted(found.items()))
        return dict(sorted(found.items(), key=lambda item: (-item[1].cost_pico, item[0])))

    def _sums(self, column: str, where: Filter) -> dict[str, Totals]:
        condition, values = where.where()
        tail = f"WHERE {condition} GROUP BY 1"
        found: dict[str, Totals] = {}
        sql = f"SELECT {column}, {_ATTEMPTS} FROM attempt_ledger {tail}"  # noqa: S608 - our names
        for key, *sums in self._query(sql, values):
            found[key or ""] = _attempt_totals([int(value or 0) for value in sums])
        sql = f"SELECT {column}, {_CALLS} FROM calls {tail}"  # noqa: S608 - our names
        for key, *sums in self._query(sql, values):
            count, failed, millis, micros, hits, *saved = (int(value or 0) for value in sums)
            totals = found.setdefault(key or "", Totals())
            totals.calls, totals.failed_calls = count, failed
            totals.latency_us = (millis * 1000 + micros) // count
            totals.cache_hits, totals.saved_pico = hits, saved[0] * _SPLIT + saved[1]
        return found

    def rows(
        self, where: Filter | None = None, *, attempts: bool = False, bodies: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Calls (or attempts) in order of time; ``started_at`` ISO, ``cost_usd`` Decimal."""
        condition, values = (where or Filter()).where()
        names = _ATTEMPT_FIELDS if attempts else _CALL_FIELDS
        if bodies and not attempts:
            names = (*names, "request_body", "response_body")
        table = "attempt_ledger" if attempts else "calls"
        key = names[0]
        sql = (
            f"SELECT {', '.join(names)} FROM {table} "  # noqa: S608 - our names
            f"WHERE {condition} ORDER BY started_at, {key}"
        )
        for row in self._query(sql, values):
            yield _shown(dict(zip(names, row, strict=True)))

    def call(self, call_id: str | None) -> dict[str, Any] | None:
        """One call as `rows` has it, by its id; ``None`` as the id is the last one."""
        if call_id is None:
            last = "SELECT call_id FROM calls ORDER BY started_at DESC, call_id DESC LIMIT 1"
            call_id = next((row[0] for row in self._query(last, [])), None)
            if call_id is None:
                return None
        return next(self.rows(Filter(call_id=call_id)), None)

    def attempts_of(self, call_id: str) -> Iterator[dict[str, Any]]:
        """The attempts of a call, in the order in which they went out."""
        return self.rows(Filter(call_id=call_id), attempts=True)

    def _query(self, sql: str, values: list[object]) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._backend.query(sql, values)
        except self._backend.errors as error:
            raise unreadable(self.target, error) from error


_CALL_FIELDS = tuple(
    name
    for name in CallRow.__struct_fields__
    if name not in {"request_body", "response_body", "features"}
)
_ATTEMPT_FIELDS = (
    *("attempt_id", "call_id", "session_id", "number", "provider", "model", "started_at"),
    *("ended_at", "status", "error", "status_code", "request_id", "input_tokens"),
    *("output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("reasoning_tokens", "usage_estimated", "cost_pico", "cost_source", "hold_pico"),
    *("latency_us", "first_token_us", "category", "strategy", "user_id", "tags"),
)


def open_current(target: Target) -> Backend:
    """The store, with all that dead processes left; an empty one where there is none yet."""
    if target.kind == "sqlite" and not Path(target.place).exists():
        return connect(Target("sqlite", ":memory:"))
    backend = connect(target)
    faults: tuple[type[Exception], ...] = (*backend.errors, StoreError, OSError)
    try:
        backend.open()
    except faults as error:
        backend.close()
        raise unreadable(target, error) from error
    try:
        for group in drain(target):
            write(backend, target, group)
        retire_dead(backend, time.time_ns() // 1000)
    except backend.errors as error:
        # Whoever may only read still gets a report; attempts of the dead then count as open.
        log.debug("the ledger could not be brought up to date: %s", reason_of(error, target))
    if left := [str(path) for path in waiting(target)]:
        log.warning("rows that wait in %s are not in the ledger yet", ", ".join(left))
    return backend


def unreadable(target: Target, error: Exception) -> StoreError:
    """What to raise for what a database raised."""
    if isinstance(error, StoreError):
        return error
    reason = reason_of(error, target)
    return StoreError(
        f"the ledger at {target.shown} cannot be read: {reason.rstrip('.')}. "
        f"{advice_for(error, reason)}"
    )


def _attempt_totals(sums: list[int]) -> Totals:
    counts, money, tokens = sums[:6], sums[6:10], sums[10:]
    attempts, failed, waiting, orphans, unpriced, unbounded = counts
    return Totals(
        attempts=attempts,
        failed=failed,
        open=waiting,
        orphans=orphans,
        unpriced=unpriced,
        unbounded=unbounded,
        cost_pico=money[0] * _SPLIT + money[1],
        bound_pico=money[2] * _SPLIT + money[3],
        **{f"{name}_tokens": value for name, value in zip(_TOKENS, tokens, strict=True)},
    )


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """The row for people: times in ISO, money in USD, truth values as such."""
    for name in ("started_at", "ended_at"):
        if row[name] is not None:
            time = dt.datetime.fromtimestamp(row[name] // 10**6, dt.UTC)
            row[name] = time.replace(microsecond=row[name] % 10**6).isoformat()
    for name in ("stream", "fallback_used", "usage_estimated", "cache_hit"):
        if row.get(name) is not None:
            row[name] = bool(row[name])
    return {
        name.replace("_pico", "_usd"): to_usd(value)
        if name.endswith("_pico") and value is not None
        else value
        for name, value in row.items()
    }
