"""Made-up entries of the two price sources, in their own shapes."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

from genai_prices import types as theirs


def price(**rates: str | dict[int, str]) -> theirs.ModelPrice:
    def value(rate: str | dict[int, str]) -> Decimal | theirs.TieredPrices:
        if isinstance(rate, str):
            return Decimal(rate)
        base, *steps = rate.items()
        return theirs.TieredPrices(
            base=Decimal(base[1]),
            tiers=[theirs.Tier(start=start, price=Decimal(usd)) for start, usd in steps],
        )

    return theirs.ModelPrice(**{f"{name}_mtok": value(rate) for name, rate in rates.items()})


def entry(
    *conditions: tuple[str | None, theirs.ModelPrice],
    variants: list[tuple[dict[str, str], str | None, theirs.ModelPrice]] | None = None,
    name: str = "some-model",
) -> theirs.ModelInfo:
    def since(day: str | None) -> theirs.StartDateConstraint | None:
        return theirs.StartDateConstraint(dt.date.fromisoformat(day)) if day else None

    return theirs.ModelInfo(
        id=name,
        match=theirs.ClauseOr(or_=[theirs.ClauseEquals(name), theirs.ClauseEquals("other-name")]),
        context_window=1_000,
        prices=[theirs.ConditionalPrice(since(day), prices=each) for day, each in conditions],
        price_variants=[
            theirs.PriceVariant(when=when, prices=each, constraint=since(day))
            for when, day, each in variants or []
        ],
    )


def listed(**keys: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(keys), parse_float=Decimal)
    return {"mode": "chat", **found}
