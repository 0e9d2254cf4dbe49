"""Printing: results on stdout, words to the user on stderr, money as exact numbers."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType
    from rich.table import Table

_RED, _GREEN, _YELLOW, _DIM, _OFF = "\x1b[1;31m", "\x1b[32m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
_PIPED_WIDTH = 160
_NARROW = 16
"""A text of more columns than these may go on in the next line."""


class ReaderGoneError(Exception):
    """Nobody reads standard output any more."""


class Results:
    """Standard output, for results. Raises `ReaderGoneError` once nobody reads on."""

    def write(self, text: str) -> int:
        """Text as it is."""
        try:
            return sys.stdout.write(text)
        except BrokenPipeError:
            raise ReaderGoneError from None

    def flush(self) -> None:
        """What was written shall be seen now."""
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise ReaderGoneError from None


results = Results()
write = results.write
flush = results.flush


def line(text: str = "") -> None:
    """A line of a result."""
    write(f"{text}\n")


def note(text: str) -> None:
    """A word to the user, out of the way of results."""
    _say(text, _DIM)


def warn(text: str) -> None:
    """A warning."""
    _say(f"llmo: warning: {text}", _YELLOW)


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Shows that something goes on, if somebody looks."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def fail(text: str, hint: str = "") -> None:
    """An error, and what to do about it."""
    label = f"{_RED}error:{_OFF}" if _coloured(sys.stderr) else "error:"
    sys.stderr.write(f"llmo: {label} {text}\n")
    if hint:
        _say(f"      {hint}", _DIM)


def json(value: object) -> None:
    """A result as JSON."""
    write(json_text(value))


def json_text(value: object) -> str:
    """JSON text; amounts of money are numbers with all their digits (``0.0000001``)."""
    import msgspec

    text = msgspec.json.encode(_exact(value))
    return msgspec.json.format(text, indent=2).decode() + "\n"


def json_line(value: object) -> str:
    """The same on one line, without its end."""
    import msgspec

    return msgspec.json.encode(_exact(value)).decode()


def save(text: str, path: "Path | None") -> None:
    """Writes a result to a file, or to stdout where none was named."""
    if path is None:
        write(text)
    else:
        path.expanduser().write_text(text, encoding="utf-8")
        note(f"Wrote {path}.")


def remove(path: "Path") -> None:
    """Removes the file that a failed write left: half of a result is worse than none."""
    with suppress(OSError):
        if path.is_file():
            path.unlink()


def listen() -> None:
    """Show what the package logs as warnings like all others."""
    import logging

    class Warn(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warn(record.getMessage())

    log = logging.getLogger("llm_orchestrator")
    if not log.hasHandlers():
        log.addHandler(Warn(logging.WARNING))


def mark(state: Literal["ok", "note", "fault"], title: str) -> None:
    """A line of a check list."""
    sign, colour = {"ok": ("✓", _GREEN), "note": ("•", _YELLOW), "fault": ("✗", _RED)}[state]
    line(f"{colour}{sign}{_OFF} {title}" if _coloured(sys.stdout) else f"{sign} {title}")


def usd(amount: Decimal | None, *, unknown: str = "unknown", places: int | None = None) -> str:
    """An amount for people: ``$12.35``, ``$0.0105``; small ones keep their leading digits."""
    if amount is None:
        return unknown
    if amount == 0 and places is None:
        return "$0"
    return f"${amount:,.{_places(amount) if places is None else places}f}"


def places(amounts: Iterable[Decimal | None]) -> int:
    """The decimal places with which all amounts of a column show some of their digits."""
    return max((_places(amount) for amount in amounts if amount), default=2)


def _places(amount: Decimal) -> int:
    return 2 if amount >= 1 else min(max(4, 2 - amount.adjusted()), 12)


def seconds(duration: float) -> str:
    """A duration for people: ``5 ms``, ``1.2 s``."""
    return f"{duration * 1000:.0f} ms" if duration < 1 else f"{duration:.1f} s"


def count(number: int, word: str, words: str = "") -> str:
    """A number with its noun: ``1 model``, ``2 models``."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def show(drawing: "RenderableType") -> None:
    """Draws a table or the like on stdout: as wide as the terminal, and wide enough in a pipe."""
    from rich.console import Console

    # A table that cannot be made as narrow as the terminal is wider: a number that is cut is wrong.
    width = max(_width(), getattr(drawing, "min_width", None) or 0)
    console = Console(file=sys.stdout, highlight=False, width=width)
    with console.capture() as captured:
        console.print(drawing)
    # Cells are padded to the full width, which nobody wants in a pipe or a copied text.
    write("".join(f"{row.rstrip()}\n" for row in captured.get().splitlines()))


def _width() -> int:
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return _PIPED_WIDTH if piped else shutil.get_terminal_size().columns


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    total: Sequence[object] = (),
) -> "Table":
    """A calm table: no lines, dim heads, the columns in ``right`` aligned for numbers.

    Numbers are never cut. Where there is no room, texts go on in the next line.
    """
    from rich.table import Table
    from rich.text import Text

    cells = [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in rows]
    last = [Text(str(cell), "bold") for cell in total]
    widths = [
        max(
            cell.cell_len
            for cell in (Text(column), *(row[i] for row in (*cells, last) if len(row) > i))
        )
        for i, column in enumerate(columns)
    ]
    numbers = [column in right for column in columns]
    least = sum(
        width if is_number else min(width, _NARROW)
        for width, is_number in zip(widths, numbers, strict=True)
    )
    gaps = len(columns) - 1
    # The first cell says what a row is about: it goes on in one line as long as it can.
    whole = least + max(0, widths[0] - _NARROW) * (not numbers[0])
    gap = next((gap for gap in (3, 2) if whole + gap * gaps <= _width()), 1)
    made = Table(
        box=None,
        header_style="dim",
        pad_edge=False,
        padding=(0, gap, 0, 0),
        min_width=least + gap * gaps,
    )
    for i, column in enumerate(columns):
        made.add_column(
            column,
            justify="right" if numbers[i] else "left",
            no_wrap=numbers[i] or (i == 0 and whole + gap * gaps <= _width()),
            overflow="fold",
        )
    for row in cells:
        made.add_row(*row)
    if total:
        made.add_row()
        made.add_row(*last)
    return made


def _exact(value: object) -> Any:
    import msgspec

    if isinstance(value, Decimal):
        return msgspec.Raw(format(value, "f").encode())
    if isinstance(value, Mapping):
        return {str(key): _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_exact(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return {name: _exact(getattr(value, name)) for name in value.__struct_fields__}
    return value


def _say(text: str, colour: str) -> None:
    sys.stderr.write(f"{colour}{text}{_OFF}\n" if _coloured(sys.stderr) else f"{text}\n")


def _coloured(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
