"""Whether answers are kept, where and for how long."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from llm_orchestrator.config.base import Check, Count, Seconds, Settings
from llm_orchestrator.config.checks import clean_redis_url
from llm_orchestrator.types.secret import Secret

Backend: TypeAlias = Literal["memory", "store", "redis"]


class CacheSettings(Settings, frozen=True):
    """Answers that are kept, so that the same request is paid once."""

    enabled: Annotated[
        bool,
        Meta(description="Keep answers and give them again. A call's own `cache=` wins over this."),
    ] = False
    ttl: Annotated[Seconds, Meta(description="How long an answer counts, in seconds.")] = 86400.0
    backend: Annotated[
        Backend,
        Meta(
            description="Where answers lie, beside this process's memory: nowhere else (`memory`), "
            "in the ledger's database (`store`) or in Redis (`redis`)."
        ),
    ] = "store"
    redis_url: Annotated[
        Secret | None,
        Check(clean_redis_url),
        Meta(description="`redis://host:6379/0`. Left out: `REDIS_URL` of the environment."),
    ] = None
    memory_entries: Annotated[
        Count, Meta(description="Answers held in memory at most; the least used go first.")
    ] = 10_000
    memory_bytes: Annotated[Count, Meta(description="Bytes held in memory at most.")] = 67_108_864
    entry_bytes: Annotated[
        Count, Meta(description="An answer that takes more bytes is not kept.")
    ] = 1_048_576
    per_user: Annotated[
        bool,
        Meta(description="Calls with another `user` never get this one's answers."),
    ] = True
    keep_cut: Annotated[
        bool, Meta(description="Also keep answers that were cut at their longest allowed length.")
    ] = False
