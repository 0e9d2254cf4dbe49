"""Which gates the configuration puts before which requests."""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2s

from llm_orchestrator.config.rate_limits import LimitSettings, RateLimitSettings
from llm_orchestrator.pipeline.limits.gates import REQUESTS, TOKENS, Gate, Slots, Window
from llm_orchestrator.types.secret import Secret

PRESETS: Mapping[str, Mapping[str, int]] = {
    "classic": {
        "claude-haiku-3.5": 100,
        "claude-sonnet-3.5": 50,
        "claude-opus-3": 20,
        "gpt-4o-mini": 100,
        "gpt-4o": 50,
        "gpt-4": 20,
    }
}
"""Requests a minute, by model."""


class Rules:
    """The gates of the configuration, made when they are first needed.

    ``named`` gives the names that candidates have, ``model`` or ``provider/model``, for a name
    that the configuration uses.
    """

    def __init__(
        self,
        settings: RateLimitSettings,
        named: Callable[[str], Iterable[str]] = lambda name: (name,),
    ) -> None:
        self._providers = settings.providers
        self._keys = settings.keys
        self._models = {
            name: limits for given, limits in settings.models.items() for name in named(given)
        }
        self._preset: dict[str, int] = {}
        for given, rpm in PRESETS.get(settings.preset or "", {}).items():
            for name in named(given):
                self._preset.setdefault(name, rpm)
        self._windows: dict[str, Window] = {}
        self._slots: dict[str, Slots] = {}

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self._providers or self._keys or self._models or self._preset)

    def gates(self, provider: str, key: str, model: str) -> list[Gate]:
        """The gates of one model behind one key; what is shared with others is the same object."""
        account = f"{provider}#{key}"
        gates: list[Gate] = []
        own = self._models.get(f"{provider}/{model}") or self._models.get(model)
        for name, limits in (
            (provider, self._providers.get(provider)),
            (account, self._keys.get(provider)),
            (f"{account}/{model}", own),
        ):
            if limits is not None:
                self._add(name, limits, gates)
        if own is None or own.rpm is None:
            rpm = self._preset.get(f"{provider}/{model}") or self._preset.get(model)
            if rpm is not None:
                gates.append(self._window(f"{account}/{model}:rpm", REQUESTS, rpm, preset=True))
        return gates

    def _add(self, name: str, limits: LimitSettings, gates: list[Gate]) -> None:
        if limits.rpm is not None:
            gates.append(self._window(f"{name}:rpm", REQUESTS, limits.rpm))
        if limits.tpm is not None:
            gates.append(self._window(f"{name}:tpm", TOKENS, limits.tpm))
        if limits.in_flight is not None:
            place = f"{name}:in_flight"
            gates.append(self._slots.setdefault(place, Slots(limits.in_flight, place)))

    def _window(self, name: str, kind: int, limit: int, *, preset: bool = False) -> Window:
        return self._windows.setdefault(name, Window(kind, limit, name, preset=preset))


def key_id(key: Secret | None) -> str:
    """A key's name: short, the same in every process, and nothing of the key itself."""
    if not key:
        return "none"
    return blake2s(key.reveal().encode(), digest_size=5).hexdigest()
