"""Our costs against those of genai-prices, for every model that both know.

Each difference has a reviewed reason in `price_differences.toml`. The test fails on a difference
that is not listed there, and on an entry that explains nothing any more.
"""

import datetime as dt
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import data

from llm_orchestrator.catalog import Catalog, cost, price_on
from llm_orchestrator.types.model import Model, Tier
from llm_orchestrator.types.money import to_usd
from llm_orchestrator.types.usage import Usage

THEIR_NAMES = {"gemini": "google", "vertex": "google", "bedrock": "aws"}
CONTEXTS: dict[Tier, dict[str, str] | None] = {
    "standard": None,
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
TABLE = Path(__file__).parent / "price_differences.toml"


class Shape(NamedTuple):
    usage: Usage
    tier: Tier = "standard"
    day: str = ""


PLAIN = Usage(1_000, 500)
CACHED = Usage(10_000, 500, cache_read_tokens=8_000)
WRITES = Usage(10_000, 500, cache_read_tokens=1_000, cache_write_tokens=6_000)
HOUR = Usage(10_000, 500, cache_write_tokens=6_000, cache_write_1h_tokens=6_000)
LONG = Usage(600_000, 1_000, cache_read_tokens=100_000)
SHAPES = {
    "plain": Shape(PLAIN),
    "cached": Shape(CACHED),
    "writes": Shape(WRITES),
    "hour": Shape(HOUR),
    "long": Shape(LONG),
    "long_writes": Shape(Usage(600_000, 1_000, cache_write_tokens=90_000)),
    "batch": Shape(PLAIN, "batch"),
    "batch_cached": Shape(CACHED, "batch"),
    "batch_long": Shape(LONG, "batch"),
    "flex": Shape(CACHED, "flex"),
    "flex_long": Shape(LONG, "flex"),
    "priority": Shape(CACHED, "priority"),
    "priority_long": Shape(LONG, "priority"),
    "in_2025": Shape(LONG, "standard", "2025-01-15"),
    "in_summer": Shape(LONG, "standard", "2026-07-15"),
    "next_year": Shape(LONG, "standard", "2027-01-15"),
}


class Difference(NamedTuple):
    model: str
    shape: str
    ours: Decimal | None
    theirs: Decimal


def their_cost(provider: Any, entry: Any, shape: Shape, day: dt.date) -> Decimal | None:
    """Their cost, ``None`` where they have no price for the tier."""
    context = CONTEXTS[shape.tier]
    if shape.tier == "batch" and provider.id == "openrouter":
        # There the batch lane of a model is a model of its own.
        entry = provider.find_model(f"{entry.id}:batch")
        if entry is None or not entry.id.endswith(":batch"):
            return None
        context = None
    if context is not None and not any(v.when == context for v in entry.price_variants or ()):
        return None
    usage = shape.usage
    reported = {
        name: value
        for name in ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
        if (value := getattr(usage, name))
    }
    theirs = TheirUsage(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, **reported
    )
    moment = dt.datetime.combine(day, dt.time(12), dt.UTC)
    found = entry.calc_price(
        theirs, provider, genai_request_timestamp=moment, price_context=context
    )
    return Decimal(found.total_price)


def is_comparable(model: Model, shape: Shape, entry: Any, day: dt.date) -> bool:
    """Writes that neither list prices: they take the input rate, we say that it is unknown."""
    price = price_on(model, day)
    moment = dt.datetime.combine(day, dt.time(12), dt.UTC)
    standard = entry.get_prices(moment)
    usage = shape.usage
    if usage.cache_write_1h_tokens:
        ours, theirs = price and price.cache_write_1h, standard.cache_write_1h_mtok
    elif usage.cache_write_tokens:
        ours, theirs = price and price.cache_write, standard.cache_write_mtok
    else:
        return True
    return ours is not None or theirs is not None


def differences() -> Iterator[Difference | str]:
    """All differences, and the name of each model that was compared."""
    catalog = Catalog.load()
    today = dt.date.fromisoformat(catalog.version)
    their_providers = {provider.id: provider for provider in data.providers}
    for name in catalog.providers:
        provider = their_providers.get(THEIR_NAMES.get(name, name))
        for model in catalog.models(name):
            entry = provider.find_model(model.id) if provider else None
            if entry is None:
                continue
            if not model.prices:
                yield Difference(f"{name}/{model.id}", "no_price", None, Decimal(0))
                continue
            yield f"{name}/{model.id}"
            for label, usual in SHAPES.items():
                shape = usual
                if model.mode == "embedding":
                    shape = usual._replace(usage=Usage(usual.usage.input_tokens))
                day = dt.date.fromisoformat(shape.day) if shape.day else today
                theirs = their_cost(provider, entry, shape, day)
                if theirs is None or not is_comparable(model, shape, entry, day):
                    continue
                ours = cost(shape.usage, model, at=day, tier=shape.tier)
                if ours is None or to_usd(ours) != theirs:
                    usd = None if ours is None else to_usd(ours)
                    yield Difference(f"{name}/{model.id}", label, usd, theirs)


@pytest.fixture(scope="module")
def found() -> tuple[list[str], list[Difference]]:
    everything = list(differences())
    names = [item for item in everything if isinstance(item, str)]
    return names, [item for item in everything if isinstance(item, Difference)]


def explanations() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads(TABLE.read_text("utf-8"))["difference"]
    return entries


def explains(entry: dict[str, Any], difference: Difference) -> bool:
    return any(fnmatchcase(difference.model, pattern) for pattern in entry["models"]) and any(
        fnmatchcase(difference.shape, pattern) for pattern in entry.get("shapes", ["*"])
    )


def test_most_of_the_catalogue_is_compared(found: tuple[list[str], list[Difference]]) -> None:
    names, _ = found
    assert len(names) > 1_200
    assert {name.partition("/")[0] for name in names} == {
        *("openai", "anthropic", "gemini", "vertex", "bedrock", "groq", "perplexity"),
        *("mistral", "together", "cohere", "openrouter"),
    }


def test_every_difference_has_a_reason(found: tuple[list[str], list[Difference]]) -> None:
    entries = explanations()
    unexplained = [d for d in found[1] if not any(explains(entry, d) for entry in entries)]
    assert not unexplained, "\n".join(
        f"{d.model} {d.shape}: ours {d.ours}, theirs {d.theirs}" for d in unexplained
    )


def test_every_reason_is_still_needed(found: tuple[list[str], list[Difference]]) -> None:
    stale = [
        (pattern, entry["reason"])
        for entry in explanations()
        for pattern in entry["models"]
        if not any(explains({**entry, "models": [pattern]}, d) for d in found[1])
    ]
    assert not stale


def test_every_reason_is_given() -> None:
    assert all(len(entry["reason"]) > 20 and entry["models"] for entry in explanations())
