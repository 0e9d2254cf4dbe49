"""What a request costs by the providers' published rules: a third opinion beside ours and the bill.

It shares no code with the catalogue or the simulator. It takes the tokens that the provider says it
has billed and the numbers of the price file, and multiplies in exact decimals.

The rules, as the price pages have them:

- a token of input is charged once: as read from the cache, as written to it, or as neither;
- where no price of reading is published, what is read costs as much as all input; the same holds
  for writing, and for an hour of it where only one price of writing is published;
- thoughts are output, at its price (`OWN_RATES` names who charges them otherwise);
- where a price begins above a size of prompt, it holds for the whole of such a request;
- a service tier changes the prices that are published for it, and leaves the others;
- some providers add a sum for each request, or for each search that they made;
- what runs on a machine of one's own costs nothing.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, localcontext
from functools import cache
from pathlib import Path
from typing import Any

PRICE_FILE = Path(__file__).parents[2] / "src/llm_orchestrator/catalog/data/models.json"
PICO = Decimal(1).scaleb(-12)
MILLION = Decimal(1_000_000)

OWN_RATES: dict[tuple[str, str], dict[str, Decimal]] = {
    ("perplexity", "sonar-deep-research"): {
        "reasoning_tokens": Decimal(3) / MILLION,
        "citation_tokens": Decimal(2) / MILLION,
    },
}
"""Provider and model to what they charge apart from input and output: USD a token."""

_KNOWN = frozenset(
    (
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_1h_tokens",
        "reasoning_tokens",
        "citation_tokens",
        "searches",
    )
)


class UnchargedError(Exception):
    """The bill counts something that no published rule here has a price for."""


@cache
def _file() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PRICE_FILE.read_text("utf-8"))["providers"]
    return found


def listed(provider: str, model: str) -> dict[str, Any] | None:
    """What the price file has on a model; prices are in 10^-12 USD a token or piece."""
    found: dict[str, Any] | None = _file().get(provider, {}).get("models", {}).get(model)
    return found


def rates(
    provider: str,
    model: str,
    named: Mapping[str, Mapping[str, float]],
    *,
    day: str,
    tier: str,
    size: int,
) -> dict[str, Decimal] | None:
    """USD a token or piece on a day (``YYYY-MM-DD``) for a prompt of this size; ``None`` unknown.

    ``named`` are the prices of models that are in no file, in USD per million tokens.
    """
    entry = listed(provider, model)
    if entry is None:
        own = named.get(model, {})
        return {name: Decimal(str(usd)) / MILLION for name, usd in own.items()}
    valid = [one for one in entry.get("prices", ()) if one.get("from", day) <= day]
    if not valid:
        return None
    price = valid[-1]
    found: dict[str, Decimal] = {}
    steps = sorted(price.get("above", ()), key=lambda one: int(one["tokens"]))
    for block in (price, *(one for one in steps if size > one["tokens"])):
        for part in (block, block.get(tier, {})):
            for name, pico in part.items():
                if isinstance(pico, int) and name != "tokens":
                    found[name] = pico * PICO
    return found


def cost(
    provider: str,
    model: str,
    usage: Mapping[str, int],
    named: Mapping[str, Mapping[str, float]],
    *,
    day: str,
    tier: str = "standard",
) -> Decimal | None:
    """Exact USD for the tokens that were billed; ``None`` where a price is not published."""
    odd = {name for name, count in usage.items() if count and name not in _KNOWN}
    if odd:
        raise UnchargedError(f"no rule for {', '.join(sorted(odd))}")
    if not any(usage.values()):
        return Decimal(0)
    price = rates(provider, model, named, day=day, tier=tier, size=usage["input_tokens"])
    if not price or "input" not in price:
        return None
    own = OWN_RATES.get((provider, model), {})
    apart = usage["reasoning_tokens"] if "reasoning_tokens" in own else 0
    written, hour = usage["cache_write_tokens"], usage["cache_write_1h_tokens"]
    read = usage["cache_read_tokens"]
    writing = price.get("cache_write", price["input"])
    quantities: list[tuple[int, Decimal | None]] = [
        (usage["input_tokens"] - read - written, price["input"]),
        (read, price.get("cache_read", price["input"])),
        (written - hour, writing),
        (hour, price.get("cache_write_1h", writing)),
        (usage["output_tokens"] - apart, price.get("output")),
        (apart, own.get("reasoning_tokens")),
        (usage.get("citation_tokens", 0), own.get("citation_tokens")),
        (usage.get("searches", 0), price.get("search")),
        (1, price.get("per_request", Decimal(0))),
    ]
    total = Decimal(0)
    with localcontext(prec=60):
        for quantity, rate in quantities:
            if quantity and rate is None:
                return None
            total += quantity * (rate or 0)
    return total
