"""From the arguments of a call to a checked `Request`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, get_args

import msgspec

from llm_orchestrator.engine.messages import MessageLike, read_messages
from llm_orchestrator.engine.parts import as_json, cache_ttl
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.request import Effort, OutputSchema, Request, Tool, ToolChoice


class RequestOptions(TypedDict, total=False):
    """What a call may say beside its messages; all optional."""

    system: str
    """A system prompt, put before the messages."""
    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    """Longest answer in tokens."""
    stop: str | Sequence[str]
    seed: int
    effort: Effort
    """How much a reasoning model thinks."""
    tools: Sequence[Tool | Mapping[str, Any]]
    tool_choice: str | Mapping[str, Any]
    """``auto``, ``none``, ``required`` or the name of a tool."""
    parallel_tool_calls: bool
    schema: Any
    """What the answer must be: a JSON schema, a pydantic model, a dataclass, a msgspec type."""
    frequency_penalty: float
    presence_penalty: float
    service_tier: str
    user: str
    """Your user's id: sent to the provider where it has a field, and written to the ledger."""
    strict: bool
    """Refuse what the target cannot take instead of dropping it."""
    extra: Mapping[str, Any]
    """Fields for the provider's body as they are."""


class Composed(msgspec.Struct, frozen=True):
    """A request and what its answer is parsed with."""

    request: Request
    parse: Callable[[str], Any] | None = None
    notices: tuple[str, ...] = ()


_NAMES = frozenset(RequestOptions.__annotations__)
_BESIDE = (
    *("provider", "model", "chain", "max_cost", "category", "tags", "on_break"),
    *("priority", "cache", "cache_ttl", "cache_tenant"),
    *("strategy", "capability", "confidence", "threshold", "ensemble_size", "judge"),
)
"""What the verbs themselves take; not all of them take all."""
_BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}
_COUNTS = ("max_tokens", "top_k")
_KINDS: dict[str, tuple[type, ...]] = {
    "seed": (int,),
    "stop": (str, list, tuple),
    "tools": (list, tuple),
    "parallel_tool_calls": (bool,),
    "service_tier": (str,),
    "user": (str,),
    "strict": (bool,),
    "extra": (Mapping,),
}
_WORDS: dict[type, str] = {
    int: "a whole number",
    str: "a text",
    list: "a list",
    tuple: "a tuple",
    bool: "true or false",
    Mapping: "a mapping",
}
_WRITTEN = frozenset(("stop", "service_tier", "user", "extra"))
"""Goes into bodies as it is."""


def compose(
    messages: str | MessageLike | Iterable[MessageLike],
    options: RequestOptions,
    *,
    stream: bool = False,
    strict: bool = False,
) -> Composed:
    """A request that is right in itself; raises `InvalidRequestError` or `SchemaError`."""
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if name not in _NAMES:
            raise _unexpected(name)
        if value is not None and name != "system":
            fields[name] = value
    _check_numbers(fields)
    _check_kinds(fields)
    parse = None
    if (ask := fields.pop("schema", None)) is not None:
        fields["schema"], parse = _schema(ask)
        as_json(fields["schema"].schema, "schema")
    if stop := fields.get("stop"):
        fields["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    if tools := fields.get("tools"):
        fields["tools"] = tuple(_tool(tool, n) for n, tool in enumerate(tools))
    if (choice := fields.get("tool_choice")) is not None:
        fields["tool_choice"] = _choice(choice, fields.get("tools") or ())
    fields.setdefault("strict", strict)
    notices: list[str] = []
    read = read_messages(messages, options.get("system"), notices)
    return Composed(Request(messages=read, stream=stream, **fields), parse, tuple(notices))


def _check_kinds(fields: Mapping[str, Any]) -> None:
    """What is passed on must be what its field says, and something that JSON can hold."""
    for name, kinds in _KINDS.items():
        value = fields.get(name)
        if value is None:
            continue
        if not isinstance(value, kinds):
            expected = " or ".join(_WORDS[kind] for kind in kinds)
            raise InvalidRequestError(f"{name}: expected {expected}, got {type(value).__name__}")
        if name == "stop" and any(not isinstance(stop, str) for stop in fields["stop"]):
            raise InvalidRequestError("stop: expected a text or a list of texts")
        if name in _WRITTEN:
            as_json(value, name)


def _unexpected(name: str) -> TypeError:
    """The error for an option that no verb has, with the nearest one that is."""
    from difflib import get_close_matches

    known = (*_BESIDE, *sorted(_NAMES))
    near = get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]}?" if near and near[0] != name else ";"
    return TypeError(f"unexpected argument {name!r}{hint} known are {', '.join(known)}")


def _check_numbers(fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if bounds := _BOUNDS.get(name):
            low, high = bounds
            number = type(value) is float or type(value) is int
            if not (number and low <= value <= high):  # which no NaN is
                raise InvalidRequestError(
                    f"{name}: expected a number from {low} to {high}: {value!r}"
                )
        elif name in _COUNTS and (type(value) is not int or value < 1):
            raise InvalidRequestError(f"{name}: expected a whole number from 1: {value!r}")
    effort = fields.get("effort")
    if effort is not None and effort not in get_args(Effort):
        raise InvalidRequestError(f"effort: expected one of {', '.join(get_args(Effort))}")


def _schema(ask: Any) -> tuple[OutputSchema, Callable[[str], Any]]:
    from llm_orchestrator.engine.structured import output_schema  # only who asks for it pays

    return output_schema(ask)


def _tool(tool: Any, number: int) -> Tool:
    at = f"tools[{number}]"
    if isinstance(tool, Tool):
        as_json(tool, at)
        return tool
    if not isinstance(tool, Mapping):
        raise InvalidRequestError(f"{at}: expected a Tool or a mapping, got {type(tool).__name__}")
    function = tool.get("function", tool)
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str) or not name:
        raise InvalidRequestError(f"{at}: a tool needs a name")
    parameters = function.get("parameters") or function.get("input_schema")
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    if not isinstance(parameters, Mapping):
        raise InvalidRequestError(f"{at} ({name}): parameters must be a JSON schema")
    description = function.get("description") or ""
    if not isinstance(description, str):
        raise InvalidRequestError(f"{at} ({name}): description must be a text")
    as_json((name, description, parameters), at)
    return Tool(
        name,
        description,
        parameters,
        strict=bool(function.get("strict")),
        cache=cache_ttl(tool.get("cache_control"), at),
    )


def _choice(choice: Any, tools: Sequence[Tool]) -> ToolChoice:
    if isinstance(choice, ToolChoice):
        return choice
    names = [tool.name for tool in tools]
    if isinstance(choice, Mapping):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
        kind = choice.get("type")
        choice = name or {"any": "required"}.get(str(kind), kind)
    match choice:
        case "auto":
            return ToolChoice("auto")
        case "none":
            return ToolChoice("none")
        case "required" | "any":
            return ToolChoice("required")
    if choice in names:
        return ToolChoice("required", choice)
    raise InvalidRequestError(
        f"tool_choice: {choice!r} is neither auto, none, required nor a tool ({', '.join(names)})"
    )
