"""Models that answer as they are told, on offer at prices as told."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_orchestrator.errors import BudgetError, OrchestratorError
from llm_orchestrator.routing.base import Answer, Offer, Record
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import FinishReason, Response
from llm_orchestrator.types.request import Message, OutputSchema, Request, Text

Said = str | OrchestratorError | Callable[[Request], "str | OrchestratorError"]

MINI, HAIKU, FLASH = "openai/gpt-4o-mini", "anthropic/claude-3-5-haiku", "gemini/gemini-1.5-flash"
GPT, SONNET, LLAMA = "openai/gpt-4o", "anthropic/claude-sonnet-4", "groq/llama-3.1-8b"
NANO = "openai/gpt-4.1-nano"
PRICES = {NANO: 1, LLAMA: 2, FLASH: 3, MINI: 4, HAIKU: 8, GPT: 60, SONNET: 100}


def candidate(name: str) -> Candidate:
    provider, _, model = name.partition("/")
    return Candidate(
        Provider(name=provider, dialect="openai", base_url=""), Model(provider=provider, id=model)
    )


def offer(
    name: str,
    price: int | None = -1,
    *,
    spare: bool = False,
    record: tuple[float, float] | None = None,
) -> Offer:
    cost = PRICES[name] if price == -1 else price
    return Offer(
        candidate=candidate(name),
        expected_pico=cost,
        most_pico=None if cost is None else 2 * cost,
        spare=spare,
        record=None if record is None else Record(*record),
    )


def offers(*names: str, spare: Sequence[str] = ()) -> list[Offer]:
    return [*map(offer, names), *(offer(name, spare=True) for name in spare)]


def request(prompt: str = "How many apples are there?", **fields: Any) -> Request:
    return Request(messages=(Message("user", prompt),), **fields)


def schema_request(prompt: str = "Where is it?") -> Request:
    return request(prompt, schema=OutputSchema("place", {"type": "object"}))


def answer(
    name: str, text: str, finish: FinishReason = "stop", extra: dict[str, Any] | None = None
) -> Answer:
    return Answer(
        candidate=candidate(name),
        response=Response(parts=(Text(text=text),), finish_reason=finish, usage=None, extra=extra),
        cost_pico=PRICES.get(name),
    )


class Models:
    """`base.Ask` over what models say; counts who was asked, and keeps one cap over all."""

    def __init__(self, said: Mapping[str, Said | Sequence[Said]], cap: int | None = None) -> None:
        self._said = {
            name: list(what) if isinstance(what, list | tuple) else [what]
            for name, what in said.items()
        }
        self._left = cap
        self.asked: list[str] = []
        self.requests: list[Request] = []
        self.at_once = self._running = 0

    async def __call__(self, target: Candidate, sent: Request) -> Answer:
        name = target.name
        self.asked.append(name)
        self.requests.append(sent)
        if self._left is not None:
            # As a budget does: the most that it can cost is held until the cost is known.
            if 2 * PRICES[name] > self._left:
                raise BudgetError(f"{name} does not fit the cap")
            self._left -= 2 * PRICES[name]
        self._running += 1
        self.at_once = max(self.at_once, self._running)
        await asyncio.sleep(0)
        self._running -= 1
        if self._left is not None:
            self._left += PRICES[name]
        waiting = self._said[name]
        what: Any = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if callable(what):
            what = what(sent)
        if isinstance(what, OrchestratorError):
            raise what
        return answer(name, what)
