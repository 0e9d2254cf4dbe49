"""``llmo providers``: who can be asked, and what the others need."""

from typing import TYPE_CHECKING, Any

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from llm_orchestrator.providers.resolve import Directory
    from llm_orchestrator.types.provider import Provider


def providers(
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """List the providers, and which of them are configured."""
    from llm_orchestrator.providers.resolve import Directory

    directory = Directory(options.configuration(config))
    usable = [row.name for row in directory.configured()]
    if as_json:
        output.json([_facts(directory, row, usable) for row in directory.rows.values()])
        return
    remote = [row for row in directory.rows.values() if not at_home(row)]
    near = [row for row in directory.rows.values() if at_home(row)]
    remote.sort(key=lambda row: row.name not in usable)
    output.show(output.table(_COLUMNS, [_cells(directory, row, usable) for row in remote]))
    ready = sum(row.name in usable for row in remote)
    output.line(f"\n{ready}/{len(remote)} configured")
    output.line("\nServers of your own, used when the configuration names them:\n")
    output.show(output.table(_COLUMNS, [_cells(directory, row, usable) for row in near]))


_COLUMNS = ("  provider", "name", "default model", "state")


def at_home(row: "Provider") -> bool:
    """Whether only its user knows where it is."""
    from llm_orchestrator.providers.table import TABLE

    listed = TABLE.get(row.name, row)
    return row.local or not listed.base_url or listed.base_url.startswith("{")


def _cells(directory: "Directory", row: "Provider", usable: list[str]) -> list[Any]:
    from rich.text import Text

    ready = row.name in usable
    mark = Text("● ", "green") if ready else Text("○ ", "dim")
    state = "ready" if ready else _short(directory, row)
    return [
        mark + Text(row.name, "bold" if ready else ""),
        row.label,
        row.default_model or Text("-", "dim"),
        Text(state, "green" if ready else "dim"),
    ]


def _short(directory: "Directory", row: "Provider") -> str:
    if at_home(row) and row.name not in directory.config.providers:
        return "not in use"
    named = row.name in directory.config.providers
    if not named and row.key is None and row.key_env:
        return f"set {row.key_env[0]}"
    return directory.fault(row.name) or "not in use"


def _facts(directory: "Directory", row: "Provider", usable: list[str]) -> dict[str, object]:
    return {
        "name": row.name,
        "display_name": row.label,
        "configured": row.name in usable,
        "needs": directory.fault(row.name),
        "default_model": row.default_model or None,
        "dialect": row.dialect,
        "base_url": row.base_url or None,
        "local": row.local,
        "capabilities": row.capability_words,
    }
