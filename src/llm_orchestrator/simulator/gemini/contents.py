"""Contents of the Gemini wire: read as turns and prompt segments, and the order of calls."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final

from llm_orchestrator.simulator import images, tokens
from llm_orchestrator.simulator.ask import Segment, ToolCall, ToolResult, Turn
from llm_orchestrator.simulator.gemini.errors import invalid
from llm_orchestrator.simulator.gemini.shape import standard
from llm_orchestrator.simulator.models import Model

_SEAL: Final = b"sim-thought-1"
_SKIP: Final = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_PICTURES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/heic")
_PAGE: Final = 258


def sign(name: str, args: Any) -> str:
    """The signature on a call that came out of thinking."""
    text = json.dumps([name, args], sort_keys=True)
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=24).digest()
    return base64.b64encode(_SEAL + digest).decode()


def signed(name: str, args: Any, signature: str) -> bool:
    """Whether a call came from here unchanged; two documented words stand for foreign calls."""
    plain = base64.b64decode(standard(signature))
    return (
        signature in _SKIP
        or plain in {word.encode() for word in _SKIP}
        or standard(signature) == sign(name, args)
    )


@dataclass(slots=True)
class Prompt:
    """What contents come to; `picture_tokens` are those of images and files."""

    turns: list[Turn] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    picture_tokens: int = 0
    unsigned: bool = False  # a call of the current turn lacks the signature of its thoughts


def read_system(given: dict[str, Any] | None, model: Model) -> Prompt:
    """The system instruction, text parts only."""
    prompt = Prompt()
    if given is None:
        return prompt
    if not model.can("system"):
        raise invalid("Developer instruction is not enabled for this model")
    texts = [part.get("text") for part in given.get("parts", [])]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise invalid("The system instruction must have text parts.", "system_instruction")
    text = "\n".join(str(text) for text in texts)
    prompt.turns.append(Turn("system", text))
    prompt.segments.append(Segment(f"system\n{text}", tokens.count(text) + 1))
    return prompt


def read(contents: list[dict[str, Any]], model: Model, *, signatures: bool) -> Prompt:
    """All contents; `signatures` = calls need the signature of the thoughts behind them."""
    if not contents:
        name = "GenerateContentRequest.contents"
        raise invalid(f"* {name}: contents is not specified\n", "contents")
    prompt = Prompt()
    for number, content in enumerate(contents):
        role = content.get("role") or ("user" if number % 2 == 0 or len(contents) == 1 else "model")
        if role == "function":
            role = "user"
        if role not in {"user", "model"}:
            raise invalid("Please use a valid role: user, model.")
        parts = content.get("parts")
        if not parts:
            raise invalid(
                f"* GenerateContentRequest.contents[{number}].parts: contents.parts must not be "
                "empty.\n",
                f"contents[{number}].parts",
            )
        turn = Turn("user" if role == "user" else "assistant")
        reader = _Parts(model, turn, prompt, f"contents[{number}]")
        for index, part in enumerate(parts):
            reader.read(part, index)
        prompt.turns.append(turn)
        prompt.segments.append(Segment(f"\n{role}\n{reader.text}", reader.size + 1))
    _check_calls(prompt.turns)
    if signatures:
        _check_signatures(prompt, contents)
    return prompt


def text_of(content: dict[str, Any], model: Model) -> str:
    """The text of a content that is to be embedded."""
    prompt, turn = Prompt(), Turn("user")
    reader = _Parts(model, turn, prompt, "content")
    for index, part in enumerate(content.get("parts", [])):
        reader.read(part, index)
    return turn.text


class _Parts:
    """Reads the parts of one content."""

    def __init__(self, model: Model, turn: Turn, prompt: Prompt, where: str) -> None:
        self._model, self._turn, self._prompt, self._where = model, turn, prompt, where
        self.text = ""
        self.size = 0

    def _say(self, text: str) -> None:
        self._turn.text = f"{self._turn.text}\n{text}" if self._turn.text else text

    def _add(self, text: str, size: int) -> None:
        self.text += text
        self.size += size

    def read(self, part: dict[str, Any], index: int) -> None:
        where = f"{self._where}.parts[{index}]"
        kinds = [k for k in part if k in _KINDS]
        if len(kinds) != 1:
            what = "required oneof field 'data' must have one initialized field"
            raise invalid(f"* GenerateContentRequest.{where}.data: {what}", where)
        if part.get("thought") and kinds == ["text"]:
            self._add("", 0)  # thoughts of earlier turns are dropped before the model reads them
            return
        kind = kinds[0]
        if kind == "text":
            self._say(part["text"])
            self._add(part["text"], tokens.count(part["text"]))
        elif kind in {"inlineData", "fileData"}:
            self._media(part[kind], where, inline=kind == "inlineData")
        elif kind == "functionCall":
            self._call(part[kind], where)
        elif kind == "functionResponse":
            self._response(part[kind], where)
        else:
            text = json.dumps(part[kind], sort_keys=True)
            self._add(text, tokens.count(text))

    def _media(self, data: dict[str, Any], where: str, *, inline: bool) -> None:
        media = str(data.get("mimeType") or "")
        if not media:
            raise invalid(f"{where}: mimeType must be set.", where)
        if not self._model.can("vision"):
            raise invalid("Image input modality is not enabled for this model")
        if not media.startswith(("image/", "audio/", "video/", "application/pdf", "text/")):
            raise invalid(f"Unsupported MIME type: {media}")
        picture = images.linked(str(data.get("fileUri") or data.get("data", ""))[:200])
        if inline and media in _PICTURES:
            try:
                picture = images.decode(standard(str(data.get("data", ""))))
            except images.NotAnImageError:
                raise invalid("Unable to process input image. Please retry or report.") from None
        elif not inline and ".invalid" in str(data.get("fileUri")):
            raise invalid("Cannot fetch content from the provided URL.")
        size = images.squares(picture) if media.startswith("image/") else _PAGE
        self._turn.images += 1
        self._prompt.picture_tokens += size
        self._say(f"[image {picture.digest}]")
        self._add(picture.digest, size)

    def _call(self, call: dict[str, Any], where: str) -> None:
        name, args = call.get("name"), call.get("args", {})
        if self._turn.role != "assistant":
            raise invalid("Function call parts must be in a content of role model.", where)
        if not name or not isinstance(args, dict):
            raise invalid(f"{where}.function_call: name and an object of args are required.", where)
        text = json.dumps(args)
        self._turn.calls.append(ToolCall(str(call.get("id") or ""), name, text))
        self._add(name + text, tokens.count(name) + tokens.count(text) + 3)

    def _response(self, given: dict[str, Any], where: str) -> None:
        name, response = given.get("name"), given.get("response")
        if self._turn.role != "user":
            raise invalid("Function response parts must be in a content of role user.", where)
        if not name:
            raise invalid(f"{where}.function_response.name: Name cannot be empty.", where)
        if not isinstance(response, dict):
            raise invalid(
                f"Invalid value at '{where}.function_response.response' "
                "(type.googleapis.com/google.protobuf.Struct)",
                where,
            )
        inner = response.get("output", response.get("result", response.get("error", response)))
        text = inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)
        failed = "error" in response
        self._turn.results.append(ToolResult(str(given.get("id") or name), text, failed))
        self._add(name + text, tokens.count(name) + tokens.count(text) + 3)


_KINDS: Final = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)


def _check_calls(turns: list[Turn]) -> None:
    """Calls follow a user's turn, and the next turn answers each of them."""
    for number, turn in enumerate(turns):
        before = turns[number - 1] if number else None
        if turn.calls and (before is None or before.role != "user"):
            raise invalid(
                "Please ensure that function call turn comes immediately after a user turn or "
                "after a function response turn."
            )
        asked = len(before.calls) if before else 0
        if turn.results and asked == 0:
            raise invalid(
                "Please ensure that function response turn comes immediately after a function "
                "call turn."
            )
        if asked != len(turn.results) and (asked or turn.results):
            raise invalid(
                "Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn."
            )


def _check_signatures(prompt: Prompt, contents: list[dict[str, Any]]) -> None:
    """The first call of each step since the user last spoke carries its signature."""
    spoken = [n for n, t in enumerate(prompt.turns) if t.role == "user" and not t.results]
    start = spoken[-1] if spoken else 0
    for number, content in enumerate(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        for position, part in enumerate(calls):
            call, signature = part["functionCall"], part.get("thoughtSignature")
            if signature and not signed(call["name"], call.get("args", {}), signature):
                raise invalid("Thought signature is not valid.", f"contents[{number}]")
            if not signature and position == 0 and number > start:
                prompt.unsigned = True
