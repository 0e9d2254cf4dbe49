"""Tickets of calls that wait for consent."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from llm_orchestrator.errors import InvalidRequestError, StoreError
from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.outage import advice_for, reason_of
from llm_orchestrator.store.urls import Target, parse_url
from llm_orchestrator.types.approval import Ticket, TicketStatus

_FIELDS = tuple("ticket_id" if name == "id" else name for name in Ticket.__struct_fields__)
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM approvals"  # noqa: S608 - our names
_INSERT = (
    f"INSERT INTO approvals ({', '.join(_FIELDS)}) "  # noqa: S608 - our names
    f"VALUES ({', '.join('?' * len(_FIELDS))})"
)


class Approvals:
    """Reads and changes tickets. All of it blocks, and raises `StoreError`.

    ``url`` as in ``store.url``; ``clock`` gives unix seconds.
    """

    def __init__(self, url: str | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.target: Target = parse_url(url)
        self._clock = clock

    def now(self) -> int:
        """Unix microseconds."""
        return int(self._clock() * 1e6)

    def open(self, ticket: Ticket) -> Ticket:
        """The ticket, or the one that waits for the same consent already."""
        with self._backend("written") as backend:
            condition = "digest = ? AND status IN ('waiting', 'approved', 'rejected')"
            known = self._read(backend, f"{condition} AND expires_at > ?", ticket.digest)
            if known:
                return known[-1]
            backend.execute(_INSERT, msgspec.structs.astuple(ticket))
        return ticket

    def get(self, ticket_id: str) -> Ticket | None:
        """The ticket as it stands."""
        with self._backend("read") as backend:
            found = list(backend.query(f"{_SELECT} WHERE ticket_id = ?", (ticket_id,)))
        return self._ticket(found[0]) if found else None

    def claim(self, ticket_id: str, call_id: str) -> bool:
        """Use an approved ticket; whether it was still there. Only one caller ever gets it."""
        with self._backend("written") as backend:
            return bool(
                backend.execute(
                    "UPDATE approvals SET status = 'used', call_id = ? "
                    "WHERE ticket_id = ? AND status = 'approved' AND expires_at > ?",
                    (call_id, ticket_id, self.now()),
                )
            )

    def give_back(self, ticket_id: str, call_id: str) -> None:
        """The call that used it sent nothing: it is as good as before."""
        with self._backend("written") as backend:
            backend.execute(
                "UPDATE approvals SET status = 'approved', call_id = NULL "
                "WHERE ticket_id = ? AND status = 'used' AND call_id = ?",
                (ticket_id, call_id),
            )

    def decide(
        self,
        ticket_id: str,
        status: TicketStatus,
        *,
        by: str | None = None,
        note: str | None = None,
    ) -> Ticket:
        """Approve or reject a ticket that waits; raises `InvalidRequestError` for any other."""
        with self._backend("written") as backend:
            changed = backend.execute(
                "UPDATE approvals SET status = ?, decided_at = ?, decided_by = ?, note = ? "
                "WHERE ticket_id = ? AND status = 'waiting' AND expires_at > ?",
                (status, self.now(), by, note, ticket_id, self.now()),
            )
        ticket = self.get(ticket_id)
        if ticket is None:
            raise InvalidRequestError(
                f"there is no ticket {ticket_id}; `llmo approvals list` shows those that wait"
            )
        if not changed:
            raise InvalidRequestError(f"the ticket {ticket_id} is {ticket.status}: it cannot wait")
        return ticket

    def all(self, *, waiting: bool = True) -> list[Ticket]:
        """The tickets that wait, or all, the oldest first."""
        with self._backend("read") as backend:
            rows = list(backend.query(f"{_SELECT} ORDER BY created_at, ticket_id"))
        tickets = [self._ticket(row) for row in rows]
        return [one for one in tickets if one.status == "waiting" or not waiting]

    def _read(self, backend: Backend, condition: str, digest: str) -> list[Ticket]:
        sql = f"{_SELECT} WHERE {condition} ORDER BY created_at"
        return [self._ticket(row) for row in backend.query(sql, (digest, self.now()))]

    def _ticket(self, row: tuple[object, ...]) -> Ticket:
        ticket: Ticket = Ticket(**dict(zip(Ticket.__struct_fields__, row, strict=True)))  # type: ignore[arg-type]
        if ticket.status in ("waiting", "approved") and ticket.expires_at <= self.now():
            return msgspec.structs.replace(ticket, status="expired")
        return ticket

    @contextmanager
    def _backend(self, what: str) -> Iterator[Backend]:
        backend = connect(self.target)
        faults: tuple[type[Exception], ...] = (*backend.errors, *backend.data_errors, OSError)
        try:
            backend.open()
            yield backend
        except faults as error:
            reason = reason_of(error, self.target)
            raise StoreError(
                f"the approvals at {self.target.shown} cannot be {what}: {reason.rstrip('.')}. "
                f"{advice_for(error, reason)}"
            ) from error
        finally:
            backend.close()
