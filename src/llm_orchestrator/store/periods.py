"""Days and months in a time zone, as spans of unix time."""

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from llm_orchestrator.types.budget import Period

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


class Span(msgspec.Struct, frozen=True):
    """One day or month, from ``start_us`` until before ``end_us``; ``None`` is for ever."""

    key: str
    start_us: int
    end_us: int | None
    zone: str

    @property
    def ends_at(self) -> dt.datetime | None:
        """When the next one begins, in its time zone."""
        if self.end_us is None:
            return None
        return dt.datetime.fromtimestamp(self.end_us // 10**6, _clock(self.zone))


_ALWAYS = Span("total", 0, None, "UTC")


def span(period: Period, zone: str, at_us: int) -> Span:
    """The span of a period that a moment lies in. Days are as long as the clocks make them."""
    if period == "total":
        return _ALWAYS
    # The zone's clock decides the date; whole seconds do, as no zone's offset is finer.
    return _of_date(period, zone, dt.datetime.fromtimestamp(at_us // 10**6, _clock(zone)).date())


def span_of(period: Period, zone: str, key: str) -> Span:
    """The span with that key."""
    if period == "total":
        return _ALWAYS
    return _of_date(period, zone, dt.date.fromisoformat(key if period == "day" else f"{key}-01"))


@lru_cache(maxsize=512)
def _of_date(period: Period, zone: str, date: dt.date) -> Span:
    if period == "day":
        first, after = date, date + dt.timedelta(days=1)
        key = first.isoformat()
    else:
        first = date.replace(day=1)
        after = (first + dt.timedelta(days=32)).replace(day=1)
        key = f"{first:%Y-%m}"
    return Span(key, _midnight(first, zone), _midnight(after, zone), zone)


def _midnight(date: dt.date, zone: str) -> int:
    """When the date begins there. Where clocks skip midnight, that is the moment they do."""
    return int(dt.datetime.combine(date, dt.time(), _clock(zone)).timestamp()) * 10**6


def _clock(zone: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo  # only who has a budget of days or months needs it

    return ZoneInfo(zone)
