"""From plain data to the settings structs, telling every mistake by its full key path."""

import os
import types
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from llm_orchestrator.config.base import Check, NotAKey, PartOf
from llm_orchestrator.config.env import Environment, UnsetVariableError, expand
from llm_orchestrator.types.secret import Secret

Path: TypeAlias = tuple[str | int, ...]
"""Where a value is: names of keys and places in lists."""

_ABSENT: Any = object()


class Problem(msgspec.Struct, frozen=True):
    """One mistake: where, and what to write."""

    path: Path
    text: str


class Wrong(ValueError):  # noqa: N818 - never leaves this module
    """A value cannot be used; the text says what is expected and holds nothing of the value."""


class Reader:
    """Reads values against types, collecting the mistakes in ``problems``.

    ``may_be_unset(path)`` says where a reference to an unset variable is no mistake yet; it is
    noted in ``unset`` (path -> variable) and the value left out.
    """

    def __init__(self, env: Environment, may_be_unset: Callable[[Path], bool]) -> None:
        self.env = env
        self.problems: list[Problem] = []
        self.unset: dict[Path, str] = {}
        self._may_be_unset = may_be_unset

    def fields(self, kind: type[msgspec.Struct], raw: object, path: Path) -> dict[str, Any]:
        """The given fields of ``kind`` that could be read, by name."""
        known = keys(kind)
        if not isinstance(raw, Mapping):
            self._note(path, f"expected a mapping of keys ({_some(known)}), got {_got(raw)}")
            return {}
        found = {}
        for name, value in raw.items():
            field = known.get(name) if isinstance(name, str) else None
            if field is None:
                self._note((*path, str(name)), f"no such key; {nearest(str(name), known)}")
            elif value is not None:  # a key without a value is a key left out
                result = self.value(field.type, value, (*path, name))
                if result is not _ABSENT:
                    found[name] = result
        for name, field in known.items():
            if field.required and name not in raw:
                self._note(path, f"the key {name} is missing")
        return found

    def struct(self, kind: type[msgspec.Struct], raw: object, path: Path) -> Any:
        """A struct of that kind, or a mark for a value left out when it cannot be made."""
        found = self.fields(kind, raw, path)
        needed = [name for name, field in keys(kind).items() if field.required]
        return kind(**found) if all(name in found for name in needed) else _ABSENT

    def value(self, kind: Any, raw: object, path: Path) -> Any:
        """One value of that type, or the mark for a value left out."""
        kind, marks = unwrap(kind)
        part = next((mark for mark in marks if isinstance(mark, PartOf)), None)
        if part:
            return self.fields(part.kind, raw, path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(kind, raw, path)
        origin = get_origin(kind)
        if origin is dict or origin is Mapping:
            return self._mapping(get_args(kind)[1], raw, path)
        if origin in {tuple, frozenset}:
            return self._list(origin, get_args(kind)[0], raw, path)
        return self._leaf(kind, marks, raw, path)

    def _mapping(self, kind: Any, raw: object, path: Path) -> Any:
        if not isinstance(raw, Mapping):
            self._note(path, f"expected a mapping of names, got {_got(raw)}")
            return _ABSENT
        found = {}
        for name, value in raw.items():
            # An empty section still says that the name is meant.
            given = {} if value is None and is_struct(kind) else value
            result = self.value(kind, given, (*path, str(name)))
            if result is not _ABSENT:
                found[str(name)] = result
        return found

    def _list(self, made: type, kind: Any, raw: object, path: Path) -> Any:
        if not isinstance(raw, list | tuple | set | frozenset):
            self._note(path, f"expected a list of {describe(kind)}, got {_got(raw)}")
            return _ABSENT
        items = (self.value(kind, item, (*path, i)) for i, item in enumerate(raw))
        return made(item for item in items if item is not _ABSENT)

    def _leaf(self, kind: Any, marks: tuple[Any, ...], raw: object, path: Path) -> Any:
        try:
            if isinstance(raw, os.PathLike):
                raw = os.fspath(raw)
            if isinstance(raw, str):
                raw = expand(raw, self.env)
            return _convert(kind, marks, raw)
        except UnsetVariableError as error:
            if self._may_be_unset(path):
                self.unset[path] = error.name
            else:
                self._note(path, f"the environment variable {error.name} is not set")
        except ValueError as error:
            self._note(path, str(error))
        return _ABSENT

    def _note(self, path: Path, text: str) -> None:
        self.problems.append(Problem(path, text))


def keys(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The keys that a user may set in a section, by name."""
    return {
        field.name: field
        for field in msgspec.structs.fields(kind)
        if not any(isinstance(mark, NotAKey) for mark in unwrap(field.type)[1])
    }


def unwrap(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """The bare type and its marks: ``Annotated`` taken off and ``None`` taken out of a union."""
    marks: tuple[Any, ...] = ()
    while True:
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            marks = (*marks, *more)
            continue
        members = _members(kind)
        some = [member for member in members if member is not type(None)]
        if len(some) == len(members):
            return kind, marks
        kind = Union[tuple(some)]  # noqa: UP007 - made at run time


def is_struct(kind: Any) -> bool:
    """Whether the type is a section."""
    bare = unwrap(kind)[0]
    return isinstance(bare, type) and issubclass(bare, msgspec.Struct)


def words(kind: Any) -> tuple[str, ...]:
    """The words that a type of fixed words allows; empty for all other types."""
    return tuple(
        word
        for member in _members(kind)
        if get_origin(member) is Literal
        for word in get_args(member)
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the nearest one, or all."""
    known = list(known)
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"there are {_some(known, 20)}"


def describe(kind: Any) -> str:
    """What a type takes, for people."""
    bare, marks = unwrap(kind)
    if any(isinstance(mark, PartOf) for mark in marks) or is_struct(bare):
        return "a mapping"
    origin, members = get_origin(bare), _members(bare)
    if origin in {tuple, frozenset}:
        return f"a list of {describe(get_args(bare)[0])}"
    if origin is dict or origin is Mapping:
        return f"a mapping of names to {describe(get_args(bare)[1])}"
    if all(words(member) for member in members):
        return _some(words(bare), 40, " or ")
    if len(members) > 1:
        return " or ".join(describe(member) for member in members)
    return _NAMES.get(bare, "text") + _bounds(marks)


_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    Decimal: "an amount in USD",
    bool: "true or false",
    Secret: "text",
    str: "text",
}


def _bounds(marks: tuple[Any, ...]) -> str:
    for mark in marks:
        if isinstance(mark, msgspec.Meta):
            least = mark.ge if mark.ge is not None else (mark.extra or {}).get("ge")
            if least is not None:
                return f" of at least {least}" if mark.le is None else f" from {least} to {mark.le}"
            if mark.gt is not None:
                most = "" if mark.le is None else f" and at most {mark.le:,}"
                return f" above {mark.gt}{most}"
    return ""


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def _convert(kind: Any, marks: tuple[Any, ...], raw: object) -> Any:
    value = _plain(kind, marks, raw)
    for mark in marks:
        if isinstance(mark, Check):
            mark.test(value)
    return Secret(value) if kind is Secret else value


def _plain(kind: Any, marks: tuple[Any, ...], raw: object) -> Any:
    if kind is Secret:
        if isinstance(raw, Secret):
            return raw.reveal()
        if not isinstance(raw, str):
            raise Wrong(f"expected text, got {_got(raw)}; put it in quotes")
        return raw
    if kind is Decimal:
        return _amount(raw)
    allowed = words(kind)
    if raw is False and "off" in allowed:  # YAML reads a bare `off` as false
        return "off"
    if isinstance(raw, str) and raw in allowed:
        return raw
    if isinstance(raw, str) and len(allowed) > 1 and not _numbers(kind):
        raise Wrong(f"{raw!r} is not known here; {nearest(raw, allowed)}")
    meta = tuple(mark for mark in marks if isinstance(mark, msgspec.Meta))
    whole = Annotated[(kind, *meta)] if meta else kind
    try:
        value = msgspec.convert(raw, whole, strict=False)
    except msgspec.ValidationError:
        raise Wrong(f"expected {describe(whole)}, got {_got(raw, show=kind is not str)}") from None
    if isinstance(value, float) and value in {float("inf"), float("-inf")}:
        raise Wrong(f"expected {describe(whole)}, got infinity")
    return value


def _numbers(kind: Any) -> bool:
    return any(unwrap(member)[0] in {int, float} for member in _members(kind))


def _amount(raw: object) -> Decimal:
    expected = "expected an amount in USD of at least 0"
    if isinstance(raw, bool) or not isinstance(raw, int | float | str | Decimal):
        raise Wrong(f"{expected}, got {_got(raw)}")
    try:
        # A float in a mapping means its shortest text: 0.15 is fifteen cents.
        amount = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw)
    except InvalidOperation:
        raise Wrong(f"{expected}, got {_got(raw)}") from None
    if not amount.is_finite() or amount < 0:
        raise Wrong(f"{expected}, got {raw}")
    return amount


def _got(raw: object, *, show: bool = False) -> str:
    """What kind of thing a value is; shown only where it cannot be a secret."""
    if raw is None:
        return "nothing"
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float | Decimal):
        return str(raw) if show else "a number"
    if isinstance(raw, Mapping):
        return "a mapping"
    return "a list" if isinstance(raw, list | tuple | set | frozenset) else "text"


def _some(names: Iterable[str], most: int = 6, last: str = ", ") -> str:
    names = list(names)
    more = ", ..." if len(names) > most else ""
    shown = names[:most]
    if last != ", " and len(shown) > 1 and not more:
        return ", ".join(shown[:-1]) + last + shown[-1]
    return ", ".join(shown) + more
