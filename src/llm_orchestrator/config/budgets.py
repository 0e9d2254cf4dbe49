"""What may be spent: budgets, and where their alerts go."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, TypeAlias

from msgspec import Meta

from llm_orchestrator.config.base import Check, Settings
from llm_orchestrator.config.checks import clean_secret
from llm_orchestrator.config.env import Environment
from llm_orchestrator.config.read import Path, Problem, Reader
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.types.budget import ALERTS, MOST_PICO, Period, Scope
from llm_orchestrator.types.money import PICO_PER_USD, from_usd
from llm_orchestrator.types.secret import Secret


def check_cap(usd: Decimal) -> None:
    """Raises `ValueError` for what cannot be a cap."""
    if usd <= 0:
        raise ValueError("expected an amount in USD above 0; a budget of 0 allows nothing")
    if usd > MOST_PICO // PICO_PER_USD:
        raise ValueError(f"expected at most {MOST_PICO // PICO_PER_USD:,} USD")
    from_usd(usd)


def check_percent(share: int) -> None:
    """Raises `ValueError` for what is no share of a cap."""
    if not 1 <= share <= 100:
        raise ValueError(f"expected a share in percent from 1 to 100, got {share}")


def check_zone(name: str) -> None:
    """Raises `ValueError` for a time zone that this machine does not know."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # only who sets a budget needs it

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is no time zone that this machine knows; write one like Europe/Berlin "
            "(where the system has none, install the package tzdata)"
        ) from None


Cap: TypeAlias = Annotated[Decimal, Check(check_cap)]
Percent: TypeAlias = Annotated[int, Check(check_percent)]


class BudgetSettings(Settings, frozen=True):
    """What may be spent by one, or by each of many."""

    scope: Annotated[
        Scope,
        Meta(
            description="Whose spending: `global` is everybody's; `session`, `run`, `user`, `key` "
            "or `tag` need a subject, or cap each one apart."
        ),
    ]
    cap: Annotated[Cap, Meta(description="USD that may be spent.")]
    subject: Annotated[
        str | None,
        Meta(
            description="Which user, run or session; for a `key` the name of its provider; for a "
            "`tag` `name=value`, or `name` for each of its values. Left out: each one has the "
            "whole cap for itself."
        ),
    ] = None
    period: Annotated[Period, Meta(description="For all time, or anew each day or month.")] = (
        "total"
    )
    zone: Annotated[
        str, Check(check_zone), Meta(description="Whose days and months: `Europe/Berlin`.")
    ] = "UTC"
    alerts: Annotated[
        tuple[Percent, ...], Meta(description="Shares of the cap, in percent, that are told.")
    ] = ALERTS
    notify: Annotated[
        tuple[Annotated[Secret, Check(clean_secret)], ...] | None,
        Meta(description="Where its alerts go; left out, where `notify` of the top says."),
    ] = None


def budget_problems(budgets: Sequence[BudgetSettings]) -> list[Problem]:
    """Budgets that contradict themselves or each other."""
    found = []
    seen: dict[tuple[str, str, str], int] = {}
    for place, one in enumerate(budgets):
        at: Path = ("budgets", place)
        if fault := _subject_fault(one.scope, one.subject):
            found.append(Problem((*at, "subject"), fault))
        earlier = seen.setdefault((one.scope, one.subject or "", one.period), place)
        if earlier != place:
            found.append(Problem(at, f"the same scope, subject and period as budgets[{earlier}]"))
    return found


def _subject_fault(scope: str, subject: str | None) -> str:
    if scope == "global":
        return "a global budget has no subject" if subject else ""
    if scope == "tag" and not subject:
        return "which tag? write name=value, or name for each of its values"
    if subject is not None and not subject.strip():
        return "expected a name; leave it out to cap each one apart"
    return ""


def parse_budget(raw: Mapping[str, object]) -> BudgetSettings:
    """A budget as a command gives it; raises `ConfigError`."""
    reader = Reader(Environment(), lambda _: False)
    made = reader.struct(BudgetSettings, raw, ())
    problems = reader.problems
    if not problems and (fault := _subject_fault(made.scope, made.subject)):
        problems = [Problem(("subject",), fault)]
    if problems:
        raise ConfigError("; ".join(": ".join((*map(str, one.path), one.text)) for one in problems))
    budget: BudgetSettings = made
    return budget
