"""When the next night is: a time of day in a time zone, once a date, also when clocks change."""

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec

from llm_orchestrator.bulk.clock import Clock

_DAY = dt.timedelta(days=1)


class Nights(msgspec.Struct, frozen=True):
    """A schedule. ``time`` is that of the clocks on the wall in ``zone``.

    A time that a night does not have, as clocks go forward, comes an hour later; of one that it has
    twice, the first counts.
    """

    time: dt.time
    zone: ZoneInfo
    clock: Clock

    def moment(self, date: dt.date) -> float:
        """When the night of that date begins, in seconds since 1970."""
        return dt.datetime.combine(date, self.time, self.zone).timestamp()

    def latest(self) -> dt.date:
        """The date whose night has begun last."""
        now = self.clock.now()
        date = dt.datetime.fromtimestamp(now, self.zone).date() + _DAY
        while self.moment(date) > now:
            date -= _DAY
        return date

    def next(self) -> dt.datetime:
        """When the next night begins."""
        moment = self.moment(self.latest() + _DAY)
        return dt.datetime.fromtimestamp(moment, self.zone)
