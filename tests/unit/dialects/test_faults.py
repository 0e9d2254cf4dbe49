"""Waiting times in headers, in all forms that are sent."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from llm_orchestrator.dialects.faults import retry_after
from llm_orchestrator.types.http import HTTPReply


def waits(**headers: str) -> float | None:
    return retry_after(HTTPReply(429, {k.replace("_", "-"): v for k, v in headers.items()}, b""))


@pytest.mark.parametrize(
    "value, seconds",
    [("0", 0.0), ("2", 2.0), ("1.5", 1.5), ("120", 120.0), (" 3 ", 3.0), ("86400", 86400.0)],
)
def test_seconds(value: str, seconds: float) -> None:
    assert waits(Retry_After=value) == seconds
    assert waits(retry_after=value) == seconds


def test_milliseconds_win() -> None:
    assert waits(retry_after_ms="250", retry_after="9") == 0.25


def test_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    found = waits(Retry_After=format_datetime(later, usegmt=True))
    assert found is not None
    assert 60 < found <= 90


def test_a_date_in_the_past_means_now() -> None:
    assert waits(Retry_After="Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "nan", "inf", "-inf", "1e3x", "1.2.3", "Wed, 99 Foo 2015"]
)
def test_what_says_nothing_readable_says_nothing(value: str) -> None:
    assert waits(Retry_After=value) is None
    assert waits(retry_after_ms=value) is None


def test_no_header_and_no_reply() -> None:
    assert waits() is None
    assert retry_after(None) is None


def test_seconds_count_where_milliseconds_are_unreadable() -> None:
    assert waits(retry_after_ms="soon", retry_after="4") == 4
