"""Confidence signals by name."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.routing.agreement import Agreement, SelfConsistency
from llm_orchestrator.routing.judging import Judge
from llm_orchestrator.routing.learned import Learned
from llm_orchestrator.routing.logprobs import Logprobs
from llm_orchestrator.routing.phrases import Phrases
from llm_orchestrator.routing.signals import Scorer, Signal

SIGNALS = ("agreement", "self_consistency", "logprobs", "judge", "learned", "phrases")
"""The names of our own signals."""


def check_whole(name: str, value: Any, *, least: int) -> int:
    """A whole number; raises `InvalidRequestError` for what is none, or too small."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidRequestError(f"{name}: expected {least} or more, got {value!r}")
    return value


def signal(
    name: str | Signal, *, k: int = 3, scorer: Scorer | None = None, judge: str | None = None
) -> Signal:
    """The signal of a name; what is a signal already stays as it is.

    Raises `InvalidRequestError` for a name that nobody has, and for what it lacks.
    """
    if not isinstance(name, str):
        return name
    check_whole("k", k, least=2)
    if name == "learned" and scorer is None:
        raise InvalidRequestError("confidence: learned needs a scorer, which records are fitted to")
    makers: dict[str, Callable[[], Signal]] = {
        "agreement": lambda: Agreement(k=k, scorer=scorer, judge=judge),
        "self_consistency": lambda: SelfConsistency(k),
        "logprobs": Logprobs,
        "judge": lambda: Judge(judge),
        "learned": lambda: Learned(scorer),  # type: ignore[arg-type]
        "phrases": Phrases,
    }
    if name not in makers:
        raise unknown_signal(name, SIGNALS)
    return makers[name]()


def unknown_signal(name: str, known: Sequence[str]) -> InvalidRequestError:
    """The error for a signal that nobody has, with the nearest one that there is."""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return InvalidRequestError(f"confidence: there is no {name!r}; {hint}")
