"""Tasks from YAML files and mappings."""

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from llm_orchestrator.bulk.tasks import forms
from llm_orchestrator.bulk.tasks.builtin import BUILT_IN
from llm_orchestrator.bulk.tasks.task import Form, Task, TaskItem, TaskKind
from llm_orchestrator.bulk.tasks.templates import Template
from llm_orchestrator.config.read import nearest
from llm_orchestrator.config.yamlfile import Lines, read_yaml
from llm_orchestrator.engine.compose import RequestOptions, compose
from llm_orchestrator.errors import ConfigError, OrchestratorError
from llm_orchestrator.types.request import OutputSchema, Request

__all__ = ["Task", "TaskItem", "TaskKind", "load_task", "load_tasks"]

TaskLike = str | Path | Mapping[str, Any] | Task
"""A task, or what one is made from: the path of a YAML file, or a mapping like one."""

KEYS = (
    *("name", "kind", "id", "system", "prompt", "messages", "input", "media", "schema"),
    *("model", "models", "dimensions", "options", "as_is"),
)
"""What a task may say."""
_OPTIONS = tuple(sorted(set(RequestOptions.__annotations__) - {"system", "schema"}))
_OF_KIND: dict[str, frozenset[str]] = {
    "chat": frozenset(("system", "prompt", "messages", "schema", "options", "as_is")),
    "embedding": frozenset(("input", "dimensions")),
    "media": frozenset(("system", "prompt", "media", "schema", "options")),
}
_ANY = frozenset(("name", "kind", "id", "model", "models"))
_VERSION = "1"
"""The version of how requests are made from rows; a new one asks all rows anew."""


def load_task(source: TaskLike, *, name: str | None = None) -> Task:
    """The task in a YAML file or a mapping, or the built-in one of that name.

    ``name`` is its name where the source has none; that of a file is the file's. Raises
    `ConfigError` with the line and the nearest key.
    """
    if isinstance(source, Task):
        return source
    if isinstance(source, Mapping):
        return _Reader(source, Lines(), "task", Path()).task(name)
    path = Path(source).expanduser()
    if not path.is_file():
        if (known := BUILT_IN.get(str(source))) is not None:
            return load_task(known, name=str(source))
        own = ", ".join(BUILT_IN)
        raise ConfigError(f"there is no task file {path}, and none that is built in ({own})")
    raw, lines = read_yaml(path)
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{path}: expected keys like `prompt: ...` at the top")
    return _Reader(raw, lines, str(path), path.parent).task(name or path.stem)


def load_tasks(sources: Iterable[TaskLike]) -> tuple[Task, ...]:
    """The tasks of a run, whose names differ; raises `ConfigError`."""
    made = tuple(load_task(source) for source in sources)
    names = [task.name for task in made]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"two tasks are called {twice!r}: give one another name")
    if not made:
        raise ConfigError("a run needs a task: name a YAML file")
    return made


class _Reader:
    """Reads one task, and tells mistakes by their place."""

    def __init__(self, raw: Mapping[Any, Any], lines: Lines, name: str, folder: Path) -> None:
        self._raw = raw
        self._lines = lines
        self._name = name
        self._folder = folder

    def task(self, name: str | None) -> Task:
        raw = self._raw
        for key in raw:
            if key not in KEYS:
                hint = nearest(str(key), KEYS)
                if key in _OPTIONS:
                    hint = "write it under `options:`"
                raise self._wrong((str(key),), f"no such key; {hint}")
        kind = self._kind()
        for key in raw:
            if key not in _ANY | _OF_KIND[kind]:
                raise self._wrong((key,), f"a task of the kind {kind} has none")
        schema, parse, spec_schema = self._schema()
        base = self._base(schema)
        models = self._models()
        dimensions = raw.get("dimensions")
        if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
            raise self._wrong(("dimensions",), "expected a whole number from 1")
        form, columns = self._form(kind, base)
        spec = {key: value for key, value in raw.items() if value is not None}
        spec["name"] = self._text("name") or name or "task"
        if options := _plain(raw.get("options") or {}):
            spec["options"] = options
        if spec_schema is not None:
            spec["schema"] = spec_schema
        return Task(
            name=_safe(spec["name"], lambda text: self._wrong(("name",), text)),
            kind=kind,
            id=self._text("id") or "id",
            model=models[0] if models else None,
            models=models,
            options=options,
            schema=schema,
            parse=parse,
            dimensions=dimensions,
            columns=columns,
            spec=spec,
            digest=_digest(kind, spec, schema),
            form=form,
        )

    # -------------------------------------------------------------- parts

    def _kind(self) -> TaskKind:
        kind = self._raw.get("kind")
        if kind is None:
            found = {"input": "embedding", "media": "media"}
            kind = next((found[key] for key in found if key in self._raw), "chat")
        if kind not in get_args(TaskKind):
            near = nearest(str(kind), get_args(TaskKind))
            raise self._wrong(("kind",), f"{kind!r} is not known here; {near}")
        return cast("TaskKind", kind)

    def _form(self, kind: TaskKind, base: Request) -> tuple[Form, frozenset[str]]:
        used: list[Template] = []
        system = self._template("system", used)
        if kind == "embedding":
            text, size = self._needed("input", used), self._raw.get("dimensions")
            if text.constant:  # a column's name: it may hold several texts
                return forms.column_texts(text.text.strip(), size), frozenset((text.text.strip(),))
            return forms.texts(text, size), text.columns
        if self._raw.get("as_is"):
            return self._as_is(base), frozenset(("messages",))
        turns = self._raw.get("messages")
        if turns is not None and "prompt" in self._raw:
            raise self._wrong(("messages",), "a task has a prompt or messages, not both")
        if isinstance(turns, str):
            form = forms.column(turns, system, base)
            return form, frozenset((turns, *(system.columns if system else ())))
        if turns is not None:
            if not isinstance(turns, list | tuple) or not turns:
                raise self._wrong(("messages",), "expected a list of turns, or a column's name")
            filled = [self._turn(turn, ("messages", n), used) for n, turn in enumerate(turns)]
            form = forms.messages(filled, system, base)
        else:
            form = forms.prompt(self._needed("prompt", used), system, base)
        if kind == "media":
            form = self._media(form, used)
        return form, frozenset().union(*(one.columns for one in used))

    def _as_is(self, base: Request) -> Form:
        beside = ("prompt", "messages", "system")
        if other := next((key for key in beside if key in self._raw), None):
            raise self._wrong((other,), "rows that are asked as they are have their own messages")
        return forms.as_is(base, frozenset((self._text("id") or "id", "model")))

    def _media(self, words: Form, used: list[Template]) -> Form:
        shown = self._raw.get("media")
        if isinstance(shown, Mapping):
            for key in shown:
                if key not in {"url", "mime"}:
                    hint = nearest(str(key), ("url", "mime"))
                    raise self._wrong(("media", str(key)), f"no such key; {hint}")
            url, mime = shown.get("url"), shown.get("mime")
        else:
            url, mime = shown, None
        if not isinstance(url, str) or not url.strip():
            raise self._wrong(("media",), "expected the template of an address")
        made = [self._made(text, ("media",), used) for text in (url, mime) if text is not None]
        return forms.media(made[0], made[1] if len(made) > 1 else None, words)

    def _turn(self, value: Any, path: tuple[str | int, ...], used: list[Template]) -> Any:
        """A turn with its texts made templates; roles and types are words of their own."""
        if isinstance(value, Mapping):
            fixed = {"role", "type", "cache", "cache_control", "detail"}
            return {
                key: one if key in fixed else self._turn(one, (*path, key), used)
                for key, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._turn(one, (*path, n), used) for n, one in enumerate(value)]
        return self._made(value, path, used) if isinstance(value, str) else value

    def _needed(self, key: str, used: list[Template]) -> Template:
        found = self._template(key, used)
        if found is None:
            raise self._wrong((), f"the key {key} is missing: what is asked of each row?")
        return found

    def _template(self, key: str, used: list[Template]) -> Template | None:
        text = self._text(key)
        if text is None:
            return None
        if not text.strip():
            raise self._wrong((key,), "the template is empty")
        return self._made(text, (key,), used)

    def _made(self, text: Any, path: tuple[str | int, ...], used: list[Template]) -> Template:
        if not isinstance(text, str):
            raise self._wrong(path, "expected the text of a template")
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        try:
            used.append(Template(text, where[1:]))
        except ConfigError as error:
            raise self._wrong(path, error.message, name=False) from None
        return used[-1]

    def _text(self, key: str) -> str | None:
        value = self._raw.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._wrong((key,), "expected text; put it in quotes")
        return value

    def _models(self) -> tuple[str, ...]:
        one, many = self._raw.get("model"), self._raw.get("models")
        if one is not None and not isinstance(one, str):
            raise self._wrong(("model",), "expected the name of a model")
        if isinstance(many, str):
            many = [name.strip() for name in many.split(",")]
        if many is not None and not (
            isinstance(many, list | tuple) and all(isinstance(name, str) for name in many)
        ):
            raise self._wrong(("models",), "expected a list of models")
        names = (*((one,) if one else ()), *(many or ()))
        return tuple(dict.fromkeys(name for name in names if name))

    def _schema(self) -> tuple[OutputSchema | None, Any, Any]:
        """The schema, the parser, and what stands for it in the spec."""
        ask = self._raw.get("schema")
        if ask is None:
            return None, None, None
        from llm_orchestrator.engine.structured import output_schema

        if isinstance(ask, str):
            ask = self._schema_file(ask)
        ask = _plain(ask) if isinstance(ask, Mapping) else ask
        try:
            schema, parse = output_schema(ask)
            if not isinstance(ask, Mapping):
                # A type reads the answers, but what goes out is what can be kept: its schema.
                ask = {"name": schema.name, "schema": _as_json_schema(ask)}
                schema, _ = output_schema(ask)
        except OrchestratorError as error:
            raise self._wrong(("schema",), error.message) from None
        return schema, parse, ask

    def _schema_file(self, name: str) -> Any:
        path = self._folder / Path(name).expanduser()
        if not path.is_file():
            raise self._wrong(("schema",), f"there is no file {path}")
        return read_yaml(path)[0]  # JSON is YAML, too

    def _base(self, schema: OutputSchema | None) -> Request:
        """A request with all that is the same for every row."""
        options = self._raw.get("options") or {}
        if not isinstance(options, Mapping):
            raise self._wrong(("options",), "expected a mapping, such as max_tokens: 200")
        for key in options:
            if key not in _OPTIONS:
                hint = nearest(str(key), _OPTIONS)
                raise self._wrong(("options", str(key)), f"no such option; {hint}")
        try:
            request = compose("-", cast("RequestOptions", _plain(options))).request
        except OrchestratorError as error:
            name = error.message.partition(":")[0]
            path = ("options", name) if name in options else ("options",)
            text = error.message.removeprefix(f"{name}: ")
            raise self._wrong(path, text if name in options else error.message) from None
        return msgspec.structs.replace(request, schema=schema)

    def _wrong(self, path: tuple[str | int, ...], text: str, *, name: bool = True) -> ConfigError:
        line = self._lines.of(path)
        where = f", line {line}" if line else ""
        shown = ".".join(map(str, path)) if name else ""
        return ConfigError(f"{self._name}{where}: {f'{shown}: ' if shown else ''}{text}")


def _safe(name: str, wrong: Any) -> str:
    """A task's name is part of the names of files."""
    import re

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise wrong(f"{name!r}: 1 to 64 letters, digits, _, - and . are expected")
    return name


def _plain(value: Any) -> Any:
    """JSON data: exact numbers of the YAML file become ordinary ones."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _as_json_schema(ask: Any) -> Any:
    """The JSON schema of a type, without this program's own changes."""
    if hasattr(ask, "model_json_schema"):
        return ask.model_json_schema()
    if hasattr(ask, "json_schema") and hasattr(ask, "validate_json"):
        return ask.json_schema()
    return msgspec.json.schema(ask)


def _digest(kind: str, spec: Mapping[str, Any], schema: OutputSchema | None) -> str:
    """A digest of what changes an answer: not the name, the id's column or the models."""
    left_out = {"name", "kind", "id", "schema", "model", "models"}
    said = {key: value for key, value in spec.items() if key not in left_out}
    data = msgspec.json.encode((_VERSION, kind, said, schema), order="sorted")
    return hashlib.blake2b(data, digest_size=16).hexdigest()
