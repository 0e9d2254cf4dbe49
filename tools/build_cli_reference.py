"""Write docs/reference/cli.md from the commands themselves.

    python tools/build_cli_reference.py

tests/unit/cli/test_reference.py fails when the page is not what this makes.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from llm_orchestrator.cli.main import root

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"

_HEAD = """\
# The command `llmo`

Made by `tools/build_cli_reference.py` from the commands themselves.

Results are written to stdout, all else to stderr. `--json` prints results as JSON with exact
amounts. `--debug` (or `LLMO_DEBUG=1`) shows the traceback of an error.

| exit code | meaning |
|---|---|
| 0 | it worked |
| 1 | a provider, the ledger or the machine failed |
| 2 | the command line, the request or the configuration is wrong |
| 3 | a budget or an approval is in the way; nothing was sent |
| 4 | part of it worked |
| 130 | interrupted (129: the terminal was closed, 141: nobody read the output, 143: told to end) |
"""
_COMMON = frozenset(("--help", "--debug", "--install-completion", "--show-completion"))


def render() -> str:
    """The whole page."""
    command = typer.main.get_command(root)
    return "\n".join((_HEAD, *_sections(command, "llmo")))


def _sections(command: Any, path: str) -> Iterator[str]:
    subcommands: dict[str, Any] = getattr(command, "commands", {})
    if not subcommands:
        yield _section(command, path)
    for name, inner in subcommands.items():
        yield from _sections(inner, f"{path} {name}")


def _section(command: Any, path: str) -> str:
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    rows = [_row(p) for p in command.params if p not in arguments and p.opts[-1] not in _COMMON]
    usage = " ".join((path, *(f"[{_shown(p)}]" for p in arguments), "[OPTIONS]"))
    lines = [f"## {path}\n", f"    {usage}\n", f"{command.help}\n"]
    lines += [f"- `{_shown(p)}`: {p.help}" for p in arguments]
    if rows:
        gap = [""] if arguments else []
        lines += [*gap, "| option | what it does |", "|---|---|", *rows]
    return "\n".join((*lines, ""))


def _shown(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper()).strip("[]")


def _row(param: Any) -> str:
    names = ", ".join(f"`{name}`" for name in param.opts)
    metavar = f" `{param.metavar}`" if param.metavar else ""
    default = param.default
    # Enums are shown by their value; switches and what is left out have no default to show.
    shown = getattr(default, "value", default)
    told = f" Default: `{shown}`." if shown not in (None, False, ()) else ""
    cells = [f"{names}{metavar}", f"{param.help or ''}{told}"]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
