"""What users said of answers, and what was learned from it."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from llm_orchestrator.errors import InvalidRequestError, StoreError
from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.outage import advice_for, reason_of
from llm_orchestrator.store.reports import open_current
from llm_orchestrator.store.urls import Target, parse_url
from llm_orchestrator.types.verdict import Verdict

_LAST = (
    "SELECT call_id FROM calls WHERE provider IS NOT NULL AND status = 'ok'"
    " ORDER BY started_at DESC, call_id DESC LIMIT 1"
)
_CALL = "SELECT status, provider, model, category, features FROM calls WHERE call_id = ?"
_GIVE = (
    "INSERT INTO feedback (call_id, at, verdict, note, category, model, features)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (call_id) DO UPDATE SET at = excluded.at,"
    " verdict = excluded.verdict, note = COALESCE(excluded.note, feedback.note)"
)
_LABELS = (
    "SELECT category, verdict, features FROM feedback"
    " WHERE model = ? AND features IS NOT NULL ORDER BY at, call_id"
)
_COUNTS = (
    "SELECT model, COUNT(*), SUM(verdict), SUM(CASE WHEN features IS NULL THEN 0 ELSE 1 END)"
    " FROM feedback GROUP BY model ORDER BY model"
)
_KEEP = (
    "INSERT INTO routing_models (name, body, labels, updated_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET body = excluded.body, labels = excluded.labels,"
    " updated_at = excluded.updated_at"
)


class Features(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call's row keeps of its prompt: no text."""

    words: str
    """As `routing.pieces.pack` packs them."""
    category: str | None = None
    """What the prompt's kind is known by."""

    def written(self) -> str:
        """As JSON text."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """What `written` wrote; ``None`` for anything else."""
        try:
            return msgspec.json.decode(text or "", type=cls)
        except msgspec.DecodeError:
            return None


class Label(msgspec.Struct, frozen=True):
    """How right an answer was, and what is known of its prompt."""

    category: str | None
    verdict: float
    features: str
    """As `routing.pieces.pack` packs them."""


class Count(msgspec.Struct, frozen=True):
    """What was said of one model."""

    model: str
    verdicts: int
    right: float
    """The sum of the verdicts."""
    labels: int
    """Verdicts that something can be learned from."""


class Kept(msgspec.Struct, frozen=True):
    """What was learned of one model; ``updated_at`` is unix microseconds."""

    labels: int
    updated_at: int
    body: bytes


class Feedback:
    """Reads and writes verdicts. All of it blocks, and raises `StoreError`.

    ``url`` as in ``store.url``; ``clock`` gives unix seconds.
    """

    def __init__(self, url: str | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.target: Target = parse_url(url)
        self._clock = clock

    def give(self, call_id: str, verdict: float, note: str | None = None) -> Verdict:
        """Say how right the answer of a call was, from 0 to 1; a later verdict wins.

        ``last`` is the last call that was answered. Raises `InvalidRequestError` for a call that is
        not in the ledger, or that nobody answered.
        """
        with self._backend("written", current=True) as backend:
            if call_id == "last":
                call_id = next((row[0] for row in list(backend.query(_LAST))), call_id)
            found = list(backend.query(_CALL, (call_id,)))
            if not found:
                raise InvalidRequestError(
                    f"there is no call {call_id} in the ledger at {self.target.shown}"
                )
            status, provider, model, category, text = found[0]
            if status != "ok" or provider is None:
                raise InvalidRequestError(f"nobody answered the call {call_id}: it has no verdict")
            kept = Features.read(text)
            words = None
            if kept is not None:
                category, words = kept.category, kept.words
            name, at = f"{provider}/{model}", int(self._clock() * 1e6)
            backend.execute(_GIVE, (call_id, at, verdict, note, category, name, words))
        return Verdict(call_id, name, category, verdict, words is not None)

    def labels(self, model: str) -> list[Label]:
        """All that was said of a model's answers and can be learned from, the oldest first."""
        with self._backend("read") as backend:
            return [Label(*row) for row in backend.query(_LABELS, (model,))]

    def counts(self) -> list[Count]:
        """What was said of each model."""
        with self._backend("read") as backend:
            rows = list(backend.query(_COUNTS))
        return [
            Count(model, int(many), float(right), int(labels))
            for model, many, right, labels in rows
        ]

    def keep(self, model: str, body: bytes, labels: int) -> None:
        """Keep what was learned of a model in place of what was."""
        with self._backend("written") as backend:
            backend.execute(_KEEP, (model, body, labels, int(self._clock() * 1e6)))

    def kept(self, models: Iterable[str] | None = None) -> dict[str, Kept]:
        """What was learned, of these models or of all."""
        names = None if models is None else list(models)
        sql = "SELECT name, labels, updated_at, body FROM routing_models"
        if names is not None:
            sql += f" WHERE name IN ({', '.join('?' * len(names)) or 'NULL'})"
        with self._backend("read") as backend:
            rows = list(backend.query(sql, names or ()))
        return {name: Kept(int(labels), at, bytes(body)) for name, labels, at, body in rows}

    def learned(self) -> dict[str, tuple[int, int]]:
        """From how many labels each model's was learned, and when, without what it is."""
        with self._backend("read") as backend:
            rows = list(backend.query("SELECT name, labels, updated_at FROM routing_models"))
        return {name: (int(labels), at) for name, labels, at in rows}

    @contextmanager
    def _backend(self, what: str, *, current: bool = False) -> Iterator[Backend]:
        """The store; with ``current``, what other processes could not write until now is in it."""
        absent = self.target.kind == "sqlite" and not Path(self.target.place).exists()
        backend = open_current(self.target) if current or absent else connect(self.target)
        faults: tuple[type[Exception], ...] = (*backend.errors, *backend.data_errors, OSError)
        try:
            yield backend
        except faults as error:
            reason = reason_of(error, self.target)
            raise StoreError(
                f"the feedback at {self.target.shown} cannot be {what}: {reason.rstrip('.')}. "
                f"{advice_for(error, reason)}"
            ) from error
        finally:
            backend.close()
