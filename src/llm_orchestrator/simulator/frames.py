"""A stream as a list of frames, and how a fault changes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from llm_orchestrator.simulator.faults import Fault

Part = Literal["head", "token", "finish", "usage", "done"]


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes of one event and the output tokens that it stands for.

    Hidden reasoning has tokens and no bytes; `thought` tells reasoning tokens from others.
    """

    part: Part
    data: bytes
    tokens: int = 0
    thought: bool = False


@dataclass(frozen=True, slots=True)
class Break:
    """The stream stops here: `close` hangs up, `reset` sends RST, `end` finishes HTTP properly.

    `seconds` is the silence before it.
    """

    how: Literal["close", "reset", "end"]
    seconds: float = 0.0


Step = Frame | Break


@dataclass(frozen=True, slots=True)
class SpareParts:
    """What a wire lends to a fault: an error event and an event that is not JSON.

    `error_body` is the error as the body of a plain reply. `bare_finish` is the finishing event
    without usage, on wires where it carries the usage. `error_first` is the error before any
    token, where it looks different.
    """

    error: bytes
    error_body: bytes
    garbage: bytes
    bare_finish: bytes | None = None
    error_first: bytes | None = None


BREAKS = frozenset({"cut", "cut-clean", "cut-reset", "stall"})
"""Faults that end a reply in the middle."""


def script(frames: Iterable[Frame], fault: Fault | None, spare: SpareParts) -> Iterator[Step]:
    """The frames as the fault lets them through."""
    if fault is None or fault.stage != "stream":
        yield from frames
    elif fault.name in BREAKS:
        yield from _broken(frames, fault)
    elif fault.name in {"error-first", "error-mid"}:
        first = fault.name == "error-first"
        yield from _until(frames, 0 if first else fault.after)
        yield Frame("done", spare.error_first or spare.error if first else spare.error)
        yield Break("end")
    elif fault.name == "malformed":
        yield from _malformed(frames, fault.after, spare.garbage)
    elif fault.name == "no-usage":
        yield from _without_usage(frames, spare.bare_finish)
    else:
        yield from _altered(frames, fault.name)


def _until(frames: Iterable[Frame], tokens: int) -> Iterator[Frame]:
    """The frames before the first one that would pass this many visible tokens."""
    seen = 0
    for frame in frames:
        counts = frame.tokens if frame.data else 0
        over = seen + counts > tokens or (tokens == 0 and frame.tokens > 0)
        if over or frame.part in {"finish", "usage", "done"}:
            return
        seen += counts
        yield frame


def _broken(frames: Iterable[Frame], fault: Fault) -> Iterator[Step]:
    yield from _until(frames, fault.after)
    how: Literal["close", "reset", "end"] = "close"
    if fault.name == "cut-clean":
        how = "end"
    elif fault.name == "cut-reset":
        how = "reset"
    yield Break(how, fault.seconds if fault.name == "stall" else 0.0)


def _without_usage(frames: Iterable[Frame], bare_finish: bytes | None) -> Iterator[Frame]:
    for frame in frames:
        if frame.part == "finish" and bare_finish is not None:
            yield Frame("finish", bare_finish)
        elif frame.part != "usage":
            yield frame


def _malformed(frames: Iterable[Frame], number: int, garbage: bytes) -> Iterator[Frame]:
    """Event `number` is broken; every token still comes in an event of its own."""
    events = 0
    for frame in frames:
        if frame.data:
            events += 1
            if events == number:
                yield Frame("head", garbage)
        yield frame


def _altered(frames: Iterable[Frame], name: str) -> Iterator[Step]:
    for frame in frames:
        if name == "no-done" and frame.part == "done":
            continue
        yield frame
        if name == "double-finish" and frame.part == "finish":
            yield Frame("finish", frame.data)
    if name == "wrong-length":
        yield Break("close")  # the header promised more
