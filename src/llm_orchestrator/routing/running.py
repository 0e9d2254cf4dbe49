"""Asking several models at once."""

import asyncio
from collections.abc import Sequence

from llm_orchestrator.errors import ClosedError, OrchestratorError
from llm_orchestrator.routing.base import Answer, Ask
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request


async def together(
    ask: Ask, asked: Sequence[tuple[Candidate, Request]]
) -> list[Answer | OrchestratorError]:
    """The answers, or what went wrong, in the order in which they were asked for.

    Raises what is no fault of a model: `ClosedError`, and errors of programs.
    """
    if len(asked) == 1:
        return [await _one(ask, *asked[0])]
    found = await asyncio.gather(*(_one(ask, *each) for each in asked))
    return list(found)


async def _one(ask: Ask, candidate: Candidate, request: Request) -> Answer | OrchestratorError:
    try:
        return await ask(candidate, request)
    except ClosedError:
        raise
    except OrchestratorError as error:
        return error
