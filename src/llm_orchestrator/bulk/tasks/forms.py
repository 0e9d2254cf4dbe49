"""What a row becomes: messages, texts to be embedded, or words about a film."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import msgspec

from llm_orchestrator.bulk.rows.row import Data, RowError
from llm_orchestrator.bulk.tasks.task import Form
from llm_orchestrator.bulk.tasks.templates import Template, missing
from llm_orchestrator.config.read import nearest
from llm_orchestrator.engine.compose import RequestOptions, compose
from llm_orchestrator.engine.messages import read_messages
from llm_orchestrator.errors import InvalidRequestError, OrchestratorError
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.request import Media, Message, Request, Role, Text

_SPEAKERS = frozenset(("system", "user", "assistant"))
_NAMES = frozenset(RequestOptions.__annotations__)
_SAME = {"max_completion_tokens": "max_tokens", "max_output_tokens": "max_tokens"}
"""Other names that data for a provider has for our options."""
_LINE = frozenset(("custom_id", "method", "url", "stream"))
"""What a line of a file for batches has beside."""


def prompt(text: Template, system: Template | None, base: Request) -> Form:
    """One user turn, after a system prompt where there is one."""
    ask = _asking(base)
    begin = _fixed(system)

    def form(row: Data) -> tuple[Request, bytes]:
        said = text.render(row)
        content = _clean(said, text.where)
        if begin is not None:
            return ask(messages=(*begin, Message("user", said))), content
        if system is None:
            return ask(messages=(Message("user", said),)), content
        told = system.render(row)
        messages = (Message("system", told), Message("user", said))
        return ask(messages=messages), _clean(told, system.where) + b"\0" + content

    return form


def messages(turns: Sequence[Any], system: Template | None, base: Request) -> Form:
    """Several turns, whose texts are templates; parts of other kinds as the library takes them."""
    if all(_is_plain(turn) for turn in turns):
        return _plain(turns, system, base)
    ask = _asking(base)

    def form(row: Data) -> tuple[Request, bytes]:
        told = None if system is None else system.render(row)
        return _read(ask, _filled(turns, row), told)

    return form


def column(name: str, system: Template | None, base: Request) -> Form:
    """The messages that the row itself has."""
    ask = _asking(base)

    def form(row: Data) -> tuple[Request, bytes]:
        if name not in row:
            raise missing(name, row, "messages")
        told = None if system is None else system.render(row)
        return _read(ask, row[name], told)

    return form


def as_is(base: Request, beside: frozenset[str]) -> Form:
    """Messages and options of the row itself; the columns in ``beside`` are not for the model.

    A line of a file for OpenAI's batches is taken, too: then its ``body`` is the row. What ``base``
    says holds where the row says nothing.
    """
    fixed = {
        name: value
        for name in _NAMES - {"schema", "system"}
        if (value := getattr(base, name)) not in (None, (), {})
    }
    beside |= _LINE

    def form(row: Data) -> tuple[Request, bytes]:
        body = row.get("body")
        given = body if isinstance(body, Mapping) and "custom_id" in row else row
        options = {_SAME.get(key, key): value for key, value in given.items() if key not in beside}
        turns = options.pop("messages", None)
        if turns is None:
            raise missing("messages", row, "the row")
        if (wanted := options.pop("response_format", None)) is not None:
            options["schema"] = _schema_of(wanted)
        for key in options:
            if key not in _NAMES:
                hint = nearest(str(key), sorted(_NAMES))
                extra = "what only its provider knows goes under extra"
                raise RowError(f"nothing is known of {key!r} ({hint}; {extra})")
        if base.schema is not None:
            options.setdefault("schema", {"name": base.schema.name, "schema": base.schema.schema})
        composed = _composed(turns, fixed | options)
        return composed, msgspec.json.encode(composed, order="sorted")

    return form


def texts(text: Template, dimensions: int | None) -> Form:
    """One text to be embedded."""

    def form(row: Data) -> tuple[Texts, bytes]:
        said = text.render(row)
        content = _clean(said, text.where)
        return Texts((said,), dimensions), content

    return form


def column_texts(name: str, dimensions: int | None) -> Form:
    """The text, or the texts, that the row itself has."""

    def form(row: Data) -> tuple[Texts, bytes]:
        value = row.get(name)
        many = [value] if isinstance(value, str) else value
        if not isinstance(many, list | tuple) or not many:
            raise missing(name, row, "input") if value is None else _no_texts(name)
        if not all(isinstance(one, str) and one.strip() for one in many):
            raise _no_texts(name)
        content = b"\0".join(one.encode("utf-8", "strict") for one in many)
        return Texts(tuple(many), dimensions), content

    return form


def media(url: Template, mime: Template | None, words: Form) -> Form:
    """A film, a sound or a picture at an address, and the words of another form about it."""

    def form(row: Data) -> tuple[Request, bytes]:
        request, content = words(row)
        place = url.render(row).strip()
        if "://" not in place or any(sign.isspace() for sign in place):
            raise RowError(f"{url.where}: this is no address: {place[:80]!r}")
        kind = (mime.render(row).strip() if mime is not None else "") or None
        part = Media(url=place, mime=kind)
        *before, last = cast("Request", request).messages
        shown = Message(last.role, (part, Text(text=last.text)), last.name)
        whole = msgspec.structs.replace(cast("Request", request), messages=(*before, shown))
        return whole, content + b"\0" + f"{place} {kind}".encode()

    return form


# ------------------------------------------------------------------ pieces


def _asking(base: Request) -> Callable[..., Request]:
    """Makes requests like this one of other messages."""
    fields = {name: getattr(base, name) for name in base.__struct_fields__ if name != "messages"}
    return partial(Request, **fields)


def _fixed(system: Template | None) -> tuple[Message, ...] | None:
    """The turn of a system prompt that is the same for every row."""
    if system is None or not system.constant:
        return None
    return (Message("system", system.render({})),)


def _clean(text: str, where: str) -> bytes:
    """Its bytes; there must be some, and they must be Unicode."""
    if not text or text.isspace():
        raise RowError(f"{where}: the text is empty for this row", "template")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise RowError(f"{where}: a lone surrogate is no valid Unicode", "encoding") from None


def _is_plain(turn: Any) -> bool:
    """Whether a turn is a role and one text; all others are read like those of any call."""
    return (
        isinstance(turn, Mapping)
        and turn.keys() == {"role", "content"}
        and turn["role"] in _SPEAKERS
        and isinstance(turn["content"], Template)
    )


def _plain(turns: Sequence[Any], system: Template | None, base: Request) -> Form:
    ask = _asking(base)
    says = [(cast("Role", turn["role"]), cast("Template", turn["content"])) for turn in turns]
    if system is not None:
        says.insert(0, ("system", system))

    def form(row: Data) -> tuple[Request, bytes]:
        said = [(role, text.render(row), text.where) for role, text in says]
        content = b"\0".join(_clean(text, where) for _, text, where in said)
        return ask(messages=tuple(Message(role, text) for role, text, _ in said)), content

    return form


def _filled(value: Any, row: Data) -> Any:
    if isinstance(value, Template):
        return value.render(row)
    if isinstance(value, Mapping):
        return {key: _filled(one, row) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(one, row) for one in value]
    return value


def _read(ask: Callable[..., Request], turns: Any, system: str | None) -> tuple[Request, bytes]:
    try:
        read = read_messages(turns, system, [])
    except InvalidRequestError as error:
        raise RowError(error.message) from None
    return ask(messages=read), msgspec.json.encode(read)


def _composed(turns: Any, options: dict[str, Any]) -> Request:
    try:
        return compose(turns, cast("RequestOptions", options)).request
    except OrchestratorError as error:
        raise RowError(error.message) from None


def _schema_of(wanted: Any) -> Any:
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind != "json_schema":
        raise RowError(f"response_format: only a json_schema can be asked for, not {kind!r}")
    return wanted


def _no_texts(name: str) -> RowError:
    return RowError(f"{name}: expected a text, or a list of texts that are not empty")
