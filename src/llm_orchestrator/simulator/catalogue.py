"""The price file of the package, read by the simulator's own code, and a small built-in table."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

Entry = dict[str, Any]

PRICE_FILE = Path(__file__).parents[1] / "catalog" / "data" / "models.json"


_CHARGES = ("search", "citation", "reasoning", "per_request")


def _entry(input: int, output: int, cache: tuple[int, ...] = (), **facts: Any) -> Entry:
    """A table row; prices in picodollars a token, `cache` = read, write, write for an hour."""
    names = ("cache_read", "cache_write", "cache_write_1h")
    price = {"input": input, "output": output} | dict(zip(names, cache, strict=False))
    price |= {name: facts.pop(name) for name in _CHARGES if name in facts}
    return {"prices": [price], **facts}


_CHAT = ["tools", "parallel_tools", "vision", "schema", "cache", "sampling", "system"]

BUILTIN: dict[str, dict[str, Entry]] = {
    "openai": {
        "gpt-4o-mini": _entry(
            150_000,
            600_000,
            (75_000,),
            context=128_000,
            max_output=16_384,
            abilities=_CHAT,
            aliases=["gpt-4o-mini-2024-07-18"],
        ),
        "gpt-4o": _entry(
            2_500_000,
            10_000_000,
            (1_250_000,),
            context=128_000,
            max_output=16_384,
            abilities=_CHAT,
            aliases=["gpt-4o-2024-08-06"],
        ),
        "text-embedding-3-small": _entry(
            20_000, 0, context=8_191, mode="embedding", dimensions=1_536
        ),
    },
    "anthropic": {
        "claude-haiku-4-5-20251001": _entry(
            1_000_000,
            5_000_000,
            (100_000, 1_250_000, 2_000_000),
            context=200_000,
            max_output=64_000,
            abilities=[*_CHAT, "reasoning", "prefill", "pdf"],
            aliases=["claude-haiku-4-5"],
            released="2025-10-01",
        ),
        "claude-3-5-haiku-20241022": _entry(
            800_000,
            4_000_000,
            (80_000, 1_000_000, 1_600_000),
            context=200_000,
            max_output=8_192,
            abilities=[*_CHAT, "prefill", "pdf"],
            aliases=["claude-3-5-haiku", "claude-3-5-haiku-latest"],
            released="2024-10-22",
        ),
    },
}
"""Stands in for the providers' models when the price file is missing."""

SIMULATED: dict[str, Entry] = {
    "fb-": _entry(1_000_000, 2_000_000, context=128_000, max_output=16_384),
    "sim-embed": _entry(20_000, 0, context=8_192, mode="embedding", dimensions=1_536),
    "sim-deep": _entry(
        2_000_000,
        8_000_000,
        context=128_000,
        max_output=65_536,
        search=5_000_000_000,
        citation=2_000_000,
        reasoning=3_000_000,
        abilities=["reasoning", "effort", "sampling", "system", "prefill", "schema"],
    ),
    "sim-sonar": _entry(
        1_000_000,
        1_000_000,
        context=128_000,
        max_output=65_536,
        per_request=12_000_000_000,
        abilities=["sampling", "system", "vision", "prefill", "schema"],
    ),
    "sim-reason": _entry(
        2_000_000,
        8_000_000,
        (500_000, 2_500_000, 4_000_000),
        context=200_000,
        max_output=65_536,
        abilities=[name for name in _CHAT if name != "sampling"] + ["reasoning", "effort"],
    ),
    "sim-": _entry(
        500_000,
        1_500_000,
        (50_000, 625_000, 1_000_000),
        context=200_000,
        max_output=65_536,
        abilities=[*_CHAT, "prefill", "reasoning", "effort"],
    ),
}
"""Models that only the simulator has, by the start of their name, on every wire."""

SUPPLEMENTS: dict[tuple[str, str], dict[str, int]] = {
    ("perplexity", "sonar-deep-research"): {"citation": 2_000_000, "reasoning": 3_000_000},
}
"""Charges of a provider's model that the price file has no name for, in picodollars a token."""


_CACHED: Final = ("cache_read", "cache_write", "cache_write_1h")
DISCOUNTS: Final[dict[str, Entry]] = {
    "openai": {"percent": 50, "keep": _CACHED},
    "anthropic": {"percent": 50},
    "gemini": {"percent": 50, "keep": _CACHED},
    "vertex": {"percent": 50, "keep": _CACHED},
    "bedrock": {"percent": 50, "keep": _CACHED},
    "mistral": {"percent": 50},
    "groq": {"percent": 50, "keep": _CACHED},
    "openrouter": {"percent": 50, "keep": _CACHED},
    "deepinfra": {"percent": 20, "keep": _CACHED},
    "together": {
        "percent": 0,
        "models": {
            "meta-llama/Llama-3.3-70B-Instruct-Turbo": 50,
            "openai/whisper-large-v3": 50,
        },
    },
}
"""What providers take off the price of a batch, in percent; `keep` are rates without discount."""


def simulated(name: str) -> Entry | None:
    """The row of a model that only the simulator has."""
    return next((row for start, row in SIMULATED.items() if name.startswith(start)), None)


def read(path: Path | None = None) -> dict[str, dict[str, Entry]]:
    """Provider -> model id -> row, from the price file, or the built-in table without one."""
    if path is None and not PRICE_FILE.exists():
        return BUILTIN
    path = path or PRICE_FILE
    try:
        data = msgspec.json.decode(path.read_bytes())
        return {name: dict(row["models"]) for name, row in data["providers"].items()}
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no price file: {error!r}") from None
