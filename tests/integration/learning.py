"""A store full of verdicts: the weak model fails at proofs, and nothing else."""

import random

from llm_orchestrator.routing.pieces import pack, pieces
from llm_orchestrator.store.connect import connect
from llm_orchestrator.store.feedback import Feedback
from llm_orchestrator.store.urls import parse_url
from tests.integration.store.data import NOW
from tests.integration.world import HAIKU, MINI
from tests.unit.routing.labelled import KINDS, prompt

WEAK, STRONG = f"openai/{MINI}", f"anthropic/{HAIKU}"
KIND_NAMES = tuple(KINDS)
_GIVE = (
    "INSERT INTO feedback (call_id, at, verdict, category, model, features)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)


def teach(url: str, labels: int, *, seed: int = 1, models: tuple[str, ...] = ()) -> Feedback:
    """Keeps so many verdicts on each model; nothing is fitted."""
    draw = random.Random(seed)
    backend = connect(parse_url(url))
    try:
        for name in models or (WEAK, STRONG):
            for number in range(labels):
                category = draw.choice(KIND_NAMES)
                words = pack(pieces(prompt(draw, category)))
                verdict = float(name == STRONG or category != "proof")
                row = (f"{name}_{seed}_{number}", NOW + number, verdict, category, name, words)
                backend.execute(_GIVE, row)
    finally:
        backend.close()
    return Feedback(url)
