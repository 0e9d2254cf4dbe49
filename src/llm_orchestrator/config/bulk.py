"""How bulk runs send batches, look after them, and share the work between processes."""

from typing import Annotated, Any

from msgspec import Meta

from llm_orchestrator.config.base import Seconds, Settings, Tokens


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

    @property
    def begin_within(self) -> float:
        """How soon after its intent a creation must begin, in seconds; later it is looked for."""
        return self.create_timeout / 4

    @property
    def grace(self) -> float:
        """How long after its intent a batch may still turn up, in seconds."""
        return self.begin_within + self.create_timeout + self.list_lag
