"""A model that calls functions until it has its answer.

python examples/tool_loop.py "What is the weather in Lisbon? Use the tool."
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from llm_orchestrator import LLMOrchestrator, Tool

MOST_ROUNDS = 5


def get_weather(city: str) -> dict[str, Any]:
    """Stands in for a service of your own."""
    return {"city": city, "celsius": 11, "sky": "rain"}


FUNCTIONS: dict[str, Callable[..., Any]] = {"get_weather": get_weather}
TOOLS = [
    Tool(
        name="get_weather",
        description="The weather in a city, today.",
        parameters={
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    )
]


def main(question: str) -> None:
    """Ask, call what the model wishes, and ask again."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
    with LLMOrchestrator() as orchestrator:
        for _ in range(MOST_ROUNDS):
            reply = orchestrator.send_request(messages, tools=TOOLS)
            if not reply.tool_calls:
                break
            messages.append({"role": "assistant", "content": reply.parts})
            for call in reply.tool_calls:
                print(f"-> {call.name}({call.arguments})")
                result = json.dumps(FUNCTIONS[call.name](**json.loads(call.arguments)))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        print(reply.content)
        print(f"\n{orchestrator.session.calls} calls, {orchestrator.get_session_cost():f} USD")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "What is the weather in Lisbon? Use the tool.")
