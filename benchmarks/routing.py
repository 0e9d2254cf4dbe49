"""How the cascade, confidence and the vote do on graded answers, two folds by question.

    python benchmarks/routing.py DIRECTORY [--json]

What learns (the weights of a vote) learns from one fold and is measured on the other. Confidence
is the area under the ROC curve of "with one cheap second opinion, this answer is right"; the
cascade's quality is relative to asking the last model always, and so is what it saves; a vote is
compared with the member that is best on the very prompts that it is measured on. The exit code is
1 when a figure is below its goal.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # A script sees its own folder only; what it uses is a package of the folder above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks import routing_adapters as adapters
from benchmarks.routing_data import FOLDS, Data, load

ZE = ("ze_gsm", "ze_mathl5", "ze_crux")
MINI, GPT = "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06"
HAIKU, SONNET = "claude-3-haiku-20240307", "claude-3-5-sonnet-20241022"
FLASH, DEEPSEEK = "gemini-1.5-flash", "deepseek-v2.5-0908"
FLASH2, PRO2, CODER = "gemini-1.5-flash-002", "gemini-1.5-pro-002", "deepseek-coder-v2"
LLAMA = "llama-3.1-8b-instruct"

# Name -> data sets, and whose answers are judged.
JUDGED: dict[str, tuple[tuple[str, ...], str]] = {
    "gsm8k": (("gsm8k",), "mixtral-8x7b-instruct"),
    "mmlupro flash": (("mmlupro",), FLASH2),
    "mmlupro llama": (("mmlupro",), LLAMA),
    "math mini": (("ze_gsm", "ze_mathl5"), MINI),
    "math haiku": (("ze_gsm", "ze_mathl5"), HAIKU),
    "crux mini": (("ze_crux",), MINI),
    "crux haiku": (("ze_crux",), HAIKU),
}
# Name -> data sets, the chain with the strong one last, and the least that it should save.
CHAINS: dict[str, tuple[tuple[str, ...], tuple[str, ...], float]] = {
    "ze-oai": (ZE, (FLASH, DEEPSEEK, MINI, GPT), 50.0),
    "ze-ant": (ZE, (FLASH, DEEPSEEK, MINI, SONNET), 50.0),
    "mmlupro": (("mmlupro",), (FLASH2, CODER, PRO2), 40.0),
}
PANELS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ze-cheap3": (ZE, (MINI, DEEPSEEK, FLASH)),
    "ze-mixed5": (ZE, (GPT, SONNET, MINI, DEEPSEEK, FLASH)),
    "mmlupro4": (("mmlupro",), (PRO2, FLASH2, CODER, LLAMA)),
}
# A strong member and cheap ones: better than the strong one, and for less?
HELPED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ze-oai4": (ZE, (GPT, MINI, DEEPSEEK, FLASH)),
    "ze-ant4": (ZE, (SONNET, MINI, DEEPSEEK, FLASH)),
}
ENOUGH = 100
"""Prompts below which nothing is measured."""


def auroc(scores: Sequence[float], good: Sequence[bool]) -> float:
    """The chance that a good one has the higher score, ties counting half."""
    ranks: dict[float, float] = {}
    ordered = sorted(scores)
    for at, score in enumerate(ordered):
        ranks.setdefault(score, at)
    counts = dict.fromkeys(ranks, 0)
    for score in ordered:
        counts[score] += 1
    total = sum(
        ranks[score] + (counts[score] + 1) / 2
        for score, is_good in zip(scores, good, strict=True)
        if is_good
    )
    positive = sum(good)
    return (total - positive * (positive + 1) / 2) / (positive * (len(good) - positive))


def folds(data: Data, ids: Sequence[str]) -> list[list[str]]:
    """The prompts of each fold."""
    return [[key for key in ids if data.prompts[key].fold == fold] for fold in range(FOLDS)]


def only(data: Data, fold: int) -> Data:
    """The other fold's part of the data, to learn from."""
    kept = {key: prompt for key, prompt in data.prompts.items() if prompt.fold != fold}
    return Data(
        kept,
        {
            model: {key: one for key, one in table.items() if key in kept}
            for model, table in data.results.items()
        },
        data.prices,
    )


def judged(data: Data) -> list[dict[str, Any]]:
    """Confidence with one second opinion; nothing is learned."""
    adapters.confidence.use(data)
    rows = []
    for name, (datasets, model) in JUDGED.items():
        found = []
        for ids in folds(data, data.ids(datasets, [model])):
            if len(ids) < ENOUGH:
                continue
            scores = [
                adapters.confidence(data.prompts[key].text, data.results[model][key].text or "")
                for key in ids
            ]
            found.append(auroc(scores, [data.right(model, key) > 0.5 for key in ids]))
        if found:
            rows.append({"name": name, "auroc": found})
    return rows


def chains(data: Data) -> list[dict[str, Any]]:
    """The cascade over each chain; nothing is learned."""
    rows = []
    for name, (datasets, models, least) in CHAINS.items():
        relative, saved = [], []
        for ids in folds(data, data.ids(datasets, models)):
            if len(ids) < ENOUGH:
                continue
            right = cost = 0.0
            for key in ids:
                called: dict[str, str] = {}
                text = adapters.policy(data.prompts[key].text, models, _recorded(data, key, called))
                winner = next(model for model, said in called.items() if said == text)
                right += data.right(winner, key)
                cost += sum(data.cost(model, key) for model in called)
            relative.append(right / sum(data.right(models[-1], key) for key in ids))
            saved.append(100 * (1 - cost / sum(data.cost(models[-1], key) for key in ids)))
        if saved:
            rows.append({"name": name, "quality": relative, "saved": saved, "least": least})
    return rows


def _recorded(data: Data, key: str, called: dict[str, str]) -> Callable[[str], str]:
    def call(model: str) -> str:
        called[model] = data.results[model][key].text or ""
        return called[model]

    return call


def panels(
    data: Data,
    chosen: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]],
    *,
    by_records: bool = False,
) -> list[dict[str, Any]]:
    """The vote of each panel, with weights learned from the other fold."""
    rows = []
    for name, (datasets, models) in chosen.items():
        gains, costs = [], []
        for fold, ids in enumerate(folds(data, data.ids(datasets, models))):
            if len(ids) < ENOUGH:
                continue
            pick = adapters.Pick(by_records=by_records)
            pick.use(only(data, fold))
            prices = {model: round(sum(data.prices[model]) * 1e6) for model in models}
            right = cost = 0.0
            for key in ids:
                called: dict[str, str] = {}
                call = _recorded(data, key, called)
                found = pick.decide(data.prompts[key].text, models, call, prices)
                right += data.right(found.answer.candidate.model.id, key)
                cost += sum(data.cost(model, key) for model in called)
            singles = {model: sum(data.right(model, key) for key in ids) for model in models}
            best = max(singles, key=lambda model: singles[model])
            gains.append(100 * (right - singles[best]) / len(ids))
            costs.append(100 * cost / sum(data.cost(best, key) for key in ids))
        if gains:
            rows.append({"name": name, "gain": gains, "cost": costs})
    return rows


def mean(values: Sequence[float]) -> float:
    """Of the folds."""
    return sum(values) / len(values)


def report(found: dict[str, list[dict[str, Any]]]) -> None:
    """The tables."""
    console = Console()
    shapes = (
        ("confidence", "right or wrong, with one cheap second opinion", {"auroc": "AUROC"}),
        ("cascade", "against asking the last model always",
         {"quality": "quality", "saved": "saved %"}),
        ("vote", "against the best single member",
         {"gain": "points", "cost": "cost % of it"}),
        ("helped", "a vote with one strong member, against that one",
         {"gain": "points", "cost": "cost % of it"}),
        ("records", "the vote with weights of each member's record alone",
         {"gain": "points", "cost": "cost % of it"}),
    )  # fmt: skip
    for part, title, columns in shapes:
        table = Table(title=f"{part}: {title}", title_justify="left")
        table.add_column("data")
        for column in columns.values():
            table.add_column(f"{column}: folds", justify="right")
            table.add_column("mean", justify="right")
        for row in found[part]:
            cells = []
            for key in columns:
                cells += [" ".join(f"{value:.3f}" for value in row[key]), f"{mean(row[key]):.3f}"]
            table.add_row(row["name"], *cells)
        console.print(table)


def goals(found: dict[str, list[dict[str, Any]]]) -> dict[str, bool]:
    """What should hold, and whether it does."""
    gains = [mean(row["gain"]) for row in found["vote"]]
    out = {
        "confidence: mean AUROC >= 0.80": mean([mean(row["auroc"]) for row in found["confidence"]])
        >= 0.80,
        "vote: never below the best single member": min(gains) >= 0,
        "vote: mean >= +0.8 points": mean(gains) >= 0.8,
        "vote by records alone: never below the best single member": min(
            mean(row["gain"]) for row in found["records"]
        )
        >= 0,
    }
    for row in found["helped"]:
        good = mean(row["gain"]) >= 0 and mean(row["cost"]) <= 100
        out[f"{row['name']}: better than its strong member, for less"] = good
    for row in found["cascade"]:
        good = mean(row["quality"]) >= 0.99 and mean(row["saved"]) >= row["least"]
        out[f"{row['name']}: {row['least']:.0f} % saved at 0.99 of the quality"] = good
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("directory", help="where the graded answers are")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    data = load(options.directory)
    found = {
        "confidence": judged(data),
        "cascade": chains(data),
        "vote": panels(data, PANELS),
        "helped": panels(data, HELPED),
        "records": panels(data, PANELS, by_records=True),
    }
    checks = goals(found)
    if options.json:
        print(json.dumps({**found, "goals": checks}, indent=1))
    else:
        report(found)
        for goal, good in checks.items():
            print(f"{'ok  ' if good else 'FAIL'} {goal}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
