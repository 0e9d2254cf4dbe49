"""Brings what became of the items of a run back to the jobs that they were made of."""

from collections.abc import Iterator
from typing import Any

import msgspec

from llm_orchestrator.bulk.answers import decode_answer
from llm_orchestrator.bulk.output.brands import brand
from llm_orchestrator.bulk.runner import ENDED
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_jobs import JobOutcome, JobState
from llm_orchestrator.store.bulk_rows import ItemState, RunRow
from llm_orchestrator.types.money import to_usd

_encode = msgspec.json.Encoder(decimal_format="number").encode


def settle(store: BulkStore, run_id: str, at: int) -> int:
    """Note the results of jobs whose items are answered, and of all once the run has ended.

    Returns how many. The same again changes nothing. Blocks; not for the store's own thread.
    """
    run = store.wait(store.runs.get, run_id)
    if run is None:
        return 0
    ended, count = run.state in ENDED, 0
    while rows := store.wait(store.jobs.answered, run_id, ended=ended):
        outcomes = [_outcome(row, run) for row in rows]
        changed = store.wait(store.jobs.settle, run_id, outcomes, at=at)
        count += changed
        if not changed:  # somebody else was faster
            break
    return count


def settle_all(store: BulkStore, at: int) -> Iterator[str]:
    """`settle` for all runs with jobs under way; yields the runs that had something new."""
    for run_id in store.wait(store.jobs.unsettled):
        if settle(store, run_id, at):
            yield run_id


def _outcome(row: tuple[Any, ...], run: RunRow) -> JobOutcome:
    number, _, job_id, state, provider, model, result, error, read, written, cost = row
    word = _word(state, run)
    if word == "queued":  # nothing was asked, as money or time was short: another night may do
        return JobOutcome(number, word, None, run.error)
    made: dict[str, Any] = {"job_id": job_id, "status": word}
    if word == "completed":
        made["result"] = _value(result)
    else:
        made["error"] = error = error or run.error or f"the run was {run.state}"
    made["provider"] = brand(provider)
    made["model"] = model
    made["input_tokens"] = read
    made["output_tokens"] = written
    made["cost_usd"] = None if cost is None else to_usd(cost)
    return JobOutcome(number, word, _encode(made).decode(), error)


def _word(state: int, run: RunRow) -> JobState:
    if state == ItemState.DONE:
        return "completed"
    if state in {ItemState.WAITING, ItemState.SENT}:
        return "cancelled" if run.state == "cancelled" else "queued"
    return "failed"


def _value(result: bytes | None) -> Any:
    answer = decode_answer(bytes(result or b"{}"))
    if answer.parsed is not None:
        return answer.parsed
    if answer.vectors is not None:
        return answer.vectors[0] if len(answer.vectors) == 1 else answer.vectors
    if answer.tool_calls and not answer.text:
        return msgspec.to_builtins(answer.tool_calls)
    return answer.text
