"""How well the learned prior ranks prompts by how much they need the strong one of two models.

    python benchmarks/routing_prior.py DIRECTORY [--seeds 5] [--json]

The directory holds graded answers (`routing_data`). Two folds by question: what is learned from one
is measured on the other, with the category and by the words alone, from all labels and from 300,
and of a task or a pair of models that were not in what it learned. APGR is the mean share of the
quality gap between the models that is recovered by sending 0 to 100 % of the prompts to the strong
one, in the order of the score; chance is 0.5. The exit code is 1 when a goal is missed.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # A script sees its own folder only; what it uses is a package of the folder above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks.routing_data import FOLDS, Data, load
from llm_orchestrator.routing.prior import LearnedPrior, Record

# Name -> data sets, the weak model and the strong one.
PAIRS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "mmlu": (("mmlu",), "mixtral-8x7b-instruct", "gpt-4-1106-preview"),
    "gsm8k": (("gsm8k",), "mixtral-8x7b-instruct", "gpt-4-1106-preview"),
    "mmlupro-gem": (("mmlupro",), "gemini-1.5-flash-002", "gemini-1.5-pro-002"),
    "mmlupro-wide": (("mmlupro",), "llama-3.1-8b-instruct", "gemini-1.5-pro-002"),
    "math-ant": (
        ("ze_gsm", "ze_mathl5"), "claude-3-haiku-20240307", "claude-3-5-sonnet-20241022",
    ),
}  # fmt: skip
GOALS = {
    ("mmlu", "all"): 0.68,
    ("mmlupro-gem", "all"): 0.80,
    ("mmlu", "300"): 0.63,
    ("mmlupro-gem", "300"): 0.73,
}
FEW = 300
CHANCE = 0.495
"""What a task or a pair that was never seen must reach."""
MEAN_MS, P99_MS = 0.3, 1.0
ENOUGH = 100
"""Prompts below which nothing is measured."""

Prior = LearnedPrior
"""What an evaluator drives: ``learn(records)``, and a call with ``prompt`` and ``category``."""


class Clock:
    """The CPU time of each score, in milliseconds: it holds on a busy machine, too."""

    def __init__(self) -> None:
        self.all: list[float] = []

    def score(self, prior: LearnedPrior, prompt: str, category: str | None) -> float:
        """A score, timed."""
        began = time.thread_time_ns()
        found = prior.score(prompt, category=category)
        self.all.append((time.thread_time_ns() - began) / 1e6)
        return found


def records(data: Data, name: str, fold: int | None = None) -> list[Record]:
    """The graded prompts of a pair."""
    datasets, weak, strong = PAIRS[name]
    return [
        Record(
            prompt=data.prompts[key].text,
            category=data.prompts[key].category,
            weak=data.right(weak, key),
            strong=data.right(strong, key),
        )
        for key in data.ids(datasets, [weak, strong], texts=False)
        if fold is None or data.prompts[key].fold == fold
    ]


def apgr(scores: Sequence[float], graded: Sequence[Record]) -> float:
    """The mean share of the gap that is recovered; equal scores share their gain."""
    groups: dict[float, list[float]] = {}
    for score, one in zip(scores, graded, strict=True):
        groups.setdefault(score, []).append((one.strong or 0.0) - (one.weak or 0.0))
    total = area = 0.0
    for score in sorted(groups, reverse=True):
        mean = sum(groups[score]) / len(groups[score])
        for _ in groups[score]:
            area += total + mean / 2
            total += mean
    return area / len(graded) / total


def ranked(clock: Clock, prior: LearnedPrior, graded: list[Record], *, category: bool) -> float:
    """The APGR of a prior on these prompts."""
    scores = [clock.score(prior, one.prompt, one.category if category else None) for one in graded]
    return apgr(scores, graded)


def folds(data: Data, name: str) -> Iterator[tuple[list[Record], list[Record]]]:
    """What to learn from, and what to measure on."""
    for fold in range(FOLDS):
        measured = records(data, name, fold)
        learned = [one for other in range(FOLDS) if other != fold
                   for one in records(data, name, other)]  # fmt: skip
        if len(measured) >= ENOUGH and len(learned) >= ENOUGH:
            yield learned, measured


def learning(data: Data, clock: Clock, seeds: int) -> list[dict[str, Any]]:
    """From all labels of the other fold, and from a few."""
    rows = []
    for name in PAIRS:
        found: dict[str, list[float]] = {}
        for learned, measured in folds(data, name):
            few = min(FEW, len(learned))
            draws = [("all", learned)] + [
                (str(FEW), random.Random(seed).sample(learned, few)) for seed in range(seeds)
            ]
            for labels, draw in draws:
                began = time.thread_time()
                prior = LearnedPrior().learn(draw)
                took = time.thread_time() - began
                found.setdefault(f"{labels} s", []).append(took)
                for category in (True, False):
                    key = f"{labels} {'category' if category else 'words'}"
                    found.setdefault(key, []).append(
                        ranked(clock, prior, measured, category=category)
                    )
        if found:
            rows.append({"name": name, **{key: mean(values) for key, values in found.items()}})
    return rows


def strange(data: Data, clock: Clock) -> list[dict[str, Any]]:
    """Of tasks and pairs that were not in what was learned; prompts that were are left out."""
    rows = []
    for taught in PAIRS:
        learned = records(data, taught)
        if len(learned) < ENOUGH:
            continue
        prior = LearnedPrior().learn(learned)
        for name, (datasets, _, _) in PAIRS.items():
            same = datasets == PAIRS[taught][0]
            seen = {one.prompt for one in learned}
            other = [one for one in records(data, name) if same or one.prompt not in seen]
            if name == taught or len(other) < ENOUGH:
                continue
            rows.append(
                {
                    "learned": taught,
                    "name": name,
                    "category": ranked(clock, prior, other, category=True),
                    "words": ranked(clock, prior, other, category=False),
                    "known": mean([prior.guess(one.prompt).known for one in other]),
                    "prompts": len(other),
                }
            )
    return rows


def untaught(data: Data, clock: Clock) -> list[dict[str, Any]]:
    """Without any label."""
    return [
        {"name": name, "apgr": ranked(clock, LearnedPrior(), graded, category=False)}
        for name in PAIRS
        if len(graded := records(data, name)) >= ENOUGH
    ]


def mean(values: Sequence[float]) -> float:
    """Of folds and draws."""
    return sum(values) / len(values)


def missed(found: dict[str, Any]) -> list[str]:
    """The goals that are not reached, in words."""
    lost = [
        f"{row['name']}: {row[f'{labels} category']:.3f} < {goal} ({labels} labels)"
        for (name, labels), goal in GOALS.items()
        for row in found["learning"]
        if row["name"] == name and row[f"{labels} category"] < goal
    ]
    speed = found["speed"]
    if speed["mean_ms"] >= MEAN_MS or speed["p99_ms"] >= P99_MS:
        lost.append(f"a score takes {speed['mean_ms']:.3f} ms, p99 {speed['p99_ms']:.3f} ms")
    return lost


def report(found: dict[str, Any]) -> None:
    """The tables."""
    console = Console(width=110)
    few = str(FEW)
    table = Table(title="APGR on the other fold", title_justify="left")
    columns = ("all category", "all words", f"{few} category", f"{few} words", "all s")
    for column in ("pair", *columns):
        table.add_column(column, justify="left" if column == "pair" else "right")
    for row in found["learning"]:
        table.add_row(row["name"], *(f"{row[column]:.3f}" for column in columns))
    console.print(table)
    table = Table(title="APGR of what was not in the labels", title_justify="left")
    for column in ("learned from", "measured on", "prompts", "category", "words", "words known"):
        table.add_column(column)
    for row in found["strange"]:
        values = (f"{row['category']:.3f}", f"{row['words']:.3f}", f"{row['known']:.0%}")
        table.add_row(row["learned"], row["name"], str(row["prompts"]), *values)
    console.print(table)
    table = Table(title="APGR without any label", title_justify="left")
    for column in ("pair", "longer prompts first"):
        table.add_column(column)
    for row in found["untaught"]:
        table.add_row(row["name"], f"{row['apgr']:.3f}")
    console.print(table)
    speed = found["speed"]
    console.print(
        f"A score takes {speed['mean_ms']:.3f} ms of CPU, p99 {speed['p99_ms']:.3f} ms, over "
        f"{speed['scores']:,}; of a prompt of 20 KB {speed['long_ms']:.3f} ms. "
        f"What one model's labels teach takes {speed['bytes'] / 1000:.0f} KB at most."
    )


def speed(clock: Clock, data: Data) -> dict[str, float]:
    """Times of all scores so far, and of a long prompt; the size of what is learned."""
    times = sorted(clock.all)
    name = max(PAIRS, key=lambda one: len(records(data, one)))
    prior = LearnedPrior().learn(records(data, name))
    long, own = " ".join(one.prompt for one in records(data, name))[:20_000], Clock()
    for _ in range(200):
        own.score(prior, long, None)
    return {
        "mean_ms": mean(times),
        "p99_ms": times[int(len(times) * 0.99)],
        "scores": len(times),
        "long_ms": mean(own.all),
        "bytes": max(len(one.encode()) for one in (prior.weak, prior.strong) if one),
    }


def main() -> int:
    """Measures and reports; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seeds", type=int, default=5, help="draws of 300 labels in each fold")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    data, clock = load(given.directory, texts=False), Clock()
    found: dict[str, Any] = {
        "learning": learning(data, clock, given.seeds),
        "strange": strange(data, clock),
        "untaught": untaught(data, clock),
    }
    found["speed"] = speed(clock, data)
    lost = missed(found)
    if given.json:
        print(json.dumps({**found, "missed": lost}, indent=2))
    else:
        report(found)
        for one in lost:
            print(f"missed: {one}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
