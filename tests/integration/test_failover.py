"""The sixteen cases of the Failover Bench, with shorter faults: all must pass in every mode."""

import asyncio
import sqlite3
from contextlib import closing
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.rescue import table
from benchmarks.rescue.cases import CASES, MODES, MORE, Case, Mode
from benchmarks.rescue.outcome import Outcome, Result, judge
from benchmarks.rescue.run import FAST, Bench
from llm_orchestrator.simulator import Simulator

WORK = [(case, mode) for case in (*CASES, *MORE) for mode in MODES if mode in case.modes]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Result]:
    """All cases at once, as they mostly wait."""
    folder = tmp_path_factory.mktemp("failover")
    simulator = Simulator(timings=FAST.timings)
    with simulator.run_in_thread():
        bench = Bench(simulator, FAST, folder)
        found = asyncio.run(bench.run([*CASES, *MORE], MODES))
        seen = {entry["client_request_id"] for entry in simulator.log()}
    with closing(sqlite3.connect(bench.ledger)) as ledger:
        booked = {row[0] for row in ledger.execute("SELECT attempt_id FROM settlements")}
    assert seen == booked
    return {(one.case, one.mode): one for one in found}


@pytest.mark.parametrize(
    ("case", "mode"), WORK, ids=[f"{case.id}-{mode.replace(' ', '-')}" for case, mode in WORK]
)
def test_case(results: dict[tuple[str, str], Result], case: Case, mode: Mode) -> None:
    found = results[case.id, mode]
    assert (found.verdict, found.wrong) == ("pass", ())


def test_there_are_sixteen() -> None:
    assert [case.id for case in CASES] == [f"S{number:02}" for number in range(1, 17)]
    assert len({case.model for case in CASES}) == 16


def test_the_table_tells_what_happened(results: dict[tuple[str, str], Result]) -> None:
    text = StringIO()
    console = Console(file=text, width=150)
    table.show(console, CASES, MORE, list(results.values()), MODES)
    lines = text.getvalue().splitlines()
    silence = next(line for line in lines if "S06" in line)
    assert "1p/1f" in silence
    assert "pass" in silence
    assert table.totals(CASES, list(results.values()), "stream") == "16 pass of 16"
    data = table.as_data(CASES, list(results.values()), "stream", "fast")
    assert (data["cases"], data["passed"]) == (16, 16)


# ---------------------------------------------------------------- the judge itself


def outcome(**changes: object) -> Outcome:
    """A caller's good day: one attempt, a whole answer, and the next call works."""
    found = Outcome(fallback_model="fb-ok", ended="answer", complete=True, attempts=1, wall=1.0)
    found.primary, found.alive = [0.0], True
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def case(name: str) -> Case:
    return next(one for one in CASES if one.id == name)


@pytest.mark.parametrize(
    ("name", "changes", "verdict"),
    [
        ("S03", {"primary": [0.0, 0.5], "attempts": 2}, "pass"),
        ("S03", {}, "partial"),  # another provider helped, the same one was not asked again
        ("S03", {"complete": False}, "fail"),  # half an answer as a whole one
        ("S03", {"ended": "error", "primary": [0.0, 1.0], "attempts": 2}, "safe"),
        ("S03", {"ended": "hang"}, "fail"),
        ("S03", {"primary": [0.0, 1.0], "attempts": 1}, "fail"),  # an attempt nobody booked
        ("S01", {"primary": [0.0, 0.2], "attempts": 2}, "partial"),
        ("S01", {"primary": [0.0, 0.1, 0.2], "attempts": 3}, "fail"),
        ("S04", {"primary": [0.0] * 7, "attempts": 7}, "fail"),
        ("S06", {"wall": 101.0}, "fail"),
        ("S07", {"wall": 21.0}, "partial"),
        ("S08", {}, "fail"),  # spliced without a word
        ("S09", {"restarted": True, "alive": False}, "fail"),
        ("S10", {}, "fail"),  # the skipped chunk is not mentioned
        ("S12", {"primary": [0.0, 1.0], "attempts": 2}, "fail"),
        ("S13", {}, "fail"),
        ("S13", {"ended": "error", "error": "ContentFilterError: no"}, "pass"),
        ("S14", {"ended": "error", "prefill_refusals": 1, "restarted": True}, "fail"),
        ("S15", {}, "fail"),
        ("S16", {"model": "fb-s16-503-persistent", "cost": 5, "billed": 5}, "fail"),
        ("S16", {"model": "fb-ok", "cost": 5, "billed": 4, "usage_known": True}, "fail"),
        ("S16", {"model": "fb-ok", "cost": 5, "billed": 5, "usage_known": True}, "pass"),
    ],
)
def test_the_judge_sees_what_is_wrong(name: str, changes: dict[str, object], verdict: str) -> None:
    assert judge(case(name), "stream", outcome(**changes)).verdict == verdict
