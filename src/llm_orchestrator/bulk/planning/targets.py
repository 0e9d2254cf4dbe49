"""Whom a run asks: from names of models and providers to candidates, for each task its own."""

from collections.abc import Iterable, Mapping, Sequence

from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import ConfigError, InvalidRequestError
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
    *,
    keyless: bool = False,
) -> tuple[Targets, Split]:
    """The candidates of each task, and the split with their names (``provider/model``).

    ``models`` are models or providers, in a list or with commas between them; without any, those of
    the task hold, else those of the split, else the configuration's. A task for vectors takes
    the models that make some. ``keyless`` takes those as well that cannot be asked for want of a
    key, with a notice: to estimate nobody needs one. Raises what resolving a name raises.
    """
    split = split or Split()
    find = _Finder(runtime, keyless=keyless)
    names = _names(models)
    found: dict[str, tuple[Candidate, ...]] = {}
    for task in tasks:
        wanted = names or list(task.models)
        if not wanted and not split.parts:
            wanted = ["gemini"] if task.kind == "media" else []
        made = [find.one(name, task) for name in wanted]
        for part in split.parts:
            if not any(find.means(part.name, known) for known in made):
                made.append(find.one(part.name, task))
        if split.parts:
            made = [one for one in made if any(find.means(part.name, one) for part in split.parts)]
        made = made or [find.default(task)]
        unique = list({one.name: one for one in made}.values())
        fitting = [one for one in unique if (one.model.mode == "embedding") is _embeds(task)]
        found[task.name] = tuple(fitting or unique)
    return found, split.named(lambda name: find.named(name, found))


def _names(models: str | Iterable[str]) -> list[str]:
    many = models.split(",") if isinstance(models, str) else models
    return [name for one in many if (name := one.strip())]


def _embeds(task: Task) -> bool:
    return task.kind == "embedding"


class _Finder:
    """Finds candidates by the names of models and of providers."""

    def __init__(self, runtime: Runtime, *, keyless: bool) -> None:
        self._runtime = runtime
        self._keyless = keyless

    def one(self, name: str, task: Task) -> Candidate:
        """The model of that name, or the one that a provider of that name is asked with."""
        runtime = self._runtime
        owner = runtime.catalog.provider(name)
        model: str | None = None
        if owner is not None and _embeds(task) and (model := EMBEDDERS.get(owner)) is None:
            raise InvalidRequestError(f"name a model of {name} that makes vectors: {owner}/<model>")
        try:
            if owner is None:
                return runtime.candidates.one(name)
            return runtime.candidates.of(owner, model)[0]
        except ConfigError:
            if not self._keyless:
                raise
            return self._unready(owner, model or name)

    def default(self, task: Task) -> Candidate:
        """Whom the configuration asks."""
        first = self._runtime.candidates.of(None, None)[0]
        return self.one(first.provider.name, task) if _embeds(task) else first

    def means(self, name: str, target: Candidate) -> bool:
        """Whether the name is that of the candidate, or of its provider."""
        catalog = self._runtime.catalog
        owner = catalog.provider(name)
        if owner is not None:
            return target.provider.name == owner
        meant = catalog.resolve(name)
        same = {meant.id, catalog.current(meant).id}
        return name == target.name or target.model.id in same

    def named(self, name: str, found: Targets) -> str:
        """The candidate that a part of the split means."""
        for targets in found.values():
            for target in targets:
                if self.means(name, target):
                    return target.name
        raise InvalidRequestError(f"split: nobody that is asked is called {name}")

    def _unready(self, owner: str | None, name: str) -> Candidate:
        """One that cannot be asked as things are, to know what it would cost."""
        directory, catalog = self._runtime.directory, self._runtime.catalog
        if owner is not None and catalog.provider(name) == owner:
            name = directory.get(owner).default_model
        model = catalog.resolve(name, owner)
        row = directory.get(model.provider)
        return Candidate(
            row, model, f"{row.label} cannot be asked yet: {directory.fault(row.name)}"
        )
