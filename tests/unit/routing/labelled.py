"""A world in which some kinds of prompts are hard for the weak model, and its labels."""

import random
from typing import Any

KINDS: dict[str, tuple[float, float, str]] = {
    "greet": (0.98, 0.98, "say hello kindly to the customer named"),
    "sort": (0.9, 0.95, "sort these words by their length and give a list of"),
    "proof": (0.3, 0.9, "prove by induction that the sum over n holds for every"),
    "law": (0.5, 0.6, "which court decides on appeals in the matter of"),
}
"""Category: how often the weak and the strong model are right, and what its prompts begin with."""
_NOUNS = "apple river seven lamp court table house moon proof violin glass engine".split()


def prompt(draw: random.Random, category: str) -> str:
    return f"{KINDS[category][2]} {' '.join(draw.choices(_NOUNS, k=draw.randint(3, 9)))}"


def records(many: int, seed: int = 1) -> list[dict[str, Any]]:
    """So many labelled prompts; a strong model knows more of what has ``violin`` in it."""
    draw = random.Random(seed)
    made = []
    for _ in range(many):
        category = draw.choice([*KINDS])
        text = prompt(draw, category)
        weak, strong, _ = KINDS[category]
        if "violin" in text:
            weak *= 0.6
        made.append(
            {
                "prompt": text,
                "category": category,
                "weak": float(draw.random() < weak),
                "strong": float(draw.random() < strong),
            }
        )
    return made


def recovered(scores: list[float], graded: list[dict[str, Any]]) -> float:
    """The mean share of the quality gap that is recovered by asking the strong model by score.

    Over all shares of prompts that go to it; 0.5 is what chance does. Equal scores share their
    gain.
    """
    gains = [one["strong"] - one["weak"] for one in graded]
    groups: dict[float, list[float]] = {}
    for score, gain in zip(scores, gains, strict=True):
        groups.setdefault(score, []).append(gain)
    total = area = 0.0
    for score in sorted(groups, reverse=True):
        mean = sum(groups[score]) / len(groups[score])
        for _ in groups[score]:
            area += total + mean / 2
            total += mean
    return area / len(gains) / total
