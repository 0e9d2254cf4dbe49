"""Checks a decoded answer against an output schema and undoes what the wire needed.

A schema becomes a tree of nodes once; an answer walks it many times. The tree is finite (recursive
schemas are refused), so an answer of any depth is walked no deeper than its schema.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Protocol

import msgspec

Limit = tuple[str, Any]
"""A constraint and its argument, such as ``("minimum", 0)``."""


class Mismatch(Exception):  # noqa: N818 - caught and translated inside this room
    """Where and why a value does not fit; ``steps`` grows from the inside out."""

    def __init__(self, reason: str, *, kind: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        """Whether the value is of another kind, so that another alternative was meant."""
        self.steps: list[str | int] = []

    @property
    def path(self) -> str:
        """The place in the answer, such as ``$.items[2].price``."""
        parts = (f"[{s}]" if isinstance(s, int) else f".{s}" for s in reversed(self.steps))
        return "$" + "".join(parts)


class Node(Protocol):
    """One schema, ready to check values."""

    takes_null: bool
    height: int
    """How many objects are nested in each other below and including this node."""

    def check(self, value: Any) -> Any:
        """The value as its schema means it; raises `Mismatch`."""
        ...


def show(value: Any) -> str:
    """The JSON kind of a value and a short form of it."""
    kind = kind_of(value)
    if kind in {"object", "array", "null"}:
        return kind
    text = repr(value) if isinstance(value, str) else str(value).lower()
    return f"{kind} {text if len(text) <= 60 else text[:57] + '...'}"


def kind_of(value: Any) -> str:
    """The name that JSON schema gives to the kind of a decoded JSON value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"


def _all_different(items: Sequence[Any]) -> bool:
    seen = {msgspec.json.encode(item, order="deterministic") for item in items}
    return len(seen) == len(items)


def _parses(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return check


def _address(version: int) -> Callable[[str], bool]:
    def read(text: str) -> object:
        import ipaddress  # not needed to start

        return ipaddress.IPv4Address(text) if version == 4 else ipaddress.IPv6Address(text)

    return _parses(read)


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


# A format that is not here is only told to the model: a loose check is worse than none.
FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date": _parses(date.fromisoformat),
    "date-time": _parses(datetime.fromisoformat),
    "time": _parses(time.fromisoformat),
    "uuid": _matches(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    "ipv4": _address(4),
    "ipv6": _address(6),
    "email": _matches(r"[^@\s]+@[^@\s]+"),
    "uri": _matches(r"[A-Za-z][A-Za-z0-9+.-]*:\S+"),
}

# keyword -> (what it means to a reader, how it is checked)
LIMITS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("at least {}", lambda v, a: v >= a),
    "maximum": ("at most {}", lambda v, a: v <= a),
    "exclusiveMinimum": ("more than {}", lambda v, a: v > a),
    "exclusiveMaximum": ("less than {}", lambda v, a: v < a),
    "multipleOf": ("a multiple of {}", lambda v, a: Decimal(str(v)) % Decimal(str(a)) == 0),
    "minLength": ("at least {} characters", lambda v, a: len(v) >= a),
    "maxLength": ("at most {} characters", lambda v, a: len(v) <= a),
    "pattern": ("matching the pattern {}", lambda v, a: re.search(a, v) is not None),
    "format": ("format {}", lambda v, a: a not in FORMATS or FORMATS[a](v)),
    "minItems": ("at least {} items", lambda v, a: len(v) >= a),
    "maxItems": ("at most {} items", lambda v, a: len(v) <= a),
    "uniqueItems": ("no two items alike", lambda v, _: _all_different(v)),
}


def _keep(value: Any, limits: Sequence[Limit]) -> None:
    for keyword, argument in limits:
        phrase, holds = LIMITS[keyword]
        if not holds(value, argument):
            raise Mismatch(f"expected {phrase.format(argument)}, got {show(value)}")


class Scalar:
    """A text, number, boolean or null; ``values`` lists the only ones allowed."""

    height = 0

    def __init__(
        self, kind: str, values: Sequence[Any] | None = None, limits: Sequence[Limit] = ()
    ) -> None:
        self.kind = kind
        self.values = values
        self.limits = tuple(limits)
        self.takes_null = kind == "null"

    def check(self, value: Any) -> Any:
        kind = kind_of(value)
        if self.kind == "integer" and kind == "number" and value.is_integer():
            value, kind = int(value), "integer"  # 3.0 is an integer to JSON schema
        if kind != self.kind and not (self.kind == "number" and kind == "integer"):
            raise Mismatch(f"expected {self.kind}, got {show(value)}", kind=True)
        if self.values is not None and value not in self.values:
            allowed = ", ".join(str(show(v)).split(" ", 1)[-1] for v in self.values[:8])
            more = ", ..." if len(self.values) > 8 else ""
            raise Mismatch(f"expected one of {allowed}{more}, got {show(value)}")
        _keep(value, self.limits)
        return value


class Array:
    """A list whose items all fit one node."""

    takes_null = False

    def __init__(self, item: Node, limits: Sequence[Limit] = ()) -> None:
        self.item = item
        self.limits = tuple(limits)
        self.height = item.height

    def check(self, value: Any) -> Any:
        if not isinstance(value, list):
            raise Mismatch(f"expected array, got {show(value)}", kind=True)
        _keep(value, self.limits)
        items = []
        for index, item in enumerate(value):
            try:
                items.append(self.item.check(item))
            except Mismatch as mismatch:
                mismatch.steps.append(index)
                raise
        return items


class Object:
    """A set of named fields; on the wire all are required, null stands for one left out."""

    takes_null = False

    def __init__(
        self, fields: Mapping[str, Node], required: frozenset[str], *, closed: bool
    ) -> None:
        self.fields = fields
        self.required = required
        self.closed = closed
        self.height = 1 + max((node.height for node in fields.values()), default=0)

    def check(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(f"expected object, got {show(value)}", kind=True)
        known: dict[str, Any] = {}
        for name, node in self.fields.items():
            if name not in value:
                if name in self.required:
                    raise self._at(name, "is missing")
                continue
            item = value[name]
            if item is None and name not in self.required and not node.takes_null:
                continue
            try:
                known[name] = node.check(item)
            except Mismatch as mismatch:
                mismatch.steps.append(name)
                raise
        if len(value) > len(known):
            for name in value.keys() - self.fields.keys():
                if self.closed:
                    raise self._at(name, "is not a field of the schema")
                known[name] = value[name]
        return known

    @staticmethod
    def _at(name: str, reason: str) -> Mismatch:
        mismatch = Mismatch(reason)
        mismatch.steps.append(name)
        return mismatch


class AnyOf:
    """One of several; ``exclusive`` asks for exactly one (``oneOf``)."""

    def __init__(self, branches: Sequence[Node], *, exclusive: bool = False) -> None:
        self.branches = tuple(branches)
        self.exclusive = exclusive
        self.takes_null = any(branch.takes_null for branch in branches)
        self.height = max(branch.height for branch in branches)

    def check(self, value: Any) -> Any:
        if value is None and self.takes_null:
            return None
        found: list[Any] = []
        misses: list[Mismatch] = []
        for branch in self.branches:
            try:
                found.append(branch.check(value))
            except Mismatch as mismatch:
                misses.append(mismatch)
            else:
                if not self.exclusive:
                    break
        if len(found) == 1:
            return found[0]
        if found:
            raise Mismatch(f"fits {len(found)} of the alternatives, of which only one may fit")
        # The branch that got furthest is the one that was meant.
        best = max(misses, key=lambda miss: (len(miss.steps), not miss.kind))
        lost = best.kind and not best.steps
        if lost and sum(not branch.takes_null for branch in self.branches) > 1:
            raise Mismatch(f"fits none of the {len(self.branches)} alternatives: {show(value)}")
        raise best
