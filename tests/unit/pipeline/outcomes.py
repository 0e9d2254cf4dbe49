"""Attempts with an outcome, and a clock that stands still, for tests of the pipeline."""

from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.pipeline.attempt import Attempt, Call
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, Request


class Clock:
    """A monotonic clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


def attempt(candidate: Candidate, call: Call | None = None) -> Attempt:
    """An attempt of a small call, on its way."""
    request = Request(messages=(Message("user", "Hi"),), max_tokens=64)
    return Attempt(call or Call(request, session_id="ses"), candidate, 100)


def report(guard: Guard, candidate: Candidate, error: OrchestratorError | None = None) -> None:
    """Tell the guard of an attempt that ended with the error, or well."""
    one = attempt(candidate)
    if error is None:
        one.status = "ok"
    else:
        one.failed(error)
    guard.leave(one)
