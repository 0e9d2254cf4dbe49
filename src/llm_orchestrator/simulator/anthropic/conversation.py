"""The whole prompt of the Messages wire: tools, system, messages, and the order of tool blocks."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.anthropic.blocks import BlockReader, mark_of
from llm_orchestrator.simulator.anthropic.errors import invalid
from llm_orchestrator.simulator.ask import Segment, Tool, Turn
from llm_orchestrator.simulator.jsonschema import problem, word
from llm_orchestrator.simulator.models import Model

_PER_MESSAGE = 3
_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
}


def read_tools(given: Any) -> tuple[tuple[Tool, ...], list[Segment]]:
    """The tools; server tools (with a dated type) are taken and never called."""
    tools, segments = [], []
    if given is not None and not isinstance(given, list):
        raise invalid("tools: Input should be a valid list")
    for number, tool in enumerate(given or []):
        where = f"tools.{number}"
        if not isinstance(tool, dict):
            raise invalid(f"{where}: Input should be a valid dictionary")
        name, schema = tool.get("name"), tool.get("input_schema")
        if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", name):
            raise invalid(
                f"{where}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )
        if tool.get("type") in (None, "custom"):
            if not isinstance(schema, dict) or schema.get("type") != "object":
                raise invalid(f"{where}.custom.input_schema.type: Input should be 'object'")
            wrong = problem(schema)
            if wrong:
                raise invalid(f"{where}.custom.input_schema: JSON schema is invalid: {wrong}")
            tools.append(Tool(name, str(tool.get("description") or ""), schema))
        text = json.dumps({k: v for k, v in tool.items() if k != "cache_control"})
        segments.append(Segment(text, tokens.count(text), mark_of(tool, where)))
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise invalid("tools: Tool names must be unique.")
    return tuple(tools), segments


def read_system(given: Any) -> tuple[list[Turn], list[Segment]]:
    """The system prompt, a text or text blocks."""
    if given is None or given == "":
        return [], []
    blocks = [{"type": "text", "text": given}] if isinstance(given, str) else given
    if not isinstance(blocks, list):
        raise invalid("system: Input should be a valid string or list")
    turn, segments = Turn("system"), []
    for number, block in enumerate(blocks):
        text = block.get("text") if isinstance(block, dict) else None
        if not isinstance(text, str) or block.get("type") != "text":
            raise invalid(f"system.{number}.text: Field required")
        if not text:
            raise invalid(f"system.{number}: text content blocks must be non-empty")
        turn.text = f"{turn.text}\n{text}" if turn.text else text
        segments.append(Segment(text, tokens.count(text), mark_of(block, f"system.{number}")))
    return [turn], segments


def read_messages(given: Any, model: Model, version: str) -> tuple[list[Turn], list[Segment]]:
    """All messages; neighbours of the same role become one turn."""
    if not isinstance(given, list):
        raise invalid("messages: Input should be a valid list")
    if not given:
        raise invalid("messages: at least one message is required")
    turns: list[Turn] = []
    segments: list[Segment] = []
    for number, message in enumerate(given):
        role = word(message.get("role")) if isinstance(message, dict) else None
        if role == "system" and version == "2023-06-01":
            raise invalid(
                'messages: Unexpected role "system". The Messages API accepts a top-level '
                '`system` parameter, not "system" as an input message role.'
            )
        if role not in _ROLES:
            raise invalid(f"messages.{number}.role: Input should be 'user' or 'assistant'")
        final = number == len(given) - 1 and role == "assistant"
        turn = Turn(_ROLES[role])
        segments += _message(message, number, turn, model, version, final=final)
        if turns and turns[-1].role == role:
            _merge(turns[-1], turn)
        else:
            turns.append(turn)
    if next((turn.role for turn in turns if turn.role != "system"), "") != "user":
        raise invalid('messages: first message must use the "user" role')
    _check_tools(turns)
    return turns, segments


def _message(
    message: dict[str, Any], number: int, turn: Turn, model: Model, version: str, *, final: bool
) -> list[Segment]:
    content = message.get("content")
    where = f"messages.{number}"
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content or final else None
        if content is None:
            raise invalid(
                f"{where}: all messages must have non-empty content except for the optional "
                "final assistant message"
            )
    if not isinstance(content, list):
        raise invalid(f"{where}.content: Field required")
    if not content and not final:
        raise invalid(f"{where}: all messages must have non-empty content")
    reader = BlockReader(model, turn, version)
    for index, block in enumerate(content):
        reader.read(block, f"{where}.content.{index}", last=final)
    wrapper = Segment(f"\n{turn.role}\n", _PER_MESSAGE)
    return [wrapper, *reader.segments]


def _merge(turn: Turn, more: Turn) -> None:
    turn.text = "\n".join(text for text in (turn.text, more.text) if text)
    turn.images += more.images
    turn.calls += more.calls
    turn.results += more.results


def _check_tools(turns: list[Turn]) -> None:
    """Each tool_result answers a tool_use of the turn before it, and each tool_use is answered."""
    before: list[str] = []
    for number, turn in enumerate(turns):
        answered = [result.call_id for result in turn.results]
        strange = [call for call in answered if call not in before]
        if strange:
            raise invalid(
                f"messages.{number}.content.0: unexpected `tool_use_id` found in `tool_result` "
                f"blocks: {', '.join(strange)}. Each `tool_result` block must have a corresponding "
                "`tool_use` block in the previous message."
            )
        if len(set(answered)) < len(answered):
            raise invalid(
                f"messages.{number}: each tool_use must have a single result. Found multiple "
                "`tool_result` blocks with the same id."
            )
        _all_answered([call for call in before if call not in answered], number - 1)
        before = [call.id for call in turn.calls]
    _all_answered(before, len(turns) - 1)


def _all_answered(left: list[str], number: int) -> None:
    if left:
        raise invalid(
            f"messages.{number}: `tool_use` ids were found without `tool_result` blocks "
            f"immediately after: {', '.join(left)}. Each `tool_use` block must have a "
            "corresponding `tool_result` block in the next message."
        )


def check_marks(segments: list[Segment]) -> None:
    """At most four cache marks, the longer lifetime first."""
    marks = [segment.mark for segment in segments if segment.mark]
    if len(marks) > 4:
        raise invalid(
            f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}."
        )
    if "1h" in marks and "5m" in marks and marks.index("5m") < len(marks) - 1:
        first = marks.index("5m")
        if "1h" in marks[first:]:
            raise invalid(
                "cache_control: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: "
                "`tools`, `system`, `messages`."
            )
