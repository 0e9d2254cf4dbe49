"""Avro files, as much of the format as results of batches need: written, never read."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any, BinaryIO, Final

_MAGIC: Final = b"Obj\x01"
_SYNC: Final = bytes(range(16))
_BLOCK: Final = 512  # rows

Schema = Any


def optional(schema: Schema) -> Schema:
    """The schema of a value that may be missing."""
    return ["null", schema]


def array(items: Schema) -> Schema:
    """The schema of a list."""
    return {"type": "array", "items": items}


def record(name: str, /, **fields: Schema) -> Schema:
    """The schema of an object."""
    listed = [{"name": field, "type": schema} for field, schema in fields.items()]
    return {"type": "record", "name": name, "fields": listed}


def write(file: BinaryIO, schema: Schema, rows: Iterable[Any]) -> int:
    """A whole file of rows that fit the schema; fields that it lacks are left out.

    Returns how many there are.
    """
    head = {"avro.schema": json.dumps(schema).encode(), "avro.codec": b"null"}
    file.write(_MAGIC + _long(len(head)))
    file.writelines(_bytes(name.encode()) + _bytes(value) for name, value in head.items())
    file.write(_long(0) + _SYNC)
    total, count, block = 0, 0, bytearray()
    for row in rows:
        block += encode(schema, row)
        total, count = total + 1, count + 1
        if count == _BLOCK:
            file.write(_long(count) + _bytes(bytes(block)) + _SYNC)
            count, block = 0, bytearray()
    if count:
        file.write(_long(count) + _bytes(bytes(block)) + _SYNC)
    return total


def encode(schema: Schema, value: Any) -> bytes:
    """One value."""
    if isinstance(schema, list):
        return _long(0) if value is None else _long(1) + encode(schema[1], value)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        return b"".join(encode(f["type"], value.get(f["name"])) for f in schema["fields"])
    if kind == "array":
        items = b"".join(encode(schema["items"], item) for item in value)
        return (_long(len(value)) + items if value else b"") + _long(0)
    if kind == "double":
        return struct.pack("<d", value)
    if kind == "long":
        return _long(value)
    return _bytes(str(value).encode())


def _long(value: int) -> bytes:
    """A whole number in zigzag, seven bits a byte."""
    rest, out = (value << 1) ^ (value >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _bytes(value: bytes) -> bytes:
    return _long(len(value)) + value
