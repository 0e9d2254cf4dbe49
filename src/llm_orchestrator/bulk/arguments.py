"""From the arguments of ``bulk`` to a run that can be placed."""

import os
from pathlib import Path
from typing import get_args

import msgspec

from llm_orchestrator.bulk.intake import RunRequest
from llm_orchestrator.bulk.options import BulkOptions, check_names, read_span
from llm_orchestrator.bulk.rows.reading import Source, read_format
from llm_orchestrator.bulk.spec import LaneWish, MergeRule, RunSpec
from llm_orchestrator.bulk.tasks.files import load_tasks
from llm_orchestrator.engine import labels, planning
from llm_orchestrator.errors import InvalidRequestError

_WORDS = {"lane": LaneWish, "merge": MergeRule}
_AS_THEY_ARE = ("lane", "retries", "elsewhere", "concurrency", "merge")


def run_request(source: Source, asked: BulkOptions) -> RunRequest:
    """A run, checked as far as that goes without a store; raises `ConfigError` and the like."""
    check_names(asked, BulkOptions)
    given = asked.get("task")
    made = load_tasks((*(() if given is None else (given,)), *asked.get("tasks", ())))
    models = asked.get("models", ())
    names = models.split(",") if isinstance(models, str) else models
    for name, kind in _WORDS.items():
        known, value = get_args(kind), asked.get(name)
        if value is not None and value not in known:
            raise InvalidRequestError(f"{name}: {value!r} is none of {', '.join(known)}")
    for name in ("name", "out"):
        if asked.get(name) == "":
            raise InvalidRequestError(f"{name}: it is empty; leave it out, or give it a value")
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
    most, out = asked.get("max_cost"), _folder(asked.get("out"))
    return RunRequest(
        source=source,
        format=read_format(asked.get("format")),
        tasks=made,
        spec=spec,
        cap=None if most is None else planning.read_cap(most),
        out=out,
        name=asked.get("name"),
        tags=labels.tags(asked.get("tags")),
    )


def _folder(out: str | Path | None) -> Path | None:
    """Where results go. That they cannot go there is better said before anything is paid."""
    if out is None:
        return None
    folder = Path(out).expanduser().absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise InvalidRequestError(f"out: {there} is no folder; name another one")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InvalidRequestError(f"out: {there} cannot be written to; name another folder")
    return folder
