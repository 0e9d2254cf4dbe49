"""What the public verbs for many rows take; light, for everybody imports it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypedDict

from llm_orchestrator.errors import InvalidRequestError

_SPAN = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|m|min|h|d|w)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


class ForecastOptions(TypedDict, total=False):
    """What an estimate may be told; all optional but a task."""

    task: str | Path | Mapping[str, Any]
    """A YAML file, or a mapping like one."""
    tasks: Sequence[str | Path | Mapping[str, Any]]
    """Several of them."""
    models: str | Iterable[str]
    """Models or providers; else those of the tasks."""
    split: str | None
    """``price``, ``share``, ``each``, or who gets what (``claude=1500:batch,openai=rest``)."""
    deadline: str | float | None
    """When it must be done: ``30m``, ``24h``, ``2d``, or a number of seconds."""
    max_cost: Decimal | str | float | None
    """USD that it may cost at most."""
    format: str | None
    """``csv``, ``jsonl``, ``json`` or ``parquet``; else as the input looks."""


class BulkOptions(ForecastOptions, total=False):
    """What a bulk run may be told beside that."""

    out: str | Path | None
    """The folder of its results; the same folder again goes on with the same run."""
    name: str | None
    """A name for the run; the same name again goes on with the same run."""
    lane: Literal["auto", "batch", "online"]
    retries: int
    """Rounds for items that failed and may succeed; 2 by default."""
    elsewhere: bool
    """Whether the last round asks somebody else; True by default."""
    concurrency: int
    """Online calls in flight; 24 by default."""
    merge: Literal["priority", "vote", "all"]
    """Whose answer is taken where several were asked."""
    quality: Sequence[str]
    """Providers, the best first, for that; Claude, OpenAI and Gemini by default."""
    tags: Mapping[str, str] | None
    """Names and values that its rows in the ledger bear."""


def check_names(given: Mapping[str, Any], known: type) -> None:
    """Raises `InvalidRequestError` for an option that there is not: a cap must not be misspelt."""
    for name in given:
        if name not in known.__annotations__:
            near = get_close_matches(name, known.__annotations__, 1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"there are {', '.join(known.__annotations__)}"
            )
            raise InvalidRequestError(f"{name}: no such option; {hint}")


def read_span(text: str | float | None, name: str = "deadline") -> float | None:
    """Seconds of ``90s``, ``30m``, ``24h``, ``2d``, ``1w``, or of a number; ``None`` of nothing.

    Raises `InvalidRequestError`.
    """
    if text is None:
        return None
    if isinstance(text, int | float) and not isinstance(text, bool):
        seconds = float(text)
    else:
        found = _SPAN.fullmatch(str(text).strip())
        if found is None:
            raise InvalidRequestError(f"{name}: {text!r} is no time; write 30m, 24h or 2d")
        seconds = float(found["number"]) * _UNITS[found["unit"]]
    if not 0 < seconds < float("inf"):
        raise InvalidRequestError(f"{name}: it must be longer than nothing: {text!r}")
    return seconds
