"""An estimate of a file: read once, a sample of it rendered and counted."""

from collections.abc import Iterable, Sequence
from contextlib import closing

import msgspec

from llm_orchestrator.bulk.options import ForecastOptions, check_names, read_span
from llm_orchestrator.bulk.planning.estimate import BulkEstimate, estimate
from llm_orchestrator.bulk.planning.offers import offers
from llm_orchestrator.bulk.planning.pace import pace_of
from llm_orchestrator.bulk.planning.past import Past
from llm_orchestrator.bulk.planning.plan import BulkPlan
from llm_orchestrator.bulk.planning.planner import Demand, plan
from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.bulk.planning.targets import find_targets
from llm_orchestrator.bulk.planning.turnaround import Turnarounds
from llm_orchestrator.bulk.rows.reading import Format, Source, read_format, read_rows
from llm_orchestrator.bulk.rows.sampling import Sampler
from llm_orchestrator.bulk.screening import screened, within
from llm_orchestrator.bulk.spec import LaneWish
from llm_orchestrator.bulk.tasks.files import load_tasks
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.config.paths import store_url
from llm_orchestrator.engine.planning import read_cap
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import InvalidRequestError, StoreError
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.types.money import Pico


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What everything would cost, and what a run would do."""

    estimate: BulkEstimate
    plan: BulkPlan


def forecast(
    runtime: Runtime,
    source: Source,
    tasks: Sequence[Task],
    *,
    models: str | Iterable[str] = (),
    split: str | Split | None = None,
    lane: LaneWish = "auto",
    deadline_s: float | None = None,
    cap: Pico | None = None,
    format: Format | None = None,
) -> Forecast:
    """Read the input, estimate, and plan; nothing is sent. Blocks while it reads.

    Raises `InvalidRequestError` for an input without rows, `BudgetError` as `plan` does.
    """
    targets, named = find_targets(runtime, tasks, models, Split.read(split), keyless=True)
    tasks = [within(task, [one.model for one in targets[task.name]]) for task in tasks]
    sample = Sampler()
    reading = read_rows(source, format=format)
    for _ in sample.watch(screened(reading, tasks)):
        pass
    if not sample.count:
        what = f": none of {sample.broken:,} can be read" if sample.broken else ""
        raise InvalidRequestError(f"{reading.name} has no rows{what}")
    providers = {one.provider.name for many in targets.values() for one in many}
    past, turnarounds, note = _history(runtime, tasks, providers)
    found = estimate(tasks, sample, targets, past=past)
    notes = tuple(text for text in (*found.notes, reading.changed, note) if text)
    found = msgspec.structs.replace(found, notes=notes)
    items = {line.task: line.items for line in found.lines}
    made = plan(
        [Demand(task.name, items.get(task.name, 0)) for task in tasks],
        offers(
            found,
            targets,
            turnarounds,
            unit_items=runtime.config.bulk.unit_items,
            pace=pace_of(runtime),
        ),
        deadline_s=deadline_s,
        cap=cap,
        split=named,
        lane=lane,
    )
    return Forecast(estimate=found, plan=made)


def forecast_by_options(runtime: Runtime, source: Source, options: ForecastOptions) -> Forecast:
    """`forecast` by the options of the public verbs."""
    check_names(options, ForecastOptions)
    given = options.get("task")
    tasks = load_tasks((*(() if given is None else (given,)), *options.get("tasks", ())))
    most = options.get("max_cost")
    return forecast(
        runtime,
        source,
        tasks,
        models=options.get("models", ()),
        split=options.get("split"),
        deadline_s=read_span(options.get("deadline")),
        cap=None if most is None else read_cap(most),
        format=read_format(options.get("format")),
    )


def history(
    store: BulkStore, tasks: Iterable[Task], providers: Iterable[str]
) -> tuple[Past, Turnarounds]:
    """What earlier runs teach of these tasks and providers; blocks."""
    rows = [row for task in tasks for row in store.wait(store.history.of_task, task.digest)]
    times = {name: store.wait(store.history.turnarounds, name) for name in providers}
    return Past(rows), Turnarounds(times)


def _history(
    runtime: Runtime, tasks: Iterable[Task], providers: Iterable[str]
) -> tuple[Past, Turnarounds, str]:
    if not runtime.config.cost_tracking.enabled:
        return Past(), Turnarounds(), ""
    try:
        with closing(BulkStore(store_url(runtime.config))) as store:
            return *history(store, tasks, providers), ""
    except StoreError as error:
        return Past(), Turnarounds(), f"earlier runs are not known: {error.message}"
