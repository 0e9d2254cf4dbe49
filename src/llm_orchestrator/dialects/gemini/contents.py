"""From our messages to ``contents``: turns of ``user`` and ``model`` that consist of parts."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from llm_orchestrator.dialects.base import (
    UNREADABLE,
    Notices,
    data_url,
    raw_json,
    unsealed,
    unsupported,
)
from llm_orchestrator.dialects.fitting import pictures_apart
from llm_orchestrator.dialects.gemini.thinking import generation
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import (
    Image,
    Media,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

WIRE = "gemini"
"""The name that signatures of this wire bear."""

_ROLES = {"assistant": "model"}
_DETAIL = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}
_DETAILED = 3
"""From this generation on, an image has a resolution of its own."""
_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
}
_MEDIA_TYPES = _TYPES | {
    "mp4": "video/mp4",
    "mov": "video/mov",
    "mpeg": "video/mpeg",
    "mpg": "video/mpg",
    "avi": "video/avi",
    "webm": "video/webm",
    "wmv": "video/wmv",
    "flv": "video/x-flv",
    "3gp": "video/3gpp",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "aiff": "audio/aiff",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "txt": "text/plain",
}
_SIGNED = 3
"""From this generation on, a tool call without its signature is refused."""
_UNSIGNED = "skip_thought_signature_validator"
"""What the documentation gives for tool calls that another model has made."""


def system(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The system prompts, which have a place of their own, as parts."""
    return [
        {"text": part.text}
        for message in messages
        if message.role == "system"
        for part in _parts(message)
        if isinstance(part, Text) and part.text
    ]


def contents(
    messages: Sequence[Message], target: Candidate, notices: Notices
) -> list[dict[str, Any]]:
    """The turns. Answers to tool calls of one turn go into one turn, as the wire wants them."""
    turns = _Turns(target, notices)
    out: list[dict[str, Any]] = []
    answering = False
    for message in pictures_apart(messages, notices):
        if message.role == "system":
            if out:
                notices.drop("a later system turn", "was moved to the front")
            continue
        if message.name:
            notices.drop("the name of a speaker")
        role = _ROLES.get(message.role, "user")
        if type(message.content) is str:
            parts = [{"text": message.content}] if message.content else []
        else:
            parts = turns.parts(message)
        if not parts:
            continue
        if answering and message.role == "tool":
            out[-1]["parts"] += parts
        else:
            out.append({"role": role, "parts": parts})
        answering = message.role == "tool"
    if not out:
        raise InvalidRequestError("the messages hold nothing but empty texts")
    if out[-1]["role"] == "model" and not target.can("prefill"):
        raise unsupported("ending with an assistant turn (prefill) is not supported here", target)
    return out


class _Turns:
    """Translates turns one after another: answers to tool calls need the calls before them."""

    def __init__(self, target: Candidate, notices: Notices) -> None:
        self._target = target
        self._notices = notices
        self._names: dict[str, str] = {}

    def parts(self, message: Message) -> list[dict[str, Any]]:
        """The parts of one turn."""
        out: list[dict[str, Any]] = []
        signature: str | None = None  # of the text that comes next
        first = True
        for part in _parts(message):
            if part.cache:
                self._notices.drop(
                    "a cache marker", "has no meaning here: this provider caches by itself"
                )
            if isinstance(part, Reasoning):
                # Thoughts themselves are not sent back: what the model needs is the signature.
                signature = unsealed(part.signature, WIRE) or signature
            elif isinstance(part, Text):
                if part.text:
                    out.append({"text": part.text} | _signed(signature))
                    signature = None
            elif isinstance(part, ToolCall):
                out.append(self._call(part, first=first))
                first = False
            else:
                out.append(self._other(part))
        if signature:
            out.append({"text": ""} | _signed(signature))
        return out

    def _call(self, call: ToolCall, *, first: bool) -> dict[str, Any]:
        self._names[call.id] = call.name
        signature = unsealed(call.signature, WIRE)
        if not signature and first and generation(self._target.model.id) >= _SIGNED:
            signature = _UNSIGNED
        made = {"id": call.id, "name": call.name, "args": raw_json(call.arguments)}
        return {"functionCall": made} | _signed(signature)

    def _other(self, part: Image | Media | ToolResult) -> dict[str, Any]:
        if isinstance(part, Media):
            if not self._target.can("vision"):
                raise unsupported("films and sounds are not supported by this model", self._target)
            return _media(part)
        if isinstance(part, ToolResult):
            name = self._names.get(part.call_id)
            if name is None:
                raise InvalidRequestError(
                    f"a tool result answers the call {part.call_id}, which no message before it has"
                )
            answer = {"id": part.call_id, "name": name, "response": _answer(part)}
            return {"functionResponse": answer}
        if not self._target.can("vision"):
            raise unsupported("images are not supported by this model", self._target)
        image = _image(part)
        if part.detail in _DETAIL and generation(self._target.model.id) >= _DETAILED:
            image["mediaResolution"] = {"level": _DETAIL[part.detail]}
        elif part.detail not in {None, "auto"}:
            self._notices.drop("the detail of an image")
        return image


def _parts(message: Message) -> Sequence[Part]:
    content = message.content
    return (Text(text=content),) if isinstance(content, str) else content


def _signed(signature: str | None) -> dict[str, Any]:
    return {"thoughtSignature": signature} if signature else {}


def _image(image: Image) -> dict[str, Any]:
    if found := data_url(image.url):
        return {"inlineData": {"mimeType": found[0], "data": found[1]}}
    file = {"fileUri": image.url}
    ending = _ending(image.url)
    if ending in _TYPES:
        file["mimeType"] = _TYPES[ending]
    return {"fileData": file}


def _media(part: Media) -> dict[str, Any]:
    """A film where nothing says what it is; the wire wants to be told."""
    kind = part.mime or _MEDIA_TYPES.get(_ending(part.url), "video/mp4")
    if found := data_url(part.url):
        return {"inlineData": {"mimeType": part.mime or found[0], "data": found[1]}}
    return {"fileData": {"fileUri": part.url, "mimeType": kind}}


def _ending(url: str) -> str:
    return urlsplit(url).path.rpartition(".")[2].lower()


def _answer(result: ToolResult) -> Any:
    """The answer as the object that the wire wants; other JSON and text are put into one."""
    if result.is_error:
        return {"error": result.text}
    text = result.text
    try:
        value = msgspec.json.decode(text)
    except UNREADABLE:
        return {"output": text}
    return raw_json(text) if isinstance(value, dict) else {"output": value}
