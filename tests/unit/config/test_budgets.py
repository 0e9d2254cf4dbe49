"""Budgets of the configuration, and mistakes in them, which are told before anything is spent."""

from decimal import Decimal
from typing import Any

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.config.budgets import parse_budget
from llm_orchestrator.config.show import render
from llm_orchestrator.errors import ConfigError

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"cap": 0}, "cap: expected an amount in USD above 0"),
    ({"cap": "-1"}, "cap: .*got -1"),
    ({"cap": "nan"}, "cap: .*got nan"),
    ({"cap": float("nan")}, "cap: .*got nan"),
    ({"cap": "inf"}, "cap: .*got inf"),
    ({"cap": "9000000.01"}, "cap: expected at most 9,000,000 USD"),
    ({"cap": "1e400"}, "cap: expected at most 9,000,000 USD"),
    ({"cap": "1e-13"}, "cap: .*finer than"),
    ({"cap": "ten"}, "cap: .*got text"),
    ({"cap": True}, "cap: .*got true"),
    ({"scope": "galaxy"}, "scope: .*there are global, session, run, user, key, tag"),
    ({"period": "days"}, "period: .*did you mean day"),
    ({"zone": "Europe/Berlinn"}, "zone: 'Europe/Berlinn' is no time zone"),
    ({"zone": "../../etc/passwd"}, "zone: .* is no time zone"),
    ({"zone": ""}, "zone: .* is no time zone"),
    ({"alerts": [0]}, "from 1 to 100, got 0"),
    ({"alerts": [80, 101]}, "from 1 to 100, got 101"),
    ({"scope": "tag", "subject": None}, "subject: which tag"),
    ({"scope": "global", "subject": "ana"}, "subject: a global budget has no subject"),
    ({"subject": "  "}, "subject: expected a name"),
    ({"limit": 3}, "no such key"),
]


@pytest.mark.parametrize(("wrong", "told"), MISTAKES)
def test_mistakes_are_told(wrong: dict[str, Any], told: str) -> None:
    raw = {"scope": "user", "subject": "ana", "cap": 10} | wrong
    with pytest.raises(ConfigError, match=told) as caught:
        load({"budgets": [raw]})
    assert "budgets[0]" in str(caught.value)
    with pytest.raises(ConfigError, match=told):
        parse_budget(raw)


@pytest.mark.parametrize("missing", ["scope", "cap"])
def test_what_is_needed(missing: str) -> None:
    raw = {"scope": "user", "cap": 10}
    del raw[missing]
    with pytest.raises(ConfigError, match=f"the key {missing} is missing"):
        load({"budgets": [raw]})
    with pytest.raises(ConfigError, match=f"the key {missing} is missing"):
        parse_budget(raw)


def test_two_of_the_same_are_a_mistake() -> None:
    one = {"scope": "user", "subject": "ana", "cap": 10}
    load({"budgets": [one, one | {"period": "day"}, one | {"subject": "bob"}]})
    with pytest.raises(ConfigError, match=r"budgets\[1\]: the same .* as budgets\[0\]"):
        load({"budgets": [one, one | {"cap": 11}]})


def test_the_largest_cap_fits() -> None:
    assert load({"budgets": [{"scope": "global", "cap": 9_000_000}]}).budgets[0].cap == 9_000_000


def test_where_alerts_go_is_secret() -> None:
    url = "mailto://ana:secret-word@example.com"
    config = load(
        {"budgets": [{"scope": "global", "cap": "0.10", "notify": [url]}], "notify": [url]}
    )
    assert config.budgets[0].cap == Decimal("0.10")
    assert "secret-word" not in repr(config) + render(config)
    assert config.notify[0].reveal() == url
