"""From a configuration to the `Runtime` of an orchestrator."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from llm_orchestrator import config as configs
from llm_orchestrator.catalog import Catalog
from llm_orchestrator.catalog.refresh import FILE_NAME
from llm_orchestrator.config.paths import cost_log, store_url
from llm_orchestrator.config.rows import model_row
from llm_orchestrator.config.schema import Config
from llm_orchestrator.engine.budgeting import open_ledger
from llm_orchestrator.engine.caching import open_cache
from llm_orchestrator.engine.candidates import Candidates
from llm_orchestrator.engine.listed_models import ListedModels
from llm_orchestrator.engine.rate_limits import limiter
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.engine.session import Session
from llm_orchestrator.pipeline.affinity import Affinity
from llm_orchestrator.pipeline.allowance import Allowance
from llm_orchestrator.pipeline.breaker import Breaker
from llm_orchestrator.pipeline.hold import Hold
from llm_orchestrator.pipeline.meter import Meter
from llm_orchestrator.pipeline.record import Record
from llm_orchestrator.pipeline.sender import Sender
from llm_orchestrator.pipeline.speed import Speed
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.store.costlog import CostLog
from llm_orchestrator.store.urls import data_dir
from llm_orchestrator.transport import default as default_transport
from llm_orchestrator.transport.base import Transport
from llm_orchestrator.types.ids import ids

if TYPE_CHECKING:
    from llm_orchestrator.engine.learning import Skills
    from llm_orchestrator.pipeline.approval import Approval

log = logging.getLogger("llm_orchestrator")


def build(
    source: str | Path | Mapping[str, Any] | Config | None,
    *,
    provider: str | None = None,
    model: str | None = None,
    transport: Transport | None = None,
) -> Runtime:
    """The runtime of a configuration; raises `ConfigError`."""
    config = source if isinstance(source, Config) else configs.load(source)
    if provider is not None:
        config = msgspec.structs.replace(config, active_provider=provider, active_model=model)
    directory = Directory(config)
    config = directory.config
    catalog = catalog_of(config, directory)
    kept = config.cost_tracking.enabled
    listed = ListedModels(catalog, directory.rows, store_url(config) if kept else None, kept=kept)
    transport = transport or default_transport()
    breaker = Breaker(config.breaker.failures, config.breaker.cooldown)
    speed, affinity = Speed(), Affinity()
    ledger, notifier = open_ledger(config, directory)
    log_path = cost_log(config)
    for warning in catalog.warnings:
        log.warning(warning)
    limits = limiter(config, directory, catalog)
    record = None if ledger is None else Record(ledger, catalog.version)
    # Entered in this order and left in reverse: who waits in line holds and books nothing, the hold
    # is known when the intent is written, the cost when the outcome is.
    guards = [breaker, speed, affinity, limits, Hold(), record, Meter()]
    runtime = Runtime(
        config=config,
        directory=directory,
        catalog=catalog,
        # A model alone is looked for as a call's is: it may be another provider's.
        candidates=Candidates(directory, catalog, listed, model=None if provider else model),
        listed_models=listed,
        transport=transport,
        sender=Sender(
            transport,
            [guard for guard in guards if guard is not None],
            None if ledger is None else Allowance(ledger),
        ),
        breaker=breaker,
        speed=speed,
        affinity=affinity,
        limiter=limits,
        session=Session(ids.new("ses")),
        ledger=ledger,
        notifier=notifier,
        costlog=CostLog(log_path) if log_path else None,
    )
    if config.auto_approve_threshold_usd is not None:
        runtime.outer.append(_approval(config))
    if config.routing.learn and kept:
        runtime.skills = _skills(config)
    if config.cache.enabled:
        open_cache(runtime)
    return runtime


def catalog_of(config: Config, directory: Directory) -> Catalog:
    """The models that there are: the package's, newer prices, and the configuration's own."""
    overrides = [
        model_row(name, settings)
        for name, section in config.providers.items()
        for settings in section.models
    ]
    refreshed = _data_dir(config) / FILE_NAME
    return Catalog.load(overrides, providers=directory.rows.values(), refreshed=refreshed)


def _skills(config: Config) -> "Skills":
    from llm_orchestrator.engine.learning import Skills  # only who learns pays for it

    return Skills(store_url(config))


def _approval(config: Config) -> "Approval":
    from llm_orchestrator.pipeline.approval import Approval  # only who asks for consent pays for it
    from llm_orchestrator.store.approvals import Approvals

    settings = config.approval
    tickets = Approvals(store_url(config))
    return Approval(tickets, wait_s=settings.wait, expires_s=settings.expires)


def _data_dir(config: Config) -> Path:
    home = config.env.value("LLMO_HOME")
    return Path(home).expanduser() if home else data_dir()
