"""Reads Avro object container files, block by block: as much of the format as data needs.

Source: https://avro.apache.org/docs/current/specification. Codecs are ``null`` and ``deflate``.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from struct import Struct, error
from typing import Any, TypeAlias

import msgspec

_MAGIC = b"Obj\x01"
_SYNC = 16
_MOST_HEAD = 1024 * 1024
"""Bytes of a schema: more is no head."""
_FLOAT, _DOUBLE = Struct("<f"), Struct("<d")
_DEEPEST = 60
_EMPTY = b"\x00"


class AvroError(ValueError):
    """The data are not Avro, or of a kind that is not read here."""


class Cursor:
    """A place in some bytes; reading past their end raises `IndexError`."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        """The next bytes."""
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise IndexError(end)
        found = self.data[self.at : end]
        self.at = end
        return found

    def long(self) -> int:
        """A number in the zigzag form of variable length."""
        number = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)
            shift += 7
            if shift > 63:
                raise AvroError("a number is too long")


Read: TypeAlias = Callable[[Cursor], Any]


def _bytes(cursor: Cursor) -> bytes:
    return cursor.take(cursor.long())


def _text(cursor: Cursor) -> str:
    return cursor.take(cursor.long()).decode()


def _blocks(cursor: Cursor, read: Read) -> Iterator[Any]:
    """The items of an array or map, which come in blocks."""
    while count := cursor.long():
        if count < 0:  # then the bytes of the block are said as well
            count = -count
            cursor.long()
        for _ in range(count):
            yield read(cursor)


_PRIMITIVES: dict[str, Read] = {
    "null": lambda _: None,
    "boolean": lambda cursor: cursor.take(1) != _EMPTY,
    "int": Cursor.long,
    "long": Cursor.long,
    "float": lambda cursor: _FLOAT.unpack(cursor.take(4))[0],
    "double": lambda cursor: _DOUBLE.unpack(cursor.take(8))[0],
    "bytes": _bytes,
    "string": _text,
}


def reader(schema: Any) -> Read:
    """A function that reads one value of the schema."""
    return _reader(schema, {}, 0)


def _reader(schema: Any, named: dict[str, Read], depth: int) -> Read:
    if depth > _DEEPEST:
        raise AvroError("a schema is nested too deeply")
    if isinstance(schema, list):
        choices = [_reader(one, named, depth + 1) for one in schema]
        return lambda cursor: choices[_index(cursor, choices)](cursor)
    kind = schema.get("type") if isinstance(schema, dict) else schema
    if isinstance(kind, list | dict):
        return _reader(kind, named, depth + 1)
    if kind in _PRIMITIVES:
        return _PRIMITIVES[kind]
    if not isinstance(schema, dict):
        name = str(kind)
        if name not in named:
            raise AvroError(f"a schema names {name[:50]!r}, which it does not define")
        return named[name]
    return _complex(schema, str(kind), named, depth + 1)


def _complex(schema: dict[str, Any], kind: str, named: dict[str, Read], depth: int) -> Read:
    if kind == "array":
        item = _reader(schema.get("items"), named, depth)
        return lambda cursor: list(_blocks(cursor, item))
    if kind == "map":
        value = _reader(schema.get("values"), named, depth)
        return lambda cursor: dict(_blocks(cursor, lambda at: (_text(at), value(at))))
    read: Read
    if kind == "record":
        fields: list[tuple[str, Read]] = []
        read = lambda cursor: {name: one(cursor) for name, one in fields}  # noqa: E731
        _define(schema, named, read)  # first: a field may be of the same type
        fields += [
            (str(field.get("name")), _reader(field.get("type"), named, depth))
            for field in schema.get("fields", ())
        ]
        return read
    if kind == "enum":
        symbols = list(schema.get("symbols", ()))
        read = lambda cursor: symbols[_index(cursor, symbols)]  # noqa: E731
    elif kind == "fixed":
        size = int(schema.get("size", 0))
        read = lambda cursor: cursor.take(size)  # noqa: E731
    else:
        raise AvroError(f"a schema has the unknown type {kind[:50]!r}")
    _define(schema, named, read)
    return read


def _define(schema: dict[str, Any], named: dict[str, Read], read: Read) -> None:
    name, space = str(schema.get("name", "")), schema.get("namespace")
    named[name] = read
    if space:
        named[f"{space}.{name}"] = read


def _index(cursor: Cursor, choices: list[Any]) -> int:
    found = cursor.long()
    if not 0 <= found < len(choices):
        raise AvroError("a value is of none of the types that it may have")
    return found


def records(chunks: Iterable[bytes]) -> Iterator[Any]:
    """The values in a file, which comes in pieces of any size; one block of it is held.

    Raises `AvroError` for data that are none, and where they end too early.
    """
    source = iter(chunks)
    cursor = Cursor(b"")
    try:
        read, codec, sync = _whole(_head, cursor, source)
        while True:
            if cursor.at == len(cursor.data) and not _more(cursor, source):
                return
            count, data = _whole(_block, cursor, source)
            if cursor.data[cursor.at - _SYNC : cursor.at] != sync:
                raise AvroError("a block does not end as it should")
            inner = Cursor(zlib.decompress(data, -15) if codec == "deflate" else data)
            if count > len(inner.data):
                raise AvroError("a block says that it holds more than it can")
            for _ in range(count):
                yield read(inner)
    except (IndexError, UnicodeDecodeError, zlib.error, error, RecursionError):
        raise AvroError("the data are broken off or damaged") from None


def _more(cursor: Cursor, source: Iterator[bytes]) -> bool:
    """Put the next piece behind what is not read yet; whether there was one."""
    piece = next(filter(None, source), b"")
    cursor.data = cursor.data[cursor.at :] + piece
    cursor.at = 0
    return bool(piece)


def _whole(read: Read, cursor: Cursor, source: Iterator[bytes]) -> Any:
    """What ``read`` makes of the bytes, once enough of them are there."""
    while True:
        start = cursor.at
        try:
            return read(cursor)
        except IndexError:
            rest = len(cursor.data) - start
            cursor.at = start
            if read is _head and rest > _MOST_HEAD:
                raise AvroError("the schema has no end") from None
            # At least as much again, so that a large block is not tried at every piece.
            wanted = len(cursor.data) - start + max(rest, 1)
            while len(cursor.data) - cursor.at < wanted:
                if not _more(cursor, source):
                    break
            if len(cursor.data) - cursor.at == rest:
                raise


def _head(cursor: Cursor) -> tuple[Read, str, bytes]:
    """Reader, codec and sync marker."""
    if cursor.take(len(_MAGIC)) != _MAGIC:
        raise AvroError("the data do not begin like Avro")
    about = dict(_blocks(cursor, lambda at: (_text(at), _bytes(at))))
    codec = about.get("avro.codec", b"null").decode()
    if codec not in {"null", "deflate"}:
        raise AvroError(f"the codec {codec[:30]!r} is not read here")
    try:
        schema = msgspec.json.decode(about.get("avro.schema", b""))
    except msgspec.DecodeError:
        raise AvroError("the schema is not JSON") from None
    return reader(schema), codec, cursor.take(_SYNC)


def _block(cursor: Cursor) -> tuple[int, bytes]:
    """How many values there are in a block, and its bytes; the sync marker is behind them."""
    count = cursor.long()
    data = cursor.take(cursor.long())
    cursor.take(_SYNC)
    return count, data
