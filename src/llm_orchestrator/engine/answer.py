"""A whole answer: attempts, one after the other, until one of them is good."""

from collections.abc import Callable
from typing import Any

from llm_orchestrator.engine.alternatives import advise
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import OrchestratorError, OutputError
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.pipeline.rescue import Rescue, unless_over
from llm_orchestrator.types.reply import Reply, Response


async def answer(
    runtime: Runtime, call: Call, rescue: Rescue, parse: Callable[[str], Any] | None
) -> Reply:
    """The reply; raises the first candidate's error when all have failed."""
    runtime.under_way.add(call)
    try:
        while True:
            target = rescue.current
            limits = runtime.limits(call.request, target, elsewhere=rescue.elsewhere)
            try:
                if not target.provider.base_url:
                    target = await runtime.ready(target)
                response = await runtime.sender.send(call, call.request, target, limits)
                parsed = parse_answer(response, parse) if parse else None
            except OrchestratorError as error:
                if runtime.closed:
                    raise runtime.cut_short() from None
                step = unless_over(rescue.after(error))
                await runtime.rest(step.delay)
            else:
                return runtime.reply(call, response, parsed)
    except BaseException as error:
        advise(runtime, error, call.request)
        runtime.failed(call, error)
        raise
    finally:
        rescue.end()


def parse_answer(response: Response, parse: Callable[[str], Any]) -> Any:
    """The answer as what was asked for; ``None`` when the model called a tool instead."""
    if response.finish_reason == "tool_calls":
        return None
    try:
        return parse(response.text)
    except OutputError as error:
        if response.finish_reason == "length":
            error.message += "; the answer was cut at max_tokens: raise it"
            error.args = (error.message,)
            # The same request would be cut, and paid for, at the same place.
            error.retryable = error.failover = False  # type: ignore[misc]
        raise
