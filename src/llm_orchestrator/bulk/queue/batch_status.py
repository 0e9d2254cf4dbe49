"""The status of a batch of queued jobs, or of one of its jobs, as data."""

from collections.abc import Iterator
from typing import Any

import msgspec

from llm_orchestrator.bulk.output.summary import Report, gather
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_jobs import MARK, JobRow
from llm_orchestrator.store.bulk_rows import RunRow
from llm_orchestrator.types.money import to_usd

_WORDS = {
    "loading": "validating",
    "planned": "queued",
    "running": "in_progress",
    "paused": "paused",
    "cancelling": "cancelling",
    "completed": "completed",
    "cancelled": "cancelled",
    "failed": "failed",
}
_JOB_WORDS = {"running": "in_progress"}


def run_of(store: BulkStore, id: str) -> str | None:
    """The batch that an id means: itself, or that of a job; ``None`` for a job that waits.

    Raises `InvalidRequestError` for an id that there is not.
    """
    if store.wait(store.runs.get, id) is not None:
        return id
    job = store.wait(store.jobs.get, id)
    if job is None:
        raise InvalidRequestError(f"there is no batch and no job {id}")
    return job.run_id


def status(store: BulkStore, id: str) -> dict[str, Any]:
    """The state of a batch or a job. Amounts are USD, times seconds since 1970."""
    run = store.wait(store.runs.get, id)
    if run is not None:
        return _of_run(gather(store, run))
    job = store.wait(store.jobs.get, id)
    if job is None:
        raise InvalidRequestError(f"there is no batch and no job {id}")
    return of_job(job)


def results(store: BulkStore, id: str) -> list[dict[str, Any]]:
    """The results that have come, in order of the items."""
    if store.wait(store.runs.get, id) is not None:
        return [made for job in jobs_of(store, id) if (made := _result(job)) is not None]
    job = store.wait(store.jobs.get, id)
    made = None if job is None else _result(job)
    return [] if made is None else [made]


def jobs_of(store: BulkStore, run_id: str) -> Iterator[JobRow]:
    """The jobs of a batch, page by page."""
    after = -1
    while page := store.wait(store.jobs.of_run, run_id, after):
        yield from page
        after = page[-1].item_no or 0


def of_job(job: JobRow) -> dict[str, Any]:
    """A job as it stands."""
    return {
        "job_id": job.job_id,
        "batch_id": job.run_id,
        "status": _JOB_WORDS.get(job.state, job.state),
        "job_type": job.job_type,
        "provider": job.provider,
        "priority": job.priority,
        "queued_at": _seconds(job.queued_at),
        "started_at": _seconds(job.started_at),
        "completed_at": _seconds(job.ended_at),
        "error": job.error,
    }


def names(run: RunRow) -> tuple[str | None, str | None]:
    """Provider and job type of a run of queued jobs."""
    if run.name is None or not run.name.startswith(MARK):
        return None, None
    provider, _, job_type = run.name.removeprefix(MARK).partition("/")
    return provider, job_type


def word(run: RunRow, done: int) -> str:
    """The word for a run's state.

    One that could not do everything is ``completed`` all the same, unless it has done nothing.
    """
    if run.state == "partial":
        return "completed" if done else "failed"
    return _WORDS[run.state]


def _of_run(report: Report) -> dict[str, Any]:
    run, total = report.run, report.total
    provider, job_type = names(run)
    done, failed = report.count("done"), report.count("failed")
    saved = None if total.unknown else to_usd(total.realtime_pico - total.cost_pico)
    return {
        "batch_id": run.run_id,
        "status": word(run, done),
        "job_type": job_type,
        "provider": provider,
        "priority": run.priority,
        "job_count": report.items,
        "completed": done,
        "failed": failed,
        "pending": report.items - done - failed,
        "request_counts": {"total": report.items, "completed": done, "failed": failed},
        "created_at": _seconds(run.created_at),
        "started_at": _seconds(run.started_at),
        "completed_at": _seconds(run.ended_at),
        "cost_usd": to_usd(total.cost_pico),
        "savings_usd": saved,
        "provider_batches": [unit.batch_id for unit in report.units if unit.batch_id],
        "error": run.error,
    }


def _result(job: JobRow) -> dict[str, Any] | None:
    if job.result is not None:
        made: dict[str, Any] = msgspec.json.decode(job.result)
        return {**made, "job_type": job.job_type, "batch_id": job.run_id}
    if job.state in {"failed", "cancelled"}:
        return {
            "job_id": job.job_id,
            "status": job.state,
            "error": job.error,
            "job_type": job.job_type,
            "batch_id": job.run_id,
        }
    return None


def _seconds(moment: int | None) -> float | None:
    return None if moment is None else moment / 1e6
