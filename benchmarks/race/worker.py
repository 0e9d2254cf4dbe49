"""One process of the race: sixteen workers that call until their budget is spent.

    python -m benchmarks.race.worker SIMULATOR_URL STORE_URL CAP WORKERS

Says ``calling`` once it calls, tells of each refusal as a JSON line, and ends when every worker was
refused. Nothing is ever closed by hand.
"""

import asyncio
import json
import sys
from itertools import count
from typing import Any

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.errors import BudgetError, OrchestratorError

MODEL = "gpt-4o-mini"
OPTIONS: dict[str, Any] = {"max_tokens": 40, "provider": "openai", "model": MODEL}


def say(**facts: object) -> None:
    """A line for whoever started this."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def worker(orchestrator: AsyncLLMOrchestrator, numbers: "count[int]") -> None:
    """Call until refused; every fourth answer is streamed."""
    for number in numbers:
        if number == 1:
            say(calling=True)
        prompt = f"Question {number}: how is a budget kept when its keeper dies?"
        try:
            if number % 4:
                await orchestrator.send_request(prompt, **OPTIONS)
            else:
                async for _ in orchestrator.send_streaming_request(prompt, **OPTIONS):
                    pass
        except BudgetError as error:
            amounts = (error.cap, error.spent, error.held, error.hold)
            names = ("cap", "spent", "held", "hold")
            say(**{name: str(usd) for name, usd in zip(names, amounts, strict=True)})
            return
        except OrchestratorError:
            continue  # a fault of the provider's


async def main(url: str, store: str, cap: str, workers: int) -> None:
    """All workers at once."""
    orchestrator = AsyncLLMOrchestrator(
        {
            "active_provider": "openai",
            "active_model": MODEL,
            "providers": {"openai": {"api_key": "sim-openai-0001", "base_url": url}},
            "retry": {"base_delay": 0.01, "max_delay": 0.05},
            "rate_limits": {"learn": False},
            "store": {"url": store},
            "budgets": [{"scope": "global", "cap": cap, "alerts": []}],
        }
    )
    numbers = count()
    await asyncio.gather(*(worker(orchestrator, numbers) for _ in range(workers)))
    await orchestrator.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
