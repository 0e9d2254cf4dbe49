"""How many requests and tokens go out in a minute, and who waits for how long."""

from typing import Annotated, Literal

from msgspec import Meta

from llm_orchestrator.config.base import Check, Seconds, Settings
from llm_orchestrator.config.checks import clean_redis_url
from llm_orchestrator.types.secret import Secret


class LimitSettings(Settings, frozen=True):
    """Limits of one provider, key or model. What is left out is not limited here."""

    rpm: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Requests within any 60 seconds."),
    ] = None
    tpm: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Tokens of input and output within any 60 seconds."),
    ] = None
    in_flight: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Requests that have no whole answer yet."),
    ] = None


class RateLimitSettings(Settings, frozen=True):
    """Rate limits: configured here, or learned from the providers' replies."""

    preset: Annotated[
        Literal["classic"] | None,
        Meta(
            description="`classic`: 100, 50 and 20 requests a minute for older Claude and GPT "
            "models, until a provider's reply tells its own limit."
        ),
    ] = None
    providers: Annotated[
        dict[str, LimitSettings],
        Meta(description="By provider: all its keys and models together."),
    ] = {}
    keys: Annotated[
        dict[str, LimitSettings],
        Meta(description="By provider: each key by itself, all models together."),
    ] = {}
    models: Annotated[
        dict[str, LimitSettings],
        Meta(description="By model or `provider/model`: each key by itself."),
    ] = {}
    learn: Annotated[
        bool, Meta(description="Keep to the limits that the headers of replies tell.")
    ] = True
    queue: Annotated[
        bool,
        Meta(
            description="Calls over a limit wait in line. Off: `RateLimitError` at once, or the "
            "next candidate."
        ),
    ] = True
    max_wait: Annotated[
        Seconds,
        Meta(
            description="Longest wait in line, in seconds; where another candidate could answer, "
            "`retry.max_wait_with_fallback`."
        ),
    ] = 90.0
    redis_url: Annotated[
        Secret | None,
        Check(clean_redis_url),
        Meta(
            description="Where several processes count together: `redis://host:6379/0`. Left "
            "out: `REDIS_URL` of the environment."
        ),
    ] = None
    redis_timeout: Annotated[
        Seconds, Meta(description="How long Redis may take to answer, in seconds.")
    ] = 0.25
    share: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(
            description="The part of each limit that this process keeps to while Redis is gone. "
            "Left out: an equal part for each process seen last, a quarter if none ever was."
        ),
    ] = None
