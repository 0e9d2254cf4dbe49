"""What OpenAI's batch endpoints refuse at once, and how files and batches look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.files import DAY, StoredFile
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.refusal import Refusal

_STATES: Final = {"queued": "in_progress", "running": "in_progress"}
_PAIRS: Final = 16
_KEY: Final = 64
_VALUE: Final = 512
_SOONEST, _LATEST = 3600, 30 * 86_400
_WINDOWS: Final = {"24h": DAY}


def metadata(given: Any) -> dict[str, str] | None:
    """Up to 16 pairs of text."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise invalid("Invalid type for 'metadata': expected an object.", "metadata")
    if len(given) > _PAIRS:
        raise invalid(f"'metadata' may hold at most {_PAIRS} pairs.", "metadata")
    for name, value in given.items():
        if len(name) > _KEY:
            raise invalid(f"A key of 'metadata' is longer than {_KEY} characters.", "metadata")
        if not isinstance(value, str):
            raise invalid(
                f"Invalid type for 'metadata.{name}': expected a string.",
                "metadata",
                "invalid_type",
            )
        if len(value) > _VALUE:
            raise invalid(f"'metadata.{name}' is longer than {_VALUE} characters.", "metadata")
    return given


def lifetime(given: Any, name: str) -> float | None:
    """Seconds after which a file goes."""
    if given is None:
        return None
    if not isinstance(given, dict) or given.get("anchor") != "created_at":
        raise invalid(f"'{name}.anchor' must be 'created_at'.", name)
    seconds = given.get("seconds")
    text = str(seconds)
    if not text.isdigit() or not _SOONEST <= int(text) <= _LATEST:
        raise invalid(f"'{name}.seconds' must be between {_SOONEST} and {_LATEST}.", name)
    return float(text)


def window(given: Any, allowed: Mapping[str, float] = _WINDOWS) -> float:
    """The completion window in seconds."""
    if given not in allowed:
        words = ", ".join(f"'{word}'" for word in allowed)
        raise invalid(
            f"Invalid value: '{given}'. Supported values are: {words}.",
            "completion_window",
            "invalid_value",
        )
    return allowed[given]


def no_file(name: str) -> Refusal:
    """A 404 for a file that is not there (any more)."""
    message = f"No such File object: {name}"
    return Refusal(404, message, type="invalid_request_error", param="id", outcome="404 no file")


def no_batch(name: str) -> Refusal:
    """A 404 for a batch that is not there."""
    message = f"No batch found with id '{name}'."
    return Refusal(404, message, type="invalid_request_error", outcome="404 no batch")


def show_file(file: StoredFile) -> dict[str, Any]:
    """A file as JSON."""
    shown: dict[str, Any] = {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": int(file.created),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }
    return shown | ({"expires_at": int(file.expires)} if file.expires else {"expires_at": None})


def show_batch(batch: Batch, now: float) -> dict[str, Any]:
    """A batch as JSON, as time has brought it so far."""
    phase, plan = batch.phase(now), batch.timeline
    moment, _ = batch.stop
    moments = {
        "created_at": plan.created,
        "in_progress_at": plan.validated if phase not in {"validating", "failed"} else None,
        "expires_at": plan.expires,
        "finalizing_at": plan.worked if phase in {"finalizing", "completed"} else None,
        "completed_at": moment if phase == "completed" else None,
        "failed_at": moment if phase == "failed" else None,
        "expired_at": moment if phase == "expired" else None,
        "cancelling_at": batch.cancelled_at,
        "cancelled_at": moment if phase == "cancelled" else None,
    }
    problems = [
        {"code": p.code, "line": p.line, "message": p.message, "param": p.param}
        for p in batch.problems
    ]
    fault = batch.fault
    named = fault is None or fault.name != "late-results" or now >= moment + fault.seconds
    good, bad, lost = batch.results.kinds
    total = 0 if phase in {"validating", "failed"} else batch.total
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model or None,
        "errors": {"object": "list", "data": problems} if phase == "failed" else None,
        "input_file_id": batch.facts["input_file_id"],
        "completion_window": batch.facts["completion_window"],
        "status": _STATES.get(phase, phase),
        "output_file_id": batch.output.id if batch.output and named else None,
        "error_file_id": batch.errors.id if batch.errors and named else None,
        **{name: None if when is None else int(when) for name, when in moments.items()},
        "request_counts": {"total": total, "completed": good + lost, "failed": bad},
        "usage": show_usage(batch),
        "metadata": batch.label,
    }


def spent(batch: Batch) -> Usage:
    """The tokens of all finished items."""
    total = Usage()
    for tally in batch.results.tallies.values():
        for name, value in tally.usage.as_dict().items():
            setattr(total, name, getattr(total, name) + value)
    return total


def show_usage(batch: Batch) -> dict[str, Any]:
    """The usage of a batch so far."""
    usage = spent(batch)
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
