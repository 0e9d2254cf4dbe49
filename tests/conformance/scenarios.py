"""All scenarios. Every row of the table goes through every one of them.

A scenario may need an ability. Where the row or its model is known to lack it, the outcome is
still one thing: ``refused`` before anything is sent, by an error that names who could do it, or
``told``, where the request is answered without and the reply says so.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from llm_orchestrator import dialects
from llm_orchestrator.errors import UnsupportedError
from llm_orchestrator.types.model import Ability
from llm_orchestrator.types.request import Message, Request

from . import failures, features
from .case import Case, Outcome
from .rows import Row

Run: TypeAlias = Callable[[Case], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One thing that a provider must do. ``without`` is what happens where ``needs`` is lacking;
    ``feature`` is the column of the table of providers that it proves, ``instead`` what stands
    there where it does not work."""

    run: Run
    needs: Ability | None = None
    without: Outcome = "works"
    feature: str = ""
    instead: str = "no"

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def fails(self) -> bool:
        """Whether it is about what goes wrong."""
        return self.run.__module__ == failures.__name__

    def outcome(self, row: Row) -> Outcome:
        """What must happen on a row, by what its data says."""
        if self.needs is not None and not row.can(self.needs):
            return self.without
        return _further(self.name, row)


def _further(name: str, row: Row) -> Outcome:
    """What abilities do not say: it depends on the dialect and on the quirks of the row."""
    if name == "schema":
        quirks = row.target("schema").provider.quirks
        return "works" if quirks.schema == "json_schema" else "told"
    if name == "count":
        asked, target = Request(messages=(Message("user", "Hello"),)), row.target()
        try:
            dialects.load(target.provider.dialect).encode_count(asked, target)
        except UnsupportedError:
            return "refused"
    return "works"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(features.plain, feature="text"),
        Scenario(features.system, "system"),
        Scenario(features.multi_turn),
        Scenario(features.image, "vision", without="refused", feature="images"),
        Scenario(features.tools, "tools", without="refused", feature="tools"),
        Scenario(features.tool_result, "tools", without="refused"),
        Scenario(
            features.parallel_tools, "parallel_tools", without="refused", feature="parallel tools"
        ),
        Scenario(features.stream_with_tools, "tools", without="refused"),
        Scenario(
            features.schema, "schema", without="told", feature="JSON schema", instead="in words"
        ),
        Scenario(features.stream, feature="streams"),
        Scenario(features.unicode_split),
        Scenario(features.usage),
        Scenario(features.cached, "cache", feature="cached input"),
        Scenario(
            features.reasoning, "reasoning", without="told", feature="reasoning", instead="left out"
        ),
        Scenario(features.embeddings, "embeddings", without="refused", feature="embeddings"),
        Scenario(features.models, feature="model list"),
        Scenario(features.count, without="refused", feature="exact token count"),
        Scenario(failures.bad_key),
        Scenario(failures.unknown_model),
        Scenario(failures.context_length),
        Scenario(failures.content_filter),
        Scenario(failures.rate_limit),
        Scenario(failures.overload),
        Scenario(failures.error_in_stream),
        Scenario(failures.cut_stream),
    )
}
