"""The self-tests of routing in ``llmo doctor``: who would be asked. Nothing is sent."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from llm_orchestrator.catalog import Catalog, price_on
from llm_orchestrator.cli import options
from llm_orchestrator.config import Config
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.routing.complexity import ComplexityAnalyzer
from llm_orchestrator.types.money import to_usd
from llm_orchestrator.types.provider import Provider

if TYPE_CHECKING:
    from llm_orchestrator import LLMOrchestrator
    from llm_orchestrator.engine.planning import Plan

_EASY, _HARD = "What is 2+2?", "Design a distributed system and prove that it is correct."


class Finding(msgspec.Struct, frozen=True):
    """How one thing stands: ``ok``, ``note`` (works, but worth knowing) or ``fault``."""

    title: str
    state: Literal["ok", "note", "fault"]
    facts: tuple[str, ...] = ()


def routing(config: Config, directory: Directory) -> Iterator[Finding]:
    """What there is, and whom each way of choosing would ask."""
    yield _registry(config, directory)
    yield _complexity()
    if not directory.configured():
        return
    with options.orchestrator(config) as orchestrator:
        yield _selection(orchestrator)
        yield _planned(orchestrator, "Model routing", "cheapest", _HARD)
        yield _planned(orchestrator, "Fallback chain", "fallback", _EASY)
        yield _planned(orchestrator, "Ensemble", "ensemble", _EASY)


def _registry(config: Config, directory: Directory) -> Finding:
    from llm_orchestrator.engine.build import catalog_of

    usable = directory.configured()
    catalog = catalog_of(config, directory)
    facts = [f"{len(directory.rows)} total, {len(usable)} active"]
    facts += [_priced(row, catalog) for row in usable]
    return Finding("Provider registry", "ok" if usable else "note", tuple(facts))


def _priced(row: Provider, catalog: Catalog) -> str:
    if not row.default_model:
        return f"{row.label}: no default model"
    price = price_on(catalog.resolve(row.default_model, row.name))
    if price is None or price.input is None or price.output is None:
        return f"{row.label}: {row.default_model}, price unknown"
    # Prices are per token, and people count in millions of them.
    rates = (f"${to_usd(rate * 10**6).normalize():f}" for rate in (price.input, price.output))
    return f"{row.label}: {row.default_model}, {'/'.join(rates)} per 1M tokens"


def _complexity() -> Finding:
    levels = [ComplexityAnalyzer.required_capability(text) for text in (_EASY, _HARD)]
    well = levels[0] == "basic" != levels[1]
    facts = tuple(f"{text} {level}" for text, level in zip((_EASY, _HARD), levels, strict=True))
    return Finding("Complexity scoring", "ok" if well else "fault", facts)


def _selection(orchestrator: "LLMOrchestrator") -> Finding:
    facts = []
    for title, strategy in (("Cheapest", "cheapest"), ("Fastest", "fastest")):
        found = _plan(orchestrator, strategy, _EASY)
        if isinstance(found, str):
            return Finding("Provider selection", "note", (found,))
        facts.append(f"{title}: {_names(found)[0]}")
    return Finding("Provider selection", "ok", tuple(facts))


def _planned(orchestrator: "LLMOrchestrator", title: str, strategy: str, prompt: str) -> Finding:
    found = _plan(orchestrator, strategy, prompt)
    if isinstance(found, str):
        return Finding(title, "note", (found,))
    state: Literal["ok", "note"] = "ok" if found.candidates else "note"
    return Finding(title, state, (" → ".join(_names(found)),))


def _plan(orchestrator: "LLMOrchestrator", strategy: str, prompt: str) -> "Plan | str":
    try:
        return orchestrator.plan(prompt, strategy=strategy)
    except OrchestratorError as error:
        return error.message


def _names(plan: "Plan") -> list[str]:
    return [f"{one.provider}/{one.model}" for one in plan.candidates if not one.spare]
