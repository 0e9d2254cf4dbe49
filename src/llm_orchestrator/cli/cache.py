"""``llmo cache``: answers that are kept."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from llm_orchestrator.store.cache_rows import CacheTotals, Shelf

group = typer.Typer(help="Answers that are kept, to be given again.", no_args_is_help=True)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _age(text: str) -> float:
    """Seconds; raises `typer.BadParameter`."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text.strip())
    if found is None:
        raise typer.BadParameter(f"expected an age like 90s, 30m, 12h or 7d, got {text!r}")
    return float(found[1]) * _UNITS[found[2]]


@group.command("stats")
def stats(
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Show how many answers are kept, how often they were given, and what that saved."""
    import time

    with _shelf(config) as shelf:
        total = shelf.totals(time.time_ns() // 1000)
        place = shelf.shown
    if as_json:
        output.json({"place": place, **_facts(total)})
        return
    from llm_orchestrator.types.money import to_usd

    for name, value in (
        ("answers", f"{total.entries:,}, and {total.expired:,} whose time has run out"),
        ("tenants", f"{total.tenants:,}"),
        ("size", f"{total.bytes / 1e6:,.1f} MB"),
        ("given again", f"{total.hits:,} times"),
        ("saved", f"{output.usd(to_usd(total.saved_pico))} by answers that are still there"),
        ("from", f"{_time(total.oldest) or '-'} to {_time(total.newest) or '-'}"),
    ):
        output.line(f"{name:<12} {value}")
    output.note(f"\n{place} · all that was ever saved: llmo costs stats")


@group.command("clear")
def clear(
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than",
            metavar="AGE",
            parser=_age,
            help="Only answers made longer ago than this: 90s, 30m, 12h, 7d.",
            show_default=False,
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            "--tenant",
            metavar="ID",
            help='Only the answers of this user or tenant; "" are those of nobody.',
            show_default=False,
        ),
    ] = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Remove kept answers. Processes that run may still give them for a minute."""
    import time

    before = None if older_than is None else time.time_ns() // 1000 - int(older_than * 1e6)
    with _shelf(config) as shelf:
        removed = shelf.clear(before_us=before, tenant=tenant)
        place = shelf.shown
    if as_json:
        output.json({"place": place, "removed": removed})
        return
    output.line(f"Removed {output.count(removed, 'answer')} from {place}.")


@contextmanager
def _shelf(file: Path | None) -> Iterator["Shelf"]:
    """Where the configuration keeps answers; the place's own errors become words."""
    from llm_orchestrator.errors import ConfigError, OrchestratorError, StoreError
    from llm_orchestrator.store.cache_place import shelves

    make = shelves(options.configuration(file))
    if make is None:
        raise ConfigError(
            "cache.backend is memory: such answers end with the process that has them"
        )
    shelf = make()
    try:
        yield shelf
    except OrchestratorError:
        raise
    except Exception as error:
        reason = shelf.reason(error).rstrip(".")
        raise StoreError(f"the cache at {shelf.shown} cannot be used: {reason}") from error
    finally:
        shelf.close()


def _facts(total: "CacheTotals") -> dict[str, Any]:
    from llm_orchestrator.types.money import to_usd

    return {
        "entries": total.entries,
        "expired": total.expired,
        "bytes": total.bytes,
        "tenants": total.tenants,
        "hits": total.hits,
        "saved_usd": to_usd(total.saved_pico),
        "oldest": _time(total.oldest),
        "newest": _time(total.newest),
    }


def _time(micros: int | None) -> str | None:
    """ISO, in UTC."""
    import datetime as dt

    if micros is None:
        return None
    return dt.datetime.fromtimestamp(micros // 10**6, dt.UTC).isoformat()
