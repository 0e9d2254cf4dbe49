"""Whom a run asks: from names of models and providers to candidates, for each task its own."""

from collections.abc import Iterable, Mapping, Sequence

from llm_orchestrator.bulk.split import Split
from llm_orchestrator.bulk.task import Task
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.provider import Candidate

Targets = Mapping[str, tuple[Candidate, ...]]
"""Names of tasks to their candidates."""

EMBEDDERS: Mapping[str, str] = {
    "openai": "text-embedding-3-large",
    "azure": "text-embedding-3-large",
    "gemini": "gemini-embedding-2",
    "vertex": "gemini-embedding-2",
    "mistral": "mistral-embed",
    "cohere": "embed-v4.0",
    "bedrock": "amazon.titan-embed-text-v2:0",
    "openrouter": "openai/text-embedding-3-large",
}
"""The models for vectors of those who are named without one."""


def find_targets(
    runtime: Runtime,
    tasks: Sequence[Task],
    models: str | Iterable[str] = (),
    split: Split | None = None,
) -> tuple[Targets, Split]:
    """The candidates of each task, and the split with their names (``provider/model``).

    ``models`` are models or providers, in a list or with commas between them; without any, those of
    the task hold, else those of the split, else the configuration's. A task for vectors takes
    the models that make some. Raises what resolving a name raises.
    """
    split = split or Split()
    names = _names(models)
    found: dict[str, tuple[Candidate, ...]] = {}
    for task in tasks:
        wanted = names or list(task.models)
        if not wanted and not split.parts:
            wanted = ["gemini"] if task.kind == "media" else []
        made = [_one(runtime, name, task) for name in wanted]
        for part in split.parts:
            if not any(_means(runtime, part.name, known) for known in made):
                made.append(_one(runtime, part.name, task))
        if split.parts:
            made = [
                one for one in made if any(_means(runtime, part.name, one) for part in split.parts)
            ]
        made = made or [_default(runtime, task)]
        unique = list({one.name: one for one in made}.values())
        fitting = [one for one in unique if (one.model.mode == "embedding") is _embeds(task)]
        found[task.name] = tuple(fitting or unique)
    return found, split.named(lambda name: _named(runtime, name, found))


def _names(models: str | Iterable[str]) -> list[str]:
    many = models.split(",") if isinstance(models, str) else models
    return [name for one in many if (name := one.strip())]


def _embeds(task: Task) -> bool:
    return task.kind == "embedding"


def _one(runtime: Runtime, name: str, task: Task) -> Candidate:
    """The model of that name, or the one that a provider of that name is asked with."""
    owner = runtime.catalog.provider(name)
    if owner is None:
        return runtime.candidates.one(name)
    if _embeds(task):
        if (model := EMBEDDERS.get(owner)) is None:
            raise InvalidRequestError(f"name a model of {name} that makes vectors: {owner}/<model>")
        return runtime.candidates.of(owner, model)[0]
    return runtime.candidates.of(owner, None)[0]


def _default(runtime: Runtime, task: Task) -> Candidate:
    first = runtime.candidates.of(None, None)[0]
    return _one(runtime, first.provider.name, task) if _embeds(task) else first


def _means(runtime: Runtime, name: str, target: Candidate) -> bool:
    owner = runtime.catalog.provider(name)
    if owner is not None:
        return target.provider.name == owner
    return runtime.candidates.one(name).name == target.name


def _named(runtime: Runtime, name: str, found: Targets) -> str:
    """The candidate that a part of the split means."""
    for targets in found.values():
        for target in targets:
            if _means(runtime, name, target):
                return target.name
    raise InvalidRequestError(f"split: nobody that is asked is called {name}")
