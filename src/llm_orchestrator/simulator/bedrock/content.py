"""Messages of the Converse wire: read as turns and prompt segments."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, cast

from llm_orchestrator.simulator import images, tokens
from llm_orchestrator.simulator.anthropic.blocks import signed
from llm_orchestrator.simulator.ask import Segment, ToolCall, ToolResult, Turn
from llm_orchestrator.simulator.bedrock.errors import constraint, invalid, model_said
from llm_orchestrator.simulator.jsonschema import word
from llm_orchestrator.simulator.models import Model

_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PICTURES: Final = ("png", "jpeg", "gif", "webp")
_PAPERS: Final = ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")
_PAGE: Final = 1500
_ROLES: Final = ("user", "assistant", "system")


@dataclass(slots=True)
class Prompt:
    """What a conversation comes to."""

    turns: list[Turn] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    def mark(self, point: Any, where: str) -> None:
        """A cache point: what stands before it is to be cached."""
        point = point if isinstance(point, dict) else {}
        lifetime = point.get("ttl", "5m")
        if point.get("type") != "default" or lifetime not in ("5m", "1h"):
            raise constraint(point.get("type"), f"{where}.cachePoint", "be 'default', '5m' or '1h'")
        if not self.segments:
            raise invalid("A cachePoint must follow content.")
        self.segments[-1] = replace(self.segments[-1], mark=lifetime)


def read_system(given: Any, prompt: Prompt) -> None:
    """The system prompt."""
    if given is None:
        return
    turn = Turn("system")
    for number, block in enumerate(_list(given, "system")):
        where = f"system.{number}"
        kind, value = only(block, where)
        if kind == "cachePoint":
            prompt.mark(value, where)
        elif kind == "text":
            _blank(value, where)
            turn.text = f"{turn.text}\n{value}" if turn.text else value
            prompt.segments.append(Segment(value, tokens.count(value)))
        else:
            raise invalid(f"{where}: {kind} is not supported in system.")
    if turn.text:
        prompt.turns.append(turn)


def read_messages(given: Any, model: Model, prompt: Prompt) -> None:
    """All messages, in turns."""
    start = len(prompt.turns)
    for number, message in enumerate(_list(given, "messages")):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            rule = "satisfy enum value set: [user, assistant, system]"
            raise constraint(role, f"messages.{number + 1}.member.role", rule)
        turn = Turn(role)
        prompt.segments.append(Segment(f"\n{role}\n", 3))
        reader = BlockReader(model, turn, prompt)
        blocks = _list(message.get("content"), f"messages.{number}.content")
        for index, block in enumerate(blocks):
            reader.read(block, f"messages.{number}.content.{index}")
        prompt.turns.append(turn)
    spoken = [turn for turn in prompt.turns[start:] if turn.role != "system"]
    if not spoken or spoken[0].role != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that "
            "starts with a user message."
        )
    for before, after in pairwise(spoken):
        if before.role == after.role:
            raise invalid(
                "A conversation must alternate between user and assistant roles. Make sure the "
                "conversation alternates between user and assistant roles and try again."
            )
    _check_tools(spoken)


def _check_tools(turns: list[Turn]) -> None:
    """Each toolUse is answered in the next message, and nothing else is."""
    before: list[str] = []
    for number, turn in enumerate(turns):
        answered = [result.call_id for result in turn.results]
        missing = [call for call in before if call not in answered]
        if missing:
            raise invalid(
                f"Expected toolResult blocks at messages.{number}.content for the following Ids: "
                + ", ".join(missing)
            )
        if len(answered) > len(before):
            raise invalid(
                f"The number of toolResult blocks at messages.{number}.content exceeds the number "
                "of toolUse blocks of previous turn."
            )
        before = [call.id for call in turn.calls]
    if before:
        raise invalid(
            f"Expected toolResult blocks at messages.{len(turns)}.content for the following Ids: "
            + ", ".join(before)
        )


def _list(given: Any, where: str) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise constraint(given, where, "have length greater than or equal to 1")
    return given


def only(block: Any, where: str) -> tuple[str, Any]:
    """The one member of a union."""
    if not isinstance(block, dict) or len(block) != 1:
        raise invalid(
            f"Invalid union at {where}: exactly one member must be set; got "
            f"{sorted(block) if isinstance(block, dict) else type(block).__name__}."
        )
    return next(iter(block.items()))


def _blank(text: Any, where: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise invalid(
            f"The text field in the ContentBlock object at {where} is blank. Add text to the text "
            "field, and try again."
        )


class BlockReader:
    """Reads the blocks of one message."""

    def __init__(self, model: Model, turn: Turn, prompt: Prompt) -> None:
        self._model, self._turn, self._prompt = model, turn, prompt

    def read(self, block: Any, where: str) -> None:
        """One block, into the turn and the prompt's segments."""
        kind, value = only(block, where)
        if kind == "cachePoint":
            self._prompt.mark(value, where)
            return
        readers: dict[str, Callable[[Any, str], tuple[str, int]]] = {
            "text": self._text,
            "image": self._image,
            "document": self._document,
            "toolUse": self._tool_use,
            "toolResult": self._tool_result,
            "reasoningContent": self._reasoning,
        }
        if kind not in readers:
            raise invalid(f"{where}: unsupported content block {kind}.")
        if kind != "text" and not isinstance(value, dict):
            raise invalid(f"{where}.{kind}: expected an object.")
        text, size = readers[kind](value, where)
        self._prompt.segments.append(Segment(f"{kind}:{text}", size))

    def _say(self, text: str) -> None:
        self._turn.text = f"{self._turn.text}\n{text}" if self._turn.text else text

    def _text(self, text: Any, where: str) -> tuple[str, int]:
        _blank(text, where)
        self._say(text)
        return text, tokens.count(text)

    def _image(self, image: dict[str, Any], where: str) -> tuple[str, int]:
        if image.get("format") not in _PICTURES:
            rule = f"satisfy enum value set: [{', '.join(_PICTURES)}]"
            raise constraint(image.get("format"), f"{where}.image.format", rule)
        if not self._model.can("vision"):
            raise model_said("This model does not support image input.")
        kind, source = only(image.get("source"), f"{where}.image.source")
        if kind == "bytes":
            try:
                picture = images.decode(str(source))
            except images.NotAnImageError as error:
                raise model_said(f"{where}.image.source: Could not process image") from error
            if picture.format != image["format"]:
                raise model_said(f"{where}.image.source: Image does not match the provided format")
        else:
            picture = images.linked(json.dumps(source))
        self._turn.images += 1
        self._say(f"[image {picture.digest}]")
        return picture.digest, images.area(picture)

    def _document(self, document: dict[str, Any], where: str) -> tuple[str, int]:
        if document.get("format") not in _PAPERS:
            rule = f"satisfy enum value set: [{', '.join(_PAPERS)}]"
            raise constraint(document.get("format"), f"{where}.document.format", rule)
        name = str(document.get("name") or "")
        if not re.fullmatch(r"[A-Za-z0-9 ()\[\]-]{1,200}", name):
            raise invalid(
                "The document file name can only contain alphanumeric characters, "
                "whitespace characters, hyphens, parentheses, and square brackets."
            )
        _, source = only(document.get("source"), f"{where}.document.source")
        digest = images.linked(json.dumps(source)).digest
        return f"{name}{digest}", _PAGE

    def _tool_use(self, call: dict[str, Any], where: str) -> tuple[str, int]:
        name, given = call.get("name"), call.get("input")
        if self._turn.role != "assistant":
            raise invalid(f"{where}: toolUse blocks can only be in assistant messages.")
        for pattern, key in ((_ID, "toolUseId"), (_NAME, "name")):
            given_name = call.get(key)
            if not isinstance(given_name, str) or not pattern.fullmatch(given_name):
                rule = f"satisfy regular expression pattern: {pattern.pattern}"
                raise constraint(call.get(key), f"{where}.toolUse.{key}", rule)
        if not isinstance(given, dict):
            raise invalid(
                f"The format of the value at {where}.toolUse.input is invalid. Provide a json "
                "object for the field and try again."
            )
        text = json.dumps(given)
        self._turn.calls.append(ToolCall(call["toolUseId"], cast("str", name), text))
        return f"{name}{text}", tokens.count(str(name)) + tokens.count(text) + 3

    def _tool_result(self, result: dict[str, Any], where: str) -> tuple[str, int]:
        if self._turn.role != "user":
            raise invalid(f"{where}: toolResult blocks can only be in user messages.")
        status = result.get("status", "success")
        if status not in ("success", "error"):
            rule = "satisfy enum value set: [success, error]"
            raise constraint(status, f"{where}.toolResult.status", rule)
        inner = Prompt()
        turn, texts = Turn("user"), []
        for number, block in enumerate(_list(result.get("content"), f"{where}.toolResult.content")):
            here = f"{where}.toolResult.content.{number}"
            kind, value = only(block, here)
            if kind == "json":
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                texts.append(text)
                inner.segments.append(Segment(text, tokens.count(text)))
            elif kind == "text":
                texts.append(str(value))
                inner.segments.append(Segment(str(value), tokens.count(str(value))))
            else:
                BlockReader(self._model, turn, inner).read(block, here)
        text = "\n".join([*texts, turn.text] if turn.text else texts)
        call = word(result.get("toolUseId")) or ""
        if not _ID.fullmatch(call):
            rule = f"satisfy regular expression pattern: {_ID.pattern}"
            raise constraint(call, f"{where}.toolResult.toolUseId", rule)
        self._turn.results.append(ToolResult(call, text, status == "error"))
        return f"{call}{text}", sum(segment.tokens for segment in inner.segments) + 3

    def _reasoning(self, block: dict[str, Any], where: str) -> tuple[str, int]:
        kind, value = only(block, f"{where}.reasoningContent")
        if kind == "redactedContent":
            return str(value), 50
        value = value if isinstance(value, dict) else {}
        text, signature = value.get("text"), value.get("signature")
        if not isinstance(text, str) or not isinstance(signature, str):
            raise model_said(f"{where}.thinking.signature: Field required")
        if not signed(text, signature):
            raise model_said(f"{where}: Invalid `signature` in `thinking` block")
        return text, tokens.count(text)
