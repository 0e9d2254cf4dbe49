"""``llmo doctor``: is everything in place."""

from typing import Annotated

import typer

from llm_orchestrator.cli import faults, options, output


def doctor(
    online: Annotated[
        bool, typer.Option("--online", metavar="", help="Also ask the configured providers.")
    ] = False,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Check versions, configuration, keys, prices and the ledger; no key is ever shown."""
    from llm_orchestrator.cli.selftest import findings
    from llm_orchestrator.cli.selftest_routing import Finding

    seen: list[Finding] = []
    for finding in findings(config, online=online):
        seen.append(finding)
        if not as_json:
            output.mark(finding.state, finding.title)
            for fact in finding.facts:
                output.line(f"    {fact}")
    faulty = [finding.title for finding in seen if finding.state == "fault"]
    if as_json:
        output.json({"ok": not faulty, "findings": seen})
    else:
        output.line(f"\nTest summary: {len(seen) - len(faulty)}/{len(seen)} passed")
    if faulty:
        raise typer.Exit(faults.USAGE if "Configuration" in faulty else faults.FAILED)
