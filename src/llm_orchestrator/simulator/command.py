"""The command behind `llmo sim` and `python -m llm_orchestrator.simulator`."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llm_orchestrator.simulator.batches.settings import pairs
from llm_orchestrator.simulator.faults import FaultNameError
from llm_orchestrator.simulator.server import Simulator


def parser() -> argparse.ArgumentParser:
    """The options of the command; each is a field of `Settings`."""
    options = argparse.ArgumentParser(
        prog="llmo sim",
        description="Serve fake LLM providers on the wire, with a bill at /_ledger.",
    )
    add = options.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=8090, help="port; 0 picks a free one")
    add("--seed", type=int, default=1, help="the same seed gives the same answers and faults")
    add("--latency", default="none", help="none, realistic, or <first>,<token> in seconds")
    add("--speed", type=float, default=1.0, help="latency and batches pass this many times faster")
    add("--fault-rate", type=float, default=0.0, help="share of requests with a fault, 0 to 1")
    add("--fault-mix", type=json.loads, default=None, help='JSON: {"<fault>": weight, ...}')
    add("--timings", default="full", choices=["full", "fast"], help="how long faults last")
    add("--rpm", type=int, default=None, help="requests a minute for each account and model")
    add("--tpm", type=int, default=None, help="tokens a minute for each account and model")
    add("--in-flight", type=int, default=None, help="requests at once for each account and model")
    add("--key", action="append", default=[], help="accept only this API key; may be repeated")
    add("--batch", type=pairs, default={}, help="settings of batches: queue=600,openai.item=0.1")
    add("--price-file", type=Path, default=None, help="a price file other than the package's")
    add("--ledger-file", type=Path, default=None, help="append each settled bill row as JSON")
    add("--port-file", type=Path, default=None, help="write the address to this file when ready")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command until SIGTERM or SIGINT; returns the exit code."""
    given = parser().parse_args(argv)
    names = {"mix": given.fault_mix, "keys": tuple(given.key)}
    plain = ("seed", "latency", "speed", "fault_rate", "timings", "rpm", "tpm", "in_flight")
    settings = {name: getattr(given, name) for name in plain} | names
    settings |= {"price_file": given.price_file, "ledger_file": given.ledger_file}
    settings |= {"batch": given.batch}
    try:
        serve(given.port, given.host, port_file=given.port_file, **settings)
    except (ValueError, FaultNameError, OSError) as error:
        sys.stderr.write(f"llmo sim: {error}\n")
        return 2
    return 0


def serve(
    port: int = 8090,
    host: str = "127.0.0.1",
    *,
    port_file: Path | None = None,
    ready: Callable[[Simulator], None] | None = None,
    **settings: Any,
) -> None:
    """Serve until SIGTERM or SIGINT. The first line on stdout is the address.

    `ready` is called once the server listens, in place of printing; settings are those of
    `Settings`. Raises OSError when the port is taken, ValueError for a wrong setting.
    """
    asyncio.run(_serve(port, host, port_file, ready or _announce, settings))


def _announce(simulator: Simulator) -> None:
    sys.stdout.write(f"{simulator.url}\n")
    sys.stdout.flush()


async def _serve(
    port: int,
    host: str,
    port_file: Path | None,
    ready: Callable[[Simulator], None],
    settings: dict[str, Any],
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    async with Simulator(port, host, **settings) as simulator:
        if port_file:
            _write(port_file, f"{simulator.url}\n")
        ready(simulator)
        await stopped.wait()


def _write(path: Path, text: str) -> None:
    """Write in one step, so that a waiting reader never sees half of it."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
