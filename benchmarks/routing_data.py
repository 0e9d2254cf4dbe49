"""Graded answers to many prompts, read from a directory that the user names.

Files: ``prompts.csv.gz`` (id, dataset, category, prompt, gold), ``results.csv.gz`` (id, model,
correct, pred, out_chars, in_tok, out_tok), ``texts.jsonl.xz`` (id, model, text) and ``prices.json``
(model -> USD per million input and output tokens).
"""

import csv
import gzip
import json
import lzma
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

FOLDS = 2


class Prompt(msgspec.Struct, frozen=True):
    """A prompt, and which of the folds its question is in."""

    id: str
    dataset: str
    category: str
    text: str
    fold: int


class Result(msgspec.Struct, frozen=True):
    """How right a model's answer was (0 to 1), what it cost, and its text where one is kept."""

    right: float
    cost_usd: float | None
    text: str | None = None


class Data(msgspec.Struct, frozen=True):
    """All prompts by id, and results by model and id."""

    prompts: dict[str, Prompt]
    results: dict[str, dict[str, Result]]
    prices: dict[str, tuple[float, float]]

    def ids(
        self, datasets: Sequence[str], models: Sequence[str], *, texts: bool = True
    ) -> list[str]:
        """The prompts of these data sets that all models have answered."""
        tables = [self.results.get(model, {}) for model in models]
        return sorted(
            key
            for key, prompt in self.prompts.items()
            if prompt.dataset in datasets
            and all(key in table and not (texts and table[key].text is None) for table in tables)
        )

    def right(self, model: str, key: str) -> float:
        """How right the model's answer was."""
        return self.results[model][key].right

    def cost(self, model: str, key: str) -> float:
        """What it cost in USD, 0 where no price is known."""
        return self.results[model][key].cost_usd or 0.0


def fold_of(prompt: str) -> int:
    """The fold of a question: the same for all prompts that begin with the same question."""
    stem = re.sub(r"\W+", " ", prompt.lower()).strip()[:300]
    return int(sha256(stem.encode()).hexdigest(), 16) % FOLDS


def load(directory: Path | str, *, texts: bool = True) -> Data:
    """Reads the directory; raises `OSError` when a file is missing."""
    folder = Path(directory)
    csv.field_size_limit(10**9)
    prompts = {
        row["id"]: Prompt(
            row["id"], row["dataset"], row["category"], row["prompt"], fold_of(row["prompt"])
        )
        for row in _rows(folder / "prompts.csv.gz")
    }
    prices = json.loads((folder / "prices.json").read_text(encoding="utf-8"))
    kept: dict[tuple[str, str], str] = {}
    if texts:
        with lzma.open(folder / "texts.jsonl.xz", "rt", encoding="utf-8") as lines:
            for line in lines:
                one = json.loads(line)
                kept[one["model"], one["id"]] = one["text"]
    results: dict[str, dict[str, Result]] = {}
    for row in _rows(folder / "results.csv.gz"):
        if row["id"] not in prompts:
            continue
        model, key = row["model"], row["id"]
        results.setdefault(model, {})[key] = Result(
            float(row["correct"]),
            _cost(row, prompts[key].text, prices.get(model)),
            kept.get((model, key)),
        )
    return Data(prompts, results, prices)


def _rows(path: Path) -> Iterable[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _cost(row: dict[str, str], prompt: str, price: tuple[float, float] | None) -> float | None:
    """By list price; where no tokens are known, four characters are one."""
    if price is None:
        return None
    read = float(row["in_tok"] or len(prompt) / 4 + 60)
    written = float(row["out_tok"] or max(1.0, float(row["out_chars"] or 4) / 4))
    return (read * price[0] + written * price[1]) / 1e6
