"""How bulk runs send batches, look after them, and share the work between processes."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from llm_orchestrator.config.base import Check, Seconds, Settings, Tokens
from llm_orchestrator.config.budgets import check_zone

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_HOOK = re.compile(r"(python:)?[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def read_time(text: str) -> tuple[int, int]:
    """Hour and minute of a time of day, as ``02:00``; raises `ValueError`."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError("expected a time of day, such as 02:00")
    return int(found[1]), int(found[2])


def read_callback(text: str) -> tuple[str, str]:
    """What is called, as ``webhook``, ``python`` or ``command``, and its target.

    Raises `ValueError`.
    """
    if text.startswith(("http://", "https://")):
        return "webhook", text
    if text.startswith("command:") and text.removeprefix("command:").strip():
        return "command", text.removeprefix("command:").strip()
    if _HOOK.fullmatch(text):
        return "python", text.removeprefix("python:")
    raise ValueError(
        "expected https://host/path, python:package.module:function or command:program arguments"
    )


class BulkSettings(Settings, frozen=True):
    """Batches of bulk runs."""

    create_timeout: Annotated[
        Seconds,
        Meta(description="How long the creation of a batch may take, in seconds."),
    ] = 300.0
    list_lag: Annotated[
        Seconds,
        Meta(
            description="How long after that a batch may still be missing in its provider's list, "
            "in seconds. One whose creation got no answer is created again only when it is not "
            "there by then; too short a time may pay twice."
        ),
    ] = 300.0
    clock_skew: Annotated[
        Seconds, Meta(description="By how much a provider's clock may differ, in seconds.")
    ] = 120.0
    poll: Annotated[Seconds, Meta(description="Shortest time between two looks at a batch.")] = 30.0
    poll_most: Annotated[
        Seconds, Meta(description="Longest one; batches are looked at less often as they age.")
    ] = 300.0
    lease: Annotated[
        Seconds,
        Meta(description="How soon others go on with the work of a process that died, in seconds."),
    ] = 5.0
    unit_items: Annotated[
        Tokens, Meta(description="Rows of one batch at most, where its provider takes more.")
    ] = 50_000
    job_types: Annotated[
        dict[str, dict[str, Any]],
        Meta(
            description="Job types of the queue: what a task file says (`prompt`, `schema`, "
            "`models`, ...), under a name of your own, or under that of a built-in type to replace."
        ),
    ] = {}
    schedule_time: Annotated[
        str,
        Check(read_time),
        Meta(
            description="When queued jobs are run each night, as HH:MM. Left out: "
            "`BATCH_SCHEDULE_TIME` of the environment, or 02:00."
        ),
    ] = "02:00"
    check_interval: Annotated[
        Seconds,
        Meta(
            description="How often workers look whether it is time, and for alerts, in seconds. "
            "Left out: `BATCH_CHECK_INTERVAL` of the environment, or 60."
        ),
    ] = 60.0
    audit_interval: Annotated[
        Seconds,
        Meta(
            description="How often workers compare what providers list with the batches that were "
            "ordered, and remove files that are left over, in seconds. Left out: "
            "`BATCH_AUDIT_INTERVAL` of the environment, or 3600."
        ),
    ] = 3600.0
    zone: Annotated[
        str,
        Check(check_zone),
        Meta(
            description="The time zone of `schedule_time` and of months in savings. Left out: "
            "`BATCH_TIME_ZONE` of the environment, or UTC."
        ),
    ] = "UTC"
    worker_runs: Annotated[
        Tokens, Meta(description="Runs that one worker goes on with at the same time.")
    ] = 8
    provider_runs: Annotated[
        Tokens, Meta(description="Runs of queued jobs at one provider at the same time.")
    ] = 4
    provider_limits: Annotated[
        Mapping[str, Tokens],
        Meta(description="The same for single providers: `{openai: 2}`."),
    ] = {}
    callbacks: Annotated[
        tuple[Annotated[str, Check(read_callback)], ...],
        Meta(
            description="Who is told when a run ends: `https://...` gets a POST, "
            "`command:program arguments` is started, `python:package.module:function` is called."
        ),
    ] = ()

    @property
    def begin_within(self) -> float:
        """How soon after its intent a creation must begin, in seconds; later it is looked for."""
        return self.create_timeout / 4

    @property
    def grace(self) -> float:
        """How long after its intent a batch may still turn up, in seconds."""
        return self.begin_within + self.create_timeout + self.list_lag
