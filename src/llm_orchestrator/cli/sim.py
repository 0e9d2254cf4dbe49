"""``llmo sim``: fake providers on the wire."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from llm_orchestrator.simulator import Simulator


def _mix(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        raise typer.BadParameter('expected JSON like {"rate-limit": 3, "cut": 1}') from None


def _pairs(text: str) -> Any:
    from llm_orchestrator.simulator.batches.settings import pairs

    try:
        return pairs(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _option(name: str, metavar: str, help: str, **more: Any) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=help, **more)


def _limit(name: str, help: str) -> Any:
    return _option(name, "N", f"{help} for each account and model.", show_default=False, min=1)


def _file(name: str, help: str) -> Any:
    return _option(name, "FILE", help, show_default=False)


Port = Annotated[int, _option("port", "N", "0 picks a free one.", min=0, max=65535)]
Host = Annotated[str, _option("host", "NAME", "Address to listen on.")]
Seed = Annotated[int, _option("seed", "N", "The same seed gives the same answers and faults.")]
Latency = Annotated[str, _option("latency", "PACE", "none, realistic, or FIRST,TOKEN seconds.")]
Speed = Annotated[float, _option("speed", "X", "Latency and batches pass X times faster.")]
FaultRate = Annotated[
    float, _option("fault-rate", "SHARE", "Requests with a fault, 0 to 1.", min=0, max=1)
]
FaultMix = Annotated[
    dict[str, int] | None,
    _option(
        "fault-mix", "JSON", 'Which ones: {"cut": 3}, by weight.', parser=_mix, show_default=False
    ),
]
Timings = Annotated[str, _option("timings", "NAME", "How long faults last: full or fast.")]
RPM = Annotated[int | None, _limit("rpm", "Requests a minute")]
TPM = Annotated[int | None, _limit("tpm", "Tokens a minute")]
InFlight = Annotated[int | None, _limit("in-flight", "Requests at once")]
Key = Annotated[
    list[str] | None,
    _option("key", "KEY", "Accept only this API key; may be given again.", show_default=False),
]
Batch = Annotated[
    dict[str, str] | None,
    _option(
        "batch",
        "PAIRS",
        "How batches behave: queue=600,openai.item=0.1.",
        parser=_pairs,
        show_default=False,
    ),
]
PriceFile = Annotated[Path | None, _file("price-file", "Prices other than the package's.")]
LedgerFile = Annotated[Path | None, _file("ledger-file", "Append each row of the bill as JSON.")]
PortFile = Annotated[Path | None, _file("port-file", "Write the address here when ready.")]


def sim(
    port: Port = 8090,
    host: Host = "127.0.0.1",
    seed: Seed = 1,
    latency: Latency = "none",
    speed: Speed = 1.0,
    fault_rate: FaultRate = 0.0,
    mix: FaultMix = None,
    timings: Timings = "full",
    rpm: RPM = None,
    tpm: TPM = None,
    in_flight: InFlight = None,
    key: Key = None,
    batch: Batch = None,
    price_file: PriceFile = None,
    ledger_file: LedgerFile = None,
    port_file: PortFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Serve fake providers on this machine, with their faults and their bill."""
    from llm_orchestrator.errors import ConfigError
    from llm_orchestrator.simulator.command import serve

    try:
        serve(
            port,
            host,
            port_file=port_file,
            ready=_tell_json if as_json else _tell,
            seed=seed,
            latency=latency,
            speed=speed,
            fault_rate=fault_rate,
            mix=mix,
            timings=timings,
            rpm=rpm,
            tpm=tpm,
            in_flight=in_flight,
            keys=tuple(key or ()),
            batch=batch or {},
            price_file=price_file,
            ledger_file=ledger_file,
        )
    except (ValueError, OSError) as error:
        raise ConfigError(f"the simulator cannot start: {error}") from None


def _places(simulator: "Simulator") -> dict[str, str]:
    """Where everything is: each provider under its name, as the real one begins its paths."""
    from llm_orchestrator.providers.table import TABLE

    own: dict[str, str] = {}
    for row in TABLE.values():
        if row.base_url and not row.local:
            _, slash, path = row.base_url.rpartition("://")[2].partition("/")
            own[row.name] = f"{simulator.url}/{row.name}{slash}{path}"
    return {"url": simulator.url, **own, "bill": f"{simulator.url}/_ledger"}


def _tell(simulator: "Simulator") -> None:
    for name, place in _places(simulator).items():
        output.line(f"{name:<11} {place}")
    output.flush()
    output.note("Give these as base_url of the providers, with any key. Ctrl-C stops it.")


def _tell_json(simulator: "Simulator") -> None:
    output.json(_places(simulator))
    output.flush()
