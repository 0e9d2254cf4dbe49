"""The guards round a whole request: the outer one of the pipeline's two lists."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias

from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.types.events import StreamEvent
from llm_orchestrator.types.reply import Reply

Batches: TypeAlias = AsyncGenerator[Sequence[StreamEvent], None]
Answering: TypeAlias = Callable[[], Awaitable[Reply]]
Streaming: TypeAlias = Callable[[], Batches]


class Outer(Protocol):
    """One concern round each request.

    ``inner`` is all that comes after it: the guards behind it in the list, then the strategy. It is
    run once, or not at all.
    """

    async def answer(self, call: Call, inner: Answering) -> Reply:
        """The reply to a call."""

    def stream(self, call: Call, inner: Streaming) -> Batches:
        """The events of a streamed call, in batches; the last one is an `EndEvent`."""


def answered(guards: Sequence[Outer], call: Call, inner: Answering) -> Awaitable[Reply]:
    """The reply that comes through the guards, the first of which is the outermost."""
    for guard in reversed(guards):
        inner = partial(guard.answer, call, inner)
    return inner()


def streamed(guards: Sequence[Outer], call: Call, inner: Streaming) -> Batches:
    """`answered` for streams."""
    for guard in reversed(guards):
        inner = partial(guard.stream, call, inner)
    return inner()
