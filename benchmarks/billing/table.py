"""The comparison as a table for people and as plain data for programs."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.billing.books import Line

_COLOURS = {
    "=": "green",
    "free": "green",
    "est.": "yellow",
    "no price": "yellow",
    "-": "dim",
    "DIFFERS": "bold red",
}


def usd(amount: Decimal | None) -> str:
    """Exact USD as plain text, to the last digit that is not 0."""
    if amount is None:
        return ""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def show(console: Console, lines: Sequence[Line]) -> None:
    """All lines, what is estimated and what differs."""
    table = Table(title="What is owed, in USD, by three accounts", title_justify="left")
    for name in ("row", "scenario", "model", "asked", "ours", "billed", "recomputed", ""):
        right = name in {"asked", "ours", "billed", "recomputed"}
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "model")
    before = ""
    for line in lines:
        if before and line.row != before:
            table.add_section()
        table.add_row(
            "" if line.row == before else line.row,
            line.scenario,
            line.model,
            str(line.requests or ""),
            usd(line.ours),
            usd(line.billed),
            usd(line.recomputed),
            Text(line.verdict, _COLOURS[line.verdict]),
        )
        before = line.row
    console.print(table)
    _notes(console, lines)
    counted = Counter(line.verdict for line in lines)
    requests = sum(line.requests for line in lines)
    console.print(
        f"{requests} requests: {counted['=']} lines equal to the last digit, "
        f"{counted['free']} free, {counted['est.']} estimated, {counted['no price']} unpriced, "
        f"{counted['-']} that a row does not have, {counted['DIFFERS']} that differ"
    )


def _notes(console: Console, lines: Sequence[Line]) -> None:
    for line in lines:
        if line.held is not None and line.verdict != "DIFFERS":
            amounts = f"ours {usd(line.guessed)}, owed {usd(line.owed)}, at most {usd(line.held)}"
            note = f"{line.row}, {line.scenario}: {line.reason}: {amounts}"
            console.print(Text(note, "yellow"), soft_wrap=True)
        elif line.verdict == "no price":
            console.print(Text(f"{line.row}, {line.scenario}: {line.reason}", "yellow"))
    for line in lines:
        if line.verdict == "DIFFERS":
            note = f"{line.row}, {line.scenario}: {line.reason}"
            console.print(Text(note, "bold red"), soft_wrap=True)


def as_data(lines: Sequence[Line]) -> dict[str, Any]:
    """The same, amounts as exact text."""
    rows = [
        {
            "row": line.row,
            "scenario": line.scenario,
            "verdict": line.verdict,
            "reason": line.reason,
            "model": line.model,
            "requests": line.requests,
            "ours": usd(line.ours) or None,
            "billed": usd(line.billed) or None,
            "recomputed": usd(line.recomputed) or None,
            "estimate": [usd(one) or None for one in (line.guessed, line.owed, line.held)],
        }
        for line in lines
    ]
    return {"lines": rows}
