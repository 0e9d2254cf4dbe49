"""From the arguments of ``bulk`` to a run that can be placed."""

from pathlib import Path

import msgspec

from llm_orchestrator.bulk.options import BulkOptions, read_span
from llm_orchestrator.bulk.orders import Wanted
from llm_orchestrator.bulk.reading import Source, read_format
from llm_orchestrator.bulk.spec import RunSpec
from llm_orchestrator.bulk.tasks import load_tasks
from llm_orchestrator.engine import labels, planning
from llm_orchestrator.errors import InvalidRequestError

_AS_THEY_ARE = ("lane", "retries", "elsewhere", "concurrency", "merge")


def wanted(source: Source, asked: BulkOptions) -> Wanted:
    """A run, checked as far as that goes without a store; raises `ConfigError` and the like."""
    given = asked.get("task")
    made = load_tasks((*(() if given is None else (given,)), *asked.get("tasks", ())))
    models = asked.get("models", ())
    names = models.split(",") if isinstance(models, str) else models
    spec = RunSpec(
        tasks=tuple(one.spec for one in made),
        source=str(source) if isinstance(source, str | Path) else None,
        models=tuple(name for one in names if (name := one.strip())),
        split=asked.get("split") or "price",
        deadline_s=read_span(asked.get("deadline")),
        **{key: value for key, value in asked.items() if key in _AS_THEY_ARE},  # type: ignore[arg-type]
    )
    if asked.get("quality"):
        spec = msgspec.structs.replace(spec, quality=tuple(asked["quality"]))
    if spec.retries < 0 or spec.concurrency < 1:
        raise InvalidRequestError("retries must be 0 or more, concurrency 1 or more")
    most, out = asked.get("max_cost"), asked.get("out")
    return Wanted(
        source=source,
        format=read_format(asked.get("format")),
        tasks=made,
        spec=spec,
        cap=None if most is None else planning.read_cap(most),
        out=None if out is None else Path(out).expanduser().absolute(),
        name=asked.get("name"),
        tags=labels.tags(asked.get("tags")),
    )
