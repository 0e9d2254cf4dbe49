"""Reads litellm's price JSON: limits, abilities, dates, tiers, and prices that only it knows."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from tools.catalog_build.prices import Period, pico

Entry = dict[str, Any]

_UNITS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
}
_RATE_KEY = re.compile(
    r"(?P<unit>" + "|".join(sorted(_UNITS, key=len, reverse=True)) + r")"
    r"(?:_above_(?P<k>\d+)k_tokens)?(?:_(?P<tier>batches|flex|priority))?"
)
_TIER_NAMES = {"batches": "batch", "flex": "flex", "priority": "priority"}

_FLAGS = {
    "supports_function_calling": "tools",
    "supports_vision": "vision",
    "supports_response_schema": "schema",
    "supports_native_structured_output": "schema",
    "supports_reasoning": "reasoning",
    "supports_adaptive_thinking": "adaptive_thinking",
    "supports_output_config": "effort",
    "supports_prompt_caching": "cache",
    "supports_assistant_prefill": "prefill",
    "supports_pdf_input": "pdf",
    "supports_audio_input": "audio",
    "supports_web_search": "web_search",
}
_MODES = {"chat": "chat", "responses": "responses", "embedding": "embedding"}


def load(path: Path) -> dict[str, Entry]:
    """The entries by id, numbers as `Decimal`, models of other kinds than text left out."""
    entries: dict[str, Entry] = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    return {
        name: entry
        for name, entry in entries.items()
        if entry.get("mode") in _MODES and name != "sample_spec"
    }


def period(entry: Entry) -> Period | None:
    """The price of an entry, which has no history; ``None`` when it has no rate for input."""
    result = Period()
    for key, value in entry.items():
        match = _RATE_KEY.fullmatch(key)
        if match is None or value is None:
            continue
        block = result.base
        if match["k"]:
            block = result.above.setdefault(int(match["k"]) * 1000, type(block)())
        rates = block.rates
        if match["tier"]:
            rates = block.tiers.setdefault(_TIER_NAMES[match["tier"]], {})
        rates[_UNITS[match["unit"]]] = pico(Decimal(value))
    if request := entry.get("input_cost_per_request"):
        result.base.rates["per_request"] = pico(Decimal(request))
    if search := (entry.get("search_context_cost_per_query") or {}).get(
        "search_context_size_medium"
    ):
        result.base.rates["search"] = pico(Decimal(search))
    if "input" not in result.base.rates:
        return None
    base = result.base.rates
    if base.get("cache_write", base["input"]) < base["input"]:
        # Writing costs more than reading fresh input; this is the read rate under the wrong key.
        del base["cache_write"]
    for tokens in [tokens for tokens, block in result.above.items() if "input" not in block.rates]:
        del result.above[tokens]
    for block in result.above.values():
        block.rates = result.base.rates | block.rates
    return result


def is_zero(price: Period) -> bool:
    """Whether the entry says 0, which here may also mean that nobody filled it in."""
    return not price.base.rates["input"] and not price.base.rates.get("output")


def facts(name: str, entry: Entry) -> dict[str, Any]:
    """Limits, abilities, kind and dates of an entry, in the names of the data file."""
    mode = _MODES[entry["mode"]]
    found: dict[str, Any] = {
        "mode": mode,
        "context": _number(entry.get("max_input_tokens")),
        "retired": entry.get("deprecation_date"),
    }
    if mode == "embedding":
        found["abilities"] = ["embeddings"]
        found["dimensions"] = _number(entry.get("output_vector_size"))
    else:
        found["abilities"] = abilities(name, entry)
        found["max_output"] = _number(entry.get("max_output_tokens"))
    return {key: value for key, value in found.items() if value is not None}


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | Decimal) and value > 0 else None


def abilities(name: str, entry: Entry) -> list[str] | None:
    """What the model can do; ``None`` when the entry says nothing of it."""
    if not any(key in entry for key in _FLAGS):
        return None
    found = {ability for flag, ability in _FLAGS.items() if entry.get(flag)}
    # Silence means yes for what nearly every chat model takes.
    if entry.get("supports_system_messages", True):
        found.add("system")
    if "tools" in found and entry.get("supports_parallel_function_calling", True):
        found.add("parallel_tools")
    # Claude takes an effort only where it says so; other reasoning models have no other dial.
    if "reasoning" in found and "claude" not in name:
        found.add("effort")
    if entry.get("supports_sampling_params", not _fixed_sampling(name, entry)):
        found.add("sampling")
    return sorted(found)


def _fixed_sampling(name: str, entry: Entry) -> bool:
    # OpenAI's reasoning models refuse temperature and top_p while they reason, and the entries do
    # not say so with a flag of their own. Those that do not reason unless asked to take them.
    plain = name.rsplit("/", 1)[-1].rsplit("openai.", 1)[-1]
    reasons = re.match(r"(ft:)?(o\d|gpt-[5-9])", plain) and "chat" not in plain
    return bool(reasons and entry.get("default_reasoning_effort") != "none")
