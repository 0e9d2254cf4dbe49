"""Where several have answered the same item: one answer by quality, by vote, or all of them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, Literal

import msgspec

from llm_orchestrator.routing.canonical import canonical

MergeRule = Literal["priority", "vote", "all"]
_OWN = frozenset(("provider", "model", "input_tokens", "output_tokens", "cost_usd", "repaired"))
_MEMBERS = frozenset(("task", *_OWN))


class Merging:
    """Merges rows of the same item that follow on each other, and counts who agrees with whom.

    ``quality`` names providers, the best first; others come after them.
    """

    def __init__(self, rule: MergeRule, quality: tuple[str, ...]) -> None:
        self._rule = rule
        self._rank = {name: n for n, name in enumerate(quality)}
        self._key: object = None
        self._rows: list[dict[str, Any]] = []
        self._pairs: Counter[tuple[str, str, str]] = Counter()
        self._same: Counter[tuple[str, str, str]] = Counter()
        self._items = self._unanimous = 0

    def add(self, key: object, row: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """One more answer; returns what is merged by it."""
        made: list[dict[str, Any]] = []
        if key != self._key:
            made = list(self.end())
            self._key = key
        self._rows.append(row)
        return made

    def end(self) -> Iterator[dict[str, Any]]:
        """What is merged of the last item."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        if len(rows) == 1:
            yield rows[0]
            return
        rows.sort(key=self._order)
        words = [_said(row) for row in rows]
        self._count(rows, words)
        if self._rule == "all":
            yield from rows
            return
        chosen = 0
        votes = Counter(words)
        if self._rule == "vote":
            most = max(votes.values())
            chosen = next(n for n, word in enumerate(words) if votes[word] == most)
        yield {
            **rows[chosen],
            "agreement": f"{votes[words[chosen]]}/{len(rows)}",
            "asked": [row["provider"] for row in rows],
        }

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
