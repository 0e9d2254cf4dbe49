"""The sixteen cases: what the provider does wrong, and what a caller may expect all the same.

They are the cases of the public Failover Bench, with its figures (limits in seconds, attempts) so
that results can be laid side by side; words and code are our own. A check that fails with
`required` makes the case a fail, any other one a partial.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from benchmarks.rescue.outcome import Outcome

Mode = Literal["stream", "plain", "anthropic stream", "anthropic plain"]
MODES: tuple[Mode, ...] = ("stream", "plain", "anthropic stream", "anthropic plain")

Test = Callable[[Outcome], str | None]
"""What is wrong, or ``None``."""


class Check(msgspec.Struct, frozen=True):
    """One thing that must hold; ``modes`` are those in which it means something."""

    name: str
    test: Test
    required: bool = True
    modes: tuple[Mode, ...] = MODES


class Case(msgspec.Struct, frozen=True):
    """One case: the simulator's model, the fault in words, the checks.

    ``ideal`` is how the call should end; ``limit`` is when it counts as hanging, in seconds.
    """

    id: str
    model: str
    fault: str
    limit: float
    checks: tuple[Check, ...] = ()
    ideal: Literal["answer", "error"] = "answer"
    fallback: str = "fb-ok"
    modes: tuple[Mode, ...] = MODES
    sequence: bool = False
    prefill: bool = False
    """Our configuration says that the fallback continues its own turn."""


STREAMS: tuple[Mode, ...] = ("stream", "anthropic stream")


# ---------------------------------------------------------------- what is checked


def _at_least(count: int) -> Test:
    def test(found: Outcome) -> str | None:
        tries = len(found.primary)
        return None if tries >= count else f"{tries} attempts on the primary, not {count}"

    return test


def _at_most(count: int, within: float | None = None) -> Test:
    """Attempts on the primary, all of them or those in the first ``within`` seconds."""

    def test(found: Outcome) -> str | None:
        tries = [at for at in found.primary if within is None or at - found.primary[0] < within]
        return None if len(tries) <= count else f"{len(tries)} attempts on the primary"

    return test


def _gap(seconds: float) -> Test:
    def test(found: Outcome) -> str | None:
        gap = found.gap
        if gap is None:
            return "no second attempt"
        return None if gap >= seconds else f"asked again after {gap:.2f} s"

    return test


def _within(seconds: float) -> Test:
    def test(found: Outcome) -> str | None:
        return None if found.wall <= seconds else f"took {found.wall:.1f} s"

    return test


def _alive(found: Outcome) -> str | None:
    return None if found.alive else f"the next call failed: {found.alive_error}"


def _usage(found: Outcome) -> str | None:
    return None if found.usage_known else "no usage reported"


def _says_who_answered(found: Outcome) -> str | None:
    return None if found.model == found.fallback_model else f"says that {found.model} answered"


def _pays_for_the_answer_only(found: Outcome) -> str | None:
    """Failed attempts cost nothing, the answer costs what the provider bills."""
    if found.cost == found.billed:
        return None
    return f"says {found.cost} pico-dollars, the bill says {found.billed}"


def _reason_passed_on(found: Outcome) -> str | None:
    error = found.error
    return None if error.startswith("ContentFilterError") else f"raised {error or 'nothing'}"


def _not_routed_around(found: Outcome) -> str | None:
    return f"{len(found.fallback)} attempts on the fallback" if found.fallback else None


def _marked(found: Outcome) -> str | None:
    told = any("malformed" in notice for notice in found.notices)
    return None if told else "the skipped chunk is not mentioned"


def _complete(found: Outcome) -> str | None:
    return None if found.complete else "no complete answer"


def _no_prefill_error(found: Outcome) -> str | None:
    hidden = found.ended == "error" and found.prefill_refusals
    return "the refused prefill hides what happened" if hidden else None


def _told_of_the_break(found: Outcome) -> str | None:
    return None if found.told else "the caller was not told that the answer broke off"


def _went_on(found: Outcome) -> str | None:
    return None if found.continued else "began again in place of going on"


def _began_again(found: Outcome) -> str | None:
    return None if found.restarted else "did not begin again"


def _served(found: Outcome) -> str | None:
    down = [one for one in found.series if one.at < found.down]
    served = sum(one.complete for one in down)
    if not down:
        return "no call fell into the outage"
    return None if served == len(down) else f"{served} of {len(down)} calls answered while down"


def _came_back(seconds: float) -> Test:
    def test(found: Outcome) -> str | None:
        if found.back is None:
            return "never went back to the primary"
        return None if found.back <= seconds else f"back after {found.back:.1f} s"

    return test


def _few_probes(found: Outcome) -> str | None:
    down = sum(one.at < found.down for one in found.series)
    tries = sum(at < found.down for at in found.primary)
    most = max(down, 6)  # the breaker takes a few failures to open
    return None if tries <= most else f"{tries} attempts for {down} calls while down"


BOUNDED = Check("bounded attempts", _at_most(6))
ONCE = Check("asked once", lambda found: _at_most(1)(found) or _at_least(1)(found))
ALIVE = Check("alive after", _alive)
TOLD = Check("told of the break", _told_of_the_break, modes=STREAMS)


# ---------------------------------------------------------------- the cases

CASES: tuple[Case, ...] = (
    Case(
        "S01",
        "fb-s01-429-retry-after",
        "429 with Retry-After",
        20,
        (
            Check("asked again", _at_least(2), required=False),
            Check("Retry-After honoured", _gap(1.8), required=False),
            Check("no hammering", _at_most(2, within=1.5)),
        ),
    ),
    Case(
        "S02",
        "fb-s02-429-persistent",
        "429 without Retry-After, lasting",
        40,
        (Check("no hammering", _at_most(4, within=3)), BOUNDED),
    ),
    Case(
        "S03",
        "fb-s03-500-then-200",
        "500 once",
        20,
        (Check("same provider asked again", _at_least(2), required=False),),
    ),
    Case("S04", "fb-s04-503-persistent", "503, lasting", 40, (BOUNDED,)),
    Case("S05", "fb-s05-reset", "reset before the headers", 20),
    Case(
        "S06",
        "fb-s06-no-response",
        "silence",
        130,
        (
            Check("in time", _within(100)),
            Check("silent route not asked again", _at_most(1), required=False),
        ),
    ),
    Case(
        "S07",
        "fb-s07-slow-ttft",
        "slow first token",
        60,
        (Check("does not wait for it", _within(15), required=False, modes=STREAMS),),
    ),
    Case("S08", "fb-s08-stream-cut", "cut in the middle", 40, (TOLD,)),
    Case(
        "S09",
        "fb-s09-stream-stall",
        "stalls in the middle",
        70,
        (Check("in time", _within(45)), TOLD),
    ),
    Case(
        "S10",
        "fb-s10-malformed-chunk",
        "malformed chunk",
        30,
        (
            Check("answered in place", _at_most(1), required=False, modes=STREAMS),
            Check("the skipped chunk is marked", _marked, modes=STREAMS),
        ),
    ),
    Case(
        "S11",
        "fb-s11-no-done",
        "no end mark ([DONE])",
        30,
        (Check("does not wait for it", _within(8)), Check("usage", _usage, required=False)),
        modes=STREAMS,
    ),
    Case("S12", "fb-s12-context-length", "context length exceeded", 20, (ONCE,)),
    Case(
        "S13",
        "fb-s13-content-filter",
        "content filter",
        20,
        (
            ONCE,
            Check("reason passed on", _reason_passed_on),
            Check("not routed around", _not_routed_around),
        ),
        ideal="error",
    ),
    Case(
        "S14",
        "fb-s14-stream-cut",
        "cut; the fallback refuses prefill",
        40,
        (Check("refused prefill hides nothing", _no_prefill_error), TOLD),
        fallback="fb-ok-noprefill",
    ),
    Case(
        "S15",
        "fb-s15-flap",
        "down for a minute, then back",
        200,
        (
            Check("served while down", _served),
            Check("back on the primary", _came_back(30)),
            Check("few probes", _few_probes, required=False),
        ),
        sequence=True,
    ),
    Case(
        "S16",
        "fb-s16-503-persistent",
        "503, lasting: who answered, what it cost",
        40,
        (
            Check("says who answered", _says_who_answered),
            Check("usage", _usage, required=False),
            Check("pays for the answer only", _pays_for_the_answer_only),
            BOUNDED,
        ),
    ),
)
"""The bench's sixteen."""

MORE: tuple[Case, ...] = (
    Case(
        "S08+",
        "fb-s08-stream-cut",
        "cut; the fallback is known to continue",
        40,
        (TOLD, Check("goes on where it broke off", _went_on)),
        modes=STREAMS,
        prefill=True,
    ),
    Case(
        "S14+",
        "fb-s14-stream-cut",
        "cut; the fallback is believed to continue and refuses",
        40,
        (
            TOLD,
            Check("refused prefill hides nothing", _no_prefill_error),
            Check("begins again", _began_again),
        ),
        fallback="fb-ok-noprefill",
        modes=STREAMS,
        prefill=True,
    ),
)
"""The two ways in which a continuation itself can go."""
