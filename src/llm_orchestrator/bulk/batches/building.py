"""From requests to the files of batches, in one pass: a file is ended where a limit is reached."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from llm_orchestrator.bulk.batches.context import account_of
from llm_orchestrator.bulk.planning.bounds import most_in_batch
from llm_orchestrator.dialects import batch
from llm_orchestrator.errors import InvalidRequestError, OrchestratorError, StoreError
from llm_orchestrator.store.bulk_rows import Unit, custom_id, new_work_id, prefix_of, tag_of
from llm_orchestrator.types.batch import BatchItem, BatchLimits, Texts
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request

_BUFFER = 1 << 18
_BYTES_A_TOKEN = 4
_INLINE = 60_000_000
"""Bytes of rows that go out with the creation: it is one call, which must end within its time also
over a slow line, or it would never succeed."""
_CAREFUL = 100_000_000
"""Bytes where a provider does not tell how many it takes: none that does takes fewer."""
_DEAREST: Pico = 1 << 62
"""What a unit may hold at most, whatever its cap: 4.6 million USD, which a database can count."""
_REJECTS = 1000
"""How many rejects are yielded at a time."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the units of one build have in common."""

    run_id: str
    task: str
    target: Candidate
    folder: Path
    created_at: int
    """On the run's clock."""
    most_items: int = 50_000
    most_pico: Pico | None = None
    """What one unit may hold at most, where it has more than one row; ``None``: no limit."""
    hours: int = 24
    """How long a batch may take at most."""
    round: int = 0
    embeds: bool = False
    max_tokens: int | None = None
    """What the requests are cut to, where they do not say it themselves."""


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """One unit, its rows in a file; or, without a unit, what is left at the end.

    ``numbers`` are its items; ``rejects`` are items that cannot be asked for in this batch, and
    why. Without a unit, ``numbers`` are too few for a batch of this provider.
    """

    unit: Unit | None
    numbers: Sequence[int]
    rejects: list[tuple[int, OrchestratorError]]
    notices: frozenset[str] = frozenset()


def build(plan: Plan, rows: Iterable[tuple[int, Request | Texts]]) -> Iterator[Built]:
    """The units for these items (number and request, in order of the numbers).

    Blocks, as it writes files. Nothing is in the store yet: `BulkUnits.add` puts it there; where
    that says no, `discard` removes the file. Raises `StoreError` when a file cannot be written.
    """
    file = _File(plan)
    try:
        for number, request in rows:
            try:
                if not file.add(number, request):
                    full, file = file, _File(plan)
                    built = full.end()
                    full.close()
                    yield built
                    file.add(number, request)
            except InvalidRequestError as error:
                file.rejects.append((number, error))
                if len(file.rejects) >= _REJECTS:
                    rejects, file.rejects = file.rejects, []
                    yield Built(unit=None, numbers=(), rejects=rejects)
        if file.numbers or file.rejects:
            yield file.end()
    finally:
        file.close()


def discard(plan: Plan, built: Built) -> None:
    """Remove the file of a unit that is not wanted."""
    if built.unit is not None:
        (plan.folder / (built.unit.path or "")).unlink(missing_ok=True)


def rewrite(plan: Plan, unit: Unit, rows: Iterable[tuple[int, Request | Texts]]) -> Unit:
    """Write the rows of a unit anew, whose file is on another machine; the unit with their size.

    Raises `StoreError` when they are not as many as they were.
    """
    file = _File(plan, unit)
    try:
        for number, request in rows:
            if not file.add(number, request):
                break
        built = file.end()
    except InvalidRequestError as error:
        raise StoreError(f"the rows of {unit.work_id} cannot be written again: {error}") from None
    finally:
        file.close()
    if built.unit is None or built.unit.count != unit.count:
        discard(plan, built)
        raise StoreError(
            f"the rows of {unit.work_id} cannot be written again: {len(built.numbers)} instead of "
            f"{unit.count}"
        )
    return msgspec.structs.replace(
        unit, path=built.unit.path, size=built.unit.size, sha256=built.unit.sha256
    )


class _File:
    """The rows of one unit, while they are written."""

    def __init__(self, plan: Plan, unit: Unit | None = None) -> None:
        self._plan = plan
        self._wire = batch.wire_of(plan.target)
        self._dialect = batch.dialect(plan.target.provider)
        self.work_id = new_work_id() if unit is None else unit.work_id
        self._prefix = prefix_of(self.work_id)
        self._path = plan.folder / f"{self.work_id}.jsonl"
        self._out: BinaryIO | None = None
        self._ended = False
        self._sha = hashlib.sha256()
        self.numbers = array("q")
        self.rejects: list[tuple[int, OrchestratorError]] = []
        self._notices: set[str] = set()
        self._size = self._texts = 0
        self._hold: Pico | None = 0
        most = _INLINE if self._wire.inline else _CAREFUL
        told = self._wire.limits.size
        self._enough = most if told is None or self._wire.inline else told
        """Bytes after which a file is ended; one row may be larger."""

    def add(self, number: int, request: Request | Texts) -> bool:
        """Write one row; False when the file is full. Raises what makes the row impossible."""
        limits, plan = self._wire.limits, self._plan
        if len(self.numbers) >= min(plan.most_items, limits.requests or plan.most_items):
            return False
        name = custom_id(self._prefix, number)
        line = self._dialect.line(BatchItem(name, request), plan.target, self._notices) + b"\n"
        texts = len(request.texts) if isinstance(request, Texts) else 0
        if not self._fits(limits, len(line), texts):
            if self.numbers:
                return False
            raise InvalidRequestError(
                f"the row has {len(line)} bytes, which is more than a whole batch may have",
                code="too_large",
            )
        most = most_in_batch(request, len(line), plan.target)
        if self.numbers and (self._size + len(line) > self._enough or self._too_dear(most)):
            return False
        self._write(line)
        self._sha.update(line)
        self.numbers.append(number)
        self._size += len(line)
        self._texts += texts
        self._hold = None if most is None or self._hold is None else self._hold + most
        return True

    def _write(self, line: bytes) -> None:
        try:
            if self._out is None:
                self._plan.folder.mkdir(parents=True, exist_ok=True)
                self._out = self._path.open("wb", _BUFFER)
            self._out.write(line)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from None

    def _fits(self, limits: BatchLimits, size: int, texts: int) -> bool:
        return (
            (limits.size is None or self._size + size <= limits.size)
            and (limits.texts is None or self._texts + texts <= limits.texts)
            and (
                limits.enqueued is None or (self._size + size) // _BYTES_A_TOKEN <= limits.enqueued
            )
        )

    def _too_dear(self, most: Pico | None) -> bool:
        cap = _DEAREST if self._plan.most_pico is None else min(self._plan.most_pico, _DEAREST)
        return most is not None and self._hold is not None and self._hold + most > cap

    def end(self) -> Built:
        """Close the file; it stays if there is a unit for it."""
        try:
            if self._out is not None:
                self._out.close()
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from None
        notices = frozenset(self._notices)
        if len(self.numbers) < max(1, self._wire.limits.least):
            return Built(unit=None, numbers=self.numbers, rejects=self.rejects, notices=notices)
        plan = self._plan
        unit = Unit(
            work_id=self.work_id,
            run_id=plan.run_id,
            task=plan.task,
            provider=plan.target.provider.name,
            model=plan.target.model.id,
            account=account_of(plan.target.provider),
            round=plan.round,
            tag=tag_of(self.work_id),
            prefix=self._prefix,
            path=self._path.name,
            size=self._size,
            sha256=self._sha.hexdigest(),
            hours=self._wire.window(plan.hours),
            count=len(self.numbers),
            embeds=plan.embeds,
            max_tokens=plan.max_tokens,
            created_at=plan.created_at,
            hold_pico=self._hold,
            input_tokens=self._size // _BYTES_A_TOKEN,
        )
        self._ended = True
        return Built(unit=unit, numbers=self.numbers, rejects=self.rejects, notices=notices)

    def close(self) -> None:
        """Let the file go, and remove it if no unit was made of it."""
        if self._ended:
            return
        with suppress(OSError):
            if self._out is not None:
                self._out.close()
        self._path.unlink(missing_ok=True)
