"""Answers kept in the ledger's database, SQLite or PostgreSQL."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.cache_rows import CacheRow, CacheTotals, Found
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.outage import reason_of
from llm_orchestrator.store.urls import Target

_CHUNK = 64
"""Rows a statement."""
_SPLIT = 10**6  # SQLite's SUM overflows at 2**63: the parts above and below are summed apart
_COLUMNS = "request_hash, response_body, created_at, expires_at, tenant, provider, model, cost_pico"
_NEW = ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS.split(", ") if name != "request_hash"
)
_SELECT = "SELECT request_hash, CAST(response_body AS TEXT), created_at, expires_at FROM ai_cache"
_HIT = "UPDATE ai_cache SET hit_count = hit_count + ?, last_hit_at = ?"
_SIZE = {
    "sqlite": "LENGTH(CAST(response_body AS BLOB))",
    "postgres": "octet_length(CAST(response_body AS TEXT))",
}
_SAVED = "hit_count * cost_pico"
_LIVE = "expires_at IS NULL OR expires_at > ?"


class SQLShelf:
    """One connection, used by one thread."""

    def __init__(self, target: Target, timeout_s: float = 5.0) -> None:
        self._target = target
        self._backend: Backend = connect(target, timeout_s)
        self._lock = "FOR UPDATE" if target.kind == "postgres" else ""

    @property
    def shown(self) -> str:
        """The database, without its password."""
        return self._target.shown

    @property
    def data_errors(self) -> tuple[type[Exception], ...]:
        """What is raised for rows that the database will never take."""
        return self._backend.data_errors

    def reason(self, error: Exception) -> str:
        """What went wrong in one line, without the password."""
        return reason_of(error, self._target)

    def find(self, keys: Sequence[str], now_us: int) -> Mapping[str, Found]:
        """Those of the keys that are there and have not run out."""
        found: dict[str, Found] = {}
        for start in range(0, len(keys), _CHUNK):
            some = list(keys[start : start + _CHUNK])
            # A few lengths only, so that few statements are ever prepared.
            some += some[:1] * ((1 << (len(some) - 1).bit_length()) - len(some))
            sql = f"{_SELECT} WHERE request_hash IN ({_marks(len(some))})"
            for key, body, created_at, expires_at in self._backend.query(sql, some):
                entry = Found(body.encode(), created_at, expires_at or 2**63)
                if entry.expires_at > now_us:
                    found[key] = entry
        return found

    def put(self, rows: Sequence[CacheRow]) -> None:
        """Keep answers, in place of older ones with the same key; counts begin anew."""
        # A statement must not name a key twice; the last one counts. In one order, so that two
        # processes cannot wait for each other.
        latest = {row.key: row for row in rows}
        rows = [latest[key] for key in sorted(latest)]
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            values = ", ".join([f"({_marks(8)})"] * len(some))
            sql = (
                f"INSERT INTO ai_cache ({_COLUMNS}) VALUES {values}"  # noqa: S608 - marks
                f" ON CONFLICT (request_hash) DO UPDATE SET {_NEW}, hit_count = 0,"
                " last_hit_at = NULL"
            )
            self._backend.execute(sql, [value for row in some for value in _values(row)])

    def hit(self, hits: Mapping[str, int], now_us: int) -> None:
        """Count how often answers were given again."""
        by_count: dict[int, list[str]] = {}
        for key in sorted(hits):
            by_count.setdefault(hits[key], []).append(key)
        for count, keys in by_count.items():
            for start in range(0, len(keys), _CHUNK):
                some = keys[start : start + _CHUNK]
                # Locked in one order, so that two processes cannot wait for each other.
                chosen = f"request_hash IN ({_marks(len(some))})"
                self._backend.execute(f"{_HIT} {self._some(chosen)}", [count, now_us, *some])

    def sweep(self, now_us: int, most: int) -> int:
        """Remove at most so many whose time has run out."""
        some = self._some("expires_at <= ?", "LIMIT ?")
        return self._backend.execute(f"DELETE FROM ai_cache {some}", [now_us, most])  # noqa: S608

    def _some(self, condition: str, limit: str = "") -> str:
        chosen = "WHERE request_hash IN (SELECT request_hash FROM ai_cache"
        return f"{chosen} WHERE {condition} ORDER BY request_hash {limit} {self._lock})"

    def clear(self, *, before_us: int | None = None, tenant: str | None = None) -> int:
        """Remove all, or those made before a time, or of one tenant."""
        if self._missing:
            return 0
        conditions, values = ["1 = 1"], list[object]()
        if before_us is not None:
            conditions.append("created_at < ?")
            values.append(before_us)
        if tenant is not None:
            conditions.append("tenant = ?")
            values.append(tenant)
        where = " AND ".join(conditions)
        return self._backend.execute(f"DELETE FROM ai_cache WHERE {where}", values)  # noqa: S608

    def totals(self, now_us: int) -> CacheTotals:
        """What lies in it; a file that is not there yet is not made."""
        if self._missing:
            return CacheTotals()
        sql = (
            f"SELECT SUM(CASE WHEN {_LIVE} THEN 1 ELSE 0 END),"  # noqa: S608 - our own names
            f" SUM(CASE WHEN {_LIVE} THEN 0 ELSE 1 END),"
            f" SUM({_SIZE[self._target.kind]}), COUNT(DISTINCT tenant), SUM(hit_count),"
            f" SUM({_SAVED} / {_SPLIT}), SUM({_SAVED} - {_SAVED} / {_SPLIT} * {_SPLIT}),"
            " MIN(created_at), MAX(created_at) FROM ai_cache"
        )
        (row,) = self._backend.query(sql, [now_us, now_us])
        counts = [int(value or 0) for value in row[:7]]
        return CacheTotals(
            entries=counts[0],
            expired=counts[1],
            bytes=counts[2],
            tenants=counts[3],
            hits=counts[4],
            saved_pico=counts[5] * _SPLIT + counts[6],
            oldest=row[7],
            newest=row[8],
        )

    @property
    def _missing(self) -> bool:
        return self._target.kind == "sqlite" and not Path(self._target.place).exists()

    def close(self) -> None:
        """Disconnect."""
        self._backend.close()


def _values(row: CacheRow) -> tuple[object, ...]:
    return (
        row.key,
        row.body.decode(),
        row.created_at,
        row.expires_at,
        row.tenant,
        row.provider,
        row.model,
        row.cost_pico,
    )


def _marks(count: int) -> str:
    return ", ".join("?" * count)
