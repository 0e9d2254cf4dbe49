"""What a bulk run is asked for, checked before anything is read."""

import os
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.bulk.arguments import run_request
from llm_orchestrator.bulk.options import ForecastOptions, check_names, read_span
from llm_orchestrator.errors import InvalidRequestError

TASK = {"prompt": "Judge {{ text }}"}


@pytest.mark.parametrize(
    "given,told",
    [
        ({"max_costs": 1}, "max_costs: no such option; did you mean max_cost?"),
        ({"zzz": 1}, "zzz: no such option; there are task, tasks, models"),
        ({"lane": "fast"}, "lane: 'fast' is none of auto, batch, online"),
        ({"merge": ["vote"]}, r"merge: \['vote'\] is none of priority, vote, all"),
        ({"name": ""}, "name: it is empty"),
        ({"out": ""}, "out: it is empty"),
        ({"retries": -1}, "retries must be 0 or more"),
    ],
)
def test_a_wish_that_cannot_be_met_is_named(given: Any, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        run_request([], given | {"task": TASK})


def test_a_folder_that_cannot_be_one_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert (
        run_request([], {"task": TASK, "out": tmp_path / "new/deep"}).out == tmp_path / "new/deep"
    )
    with pytest.raises(InvalidRequestError, match="file is no folder"):
        run_request([], {"task": TASK, "out": tmp_path / "file/deep"})
    if os.geteuid():  # to root everything is open
        tmp_path.chmod(0o500)
        with pytest.raises(InvalidRequestError, match="cannot be written to"):
            run_request([], {"task": TASK, "out": tmp_path / "new"})


def test_an_estimate_knows_its_own_options() -> None:
    with pytest.raises(InvalidRequestError, match="retries: no such option"):
        check_names({"retries": 1}, ForecastOptions)


@pytest.mark.parametrize("given,seconds", [("24h", 86_400), ("1.5 d", 129_600), (30, 30)])
def test_a_deadline_is_a_span_with_its_unit(given: Any, seconds: float) -> None:
    assert read_span(given) == seconds


@pytest.mark.parametrize("given", ["24", "", "-5h", "0h", "tomorrow", 0, -1, True])
def test_a_deadline_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="deadline: "):
        read_span(given)
