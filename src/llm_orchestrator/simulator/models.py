"""Which models a provider has, and what they can do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from llm_orchestrator.simulator import catalogue
from llm_orchestrator.simulator.catalogue import Entry

_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `snapshot` is the dated name that replies carry; `abilities` None = unknown."""

    provider: str
    id: str
    snapshot: str
    mode: str = "chat"
    context: int = 128_000
    max_output: int = 16_384
    abilities: frozenset[str] | None = None
    dimensions: int = 1_536
    released: str = ""
    deprecated: str = ""
    retired: str = ""

    def can(self, ability: str) -> bool:
        """Whether the model takes this; a model of unknown abilities takes everything."""
        return self.abilities is None or ability in self.abilities

    @property
    def simulated(self) -> bool:
        """Whether only the simulator has it."""
        return self.id.startswith(("sim-", "fb-"))

    @property
    def reasons(self) -> bool:
        """Whether it takes an effort on OpenAI's wire: by its abilities, else by its name."""
        if self.abilities is not None and not self.simulated:
            return "effort" in self.abilities
        return bool(re.match(r"o\d|gpt-[5-9]|sim-reason", self.id))

    @property
    def usual_effort(self) -> str:
        """The effort when nobody asks: models that still take sampling do not think unasked."""
        return "none" if self.abilities is not None and self.can("sampling") else "medium"

    @property
    def size(self) -> str:
        """small, medium or large: the class of its pace, judged by the name."""
        if re.search(r"mini|nano|haiku|flash|small|lite|8b|embed", self.id):
            return "small"
        if re.search(r"opus|pro\b|large|gpt-4(-|$)|o1|o3(-|$)|fable|mythos", self.id):
            return "large"
        return "medium"


def _snapshot(name: str, row: Entry, rows: Mapping[str, Entry]) -> str:
    """The newest dated name of a model: an alias, or a row of its own with the same prices."""
    same = [other for other, entry in rows.items() if entry.get("prices") == row.get("prices")]
    names = [str(alias) for alias in row.get("aliases", [])] + same
    dated = [n for n in names if n.startswith(name) and _DATED.fullmatch(n[len(name) :])]
    return max(dated, default=name)


def _model(provider: str, name: str, row: Entry, rows: Mapping[str, Entry]) -> Model:
    listed = row.get("abilities")
    return Model(
        provider=provider,
        id=name,
        snapshot=_snapshot(name, row, rows),
        mode=str(row.get("mode", "chat")),
        context=int(row.get("context") or 128_000),
        max_output=int(row.get("max_output") or 16_384),
        abilities=None if listed is None else frozenset(listed),
        dimensions=int(row.get("dimensions") or 1_536),
        released=str(row.get("released", "")),
        deprecated=str(row.get("deprecated", "")),
        retired=str(row.get("retired", "")),
    )


class Models:
    """The models of each provider, found by id, alias or dated name; read when first asked for."""

    def __init__(self, rows: Mapping[str, Mapping[str, Entry]]) -> None:
        self._rows = rows
        self._models: dict[str, dict[str, Model]] = {}
        self._aliases: dict[str, dict[str, Model]] = {}

    def _table(self, provider: str) -> dict[str, Model]:
        if provider not in self._models:
            entries = self._rows.get(provider, {})
            table = {name: _model(provider, name, row, entries) for name, row in entries.items()}
            self._models[provider] = table
            self._aliases[provider] = {
                str(alias): table[name]
                for name, row in entries.items()
                for alias in row.get("aliases", [])
            }
        return self._models[provider]

    def find(self, provider: str, name: str) -> Model | None:
        """The model that a provider knows under this name."""
        row = catalogue.simulated(name)
        if row is not None:
            return _model(provider, name, row, {})
        return self._table(provider).get(name) or self._aliases[provider].get(name)

    def of(self, provider: str) -> list[Model]:
        """A provider's models by name."""
        return [model for _, model in sorted(self._table(provider).items())]
