"""Jobs: single requests that wait, are taken into a run by priority, and get their results back."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, TypeAlias

import msgspec

from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.bulk_connection import BulkConnection
from llm_orchestrator.store.bulk_history import INSERT as INSERT_ESTIMATE
from llm_orchestrator.store.bulk_history import EstimateRow
from llm_orchestrator.store.bulk_rows import NewItem, RunRow
from llm_orchestrator.store.bulk_runs import INSERT as INSERT_RUN

JobState: TypeAlias = Literal["queued", "running", "completed", "failed", "cancelled"]
MARK = "queue/"
"""How the name of a run of queued jobs begins; provider and job type follow."""
_CHUNK = 500
_LOCK = 0x6C6C6D71
"""Key of PostgreSQL's lock under which one process at a time takes jobs or runs."""


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """One job. ``data`` and ``result`` are JSON texts; times are unix microseconds."""

    job_id: str
    job_type: str
    provider: str
    data: str
    priority: int = 5
    state: JobState = "queued"
    queued_at: int
    started_at: int | None = None
    ended_at: int | None = None
    run_id: str | None = None
    item_no: int | None = None
    result: str | None = None
    error: str | None = None


class Waiting(msgspec.Struct, frozen=True):
    """Jobs of one type at one provider that wait."""

    job_type: str
    provider: str
    priority: int
    """The highest of them."""
    count: int


class JobOutcome(msgspec.Struct, frozen=True):
    """What became of a job; ``queued`` when nothing was asked."""

    item_no: int
    state: JobState
    result: str | None
    error: str | None


_FIELDS = tuple(field.name for field in msgspec.structs.fields(JobRow))
_JSON = frozenset(("data", "result"))
_COLUMNS = ", ".join(f"CAST({name} AS TEXT)" if name in _JSON else name for name in _FIELDS)
_SELECT = f"SELECT {_COLUMNS} FROM bulk_jobs"  # noqa: S608 - our names
_INSERT = (
    f"INSERT INTO bulk_jobs ({', '.join(_FIELDS)}) "  # noqa: S608 - our names
    f"VALUES ({', '.join('?' * len(_FIELDS))}) ON CONFLICT DO NOTHING"
)
_INSERT_ITEM = (
    "INSERT INTO bulk_items (run_id, item_no, task, user_id, digest, row) VALUES (?, ?, ?, ?, ?, ?)"
)
_ANSWERED = (
    "SELECT i.item_no, i.task, i.user_id, i.state, i.provider, i.model, i.result, i.error,"
    " i.input_tokens, i.output_tokens, i.cost_pico FROM bulk_jobs j"
    " JOIN bulk_items i ON i.run_id = j.run_id AND i.item_no = j.item_no"
    " WHERE j.run_id = ? AND j.state = 'running'"
)


class BulkJobs:
    """Reads and changes `bulk_jobs`. ``wall`` gives unix seconds, for leases."""

    def __init__(self, connection: BulkConnection, wall: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._wall = wall

    def add(self, jobs: Iterable[JobRow]) -> int:
        """Write new jobs, a chunk at a time; how many were new."""
        rows, count = iter(jobs), 0
        while chunk := [msgspec.structs.astuple(job) for job in islice(rows, _CHUNK)]:
            with self._connection(atomic=True) as backend:
                count += backend.execute_many(_INSERT, chunk)
        return count

    def get(self, job_id: str) -> JobRow | None:
        """The job as it stands."""
        found = self._read("WHERE job_id = ?", (job_id,))
        return found[0] if found else None

    def of_run(self, run_id: str, after: int = -1, limit: int = 1000) -> list[JobRow]:
        """The jobs of a run, in order of their items."""
        rest = "WHERE run_id = ? AND item_no > ? ORDER BY item_no LIMIT ?"
        return self._read(rest, (run_id, after, limit))

    def listed(
        self,
        *,
        state: JobState | None = None,
        job_type: str | None = None,
        provider: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[JobRow]:
        """Jobs in the order in which they are taken: the highest priority first, then the oldest.

        ``before`` leaves out those that were queued later.
        """
        asked: dict[str, object] = {"state": state, "job_type": job_type, "provider": provider}
        given = {name: value for name, value in asked.items() if value is not None}
        parts = [f"{name} = ?" for name in given]
        values = list(given.values())
        if before is not None:
            parts.append("queued_at <= ?")
            values.append(before)
        where = f"WHERE {' AND '.join(parts)} " if parts else ""
        return self._read(
            f"{where}ORDER BY priority DESC, queued_at, job_id LIMIT ?", (*values, limit)
        )

    def waiting(self, before: int | None = None) -> list[Waiting]:
        """What waits, by job type and provider, the most urgent first."""
        until = "" if before is None else " AND queued_at <= ?"
        sql = (
            "SELECT job_type, provider, MAX(priority), COUNT(*) FROM bulk_jobs"  # noqa: S608
            f" WHERE state = 'queued'{until} GROUP BY job_type, provider"
            " ORDER BY MAX(priority) DESC, MIN(queued_at), job_type, provider"
        )
        with self._connection() as backend:
            rows = list(backend.query(sql, () if before is None else (before,)))
        return [Waiting(*row) for row in rows]

    def counts(self) -> list[tuple[str, str, int, str, int]]:
        """Job type, provider, priority, state, and how many."""
        sql = (
            "SELECT job_type, provider, priority, state, COUNT(*) FROM bulk_jobs"
            " GROUP BY job_type, provider, priority, state"
            " ORDER BY job_type, provider, priority DESC, state"
        )
        with self._connection() as backend:
            return [
                (one, two, three, four, count)
                for one, two, three, four, count in list(backend.query(sql))
            ]

    def queued(self) -> int:
        """How many wait."""
        with self._connection() as backend:
            (found,) = next(backend.query("SELECT COUNT(*) FROM bulk_jobs WHERE state = 'queued'"))
        return int(found)

    # ---------------------------------------------------------------- runs

    def place(
        self,
        run: RunRow,
        items: Sequence[tuple[str, NewItem]],
        expected: Sequence[EstimateRow] = (),
        *,
        at: int,
    ) -> int:
        """Take jobs (by id) that still wait into a new run, each with its item; how many.

        ``expected`` is what it will probably cost. All of it or nothing: with none left, there is
        no run.
        """
        ids = [job_id for job_id, _ in items]
        with self._connection(atomic=True) as backend:
            self._lock(backend)
            for some in _chunks(ids):
                backend.execute(
                    "UPDATE bulk_jobs SET state = 'running', run_id = ?, started_at = ?"  # noqa: S608
                    f" WHERE state = 'queued' AND job_id IN ({', '.join('?' * len(some))})",
                    (run.run_id, at, *some),
                )
            sql = "SELECT job_id FROM bulk_jobs WHERE run_id = ?"
            taken = {job_id for (job_id,) in list(backend.query(sql, (run.run_id,)))}
            kept = [(job_id, item) for job_id, item in items if job_id in taken]
            if not kept:
                return 0
            made = msgspec.structs.replace(run, items=len(kept))
            backend.execute(INSERT_RUN, msgspec.structs.astuple(made))
            if expected:
                values = [msgspec.structs.astuple(one) for one in expected]
                backend.execute_many(INSERT_ESTIMATE, values)
            for some_items in _chunks(kept):
                backend.execute_many(
                    "UPDATE bulk_jobs SET item_no = ? WHERE job_id = ?",
                    [(item.item_no, job_id) for job_id, item in some_items],
                )
                backend.execute_many(
                    _INSERT_ITEM,
                    [
                        (run.run_id, item.item_no, item.task, item.user_id, item.digest, item.row)
                        for _, item in some_items
                    ],
                )
        return len(kept)

    def refuse(self, job_id: str, error: str, *, at: int) -> bool:
        """A job that waits can never be asked."""
        with self._connection() as backend:
            return (
                backend.execute(
                    "UPDATE bulk_jobs SET state = 'failed', error = ?, ended_at = ?"
                    " WHERE job_id = ? AND state = 'queued'",
                    (error, at, job_id),
                )
                > 0
            )

    def claim_run(self, run_id: str, owner: str, seconds: float, most: int) -> bool:
        """Lease a run, unless its provider has ``most`` queued runs under way, or another has it.

        Runs that did not come from the queue are not counted.
        """
        now = int(self._wall() * 1e6)
        with self._connection(atomic=True) as backend:
            self._lock(backend)
            sql = "SELECT name FROM bulk_runs WHERE run_id = ?"
            name = next((name for (name,) in list(backend.query(sql, (run_id,)))), None) or ""
            if name.startswith(MARK):
                like = f"{MARK}{name.split('/')[1]}/"
                sql = (
                    "SELECT COUNT(*) FROM bulk_runs WHERE owner_until >= ? AND run_id <> ?"
                    " AND SUBSTR(name, 1, ?) = ?"
                )
                ((busy,),) = list(backend.query(sql, (now, run_id, len(like), like)))
                if busy >= most:
                    return False
            return (
                backend.execute(
                    "UPDATE bulk_runs SET owner = ?, owner_until = ? WHERE run_id = ?"
                    " AND (owner IS NULL OR owner = ? OR owner_until < ?)",
                    (owner, now + int(seconds * 1e6), run_id, owner, now),
                )
                > 0
            )

    def unsettled(self) -> list[str]:
        """Runs whose jobs are not all over."""
        sql = "SELECT DISTINCT run_id FROM bulk_jobs WHERE state = 'running' ORDER BY run_id"
        with self._connection() as backend:
            return [run_id for (run_id,) in list(backend.query(sql))]

    def answered(self, run_id: str, *, ended: bool, limit: int = 500) -> list[tuple[Any, ...]]:
        """Items whose job does not know yet what became of it; of all of them once it has ended.

        Number, task, job, state, provider, model, result, error, tokens in and out, and cost.
        """
        which = "" if ended else " AND i.state IN (2, 4, 5)"
        sql = f"{_ANSWERED}{which} ORDER BY i.item_no LIMIT ?"
        with self._connection() as backend:
            return list(backend.query(sql, (run_id, limit)))

    def settle(self, run_id: str, outcomes: Sequence[JobOutcome], *, at: int) -> int:
        """Note what became of jobs of a run; the same again changes nothing."""
        over = [
            (one.state, one.result, one.error, at, run_id, one.item_no)
            for one in outcomes
            if one.state != "queued"
        ]
        back = [(one.error, run_id, one.item_no) for one in outcomes if one.state == "queued"]
        with self._connection(atomic=True) as backend:
            count = (
                backend.execute_many(
                    "UPDATE bulk_jobs SET state = ?, result = ?, error = ?, ended_at = ?"
                    " WHERE run_id = ? AND item_no = ? AND state = 'running'",
                    over,
                )
                if over
                else 0
            )
            if back:
                count += backend.execute_many(
                    "UPDATE bulk_jobs SET state = 'queued', run_id = NULL, item_no = NULL,"
                    " started_at = NULL, error = ?"
                    " WHERE run_id = ? AND item_no = ? AND state = 'running'",
                    back,
                )
        return count

    # ---------------------------------------------------------------- inside

    def _lock(self, backend: Backend) -> None:
        if self._connection.postgres:
            list(backend.query("SELECT pg_advisory_xact_lock(?)", (_LOCK,)))

    def _read(self, rest: str, parameters: Sequence[object]) -> list[JobRow]:
        with self._connection() as backend:
            rows = list(backend.query(f"{_SELECT} {rest}", parameters))
        return [JobRow(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
