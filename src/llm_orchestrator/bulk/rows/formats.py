"""Rows out of CSV, JSON lines and JSON."""

import csv
import re
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any

import msgspec

from llm_orchestrator.bulk.rows.row import Row, RowError
from llm_orchestrator.bulk.rows.stream import LONGEST, Stream
from llm_orchestrator.errors import InvalidRequestError

_SHOWN = 500
"""Characters of what could not be read that are kept."""
_DELIMITERS = ",;\t|"
_CELL = 1 << 24
"""Characters of one cell at most."""
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


# ------------------------------------------------------------------ CSV


def csv_rows(stream: Stream) -> Iterator[Row]:
    """Rows by the names of the first line; the delimiter is what that line has most of."""
    if csv.field_size_limit() < _CELL:
        csv.field_size_limit(_CELL)  # of the whole process, and only ever wider
    lines = _Texts(stream)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
    delimiter = _delimiter(first)
    # The header may have quoted line breaks, too.
    reader = csv.reader(_again(first, lines), delimiter=delimiter, strict=True)
    start = lines.number
    try:
        header = next(reader)
    except csv.Error as error:
        raise InvalidRequestError(f"{stream.name}: the first line is no CSV: {error}") from None
    names = _names(header, stream.name)
    width = len(names)
    lines.faults, lines.first = [], ""
    shift = start - 1
    while True:
        begin = shift + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fault = RowError(_csv_fault(error, shift + reader.line_num - begin), "broken")
            raw, lines.faults, lines.first = lines.first[:_SHOWN].rstrip("\r\n"), [], ""
            yield Row(begin, None, fault, raw)
            continue
        lines.first = ""
        if lines.faults:
            fault = lines.faults[0]
            lines.faults = []
            yield Row(begin, None, fault, _shown(cells))
        elif len(cells) == width:
            yield Row(begin, dict(zip(names, cells, strict=True)))
        elif cells:
            what = f"{len(cells)} cells, where the header has {width}"
            yield Row(begin, None, RowError(what, "cells"), _shown(cells))


class _Texts:
    """The lines of a stream as text; notes those that are none."""

    def __init__(self, stream: Stream) -> None:
        self._lines = stream.lines()
        self.number = 0
        """The number of the last line that was read."""
        self.first = ""
        """The first since this was emptied."""
        self.faults: list[RowError] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            try:
                text = line.decode()
            except UnicodeDecodeError:
                self.faults.append(_NOT_UTF8)
                text = line.decode(errors="replace")
            if len(line) > LONGEST:
                self.faults.append(_TOO_LONG)
                text = text[:_SHOWN].replace('"', "'")
            self.first = self.first or text
            yield text


_NOT_UTF8 = RowError("this is no UTF-8: save the file as UTF-8", "encoding")
_TOO_LONG = RowError(f"the line is longer than {LONGEST:,} bytes", "broken")


def _again(first: str, lines: _Texts) -> Iterator[str]:
    yield first
    yield from lines


def _delimiter(line: str) -> str:
    """The one that stands most often outside of quotes in the header; a comma if none does."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(_DELIMITERS, key=lambda sign: (bare.count(sign), -_DELIMITERS.index(sign)))


def _names(header: list[str], source: str) -> list[str]:
    names = [name.strip() or f"column_{n}" for n, name in enumerate(header, 1)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidRequestError(f"{source}: two columns are called {twice!r}")
    return names


def _csv_fault(error: csv.Error, lost: int) -> str:
    text = str(error)
    if "field limit" in text and lost <= 0:
        return f"a cell is longer than {_CELL:,} characters"
    if "unexpected end" in text or "field limit" in text:
        lines = "1 more line is" if lost == 1 else f"{lost:,} more lines are"
        more = f"; {lines} lost with it" if lost > 0 else ""
        return f"a quote opens a cell here and is never closed{more}"
    return f"this is no CSV: {text}"


def _shown(cells: list[str]) -> str:
    return ",".join(cells)[:_SHOWN]


# ------------------------------------------------------------------ JSON lines


def jsonl_rows(stream: Stream) -> Iterator[Row]:
    """One object a line; empty lines are none."""
    decode = msgspec.json.decode
    for number, line in enumerate(stream.lines(), 1):
        try:
            value = decode(line)
        except _UNREADABLE as error:
            if line.strip():
                yield _broken(number, line, error)
            continue
        yield _row(number, value, line)


def _broken(number: int, line: bytes, error: Exception) -> Row:
    raw = line[: 4 * _SHOWN].decode(errors="replace").rstrip("\r\n")[:_SHOWN]
    if len(line) > LONGEST:
        return Row(number, None, _TOO_LONG, raw)
    try:
        line.decode()
    except UnicodeDecodeError:
        return Row(number, None, _NOT_UTF8, raw)
    reason = str(error) or "nested too deeply"
    return Row(number, None, RowError(f"this is no JSON: {reason}", "broken"), raw)


def _row(number: int, value: Any, raw: bytes | str) -> Row:
    if type(value) is dict:
        return Row(number, value)
    text = raw if isinstance(raw, str) else raw[: 4 * _SHOWN].decode(errors="replace")
    what = f"expected an object of columns, got {_kind(value)}"
    return Row(number, None, RowError(what, "broken"), text.strip()[:_SHOWN])


def _kind(value: Any) -> str:
    words = {type(None): "null", list: "a list", str: "text", bool: "true or false"}
    return words.get(type(value), "a number")


# ------------------------------------------------------------------ one JSON array

_SPACE = re.compile(r"[ \t\r\n]*")
_SIGNS = re.compile(r'["{}\[\]]|\\.', re.DOTALL)
_NEAR_END = 16
"""Characters before the end of what was read in which a mistake may be that it goes on."""


def json_rows(stream: Stream) -> Iterator[Row]:
    """The objects of one array, each read by itself; numbers count from 1."""
    text = _Window(stream)
    if text.skip("[") is None:
        return  # nothing but space
    number = 0
    if text.next_sign() == "]":
        text.at += 1
    else:
        while True:
            number += 1
            yield text.element(number)
            sign = text.next_sign()
            if sign in {",", "]"}:
                text.at += 1
            if sign == "]":
                break
            if sign != ",":
                what = (
                    "the array is never closed" if not sign else f"a comma is missing, not {sign!r}"
                )
                yield Row(number + 1, None, RowError(what, "broken"), text.shown())
                if not sign or not text.recover():
                    return
    if sign := text.next_sign():
        what = "there is something after the array"
        yield Row(number + 1, None, RowError(what, "broken"), text.shown())


class _Window:
    """The part of the text that is being read."""

    def __init__(self, stream: Stream) -> None:
        import codecs

        self._pieces = stream.pieces()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._scan = JSONDecoder().raw_decode
        self._text = ""
        self.at = 0

    def next_sign(self) -> str:
        """The next character that is no space, which is not taken; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self._text):
                return self._text[self.at]
            if not self._more():
                return ""

    def skip(self, sign: str) -> str | None:
        """Takes the next sign, if it is this one."""
        if self.next_sign() != sign:
            return None
        self.at += 1
        return sign

    def shown(self) -> str:
        """The beginning of what comes."""
        return self._text[self.at : self.at + _SHOWN]

    def element(self, number: int) -> Row:
        """The value that begins here."""
        self.next_sign()
        while True:
            try:
                _, end = self._scan(self._text, self.at)
            except JSONDecodeError as error:
                if self._unfinished(error) and self._more():
                    continue
                return self._skipped(number, f"this is no JSON: {error.msg}")
            except RecursionError:
                return self._skipped(number, "this is no JSON: nested too deeply")
            # A number may go on in the next piece.
            if end == len(self._text) and self._more():
                continue
            raw, self.at = self._text[self.at : end], end
            try:
                # The scanner is lenient: only what is JSON to everybody is a row.
                return _row(number, msgspec.json.decode(raw), raw)
            except _UNREADABLE as error:
                reason = str(error) or "nested too deeply"
                fault = RowError(f"this is no JSON: {reason}", "broken")
                return Row(number, None, fault, raw[:_SHOWN])

    def recover(self) -> bool:
        """Go to where the next object begins; whether there is one."""
        while (place := self._text.find("{", self.at)) < 0:
            self.at = len(self._text)
            if not self._more():
                return False
        self.at = place
        return True

    def _unfinished(self, error: JSONDecodeError) -> bool:
        size = len(self._text) - self.at
        if size > LONGEST:
            return False
        open_text = error.msg.startswith("Unterminated string")
        return open_text or error.pos >= len(self._text) - _NEAR_END

    def _skipped(self, number: int, reason: str) -> Row:
        """An error for the value here, and on to what comes after it."""
        raw = self.shown()
        depth, quoted, place = 0, False, self.at
        while True:
            found = _SIGNS.search(self._text, place)
            if found is None:
                self.at = place = len(self._text)
                if not self._more():
                    break
                place = self.at
                continue
            sign, place = found[0], found.end()
            if sign == '"':
                quoted = not quoted
            elif not quoted and sign in "{[":
                depth += 1
            elif not quoted and sign in "}]":
                if depth == 0:  # of the array itself
                    place -= 1
                    break
                depth -= 1
                if depth == 0:
                    break
        self.at = place
        return Row(number, None, RowError(reason, "broken"), raw)

    def _more(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._text = self._text[self.at :] + self._decode(piece)
        self.at = 0
        return True
