"""From the outputs of a batch to outcomes of items, the ledger and the files of what is strange.

Every batch that is over is read, also one that expired or was cancelled: what it has answered is
paid for. All of it may be done again from the beginning, and comes to the same.
"""

import asyncio
import datetime as dt
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from llm_orchestrator.bulk.answers import encode_answer
from llm_orchestrator.bulk.batches import fetching, money
from llm_orchestrator.bulk.batches.context import BatchContext
from llm_orchestrator.bulk.batches.crash_points import crash_point
from llm_orchestrator.bulk.batches.poll import past_of
from llm_orchestrator.bulk.batches.tidying import strange_path
from llm_orchestrator.bulk.error_text import error_text
from llm_orchestrator.catalog import cost
from llm_orchestrator.errors import BadReplyError, InvalidRequestError
from llm_orchestrator.pipeline.batches import read_output
from llm_orchestrator.store.bulk_items import CHUNK
from llm_orchestrator.store.bulk_rows import ItemState, Outcome, Unit, item_no_of
from llm_orchestrator.store.rows import SettlementRow
from llm_orchestrator.types.batch import BatchOutput, BatchResult, BatchState, BatchStatus
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate

_REFUSED = 300
_UNANSWERED, _SUCCEEDED = 1, 2
_STATES = {"failed": ItemState.FAILED, "retryable": ItemState.RETRY, "expired": ItemState.RETRY}


async def read(context: BatchContext, unit: Unit) -> float | None:
    """Fetch the results, note what became of each item, book the cost."""
    async with fetching.own_folder(context, unit) as folder:
        return await _read(context, unit, folder)


async def _read(context: BatchContext, unit: Unit, folder: Path) -> float | None:
    target = context.target(unit)
    status, outputs, gone = await fetching.fetch(context, unit, target, folder)
    crash_point("fetched")
    reader = ResultReader(context, unit, target, status, folder, gone)
    try:
        await asyncio.to_thread(reader.run, outputs)
    except BadReplyError as error:
        reader.gone = fetching.given_up(context, unit, error, unread=True)
    store = context.store
    if unit.proof == "match" and reader.foreign:
        await asyncio.to_thread(strange_path(context.folder, unit).unlink, missing_ok=True)
        past = [*past_of(unit), status.id]
        done = await store.do(store.units.mistaken, unit, past, gate=unit.account)
        return 0.0 if done else context.settings.poll
    if reader.nothing:
        none = BadReplyError("nothing can be read in the results", code="unreadable_results")
        reader.gone = fetching.given_up(context, unit, none, unread=True)
    crash_point("folded")
    state, why = reader.rest()
    await store.do(store.items.leave, unit.run_id, unit.work_id, state, why)
    crash_point("left")
    await money.settle(context, unit, reader.settlement())
    crash_point("settled")
    done = await store.do(
        store.units.over,
        unit,
        "collected",
        collected_at=context.micros(),
        done=reader.done,
        failed=unit.count - reader.done,
        strange=reader.strange,
        cost_pico=None if reader.unknown else reader.cost,
        realtime_pico=reader.realtime,
        input_tokens=reader.input_tokens,
        output_tokens=reader.output_tokens,
        provider_state=status.state.value,
        proof="rows" if unit.proof == "match" and reader.own else unit.proof,
    )
    crash_point("collected")
    await asyncio.to_thread(fetching.clear, context, unit)
    return None if done else 0.0


class ResultReader:
    """One pass over the outputs of a unit, in a thread; memory holds a chunk of them."""

    def __init__(
        self,
        context: BatchContext,
        unit: Unit,
        target: Candidate,
        status: BatchStatus,
        folder: Path,
        gone: str | None = None,
    ) -> None:
        self._folder = folder
        self._hands = context
        self._unit = unit
        self._target = target
        self._status = status
        self.gone = gone
        """Why results are missing that there should be."""
        made = status.created_at or (unit.sent_at or unit.created_at) / 1e6
        self._day = dt.datetime.fromtimestamp(made, dt.UTC).date()
        self._numbers: Sequence[int] = ()
        self._seen = bytearray()
        self._moved: dict[int, int] = {}
        self._chunk: list[Outcome] = []
        self._strange_file: BinaryIO | None = None
        self.done = 0
        self.own = 0
        """Results of our own items."""
        self._answered = 0
        """How many of our items the provider has worked for."""
        self.strange = 0
        """Results that nobody asked for, or that cannot be read."""
        self.others = 0
        """Strange results that have an id of somebody else."""
        self.cost: Pico = 0
        """The cost of all results whose cost is known."""
        self.realtime: Pico | None = 0
        self.unknown = 0
        """Items that may have cost something that nobody knows."""
        self.input_tokens = 0
        self.output_tokens = 0
        self.cache_read_tokens = 0
        self.cache_write_tokens = 0
        self.reasoning_tokens = 0

    @property
    def foreign(self) -> bool:
        """Whether nothing in the results is ours: all ids are others', or nothing was answered.

        A line that cannot be read may be ours, and results that are gone may have been.
        """
        nothing = self.strange == 0 and self.gone is None and not self._status.completed
        return self.own == 0 and (self.others > 0 or nothing)

    @property
    def nothing(self) -> bool:
        """Whether no item has a result, though there must be some."""
        missing = self.own == 0 and self.gone is None
        return missing and fetching.expected(self._status, self._target)

    def run(self, outputs: Iterable[BatchOutput]) -> None:
        """Read them all; outcomes go into the store a chunk at a time."""
        store, unit = self._hands.store, self._unit
        self._numbers = array("q", store.wait(store.items.numbers, unit.work_id, unit.run_id))
        self._seen = bytearray(len(self._numbers))
        try:
            for output in outputs:
                for result in read_output(output, self._target, embeds=unit.embeds):
                    self._take(result)
            self._refuse()
            self._flush()
        except BadReplyError:  # of the whole output: what came before it counts
            self._flush()
            raise
        finally:
            if self._strange_file is not None:
                self._strange_file.close()
        if self._strange_file is not None:
            path = Path(self._strange_file.name)
            path.replace(strange_path(self._hands.folder, unit))

    def _take(self, result: BatchResult) -> None:
        number = item_no_of(self._unit.prefix, result.custom_id)
        if number is None:
            self._keep_strange(result)
            return
        self.own += 1
        if not self._first(number, succeeded=result.outcome == "succeeded"):
            return
        self._chunk.append(self._outcome(number, result))
        if len(self._chunk) >= CHUNK:
            self._flush()

    def _first(self, number: int, *, succeeded: bool) -> bool:
        """Whether the result counts: the first success of an item, or else its first failure.

        Items that are in another unit by now are seen too: what they cost here was paid here.
        """
        place = bisect_left(self._numbers, number)
        known = place < len(self._numbers) and self._numbers[place] == number
        seen = self._seen[place] if known else self._moved.get(number, 0)
        if seen == _SUCCEEDED or (seen and not succeeded):
            return False
        state = _SUCCEEDED if succeeded else _UNANSWERED
        if known:
            self._seen[place] = state
        else:
            self._moved[number] = state
        return True

    def _outcome(self, number: int, result: BatchResult) -> Outcome:
        amount = self._priced(result)
        usage, response = result.usage, result.response
        outcome = Outcome(number, ItemState.DONE, cost_pico=amount)
        if usage is not None:
            outcome = Outcome(
                number,
                ItemState.DONE,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cost_pico=amount,
            )
        if result.outcome != "succeeded" or response is None:
            outcome.state = _STATES.get(result.outcome) or self._ended_early()
            outcome.error = None if result.error is None else error_text(result.error)
            return outcome
        judge = self._hands.judge
        verdict = None if judge is None else judge(self._unit, response)
        outcome.result = encode_answer(response, result.vectors, verdict)
        if verdict is not None:
            outcome.state, outcome.error = verdict.state, verdict.error
        self.done += outcome.state is ItemState.DONE
        return outcome

    def _refuse(self) -> None:
        """Rows for which the batch was refused would spoil the next one too."""
        if len(self._numbers) != self._unit.count:
            return  # some have moved on: their lines tell no more which is which
        for fault in self._status.faults:
            if 0 < fault.line <= len(self._numbers):
                number = self._numbers[fault.line - 1]
                why = f"refused in line {fault.line} of its batch: {fault.message}"
                error = error_text(InvalidRequestError(why))
                self._chunk.append(Outcome(number, ItemState.FAILED, error=error, cost_pico=0))

    def _ended_early(self) -> ItemState:
        """Rows of a batch that we have ended wait again; others failed."""
        asked = self._unit.cancel_at is not None
        return ItemState.WAITING if asked else ItemState.RETRY

    def _priced(self, result: BatchResult) -> Pico | None:
        """What the row cost; adds it to the sums."""
        usage, response, model = result.usage, result.response, self._target.model
        if usage is not None:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
            self.cache_read_tokens += usage.cache_read_tokens
            self.cache_write_tokens += usage.cache_write_tokens
            self.reasoning_tokens += usage.reasoning_tokens
        if response is not None and response.reported_cost is not None:
            amount: Pico | None = response.reported_cost
        elif usage is not None:
            amount = cost(usage, model, at=self._day, tier="batch", searches=usage.searches)
        else:
            amount = 0 if _free(result) else None
        self._answered += not _free(result)
        if amount is None:
            self.unknown += 1
        else:
            self.cost += amount
        if usage is not None and self.realtime is not None:
            live = cost(usage, model, at=self._day, searches=usage.searches)
            self.realtime = None if live is None else self.realtime + live
        return amount

    def _flush(self) -> None:
        store, chunk, self._chunk = self._hands.store, self._chunk, []
        if chunk:
            store.wait(store.items.finish, self._unit.run_id, self._unit.work_id, chunk)
            crash_point("chunk")

    def _keep_strange(self, result: BatchResult) -> None:
        self.strange += 1
        self.others += result.custom_id is not None
        if self._strange_file is None:
            path = self._folder / "strange"
            self._strange_file = path.open("wb")
        usage, unit = result.usage, self._unit
        line = {
            "work_id": unit.work_id,
            "provider": unit.provider,
            "model": unit.model,
            "batch_id": unit.batch_id,
            "custom_id": result.custom_id,
            "outcome": result.outcome,
            "error": None if result.error is None else error_text(result.error),
            "text": None if result.response is None else result.response.text,
            "input_tokens": None if usage is None else usage.input_tokens,
            "output_tokens": None if usage is None else usage.output_tokens,
        }
        self._strange_file.write(msgspec.json.encode(line) + b"\n")

    # ---------------------------------------------------------------- the end

    def rest(self) -> tuple[ItemState, str]:
        """What becomes of items without any result."""
        status = self._status
        if self.gone is not None:
            return ItemState.RETRY, self.gone
        if status.state is BatchState.COMPLETED:
            return ItemState.RETRY, "the batch has no result for it"
        why = f"the batch {status.state.value} before it was answered"
        if status.state is BatchState.FAILED:
            return ItemState.RETRY, f"the batch failed: {status.error or status.word}"
        return self._ended_early(), why

    def settlement(self) -> SettlementRow:
        """The batch in the ledger; its cost is unknown when that of a part of it is."""
        status, unit = self._status, self._unit
        missing = unit.count - sum(map(bool, self._seen)) - len(self._moved)
        if missing > 0 and not self._unpaid():
            self.unknown += missing
        known = self.unknown == 0
        ended = unit.ended_at or self._hands.micros()
        return SettlementRow(
            attempt_id=unit.work_id,
            status="ok" if status.state is BatchState.COMPLETED else "error",
            error=None if status.state is BatchState.COMPLETED else f"Batch{status.state.title()}",
            request_id=unit.batch_id,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens,
            cost_pico=self.cost if known else None,
            cost_source="price" if known else "unknown",
            ended_at=ended,
            latency_us=max(0, ended - (unit.sent_at or ended)),
        )

    def _unpaid(self) -> bool:
        """Whether rows without a result cost nothing: the provider did not answer them."""
        status = self._status
        if status.completed is not None:
            return status.completed <= self._answered
        return self.gone is None and status.state is not BatchState.COMPLETED


def _free(result: BatchResult) -> bool:
    """Whether a failed row was refused, or never reached: then nothing is owed."""
    if result.outcome in {"expired", "cancelled"}:
        return True
    error = result.error
    if error is None:
        return False
    if error.status_code is not None:
        return error.status_code >= _REFUSED
    return not isinstance(error, BadReplyError)
