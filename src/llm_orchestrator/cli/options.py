"""Options that several commands share, and what they stand for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from llm_orchestrator.cli import output

if TYPE_CHECKING:
    from llm_orchestrator import LLMOrchestrator
    from llm_orchestrator.config import Config

_USUAL_FILE = Path("llmo.yaml")


class _State:
    """What the options of this one command line have switched on."""

    debug = False


state = _State()


def _debug(given: bool) -> bool:
    state.debug = state.debug or given
    return given


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file; else LLMO_CONFIG, else ./llmo.yaml, else the environment.",
        show_default=False,
    ),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON.", metavar="")]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error.", metavar="", callback=_debug),
]
ProviderName = Annotated[
    str | None,
    typer.Option("--provider", metavar="NAME", help="Only this provider.", show_default=False),
]


def configuration(
    file: Path | None, *, provider: str | None = None, model: str | None = None
) -> "Config":
    """The configuration that a command works with; raises `ConfigError`."""
    import os

    from llm_orchestrator.config import load

    output.listen()
    if file is None and not os.environ.get("LLMO_CONFIG") and _USUAL_FILE.is_file():
        file = _USUAL_FILE
    return load(file, provider=provider, model=model)


def orchestrator(settings: "Config") -> "LLMOrchestrator":
    """An orchestrator of a configuration that is loaded already."""
    from llm_orchestrator import LLMOrchestrator

    return LLMOrchestrator(cast("Any", settings))
