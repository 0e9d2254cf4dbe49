"""How models are chosen: the pool that strategies draw from, chains and groups by name."""

from typing import Annotated, TypeAlias

from msgspec import Meta

from llm_orchestrator.config.base import Settings

Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Weight: TypeAlias = Annotated[float, Meta(gt=0)]


class MemberSettings(Settings, frozen=True):
    """One model of a group."""

    model: Annotated[str, Meta(min_length=1, description="A model, best as `provider/model`.")]
    weight: Annotated[Weight, Meta(description="Its share of the calls, beside the others'.")] = 1.0


class RoutingSettings(Settings, frozen=True):
    """What strategies choose from, and how sure they want to be."""

    models: Annotated[
        tuple[str, ...],
        Meta(
            description="The models that strategies may choose: names, or patterns like "
            "`anthropic/*`. Left out: the default and fallback models of every provider with a "
            "key, and the members of the chain `mixed`."
        ),
    ] = ()
    deny: Annotated[
        tuple[str, ...], Meta(description="Models that no strategy may choose; patterns, too.")
    ] = ()
    regions: Annotated[
        tuple[str, ...],
        Meta(
            description="Where requests may go: providers whose `region` or `location` begins "
            "with one of these, such as `eu`. Left out: anywhere."
        ),
    ] = ()
    chains: Annotated[
        dict[str, tuple[str, ...]], Meta(description="Chains of your own: name to models.")
    ] = {}
    groups: Annotated[
        dict[str, tuple[MemberSettings, ...]],
        Meta(
            description="One name for several keys or regions of a model. Asked for by that name, "
            "calls are shared out by weight."
        ),
    ] = {}
    confidence: Annotated[
        str,
        Meta(
            description="How `fallback` knows a good answer: `agreement`, `self_consistency`, "
            "`logprobs`, `judge`, `learned`, `phrases`, or a plug-in."
        ),
    ] = "agreement"
    threshold: Annotated[Share, Meta(description="How sure `fallback` wants to be, 0 to 1.")] = 0.6
    ensemble_size: Annotated[
        Annotated[int, Meta(ge=1)], Meta(description="Models of an ensemble.")
    ] = 3
    learn: Annotated[
        bool,
        Meta(
            description="Learn from feedback how often each model is right on which prompts, and "
            "plan with it. The ledger then keeps hashes of each prompt's words: no text, but who "
            "guesses a word can see whether it may have been there."
        ),
    ] = False
    scorer: Annotated[
        str,
        Meta(
            description="What `scored` goes by: `prior` (what was learned), `complexity` (the "
            "classic rule), or a plug-in."
        ),
    ] = "prior"
    gain: Annotated[
        float,
        Meta(
            description="The score from which `scored` asks the strong model. Of the prior: how "
            "much more often that must be right, where 0.1 is ten answers in a hundred."
        ),
    ] = 0.1
    judge: Annotated[
        str | None, Meta(description="Who judges. Left out: the cheapest model that can.")
    ] = None
