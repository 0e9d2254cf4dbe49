"""The items of runs: written by the million, read in pages, so that memory stays flat."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from llm_orchestrator.store.bulk_rows import ItemRow, ItemState, NewItem, Outcome
from llm_orchestrator.store.bulk_runs import Opens
from llm_orchestrator.types.money import Pico

CHUNK = 2000
"""Rows that are written or read at a time: others wait for the store no longer than for these."""
GONE = "no longer in the input"
"""The error of an item that was answered and whose row is gone: it is in no output."""
_FIELDS = tuple(field.name for field in msgspec.structs.fields(ItemRow))
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM bulk_items WHERE run_id = ?"  # noqa: S608 - our names
_INSERT = (
    "INSERT INTO bulk_items"
    " (run_id, item_no, task, user_id, digest, row, state, error, provider, model)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_FINISH = (
    "UPDATE bulk_items SET state = ?, result = ?, error = ?, input_tokens = ?, output_tokens = ?,"
    " cache_read_tokens = ?, cost_pico = ?, repaired = (repaired OR ?)"
    " WHERE run_id = ? AND item_no = ? AND COALESCE(work_id, '') = ?"
)
"""The unit is a condition, and no way to the row: by its index all of it would be read."""


class Found(msgspec.Struct, frozen=True, gc=False):
    """An item by its digest."""

    item_no: int
    task: str
    user_id: str
    state: int


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """Items of a task that wait and have the same past."""

    task: str
    provider: str | None
    """Who was asked the last time, or is to be asked; ``None``: nobody yet."""
    model: str | None
    round: int
    """How often they have failed."""
    count: int


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

    def __init__(self, desk: Opens) -> None:
        self._desk = desk

    def add(self, run_id: str, items: Iterable[NewItem]) -> int:
        """Write new items, a chunk at a time; how many were new. Others are left as they are."""
        rows, count = iter(items), 0
        while chunk := list(islice(rows, CHUNK)):
            values = [(run_id, *msgspec.structs.astuple(item)) for item in chunk]
            with self._desk(together=True) as backend:
                count += backend.execute_many(_INSERT, values)
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
            where += " AND round = ?"
            parameters.append(past.round)
            where += " AND provider IS NULL" if past.provider is None else " AND provider = ?"
            parameters += () if past.provider is None else (past.provider,)
            where += "" if past.model is None else " AND model = ?"
            parameters += () if past.model is None else (past.model,)
        sql = f"{_SELECT}{where} AND item_no > ? ORDER BY item_no LIMIT ?"
        with self._desk() as backend:
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
        with self._desk() as backend:
            return sorted(number for (number,) in backend.query(sql, (work_id, run_id)))

    def sums(self, run_id: str, work_id: str) -> Sums:
        """What came of the items that a unit has answered."""
        sql = (
            "SELECT state, cost_pico, input_tokens, output_tokens FROM bulk_items"
            " WHERE run_id = ? AND work_id = ? AND state IN (2, 3, 4)"
        )
        count = done = input_tokens = output_tokens = cost = 0
        known = True
        with self._desk() as backend:  # summed here: SQLite's SUM ends at 9.2 million USD
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
            "SELECT task, state, COUNT(*) FROM bulk_items"
            " WHERE run_id = ? AND COALESCE(error, '') <> ? GROUP BY task, state"
        )
        with self._desk() as backend:
            rows = list(backend.query(sql, (run_id, GONE)))
        return {(task, ItemState(state)): count for task, state, count in rows}

    def waiting(self, run_id: str) -> list[Waiting]:
        """What waits, by task and past."""
        sql = (
            "SELECT task, provider, model, round, COUNT(*) FROM bulk_items"
            " WHERE run_id = ? AND state = 0"
            " GROUP BY task, provider, model, round ORDER BY 1, 2, 3, 4"
        )
        with self._desk() as backend:
            rows = list(backend.query(sql, (run_id,)))
        return [Waiting(*row) for row in rows]

    def asked(self, run_id: str, task: str) -> dict[tuple[str, str], int]:
        """How many of a task went to whom, those aside that are no longer in the input."""
        sql = (
            "SELECT provider, model, COUNT(*) FROM bulk_items WHERE run_id = ? AND task = ?"
            " AND state IN (1, 2, 3, 4) AND provider IS NOT NULL AND COALESCE(error, '') <> ?"
            " GROUP BY provider, model"
        )
        with self._desk() as backend:
            rows = list(backend.query(sql, (run_id, task, GONE)))
        return {(provider, model): count for provider, model, count in rows}

    def last(self, run_id: str) -> int:
        """The largest number so far; -1 without any."""
        sql = "SELECT COALESCE(MAX(item_no), -1) FROM bulk_items WHERE run_id = ?"
        with self._desk() as backend:
            (number,) = next(backend.query(sql, (run_id,)))
        return int(number)

    def known(self, run_id: str, digests: Sequence[str]) -> Mapping[str, Found]:
        """The items that ask for the same, by digest: what is there needs not be asked again."""
        marks = ", ".join("?" * len(digests))
        sql = (
            f"SELECT digest, item_no, task, user_id, state FROM bulk_items "  # noqa: S608
            f"WHERE run_id = ? AND digest IN ({marks})"
        )
        with self._desk() as backend:
            rows = list(backend.query(sql, (run_id, *digests))) if digests else []
        return {digest: Found(*rest) for digest, *rest in rows}

    def remove(self, run_id: str, numbers: Sequence[int]) -> int:
        """Forget items that nothing was asked for yet; how many."""
        sql = "DELETE FROM bulk_items WHERE run_id = ? AND item_no = ? AND state IN (0, 3, 4, 5)"
        with self._desk(together=True) as backend:
            return backend.execute_many(sql, [(run_id, number) for number in numbers])

    def gone(self, run_id: str, numbers: Sequence[int]) -> None:
        """The input has no such rows any more: answers stay, marked; the rest is forgotten."""
        self.remove(run_id, numbers)
        sql = "UPDATE bulk_items SET error = ? WHERE run_id = ? AND item_no = ? AND state = 2"
        with self._desk(together=True) as backend:
            backend.execute_many(sql, [(GONE, run_id, number) for number in numbers])

    def back(self, run_id: str, numbers: Sequence[int]) -> None:
        """The input has these rows again."""
        sql = "UPDATE bulk_items SET error = NULL WHERE run_id = ? AND item_no = ? AND error = ?"
        with self._desk(together=True) as backend:
            backend.execute_many(sql, [(run_id, number, GONE) for number in numbers])

    def refuse(self, run_id: str, outcomes: Sequence[Outcome]) -> int:
        """Note why items that wait cannot be asked; how many."""
        sql = (
            "UPDATE bulk_items SET state = ?, error = ?"
            " WHERE run_id = ? AND item_no = ? AND state = 0"
        )
        rows = [(int(one.state), one.error, run_id, one.item_no) for one in outcomes]
        with self._desk(together=True) as backend:
            return backend.execute_many(sql, rows)

    def round(self, run_id: str) -> int:
        """The round of retries that the run is in, from 0."""
        sql = "SELECT COALESCE(MAX(round), 0) FROM bulk_items WHERE run_id = ?"
        with self._desk() as backend:
            (found,) = next(backend.query(sql, (run_id,)))
        return int(found)

    def retry(self, run_id: str, states: Sequence[int] = (ItemState.RETRY,)) -> int:
        """Let failed items wait again, for the next round; how many.

        ``repaired`` of those whose answer broke the schema says that it is to be repaired: once.
        """
        marks = ", ".join("?" * len(states))
        sql = (
            "UPDATE bulk_items SET state = 0, round = round + 1,"  # noqa: S608 - marks only
            " repaired = (result IS NOT NULL AND NOT repaired"
            " AND SUBSTR(COALESCE(error, ''), 1, 11) = 'OutputError')"
            f" WHERE run_id = ? AND state IN ({marks})"
        )
        with self._desk() as backend:
            return backend.execute(sql, (run_id, *states))

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
        with self._desk(together=True) as backend:
            return backend.execute_many(_FINISH, rows)

    def leave(self, run_id: str, work_id: str, state: ItemState, error: str | None) -> int:
        """Give those back that the unit has no outcome for; how many."""
        with self._desk() as backend:
            return backend.execute(
                "UPDATE bulk_items SET state = ?, error = ?"
                " WHERE run_id = ? AND work_id = ? AND state = 1",
                (int(state), error, run_id, work_id),
            )


def _item(row: Sequence[Any]) -> ItemRow:
    *fields, repaired = row
    fields.append(bool(repaired))  # SQLite has numbers for it
    return ItemRow(*fields)


def _narrowed(
    states: Sequence[int], task: str | None, work_id: str | None
) -> tuple[str, list[object]]:
    where, parameters = "", list[object]()
    if states:
        where += f" AND state IN ({', '.join('?' * len(states))})"
        parameters += map(int, states)
    if task is not None:
        where += " AND task = ?"
        parameters.append(task)
    if work_id is not None:
        where += " AND work_id = ?"
        parameters.append(work_id)
    return where, parameters
