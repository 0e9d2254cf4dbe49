"""``llmo config``: write, check and show the configuration."""

from pathlib import Path
from typing import Annotated

import typer

from llm_orchestrator.cli import options, output

group = typer.Typer(help="Write, check and show the configuration.", no_args_is_help=True)


@group.command("init")
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("llmo.yaml"),
    force: Annotated[bool, typer.Option("--force", metavar="", help="Overwrite a file.")] = False,
    _debug: options.Debug = False,
) -> None:
    """Write a commented configuration file that works as it is."""
    from llm_orchestrator.config.example import write_example

    write_example(path, overwrite=force)
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
