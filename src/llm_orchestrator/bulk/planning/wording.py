"""Why a share goes where it goes, in words for the report."""

from collections.abc import Iterable, Mapping

from llm_orchestrator.bulk.planning.plan import Offer
from llm_orchestrator.types.money import usd_text

_LANES = {"batch": "in a batch", "online": "in real time"}


def span(seconds: float) -> str:
    """``40 s``, ``25 min``, ``6 h``, ``3 days``."""
    for size, word in ((86_400 * 2, "days"), (5400, "h"), (90, "min")):
        if seconds >= size:
            unit = {"days": 86_400, "h": 3600, "min": 60}[word]
            return f"{seconds / unit:.3g} {word}"
    return f"{max(0.0, seconds):.0f} s"


def due(seconds: float) -> str:
    """When the deadline is, so many seconds from now."""
    return f"the deadline is in {span(seconds)}" if seconds > 0 else "the deadline has passed"


def reason(
    chosen: Offer,
    items: int,
    beside: Mapping[Offer, int],
    offers: Iterable[Offer],
    told: str,
    deadline_s: float | None,
) -> str:
    """Why so many items go to the chosen offer, and not to others of its group."""
    said = [told] if told else []
    others = [one for one in offers if one != chosen]
    dearer = [one for one in others if _costs_more(one, chosen)]
    if dearer:
        next_best = min(dearer, key=lambda one: one.expected_pico or 0)
        said.append(
            f"{_usd(chosen, items)} {_LANES[chosen.lane]}, against {_usd(next_best, items)} "
            f"{_name(next_best, chosen)}"
        )
    for one in others:
        if not _costs_more(chosen, one):
            continue
        said.append(_missed(one, beside, deadline_s))
    if not said:
        said.append(f"the only offer: {_LANES[chosen.lane]}")
    return "; ".join(said)


def too_few(one: Offer) -> str:
    """Why items go online, though batches are wished."""
    return (
        f"{one.target} takes no batch of less than {one.least:,} items, and is asked for fewer in "
        "real time"
    )


def _missed(cheaper: Offer, beside: Mapping[Offer, int], deadline_s: float | None) -> str:
    name = f"{cheaper.target} {_LANES[cheaper.lane]}"
    if cheaper in beside:
        return f"{name} is cheaper and answers only {beside[cheaper]:,} of them in time"
    if deadline_s is not None and cheaper.wait_s > deadline_s:
        return f"{name} is cheaper but takes {span(cheaper.wait_s)}, and {due(deadline_s)}"
    if cheaper.least > 1:
        return f"{name} is cheaper and takes no less than {cheaper.least:,} items"
    return f"{name} is cheaper and busy with other items until the deadline"


def _costs_more(one: Offer, than: Offer) -> bool:
    if one.expected_pico is None or than.expected_pico is None:
        return False
    return one.expected_pico > than.expected_pico


def _name(one: Offer, beside: Offer) -> str:
    lane = _LANES[one.lane]
    return lane if one.target == beside.target else f"with {one.target} {lane}"


def _usd(one: Offer, items: int) -> str:
    return (
        "an unknown price"
        if one.expected_pico is None
        else f"${usd_text(_rounded(one.expected_pico * items))}"
    )


def _rounded(amount: int) -> int:
    """To three digits, for people."""
    unit: int = 10 ** max(0, len(str(amount)) - 3)
    return (amount + unit // 2) // unit * unit
