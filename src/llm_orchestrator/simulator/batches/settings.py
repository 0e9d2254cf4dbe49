"""How batches behave: how long they take, what they may hold, and what the lists show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Seconds are virtual unless said otherwise; None = what the provider has.

    `queue` is the typical wait before the first item, `item` the time of each; `stragglers` is the
    share of batches whose last items come `late` seconds after the others. `failures` is the share
    of items that the provider fails by itself. A new batch is in no list before `list_lag` virtual
    and `list_lag_real` real seconds have passed. `window` replaces the completion window.
    `enqueued_tokens` is for an account on a model, `requests` and `bytes` are for one batch.
    `shuffled` = results in an order of their own. `light` = all items of a model get the answer of
    the first one, which is many times faster.
    """

    validation: float = 5.0
    queue: float = 60.0
    item: float = 0.02
    finalizing: float = 5.0
    cancelling: float = 10.0
    stragglers: float = 0.0
    late: float = 3600.0
    failures: float = 0.0
    list_lag: float = 0.0
    list_lag_real: float = 0.0
    window: float | None = None
    enqueued_tokens: int | None = None
    requests: int | None = None
    bytes: int | None = None
    shuffled: bool = True
    light: bool = False


_KINDS: Final[dict[str, type]] = {
    "enqueued_tokens": int,
    "requests": int,
    "bytes": int,
    "shuffled": bool,
    "light": bool,
}
_WORDS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SHARES: Final = ("stragglers", "failures")


def _value(name: str, given: Any) -> Any:
    kind = _KINDS.get(name, float)
    try:
        value: Any = _WORDS[str(given).lower()] if kind is bool else kind(given)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"batch setting {name}={given!r} is not a {kind.__name__}") from None
    if kind is not bool and (not value >= 0 or value == float("inf")):
        raise ValueError(f"batch setting {name}={given!r} must not be below 0")
    if name in _SHARES and value > 1:
        raise ValueError(f"batch setting {name}={given!r} is a share, 0 to 1")
    return value


class BatchBook:
    """The settings of all providers: those of everyone, and exceptions as `openai.queue`."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._own: dict[str, dict[str, Any]] = {}
        self.change(given)

    def change(self, given: Mapping[str, Any]) -> None:
        """Settings for batches from now on; values may be text. ValueError, and no change."""
        names = [field.name for field in fields(BatchSettings)]
        read = []
        for key, value in given.items():
            provider, _, name = key.rpartition(".")
            if name not in names:
                raise ValueError(f"no batch setting {name!r}; there are {', '.join(names)}")
            read.append((provider, name, None if value is None else _value(name, value)))
        for provider, name, value in read:
            self._own.setdefault(provider, {})[name] = value

    def of(self, provider: str) -> BatchSettings:
        """The settings of one provider."""
        own = self._own.get("", {}) | self._own.get(provider, {})
        usual = BatchSettings()
        return replace(usual, **{k: getattr(usual, k) if v is None else v for k, v in own.items()})


def pairs(text: str) -> dict[str, str]:
    """`queue=600,openai.item=0.1` as a mapping; ValueError for anything else."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, mark, value = part.partition("=")
        if not mark:
            raise ValueError(f"{part!r} is not <setting>=<value>")
        found[key.strip()] = value.strip()
    return found
