"""Results as tables for people and as plain data for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.rescue.cases import Case, Mode
from benchmarks.rescue.outcome import Result

PEERS: dict[str, int] = {
    "Reference client": 16,
    "DeepSeek Harness": 12,
    "Portkey Gateway": 11,
    "Bifrost": 9,
    "LiteLLM proxy": 9,
    "LiteLLM Router": 9,
    "LangChain with fallbacks": 9,
    "openai SDK": 6,
    "no gateway": 4,
}
"""Cases passed of 16, as published in the Failover Bench scorecard of 2026-09-12."""

_COLOURS = {"pass": "green", "partial": "yellow", "safe": "cyan", "fail": "bold red"}


def did(result: Result) -> str:
    """What we did, in short: attempts on primary and fallback, gap, seconds."""
    found = result.outcome
    parts = [f"{len(found.primary)}p/{len(found.fallback)}f"]
    if found.series:
        down = [one for one in found.series if one.at < found.down]
        parts.append(f"{sum(one.complete for one in down)}/{len(down)} served while down")
        parts.append("never back" if found.back is None else f"back after {found.back:.0f} s")
        return ", ".join(parts)
    if found.gap is not None:
        parts.append(f"gap {found.gap:.1f} s")
    parts.append(f"{found.wall:.1f} s")
    return ", ".join(parts)


def show(
    console: Console,
    cases: Sequence[Case],
    more: Sequence[Case],
    results: Sequence[Result],
    modes: Sequence[Mode],
) -> None:
    """The sixteen in detail, the same in the other modes, and what went wrong."""
    by = {(one.case, one.mode): one for one in results}
    first = modes[0]
    table = Table(title=f"Failover: {len(cases)} cases, {first}", title_justify="left")
    for name in ("case", "the provider", "what we did", "verdict"):
        table.add_column(name, no_wrap=name in {"case", "verdict"})
    for case in cases:
        one = by[case.id, first]
        table.add_row(case.id, case.fault, did(one), _verdict(one))
    console.print(table)
    if more or len(modes) > 1:
        console.print(_others([*cases, *more], by, modes))
    for one in results:
        for what in one.wrong:
            console.print(Text(f"{one.case} ({one.mode}): {what}", _COLOURS[one.verdict]))


def _others(
    cases: Sequence[Case], by: dict[tuple[str, str], Result], modes: Sequence[Mode]
) -> Table:
    table = Table(title="In every mode", title_justify="left")
    table.add_column("case", no_wrap=True)
    for mode in modes:
        table.add_column(mode)
    for case in cases:
        row = [by.get((case.id, mode)) for mode in modes]
        table.add_row(case.id, *(_cell(one) if one else Text("-", "dim") for one in row))
    return table


def _cell(result: Result) -> Text:
    found = result.outcome
    tail = f" {len(found.primary)}p/{len(found.fallback)}f"
    if not found.series:
        tail += f" {found.wall:.1f} s"
    return Text.assemble(_verdict(result), (tail, "dim"))


def _verdict(result: Result) -> Text:
    return Text(result.verdict, _COLOURS[result.verdict])


def totals(cases: Sequence[Case], results: Sequence[Result], mode: Mode) -> str:
    """One line: how many of the sixteen have which verdict."""
    ids = {case.id for case in cases}
    mine = [one for one in results if one.mode == mode and one.case in ids]
    count = Counter[str](one.verdict for one in mine)
    words = [f"{count[name]} {name}" for name in _COLOURS if count[name]]
    return f"{', '.join(words)} of {len(mine)}"


def peers() -> str:
    """One line: what others pass, as published."""
    return ", ".join(f"{name} {count}" for name, count in PEERS.items())


def as_data(
    cases: Sequence[Case], results: Sequence[Result], mode: Mode, profile: str
) -> dict[str, Any]:
    """Everything, for ``--json``."""
    ids = {case.id for case in cases}
    passed = [r for r in results if r.case in ids and r.mode == mode and r.verdict == "pass"]
    return {
        "profile": profile,
        "cases": len(cases),
        "passed": len(passed),
        "peers": PEERS,
        "results": [
            {
                "case": one.case,
                "mode": one.mode,
                "verdict": one.verdict,
                "wrong": list(one.wrong),
                "attempts_primary": len(one.outcome.primary),
                "attempts_fallback": len(one.outcome.fallback),
                "gap_s": one.outcome.gap,
                "wall_s": round(one.outcome.wall, 3),
                "back_s": one.outcome.back,
                "model": one.outcome.model,
                "error": one.outcome.error,
            }
            for one in results
        ],
    }
