"""When failed items are asked again: where enough of them wait, or nothing else is to be done."""

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import attrgetter

from llm_orchestrator.bulk.planning.plan import SMALL
from llm_orchestrator.store.bulk_items import Failed

BACKOFF_S = 30.0
"""After their unit was over, before the first round; doubles with each."""
LONGEST_S = 3600.0
"""How long a few items wait for more to join them, while their provider is busy."""
_provider = attrgetter("provider")
_kind = attrgetter("task", "model", "round")


def due(failed: Sequence[Failed], busy: Collection[str], now: float) -> tuple[list[Failed], float]:
    """Those whose time has come, and when to look again if nothing happens before.

    ``busy`` are providers that have something under way, ``now`` is in seconds on the run's clock.
    """
    chosen: list[Failed] = []
    later = float("inf")
    for provider, ones in groupby(sorted(failed, key=_provider), _provider):
        own = list(ones)
        waits = [one for one in own if _ripe_at(one) > now]
        if provider not in busy:  # nothing new comes there: all of them go together
            if waits:
                later = min(later, max(map(_ripe_at, waits)))
            else:
                chosen += own
            continue
        later = min(later, *map(_ripe_at, waits), later)
        ripe = sorted((one for one in own if one not in waits), key=_kind)
        for _, same in groupby(ripe, _kind):
            alike = list(same)
            last = min(one.over_at for one in alike) / 1e6 + LONGEST_S
            if sum(one.items for one in alike) >= SMALL or last <= now:
                chosen += alike
            else:
                later = min(later, last)
    return chosen, later


def _ripe_at(one: Failed) -> float:
    return one.over_at / 1e6 + BACKOFF_S * 2.0**one.round
