"""The queue in figures, for people and dashboards. All of it blocks."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from llm_orchestrator.bulk.output import savings as money
from llm_orchestrator.bulk.output.summary import gather
from llm_orchestrator.bulk.queue import batch_status
from llm_orchestrator.bulk.runner import ENDED
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_jobs import MARK
from llm_orchestrator.store.bulk_rows import RunRow, RunState
from llm_orchestrator.types.money import to_usd

_LATEST = 20


def queue_status(store: BulkStore) -> dict[str, Any]:
    """What waits and what is under way, by job type, provider and priority."""
    states: dict[str, int] = dict.fromkeys(
        ("queued", "running", "completed", "failed", "cancelled"), 0
    )
    by_type: dict[str, int] = {}
    by_provider: dict[str, int] = {}
    by_priority: dict[str, int] = {}
    for job_type, provider, priority, state, count in store.wait(store.jobs.counts):
        states[state] += count
        if state == "queued":
            by_type[job_type] = by_type.get(job_type, 0) + count
            by_provider[provider] = by_provider.get(provider, 0) + count
            by_priority[str(priority)] = by_priority.get(str(priority), 0) + count
    return {
        "total_queued": states["queued"],
        "total_processing": states["running"],
        "total_completed": states["completed"],
        "total_failed": states["failed"],
        "total_cancelled": states["cancelled"],
        "jobs_by_type": by_type,
        "jobs_by_provider": by_provider,
        "priority_distribution": dict(
            sorted(by_priority.items(), key=lambda pair: int(pair[0]), reverse=True)
        ),
        "active_batches": len(_active(store)),
    }


def metrics(store: BulkStore, category: str | None = None) -> dict[str, Any]:
    """Counts, success rate, cost and savings, of one job type if it is named."""
    states: dict[str, int] = {}
    for job_type, _, _, state, count in store.wait(store.jobs.counts):
        if category in {None, job_type}:
            states[state] = states.get(state, 0) + count
    done, failed = states.get("completed", 0), states.get("failed", 0)
    saved = money.savings(store, job_type=category).total
    return {
        "category": category,
        "total_jobs": sum(states.values()),
        "total_jobs_queued": states.get("queued", 0),
        "total_jobs_processing": states.get("running", 0),
        "total_jobs_processed": done + failed,
        "completed_jobs": done,
        "failed_jobs": failed,
        "success_rate": done / (done + failed) if done + failed else None,
        "total_cost_usd": to_usd(saved.cost_pico),
        "total_cost_savings_usd": to_usd(saved.saved_pico),
    }


def dashboard(store: BulkStore, now: int) -> dict[str, Any]:
    """Overview, active batches, savings, queue and recent activity; ``now`` in microseconds."""
    told = metrics(store)
    queue = queue_status(store)
    active = _active(store)
    saved = money.savings(store)
    return {
        "overview": {
            "total_jobs_queued": told["total_jobs_queued"],
            "total_jobs_processed": told["total_jobs_processed"],
            "active_batches": len(active),
            "success_rate": told["success_rate"],
            "total_cost_savings_usd": told["total_cost_savings_usd"],
        },
        "active_batches": [_active_one(store, run, now) for run in active],
        "cost_savings": {
            "total_savings_usd": to_usd(saved.total.saved_pico),
            "savings_by_job_type": _amounts(saved.by_job_type),
            "savings_by_provider": _amounts(saved.by_provider),
            "savings_percentage": saved.total.percent,
            "jobs_processed": saved.total.jobs,
        },
        "queue_breakdown": {
            "jobs_by_type": queue["jobs_by_type"],
            "jobs_by_provider": queue["jobs_by_provider"],
            "priority_distribution": queue["priority_distribution"],
        },
        "recent_activity": [_recent(store, run) for run in _latest(store)],
    }


def savings(store: BulkStore, zone: str = "UTC") -> dict[str, Any]:
    """What batches have saved, by job type, provider and month."""
    return money.savings(store, zone).as_dict()


def report(store: BulkStore, now: int, days: int, zone: str = "UTC") -> dict[str, Any]:
    """Batches that were collected in the last days, in all and by day; ``now`` in microseconds."""
    if days < 1:
        raise InvalidRequestError("days must be 1 or more")
    since = now - days * 86_400_000_000
    where = ZoneInfo(zone)
    units = [unit for unit in store.wait(store.sums.paid) if unit.collected_at >= since]
    by_day: dict[str, money.Saved] = {}
    for unit in units:
        day = dt.datetime.fromtimestamp(unit.collected_at / 1e6, where).date().isoformat()
        by_day.setdefault(day, money.Saved()).add(unit)
    found = money.summed(units, zone)
    return {
        "days": days,
        "time_zone": zone,
        "summary": found.total.as_dict(),
        "by_job_type": {name: one.as_dict() for name, one in found.by_job_type.items()},
        "by_provider": {name: one.as_dict() for name, one in found.by_provider.items()},
        "by_day": {name: one.as_dict() for name, one in sorted(by_day.items())},
    }


def alerts(store: BulkStore, *, standing: bool = True) -> list[dict[str, Any]]:
    """Alerts, the latest first; only those that are not over if ``standing``."""
    return [
        {
            "name": one.name,
            "severity": one.severity,
            "action": one.action,
            "message": one.message,
            "subject": one.subject,
            "raised_at": one.raised_at / 1e6,
            "resolved_at": None if one.resolved_at is None else one.resolved_at / 1e6,
        }
        for one in store.wait(store.alerts.listed, standing=standing)
    ]


def _active(store: BulkStore) -> list[RunRow]:
    states: list[RunState] = ["loading", "planned", "running", "paused", "cancelling"]
    return [run for run in store.wait(store.runs.listed, states, 1000) if _queued(run)]


def _latest(store: BulkStore) -> list[RunRow]:
    found = [run for run in store.wait(store.runs.listed, ENDED, 200) if _queued(run)]
    return found[:_LATEST]


def _queued(run: RunRow) -> bool:
    return (run.name or "").startswith(MARK)


def _active_one(store: BulkStore, run: RunRow, now: int) -> dict[str, Any]:
    provider, job_type = batch_status.names(run)
    report = gather(store, run)
    return {
        "batch_id": run.run_id,
        "provider": provider,
        "job_type": job_type,
        "status": batch_status.word(run, report.count("done")),
        "job_count": report.items,
        "age_hours": round((now - run.created_at) / 3.6e9, 2),
    }


def _recent(store: BulkStore, run: RunRow) -> dict[str, Any]:
    provider, job_type = batch_status.names(run)
    report = gather(store, run)
    done = report.count("done")
    return {
        "batch_id": run.run_id,
        "provider": provider,
        "job_type": job_type,
        "status": batch_status.word(run, done),
        "completed": done,
        "failed": report.count("failed"),
        "completed_at": None if run.ended_at is None else run.ended_at / 1e6,
    }


def _amounts(sums: dict[str, money.Saved]) -> dict[str, Any]:
    return {name: to_usd(one.saved_pico) for name, one in sums.items()}
