"""``llmo models``: what can be asked, at which price."""

import datetime as dt
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_orchestrator.cli import options, output

if TYPE_CHECKING:
    from llm_orchestrator.config import Config
    from llm_orchestrator.types.model import Model, Price


def models(
    provider: options.ProviderName = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", metavar="", help="Ask the providers what there is.")
    ] = False,
    refresh_prices: Annotated[
        bool, typer.Option("--refresh-prices", metavar="", help="Take newer prices into use.")
    ] = False,
    prices_from: Annotated[
        str | None,
        typer.Option(
            "--prices-from",
            metavar="FILE|URL",
            show_default=False,
            help="Where newer prices are; else LLMO_PRICES_URL.",
        ),
    ] = None,
    retired: Annotated[
        bool, typer.Option("--retired", metavar="", help="Also those that are offered no more.")
    ] = False,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """List the models of the configured providers, or of one provider."""
    settings = options.configuration(config)
    if refresh_prices or prices_from:
        _refresh_prices(settings, prices_from)
    with options.orchestrator(settings) as orchestrator:
        if refresh:
            found = orchestrator.refresh_models(provider)
        else:
            found = orchestrator.get_available_models(provider)
    shown = [model for model in found if retired or not _gone(model)]
    if as_json:
        output.json([_facts(model) for model in shown])
        return
    if not shown and provider:
        output.note(f"No models of {provider} are known; --refresh asks it for its list.")
        return
    if not shown:
        output.note("No models: no provider is configured. `llmo providers` shows what is needed.")
        return
    output.show(output.table(_COLUMNS, [_cells(model) for model in shown], right=_COLUMNS[1:5]))
    hidden = len(found) - len(shown)
    rest = f" ({hidden} retired ones with --retired)" if hidden else ""
    output.note(f"\n{output.count(len(shown), 'model')}{rest}; USD per million tokens")
    output.note(_origin(shown))


def _origin(shown: list["Model"]) -> str:
    """Where the lists come from, and how old they are."""
    found = {model.provider: model.found_at for model in shown if model.found_at is not None}
    if not found:
        return "From the catalogue; --refresh asks the providers what the account may use"
    ages: dict[str, list[str]] = {}
    for name, at in sorted(found.items(), key=lambda one: -one[1]):
        ages.setdefault(_age(at), []).append(name)
    told = "; ".join(f"{age}: {', '.join(names)}" for age, names in ages.items())
    others = {model.provider for model in shown} - set(found)
    rest = "; the others are of the catalogue" if others else ""
    return f"As the providers told {told}{rest} (--refresh asks anew)"


def _age(found_at: int) -> str:
    """How long ago that was, in its largest unit."""
    seconds = max(0, time.time_ns() // 10**9 - found_at // 10**6)
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{output.count(seconds // size, word)} ago"
    return "just now"


def _refresh_prices(settings: "Config", source: str | None) -> None:
    from llm_orchestrator.cli.prices import refresh

    took = refresh(settings, source)
    what = f"prices of {took.version}, {output.count(took.models, 'model')}"
    output.note(f"Now in use: {what}." if took.installed else f"Not newer than ours: {what}.")


_COLUMNS = ("model", "input", "output", "cached", "context", "")


def _cells(model: "Model") -> list[Any]:
    from rich.text import Text

    from llm_orchestrator.catalog import price_on

    price = price_on(model)
    shown = ("tools", "vision", "schema", "reasoning")
    can = [word for word in shown if word in (model.abilities or ())]
    what = " ".join(can) if model.mode == "chat" else model.mode
    fate = _fate(model)
    end = Text(fate, "dim") if _gone(model) else Text(f"{what}  {fate}".strip())
    return [
        f"{model.provider}/{model.id}",
        _price(price, "input"),
        _price(price, "output"),
        _price(price, "cache_read"),
        "" if model.context is None else f"{model.context:,}",
        end,
    ]


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def _gone(model: "Model") -> bool:
    return model.retired is not None and model.retired <= _today()


def _fate(model: "Model") -> str:
    then = f", use {model.successor}" if model.successor else ""
    if model.retired:
        return f"{'retired' if _gone(model) else 'until'} {model.retired}{then}"
    return f"deprecated {model.deprecated}{then}" if model.deprecated else ""


def _iso(micros: int) -> str:
    return dt.datetime.fromtimestamp(micros // 10**6, dt.UTC).isoformat()


def _rate(price: "Price | None", name: str) -> Decimal | None:
    rate: int | None = getattr(price, name, None)
    # 10**-12 USD a token are 10**-6 USD a million of them.
    return None if rate is None else Decimal(rate).scaleb(-6).normalize()


def _price(price: "Price | None", name: str) -> str:
    rate = _rate(price, name)
    if rate is None:
        return "-"
    return f"{rate:.2f}" if rate == rate.quantize(Decimal("0.01")) else f"{rate:f}"


def _facts(model: "Model") -> dict[str, Any]:
    from llm_orchestrator.catalog import price_on

    price = price_on(model)
    names = ("input", "output", "cache_read", "cache_write")
    return {
        "provider": model.provider,
        "model": model.id,
        "mode": model.mode,
        "usd_per_million": {name: _rate(price, name) for name in names},
        "context": model.context,
        "max_output": model.max_output,
        "abilities": None if model.abilities is None else sorted(model.abilities),
        "deprecated": model.deprecated,
        "retired": model.retired,
        "successor": model.successor,
        "known": model.known,
        "found_at": None if model.found_at is None else _iso(model.found_at),
    }
