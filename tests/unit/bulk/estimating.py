"""Candidates and samples for tests of estimates."""

from collections.abc import Iterable, Mapping
from typing import Any

from llm_orchestrator.bulk.rows.row import Data
from llm_orchestrator.bulk.rows.sampling import Sampler
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.model import Model, Price, Rates
from llm_orchestrator.types.provider import Candidate

PER_MILLION = 10**6
"""Pico-dollars a token of a price of one USD a million."""


def model(provider: str, id: str, **fields: Any) -> Model:
    """One USD a million in, ten out, and half of that in a batch."""
    price = Price(
        input=PER_MILLION,
        output=10 * PER_MILLION,
        batch=Rates(input=PER_MILLION // 2, output=5 * PER_MILLION),
    )
    given: dict[str, Any] = {"prices": (price,), "context": 128_000, "max_output": 4000}
    return Model(provider=provider, id=id, **(given | fields))


def target(provider: str = "openai", id: str = "gpt-4o", **fields: Any) -> Candidate:
    return Candidate(TABLE[provider], model(provider, id, **fields))


def sample(rows: Iterable[Data], size: int = 400) -> Sampler:
    found = Sampler(size)
    for number, row in enumerate(rows, 1):
        found.add(number, row)
    return found


def task(**fields: Any) -> Any:
    return load_task({"prompt": "Judge: {{ text }}", "name": "judge"} | fields)


def posts(count: int, words: Mapping[int, int] | None = None) -> list[dict[str, Any]]:
    """Rows whose texts have one to twenty words."""
    return [
        {"id": n, "text": " ".join(["word"] * ((words or {}).get(n, 1 + n * 7 % 20)))}
        for n in range(count)
    ]
