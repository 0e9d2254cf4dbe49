"""Units of work: each change holds only if nobody else has changed the row before.

A unit is claimed for some seconds by whoever works at it, so that two do not do the same; that
nothing is done twice follows from the conditions of the changes alone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.bulk_connection import BulkConnection
from llm_orchestrator.store.bulk_rows import OPEN, ItemState, Lane, Proof, Unit, UnitState, tag_of
from llm_orchestrator.types.money import Pico

_FIELDS = tuple(field.name for field in msgspec.structs.fields(Unit))
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM bulk_batches"  # noqa: S608 - our names
_INSERT = (
    f"INSERT INTO bulk_batches ({', '.join(_FIELDS)}) "  # noqa: S608 - our names
    f"VALUES ({', '.join('?' * len(_FIELDS))})"
)
_TAKE = (
    "UPDATE bulk_items SET state = 1, work_id = ?, provider = ?, model = ?, error = NULL"
    " WHERE run_id = ? AND item_no >= ? AND item_no <= ? AND task = ? AND state IN (0, 3)"
)
_FREE = "UPDATE bulk_items SET state = ?, error = ? WHERE run_id = ? AND work_id = ? AND state = 1"
_GATE = "SELECT 1 FROM bulk_batches WHERE gate = ? AND work_id <> ?"
_OPEN = ", ".join(f"'{state}'" for state in OPEN)

Reserved: TypeAlias = Literal["yes", "over", "unpriced"]
"""Whether a hold fits under the cap of the run; ``unpriced``: nobody knows what it may cost."""


class Booked(NamedTuple):
    """What calls have cost, by the ledger."""

    cost_pico: Pico
    """The cost of calls whose cost is known."""
    unknown: int
    """Calls of unknown cost: their process died, or the provider does not tell."""
    unknown_pico: Pico | None
    """What these have cost at most, which is what they held; ``None``: nothing bounds it."""


class _Taken(Exception):  # noqa: N818 - not an error: another one was faster
    """Some of the items are in another unit."""


class BulkUnits:
    """Reads and changes `bulk_batches`. ``wall`` gives unix seconds, for leases."""

    def __init__(self, connection: BulkConnection, wall: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._wall = wall

    # ---------------------------------------------------------------- making and finding

    def add(self, unit: Unit, numbers: Sequence[int]) -> bool:
        """Write a new unit and put its items into it; False, and nothing, if one of them is taken.

        ``numbers`` are in order.
        """
        try:
            with self._connection(atomic=True) as backend:
                backend.execute(_INSERT, msgspec.structs.astuple(unit))
                own = (unit.work_id, unit.provider, unit.model, unit.run_id)
                taken = sum(
                    backend.execute(_TAKE, (*own, first, last, unit.task))
                    for first, last in _spans(numbers)
                )
                if taken != len(numbers):
                    raise _Taken
        except _Taken:
            return False
        return True

    def get(self, work_id: str) -> Unit | None:
        """The unit as it stands."""
        found = self._read("WHERE work_id = ?", (work_id,))
        return found[0] if found else None

    def of_run(self, run_id: str, states: Sequence[UnitState] = ()) -> list[Unit]:
        """The units of a run in these states (in all by default), the oldest first."""
        where = f" AND state IN ({', '.join('?' * len(states))})" if states else ""
        return self._read(
            f"WHERE run_id = ?{where} ORDER BY created_at, work_id", (run_id, *states)
        )

    def of_account(self, account: str, since: int) -> list[Unit]:
        """The units of the batch lane that were made for an account since then."""
        return self._read(
            "WHERE account = ? AND lane = 'batch' AND created_at >= ?", (account, since)
        )

    def of_provider(self, provider: str, account: str, since: int) -> list[Unit]:
        """`of_account` for a provider of this name, also for units made with another key."""
        where = "WHERE (account = ? OR provider = ?) AND lane = 'batch' AND created_at >= ?"
        return self._read(where, (account, provider, since))

    def ordered(self, since: int) -> list[tuple[str, int]]:
        """Providers that batches were ordered at, and since when: those made since then count."""
        sql = (
            "SELECT provider, MIN(created_at) FROM bulk_batches WHERE lane = 'batch'"
            " AND send_no > 0 AND created_at >= ? GROUP BY provider ORDER BY provider"
        )
        with self._connection() as backend:
            return [(name, int(first)) for name, first in list(backend.query(sql, (since,)))]

    def due(
        self, now: int, *, run_id: str | None = None, lane: Lane = "batch", limit: int = 100
    ) -> list[str]:
        """Units that somebody should go on with, and nobody does; ``now`` is the run's clock."""
        own = "" if run_id is None else " AND run_id = ?"
        sql = (
            f"SELECT work_id FROM bulk_batches WHERE state IN ({_OPEN}) AND lane = ?{own}"  # noqa: S608
            " AND (next_at IS NULL OR next_at <= ?) AND (owner IS NULL OR owner_until < ?)"
            " ORDER BY next_at, created_at, work_id LIMIT ?"
        )
        mine = () if run_id is None else (run_id,)
        with self._connection() as backend:
            rows = list(backend.query(sql, (lane, *mine, now, self._micros(), limit)))
        return [work_id for (work_id,) in rows]

    def soonest(self, run_id: str, lane: Lane = "batch") -> int | None:
        """When the next unit of a run in a lane is due; ``None`` when all are over."""
        sql = (
            "SELECT MIN(COALESCE(next_at, 0)) FROM bulk_batches"  # noqa: S608 - our names
            f" WHERE run_id = ? AND lane = ? AND state IN ({_OPEN})"
        )
        with self._connection() as backend:
            (found,) = next(backend.query(sql, (run_id, lane)))
        return None if found is None else int(found)

    def refusals(self, run_id: str, kinds: Sequence[str]) -> list[str]:
        """Errors of these kinds that ended units of a run, and that items still bear, each once."""
        sql = (
            "SELECT error FROM bulk_batches AS b WHERE run_id = ? AND error IS NOT NULL AND EXISTS"
            " (SELECT 1 FROM bulk_items AS i WHERE i.work_id = b.work_id AND i.state = 3)"
            " GROUP BY error ORDER BY MIN(created_at), error"
        )
        with self._connection() as backend:
            found = [error for (error,) in list(backend.query(sql, (run_id,)))]
        return [error for error in found if error.partition(":")[0] in kinds]

    # ---------------------------------------------------------------- leases

    def claim(self, work_id: str, owner: str, seconds: float) -> Unit | None:
        """Lease the unit, or renew the lease; ``None`` while another owner has it."""
        now = self._micros()
        with self._connection() as backend:
            changed = backend.execute(
                "UPDATE bulk_batches SET owner = ?, owner_until = ? WHERE work_id = ?"
                " AND (owner IS NULL OR owner = ? OR owner_until < ?)",
                (owner, now + int(seconds * 1e6), work_id, owner, now),
            )
        return self.get(work_id) if changed else None

    def release(self, work_id: str, owner: str, next_at: int | None, *, cancelled: bool) -> None:
        """End the lease of this owner; ``next_at`` is when to go on, on the run's clock.

        At once, where its end was asked for and the owner did not know: ``cancelled`` is whether
        it did.
        """
        with self._connection() as backend:
            backend.execute(
                "UPDATE bulk_batches SET owner = NULL, owner_until = NULL,"
                " next_at = CASE WHEN cancel_at IS NOT NULL AND NOT ? THEN NULL"
                " ELSE CAST(? AS BIGINT) END"
                " WHERE work_id = ? AND owner = ?",
                (cancelled, next_at, work_id, owner),
            )

    # ---------------------------------------------------------------- money

    def reserve(self, unit: Unit) -> Reserved:
        """Count the unit's hold under the cap of its run, if it fits; again changes nothing."""
        with self._connection(atomic=True) as backend:
            lock = " FOR UPDATE" if self._connection.postgres else ""
            caps = backend.query(
                f"SELECT cap_pico FROM bulk_runs WHERE run_id = ?{lock}",  # noqa: S608 - our words
                (unit.run_id,),
            )
            cap = next((cap for (cap,) in list(caps)), None)
            if cap is not None and not unit.reserved:
                if unit.hold_pico is None:
                    return "unpriced"
                if self._committed(backend, unit) + unit.hold_pico > cap:
                    return "over"
            backend.execute(
                "UPDATE bulk_batches SET reserved = true WHERE work_id = ?", (unit.work_id,)
            )
        return "yes"

    def unreserve(self, work_id: str) -> None:
        """Count it no longer: it was refused elsewhere."""
        with self._connection() as backend:
            backend.execute(
                "UPDATE bulk_batches SET reserved = false WHERE work_id = ? AND send_no = 0",
                (work_id,),
            )

    def booked(self, run_id: str, tags: str) -> Booked:
        """What calls with exactly these tags have cost by the ledger, and may have cost at most."""
        sql = (
            "SELECT a.hold_pico, s.cost_pico FROM attempts AS a"
            " LEFT JOIN settlements AS s ON s.attempt_id = a.attempt_id"
            " WHERE a.session_id = ? AND a.tags = ?"
        )
        known = unknown = 0
        most: Pico | None = 0
        with self._connection() as backend:
            for held, cost in backend.query(sql, (run_id, tags)):
                known += cost or 0
                if cost is None:
                    unknown += 1
                    most = None if held is None or most is None else most + held
        return Booked(known, unknown, most)

    def committed(self, run_id: str) -> Pico:
        """What a run has spent, and holds for what is under way."""
        with self._connection() as backend:
            return self._committed(backend, None, run_id)

    def _committed(self, backend: Backend, unit: Unit | None, run_id: str = "") -> Pico:
        # Summed here: SQLite's SUM ends at 9.2 million USD.
        own, run_id = ("", run_id) if unit is None else (unit.work_id, unit.run_id)
        rows = backend.query(
            "SELECT COALESCE(cost_pico, hold_pico, 0) + COALESCE(unknown_pico, 0) FROM bulk_batches"
            " WHERE run_id = ? AND reserved AND work_id <> ?",
            (run_id, own),
        )
        return sum(amount for (amount,) in list(rows))

    def enqueued(self, account: str, model: str) -> int:
        """Input tokens, as estimated, of batches of a model that wait or run."""
        sql = (
            "SELECT COALESCE(SUM(input_tokens), 0) FROM bulk_batches"
            " WHERE account = ? AND model = ? AND state IN ('sending', 'sent')"
        )
        with self._connection() as backend:
            (found,) = next(backend.query(sql, (account, model)))
        return int(found)

    # ---------------------------------------------------------------- the protocol

    def uploaded(self, unit: Unit, file_id: str) -> bool:
        """Its rows are at the provider; False when another upload was faster."""
        return self._change(unit, "prepared", " AND file_id IS NULL", file_id=file_id)

    def sending(
        self, unit: Unit, *, at: int, real: int, gate: str | None
    ) -> Literal["ours", "changed", "busy"]:
        """Say that its batch is created now, for the next time; ``busy``: the gate is taken.

        Who gets ``ours`` alone may send, with ``send_no`` one larger.
        """
        fields = {"state": "sending", "send_no": unit.send_no + 1, "gate": gate, "error": None}
        fields |= {"sending_at": at, "sending_real": real}
        try:
            changed = self._change(unit, unit.state, **fields)
        except _Busy:
            return "busy"
        return "ours" if changed else "changed"

    def sent(
        self, unit: Unit, batch_id: str, proof: Proof, *, at: int, next_at: int | None
    ) -> bool:
        """Its batch is there; ``unit`` is as it was when it was sent."""
        return self._change(
            unit,
            "sending",
            state="sent",
            batch_id=batch_id,
            proof=proof,
            sent_at=at,
            next_at=next_at,
            gate=None,
        )

    def refused(self, unit: Unit, error: str) -> bool:
        """Nothing was made: it may be sent again."""
        return self._change(unit, "sending", state="prepared", gate=None, error=error)

    def seen(self, unit: Unit, **fields: Any) -> bool:
        """Note what the provider says of a batch that goes on: its word, counts, proof."""
        return self._change(unit, unit.state, **fields)

    def noted(self, work_id: str, error: str) -> None:
        """Note why a step did not succeed."""
        with self._connection() as backend:
            backend.execute("UPDATE bulk_batches SET error = ? WHERE work_id = ?", (error, work_id))

    def ended(self, unit: Unit, *, at: int, **fields: Any) -> bool:
        """Its batch is over; the results are to be read."""
        return self._change(unit, "sent", state="ended", ended_at=at, **fields)

    def anew(self, unit: Unit, past: Sequence[str]) -> bool:
        """Its batch came to nothing and cost nothing: back to the beginning, with a new tag."""
        return self._change(
            unit,
            unit.state,
            state="prepared",
            batch_id=None,
            proof=None,
            file_id=None,
            past=msgspec.json.encode(past).decode(),
            tag=tag_of(unit.work_id, len(past) + 1),
        )

    def mistaken(self, unit: Unit, past: Sequence[str], *, gate: str) -> bool:
        """Its batch is somebody else's: look again for its own. False also if the gate is taken."""
        fields = {"state": "sending", "batch_id": None, "proof": None, "gate": gate}
        try:
            return self._change(unit, unit.state, **fields, past=msgspec.json.encode(past).decode())
        except _Busy:
            return False

    def give_up(self, unit: Unit, why: str, items: ItemState, *, at: int) -> bool:
        """Nothing was made of it, and nothing will be: its items are free again, in one go.

        It has ended without a batch; whoever goes on with it books that.
        """
        fields = {"state": "ended", "batch_id": None, "gate": None, "error": why, "ended_at": at}
        with self._connection(atomic=True) as backend:
            done = self._changed(backend, unit, unit.state, "", fields)
            if done:
                backend.execute(_FREE, (int(items), why, unit.run_id, unit.work_id))
        return done

    def over(self, unit: Unit, state: Literal["collected", "dropped"], **fields: Any) -> bool:
        """Nothing of it changes any more."""
        return self._change(unit, unit.state, state=state, gate=None, **fields)

    def cancel(self, work_id: str, why: str, *, at: int) -> bool:
        """Ask for its end; whoever goes on with it sees to that. False when it is over."""
        sql = (
            "UPDATE bulk_batches SET cancel_at = ?, cancel_why = ?, next_at = NULL"  # noqa: S608
            f" WHERE work_id = ? AND cancel_at IS NULL AND state IN ({_OPEN})"
        )
        with self._connection() as backend:
            return backend.execute(sql, (at, why, work_id)) > 0

    # ---------------------------------------------------------------- inside

    def _change(self, unit: Unit, state: UnitState, where: str = "", /, **fields: Any) -> bool:
        """Set fields where the row is in that state and was not sent again since it was read."""
        with self._connection() as backend:
            try:
                return self._changed(backend, unit, state, where, fields)
            except backend.data_errors:
                gate = fields.get("gate")
                if gate is None or not list(backend.query(_GATE, (gate, unit.work_id))):
                    raise
                raise _Busy from None

    def _changed(
        self, backend: Backend, unit: Unit, state: UnitState, where: str, fields: dict[str, Any]
    ) -> bool:
        changes = ", ".join(f"{name} = ?" for name in fields)
        sql = (
            f"UPDATE bulk_batches SET {changes}"  # noqa: S608 - our names
            f" WHERE work_id = ? AND state = ? AND send_no = ?{where}"
        )
        return backend.execute(sql, (*fields.values(), unit.work_id, state, unit.send_no)) > 0

    def _read(self, rest: str, parameters: Sequence[object]) -> list[Unit]:
        with self._connection() as backend:
            rows = list(backend.query(f"{_SELECT} {rest}", parameters))
        return [_unit(row) for row in rows]

    def _micros(self) -> int:
        return int(self._wall() * 1e6)


class _Busy(Exception):  # noqa: N818 - not an error: the gate lets one through at a time
    """Another unit of the account is being sent."""


def _unit(row: Sequence[Any]) -> Unit:
    fields = dict(zip(_FIELDS, row, strict=True))
    for name in ("embeds", "reserved"):
        fields[name] = bool(fields[name])
    return Unit(**fields)


def _spans(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of numbers that follow on each other, as first and last."""
    if not numbers:
        return
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
