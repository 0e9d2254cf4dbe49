"""A prepared call, answered: whole or as a stream, by the first candidate or by a strategy."""

from contextlib import aclosing
from functools import partial

from llm_orchestrator.engine import answer as answers
from llm_orchestrator.engine import seeking, streaming
from llm_orchestrator.engine.prepare import Prepared
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.engine.streaming import OnBreak
from llm_orchestrator.pipeline.outer import Batches, answered, streamed
from llm_orchestrator.pipeline.replies import pieces, response_of
from llm_orchestrator.types.events import EndEvent
from llm_orchestrator.types.reply import Reply


async def answer(runtime: Runtime, one: Prepared) -> Reply:
    """The whole reply to a prepared call."""
    return await answered(runtime.outer, one.call, partial(_answer, runtime, one))


def stream(runtime: Runtime, one: Prepared, on_break: OnBreak) -> Batches:
    """The events of the reply, in batches; the last one is an `EndEvent`."""
    return streamed(runtime.outer, one.call, partial(_stream, runtime, one, on_break))


async def _answer(runtime: Runtime, one: Prepared) -> Reply:
    if one.route.seek is not None:
        return await seeking.seek(runtime, one.call, one.route, one.route.seek, one.parse)
    return await answers.answer(runtime, one.call, one.rescue(runtime), one.parse)


async def _stream(runtime: Runtime, one: Prepared, on_break: OnBreak) -> Batches:
    """A strategy that weighs answers shows its choice at once, when it has made it."""
    if one.route.seek is not None:
        one.call.begin()
        reply = await seeking.seek(runtime, one.call, one.route, one.route.seek, one.parse)
        yield (*pieces(response_of(reply)), EndEvent(reply))
        return
    batches = streaming.stream(runtime, one.call, one.rescue(runtime), one.parse, on_break)
    async with aclosing(batches):
        async for batch in batches:
            yield batch
