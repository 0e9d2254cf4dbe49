"""What a call may say of how its answer is sought, beside what is asked."""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, cast

from llm_orchestrator.engine.compose import RequestOptions
from llm_orchestrator.types.priority import PriorityWord


class RouteOptions(TypedDict, total=False):
    """How the answer is sought; left out, the configuration says it."""

    strategy: str
    """``cheapest``, ``fastest``, ``specified``, ``capability``, ``weighted``, ``fallback``,
    ``scored``, ``ensemble``, ``vote``, ``judge``, ``classic`` or a plug-in. ``auto``: ``fallback``
    over a chain, and where several providers have a key and nothing says which model is meant."""
    capability: str | Sequence[str]
    """What the model must be able to do (``vision``), beside what the request shows."""
    confidence: str
    """How ``fallback`` knows a good answer."""
    threshold: float
    """How sure ``fallback`` wants to be, 0 to 1."""
    ensemble_size: int
    judge: str
    """The model that judges."""


class CacheOptions(TypedDict, total=False):
    """Whether the answer may come from the cache; left out, the configuration says it."""

    cache: bool | Literal["refresh"]
    """``True``: answer from the cache, and keep a new answer there. ``"refresh"``: ask anew and
    keep that. ``False``: neither."""
    cache_ttl: float
    """Seconds: how old the answer may be, and how long a new one counts. Means ``cache=True``."""
    cache_tenant: str
    """Whose answers these are: nobody else gets them. Left out: those of ``user``."""


class LineOptions(TypedDict, total=False):
    """How the call waits in line where a rate limit makes calls wait."""

    priority: int | PriorityWord
    """Who goes first: 10 first, 5 by default, 1 last; or ``high``, ``normal``, ``low``."""


class EmbedOptions(CacheOptions, LineOptions, total=False):
    """All options of a call for vectors."""


class CallOptions(RequestOptions, RouteOptions, CacheOptions, LineOptions, total=False):
    """All options of a call."""


_ROUTE = frozenset(RouteOptions.__annotations__)
_BESIDE = frozenset((*CacheOptions.__annotations__, *LineOptions.__annotations__))


def split(options: CallOptions) -> tuple[RouteOptions, RequestOptions]:
    """The options of the route and those of the request, apart."""
    route: dict[str, Any] = {}
    request: dict[str, Any] = {}
    for name, value in options.items():
        if name in _ROUTE:
            if value is not None:
                route[name] = value
        elif name not in _BESIDE:
            request[name] = value
    return cast("RouteOptions", route), cast("RequestOptions", request)
