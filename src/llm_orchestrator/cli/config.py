"""``llmo config``: write, check and show the configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from llm_orchestrator.config import Config

group = typer.Typer(help="Write, check and show the configuration.", no_args_is_help=True)


@group.command("init")
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("llmo.yaml"),
    force: Annotated[bool, typer.Option("--force", metavar="", help="Overwrite a file.")] = False,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Write a commented configuration file that works as it is."""
    from llm_orchestrator.config.example import write_example

    write_example(path, overwrite=force)
    if as_json:
        output.json({"wrote": str(path)})
        return
    output.note(f"Wrote {path}. Put keys into the environment or a .env file beside it.")


@group.command("check")
def check(
    path: Annotated[Path | None, typer.Argument(help="The file.", show_default=False)] = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Read the configuration and say what is wrong with it, or that all is well."""
    from llm_orchestrator.providers.resolve import Directory

    directory = Directory(options.configuration(path or config))
    usable = [row.name for row in directory.configured()]
    if usable:
        _check_routing(directory.config)
    needs = {
        name: fault
        for name in directory.config.providers
        if (fault := directory.fault(name)) is not None
    }
    if as_json:
        output.json(
            {"source": directory.config.source, "ok": True, "usable": usable, "needs": needs}
        )
        return
    output.line(f"{directory.config.source}: ok")
    for name in usable:
        output.line(f"  {name}: ready")
    for name, fault in needs.items():
        output.line(f"  {name}: not usable: {fault}")


def _check_routing(settings: "Config") -> None:
    """Raises for names in it that only a call reads, such as that of a strategy."""
    from llm_orchestrator.errors import ConfigError, InvalidRequestError, ModelNotFoundError

    with options.orchestrator(settings) as orchestrator:
        try:
            orchestrator.plan("Hello")
        except (InvalidRequestError, ModelNotFoundError) as error:
            raise ConfigError(f"{settings.source}: {error.message}") from None
        except ConfigError:
            return  # somebody who is not set up yet, which is told below


@group.command("show")
def show(
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Print all settings that hold, secrets blanked."""
    from llm_orchestrator.config.show import plain, render

    settings = options.configuration(config)
    if as_json:
        output.json({"source": settings.source, **plain(settings)})
        return
    output.note(f"# from {settings.source}")
    output.write(render(settings))
