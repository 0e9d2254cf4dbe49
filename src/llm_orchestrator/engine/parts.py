"""From the parts of a message that a user writes to ours; raises with the place of what is wrong.

Parts of both common shapes are taken, and those of our own, which nobody has checked before.
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec

from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.request import (
    CacheTTL,
    Image,
    Media,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

UNWRITABLE = (TypeError, ValueError, RecursionError)
"""What encoding JSON raises: no such type there, a lone surrogate, or nested too deeply."""

_TEXTS = frozenset(("text", "input_text", "output_text"))
_IMAGES = frozenset(("image_url", "image", "input_image"))
_MEDIA = frozenset(("audio", "document", "file", "input_audio", "input_file", "video", "video_url"))


def clean(text: Any, at: str) -> str:
    """The text itself; a lone surrogate has no UTF-8 and would fail deep inside."""
    if not isinstance(text, str):
        raise InvalidRequestError(f"{at}: expected a text, got {kind(text)}")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"{at}: character {error.start} is no valid Unicode (a lone surrogate); "
            "read the text with errors='replace'"
        ) from None
    return text


def as_json(value: Any, at: str) -> str:
    """The value as JSON text."""
    try:
        return msgspec.json.encode(value).decode()
    except UNWRITABLE as error:
        reason = str(error) or "nested too deeply"
        raise InvalidRequestError(f"{at}: this cannot be written as JSON: {reason}") from None


def kind(value: object) -> str:
    """What it is, for people."""
    return "nothing" if value is None else type(value).__name__


def read_parts(content: Any, at: str) -> list[Part]:
    """The parts of a turn."""
    if isinstance(content, str):
        return [Text(text=clean(content, at))]
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise InvalidRequestError(f"{at}: expected a text or a list of parts, got {kind(content)}")
    return [_part(part, f"{at}[{number}]") for number, part in enumerate(content)]


def read_call(call: Any, at: str) -> ToolCall:
    """A tool call as it stands in ``tool_calls``."""
    if isinstance(call, ToolCall):
        return _own_call(call, at)
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise InvalidRequestError(f"{at}: expected an id and a function with a name")
    return ToolCall(
        id=_field(call, "id", at),
        name=_field(function, "name", f"{at}.function"),
        arguments=_arguments(function.get("arguments") or "{}", at),
    )


def read_result(content: Any, at: str) -> str | tuple[Text | Image, ...]:
    """What a tool has answered: a text, texts and pictures, or anything else as JSON text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return clean(content, at)
    if isinstance(content, Sequence) and not isinstance(content, bytes):
        shown = [_shown(part, f"{at}[{number}]") for number, part in enumerate(content)]
        parts = tuple(part for part in shown if part is not None)
        if len(parts) == len(shown):
            texts = [part for part in parts if isinstance(part, Text) and not part.cache]
            return "".join(one.text for one in texts) if len(texts) == len(parts) else parts
        if any(isinstance(part, Image) for part in parts):
            raise InvalidRequestError(f"{at}: beside images, a tool result takes text parts only")
    return as_json(content, at)


def _shown(part: Any, at: str) -> Text | Image | None:
    """A text or a picture of a tool's answer; ``None`` for data of the tool's own."""
    if isinstance(part, Mapping):
        word = part.get("type")
        if word is None and isinstance(part.get("text"), str):
            return Text(text=clean(part["text"], f"{at}.text"))
        if not isinstance(word, str):
            return None
        if word in _MEDIA:
            raise InvalidRequestError(
                f"{at}.type: a tool result takes texts and images, not {word!r}"
            )
        if word not in _TEXTS | _IMAGES:
            return None
    elif not isinstance(part, Text | Image):
        return None
    read = _part(part, at)
    return read if isinstance(read, Text | Image) else None


def _part(part: Any, at: str) -> Part:
    if isinstance(part, str):
        return Text(text=clean(part, at))
    if not isinstance(part, Mapping):
        return _own(part, at)
    cache = cache_ttl(part.get("cache_control") or part.get("cache"), at)
    match part.get("type"):
        case "text" | "input_text" | "output_text":
            return Text(text=_field(part, "text", at), cache=cache)
        case "image_url" | "image" | "input_image":
            return _image(part, cache, at)
        case "tool_use" | "tool_call":
            return ToolCall(
                id=_field(part, "id", at),
                name=_field(part, "name", at),
                arguments=_arguments(part.get("input", part.get("arguments", {})), at),
                cache=cache,
            )
        case "tool_result":
            call_id = part.get("tool_use_id") or part.get("call_id")
            if not isinstance(call_id, str):
                raise InvalidRequestError(f"{at}.tool_use_id is missing: which call is answered?")
            return ToolResult(
                call_id=clean(call_id, f"{at}.tool_use_id"),
                content=read_result(part.get("content"), f"{at}.content"),
                is_error=bool(part.get("is_error")),
                cache=cache,
            )
        case "thinking" | "reasoning":
            thought = part.get("thinking") or part.get("text") or ""
            return _own(Reasoning(text=thought, signature=part.get("signature")), at)
        case "redacted_thinking":
            return Reasoning(redacted=_field(part, "data", at))
    raise InvalidRequestError(
        f"{at}.type: {part.get('type')!r} is none of text, image_url, image, tool_use, "
        "tool_result, thinking"
    )


def _own(part: Any, at: str) -> Part:
    """A part of ours, checked."""
    match part:
        case Text():
            clean(part.text, f"{at}.text")
        case Image() | Media():
            clean(part.url, f"{at}.url")
        case ToolCall():
            return _own_call(part, at)
        case ToolResult():
            clean(part.call_id, f"{at}.call_id")
            content = read_result(part.content, f"{at}.content")
            return msgspec.structs.replace(part, content=content)
        case Reasoning():
            clean(part.text, f"{at}.text")
            for name in ("signature", "redacted"):
                if (value := getattr(part, name)) is not None:
                    clean(value, f"{at}.{name}")
        case _:
            raise InvalidRequestError(f"{at}: expected a part with a type, got {kind(part)}")
    found: Part = part
    return found


def _own_call(call: ToolCall, at: str) -> ToolCall:
    clean(call.id, f"{at}.id")
    clean(call.name, f"{at}.name")
    return msgspec.structs.replace(call, arguments=_arguments(call.arguments, at))


def _image(part: Mapping[str, Any], cache: CacheTTL | None, at: str) -> Image:
    detail = part.get("detail")
    url: Any = part.get("image_url") or part.get("url")
    if isinstance(url, Mapping):
        detail = url.get("detail")
        url = url.get("url")
    source = part.get("source")
    if isinstance(source, Mapping):
        if source.get("type") == "base64":
            url = f"data:{source.get('media_type')};base64,{source.get('data')}"
        else:
            url = source.get("url")
    if not isinstance(url, str):
        raise InvalidRequestError(f"{at}: an image needs image_url.url, url or source")
    detail = None if detail is None else clean(detail, f"{at}.detail")
    return Image(url=clean(url, f"{at}.url"), detail=detail, cache=cache)


def cache_ttl(marker: Any, at: str) -> CacheTTL | None:
    """How long a marker asks to keep the prompt up to here; ``None`` without one."""
    if not marker:
        return None
    ttl = marker.get("ttl", "5m") if isinstance(marker, Mapping) else marker
    if marker is True:
        return "5m"
    if ttl not in get_args(CacheTTL):
        raise InvalidRequestError(f'{at}.cache: expected "5m" or "1h"')
    found: CacheTTL = ttl
    return found


def _arguments(raw: Any, at: str) -> str:
    """Arguments as the text of a JSON object, which they may come as or as the object itself."""
    text = clean(raw, at) if isinstance(raw, str) else as_json(raw, f"{at}.arguments")
    try:
        value = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError) as error:
        reason = str(error) or "nested too deeply"
        raise InvalidRequestError(f"{at}: the tool's arguments are no JSON: {reason}") from None
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{at}: the tool's arguments are no JSON object")
    return text or "{}"


def _field(part: Mapping[str, Any], name: str, at: str) -> str:
    value = part.get(name)
    if not isinstance(value, str):
        raise InvalidRequestError(f"{at}.{name} is missing")
    return clean(value, f"{at}.{name}")
