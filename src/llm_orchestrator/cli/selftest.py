"""The self-tests of ``llmo doctor``: each looks at one thing and says how it stands."""

import asyncio
import datetime as dt
import platform
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from llm_orchestrator import __version__
from llm_orchestrator.catalog import Catalog, cost
from llm_orchestrator.cli import options
from llm_orchestrator.cli.ledger import make
from llm_orchestrator.cli.providers import at_home
from llm_orchestrator.cli.selftest_routing import Finding, routing
from llm_orchestrator.config import Config
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.providers import local
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.types.money import to_usd
from llm_orchestrator.types.usage import Usage

_OLD_PRICES = 60  # days
_PARTS = ("httptools", "aiohttp", "msgspec", "sqlalchemy", "psycopg", "tiktoken", "typer")


def findings(file: Path | None, *, online: bool) -> Iterator[Finding]:
    """All self-tests in order; those that need a configuration end with a faulty one."""
    yield _python()
    try:
        config = options.configuration(file)
        directory = Directory(config)
    except OrchestratorError as error:
        yield Finding("Configuration", "fault", tuple(error.message.splitlines()))
        return
    yield Finding("Configuration", "ok", (f"from {config.source}",))
    yield _providers(directory)
    yield from routing(config, directory)
    for check in (_prices, _ledger, _rate_limits, _local_model):
        yield _guarded(check, config)
    if online:
        yield from _reachable(config)


def _python() -> Finding:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PARTS)
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("Environment", "ok", (f"llmo {__version__}, {where}", versions))


def _providers(directory: Directory) -> Finding:
    usable = directory.configured()
    remote = [row for row in directory.rows.values() if not at_home(row)]
    ready = sum(row in remote for row in usable)
    facts = [f"Configured: {ready}/{len(remote)} providers"]
    if usable:
        facts.append(f"Active: {', '.join(row.name for row in usable)}")
    for name in directory.config.providers:
        fault = directory.fault(name)
        if fault is not None:
            facts.append(f"{name}: {fault}")
    if not usable:
        facts.append("Set a key such as OPENAI_API_KEY, or try `--provider local`")
    return Finding("Providers", "ok" if usable and len(facts) == 2 else "note", tuple(facts))


def _prices(_: Config) -> Finding:
    catalog = Catalog.load()
    age = (dt.datetime.now(dt.UTC).date() - dt.date.fromisoformat(catalog.version)).days
    models = sum(len(catalog.models(name)) for name in catalog.providers)
    facts = [f"{models:,} models, prices of {catalog.version} ({age} days old)"]
    sample = catalog.resolve("gpt-4o-mini")
    amount = cost(Usage(40, 30), sample)
    if amount is not None:
        facts.append(f"Cost estimation ({sample.provider}): ${to_usd(amount):f}")
    if age > _OLD_PRICES:
        facts.append("Newer ones: `llmo models --refresh-prices`, or a newer version")
    return Finding("Prices", "note" if age > _OLD_PRICES else "ok", tuple(facts))


def _ledger(config: Config) -> Finding:
    if not config.cost_tracking.enabled:
        return Finding("Ledger", "note", ("off: cost_tracking.enabled is false",))
    return Finding("Ledger", "ok", (f"{make(config).shown}, writable",))


def _rate_limits(config: Config) -> Finding:
    from llm_orchestrator.engine.rate_limits import redis_fault, redis_url, summary

    facts = summary(config)
    if redis_url(config) is None:
        return Finding("Rate limits", "ok", (*facts, "counted by each process alone"))
    if fault := asyncio.run(redis_fault(config)):
        return Finding("Rate limits", "note", (*facts, f"Redis {fault}"))
    return Finding("Rate limits", "ok", (*facts, "counted together in Redis, which answers"))


def _local_model(_: Config) -> Finding:
    if local.available():
        return Finding("Local model", "ok", (f"{local.MODEL}, `--provider local`",))
    return Finding("Local model", "note", (f"not installed; for it: {local.INSTALL}",))


def _reachable(config: Config) -> Iterator[Finding]:
    with options.orchestrator(config) as orchestrator:
        found = orchestrator.health()
    facts = tuple(f"{one.provider}: {one.status} {one.message}".rstrip() for one in found)
    healthy = all(one.healthy for one in found)
    yield Finding(f"Health checks ({len(found)} providers)", "ok" if healthy else "fault", facts)


def _guarded(check: Callable[[Config], Finding], config: Config) -> Finding:
    try:
        return check(config)
    except (OrchestratorError, OSError) as error:
        title = check.__name__.strip("_").replace("_", " ").capitalize()
        return Finding(title, "fault", (str(error),))
