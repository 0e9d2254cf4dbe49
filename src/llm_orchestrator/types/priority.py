"""Who goes first where work waits in line: 10 first, 5 without asking, 1 last."""

from typing import Literal, TypeAlias

from llm_orchestrator.errors import InvalidRequestError

PriorityWord: TypeAlias = Literal["low", "normal", "high"]

LOWEST, NORMAL, HIGHEST = 1, 5, 10
_WORDS: dict[object, int] = {"low": LOWEST, "normal": NORMAL, "high": HIGHEST}


def read_priority(value: object) -> int:
    """A priority as its number; raises `InvalidRequestError` for what is none.

    ``low``, ``normal`` and ``high`` are 1, 5 and 10; ``None`` is normal. A number may be a text.
    """
    if value is None:
        return NORMAL
    if isinstance(value, str):
        text = value.strip().lower()
        if (found := _WORDS.get(text)) is not None:
            return found
        if text.isascii() and text.isdigit() and LOWEST <= int(text[:3]) <= HIGHEST:
            return int(text)
    elif isinstance(value, int) and not isinstance(value, bool) and LOWEST <= value <= HIGHEST:
        return value
    raise InvalidRequestError(
        f"priority: expected a whole number from 1 (last) to 10 (first), or low, normal or high; "
        f"got {value!r}"
    )
