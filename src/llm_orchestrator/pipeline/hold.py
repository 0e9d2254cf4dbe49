"""The most that an attempt can cost, known before it goes out and kept under the call's cap."""

from llm_orchestrator.catalog import upper_bound
from llm_orchestrator.catalog.pricing import Writes
from llm_orchestrator.errors import BudgetError
from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.types.model import Tier
from llm_orchestrator.types.money import Pico, usd_text
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request

_UNBOUNDED = frozenset(
    (
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "mcp_servers",
        "n",
        "plugins",
        "service_tier",
        "speed",
        "thinking",
        "tools",
        "web_search_options",
    )
)
"""Fields of ``extra`` that can make an answer dearer than the request itself says."""


class Hold(Guard):
    """Notes the upper bound of each attempt; refuses one that could pass the call's cap."""

    async def enter(self, attempt: Attempt) -> None:
        """Bytes of input and the longest answer, at the candidate's price."""
        attempt.hold = bound(attempt.request, attempt.most_input, attempt.candidate)
        cap = attempt.call.cap
        if cap is not None:
            check(attempt, cap)


def bound(
    request: Request, most_input: int, target: Candidate, tier: Tier = "standard"
) -> Pico | None:
    """The most that one attempt can cost; ``None`` when nothing bounds it."""
    if target.provider.local:
        return 0
    if request.extra and _UNBOUNDED & request.extra.keys():
        return None
    writes: Writes = "hour" if _caches_for_an_hour(request) else "short"
    most = upper_bound(most_input, request.max_tokens, target.model, writes=writes, tier=tier)
    if tier == "standard" and most is not None and request.service_tier == "priority":
        # A provider may serve the standard tier all the same, so the dearer of both is held.
        dearer = upper_bound(
            most_input, request.max_tokens, target.model, writes=writes, tier="priority"
        )
        most = None if dearer is None else max(most, dearer)
    return most


def _caches_for_an_hour(request: Request) -> bool:
    """Whether a marker asks for the dearest kind of cache write."""
    for message in request.messages:  # of every call: any() over a generator takes thrice as long
        if type(message.content) is tuple and any(part.cache == "1h" for part in message.content):
            return True
    return bool(request.tools) and any(tool.cache == "1h" for tool in request.tools)


def check(attempt: Attempt, cap: Pico) -> None:
    """Raises `BudgetError` when the call could cost more than its cap with this attempt."""
    target = attempt.candidate
    if attempt.hold is None:
        raise BudgetError(
            f"nothing says what {target.name} can cost at most, so it cannot be asked under a cap "
            f"of {usd_text(cap)} USD: set its prices in the configuration, leave fields that "
            "change the price out of extra, or ask without a cap",
            code="unpriced",
        )
    # Others of the same call may be under way: what they hold is as good as spent.
    others = (one for one in attempt.call.attempts if one is not attempt)
    spent = sum((one.hold or 0) if one.cost is None else one.cost for one in others)
    if spent + attempt.hold > cap:
        before = f" after {usd_text(spent)} USD already spent" if spent else ""
        raise BudgetError(
            f"{target.name} could cost up to {usd_text(attempt.hold)} USD{before}, the cap is "
            f"{usd_text(cap)} USD: raise the cap or lower max_tokens",
            code="max_cost",
        )
