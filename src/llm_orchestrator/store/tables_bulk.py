"""The schema of bulk runs, in SQLAlchemy Core; see `tables`.

A run has items, one for each row of its input and each task. What is sent is a batch (a provider's
object, made by the submit protocol) or an online chunk; both are one unit of work. Our rows are the
truth: whoever reads them knows what to do next, whatever process wrote them.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text

from llm_orchestrator.store.tables import JSON, metadata

__all__ = ("metadata",)
"""Of the tables of both files; those of this one may be imported as well."""


def _text(name: str, *, null: bool = True, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null and not key, primary_key=key)


def _int(name: str, *, null: bool = True, key: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null and not key, primary_key=key)


def _small(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def _no(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _where(name: str, condition: str, *columns: str) -> Index:
    where = text(condition)
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


bulk_runs = Table(
    "bulk_runs",
    metadata,
    _text("run_id", key=True),
    _text("name"),
    _text("state", null=False),
    Column("spec", JSON, nullable=False),
    _text("out"),
    _text("input_digest"),
    _int("cap_pico"),
    _int("created_at", null=False),
    _int("started_at"),
    _int("deadline_at"),
    _int("ended_at"),
    _small("priority", 5),
    _int("items"),
    _int("rejects"),
    _text("owner"),
    _int("owner_until"),
    Column("decisions", JSON),
    Column("estimate", JSON),
    _text("error"),
    _text("user_id"),
    _text("tags"),
    Index("bulk_runs_state", "state", "priority"),
)
"""``state``: loading, planned, running, paused, cancelling, completed, partial, cancelled, failed.

``owner`` and ``owner_until`` are the lease of the worker that drives it.
"""

bulk_items = Table(
    "bulk_items",
    metadata,
    _text("run_id", key=True),
    _int("item_no", key=True),
    _text("task", null=False),
    _text("user_id", null=False),
    _text("digest", null=False),
    Column("row", LargeBinary, nullable=False),
    _small("state"),
    _small("round"),
    _text("provider"),
    _text("model"),
    _text("work_id"),
    Column("result", LargeBinary),
    _text("error"),
    _int("input_tokens"),
    _int("output_tokens"),
    _int("cache_read_tokens"),
    _int("cost_pico"),
    _no("repaired"),
    _where("bulk_items_failed", "state = 3", "run_id", "item_no"),
    _where("bulk_items_waiting", "state = 0", "run_id", "item_no"),
    Index("bulk_items_work", "work_id"),
)
"""``state``: 0 waiting, 1 sent, 2 done, 3 failed but may succeed, 4 failed for good, 5 rejected.

``user_id`` is the row's own id, ``row`` its input as JSON, ``result`` the answer as JSON.
``digest`` is of the task and the row: what has the same one is never paid twice in a run, or, where
every row is asked of several, by the same ``provider`` and ``model``. It begins with a ``-`` where
the row is no longer in the input.
``work_id`` is the batch or chunk that it is in, where its custom id is the unit's prefix and
``item_no`` in base 36. Tokens and cost are those of its last unit; units have the sums.
"""

bulk_batches = Table(
    "bulk_batches",
    metadata,
    _text("work_id", key=True),
    _text("run_id", null=False),
    _text("task", null=False),
    _text("provider", null=False),
    _text("model", null=False),
    _text("account", null=False),
    _text("lane", null=False),
    _text("state", null=False),
    _small("round"),
    _small("send_no"),
    _int("sending_at"),
    _int("sending_real"),
    _text("gate"),
    _text("proof"),
    _text("tag", null=False),
    _text("prefix", null=False),
    _text("past"),
    _text("path"),
    _int("size"),
    _text("sha256"),
    _text("file_id"),
    _text("batch_id"),
    _text("mark"),
    _small("hours", 24),
    _int("count", null=False),
    _no("embeds"),
    _int("max_tokens"),
    _no("reserved"),
    _int("done"),
    _int("failed"),
    _int("strange"),
    _text("provider_state"),
    _int("created_at", null=False),
    _int("sent_at"),
    _int("next_at"),
    _int("ended_at"),
    _int("collected_at"),
    _int("cancel_at"),
    _text("cancel_why"),
    _int("expected_pico"),
    _int("hold_pico"),
    _int("cost_pico"),
    _int("realtime_pico"),
    _int("unknown"),
    _int("unknown_pico"),
    _int("input_tokens"),
    _int("output_tokens"),
    _text("owner"),
    _int("owner_until"),
    _text("error"),
    Index("bulk_batches_run", "run_id", "state"),
    Index("bulk_batches_account", "account", "state"),
    Index("bulk_batches_next", "state", "next_at"),
    Index("bulk_batches_gate", "gate", unique=True),
)
"""One unit of work. ``lane``: batch or online. ``state``: prepared, sending, sent, ended,
collected, dropped. ``work_id`` is its attempt in the ledger, which has its hold and its cost.

``sending_at`` is on the clock of the run, ``sending_real`` on that of the wall: timeouts of HTTP
are real, also where a run lives in simulated time. ``gate`` is the account while a batch without a
tag is being sent: one at a time. ``prefix`` begins its custom ids, ``path`` is the file's name in
the folder of whoever works at it. ``proof`` says why ``batch_id`` is ours: the ``reply`` to our
call, its ``tag``, the ids in its ``rows``, or as yet only that it ``match``-es. ``past`` is a JSON
list of batches that turned out not to be it. ``reserved``: its hold counts under the run's cap.
``strange`` counts results that nobody asked for. ``max_tokens`` is what answers are cut to, so that
the cap pays for them. ``unknown`` counts calls of the online lane whose cost nobody knows, as their
process died; they cost ``unknown_pico`` at most, ``cost_pico`` is that of the others.
``realtime_pico`` is what the same tokens would have cost in real time: savings are proven by it.
"""

bulk_jobs = Table(
    "bulk_jobs",
    metadata,
    _text("job_id", key=True),
    _text("job_type", null=False),
    _text("provider", null=False),
    Column("data", JSON, nullable=False),
    _small("priority", 5),
    _text("state", null=False),
    _int("queued_at", null=False),
    _int("started_at"),
    _int("ended_at"),
    _text("run_id"),
    _int("item_no"),
    Column("result", JSON),
    _text("error"),
    Index("bulk_jobs_queue", "state", "priority", "queued_at"),
    Index("bulk_jobs_run", "run_id"),
)
"""Single requests that wait for the nightly run, the highest priority first."""

bulk_nights = Table(
    "bulk_nights",
    metadata,
    _text("schedule", key=True),
    _text("local_date", key=True),
    _int("begun_at", null=False),
    _int("ended_at"),
    _text("owner"),
    _int("owner_until"),
    _int("jobs"),
)
"""Nights that were run: one row each, so that none runs twice, also when clocks change.

``owner`` and ``owner_until`` are the lease of who makes the runs; ``jobs`` is how many went out.
"""

bulk_upkeep = Table(
    "bulk_upkeep",
    metadata,
    _text("name", key=True),
    _text("owner"),
    _int("owner_until"),
    _int("done_real"),
    _int("done_at"),
    Column("told", JSON),
)
"""What workers do now and then, once for all of them: audits, and files that are left over.

``owner`` and ``owner_until`` are the lease of who is at it. ``done_real`` is on the wall's clock,
``done_at`` on that of the runs; ``told`` is what was found.
"""

bulk_alerts = Table(
    "bulk_alerts",
    metadata,
    _text("name", key=True),
    _text("subject", key=True),
    _text("severity", null=False),
    _text("action", null=False),
    _text("message", null=False),
    _int("raised_at", null=False),
    _int("told_until"),
    _int("delivered_at"),
    _int("resolved_at"),
)
"""Alerts, once for each subject (a batch, a milestone).

``told_until`` is the lease of who tells it; others take over when it ends undelivered.
"""

bulk_callbacks = Table(
    "bulk_callbacks",
    metadata,
    _text("callback_id", key=True),
    _text("run_id", null=False),
    _text("kind", null=False),
    _text("target", null=False),
    Column("body", JSON, nullable=False),
    _small("tries"),
    _int("next_at", null=False),
    _int("delivered_at"),
    _text("error"),
    Index("bulk_callbacks_next", "delivered_at", "next_at"),
)
"""What is to be told when a run ends; kept until it was delivered."""

bulk_estimates = Table(
    "bulk_estimates",
    metadata,
    _text("run_id", key=True),
    _text("task", key=True),
    _text("provider", key=True),
    _text("model", key=True),
    _text("task_digest", null=False),
    _int("items", null=False),
    _int("input_tokens", null=False),
    _int("output_tokens", null=False),
    _int("expected_pico"),
    _int("actual_items"),
    _int("actual_input"),
    _int("actual_output"),
    _int("actual_pico"),
    _int("at", null=False),
    Index("bulk_estimates_task", "task_digest", "at"),
)
"""What was expected and what came: the next estimate of the same task is corrected by it."""
