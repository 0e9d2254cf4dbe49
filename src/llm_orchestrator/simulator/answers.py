"""What a simulated model says: tool calls, JSON, a label or prose, cut into tokens."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Literal

from llm_orchestrator.simulator import failover, labels, prose, schema, tokens
from llm_orchestrator.simulator.ask import Ask, Tool, ToolCall
from llm_orchestrator.simulator.draw import Draw, token

Finish = Literal[
    "stop", "stop_sequence", "length", "tool_calls", "content_filter", "blocked", "unsigned"
]
Kind = Literal["thinking", "text", "plan", "call", "arguments"]

UNICODE = " Crème brûlée at the naïve café in Zürich costs 5 €, in 東京 it is プリン 🍮."


@dataclass(slots=True)
class Piece:
    """What one step of generation adds; `index` is the number of the tool call."""

    kind: Kind
    text: str
    tokens: int = 1
    index: int = 0


@dataclass(slots=True)
class Answer:
    """One choice, complete: what a plain reply holds and what a stream is cut from."""

    pieces: list[Piece] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    finish: Finish = "stop"
    stop_sequence: str | None = None

    def _joined(self, kind: Kind) -> str:
        return "".join(piece.text for piece in self.pieces if piece.kind == kind)

    @property
    def text(self) -> str:
        """The visible text."""
        return self._joined("text")

    @property
    def thinking(self) -> str:
        """The reasoning text."""
        return self._joined("thinking")

    @property
    def output_tokens(self) -> int:
        """All tokens, reasoning included."""
        return sum(piece.tokens for piece in self.pieces)

    @property
    def thinking_tokens(self) -> int:
        """The tokens of the reasoning alone."""
        return sum(piece.tokens for piece in self.pieces if piece.kind == "thinking")

    def arguments(self, index: int) -> str:
        """The arguments of one call as far as the token limit let them come."""
        return "".join(p.text for p in self.pieces if p.kind == "arguments" and p.index == index)


def generate(ask: Ask, seed: int) -> list[Answer]:
    """All choices of an answer; the same request gives the same, streamed or not."""
    if ask.silent:
        return [Answer(finish=ask.silent)]
    return [_choice(ask, _draw(ask, seed, number), number) for number in range(ask.choices)]


def _draw(ask: Ask, seed: int, number: int) -> Draw:
    turns = ask.turns[:-1] if ask.prefill else ask.turns
    said = [(t.role, t.text, t.images, [r.text for r in t.results]) for t in turns]
    named = [tool.name for tool in ask.tools]
    return Draw(seed, ask.model.id, said, named, ask.schema, ask.seed, number)


def _choice(ask: Ask, draw: Draw, number: int) -> Answer:
    answer = Answer()
    if ask.thinking:
        answer.pieces += _thinking(ask, draw)
    wanted = _calls(ask, draw)
    if wanted:
        answer.finish = "tool_calls"
        if ask.plans:
            names = " and ".join(dict.fromkeys(tool.name for tool, _ in wanted))
            answer.pieces += [Piece("plan", t) for t in tokens.split(f"I will use {names}.")]
        for index, (tool, arguments) in enumerate(wanted):
            name = token(24, draw.fraction(), tool.name, index, number)
            answer.calls.append(ToolCall(name, tool.name, arguments))
            answer.pieces.append(Piece("call", "", tokens.count(tool.name) + 3, index))
            answer.pieces += [Piece("arguments", t, 1, index) for t in tokens.split(arguments)]
    else:
        text = _continued(ask, _text(ask, draw), draw)
        text = _stopped(ask, answer, text)
        parts = _words(text) if ask.model.id.startswith("fb-") else tokens.split(text)
        answer.pieces += [Piece("text", part) for part in parts]
    _limit(ask, answer)
    return answer


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _limit(ask: Ask, answer: Answer) -> None:
    """Cut the pieces at the token limit."""
    if ask.limit is None:
        return
    left, kept = ask.limit, []
    for piece in answer.pieces:
        if piece.tokens > left:
            answer.finish, answer.stop_sequence = "length", None
            break
        left -= piece.tokens
        kept.append(piece)
    answer.pieces = kept
    begun = {piece.index for piece in kept if piece.kind == "call"}
    answer.calls = [call for index, call in enumerate(answer.calls) if index in begun]


def _stopped(ask: Ask, answer: Answer, text: str) -> str:
    found = [(text.find(mark), mark) for mark in ask.stop if mark and mark in text]
    if not found:
        return text
    position, mark = min(found)
    answer.finish, answer.stop_sequence = "stop_sequence", mark
    return text[:position]


def _continued(ask: Ask, text: str, draw: Draw) -> str:
    """What follows the caller's beginning of the answer."""
    if not ask.prefill:
        return text
    if text.startswith(ask.prefill):
        return text[len(ask.prefill) :]
    gap = "" if ask.prefill[-1:].isspace() or ask.prefill[-1:] in "{[(\"'" else " "
    return gap + text[:1].lower() + text[1:] if draw.below(2) else gap + text


def _thinking(ask: Ask, draw: Draw) -> list[Piece]:
    prompt = ask.last_text()
    text = "Let me look at what is asked. "
    while tokens.count(text) < ask.thinking:
        text += prose.paragraph(prompt, 6, draw) + " "
    return [Piece("thinking", part) for part in tokens.split(text)[: ask.thinking]]


def _instructions(ask: Ask) -> tuple[str, str]:
    """All that is asked, and the text that it is asked about."""
    system = "\n".join(turn.text for turn in ask.turns if turn.role == "system")
    last = ask.last_text()
    quoted = re.search(r"(?:\"\"\"|```|:\s*\n|\n\n|:\s+[\"'“]?)(.{12,})$", last, re.DOTALL)
    return f"{system}\n{last}"[:50_000], (quoted[1] if quoted else last)[:50_000]


def _text(ask: Ask, draw: Draw) -> str:
    if ask.model.id.startswith("fb-"):
        return failover.ANSWER
    asked, about = _instructions(ask)
    if ask.schema is not None:
        value = schema.Filler(ask.schema, about, draw).value()
        return json.dumps(value, ensure_ascii=False)
    if ask.json_mode or re.search(r"\bJSON\b", asked):
        return schema.from_template(asked, about, draw)
    results = [r for turn in ask.turns[-8:] for r in turn.results]
    if results and ask.last_role in {"tool", "user"} and ask.turns[-1].results:
        said = "; ".join(r.text.strip() or "nothing" for r in results if not r.is_error)
        text = f"The tools report: {said}." if said else "The tool failed, so I cannot say."
        return text + " " + prose.paragraph(ask.last_text(), 1, draw)
    short = labels.short(asked, about, draw)
    if short is not None:
        return short
    return _prose(asked, ask.last_text(), draw) + (UNICODE if ask.unicode else "")


def _prose(asked: str, prompt: str, draw: Draw) -> str:
    number = re.search(
        r"\b(?:exactly|in|about|under|around)\s+(\d{1,4})\s+words", asked, re.IGNORECASE
    )
    if number:
        return prose.words(prompt, max(1, int(number[1])), draw)
    lines = re.search(r"\b(one|two|three|four|five|\d{1,2})\s+sentences?", asked, re.IGNORECASE)
    if lines:
        spelled = ["one", "two", "three", "four", "five"]
        word = lines[1].lower()
        wanted = spelled.index(word) + 1 if word in spelled else int(word)
        return prose.paragraph(prompt, max(1, wanted), draw)
    return prose.paragraph(prompt, draw.between(2, 5), draw)


def _calls(ask: Ask, draw: Draw) -> list[tuple[Tool, str]]:
    """The tools that the model calls, with the arguments as JSON text."""
    if not ask.tools or ask.tool_choice == "none" or ask.model.id.startswith("fb-"):
        return []
    prompt = ask.last_text()
    forced = ask.tool_choice != "auto"
    if not forced and ask.turns[-1].results:
        return []
    named = ask.tool_choice.partition("=")[2]
    fitting = [tool for tool in ask.tools if tool.name == named or (not named and _fits(tool, ask))]
    if not fitting:
        if not forced:
            return []
        fitting = [ask.tools[0]]
    chosen = [(tool, subject) for tool in fitting for subject in _subjects(tool, prompt)]
    if not ask.parallel:
        chosen = chosen[:1]
    return [
        (tool, json.dumps(schema.Filler(tool.schema, subject, draw).value(), ensure_ascii=False))
        for tool, subject in chosen[:8]
    ]


def _fits(tool: Tool, ask: Ask) -> bool:
    """Whether the question and the tool's name or description share a word."""
    about = re.findall(r"[a-z]{4,}", f"{tool.name} {tool.description}".lower().replace("_", " "))
    said = set(re.findall(r"[a-z]{4,}", ask.last_text().lower()))
    common = {"with", "that", "this", "from", "tool", "user", "returns", "given", "current"}
    return any(word in said for word in about if word not in common)


def _subjects(tool: Tool, prompt: str) -> list[str]:
    """One text for each call: a prompt that names several places asks for each of them."""
    strings = [
        name
        for name, part in tool.schema.get("properties", {}).items()
        if isinstance(part, dict) and re.search(r"city|place|location|name|country", name)
    ]
    names = re.findall(r"(?<![.!?]\s)(?<!^)\b[A-Z][a-z]{2,}\b", prompt)
    if not strings or len(names) < 2:
        return [prompt]
    return [f"for {name}" for name in dict.fromkeys(names)]
