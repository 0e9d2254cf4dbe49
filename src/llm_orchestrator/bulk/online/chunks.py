"""The online lane: items that are answered in real time, with the same checkpoints as batches.

A chunk is a unit of work like a batch, and an answer is written down within a quarter of a second.
Each item is a call of its own with its attempts in the ledger; one that was answered is not asked
again, and of a process that dies only the calls of its last moment are.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from llm_orchestrator.bulk.answers import Judge, Verdict, encode_answer
from llm_orchestrator.bulk.batches.context import account_of
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.bulk.online.outcomes import OutcomeBuffer
from llm_orchestrator.bulk.online.refusals import Refusals
from llm_orchestrator.bulk.online.spending import Spending
from llm_orchestrator.bulk.tasks.repair import asked_for, repair_request
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.engine import embedding, verbs
from llm_orchestrator.engine.prepare import Prepared
from llm_orchestrator.engine.routes import Route
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import (
    BudgetError,
    ClosedError,
    InvalidRequestError,
    OrchestratorError,
    OutputError,
    StoreError,
)
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.pipeline.replies import response_of
from llm_orchestrator.pipeline.rescue import Rescue
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_batches import Booked
from llm_orchestrator.store.bulk_rows import (
    CUT,
    ItemRow,
    ItemState,
    Outcome,
    Unit,
    new_work_id,
)
from llm_orchestrator.store.matching import RUN
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Reply, Response
from llm_orchestrator.types.request import Message, Request
from llm_orchestrator.types.usage import Usage

CATEGORY = "bulk"
CHUNK = 500
"""Items of one unit."""
Stopped: TypeAlias = Callable[[], bool]


def unit_of(
    run_id: str,
    task: str,
    target: Candidate,
    count: int,
    *,
    round: int,
    now: int,
    hold: Pico | None = None,
    max_tokens: int | None = None,
) -> Unit:
    """A new unit of the online lane; ``now`` is in unix microseconds, ``hold`` its cost at most."""
    work_id = new_work_id()
    return Unit(
        work_id=work_id,
        run_id=run_id,
        task=task,
        provider=target.provider.name,
        model=target.model.id,
        account=account_of(target.provider),
        lane="online",
        round=round,
        tag=work_id,
        prefix="",
        count=count,
        created_at=now,
        hold_pico=hold,
        max_tokens=max_tokens,
    )


class ChunkRunner:
    """Answers the items of online units: at most ``concurrency`` calls in flight, of all units."""

    def __init__(
        self,
        runtime: Runtime,
        store: BulkStore,
        *,
        concurrency: int,
        micros: Callable[[], int],
        tags: Mapping[str, str] = {},
        user: str | None = None,
        judge: Judge | None = None,
        stopped: Stopped = lambda: False,
    ) -> None:
        self._runtime = runtime
        self._store = store
        self._concurrency = concurrency
        self._judge = judge
        self._stopped = stopped
        self._micros = micros
        self._tags = tags
        self._user = user
        self.broken: OrchestratorError | None = None
        """What ended the last unit before its time, if anything did."""
        self.refusals = Refusals()

    async def answer(self, unit: Unit, task: Task, spending: Spending) -> bool:
        """Ask what of the unit is not answered yet; False when it ended before its last item.

        Those that it did not come to wait again. ``spending`` is what the unit may cost. Where the
        target refuses everybody, its items fail unasked, and the unit says why.
        """
        self.refusals.begin(unit)
        rows = await self._store.do(
            self._store.items.page,
            unit.run_id,
            states=(ItemState.SENT,),
            work_id=unit.work_id,
            limit=max(1, unit.count),
        )
        target = Candidate(
            self._runtime.directory.use(unit.provider),
            self._runtime.catalog.resolve(unit.model, unit.provider),
        )
        chunk = _Chunk(
            unit,
            task,
            target,
            spending,
            Route(candidates=(target,), strategy=CATEGORY),
            OutcomeBuffer(self._store, unit),
            self._tags_of(unit),
        )
        waiting = iter(rows)
        workers = min(self._concurrency, max(1, len(rows)))
        try:
            await asyncio.gather(*(self._answer_rows(waiting, chunk) for _ in range(workers)))
        finally:
            await chunk.outcomes.close()
        if chunk.short:
            await self._store.do(
                self._store.items.leave, unit.run_id, unit.work_id, ItemState.WAITING, None
            )
        if not (chunk.short and self._stopped()):
            await self.over(unit, capped=spending.capped, error=self.refusals.why(unit))
        return not chunk.short

    def _tags_of(self, unit: Unit) -> str:
        """What its rows in the ledger bear."""
        own = {RUN: unit.run_id, "task": unit.task, "work": unit.work_id}
        return msgspec.json.encode({**self._tags, **own}).decode()

    async def over(self, unit: Unit, *, capped: bool = False, error: str | None = None) -> None:
        """The chunk has ended: its sums are those of what it has answered.

        Calls of a process that died count as the ledger has them, with their hold where nobody
        knows what they cost; under a cap all others do so, too.
        """
        now = self._micros()
        sums = await self._store.do(self._store.items.sums, unit.run_id, unit.work_id)
        cost, booked = sums.cost_pico, None
        if unit.reserved or (capped and cost is None):
            booked = await self.booked(unit)
        if booked is not None:
            cost = max(cost or 0, booked.cost_pico)
        await self._store.do(
            self._store.units.over,
            unit,
            "collected",
            done=sums.done,
            failed=sums.count - sums.done,
            count=sums.count,
            cost_pico=cost,
            realtime_pico=cost,
            unknown=None if booked is None else booked.unknown,
            unknown_pico=None if booked is None else booked.unknown_pico,
            input_tokens=sums.input_tokens,
            output_tokens=sums.output_tokens,
            error=error,
            ended_at=now,
            collected_at=now,
        )

    async def booked(self, unit: Unit) -> Booked | None:
        """What the ledger has of it, also of a process that died; ``None`` without a ledger."""
        ledger = self._runtime.ledger
        if ledger is None:
            return None
        await ledger.flush()
        return await self._store.do(self._store.units.booked, unit.run_id, self._tags_of(unit))

    async def _answer_rows(self, waiting: Iterator[ItemRow], chunk: "_Chunk") -> None:
        for row in waiting:
            if chunk.short or self._stopped():
                chunk.short = True
                return
            if (why := self.refusals.why(chunk.unit)) is not None:
                await chunk.outcomes.add(_unasked(row, why))
                continue
            asked = asked_for(chunk.task, row)
            held = await chunk.spending.hold(asked, chunk.target)
            if held is None:
                chunk.short = True
                return
            try:
                outcome = await self._one(row, chunk, asked, held)
            except (BudgetError, StoreError, ClosedError) as error:
                self.broken = error
                chunk.short = True
                chunk.spending.settle(held, 0)
                return
            chunk.spending.settle(held, outcome.cost_pico)
            try:
                await chunk.outcomes.add(outcome)
            except StoreError as error:  # it is kept; what is under way is waited for, and kept too
                self.broken = error
                chunk.short = True

    async def _one(
        self, row: ItemRow, chunk: "_Chunk", asked: Request | Texts, held: Pico
    ) -> Outcome:
        """What became of one item."""
        try:
            if isinstance(asked, Texts):
                outcome = await self._vectors(row, chunk, asked)
            else:
                outcome = await self._text(row, chunk, asked, held)
        except (BudgetError, StoreError, ClosedError):
            raise
        except OrchestratorError as error:
            self.refusals.failed(chunk.unit, error)
            return _failed(row, error)
        self.refusals.answered(chunk.unit)
        return outcome

    async def _text(self, row: ItemRow, chunk: "_Chunk", request: Request, held: Pico) -> Outcome:
        outcome, verdict = await self._asked(row, chunk, request, held)
        if verdict is None or verdict.state is not ItemState.RETRY or row.repaired:
            return outcome
        if (verdict.error or "").startswith(CUT):
            return outcome
        if not chunk.spending.repairs(request, chunk.target, held):
            return outcome
        # An answer that breaks the schema is repaired once, at once.
        bad = msgspec.structs.replace(row, result=outcome.result, error=outcome.error)
        try:
            again, verdict = await self._asked(row, chunk, repair_request(request, bad), held)
        except OrchestratorError as error:
            outcome.error = f"{outcome.error}; its repair failed: {error_text(error)}"
            return _joined(outcome, _failed(row, error))
        again.repaired = True
        return _joined(again, outcome)

    async def _asked(
        self, row: ItemRow, chunk: "_Chunk", request: Request, held: Pico
    ) -> tuple[Outcome, Verdict | None]:
        call = self._call(request, chunk, held if chunk.spending.capped else None)
        reply = await verbs.answer(self._runtime, Prepared(call, chunk.route, None))
        response = response_of(reply)
        verdict = None if self._judge is None else self._judge(chunk.unit, response)
        outcome = _outcome(row, reply, encode_answer(response, None, verdict))
        if verdict is not None:
            outcome.state, outcome.error = verdict.state, verdict.error
        return outcome, verdict

    async def _vectors(self, row: ItemRow, chunk: "_Chunk", asked: Texts) -> Outcome:
        call = self._call(Request(messages=(Message("user", ""),), max_tokens=0), chunk, None)
        rescue = Rescue((chunk.target,), self._runtime.config.retry, self._runtime.breaker)
        found = await embedding.embed(self._runtime, call, rescue, asked.texts, asked.dimensions)
        response = Response((), "stop", found.reply.usage, found.reply.model, found.reply.id)
        vectors = [list(vector) for vector in found.vectors]
        return _outcome(row, found.reply, encode_answer(response, vectors))

    def _call(self, request: Request, chunk: "_Chunk", cap: Pico | None) -> Call:
        return Call(
            request,
            session_id=chunk.unit.run_id,
            category=CATEGORY,
            strategy="specified",
            user_id=request.user or self._user,
            tags=chunk.tags,
            cap=cap,
        )


class _Chunk(msgspec.Struct):
    """A unit while it is answered."""

    unit: Unit
    task: Task
    target: Candidate
    spending: Spending
    route: Route
    outcomes: OutcomeBuffer
    tags: str
    short: bool = False
    """Whether it ends before its last item."""


def _outcome(row: ItemRow, reply: Reply, result: bytes) -> Outcome:
    usage = reply.usage
    return Outcome(
        row.item_no,
        ItemState.DONE,
        result=result,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cost_pico=reply.cost_pico,
    )


def _failed(row: ItemRow, error: OrchestratorError) -> Outcome:
    """An item without an answer; what its attempts have used was paid for all the same."""
    for_good = isinstance(error, InvalidRequestError) and not isinstance(error, OutputError)
    outcome = _unasked(row, error_text(error))
    outcome.state = ItemState.FAILED if for_good else ItemState.RETRY
    for one in error.attempts:
        usage = one.usage
        if usage is None and one.cost_pico is not None:
            usage = Usage()  # what was refused has used nothing
        took = Outcome(row.item_no, outcome.state)
        if usage is not None:
            took.input_tokens = usage.input_tokens
            took.output_tokens = usage.output_tokens
            took.cache_read_tokens = usage.cache_read_tokens
        took.cost_pico = one.cost_pico
        _joined(outcome, took)
    return outcome


def _unasked(row: ItemRow, why: str) -> Outcome:
    """An item that was given up before it went out."""
    return Outcome(
        row.item_no,
        ItemState.RETRY,
        error=why,
        input_tokens=0,
        output_tokens=0,
        cache_read_tokens=0,
        cost_pico=0,
    )


def _joined(outcome: Outcome, other: Outcome) -> Outcome:
    """The outcome, with what both of them took."""
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cost_pico"):
        one, more = getattr(outcome, name), getattr(other, name)
        setattr(outcome, name, None if one is None or more is None else one + more)
    return outcome
