"""What was written comes back from every format, however it is cut into pieces."""

import csv
import io
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator.bulk.rows import stream
from llm_orchestrator.bulk.rows.reading import read_rows

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | CELL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELL, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(st.dictionaries(CELL, VALUE, max_size=4), max_size=8)


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data = data
        self._sizes = sizes
        self._turn = 0

    def read(self, size: int = -1) -> bytes:
        most = self._sizes[self._turn % len(self._sizes)]
        self._turn += 1
        piece, self._data = self._data[:most], self._data[most:]
        return piece


def rows(data: bytes, sizes: list[int], format: Any) -> list[Any]:
    head = stream.HEAD
    stream.HEAD = min(sizes)  # else the first 64 kB are one piece
    try:
        source: Any = Trickle(data, sizes)
        return [row.data for row in read_rows(source, format=format)]
    finally:
        stream.HEAD = head


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@settings(deadline=None)
@given(OBJECTS, SIZES)
def test_json_lines(values: list[dict[str, Any]], sizes: list[int]) -> None:
    data = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()
    assert rows(data, sizes, "jsonl") == values


@settings(deadline=None)
@given(OBJECTS, SIZES, st.sampled_from([None, 1]), st.booleans())
def test_json_array(
    values: list[dict[str, Any]], sizes: list[int], indent: int | None, plain: bool
) -> None:
    data = json.dumps(values, ensure_ascii=plain, indent=indent).encode()
    assert rows(data, sizes, "json") == values


@settings(deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL, CELL), max_size=8),
    SIZES,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(",;\t|"),
)
def test_csv(cells: list[tuple[str, ...]], sizes: list[int], end: str, sign: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, delimiter=sign, quoting=csv.QUOTE_ALL)
    names = ("id", "a", "b")
    writer.writerow(names)
    writer.writerows(cells)
    wanted = [dict(zip(names, row, strict=True)) for row in cells]
    assert rows(text.getvalue().encode(), sizes, "csv") == wanted


def parsed(text: str) -> Any:
    """What the whole text means; ``None`` when it is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


BROKEN = st.tuples(OBJECTS.filter(bool), st.integers(0, 10**6), st.sampled_from('{}[],":x\\ \n'))


def broken(text: str, place: int, sign: str) -> str:
    place %= len(text)
    return text[:place] + sign + text[place + 1 :]


@settings(deadline=None, max_examples=300)
@given(BROKEN)
def test_nothing_of_an_array_is_lost_in_silence(
    given: tuple[list[dict[str, Any]], int, str],
) -> None:
    """Whatever one letter breaks: either the text is right and all is there, or it is told."""
    values, place, sign = given
    text = broken(json.dumps(values, ensure_ascii=False), place, sign)
    if not text.startswith("["):
        return  # it is taken for another format
    found = list(read_rows(io.BytesIO(text.encode()), format="json"))
    good = [row.data for row in found if row.data is not None]
    told = [row for row in found if row.error is not None]
    assert told or good == parsed(text)


@settings(deadline=None, max_examples=300)
@given(BROKEN)
def test_each_line_of_json_lines_is_a_row_or_is_told(
    given: tuple[list[dict[str, Any]], int, str],
) -> None:
    values, place, sign = given
    text = broken("\n".join(json.dumps(one, ensure_ascii=False) for one in values), place, sign)
    if text.lstrip().startswith("["):
        return  # it is taken for an array
    found = list(read_rows(io.BytesIO(text.encode()), format="jsonl"))
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    assert [row.number for row in found] == [number for number, _ in lines]
    for row, (_, line) in zip(found, lines, strict=True):
        whole = parsed(line)
        assert row.data == whole if isinstance(whole, dict) else row.error is not None
