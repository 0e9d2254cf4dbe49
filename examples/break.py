"""A stream that breaks, three times: what a reader sees when it is continued, restarted, ended.

    python examples/break.py

It starts a simulator of its own and needs no key.
"""

import tempfile
from typing import Literal

from llm_orchestrator import (
    ContinueEvent,
    EndEvent,
    LLMOrchestrator,
    RestartEvent,
    TruncatedError,
)
from llm_orchestrator.simulator import Simulator

CHOICES: tuple[Literal["continue", "restart", "fail"], ...] = ("continue", "restart", "fail")


def main() -> None:
    """Cut each stream after twelve tokens."""
    with Simulator().run_in_thread() as simulator, tempfile.TemporaryDirectory() as folder:
        config = {
            "providers": {
                "openai": {"api_key": "any-key", "base_url": simulator.openai_url},
                "anthropic": {"api_key": "any-key", "base_url": f"{simulator.anthropic_url}/v1"},
            },
            "store": {"url": f"sqlite:///{folder}/ledger.db"},
        }
        with LLMOrchestrator(config) as orchestrator:
            for choice in CHOICES:
                simulator.add_fault(fault="cut", after=12, provider="openai", count=1)
                print(f"\n--- on_break={choice!r}")
                show(orchestrator, choice)


def show(orchestrator: LLMOrchestrator, choice: Literal["continue", "restart", "fail"]) -> None:
    """Print a stream as it comes."""
    question = "What is a lighthouse?"
    try:
        for event in orchestrator.send_streaming_request(question, on_break=choice):
            if isinstance(event, ContinueEvent):
                print(f"\n[{event.provider} goes on]")
            elif isinstance(event, RestartEvent):
                print(f"\n[forget that: {event.provider} begins again]")
            elif isinstance(event, EndEvent):
                print(f"\n[{len(event.reply.attempts)} attempts, {event.reply.cost} USD]")
            print(event, end="", flush=True)
    except TruncatedError as error:
        print(f"\n[it ended here, after {len(error.text)} characters]")


if __name__ == "__main__":
    main()
