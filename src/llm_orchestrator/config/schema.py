"""Every key of the configuration: its name, type, bounds, default and meaning.

The reader (`config.read`), the reference page and the messages about mistakes are all made from
these structs, so a key exists in one place only.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from llm_orchestrator.config.approval import ApprovalSettings
from llm_orchestrator.config.base import (
    USD,
    Check,
    Fee,
    FirstToken,
    NotAKey,
    PartOf,
    Rate,
    Seconds,
    Settings,
    Tokens,
    Tries,
)
from llm_orchestrator.config.budgets import BudgetSettings
from llm_orchestrator.config.bulk import BulkSettings
from llm_orchestrator.config.caching import CacheSettings
from llm_orchestrator.config.checks import (
    clean_command,
    clean_key,
    clean_secret,
    clean_store_url,
    clean_url,
)
from llm_orchestrator.config.env import Environment
from llm_orchestrator.config.rate_limits import RateLimitSettings
from llm_orchestrator.config.routing import RoutingSettings
from llm_orchestrator.types.batch import BatchWire
from llm_orchestrator.types.model import Ability
from llm_orchestrator.types.provider import Auth, DialectName, Quirks
from llm_orchestrator.types.secret import Secret

ClassicWord: TypeAlias = Literal[
    "text",
    "functions",
    "streaming",
    "long-context",
    "ultra-long-context",
    "fast-inference",
    "online-search",
    "citations",
    "multi-model",
]
"""Words for abilities that older tools use, accepted beside ours."""

# One flat set of words, so that a near name is found among all of them.
AbilityWord: TypeAlias = Ability | ClassicWord
ABILITIES: frozenset[str] = frozenset(get_args(Ability))


class Timeouts(Settings, frozen=True):
    """How long to wait for what, in seconds."""

    connect: Annotated[Seconds, Meta(description="Until the connection stands.")] = 5.0
    idle: Annotated[Seconds, Meta(description="Between two pieces of an answer.")] = 20.0
    total: Annotated[Seconds, Meta(description="For one attempt from end to end.")] = 600.0
    first_token: Annotated[
        FirstToken,
        Meta(
            description="Until the answer begins; applies only where there is another candidate. "
            "`auto`: 10 s, or 4 x the model's measured p95; off for reasoning models. A whole "
            "answer, not streamed, has `idle` + `max_tokens` / 10 s, and 120 s unless this is a "
            "number."
        ),
    ] = "auto"


class RateSettings(Settings, frozen=True):
    """Prices of a model that you set yourself."""

    input: Annotated[Rate | None, Meta(description="USD per million input tokens.")] = None
    output: Annotated[Rate | None, Meta(description="USD per million output tokens.")] = None
    cache_read: Annotated[
        Rate | None, Meta(description="USD per million tokens read from the cache.")
    ] = None
    cache_write: Annotated[
        Rate | None, Meta(description="USD per million tokens written to the cache.")
    ] = None
    cache_write_1h: Annotated[
        Rate | None, Meta(description="The same for a cache that lives an hour.")
    ] = None
    per_request: Annotated[Fee | None, Meta(description="USD per request.")] = None
    search: Annotated[Fee | None, Meta(description="USD per web search.")] = None


class PriceSettings(RateSettings, frozen=True):
    """Prices with the batch tier."""

    batch: Annotated[
        RateSettings | None, Meta(description="Prices of the batch endpoint, where they differ.")
    ] = None


class ModelSettings(Settings, frozen=True):
    """A model that the catalogue does not know, or knows differently."""

    name: Annotated[str, Meta(min_length=1, description="Its name on the wire.")]
    prices: Annotated[
        PriceSettings | None, Meta(description="Win over the catalogue's, as a whole.")
    ] = None
    context: Annotated[Tokens | None, Meta(description="Tokens that it can read.")] = None
    max_output: Annotated[Tokens | None, Meta(description="Tokens that it can write.")] = None
    abilities: Annotated[
        frozenset[AbilityWord] | None,
        Meta(description="What it can do; left out, nothing is refused on its account."),
    ] = None
    aliases: Annotated[tuple[str, ...], Meta(description="Other names for it.")] = ()
    mode: Annotated[Literal["chat", "embedding"], Meta(description="What it is for.")] = "chat"


class ProviderSettings(Settings, frozen=True):
    """One provider: of the table, or of your own (then `dialect` and `base_url` are needed)."""

    api_key: Annotated[
        Secret | None,
        Check(clean_key),
        Meta(description="The key. Left out, the provider's environment variable is read."),
    ] = None
    api_key_file: Annotated[
        str | None,
        Meta(min_length=1, description="A file that holds the key and nothing else."),
    ] = None
    api_key_cmd: Annotated[
        str | None,
        Check(clean_command),
        Meta(
            description="A command whose first line of output is the key, such as `pass show "
            "openai`; no shell reads it. It runs when a call first needs the key, and again when "
            "the key was refused."
        ),
    ] = None
    like: Annotated[
        str | None,
        Meta(
            description="The name of this section is yours, and the provider is this one: for "
            "another key, account or region of it."
        ),
    ] = None
    base_url: Annotated[str | None, Check(clean_url), Meta(description="Where the API begins.")] = (
        None
    )
    fallback_models: Annotated[
        tuple[str, ...],
        Meta(description="Models of this provider to try next when a model fails, in order."),
    ] = ()
    models: Annotated[
        tuple[ModelSettings, ...],
        Meta(description="Models beside the catalogue's: names, or rows with prices."),
    ] = ()
    default_model: Annotated[str | None, Meta(description="The model when none is named.")] = None
    headers: Annotated[
        dict[str, Annotated[Secret, Check(clean_secret)]],
        Meta(description="Sent with every request; values are kept secret."),
    ] = {}
    timeouts: Annotated[
        dict[str, Any], PartOf(Timeouts), Meta(description="Where they differ from the general.")
    ] = {}
    dialect: Annotated[
        DialectName | None,
        Meta(description="The wire that it speaks; of compatible servers, mostly `openai`."),
    ] = None
    auth: Annotated[Auth | None, Meta(description="How the key is sent.")] = None
    variables: Annotated[
        dict[str, str],
        Meta(description="What its addresses need, such as `project`, `location` or `region`."),
    ] = {}
    abilities: Annotated[
        frozenset[AbilityWord] | None,
        Meta(description="What its models can do; the rest is refused or dropped."),
    ] = None
    lacks: Annotated[
        frozenset[Ability], Meta(description="Abilities that none of its models has here.")
    ] = frozenset()
    quirks: Annotated[
        dict[str, Any], PartOf(Quirks), Meta(description="Where its wire differs from the dialect.")
    ] = {}
    batch: Annotated[
        dict[str, Any] | None,
        PartOf(BatchWire),
        Meta(
            description="How it takes batches, where that differs; for a provider of your own, "
            "`{}` means as OpenAI does."
        ),
    ] = None
    display_name: Annotated[str | None, Meta(description="Its name for people.")] = None
    local: Annotated[bool | None, Meta(description="It runs on this machine: no key, no cost.")] = (
        None
    )
    unset: Annotated[Mapping[str, str], NotAKey()] = {}
    """Key to the environment variable that it refers to and that is not set."""


class FallbackSettings(Settings, frozen=True):
    """Whether and where another provider takes over."""

    enabled: Annotated[
        bool, Meta(description="Ask another provider when the models of one have failed.")
    ] = True
    providers: Annotated[
        tuple[str, ...],
        Meta(description="Which ones, in order. Left out: every provider with a key."),
    ] = ()
    max_retries: Annotated[
        Tries, Meta(description="How many other providers are asked at most.")
    ] = 2
    past_filters: Annotated[
        bool, Meta(description="Also when a provider refuses the content. Off: its reason is told.")
    ] = False


class RetrySettings(Settings, frozen=True):
    """How often one candidate is asked again, and how long is waited in between (seconds)."""

    max_retries: Annotated[Tries, Meta(description="Times one candidate is asked again.")] = 2
    base_delay: Annotated[Seconds, Meta(description="First wait; doubles, with jitter.")] = 0.5
    max_delay: Annotated[Seconds, Meta(description="Longest wait of our own.")] = 8.0
    max_wait: Annotated[
        Seconds, Meta(description="Longest wait that a provider may ask for (Retry-After).")
    ] = 60.0
    max_wait_with_fallback: Annotated[
        Seconds, Meta(description="The same where another candidate could answer.")
    ] = 10.0


class BreakerSettings(Settings, frozen=True):
    """When a candidate that keeps failing is left alone."""

    failures: Annotated[
        Annotated[int, Meta(ge=1)], Meta(description="Failures in a row that open the breaker.")
    ] = 5
    cooldown: Annotated[
        Seconds,
        Meta(description="Longest time in seconds until it is tried again; the first is 2 s."),
    ] = 20.0


class StreamSettings(Settings, frozen=True):
    """What happens when a stream breaks after its first words were shown."""

    on_break: Annotated[
        Literal["continue", "restart", "fail"],
        Meta(
            description="`continue` where the model can (else restart), `restart` with an event "
            "that says so, or `fail` with the text so far."
        ),
    ] = "continue"


class CostTracking(Settings, frozen=True):
    """The ledger."""

    enabled: Annotated[bool, Meta(description="Write a row for every call and attempt.")] = True
    log_path: Annotated[
        str | None,
        Meta(
            description="A cost log in JSON lines; a name ending in `.sqlite` or `.db` is the "
            "ledger's own file."
        ),
    ] = None
    record_bodies: Annotated[
        bool, Meta(description="Also keep the texts of requests and answers.")
    ] = False


class StoreSettings(Settings, frozen=True):
    """Where the ledger lies."""

    url: Annotated[
        Secret | None,
        Check(clean_store_url),
        Meta(
            description="`sqlite:///path` or `postgresql://...`. Left out: one SQLite file in "
            "your data directory (`LLMO_HOME` moves it)."
        ),
    ] = None


class Config(Settings, frozen=True):
    """The whole configuration, ready to use; `load` makes it. No secret is in its ``repr``."""

    active_provider: Annotated[
        str | None,
        Meta(description="Who is asked first. Left out: the first provider with a key."),
    ] = None
    active_model: Annotated[
        str | None, Meta(description="Which model. Left out: the provider's default.")
    ] = None
    providers: Annotated[
        dict[str, ProviderSettings], Meta(description="One section for each provider by name.")
    ] = {}
    fallback: FallbackSettings = FallbackSettings()
    retry: RetrySettings = RetrySettings()
    timeouts: Timeouts = Timeouts()
    breaker: BreakerSettings = BreakerSettings()
    rate_limits: RateLimitSettings = RateLimitSettings()
    stream: StreamSettings = StreamSettings()
    parameters: Annotated[
        Literal["lenient", "strict"],
        Meta(
            description="What a model cannot take is dropped or translated and the reply says so "
            "(`lenient`), or the request is refused (`strict`)."
        ),
    ] = "lenient"
    routing_strategy: Annotated[
        str | None,
        Meta(
            description="How calls that name none choose a model: `cheapest`, `fastest`, "
            "`ensemble` and so on. `specified`: only the active provider; `fallback`, or left "
            "out: the active model, and others when it fails."
        ),
    ] = None
    routing: RoutingSettings = RoutingSettings()
    auto_approve_threshold_usd: Annotated[
        USD | None,
        Meta(description="Requests expected to cost more need approval. Left out: none does."),
    ] = None
    budgets: Annotated[
        tuple[BudgetSettings, ...], Meta(description="What may be spent, by whom and when.")
    ] = ()
    notify: Annotated[
        tuple[Annotated[Secret, Check(clean_secret)], ...],
        Meta(
            description="Where alerts go: URLs of Apprise (`mailto://...`, `slack://...`), or "
            "names of notifiers that a package adds. They are in the log in any case."
        ),
    ] = ()
    cache: CacheSettings = CacheSettings()
    approval: ApprovalSettings = ApprovalSettings()
    bulk: BulkSettings = BulkSettings()
    cost_tracking: CostTracking = CostTracking()
    store: StoreSettings = StoreSettings()
    env: Annotated[Environment, NotAKey()] = Environment()
    source: Annotated[str, NotAKey()] = "defaults and environment"
    """Where it was read from, for people."""

    @property
    def rescues(self) -> bool:
        """Whether another provider may take over when the active one fails."""
        return self.fallback.enabled and self.routing_strategy != "specified"

    def timeouts_for(self, provider: str) -> Timeouts:
        """The timeouts that hold for the provider, its own before the general ones."""
        settings = self.providers.get(provider)
        if settings is None or not settings.timeouts:
            return self.timeouts
        return msgspec.structs.replace(self.timeouts, **settings.timeouts)
