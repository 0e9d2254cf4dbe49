"""From items that wait to units of work: files of batches, and chunks of the online lane."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from llm_orchestrator.bulk.batches import building
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.bulk.online import chunks
from llm_orchestrator.bulk.rows.row import RowError
from llm_orchestrator.bulk.tasks import cutting
from llm_orchestrator.bulk.tasks.repair import asked_for
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.errors import OrchestratorError, StoreError
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_items import Waiting
from llm_orchestrator.store.bulk_rows import ItemRow, ItemState, Outcome, Unit
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Items of a task that go one way: the next ``count`` of those that wait; ``None``: all."""

    task: Task
    target: Candidate
    lane: str
    past: Waiting | None = None
    """Only those with this past."""
    count: int | None = None
    most_items: int = 50_000
    most_pico: Pico | None = None
    """What a unit may hold at most."""
    hours: int = 24
    max_tokens: int | None = None
    """What answers are cut to, where neither task nor row says it."""
    refusal: str | None = None
    """Why they cannot be asked at all."""


class UnitMaker:
    """Makes units of one run. All of it blocks; it is for a thread."""

    def __init__(self, store: BulkStore, run_id: str, *, folder: Path, now: int) -> None:
        self._store = store
        self._run_id = run_id
        self._folder = folder
        self._now = now

    def make(self, assignment: Assignment) -> int:
        """Make the units, and put them into the store; returns how many items are in them."""
        rows: Iterator[ItemRow] = islice(self._waiting(assignment), assignment.count)
        past = assignment.past
        if assignment.refusal is not None or (past is not None and past.cut_at is not None):
            rows = self._without_refused(assignment, rows)
        make = self._batches if assignment.lane == "batch" else self._chunks
        return make(assignment, rows)

    def _without_refused(
        self, assignment: Assignment, rows: Iterator[ItemRow]
    ) -> Iterator[ItemRow]:
        """The rows that a longer limit may help; those that set a limit themselves are refused."""
        for row in rows:
            text = assignment.refusal
            if text is None:
                asked, _ = assignment.task.form(msgspec.json.decode(row.row))
                own = asked.max_tokens if isinstance(asked, Request) else None
                text = None if own is None else cutting.told(own)
            if text is None:
                yield row
            else:
                outcome = Outcome(row.item_no, ItemState.FAILED, error=text)
                self._store.wait(self._store.items.refuse, self._run_id, [outcome])

    def _batches(self, assignment: Assignment, rows: Iterator[ItemRow]) -> int:
        plan = building.Plan(
            run_id=self._run_id,
            task=assignment.task.name,
            target=assignment.target,
            folder=self._folder,
            created_at=self._now,
            most_items=assignment.most_items,
            most_pico=assignment.most_pico,
            hours=assignment.hours,
            round=0 if assignment.past is None else assignment.past.round,
            embeds=assignment.task.kind == "embedding",
            max_tokens=assignment.max_tokens,
        )
        made = 0
        task = cutting.cut(assignment.task, assignment.max_tokens)
        for built in building.build(plan, self._asked(task, rows)):
            self._refuse(built.rejects)
            if built.unit is not None:
                if not self._store.wait(self._store.units.add, built.unit, built.numbers):
                    building.discard(plan, built)  # another process has some of them
            elif built.numbers:  # too few for a batch
                self._chunk(assignment, list(built.numbers))
            made += len(built.numbers)
        return made

    def rebuild(self, unit: Unit, task: Task, target: Candidate) -> Unit:
        """Write the rows of a unit anew, whose file is on another machine; see `rewrite`."""
        plan = building.Plan(
            run_id=self._run_id,
            task=task.name,
            target=target,
            folder=self._folder,
            created_at=unit.created_at,
            most_items=unit.count,
            embeds=unit.embeds,
        )
        task = cutting.cut(task, unit.max_tokens)
        return building.rewrite(plan, unit, self._again(task, unit.work_id))

    def _again(self, task: Task, work_id: str) -> Iterator[tuple[int, Request | Texts]]:
        after = -1
        page = self._store.items.page
        while rows := self._store.wait(page, self._run_id, work_id=work_id, after=after):
            for row in rows:
                try:
                    yield row.item_no, asked_for(task, row)
                except RowError as error:
                    raise StoreError(f"item {row.item_no} cannot be read again: {error}") from None
            after = rows[-1].item_no

    def _chunks(self, assignment: Assignment, rows: Iterator[ItemRow]) -> int:
        made = 0
        size = min(chunks.CHUNK, assignment.most_items)
        while chunk := [row.item_no for row in islice(rows, size)]:
            self._chunk(assignment, chunk)
            made += len(chunk)
        return made

    def _chunk(self, assignment: Assignment, numbers: list[int]) -> None:
        unit = chunks.unit_of(
            self._run_id,
            assignment.task.name,
            assignment.target,
            len(numbers),
            round=0 if assignment.past is None else assignment.past.round,
            now=self._now,
            max_tokens=assignment.max_tokens,
        )
        self._store.wait(self._store.units.add, unit, numbers)

    def _waiting(self, assignment: Assignment) -> Iterator[ItemRow]:
        after = -1
        while rows := self._store.wait(
            self._store.items.page,
            self._run_id,
            states=(ItemState.WAITING,),
            task=assignment.task.name,
            past=assignment.past,
            after=after,
        ):
            yield from rows
            after = rows[-1].item_no

    def _asked(self, task: Task, rows: Iterator[ItemRow]) -> Iterator[tuple[int, Request | Texts]]:
        for row in rows:
            try:
                asked = asked_for(task, row)
            except RowError as error:  # it was read by another version of us
                self._refuse([(row.item_no, error)])
                continue
            yield row.item_no, asked

    def _refuse(self, rejects: Sequence[tuple[int, OrchestratorError | RowError]]) -> None:
        if rejects:
            outcomes = [
                Outcome(number, ItemState.FAILED, error=error_text(error))
                for number, error in rejects
            ]
            self._store.wait(self._store.items.refuse, self._run_id, outcomes)
