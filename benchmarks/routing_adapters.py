"""The product's cascade, confidence and vote, as functions over recorded answers.

Each of `policy`, `confidence` and `pick` may learn from a directory of graded answers first
(`fit(directory)`); without, they know nothing of the models but their names and list prices.
`confidence` needs recorded answers for its second opinions: those of the directory that it was
fitted with, or of ``LLMO_ROUTING_DATA``, or of the program's own ``--data``.
"""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from benchmarks.routing_data import Data, load
from llm_orchestrator.catalog import Catalog
from llm_orchestrator.errors import ServerError
from llm_orchestrator.routing import cascade, ensemble, said, weights
from llm_orchestrator.routing.agreement import Agreement
from llm_orchestrator.routing.base import Answer, Ask, Decision, Offer, Record, Strategy
from llm_orchestrator.routing.signals import Case, Stage
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Message, Request, Text

_TYPICAL_IN, _TYPICAL_OUT = 300, 250
"""Tokens by which list prices are compared."""
CHEAP = 4.0
"""A second opinion is cheap up to so many times the price of the first one."""
_LOOP = asyncio.new_event_loop()


def candidate(model: str) -> Candidate:
    """A model by its name alone."""
    return Candidate(
        Provider(name="recorded", dialect="openai", base_url=""), Model(provider="", id=model)
    )


@cache
def _catalog() -> Catalog:
    return Catalog.load()


@cache
def price(model: str) -> int | None:
    """The list price of a typical call in pico-dollars; ``None`` where the catalogue has none."""
    found = _catalog().find(model) or _catalog().find(re.sub(r"-\d{3,4}$", "", model))
    rates = found.prices[-1] if found and found.prices else None
    if rates is None or rates.input is None or rates.output is None:
        return None
    return _TYPICAL_IN * rates.input + _TYPICAL_OUT * rates.output


def offer(model: str, expected: int | None = None, record: Record | None = None) -> Offer:
    """A model on offer."""
    return Offer(
        candidate=candidate(model),
        expected_pico=price(model) if expected is None else expected,
        record=record,
    )


def answer(model: str, text: str) -> Answer:
    """A recorded answer."""
    return Answer(
        candidate=candidate(model),
        response=Response(parts=(Text(text=text),), finish_reason="stop", usage=None),
    )


def request(prompt: str) -> Request:
    """A prompt as a request."""
    return Request(messages=(Message("user", prompt),))


def run(
    strategy: Strategy, prompt: str, offers: Sequence[Offer], call: Callable[[str], str]
) -> Decision:
    """What a strategy decides when ``call`` gives each model's answer."""
    given: set[str] = set()

    async def ask(asked: Candidate, sent: Request) -> Answer:
        del sent
        if asked.model.id in given:
            # Another sample would differ, and cost; there is only one.
            raise ServerError("only one answer is recorded")
        given.add(asked.model.id)
        return answer(asked.model.id, call(asked.model.id))

    return _LOOP.run_until_complete(strategy(request(prompt), offers, ask))


class Policy:
    """Fallback by confidence over models that are offered the cheapest first."""

    def __init__(self) -> None:
        self.strategy = cascade.fallback()

    def __call__(self, prompt: str, models: Sequence[str], call: Callable[[str], str]) -> str:
        """The text of the answer that the cascade returns."""
        # Their order is all that is known of what they cost.
        offers = [offer(model, expected=20**at) for at, model in enumerate(models)]
        return run(self.strategy, prompt, offers, call).answer.text


class Confidence:
    """How sure one may be of an answer, with one second opinion of a cheap model."""

    def __init__(self) -> None:
        self._data: Data | None = None
        self._by_prompt: dict[str, list[str]] = {}
        self.signal = Agreement()

    def fit(self, directory: str) -> None:
        """Takes second opinions from the answers in this directory."""
        self.use(load(directory))

    def use(self, data: Data) -> None:
        """Takes second opinions from these answers."""
        self._data = data
        self._by_prompt = {}
        for key, prompt in data.prompts.items():
            self._by_prompt.setdefault(prompt.text, []).append(key)

    def __call__(self, prompt: str, response: str) -> float:
        """From 0 to 1."""
        if self._data is None:
            self.fit(os.environ.get("LLMO_ROUTING_DATA") or sys.argv[sys.argv.index("--data") + 1])
        recorded = self._recorded(prompt)
        first = next((name for name, text in recorded.items() if text == response), "unknown")
        case = Case(
            request=request(prompt),
            answer=answer(first, response),
            stage=Stage(offer=offer(first), others=self._seconds(first, recorded)),
            ask=self._ask(recorded),
        )
        found = _LOOP.run_until_complete(self.signal(case))
        return 0.3 if found.confidence is None else found.confidence

    def _recorded(self, prompt: str) -> dict[str, str]:
        assert self._data is not None
        return {
            model: text
            for key in self._by_prompt.get(prompt, ())
            for model, table in self._data.results.items()
            if key in table and (text := table[key].text) is not None
        }

    def _seconds(self, first: str, recorded: Mapping[str, str]) -> tuple[Offer, ...]:
        assert self._data is not None
        prices = self._data.prices
        most = CHEAP * sum(prices.get(first, (1.0, 1.0)))
        return tuple(
            offer(model, expected=round(sum(prices[model]) * 1e6))
            for model in recorded
            if model != first and sum(prices[model]) <= most
        )

    def _ask(self, recorded: Mapping[str, str]) -> Ask:
        async def ask(asked: Candidate, sent: Request) -> Answer:
            if asked.model.id not in recorded or sent.messages[0].role != "user":
                raise ServerError("no answer is recorded")
            return answer(asked.model.id, recorded[asked.model.id])

        return ask


class Pick:
    """The vote over answers that are there.

    Its weights are fitted to past votes, or with ``by_records`` made of each model's record alone.
    """

    def __init__(self, *, by_records: bool = False) -> None:
        self._by_records = by_records
        self._learned: dict[tuple[str, ...], dict[str, float]] = {}
        self._data: Data | None = None

    def fit(self, directory: str) -> None:
        """Learns what each model's word weighs from graded answers."""
        self._data = load(directory)

    def use(self, data: Data) -> None:
        """Learns from these answers."""
        self._data = data
        self._learned = {}

    def __call__(self, prompt: str, answers: Sequence[Mapping[str, str]]) -> int:
        """The position of the answer that wins."""
        texts = {one["model"]: one["text"] for one in answers}
        found = self.decide(prompt, list(texts), texts.__getitem__)
        chosen = found.answer.candidate.model.id
        return next(at for at, one in enumerate(answers) if one["model"] == chosen)

    def decide(
        self,
        prompt: str,
        models: Sequence[str],
        call: Callable[[str], str],
        prices: Mapping[str, int] | None = None,
    ) -> Decision:
        """The vote of models."""
        offers = [offer(model, (prices or {}).get(model)) for model in models]
        strategy = ensemble.vote(size=len(offers), weights=self.weights(models))
        return run(strategy, prompt, offers, call)

    def weights(self, models: Sequence[str]) -> dict[str, float] | None:
        """What each model's word weighs, by what was learned."""
        key = tuple(sorted(models))
        if self._data is not None and key not in self._learned:
            learn = recorded_weights if self._by_records else learned_weights
            self._learned[key] = learn(self._data, key)
        return self._learned.get(key)


def recorded_weights(data: Data, models: Sequence[str]) -> dict[str, float]:
    """The log-odds of each model's record."""
    ids = data.ids([*{one.dataset for one in data.prompts.values()}], models)
    records = [
        offer(model, record=Record(sum(data.right(model, key) for key in ids), len(ids)))
        for model in models
    ]
    return weights.of(records)


def learned_weights(data: Data, models: Sequence[str]) -> dict[str, float]:
    """The same, fitted to past votes."""
    names = {model: offer(model).name for model in models}
    ids = data.ids([*{one.dataset for one in data.prompts.values()}], models)
    ballots = []
    for key in ids:
        answers = [answer(model, data.results[model][key].text or "") for model in models]
        opinions = said.opinions(request(data.prompts[key].text), answers)
        right = frozenset(names[model] for model in models if data.right(model, key) > 0.5)
        ballots.append(weights.Ballot(tuple(frozenset(one.names) for one in opinions.all), right))
    return weights.fitted(ballots, recorded_weights(data, models))


policy = Policy()
confidence = Confidence()
pick = Pick()
