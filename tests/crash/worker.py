"""A program that uses the orchestrator until something ends it: `worker.py HOW URL LEDGER NAME`.

It tells on stdout that it begins, and then each attempt of each reply with its cost, once the
reply is in its hands. Nothing is ever closed.
"""

import asyncio
import itertools
import multiprocessing
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from llm_orchestrator import AsyncLLMOrchestrator, LLMOrchestrator
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.types.events import EndEvent
from llm_orchestrator.types.reply import Reply

HOW, URL, LEDGER, NAME = sys.argv[1:5]
AT_ONCE = 12
OPTIONS: Any = {"max_tokens": 60}


def config() -> dict[str, Any]:
    return {
        "active_provider": "openai",
        "active_model": "gpt-4o-mini",
        "providers": {
            "openai": {
                "api_key": "sim-openai-0001",
                "base_url": f"{URL}/openai/v1",
                "fallback_models": ["gpt-4.1-nano"],
            },
            "anthropic": {"api_key": "sim-anthropic-01", "base_url": f"{URL}/anthropic/v1"},
        },
        "retry": {"base_delay": 0.01, "max_delay": 0.05},
        "store": {"url": f"sqlite:///{LEDGER}"},
    }


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell(reply: Reply) -> None:
    say(" ".join(f"{one.id}={one.cost_pico}" for one in reply.attempts))


def prompt(number: int) -> str:
    return f"Question {number} of {NAME}: how does a ledger stay right when its writer dies?"


async def one(orchestrator: AsyncLLMOrchestrator, number: int) -> None:
    """A call; every second one is streamed."""
    try:
        if number % 2:
            tell(await orchestrator.send_request(prompt(number), **OPTIONS))
            return
        async for event in orchestrator.send_streaming_request(prompt(number), **OPTIONS):
            if isinstance(event, EndEvent):
                tell(event.reply)
    except OrchestratorError as error:
        say(" ".join(f"{one.id}={one.cost_pico}" for one in error.attempts))


async def many(numbers: Iterator[int]) -> None:
    orchestrator = AsyncLLMOrchestrator(config())

    async def lane() -> None:
        for number in numbers:
            await one(orchestrator, number)

    await asyncio.gather(*(lane() for _ in range(AT_ONCE)))


async def until_told() -> None:
    """Ends by a handler of its own, set as asyncio wants it: one that raises where it finds the
    program may take a callback from the loop, which then waits for ever.
    """
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sys.exit, 3)
    await many(itertools.count())


def sync(numbers: Iterable[int]) -> None:
    orchestrator = LLMOrchestrator(config())
    for number in numbers:
        tell(orchestrator.send_request(prompt(number), **OPTIONS))


def sync_left_open() -> None:
    """Ends in the middle of a stream."""
    events = LLMOrchestrator(config()).send_streaming_request(prompt(0), **OPTIONS)
    for event in events:
        if str(event):
            say("streaming")
            break
    sys.exit(0)


def main() -> None:
    say("begin")
    # The tools of a test run may have a handler of their own.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    match HOW:
        case "endless":
            asyncio.run(many(itertools.count()))
        case "own-handler":
            asyncio.run(until_told())
        case "own-sync-handler":
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
            sync(itertools.count())
        case "async":
            asyncio.run(many(iter(range(40))))
        case "sync":
            sync(range(20))
        case "sync-left-open":
            sync_left_open()
        case "child":
            child = multiprocessing.get_context("fork").Process(target=sync, args=(range(5),))
            child.start()
            child.join()


if __name__ == "__main__":
    main()
