"""What a wire format costs by itself: CPU of each dialect, and copies of a large request.

    python benchmarks/wires.py [--json FILE]

A request with a body of about 1.5 KB is encoded and a reply of 1 KB decoded, without any I/O; CPU
time of this process, the best of several rounds, as others may use the machine. Rows whose replies
tell more than the answer (sources, cost) are measured beside the wires. Then a request with an
image of 1 MB of base64 is encoded under `tracemalloc`: a copy is as much memory as the image, and
the body that goes out is one of them. The encoder's buffer may be larger than what it holds: such
slack is shown, and is no copy; nobody touches it, so it takes addresses and no memory. The exit
code says whether both stay within the limits.
"""

import argparse
import gc
import json
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time_ns
from typing import Any

if __name__ == "__main__":
    # A script sees its own folder only; what it uses is a package of the folder above.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from llm_orchestrator.dialects import load
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Image, Message, Request, Text
from tests.unit.dialects import targets
from tests.unit.dialects.bedrock_samples import bedrock

MOST_MICROSECONDS = 25.0
MOST_COPIES = 2.0
_SMALL = 0.05  # of the image: whatever else is allocated
IMAGE = 1_000_000
REPLY = 1_024

_WORDS = "The sea is quiet this morning, and the small boats have not left the harbour. "
_USAGE = {"prompt_tokens": 320, "completion_tokens": 180, "total_tokens": 500}
_BILLED = {"input_tokens": 320, "output_tokens": 180}
_NAMES = ("prompt", "candidates", "total")
_GEMINI_USAGE = dict(zip((f"{n}TokenCount" for n in _NAMES), _USAGE.values(), strict=True))
_COST = {"input_tokens_cost": 0.00032, "output_tokens_cost": 0.00018, "request_cost": 0.005}
_SOURCE = {"title": "Boats", "url": "https://example.com/boats", "date": "2026-11-02"}
_BESIDE: dict[str, dict[str, Any]] = {
    "perplexity": {
        "citations": ["https://example.com/boats", "https://example.org/harbour"],
        "search_results": [_SOURCE],
        "usage": _USAGE | {"citation_tokens": 9, "cost": _COST | {"total_cost": 0.0055}},
    },
    "openrouter": {"provider": "Somebody", "usage": _USAGE | {"cost": 0.0005}},
}
"""What a reply of some rows says beside the answer."""
_BEDROCK_USAGE = {"inputTokens": 320, "outputTokens": 180, "totalTokens": 500}


@dataclass(frozen=True)
class Figures:
    """One wire: sizes in bytes, CPU in microseconds, memory as multiples of the image."""

    wire: str
    request: int
    reply: int
    encode: float
    decode: float
    peak: float
    slack: float

    @property
    def copies(self) -> float:
        """How often the image was in memory at once, beside the caller's own."""
        return self.peak - self.slack

    @property
    def within(self) -> bool:
        """Whether both limits are kept."""
        return self.encode + self.decode <= MOST_MICROSECONDS and self.spares

    @property
    def spares(self) -> bool:
        """Whether no more copies were made than may be."""
        return self.copies <= MOST_COPIES + _SMALL


def row(name: str) -> Candidate:
    """The default model of a row of the table."""
    provider = TABLE[name]
    return Candidate(provider, Model(provider=name, id=provider.default_model))


def wires() -> dict[str, Candidate]:
    """A model on each wire, and of rows that say more on it."""
    return {
        "openai": targets.openai(),
        "responses": targets.responses(),
        "anthropic": targets.anthropic(),
        "gemini": targets.gemini(),
        "bedrock": bedrock(),
        "cohere": targets.cohere(),
        "perplexity": row("perplexity"),
        "openrouter": row("openrouter"),
    }


def body(wire: str, text: str) -> dict[str, Any]:
    """A whole answer as the wire sends it."""
    part = {"type": "text", "text": text}
    answer = {"role": "assistant", "content": text}
    said: dict[str, Any]
    match wire:
        case "openai" | "perplexity" | "openrouter":
            choice = {"index": 0, "message": answer, "finish_reason": "stop"}
            said = {"id": "chatcmpl-1", "model": "gpt-x", "choices": [choice], "usage": _USAGE}
            return said | _BESIDE.get(wire, {})
        case "responses":
            said = {"type": "message", "role": "assistant"}
            said["content"] = [{"type": "output_text", "text": text, "annotations": []}]
            return {"id": "resp_1", "status": "completed", "output": [said], "usage": _BILLED}
        case "anthropic":
            said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"}
            return said | {"content": [part], "stop_reason": "end_turn", "usage": _BILLED}
        case "gemini":
            said = {"content": {"role": "model", "parts": [{"text": text}]}}
            said |= {"finishReason": "STOP", "index": 0}
            return {"candidates": [said], "usageMetadata": _GEMINI_USAGE, "responseId": "r"}
        case "bedrock":
            said = {"message": {"role": "assistant", "content": [{"text": text}]}}
            return {"output": said, "stopReason": "end_turn", "usage": _BEDROCK_USAGE}
    usage = {"billed_units": _BILLED, "tokens": _BILLED}
    message = {"role": "assistant", "content": [part]}
    return {"id": "c", "finish_reason": "COMPLETE", "message": message, "usage": usage}


def reply(wire: str) -> HTTPReply:
    """An answer of 1 KB."""
    spare = REPLY - len(json.dumps(body(wire, "")))
    data = json.dumps(body(wire, (_WORDS * 20)[:spare])).encode()
    return HTTPReply(200, {"Content-Type": "application/json"}, data)


def request() -> Request:
    """A conversation whose body is of about 1.5 KB."""
    turns = ("system", 3), ("user", 4), ("assistant", 5), ("user", 4)
    messages = tuple(Message(role, _WORDS * times) for role, times in turns)  # type: ignore[arg-type]
    return Request(messages=messages, max_tokens=400, temperature=0.5, stop=("END",))


def cpu(work: Callable[[], object], rounds: int = 9, times: int = 1_000) -> float:
    """Microseconds of CPU, the best of some rounds."""
    best = 0
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        before = process_time_ns()
        for _ in range(times):
            work()
        spent = process_time_ns() - before
        best = min(best or spent, spent)
    gc.enable()
    return best / times / 1e3


def memory(work: Callable[[], HTTPCall]) -> tuple[float, float]:
    """The peak, and what the result keeps beyond its length, as multiples of the image."""
    work()  # what is loaded at the first use does not count
    gc.collect()
    tracemalloc.start()
    try:
        result = work()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak / IMAGE, (kept - len(result.body)) / IMAGE


def measure(wire: str, target: Candidate) -> Figures:
    """All figures of a wire."""
    dialect, asked, answer = load(target.provider.dialect), request(), reply(wire)
    url = "data:image/png;base64," + "iVBORw0K" * (IMAGE // 8)
    picture = Message("user", (Text(text="What is this?"), Image(url=url)))
    large = Request(messages=(picture,), max_tokens=400)
    peak, slack = memory(lambda: dialect.encode(large, target))
    return Figures(
        wire,
        len(dialect.encode(asked, target).body),
        len(answer.body),
        cpu(lambda: dialect.encode(asked, target)),
        cpu(lambda: dialect.decode(answer, target)),
        peak,
        slack,
    )


def show(console: Console, found: list[Figures]) -> None:
    """The table, with what is over a limit in red."""
    limits = f"at most {MOST_MICROSECONDS:g} µs for both, at most {MOST_COPIES:g} copies"
    table = Table(title=f"each wire by itself: {limits}", title_justify="left")
    table.add_column("wire", no_wrap=True)
    for head in ("asks B", "gets B", "encode µs", "decode µs", "both µs", "peak", "slack"):
        table.add_column(head, justify="right")
    table.add_column("copies of 1 MB", justify="right")
    for one in found:
        both = one.encode + one.decode
        table.add_row(
            one.wire,
            str(one.request),
            str(one.reply),
            f"{one.encode:.1f}",
            f"{one.decode:.1f}",
            f"[{'red' if both > MOST_MICROSECONDS else 'green'}]{both:.1f}",
            f"{one.peak:.2f}",
            f"{one.slack:.2f}",
            f"[{'green' if one.spares else 'red'}]{one.copies:.2f}",
        )
    console.print(table)


def main() -> int:
    """Measure, print, and say by the exit code whether the limits hold."""
    options = argparse.ArgumentParser(description="CPU and copies of each wire.")
    options.add_argument("--json", metavar="FILE", help="also write the figures to a file")
    given = options.parse_args()
    found = [measure(wire, target) for wire, target in wires().items()]
    show(Console(), found)
    if given.json:
        text = json.dumps([asdict(one) for one in found], indent=2) + "\n"
        Path(given.json).write_text(text, encoding="utf-8")
    return int(not all(one.within for one in found))


if __name__ == "__main__":
    sys.exit(main())
