"""Avro as its own library writes it, and as nobody should."""

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.dialects.cohere.avro import AvroError, records
from tests.unit.dialects.batching import pieces

_VECTOR = {"type": "array", "items": "float"}
ROW = {
    "type": "record",
    "name": "row",
    "namespace": "x.y",
    "fields": [
        {"name": "custom_id", "type": "string"},
        {"name": "body", "type": ["null", {"type": "map", "values": ["int", "double", "string"]}]},
        {
            "name": "vectors",
            "type": {"type": "array", "items": {"type": "array", "items": "float"}},
        },
        {"name": "good", "type": "boolean"},
        {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["A", "B"]}},
        {"name": "sum", "type": {"type": "fixed", "name": "sum", "size": 4}},
        {"name": "raw", "type": "bytes"},
        {"name": "next", "type": ["null", "row"]},
        {"name": "again", "type": ["null", "kind"]},
        {"name": "none", "type": "null"},
    ],
}
texts = st.text(max_size=8)
numbers = st.integers(-(2**31), 2**31 - 1)
rows: st.SearchStrategy[dict[str, Any]] = st.deferred(
    lambda: st.fixed_dictionaries(
        {
            "custom_id": texts,
            "body": st.none() | st.dictionaries(texts, numbers | texts, max_size=3),
            "vectors": st.lists(st.lists(st.just(0.5), max_size=3), max_size=3),
            "good": st.booleans(),
            "kind": st.sampled_from("AB"),
            "sum": st.binary(min_size=4, max_size=4),
            "raw": st.binary(max_size=5),
            "next": st.none() | rows,
            "again": st.none() | st.sampled_from("AB"),
            "none": st.none(),
        }
    )
)


def written(values: list[Any], schema: Any = ROW, codec: str = "null", interval: int = 40) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, schema, values, codec=codec, sync_interval=interval)
    return out.getvalue()


@given(st.lists(rows, max_size=4), st.sampled_from(["null", "deflate"]), st.integers(1, 400))
def test_what_the_library_writes_is_read(values: list[Any], codec: str, size: int) -> None:
    assert list(records(pieces(written(values, codec=codec), size))) == values


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_of_all_lengths(values: list[int]) -> None:
    assert list(records([written(values, "long")])) == values


def test_one_block_is_held_at_a_time() -> None:
    data = written(["x" * 100] * 1000, "string", interval=200)
    taken = 0

    def counted() -> Any:
        nonlocal taken
        for piece in pieces(data, 100):
            taken += 1
            yield piece

    assert next(records(counted())) == "x" * 100
    assert taken < 20


@pytest.mark.parametrize("end", [0, 3, 30, -40, -17, -1])
def test_what_ends_too_early_is_named(end: int) -> None:
    data = written(["x" * 50] * 3, "string")[:end]
    with pytest.raises(AvroError):
        list(records([data]))


@pytest.mark.parametrize(
    "schema",
    [b"{", b'"nobody"', b'{"type":"strange"}', b"[" * 200 + b"]" * 200, b"17"],
)
def test_a_schema_that_is_none(schema: bytes) -> None:
    good = written(["a"], "string")
    data = good.replace(b'\x10"string"', bytes([2 * len(schema) & 0x7F]) + schema, 1)
    if len(schema) > 63:
        size = 2 * len(schema)
        length = bytes([size & 0x7F | 0x80, size >> 7])
        data = good.replace(b'\x10"string"', length + schema, 1)
    assert data != good
    with pytest.raises(AvroError):
        list(records([data]))


def test_other_codecs_and_other_files() -> None:
    with pytest.raises(AvroError, match="begin"):
        list(records([b'{"custom_id":"a1"}']))
    with pytest.raises(AvroError, match="codec"):
        list(records([written(["a"], "string", codec="bzip2")]))


def test_a_damaged_block_is_named() -> None:
    data = written(["abc"], "string")
    with pytest.raises(AvroError, match="end as it should"):
        list(records([data[:-1] + bytes([data[-1] ^ 1])]))  # the marker is drawn at random
