"""``llmo health``: do the providers answer."""

import typer

from llm_orchestrator.cli import faults, options, output


def health(
    provider: options.ProviderName = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Ask each configured provider for its models, which costs nothing."""
    from llm_orchestrator.errors import ConfigError

    with options.orchestrator(options.configuration(config)) as orchestrator:
        found = orchestrator.health(provider)
    if not found:
        raise ConfigError("no provider is configured")
    if as_json:
        output.json(found)
    else:
        from rich.text import Text

        rows = [
            (
                Text("● ", "green" if one.healthy else "red") + Text(one.provider),
                Text(one.status, "green" if one.healthy else "red"),
                output.seconds(one.latency_s),
                one.message,
            )
            for one in found
        ]
        output.show(output.table(("  provider", "state", "time", ""), rows, right=("time",)))
    failed = sum(not one.healthy for one in found)
    if failed:
        raise typer.Exit(faults.FAILED if failed == len(found) else faults.PARTIAL)
