"""Merges the two sources into the models of one provider."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tools.catalog_build import community, history
from tools.catalog_build.community import Entry
from tools.catalog_build.prices import TOKEN_NAMES, Block, Period, Rates, as_rows
from tools.catalog_build.providers import Source, is_text

Row = dict[str, Any]

_DATED = re.compile(r"-(20\d{2})-?(\d{2})-?(\d{2})(?=$|[-@:])")


@dataclass
class Notes:
    """What a person should look at after a build."""

    disagree: list[str] = field(default_factory=list)


@dataclass
class Merger:
    """Both sources, the curated facts and the notes of a build."""

    history: dict[str, Any]
    community: dict[str, Entry]
    curated: dict[str, Any]
    notes: Notes = field(default_factory=Notes)

    def provider(self, source: Source) -> dict[str, Row]:
        """The models of one provider by id."""
        known = self._community_ids(source)
        extra = self.curated.get("extra", {}).get(source.name, {})
        past = self.history.get(source.history or "")
        batches: dict[str, Any] = {}
        aliases: dict[str, list[str]] = {}
        ids = set(known) | set(extra)
        for model in past.models if past else ():
            if model.id.endswith(":batch"):
                batches[model.id.removesuffix(":batch")] = model
                continue
            if source.ours(model.id) and is_text(model.id) and _is_priced(model):
                ids.add(model.id)
                aliases[model.id] = [
                    name for name in history.names(model) if is_text(name) and source.ours(name)
                ]
        drop = set(self.curated.get("drop", {}).get(source.name, []))
        rows = {
            model_id: self._model(source, model_id, known.get(model_id), past, extra.get(model_id))
            for model_id in sorted(ids - drop)
        }
        rows = {model_id: row for model_id, row in rows.items() if row}
        for model_id, model in batches.items():
            if model_id in rows:
                _add_batch(rows[model_id], model)
        for model_id, others in aliases.items():
            free = [
                n for n in others if n not in rows and not n.endswith(":beta") and n not in drop
            ]
            if model_id in rows and free:
                rows[model_id]["aliases"] = free
        return rows

    def _community_ids(self, source: Source) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for name, entry in self.community.items():
            model_id = source.community_id(name, entry)
            # The entry with the provider's prefix wins over one without it.
            if model_id and (model_id not in found or name != model_id):
                found[model_id] = entry
        return found

    def _model(
        self, source: Source, model_id: str, entry: Entry | None, past: Any, extra: Row | None
    ) -> Row:
        model = history.find(past, model_id) if past else None
        # A family name may also match an id that the source leaves to another provider.
        if model is not None and not is_text(model.id) and not model.id.startswith("regional."):
            model = None
        like = self.community.get((extra or {}).get("like", ""))
        row: Row = {}
        if like or entry:
            row = community.facts(model_id, like or entry or {})
        tentative = self.curated.get("tentative_dates", {}).get(source.name, [])
        if not entry or any(re.search(pattern, model_id) for pattern in tentative):
            row.pop("retired", None)
        prices = self._prices(source, model_id, entry, model)
        if prices:
            row["prices"] = as_rows(prices)
        elif not entry:
            return {}
        if model is not None:
            row.setdefault("context", model.context_window)
            if model.deprecated and "retired" not in row:
                row["deprecated"] = self.curated["version"]
        row.setdefault("mode", "embedding" if "embed" in model_id.lower() else "chat")
        if row["mode"] == "embedding":
            row.setdefault("abilities", ["embeddings"])
            for period in prices:
                period.without("output")
            row["prices"] = as_rows(prices)
        if dated := _DATED.search(model_id):
            row["released"] = "-".join(dated.groups())
        row |= {key: value for key, value in (extra or {}).items() if key != "like"}
        row |= self.curated.get("lifecycle", {}).get(source.name, {}).get(model_id, {})
        return {key: value for key, value in row.items() if value is not None}

    def _prices(
        self, source: Source, model_id: str, entry: Entry | None, model: Any | None
    ) -> list[Period]:
        now = community.period(entry) if entry else None
        if now and community.is_zero(now) and "gemma" not in model_id:
            now = None
        trusted = self.curated.get("trust_community", {}).get(source.name, [])
        if now and any(re.search(pattern, model_id) for pattern in trusted):
            return [now]
        if model is None:
            return [now] if now else []
        if history.is_free(model):
            return [Period(base=Block(rates={"input": 0, "output": 0}))]
        past = history.periods(model)
        past = [period for period in past if "input" in period.base.rates]
        if not past:
            return [now] if now else []
        if now:
            self._compare(source, model_id, past, now)
            for period in past:
                if _agree(period, now):
                    _fill(period, now)
        return past

    def _compare(self, source: Source, model_id: str, past: list[Period], now: Period) -> None:
        version = self.curated["version"]
        current = [p for p in past if p.start is None or p.start <= version][-1]
        if not _agree(current, now):
            pairs = [
                f"{p.base.rates.get('input')}/{p.base.rates.get('output')}" for p in (current, now)
            ]
            self.notes.disagree.append(
                f"{source.name}/{model_id}: history {pairs[0]}, community {pairs[1]}"
            )


def _is_priced(model: Any) -> bool:
    return history.is_free(model) or any("input" in p.base.rates for p in history.periods(model))


def _agree(one: Period, other: Period) -> bool:
    ours, theirs = one.base.rates, other.base.rates
    if ours["input"] != theirs["input"]:
        return False
    # An embedding model has no output, which one source says with a rate and the other without.
    return "output" not in ours or "output" not in theirs or ours["output"] == theirs["output"]


def _fill(period: Period, now: Period) -> None:
    # Only what is missing: a rate that has a history keeps it.
    period.base.rates = now.base.rates | period.base.rates
    if "per_request" in period.base.rates:
        # The fee of a request with search already holds the search.
        period.base.rates.pop("search", None)
    for tier, rates in now.base.tiers.items():
        if "input" in rates or tier in period.base.tiers:
            period.base.tiers[tier] = rates | period.base.tiers.get(tier, {})
    if not period.above:
        period.above = now.above
        return
    for tokens, block in period.above.items():
        if tokens in now.above:
            block.rates = now.above[tokens].rates | block.rates
            for tier, rates in now.above[tokens].tiers.items():
                block.tiers[tier] = rates | block.tiers.get(tier, {})
        else:
            block.rates = period.base.rates | block.rates


def _add_batch(row: Row, model: Any) -> None:
    """OpenRouter lists the batch price of a model as a model of its own."""
    if "prices" not in row:
        return
    batch = history.periods(model)[-1]
    latest = row["prices"][-1]
    rate = batch.base.rates.get("input")
    # One that is far off has not followed a change of the standard price.
    if rate is not None and latest["input"] <= rate * 4:
        latest["batch"] = _token_rates(batch.base.rates)
        for block in latest.get("above", ()):
            above = batch.above.get(block["tokens"], batch.base)
            block["batch"] = _token_rates(above.rates)


def _token_rates(rates: Rates) -> Rates:
    return {name: rates[name] for name in TOKEN_NAMES if name in rates}
