"""The router keys of older configurations, moved to where they live today."""

from collections.abc import Mapping
from typing import Any

from llm_orchestrator.config.read import Path, Problem, nearest

_PLACES: dict[str, tuple[str, ...]] = {
    "default_provider": ("active_provider",),
    "routing_strategy": ("routing_strategy",),
    "auto_approve_threshold_usd": ("auto_approve_threshold_usd",),
    "enable_audit": ("cost_tracking", "enabled"),
    "enable_fallback": ("fallback", "enabled"),
    "max_retries": ("fallback", "max_retries"),
}
_SETTINGS: dict[str, tuple[str, ...]] = {
    "schedule_time": ("bulk", "schedule_time"),
    "check_interval": ("bulk", "check_interval"),
    "audit_interval": ("bulk", "audit_interval"),
    "time_zone": ("bulk", "zone"),
}
"""What only the environment sets under these names."""
CLASSIC_KEYS: dict[str, str] = {key: ".".join(place) for key, place in _PLACES.items()}
"""Router keys, accepted at the top and under ``router:``, to the keys that they set."""


class Moved:
    """Plain data with the classic keys moved; remembers where each value came from."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.data: dict[str, Any] = dict(raw)
        self.problems: list[Problem] = []
        self._origin: dict[Path, Path] = {}
        router = self.data.pop("router", None)
        if router is not None and not isinstance(router, Mapping):
            self.problems.append(Problem(("router",), "expected a mapping of keys"))
            router = None
        for key in [key for key in self.data if key in _PLACES or self._modern(key, ())]:
            self._move(key, self.data.pop(key), (key,))
        for key, value in (router or {}).items():
            if key in _PLACES:
                self._move(key, value, ("router", key))
            elif not self._modern(key, ("router",)):
                hint = nearest(str(key), _PLACES)
                self.problems.append(Problem(("router", str(key)), f"no such key; {hint}"))

    def fill(self, key: str, value: Any, variable: str) -> None:
        """Set a router key from an environment variable, where nothing else has set it."""
        target: Any = self.data
        for part in _PLACES.get(key) or _SETTINGS[key]:
            target = target.get(part) if isinstance(target, Mapping) else None
        if target is None:
            self._move(key, value, (f"the environment variable {variable}",))

    def origin(self, path: Path) -> Path:
        """Where the user wrote the value that is now at this path."""
        return self._origin.get(path, path)

    def _modern(self, key: object, where: Path) -> bool:
        """Whether the key is a classic one in camel case; notes how to write it."""
        plain = str(key).lower()
        snake = next((name for name in _PLACES if name.replace("_", "") == plain), None)
        if snake is None:
            return False
        self.problems.append(Problem((*where, str(key)), f"no such key; did you mean {snake}?"))
        return True

    def _move(self, key: str, value: Any, origin: Path) -> None:
        place = _PLACES.get(key) or _SETTINGS.get(key)
        if place is None or value is None:
            return
        *sections, name = place
        target = self.data
        for section in sections:
            inner = target.get(section)
            if inner is not None and not isinstance(inner, Mapping):
                return  # the reader will say that this is no section
            target[section] = target = dict(inner or {})
        if name in target and target[name] is not None and target[name] != value:
            self.problems.append(Problem(origin, f"{'.'.join(place)} says something else"))
        target[name] = value
        self._origin[place] = origin
