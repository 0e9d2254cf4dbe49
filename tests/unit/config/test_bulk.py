"""The settings of bulk workers, from the file and from the environment alone."""

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.errors import ConfigError

ENV = {
    "BATCH_SCHEDULE_TIME": "03:30",
    "BATCH_CHECK_INTERVAL": "15",
    "BATCH_AUDIT_INTERVAL": "900",
    "BATCH_TIME_ZONE": "Europe/Berlin",
}


def test_the_environment_alone_sets_a_worker() -> None:
    bulk = load({}, env=ENV).bulk
    assert (bulk.schedule_time, bulk.check_interval, bulk.zone) == ("03:30", 15.0, "Europe/Berlin")
    assert bulk.audit_interval == 900.0


def test_the_file_wins() -> None:
    bulk = load({"bulk": {"schedule_time": "23:05"}}, env=ENV).bulk
    assert (bulk.schedule_time, bulk.check_interval) == ("23:05", 15.0)


def test_defaults() -> None:
    bulk = load({}, env={}).bulk
    assert (bulk.schedule_time, bulk.check_interval, bulk.zone) == ("02:00", 60.0, "UTC")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("BATCH_SCHEDULE_TIME", "3pm", "time of day"),
        ("BATCH_CHECK_INTERVAL", "soon", "number"),
        ("BATCH_AUDIT_INTERVAL", "soon", "number"),
        ("BATCH_TIME_ZONE", "Mars/Olympus", "time zone"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, env={variable: value})
    assert variable in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "ftp://x", "command:", "python:no-function", "a b"])
def test_a_callback_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"bulk\.callbacks"):
        load({"bulk": {"callbacks": [text]}}, env={})
