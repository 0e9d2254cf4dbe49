"""From the messages that a user writes to ours.

Both common shapes are taken: OpenAI's (``tool_calls``, role ``tool``, ``image_url``) and
Anthropic's (content blocks with ``tool_use``, ``tool_result``, ``cache_control``).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, get_args

import msgspec

from llm_orchestrator.engine.images import corrected
from llm_orchestrator.engine.parts import clean, kind, read_call, read_parts, read_result
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.request import Image, Message, Role, ToolCall, ToolResult

MessageLike: TypeAlias = Message | Mapping[str, Any]
_ROLES: tuple[Any, ...] = get_args(Role)
_PLAIN: tuple[Any, ...] = ("system", "user", "assistant")
_SIMPLE = frozenset(("role", "content"))


def read_messages(
    messages: str | MessageLike | Iterable[MessageLike], system: str | None, notices: list[str]
) -> tuple[Message, ...]:
    """Our messages; raises `InvalidRequestError` with the place of what is wrong.

    ``notices`` gets what was put right on the way.
    """
    if isinstance(messages, str):
        messages = (Message("user", clean(messages, "messages")),)
    elif isinstance(messages, Message | Mapping):
        messages = (messages,)
    elif not isinstance(messages, Iterable):
        raise InvalidRequestError(
            f"messages: expected a text, a message or a list of them, got {kind(messages)}"
        )
    out = [Message("system", clean(system, "system"))] if system else []
    said = False
    for number, message in enumerate(messages):
        at = f"messages[{number}]"
        read = _own(message, at) if isinstance(message, Message) else _read(message, at)
        if type(read.content) is tuple:
            read = _with_images(read, at, notices)
        out.append(read)
        said = said or (read.role != "system" and not _is_blank(read))
    if not said:
        raise InvalidRequestError("the messages are empty: give at least one user message")
    return tuple(out)


def _with_images(message: Message, at: str, notices: list[str]) -> Message:
    """The message with its images checked, and called what they are."""
    parts: Sequence[Any] = message.content
    parts = [_checked(part, f"{at}.content[{n}]", notices) for n, part in enumerate(parts)]
    return Message(message.role, tuple(parts), message.name)


def _checked(part: Any, at: str, notices: list[str]) -> Any:
    """The part with its images, which may be what a tool has shown, checked."""
    if isinstance(part, ToolResult) and part.images:
        shown = [_checked(one, f"{at}.content[{n}]", notices) for n, one in enumerate(part.content)]
        return msgspec.structs.replace(part, content=tuple(shown))
    if not isinstance(part, Image):
        return part
    try:
        image, notice = corrected(part)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{at}: {error.message}") from None
    if notice:
        notices.append(notice)
    return image


def _is_blank(message: Message) -> bool:
    return isinstance(message.content, str) and not (message.content and message.content.strip())


def _own(message: Message, at: str) -> Message:
    """A message of ours, which nobody has checked before."""
    if message.role not in _ROLES:
        raise InvalidRequestError(f"{at}.role: {message.role!r} is none of {', '.join(_ROLES)}")
    name = None if message.name is None else clean(message.name, f"{at}.name")
    if isinstance(message.content, str):
        clean(message.content, f"{at}.content")
        return message
    parts = read_parts(message.content, f"{at}.content")
    if not parts:
        raise InvalidRequestError(f"{at}.content is missing: write a text or a list of parts")
    return Message(message.role, tuple(parts), name)


def _read(message: Any, at: str) -> Message:
    if type(message) is dict:
        # Nearly all messages are one role and one text: they take the short way.
        plain: Any = message.get("role")
        text = message.get("content")
        if plain in _PLAIN and type(text) is str and not message.keys() - _SIMPLE:
            return Message(plain, text if text.isascii() else clean(text, f"{at}.content"))
    if not isinstance(message, Mapping):
        raise InvalidRequestError(
            f'{at}: expected {{"role": ..., "content": ...}}, got {type(message).__name__}'
        )
    role: Any = message.get("role")
    if role == "developer":
        role = "system"
    if role not in _ROLES:
        raise InvalidRequestError(
            f"{at}.role: {role!r} is none of system, developer, user, assistant, tool"
        )
    content = message.get("content")
    calls = message.get("tool_calls")
    if role == "tool":
        return Message("tool", (_answer(message, at),))
    if isinstance(content, str) and not calls:
        name = message.get("name")
        checked = None if name is None else clean(name, f"{at}.name")
        return Message(role, clean(content, f"{at}.content"), checked)
    parts = read_parts(content, f"{at}.content") if content else []
    parts += _calls(calls, f"{at}.tool_calls")
    if not parts:
        raise InvalidRequestError(f"{at}.content is missing: write a text or a list of parts")
    if any(isinstance(part, ToolResult) for part in parts) and role == "user":
        role = "tool" if all(isinstance(part, ToolResult) for part in parts) else role
    return Message(role, tuple(parts))


def _answer(message: Mapping[str, Any], at: str) -> ToolResult:
    """What a tool has answered, as a turn of its own."""
    call_id = message.get("tool_call_id")
    if not isinstance(call_id, str):
        raise InvalidRequestError(f"{at}.tool_call_id is missing: which call is answered?")
    content = read_result(message.get("content"), f"{at}.content")
    return ToolResult(call_id=clean(call_id, f"{at}.tool_call_id"), content=content)


def _calls(calls: Any, at: str) -> list[ToolCall]:
    if not calls:
        return []
    if not isinstance(calls, Sequence) or isinstance(calls, str | bytes):
        raise InvalidRequestError(f"{at}: expected a list of tool calls, got {kind(calls)}")
    return [read_call(call, f"{at}[{number}]") for number, call in enumerate(calls)]
