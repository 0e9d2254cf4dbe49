"""A program that calls as much as it may: `limit_worker.py URL REDIS CALLS LIMITS`.

LIMITS is the section `rate_limits` as JSON. Prints how many calls were answered and how many
refused before they were sent.
"""

import asyncio
import json
import sys

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.errors import RateLimitError

URL, REDIS, CALLS, LIMITS = sys.argv[1:5]


async def main() -> None:
    config = {
        "active_provider": "openai",
        "active_model": "gpt-4o-mini",
        "providers": {"openai": {"api_key": "sim-openai-0001", "base_url": f"{URL}/openai/v1"}},
        "cost_tracking": {"enabled": False},
        "rate_limits": {"redis_url": REDIS, **json.loads(LIMITS)},
    }
    answered = refused = 0
    async with AsyncLLMOrchestrator(config) as llm:

        async def one(number: int) -> None:
            nonlocal answered, refused
            try:
                await llm.send_request(f"Say the number {number}.", max_tokens=20)
                answered += 1
            except RateLimitError as error:
                refused += error.unsent

        await asyncio.gather(*(one(number) for number in range(int(CALLS))))
    sys.stdout.write(json.dumps({"answered": answered, "refused": refused}))


asyncio.run(main())
