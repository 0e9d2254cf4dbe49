"""Content blocks of the Messages wire: checked, then read as text and prompt segments."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from llm_orchestrator.simulator import images, tokens
from llm_orchestrator.simulator.anthropic.errors import invalid
from llm_orchestrator.simulator.ask import Segment, ToolCall, ToolResult, Turn
from llm_orchestrator.simulator.jsonschema import word
from llm_orchestrator.simulator.models import Model

_MEDIA = {f"image/{kind}" for kind in ("jpeg", "png", "gif", "webp")}
_PAGE: Final = 1500  # tokens of a document that cannot be read here
_SEAL: Final = "sim1"


def sign(thinking: str) -> str:
    """The signature of a thinking block."""
    digest = hashlib.blake2b(thinking.encode("utf-8", "replace"), digest_size=32).digest()
    return base64.b64encode(_SEAL.encode() + digest).decode()


def signed(thinking: str, signature: str) -> bool:
    """Whether a thinking block came from here unchanged; withheld text cannot be checked."""
    if not thinking:
        return signature.startswith(base64.b64encode(_SEAL.encode()).decode()[:5])
    return signature == sign(thinking)


def mark_of(block: dict[str, Any], where: str) -> str:
    """The cache lifetime that a block asks for, or nothing."""
    control = block.get("cache_control")
    if control is None:
        return ""
    lifetime = word(control.get("ttl", "5m")) if isinstance(control, dict) else None
    kind = control.get("type") if isinstance(control, dict) else None
    if kind != "ephemeral" or lifetime not in {"5m", "1h"}:
        raise invalid(f"{where}.cache_control: Input should be 'ephemeral' with ttl '5m' or '1h'")
    return str(lifetime)


class BlockReader:
    """Reads the blocks of one message into a turn and the prompt's segments."""

    def __init__(self, model: Model, turn: Turn, version: str) -> None:
        self._model = model
        self._turn = turn
        self._version = version
        self.segments: list[Segment] = []

    def read(self, block: Any, where: str, *, last: bool) -> None:
        """One block; `last` is the final assistant message, whose text may be anything."""
        kind = word(block.get("type")) if isinstance(block, dict) else None
        readers: dict[Any, Callable[[dict[str, Any], str], tuple[str, int]]] = {
            "text": self._text,
            "image": self._image,
            "document": self._document,
            "tool_use": self._tool_use,
            "tool_result": self._tool_result,
            "thinking": self._thinking,
            "redacted_thinking": lambda block, _: (str(block.get("data")), 50),
        }
        if kind not in readers:
            tags = ", ".join(f"'{name}'" for name in readers)
            raise invalid(
                f"{where}: Input tag '{kind}' found using 'type' does not match any of the "
                f"expected tags: {tags}"
            )
        if kind == "text" and not last and not str(block.get("text") or "").strip():
            raise invalid(
                f"{where.split('.', maxsplit=1)[0]}: text content blocks must be non-empty"
            )
        text, size = readers[kind](block, where)
        self.segments.append(Segment(f"{kind}:{text}", size, mark_of(block, where)))

    def _say(self, text: str) -> None:
        self._turn.text = f"{self._turn.text}\n{text}" if self._turn.text else text

    def _text(self, block: dict[str, Any], where: str) -> tuple[str, int]:
        text = block.get("text")
        if not isinstance(text, str):
            raise invalid(f"{where}.text: Field required")
        if block.get("citations") and self._turn.role == "user" and self._version != "2023-06-01":
            raise invalid(f"{where}.citations: Extra inputs are not permitted")
        self._say(text)
        return text, tokens.count(text)

    def _image(self, block: dict[str, Any], where: str) -> tuple[str, int]:
        if not self._model.can("vision"):
            raise invalid(f"{where}: this model does not support image input")
        source = block.get("source")
        source = source if isinstance(source, dict) else {}
        kind = word(source.get("type"))
        if kind == "base64":
            media = word(source.get("media_type"))
            if media not in _MEDIA:
                wanted = ", ".join(f"'{name}'" for name in sorted(_MEDIA))
                raise invalid(f"{where}.source.base64.media_type: Input should be {wanted}")
            try:
                picture = images.decode(str(source.get("data", "")))
            except images.NotAnImageError as error:
                raise invalid(f"{where}.source.base64.data: {error}") from error
            if picture.format != str(media).removeprefix("image/"):
                raise invalid(
                    f"{where}.source.base64.data: Image does not match the provided media type "
                    f"{media}"
                )
        elif kind in {"url", "file"}:
            address = str(source.get("url") or source.get("file_id") or "")
            if not address or ".invalid" in address:
                raise invalid(f"{where}.source: Unable to download the file.")
            picture = images.linked(address)
        else:
            raise invalid(f"{where}.source: Field required")
        self._turn.images += 1
        self._say(f"[image {picture.digest}]")
        return picture.digest, images.area(picture)

    def _document(self, block: dict[str, Any], where: str) -> tuple[str, int]:
        if self._turn.role == "assistant" and self._version != "2023-06-01":
            raise invalid(f"{where}: document blocks are not permitted in assistant messages")
        source = block.get("source")
        if not isinstance(source, dict):
            raise invalid(f"{where}.source: Field required")
        text = str(source.get("data") or source.get("url") or source.get("content") or "")
        if source.get("type") == "text":
            self._say(text)
            return text, tokens.count(text)
        if source.get("type") == "base64" and not text.startswith("JVBERi"):
            raise invalid(f"{where}.source.base64.data: The PDF specified was not valid.")
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), _PAGE

    def _tool_use(self, block: dict[str, Any], where: str) -> tuple[str, int]:
        name, given = block.get("name"), block.get("input")
        if self._turn.role != "assistant":
            raise invalid(f"{where}: `tool_use` blocks can only be in `assistant` messages")
        if not isinstance(block.get("id"), str) or not isinstance(name, str):
            raise invalid(f"{where}.tool_use: `id` and `name` are required")
        if not isinstance(given, dict):
            raise invalid(f"{where}.tool_use.input: Input should be a valid dictionary")
        text = json.dumps(given)
        self._turn.calls.append(ToolCall(block["id"], name, text))
        return f"{name}{text}", tokens.count(name) + tokens.count(text) + 3

    def _tool_result(self, block: dict[str, Any], where: str) -> tuple[str, int]:
        if self._turn.role != "user":
            raise invalid(f"{where}: `tool_result` blocks can only be in `user` messages")
        call = block.get("tool_use_id")
        if not isinstance(call, str):
            raise invalid(f"{where}.tool_result.tool_use_id: Field required")
        content = block.get("content", "")
        if isinstance(content, list):
            inner = BlockReader(self._model, Turn("user"), self._version)
            for number, part in enumerate(content):
                inner.read(part, f"{where}.content.{number}", last=False)
            text = inner._turn.text
            size = sum(segment.tokens for segment in inner.segments)
        else:
            text = str(content)
            size = tokens.count(text)
        self._turn.results.append(ToolResult(call, text, bool(block.get("is_error"))))
        return f"{call}{text}", size + 3

    def _thinking(self, block: dict[str, Any], where: str) -> tuple[str, int]:
        text, signature = block.get("thinking"), block.get("signature")
        if not isinstance(text, str) or not isinstance(signature, str):
            raise invalid(f"{where}.thinking.signature: Field required")
        if not signed(text, signature):
            raise invalid(f"{where}: Invalid `signature` in `thinking` block")
        return text, tokens.count(text)
