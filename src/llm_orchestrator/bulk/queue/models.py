"""Whether anybody knows the model that a job names, before it waits a night in vain."""

from collections.abc import Callable

from llm_orchestrator.bulk.planning.targets import find_targets
from llm_orchestrator.bulk.queue.jobtypes import Job
from llm_orchestrator.catalog import Catalog
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import InvalidRequestError, ModelNotFoundError
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.provider import Provider


class Models:
    """Checks the names of models. ``runtime`` is made for names alone that are not listed."""

    def __init__(self, catalog: Catalog, runtime: Callable[[], Runtime]) -> None:
        self._catalog = catalog
        self._runtime = runtime
        self._fine: set[tuple[str, str]] = set()

    def check(self, provider: Provider, job: Job) -> None:
        """Raises `InvalidRequestError`, with near names, for a model that nobody knows.

        What a run would ask is taken, and any name where the models are the user's own, or that
        begins with the provider's name.
        """
        name = job.model
        if not name or (provider.name, name) in self._fine:
            return
        if not (
            _has_own(provider)
            or name.startswith(f"{provider.name}/")
            or self._catalog.find(name, provider.name)
        ):
            try:
                find_targets(self._runtime(), [job.task], [name], keyless=True)
            except ModelNotFoundError as error:
                end = "" if error.message.endswith("?") else "."
                raise InvalidRequestError(
                    f"data.model: {error.message}{end} Write {provider.name}/{name} if it is new "
                    "there"
                ) from None
        self._fine.add((provider.name, name))


def _has_own(provider: Provider) -> bool:
    """Whether its models are called as the user likes: on a server or an account of his own."""
    official = TABLE.get(provider.name)
    return (
        official is None
        or official.local
        or not official.base_url
        or "{" in official.base_url  # deployments, profiles and endpoints have names, too
    )
