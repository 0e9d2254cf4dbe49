"""The command's front door. Each command imports what it needs when it runs, so this is quick."""

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType
from typing import Annotated, NoReturn

import typer

from llm_orchestrator import __version__
from llm_orchestrator.cli import (
    approvals,
    budgets,
    bulk,
    cache,
    config,
    costs,
    doctor,
    explain,
    faults,
    feedback,
    health,
    models,
    options,
    output,
    providers,
    queue,
    route,
    run,
    savings,
    scheduler,
    sim,
    store,
)

root = typer.Typer(
    name="llmo",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
root.command("run")(run.run)
root.command("explain")(explain.explain)
root.command("feedback")(feedback.feedback)
root.command("route")(route.route)
root.command("models")(models.models)
root.command("providers")(providers.providers)
root.command("health")(health.health)
root.add_typer(bulk.group, name="bulk")
root.add_typer(queue.group, name="queue")
root.add_typer(scheduler.group, name="scheduler")
root.command("savings")(savings.savings)
root.add_typer(costs.group, name="costs")
root.add_typer(budgets.group, name="budgets")
root.add_typer(cache.group, name="cache")
root.add_typer(config.group, name="config")
root.add_typer(approvals.group, name="approvals")
root.command("doctor")(doctor.doctor)
root.command("sim")(sim.sim)
root.add_typer(store.group, name="store")


def _version(given: bool) -> None:
    if given:
        output.line(f"llmo {__version__}")
        raise typer.Exit


@root.callback()
def _root(
    _show_version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
    _debug: options.Debug = False,
) -> None:
    """One prompt or a million over every LLM provider: priced, recorded, rescued."""


def app() -> None:
    """Run the command line that this process was started with, and exit with its code."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A paid answer is not to be lost for a terminal that cannot show a letter of it.
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _terminated)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _terminated)  # the terminal was closed; nohup ignores it
    options.state.debug = bool(os.environ.get("LLMO_DEBUG"))
    sys.exit(faults.guarded(_run, lambda: options.state.debug))


def _open_streams() -> None:
    """Give a stream that was closed (``>&-``) an empty file, or one that takes nothing.

    Otherwise its number would go to the next file that is opened, such as the ledger.
    """
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave as after an error, so that everything is written down and closed."""
    raise SystemExit(128 + number)


def _run() -> int:
    try:
        status = root(prog_name="llmo", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        if not error.format_message():  # no command was given, and the help is printed
            return faults.USAGE
        hint = f"`{context.command_path} --help` shows how it is used." if context else ""
        output.fail(error.format_message().replace(": Value error, ", ": "), hint)
        return faults.USAGE
    except typer.Abort:
        raise KeyboardInterrupt from None
    if status == faults.INTERRUPTED:  # typer says it by a code alone
        raise KeyboardInterrupt
    return status if isinstance(status, int) else faults.OK
