"""The user's models and ability words, as the types that the rooms above speak."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from llm_orchestrator.config.schema import ABILITIES, ModelSettings, PriceSettings, RateSettings
from llm_orchestrator.types.model import Ability, Model, Price, Rates
from llm_orchestrator.types.money import Pico, from_usd, rate_from_usd_per_million

_PER_PIECE = frozenset(("per_request", "search"))
_WORDS: dict[str, tuple[Ability, ...]] = {
    "functions": ("tools", "parallel_tools"),
    "tools": ("tools", "parallel_tools"),
    "online-search": ("web_search",),
    "reasoning": ("reasoning", "effort"),
}
_ALWAYS: frozenset[Ability] = frozenset(("system", "sampling"))


def abilities(words: Iterable[str]) -> frozenset[Ability]:
    """The abilities that a list of words means.

    System prompts and sampling parameters are always among them, as nobody thinks of writing them
    down; ``lacks`` and ``quirks.unsupported`` take them away.
    """
    found: set[str] = set(_ALWAYS)
    for word in words:
        found.update(_WORDS.get(word, (word,)))
    return frozenset(found & ABILITIES)  # type: ignore[arg-type]


def model_row(provider: str, settings: ModelSettings) -> Model:
    """The user's model as a catalogue row; what was not said is ``None``, to be filled in."""
    return Model(
        provider=provider,
        id=settings.name,
        prices=() if settings.prices is None else (_price(settings.prices),),
        abilities=None if settings.abilities is None else abilities(settings.abilities),
        context=settings.context,
        max_output=settings.max_output,
        mode=settings.mode,
        aliases=settings.aliases,
        known=False,
    )


def _price(settings: PriceSettings) -> Price:
    batch = None if settings.batch is None else Rates(**_amounts(settings.batch))
    return msgspec.structs.replace(Price(batch=batch), **_amounts(settings))


def _amounts(settings: RateSettings) -> dict[str, Pico]:
    found = {}
    for field in msgspec.structs.fields(RateSettings):
        usd: Decimal | None = getattr(settings, field.name)
        if usd is not None:
            convert = from_usd if field.name in _PER_PIECE else rate_from_usd_per_million
            found[field.name] = convert(usd)
    return found
