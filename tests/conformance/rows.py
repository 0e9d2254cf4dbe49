"""How each row of the table is pointed at the simulator, and which of its models are asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from llm_orchestrator.catalog import Catalog, price_on
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.model import Ability, Model
from llm_orchestrator.types.provider import Candidate, Provider

KEY = "sk-test-0123456789abcdef"
CATALOG = Catalog.load(providers=TABLE.values())
SIMULATED: dict[str, dict[str, float]] = {
    "sim-chat": {"input": 0.5, "output": 1.5, "cache_read": 0.05},
    "sim-reason": {"input": 2.0, "output": 8.0, "cache_read": 0.5},
    "sim-embed": {"input": 0.02, "output": 0.0},
}
"""Models that the simulator has on every wire, for rows that the catalogue has no models of: USD
per million tokens, as `GET /_prices` of the simulator shows them."""


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the table, or one more wire of it.

    ``path`` is where its API begins below the simulator's address; ``variables`` are those of its
    section, ``env`` what else it reads; ``asked`` names models for abilities where the first one
    that is known to have it would not do. ``unsaid`` is what its wire does not tell: ``reasoning``
    (tokens of thoughts), ``thoughts`` (their text), ``cache`` (tokens read from it), ``embeddings``
    (usage of them), ``wait`` (how long to, when a rate is limited).
    """

    name: str
    path: str
    wire: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    key: str | None = KEY
    asked: Mapping[str, str] = field(default_factory=dict)
    unsaid: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The name, with the dialect of the wire where that is not the usual one."""
        return f"{self.name} {self.wire}".rstrip()

    @property
    def provider(self) -> Provider:
        """The row of the table."""
        return TABLE[self.name]

    @property
    def _usual(self) -> str:
        return self.provider.default_model

    def section(self, address: str, key: str | None) -> dict[str, Any]:
        """Its section of a configuration, with the simulator at ``address``."""
        section: dict[str, Any] = {"base_url": address + self.path}
        if key is not None:
            section["api_key"] = key
        if self.variables:
            section["variables"] = dict(self.variables)
        section["models"] = [
            {"name": name, "prices": prices} | ({"mode": "embedding"} if "embed" in name else {})
            for name, prices in SIMULATED.items()
        ]
        return section

    @cache  # noqa: B019 - rows live as long as the tests
    def target(self, ability: Ability | None = None) -> Candidate:
        """Who is asked for something that needs the ability: the default model, or another one
        where only that is known to have it; the simulator's own where the catalogue has none.
        """
        mode = "embedding" if ability == "embeddings" else "chat"
        listed = [one for model in CATALOG.models(self.name) if (one := self._offer(model, mode))]
        listed.sort(key=_preferred)
        named = self.asked.get(ability or "") or ("" if mode == "embedding" else self._usual)
        usual = next((one for one in listed if one.model.id == named), None)
        if usual is None and (mode == "embedding" or self.wire):
            usual = next(iter(listed), None)
        if usual is None and self.wire:
            return self.target()
        thoughtless = ability == "reasoning" and usual and usual.model.abilities is None
        if usual is None or thoughtless:
            name = {"embeddings": "sim-embed", "reasoning": "sim-reason"}.get(ability or "")
            return Candidate(self.provider, Model(provider=self.name, id=name or "sim-chat"))
        if ability is None or mode == "embedding" or usual.can(ability):
            return usual
        return next((one for one in listed if ability in (one.model.abilities or ())), usual)

    def _offer(self, model: Model, mode: str) -> Candidate | None:
        """The model, if it can be had today, for this, on this wire."""
        modes = {"chat", "responses"} if self.wire and mode == "chat" else {mode}
        if model.mode not in modes or model.deprecated or model.retired:
            return None
        found = Candidate(self.provider, model)
        usual = found.provider.dialect == self.provider.dialect
        return found if found.provider.dialect == self.wire or (usual and not self.wire) else None

    def can(self, ability: Ability) -> bool:
        """Whether who is asked for it may have the ability, by what is written down."""
        return self.target(ability).can(ability)


def _preferred(one: Candidate) -> tuple[bool, bool, int]:
    """Models with prices and known abilities first, the cheapest of them before the others."""
    price = price_on(one.model)
    rate = price.input if price is not None else None
    return rate is None, one.model.abilities is None, rate or 0


_SIGNED = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE012345678",
    "AWS_SECRET_ACCESS_KEY": "secret-of-AKIAEXAMPLE012345678",
}

_PROJECT = {"project": "proj", "location": "us-central1"}
_SILENT = frozenset(("thoughts",))

ROWS = {
    row.id: row
    for row in (
        Row("openai", "/openai/v1", unsaid=_SILENT),
        Row("openai", "/openai/v1", "responses", unsaid=_SILENT),
        Row("anthropic", "/anthropic/v1"),
        Row("gemini", "/gemini/v1"),
        Row(
            "vertex",
            "/vertex/v1beta1",
            variables=_PROJECT,
            asked={"embeddings": "gemini-embedding-001"},
        ),
        Row("vertex", "/vertex/v1beta1", "anthropic", variables=_PROJECT),
        Row("vertex", "/vertex/v1beta1", "openai", variables=_PROJECT),
        Row(
            "bedrock",
            "/bedrock",
            variables={"region": "us-east-1"},
            env=_SIGNED,
            key=None,
            unsaid=frozenset(("reasoning", "wait")),
        ),
        Row("cohere", "/cohere", unsaid=frozenset(("reasoning",))),
        Row("groq", "/groq/openai/v1"),
        Row("perplexity", "/perplexity", unsaid=frozenset(("reasoning",))),
        Row("perplexity", "/perplexity", "responses", unsaid=_SILENT | {"reasoning"}),
        Row("mistral", "/mistral/v1", unsaid=frozenset(("reasoning",))),
        Row("together", "/together/v1", unsaid=frozenset(("reasoning", "cache", "embeddings"))),
        Row("openrouter", "/openrouter/api/v1"),
        Row("deepinfra", "/deepinfra/v1/openai", unsaid=frozenset(("reasoning",))),
        Row("azure", "/azure/openai/v1", unsaid=_SILENT),
        Row("local", "/openai/v1", unsaid=_SILENT),
        Row("ollama", "/openai/v1", unsaid=_SILENT),
        Row("vllm", "/openai/v1", unsaid=_SILENT),
        Row("llamacpp", "/openai/v1", unsaid=_SILENT),
        Row("compatible", "/openai/v1", unsaid=_SILENT),
    )
}
