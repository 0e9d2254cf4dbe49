"""The functions of an older tool for several models, with its names and shapes.

They make an orchestrator of their own from the environment (or from ``config``), ask, and close it;
``orchestrator=`` takes one that is there. Each has a coroutine with an ``a`` in front.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from llm_orchestrator.catalog import Catalog, price_on
from llm_orchestrator.orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.portal import run as _run
from llm_orchestrator.routing.complexity import LEVELS
from llm_orchestrator.routing.levels import level_of
from llm_orchestrator.types.money import Pico, to_usd
from llm_orchestrator.types.reply import Reply

Config: TypeAlias = str | Path | Mapping[str, Any] | None
Cap: TypeAlias = Decimal | str | float | None


class OrchestrationResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer and how it came about."""

    response: str
    model_used: str
    cost: Decimal | None
    """USD of all that was asked; ``None`` is unknown."""
    latency: float
    """Seconds."""
    confidence: float | None
    """From 0 to 1; ``None`` where the strategy does not measure it."""
    input_tokens: int
    output_tokens: int
    strategy: str
    ensemble_models: list[str] | None = None
    metadata: dict[str, Any] = {}
    timestamp: str
    """When the answer had come: ISO 8601, UTC."""

    def to_dict(self) -> dict[str, Any]:
        """As it is written to a file."""
        return msgspec.structs.asdict(self)


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A model with its prices (USD per million tokens), classic levels and limits."""

    name: str
    provider: str
    cost_per_1m_input: Decimal | None
    """``None`` is unknown."""
    cost_per_1m_output: Decimal | None
    capabilities: tuple[str, ...]
    """Of `LEVELS`, from ``basic`` up."""
    context_window: int | None
    max_tokens: int | None
    """Longest answer in tokens."""

    @classmethod
    def of(cls, name: str) -> "ModelConfig":
        """As the catalogue has it; raises `ModelNotFoundError` with near names."""
        model = Catalog.load().resolve(name)
        price = price_on(model)
        return cls(
            name=name,
            provider=model.provider,
            cost_per_1m_input=_per_million(price.input if price else None),
            cost_per_1m_output=_per_million(price.output if price else None),
            capabilities=LEVELS[: level_of(model)],
            context_window=model.context,
            max_tokens=model.max_output,
        )


def _per_million(rate: Pico | None) -> Decimal | None:
    return None if rate is None else to_usd(rate * 10**6)


async def arun_orchestration(
    prompt: str,
    strategy: str | None = None,
    max_cost: Cap = None,
    chain: str | Sequence[str] | None = None,
    ensemble_size: int | None = None,
    *,
    config: Config = None,
    orchestrator: AsyncLLMOrchestrator | None = None,
    **options: Any,
) -> OrchestrationResult:
    """The answer to a prompt. Without a strategy as ``llmo run`` does it.

    Raises what `AsyncLLMOrchestrator.send_request` raises.
    """
    size = None if ensemble_size is None else {"ensemble_size": ensemble_size}
    arguments: dict[str, Any] = {
        "strategy": strategy or "auto",
        "max_cost": max_cost,
        "chain": chain,
        **(size or {}),
        **options,
    }
    if orchestrator is not None:
        return result(await orchestrator.send_request(prompt, **arguments))
    async with AsyncLLMOrchestrator(config) as own:
        return result(await own.send_request(prompt, **arguments))


async def arun_with_fallback(
    prompt: str,
    chain: str | Sequence[str] | None = None,
    confidence_threshold: float = 0.6,
    max_cost: Cap = None,
    **others: Any,
) -> OrchestrationResult:
    """Asks the models of the chain in their order until one is sure enough."""
    return await arun_orchestration(
        prompt, "fallback", max_cost, chain, threshold=confidence_threshold, **others
    )


async def arun_ensemble(
    prompt: str,
    models: Sequence[str] | None = None,
    ensemble_size: int | None = None,
    max_cost: Cap = None,
    **others: Any,
) -> OrchestrationResult:
    """Asks several models at once and makes one answer of theirs; three unless said otherwise."""
    return await arun_orchestration(prompt, "ensemble", max_cost, models, ensemble_size, **others)


async def aroute_to_model(
    prompt: str,
    max_cost: Cap = None,
    *,
    config: Config = None,
    orchestrator: AsyncLLMOrchestrator | None = None,
) -> str:
    """The cheapest model that can handle the prompt, by the classic levels; nothing is sent."""
    from llm_orchestrator.routing.complexity import ComplexityAnalyzer

    level = ComplexityAnalyzer.required_capability(prompt)
    if orchestrator is None:
        async with AsyncLLMOrchestrator(config) as own:
            return await aroute_to_model(prompt, max_cost, orchestrator=own)
    plan = await orchestrator.plan(prompt, strategy="cheapest", capability=level, max_cost=max_cost)
    return plan.candidates[0].model


def run_orchestration(
    prompt: str,
    strategy: str | None = None,
    max_cost: Cap = None,
    chain: str | Sequence[str] | None = None,
    ensemble_size: int | None = None,
    *,
    config: Config = None,
    **options: Any,
) -> OrchestrationResult:
    """See `arun_orchestration`."""
    return _run(
        arun_orchestration(
            prompt, strategy, max_cost, chain, ensemble_size, config=config, **options
        )
    )


def run_with_fallback(
    prompt: str,
    chain: str | Sequence[str] | None = None,
    confidence_threshold: float = 0.6,
    max_cost: Cap = None,
    **others: Any,
) -> OrchestrationResult:
    """See `arun_with_fallback`."""
    return _run(arun_with_fallback(prompt, chain, confidence_threshold, max_cost, **others))


def run_ensemble(
    prompt: str,
    models: Sequence[str] | None = None,
    ensemble_size: int | None = None,
    max_cost: Cap = None,
    **others: Any,
) -> OrchestrationResult:
    """See `arun_ensemble`."""
    return _run(arun_ensemble(prompt, models, ensemble_size, max_cost, **others))


def route_to_model(prompt: str, max_cost: Cap = None, *, config: Config = None) -> str:
    """See `aroute_to_model`."""
    return _run(aroute_to_model(prompt, max_cost, config=config))


def result(reply: Reply) -> OrchestrationResult:
    """A reply in the classic shape."""
    routing = dict(reply.routing or {})
    members = [member["name"] for member in routing.get("members", ())]
    several = len(members) > 1 and reply.strategy != "fallback"
    metadata: dict[str, Any] = {"provider": reply.provider, "call_id": reply.id}
    if members:
        metadata["ensemble_size"] = len(members)
        metadata["all_confidences"] = routing.get("all_confidences", [])
    metadata |= {key: value for key, value in routing.items() if key not in metadata}
    return OrchestrationResult(
        response=reply.content,
        model_used=reply.model,
        cost=reply.cost,
        latency=round(reply.latency_s, 6),
        confidence=reply.confidence,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        strategy=reply.strategy,
        ensemble_models=[name.split("/", 1)[1] for name in members] if several else None,
        metadata=metadata,
        timestamp=dt.datetime.now(dt.UTC).isoformat(),
    )
