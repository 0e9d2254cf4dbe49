"""Where several have answered the same item: one answer by quality, by vote, or all of them."""

from collections import Counter
from itertools import combinations
from typing import Any

import msgspec

from llm_orchestrator.bulk.spec import MergeRule
from llm_orchestrator.routing.canonical import canonical

_OWN = frozenset(("provider", "model", "input_tokens", "output_tokens", "cost_usd", "repaired"))
_MEMBERS = frozenset(("task", *_OWN))


class Merging:
    """Merges the rows of an item, and counts who agrees with whom.

    ``quality`` names providers, the best first; others come after them.
    """

    def __init__(self, rule: MergeRule, quality: tuple[str, ...]) -> None:
        self._rule = rule
        self._rank = {name: n for n, name in enumerate(quality)}
        self._pairs: Counter[tuple[str, str, str]] = Counter()
        self._same: Counter[tuple[str, str, str]] = Counter()
        self._items = self._unanimous = 0

    def merged(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What becomes of all answers to an item."""
        if len(rows) == 1:
            return rows
        rows = sorted(rows, key=self._order)
        words = [_said(row) for row in rows]
        self._count(rows, words)
        if self._rule == "all":
            return rows
        chosen = 0
        votes = Counter(words)
        if self._rule == "vote":
            most = max(votes.values())
            chosen = next(n for n, word in enumerate(words) if votes[word] == most)
        told = {
            "agreement": f"{votes[words[chosen]]}/{len(rows)}",
            "asked": [row["provider"] for row in rows],
        }
        return [rows[chosen] | told]

    def agreement(self) -> dict[str, Any] | None:
        """Who agrees with whom; ``None`` when no item was asked of several."""
        if not self._items:
            return None
        return {
            "items": self._items,
            "unanimous": self._unanimous,
            "rule": self._rule,
            "pairs": [
                {
                    "task": task,
                    "providers": [one, other],
                    "items": count,
                    "agree": self._same[task, one, other],
                    "share": round(self._same[task, one, other] / count, 4),
                }
                for (task, one, other), count in sorted(self._pairs.items())
            ],
        }

    def _order(self, row: dict[str, Any]) -> tuple[int, str, str]:
        rank = self._rank.get(row["provider"], len(self._rank))
        return rank, str(row["provider"]), str(row["model"])

    def _count(self, rows: list[dict[str, Any]], words: list[str]) -> None:
        self._items += 1
        self._unanimous += len(set(words)) == 1
        task = rows[0]["task"]
        names = [f"{row['provider']}/{row['model']}" for row in rows]
        for (one, this), (other, that) in combinations(sorted(zip(names, words, strict=True)), 2):
            self._pairs[task, one, other] += 1
            self._same[task, one, other] += this == that


def _said(row: dict[str, Any]) -> str:
    """What an answer says, in a form that equal answers share."""
    values = {key: value for key, value in row.items() if key not in _MEMBERS}
    if set(values) - {"result"} and "result" not in values:
        first, *rest = values  # the id is the first
        del first
        return msgspec.json.encode({key: values[key] for key in sorted(rest)}).decode()
    found = values.get("result")
    if isinstance(found, str):
        form = canonical(found)
        return found.strip() if form is None else f"{form.kind}:{form.key}"
    return msgspec.json.encode(found, order="deterministic").decode()
