"""The items of runs: written by the million, read in pages, so that memory stays flat."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from llm_orchestrator.store.bulk_connection import BulkConnection
from llm_orchestrator.store.bulk_rows import CUT, GONE, ItemRow, ItemState, NewItem, Outcome
from llm_orchestrator.types.money import Pico

CHUNK = 2000
"""Rows that are written or read at a time: others wait for the store no longer than for these."""
_HERE = f"SUBSTR(digest, 1, 1) <> '{GONE}'"
_FIELDS = tuple(field.name for field in msgspec.structs.fields(ItemRow))
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM bulk_items WHERE run_id = ?"  # noqa: S608 - our names
_NEW = ("run_id", *(field.name for field in msgspec.structs.fields(NewItem)))
_PLAIN = 6
"""So many of them are given for most items; to bind what is not takes as long as the rest."""
_FINISH = (
    "UPDATE bulk_items SET state = ?, result = ?, error = ?, input_tokens = ?, output_tokens = ?,"
    " cache_read_tokens = ?, cost_pico = ?, repaired = (repaired OR ?)"
    " WHERE run_id = ? AND item_no = ? AND COALESCE(work_id, '') = ?"
)
"""The unit is a condition, and no way to the row: by its index all of it would be read."""
_OF = "FROM bulk_batches AS b WHERE b.work_id = bulk_items.work_id"
_LANE = f"CASE WHEN work_id IS NOT NULL THEN (SELECT b.lane {_OF}) END"
_CUT_AT = (
    f"CASE WHEN SUBSTR(error, 1, {len(CUT)}) = '{CUT}'"
    f" THEN COALESCE((SELECT b.max_tokens {_OF}), 0) END"
)
_AGAIN = (
    "UPDATE bulk_items SET state = 0, round = round + 1,"
    " repaired = (result IS NOT NULL AND NOT repaired"
    " AND SUBSTR(COALESCE(error, ''), 1, 11) = 'OutputError')"
)
"""``repaired`` of those whose answer broke the schema says that it is to be repaired: once."""


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """Items of a task that wait and have the same past."""

    task: str
    provider: str | None
    """Who was asked the last time, or is to be asked; ``None``: nobody yet."""
    model: str | None
    round: int
    """How often they have failed."""
    count: int
    lane: str | None = None
    """In which they were the last time."""
    cut_at: int | None = None
    """The limit that cut their answers, in tokens; 0: that of requests that set none."""


class Failed(NamedTuple):
    """Items of a unit that is over, which have failed and may succeed."""

    task: str
    provider: str
    model: str
    round: int
    work_id: str
    items: int
    over_at: int
    """Unix microseconds on the run's clock."""


class Stayed(NamedTuple):
    """Items that a unit has not answered, and that no other unit has taken."""

    work_id: str
    state: int
    """An `ItemState`: waiting, failed, or failed for good."""
    round: int
    items: int


class Known(NamedTuple):
    """An item by what it asks, and whom."""

    item_no: int
    digest: str
    provider: str | None
    model: str | None
    state: int


class Sums(msgspec.Struct, frozen=True, gc=False):
    """What came of the items of a unit, together."""

    count: int
    done: int
    cost_pico: Pico | None
    """``None`` when that of one of them is not known."""
    input_tokens: int
    output_tokens: int


class BulkItems:
    """Reads and changes `bulk_items`."""

    def __init__(self, connection: BulkConnection) -> None:
        self._connection = connection

    def add(self, run_id: str, items: Iterable[NewItem]) -> int:
        """Write new items, a chunk at a time; how many were new. Others are left as they are."""
        rows, count = iter(items), 0
        while chunk := list(islice(rows, CHUNK)):
            values = [(run_id, *msgspec.structs.astuple(item)) for item in chunk]
            if not any(any(value[_PLAIN:]) for value in values):
                values = [value[:_PLAIN] for value in values]
            with self._connection(atomic=True) as backend:
                count += backend.execute_many(_insert(len(values[0])), values)
        return count

    def page(
        self,
        run_id: str,
        *,
        states: Sequence[int] = (),
        task: str | None = None,
        work_id: str | None = None,
        past: Waiting | None = None,
        after: int = -1,
        limit: int = CHUNK,
    ) -> list[ItemRow]:
        """The next items in order of their numbers; empty at the end."""
        where, parameters = _narrowed(states, task, work_id)
        if past is not None:
            where += f" AND round = ? AND {_HERE}"
            parameters.append(past.round)
        if past is not None and past.provider is None:
            where += " AND provider IS NULL"
        elif past is not None:
            where += f" AND provider = ? AND model = ? AND COALESCE({_LANE}, '') = ?"
            where += f" AND COALESCE({_CUT_AT}, -1) = ?"
            cut_at = -1 if past.cut_at is None else past.cut_at
            parameters += (past.provider, past.model, past.lane or "", cut_at)
        sql = f"{_SELECT}{where} AND item_no > ? ORDER BY item_no LIMIT ?"
        with self._connection() as backend:
            rows = list(backend.query(sql, (run_id, *parameters, after, limit)))
        return [_item(row) for row in rows]

    def iterate(
        self,
        run_id: str,
        *,
        states: Sequence[int] = (),
        task: str | None = None,
        work_id: str | None = None,
    ) -> Iterator[ItemRow]:
        """All of them, page by page; others may be written meanwhile."""
        after = -1
        while rows := self.page(run_id, states=states, task=task, work_id=work_id, after=after):
            yield from rows
            after = rows[-1].item_no

    def numbers(self, work_id: str, run_id: str) -> list[int]:
        """The items of a unit of work, in order."""
        # The run is a condition, and no way to the rows: by it all of them would be read.
        sql = "SELECT item_no FROM bulk_items WHERE work_id = ? AND COALESCE(run_id, '') = ?"
        with self._connection() as backend:
            return sorted(number for (number,) in backend.query(sql, (work_id, run_id)))

    def sums(self, run_id: str, work_id: str) -> Sums:
        """What came of the items that a unit has answered."""
        sql = (
            "SELECT state, cost_pico, input_tokens, output_tokens FROM bulk_items"
            " WHERE run_id = ? AND work_id = ? AND state IN (2, 3, 4)"
        )
        count = done = input_tokens = output_tokens = cost = 0
        known = True
        with self._connection() as backend:  # summed here: SQLite's SUM ends at 9.2 million USD
            for state, amount, read, written in backend.query(sql, (run_id, work_id)):
                count += 1
                done += state == ItemState.DONE
                cost += amount or 0
                known = known and amount is not None
                input_tokens += read or 0
                output_tokens += written or 0
        return Sums(count, done, cost if known else None, input_tokens, output_tokens)

    def counts(self, run_id: str) -> dict[tuple[str, ItemState], int]:
        """How many there are of each task in each state; not those that the input lacks now."""
        sql = (
            "SELECT task, state, COUNT(*) FROM bulk_items"  # noqa: S608 - our names
            f" WHERE run_id = ? AND {_HERE} GROUP BY task, state"
        )
        with self._connection() as backend:
            rows = list(backend.query(sql, (run_id,)))
        return {(task, ItemState(state)): count for task, state, count in rows}

    def stayed(self, run_id: str) -> list[Stayed]:
        """What was not answered and is in no other unit since, by its unit."""
        sql = (
            "SELECT work_id, state, round, COUNT(*) FROM bulk_items"  # noqa: S608 - our names
            f" WHERE run_id = ? AND state IN (0, 3, 4) AND work_id IS NOT NULL AND {_HERE}"
            " GROUP BY work_id, state, round"
        )
        with self._connection() as backend:
            return [Stayed(*row) for row in list(backend.query(sql, (run_id,)))]

    def waiting(self, run_id: str) -> list[Waiting]:
        """What waits, by task and past."""
        sql = (
            f"SELECT task, provider, model, round, COUNT(*), {_LANE} AS lane, {_CUT_AT} AS cut_at"  # noqa: S608
            f" FROM bulk_items WHERE run_id = ? AND state = 0 AND {_HERE}"
            " GROUP BY task, provider, model, round, lane, cut_at ORDER BY 1, 2, 3, 4, 6, 7"
        )
        with self._connection() as backend:
            rows = list(backend.query(sql, (run_id,)))
        return [Waiting(*row) for row in rows]

    def asked(self, run_id: str, task: str) -> dict[tuple[str, str], int]:
        """How many of a task went to whom, those aside that are no longer in the input."""
        sql = (
            "SELECT provider, model, COUNT(*) FROM bulk_items WHERE run_id = ? AND task = ?"  # noqa: S608
            f" AND state IN (1, 2, 3, 4) AND provider IS NOT NULL AND {_HERE}"
            " GROUP BY provider, model"
        )
        with self._connection() as backend:
            rows = list(backend.query(sql, (run_id, task)))
        return {(provider, model): count for provider, model, count in rows}

    def last(self, run_id: str) -> int:
        """The largest number so far; -1 without any."""
        sql = "SELECT COALESCE(MAX(item_no), -1) FROM bulk_items WHERE run_id = ?"
        with self._connection() as backend:
            (number,) = next(backend.query(sql, (run_id,)))
        return int(number)

    def known(self, run_id: str, after: int = -1, limit: int = 10_000) -> list[Known]:
        """What the next items ask, in order of their numbers; empty at the end."""
        sql = (
            f"SELECT item_no, LTRIM(digest, '{GONE}'), provider, model, state FROM bulk_items"  # noqa: S608
            " WHERE run_id = ? AND item_no > ? ORDER BY item_no LIMIT ?"
        )
        with self._connection() as backend:
            return [Known(*row) for row in backend.query(sql, (run_id, after, limit))]

    def remove(self, run_id: str, numbers: Sequence[int]) -> int:
        """Forget items that nothing was asked for yet; how many."""
        sql = "DELETE FROM bulk_items WHERE run_id = ? AND item_no = ? AND state IN (0, 3, 4, 5)"
        with self._connection(atomic=True) as backend:
            return backend.execute_many(sql, [(run_id, number) for number in numbers])

    def gone(self, run_id: str, numbers: Sequence[int]) -> None:
        """The input has no such rows now: what is paid stays, marked; the rest is forgotten."""
        self.remove(run_id, numbers)
        sql = (
            f"UPDATE bulk_items SET digest = '{GONE}' || digest"  # noqa: S608 - our names
            f" WHERE run_id = ? AND item_no = ? AND {_HERE}"
        )
        with self._connection(atomic=True) as backend:
            backend.execute_many(sql, [(run_id, number) for number in numbers])

    def back(self, run_id: str, numbers: Sequence[int]) -> None:
        """The input has these rows again."""
        sql = (
            f"UPDATE bulk_items SET digest = LTRIM(digest, '{GONE}')"  # noqa: S608 - our names
            f" WHERE run_id = ? AND item_no = ? AND NOT {_HERE}"
        )
        with self._connection(atomic=True) as backend:
            backend.execute_many(sql, [(run_id, number) for number in numbers])

    def refuse(self, run_id: str, outcomes: Sequence[Outcome]) -> int:
        """Note why items that wait cannot be asked; how many."""
        sql = (
            "UPDATE bulk_items SET state = ?, error = ?"
            " WHERE run_id = ? AND item_no = ? AND state = 0"
        )
        rows = [(int(one.state), one.error, run_id, one.item_no) for one in outcomes]
        with self._connection(atomic=True) as backend:
            return backend.execute_many(sql, rows)

    def failed(self, run_id: str, rounds: int) -> list[Failed]:
        """What has failed, may succeed, and was asked again less than so often, by its unit.

        Units that are not over are left out.
        """
        sql = (
            "SELECT i.task, i.provider, i.model, i.round, i.work_id, COUNT(*),"  # noqa: S608
            " COALESCE(b.collected_at, b.ended_at, b.created_at) FROM bulk_items AS i"
            " JOIN bulk_batches AS b ON b.work_id = i.work_id"
            " WHERE i.run_id = ? AND i.state = 3 AND i.round < ?"
            f" AND b.state IN ('collected', 'dropped') AND {_HERE}"
            " GROUP BY i.task, i.provider, i.model, i.round, i.work_id, 7 ORDER BY 7, 5"
        )
        with self._connection() as backend:
            return [Failed(*row) for row in list(backend.query(sql, (run_id, rounds)))]

    def again(self, run_id: str, failed: Iterable[Failed]) -> int:
        """Let them wait again, for their next round, all in one go; how many."""
        sql = f"{_AGAIN} WHERE run_id = ? AND work_id = ? AND round = ? AND state = 3 AND {_HERE}"
        rows = [(run_id, one.work_id, one.round) for one in failed]
        with self._connection(atomic=True) as backend:
            return backend.execute_many(sql, rows)

    def retry(self, run_id: str, states: Sequence[int] = (ItemState.RETRY,)) -> int:
        """Let all failed items wait again, however often they were asked; how many."""
        narrowed, _ = _narrowed(states, None, None)
        with self._connection() as backend:
            return backend.execute(f"{_AGAIN} WHERE run_id = ? AND {_HERE}{narrowed}", (run_id,))

    def finish(self, run_id: str, work_id: str, outcomes: Sequence[Outcome]) -> int:
        """Note what became of items that are still in this unit; how many.

        The same again changes nothing.
        """
        rows = [
            (
                int(one.state),
                one.result,
                one.error,
                one.input_tokens,
                one.output_tokens,
                one.cache_read_tokens,
                one.cost_pico,
                one.repaired,
                run_id,
                one.item_no,
                work_id,
            )
            for one in outcomes
        ]
        with self._connection(atomic=True) as backend:
            return backend.execute_many(_FINISH, rows)

    def leave(self, run_id: str, work_id: str, state: ItemState, error: str | None) -> int:
        """Give those back that the unit has no outcome for; how many."""
        with self._connection() as backend:
            return backend.execute(
                "UPDATE bulk_items SET state = ?, error = ?"
                " WHERE run_id = ? AND work_id = ? AND state = 1",
                (int(state), error, run_id, work_id),
            )


def _insert(width: int) -> str:
    return (
        f"INSERT INTO bulk_items ({', '.join(_NEW[:width])})"  # noqa: S608 - our names
        f" VALUES ({', '.join('?' * width)}) ON CONFLICT DO NOTHING"
    )


def _item(row: Sequence[Any]) -> ItemRow:
    *fields, repaired = row
    fields.append(bool(repaired))  # SQLite has numbers for it
    return ItemRow(*fields)


def _narrowed(
    states: Sequence[int], task: str | None, work_id: str | None
) -> tuple[str, list[object]]:
    where, parameters = "", list[object]()
    if states:  # literal, or their indexes are not used
        numbers = ", ".join(str(int(state)) for state in states)
        where += f" AND state IN ({numbers})" if len(states) > 1 else f" AND state = {numbers}"
    if task is not None:
        where += " AND task = ?"
        parameters.append(task)
    if work_id is not None:
        where += " AND work_id = ?"
        parameters.append(work_id)
    return where, parameters
