"""Days and months begin where the clocks of their zone say so, also when these are changed."""

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.store.periods import span, span_of

HOUR_US = 3600 * 10**6
ZONES = sorted(zoneinfo.available_timezones())


def at(text: str, zone: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", "2026-03-29", 24),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/Havana", "2026-03-08", 23),  # where midnight itself is skipped
        ("America/Havana", "2026-11-01", 25),  # and comes twice
        ("Africa/Cairo", "2026-04-24", 23),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Pacific/Apia", "2011-12-29", 24),  # the next day was left out
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, day: str, hours: float) -> None:
    found = span("day", zone, at(f"{day}T12:00", zone) * 10**6)
    assert found.key == day
    assert found.end_us is not None
    assert (found.end_us - found.start_us) / HOUR_US == hours
    assert span("day", zone, found.end_us - 1) == found
    assert span("day", zone, found.end_us).start_us == found.end_us


@pytest.mark.parametrize(
    ("zone", "moment", "day", "month"),
    [
        ("Europe/Berlin", "2026-03-28T22:59:59+00:00", "2026-03-28", "2026-03"),
        ("Europe/Berlin", "2026-03-28T23:00:00+00:00", "2026-03-29", "2026-03"),
        ("Europe/Berlin", "2026-03-31T21:59:59+00:00", "2026-03-31", "2026-03"),
        ("Europe/Berlin", "2026-03-31T22:00:00+00:00", "2026-04-01", "2026-04"),
        ("Asia/Tokyo", "2026-12-31T15:00:00+00:00", "2027-01-01", "2027-01"),
        ("America/Los_Angeles", "2026-01-01T07:59:59+00:00", "2025-12-31", "2025-12"),
    ],
)
def test_the_local_date_decides(zone: str, moment: str, day: str, month: str) -> None:
    micros = int(dt.datetime.fromisoformat(moment).timestamp()) * 10**6
    assert span("day", zone, micros).key == day
    assert span("month", zone, micros).key == month
    assert span("total", zone, micros).key == "total"


@given(st.sampled_from(ZONES), st.integers(0, 4_102_444_800), st.sampled_from(["day", "month"]))
def test_every_moment_is_in_its_span(zone: str, seconds: int, period: str) -> None:
    micros = seconds * 10**6 + 999_999
    found = span(period, zone, micros)  # type: ignore[arg-type]
    assert found.end_us is not None
    assert found.start_us <= micros < found.end_us
    local = dt.datetime.fromtimestamp(seconds, zoneinfo.ZoneInfo(zone)).date().isoformat()
    assert local.startswith(found.key)
    assert span_of(period, zone, found.key) == found  # type: ignore[arg-type]


def test_when_it_begins_anew_is_told_in_local_time() -> None:
    found = span("month", "Europe/Berlin", at("2026-10-20T12:00", "Europe/Berlin") * 10**6)
    assert found.ends_at is not None
    assert found.ends_at.isoformat() == "2026-11-01T00:00:00+01:00"
    assert span("total", "Europe/Berlin", 0).ends_at is None
