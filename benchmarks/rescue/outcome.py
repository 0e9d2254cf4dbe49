"""What came of one case, seen by the caller and by the provider, and the verdict on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from benchmarks.rescue.cases import Case, Mode

Ended = Literal["answer", "error", "hang"]
Verdict = Literal["pass", "partial", "safe", "fail"]


class Call(msgspec.Struct, kw_only=True):
    """One call as its caller saw it; ``at`` and ``wall`` in seconds, ``cost`` in pico-dollars."""

    at: float = 0.0
    ended: Ended = "error"
    complete: bool = False
    wall: float = 0.0
    model: str = ""
    cost: int | None = None
    usage_known: bool = False
    attempts: int = 0
    notices: tuple[str, ...] = ()
    restarted: bool = False
    continued: bool = False
    error: str = ""


class Outcome(Call, kw_only=True):
    """One case: the call (of a series, the worst) and what reached the provider.

    ``primary`` and ``fallback`` are the times of the attempts, ``billed`` is in pico-dollars,
    ``back`` is how long after the end of an outage the primary answered again.
    """

    fallback_model: str
    primary: list[float] = []
    fallback: list[float] = []
    prefill_refusals: int = 0
    billed: int | None = None
    alive: bool = False
    alive_error: str = ""
    series: list[Call] = []
    down: float = 0.0
    back: float | None = None

    @property
    def gap(self) -> float | None:
        """Seconds between the first two attempts on the primary."""
        return self.primary[1] - self.primary[0] if len(self.primary) > 1 else None

    @property
    def told(self) -> bool:
        """Whether an event said that the answer broke off."""
        return self.restarted or self.continued


class Result(msgspec.Struct, frozen=True):
    """The verdict on one case in one mode; ``wrong`` names the checks that failed."""

    case: str
    mode: str
    verdict: Verdict
    wrong: tuple[str, ...]
    outcome: Outcome


def judge(case: Case, mode: Mode, found: Outcome) -> Result:
    """The verdict on a case.

    pass: the ideal end, and nothing wrong. partial: the ideal end, something advisable is wrong.
    safe: not the ideal end, but a clear error in time. fail: it hung, half an answer was passed
    off as whole, or something required is wrong.
    """
    broken: list[str] = []
    advisable: list[str] = []
    if found.ended == "hang":
        broken.append(f"hung for {found.wall:.0f} s")
    if found.ended == "answer" and not found.complete:
        broken.append("an incomplete answer was passed off as whole")
    if not found.alive:
        broken.append(f"the next call failed: {found.alive_error}")
    seen = len(found.primary) + len(found.fallback)
    if found.ended != "hang" and found.attempts != seen:
        broken.append(f"{found.attempts} attempts booked, {seen} seen by the provider")
    for check in case.checks:
        if mode in check.modes and (what := check.test(found)):
            (broken if check.required else advisable).append(f"{check.name}: {what}")
    wrong = (*broken, *advisable)
    if broken:
        return Result(case.id, mode, "fail", wrong, found)
    if found.ended != case.ideal:
        if case.ideal == "error":
            return Result(case.id, mode, "partial", ("the refusal was routed around",), found)
        return Result(case.id, mode, "safe", (found.error,), found)
    return Result(case.id, mode, "partial" if advisable else "pass", wrong, found)
