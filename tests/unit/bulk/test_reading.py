"""Rows of every format: what is read, what is refused as a whole, and what is one broken row."""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from llm_orchestrator.bulk.rows import stream
from llm_orchestrator.bulk.rows.reading import Reading, read_rows
from llm_orchestrator.errors import InvalidRequestError

Read = tuple[int, Any]


def read(data: bytes | str, format: Any = None) -> tuple[list[Read], Reading]:
    """Rows as number and data, or number and the code of what is wrong."""
    raw = data.encode() if isinstance(data, str) else data
    reading = read_rows(io.BytesIO(raw), format=format)
    return told(reading), reading


def told(reading: Reading) -> list[Read]:
    return [
        (row.number, row.data if row.data is not None else row.error and row.error.code)
        for row in reading
    ]


def reasons(data: bytes | str) -> list[str]:
    raw = data.encode() if isinstance(data, str) else data
    return [str(row.error) for row in read_rows(io.BytesIO(raw)) if row.error]


# ------------------------------------------------------------------ CSV


def test_csv_by_its_header() -> None:
    rows, reading = read('id,text\n1,a\n2,"b, ""c""\nd"\n\n3,\n')
    assert rows == [
        (2, {"id": "1", "text": "a"}),
        (3, {"id": "2", "text": 'b, "c"\nd'}),
        (6, {"id": "3", "text": ""}),
    ]
    assert (reading.format, reading.count, reading.lines) == ("csv", 3, True)


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_csv_with_other_delimiters(sign: str) -> None:
    rows, _ = read(f"id{sign}text\r\n1{sign}a b: c\r\n")
    assert rows == [(2, {"id": "1", "text": "a b: c"})]


def test_a_delimiter_within_quotes_does_not_count() -> None:
    rows, _ = read('"a;b;c",text\n1,2\n')
    assert rows == [(2, {"a;b;c": "1", "text": "2"})]


def test_csv_with_one_column() -> None:
    assert read("text\nhello\n")[0] == [(2, {"text": "hello"})]


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert read(b"\xef\xbb\xbfid,text\n1,a\n")[0] == [(2, {"id": "1", "text": "a"})]


def test_csv_with_line_ends_of_windows_keeps_those_within_cells() -> None:
    assert read('id,text\r\n1,"a\r\nb"\r\n2,c\r\n')[0] == [
        (2, {"id": "1", "text": "a\r\nb"}),
        (4, {"id": "2", "text": "c"}),
    ]


def test_names_of_columns_are_trimmed_and_made_up() -> None:
    assert read(" id ,,x\n1,2,3\n")[0] == [(2, {"id": "1", "column_2": "2", "x": "3"})]


def test_broken_rows_of_csv_are_told_and_passed_over() -> None:
    data = b'id,text\n1,a,b\n2\n3,q\xff\n4,"x"y\n5,fine\n6,"open\n7,lost\n8,lost\n'
    rows, reading = read(data)
    assert rows == [
        (2, "cells"),
        (3, "cells"),
        (4, "encoding"),
        (5, "broken"),
        (6, {"id": "5", "text": "fine"}),
        (7, "broken"),
    ]
    assert reading.count == 6
    told = reasons(data)
    assert told[0] == "3 cells, where the header has 2"
    assert "2 more lines are lost with it" in told[-1]


def test_what_could_not_be_read_is_shown() -> None:
    rows = list(read_rows(io.BytesIO(b'id,text\n1,"open\nnext\n')))
    assert rows[0].raw == '1,"open'


def test_a_line_that_is_too_long_is_one_broken_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_orchestrator.bulk.rows.formats.LONGEST", 1 << 20)
    monkeypatch.setattr(stream, "LONGEST", 1 << 20)
    long = "x" * (3 << 20)
    assert read(f"id,text\n1,{long}\n2,b\n")[0] == [(2, "broken"), (3, {"id": "2", "text": "b"})]
    assert read(f'{{"id":"{long}"}}\n{{"id":2}}\n')[0] == [(1, "broken"), (2, {"id": 2})]


def test_a_cell_that_is_too_long_is_told_as_such() -> None:
    """And not as a quote that is never closed: there is none."""
    assert reasons(f"id,text\n1,{'x' * ((1 << 24) + 1)}\n2,b\n".encode()) == [
        "a cell is longer than 16,777,216 characters"
    ]
    assert reasons(b'id,text\n1,"open\n2,lost\n') == [
        "a quote opens a cell here and is never closed; 1 more line is lost with it"
    ]


@pytest.mark.parametrize(
    "data,what",
    [
        (b"\xff\xfei\0d\0", "UTF-16"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "workbook"),
        (b"id,t\0ext\n", "zero bytes"),
        (b"id,text\n1,caf\xe9\n2,\xfcber\n", "not UTF-8"),
        (b"id,id\n1,2\n", "two columns are called 'id'"),
        (b"PAR1xxxx", "Parquet must be a file"),
    ],
)
def test_what_cannot_be_read_at_all(data: bytes, what: str) -> None:
    with pytest.raises(InvalidRequestError, match=what):
        read(data)


def test_one_broken_letter_does_not_condemn_a_file() -> None:
    rows, _ = read("id,text\n1,é\n2,ü\n".encode() + b"3,\xe9\n4,\xe9\n")
    assert [one for _, one in rows[2:]] == ["encoding", "encoding"]
    assert rows[0] == (2, {"id": "1", "text": "é"})


@pytest.mark.parametrize("data", ["", "\n\n", "id,text\n", "[]", " [ ] \n"])
def test_empty_inputs_have_no_rows(data: str) -> None:
    assert read(data)[0] == []


# ------------------------------------------------------------------ JSON lines and arrays


def test_json_lines() -> None:
    data = b'{"id":1,"t":{"a":[1]}}\n\n{"id":2,}\n[1]\nnull\n{"t":"\xff"}\n{"id":3}'
    rows, reading = read(data)
    assert rows == [
        (1, {"id": 1, "t": {"a": [1]}}),
        (3, "broken"),
        (4, "broken"),
        (5, "broken"),
        (6, "encoding"),
        (7, {"id": 3}),
    ]
    assert reading.format == "jsonl"
    assert reasons(data)[1:3] == [
        "expected an object of columns, got a list",
        "expected an object of columns, got null",
    ]


def test_json_lines_that_are_called_json() -> None:
    assert read('{"id":1}\n{"id":2}\n', "json")[1].format == "jsonl"


def test_an_array_of_objects() -> None:
    rows, reading = read('\n [ {"id":1} ,{"id":2, "t":"]}\\"["}\n, {"id":[{}]}] \n')
    assert rows == [(1, {"id": 1}), (2, {"id": 2, "t": ']}"['}), (3, {"id": [{}]})]
    assert (reading.format, reading.lines) == ("json", False)


@pytest.mark.parametrize(
    "data,rows",
    [
        ('[{"id":1},{"id":},{"id":3}]', [(1, {"id": 1}), (2, "broken"), (3, {"id": 3})]),
        ('[1,"a",null,{"id":4}]', [(1, "broken"), (2, "broken"), (3, "broken"), (4, {"id": 4})]),
        ('[{"id":1} {"id":2}]', [(1, {"id": 1}), (2, "broken"), (2, {"id": 2})]),
        ('[{"id":1},', [(1, {"id": 1}), (2, "broken"), (3, "broken")]),
        ('[{"id":1}', [(1, {"id": 1}), (2, "broken")]),
        ('[{"id":1}] {"id":2}', [(1, {"id": 1}), (2, "broken")]),
        ('[{"id":"\\ud800"},{"id":NaN},{"id":3}]', [(1, "broken"), (2, "broken"), (3, {"id": 3})]),
        ('[{"id":"x', [(1, "broken"), (2, "broken")]),
    ],
)
def test_a_broken_array_loses_only_what_is_broken(data: str, rows: list[Read]) -> None:
    assert read(data)[0] == rows


def test_deep_nesting_is_one_broken_row() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert read(f'{{"a":{deep}}}\n{{"id":2}}\n')[0] == [(1, "broken"), (2, {"id": 2})]
    assert read(f'[{{"a":{deep}}},{{"id":2}}]')[0] == [(1, "broken"), (2, {"id": 2})]


# ------------------------------------------------------------------ Parquet, iterables, stdin


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = pa.table({"id": list(range(5000)), "text": [f"t{n}" for n in range(5000)]})
    parquet.write_table(table, path, row_group_size=700)
    reading = read_rows(path)
    rows = told(reading)
    assert rows[0] == (1, {"id": 0, "text": "t0"})
    assert [number for number, _ in rows] == list(range(1, 5001))
    assert (reading.format, len(reading.digest)) == ("parquet", 32)


def test_what_parquet_holds_and_json_does_not(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    import datetime as dt
    from decimal import Decimal

    when = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    table = pa.table({"at": [when], "price": [Decimal("1.50")], "raw": [b"\x00"], "none": [None]})
    parquet.write_table(table, path)
    (row,) = read_rows(path)
    assert row.data is not None
    assert row.data["price"] == "1.50"
    assert row.data["at"].startswith("2026-01-02T00:00:00")
    assert json.dumps(dict(row.data))


def test_a_broken_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises(InvalidRequestError, match="no readable Parquet file"):
        list(read_rows(path))


def test_mappings_of_a_program() -> None:
    def rows() -> Iterator[Any]:
        yield {"id": 1}
        yield ["no mapping"]
        yield {"id": object()}
        yield {"id": 2}

    assert told(read_rows(rows())) == [(1, {"id": 1}), (2, "broken"), (3, "broken"), (4, {"id": 2})]


@pytest.mark.parametrize("source", [{"id": 1}, 5])
def test_what_is_no_source(source: Any) -> None:
    with pytest.raises(InvalidRequestError, match="expected the path of a file"):
        list(read_rows(source))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"id,t\n1,a\n")))
    reading = read_rows("-")
    assert told(reading) == [(2, {"id": "1", "t": "a"})]
    assert reading.name == "standard input"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"cannot read .*nope\.csv: No such file"):
        list(read_rows(tmp_path / "nope.csv"))


def test_the_ending_of_a_file_tells_its_format(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('{"a"\n1\n')
    assert told(read_rows(path)) == [(2, {'{"a"': "1"})]


def test_an_unknown_format() -> None:
    with pytest.raises(InvalidRequestError, match="none of csv, jsonl, json, parquet"):
        read_rows("x", format="xml")  # type: ignore[arg-type]


def test_rows_are_read_once(tmp_path: Path) -> None:
    reading = read_rows(iter(({"id": 1},)))
    list(reading)
    with pytest.raises(InvalidRequestError, match="was read already"):
        list(reading)


# ------------------------------------------------------------------ fingerprints and changes


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    digests = set()
    for name, text in (("a.csv", "id\n1\n"), ("b.csv", "id\n1\n"), ("c.csv", "id\n2\n")):
        (tmp_path / name).write_text(text)
        reading = read_rows(tmp_path / name)
        list(reading)
        digests.add(reading.digest)
    assert len(digests) == 2
    first, second = read_rows([{"id": 1}]), read_rows([{"id": 2}])
    list(first)
    list(second)
    assert first.digest != second.digest


def changing(path: Path, change: Any) -> str:
    """What is said of a file that changes after its first row was read."""
    path.write_text("id\n" + "\n".join(map(str, range(100))) + "\n")
    reading = read_rows(path)
    rows = iter(reading)
    next(rows)
    change()
    list(rows)
    return reading.changed


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"

    def append() -> None:
        with path.open("a") as file:
            file.write("more\n")

    def replace() -> None:
        other = tmp_path / "other.csv"
        other.write_text("id\n1\n")
        other.replace(path)

    def rewrite() -> None:
        os.utime(path, ns=(1, 1))

    assert "its size changed from 293 to 298 bytes" in changing(path, append)
    assert "another file was put in its place" in changing(path, replace)
    assert "it was written to" in changing(path, rewrite)
    assert "it was taken away" not in changing(path, path.unlink)
    assert "the file was taken away" in changing(path, path.unlink)
    assert changing(path, lambda: None) == ""
