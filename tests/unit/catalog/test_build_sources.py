"""What the tool that builds the data file reads from each of its sources."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import types as theirs

from tests.unit.catalog.price_samples import entry, listed, price
from tools.catalog_build import community, history, prices

BATCH = {"processing": "batch"}


def rows(model: theirs.ModelInfo) -> list[dict[str, Any]]:
    return prices.as_rows(history.periods(model))


def test_effective_dates() -> None:
    model = entry((None, price(input="10", output="40")), ("2025-06-10", price(input="2")))
    assert rows(model) == [
        {"input": 10_000_000, "output": 40_000_000},
        {"from": "2025-06-10", "input": 2_000_000},
    ]


def test_long_context_is_written_with_all_its_rates() -> None:
    model = entry((None, price(input={0: "3", 200_000: "6"}, output="15")))
    assert rows(model) == [
        {
            "input": 3_000_000,
            "output": 15_000_000,
            "above": [{"tokens": 200_000, "input": 6_000_000, "output": 15_000_000}],
        }
    ]


def test_a_variant_holds_before_the_day_it_was_checked() -> None:
    model = entry(
        (None, price(input="2", output="8", cache_read="1")),
        variants=[(BATCH, "2026-10-14", price(input="1", output="4"))],
    )
    assert rows(model) == [
        {
            "input": 2_000_000,
            "output": 8_000_000,
            "cache_read": 1_000_000,
            "batch": {"input": 1_000_000, "output": 4_000_000},
        }
    ]


def test_a_variant_does_not_hold_for_an_older_price() -> None:
    model = entry(
        (None, price(input="4", output="8")),
        ("2026-01-01", price(input="2", output="8")),
        ("2027-01-01", price(input="6", output="8")),
        variants=[
            (BATCH, "2027-01-01", price(input="3")),
            (BATCH, "2026-10-14", price(input="1")),
        ],
    )
    assert [row.get("batch") for row in rows(model)] == [
        None,
        {"input": 1_000_000, "output": 8_000_000},
        {"input": 3_000_000, "output": 8_000_000},
    ]


def test_tiers_of_long_context() -> None:
    model = entry(
        (None, price(input={0: "2", 272_000: "4"}, output="8")),
        variants=[(BATCH, None, price(input={0: "1", 272_000: "2"}))],
    )
    (row,) = rows(model)
    assert row["batch"] == {"input": 1_000_000, "output": 8_000_000}
    assert row["above"][0]["batch"] == {"input": 2_000_000, "output": 8_000_000}


def test_other_kinds_of_prices_are_left_out() -> None:
    assert rows(entry((None, theirs.ModelPrice(audio_hours=Decimal("0.36"))))) == [{}]
    by_time = theirs.TimeOfDateConstraint(dt.time(1), dt.time(2))
    model = entry((None, price(input="1")))
    assert isinstance(model.prices, list)
    model.prices.append(theirs.ConditionalPrice(by_time, prices=price(input="2")))
    with pytest.raises(ValueError, match="time of day"):
        history.periods(model)


def test_fees_are_per_piece() -> None:
    model = entry(
        (
            None,
            theirs.ModelPrice(
                input_mtok=Decimal(1), requests_kcount=Decimal(12), web_searches_kcount=Decimal(5)
            ),
        )
    )
    assert rows(model) == [
        {"input": 1_000_000, "per_request": 12_000_000_000, "search": 5_000_000_000}
    ]


@pytest.mark.parametrize(
    "usd, per, expected",
    [
        ("0.15", 10**6, 150_000),
        ("0.0000001", 1, 100_000),
        ("0.0833333333333333", 10**6, 83_333),
        ("0.0000005", 10**6, 0),  # half a pico-dollar goes to the even number
        ("0.0000015", 10**6, 2),
    ],
)
def test_rounding(usd: str, per: int, expected: int) -> None:
    assert prices.pico(Decimal(usd), per) == expected


def test_rates_of_the_second_source() -> None:
    period = community.period(
        listed(
            input_cost_per_token=1e-6,
            output_cost_per_token=5e-06,
            cache_read_input_token_cost=1e-07,
            cache_creation_input_token_cost=1.25e-06,
            cache_creation_input_token_cost_above_1hr=2e-06,
            input_cost_per_token_batches=5e-07,
            output_cost_per_token_flex=2.5e-06,
            input_cost_per_token_above_200k_tokens=2e-06,
            input_cost_per_token_above_200k_tokens_priority=3e-06,
            cache_creation_input_token_cost_above_1hr_above_200k_tokens=4e-06,
            search_context_cost_per_query={"search_context_size_medium": 0.01},
            input_cost_per_audio_token=1e-05,
        )
    )
    assert period is not None
    assert prices.as_rows([period]) == [
        {
            "input": 1_000_000,
            "output": 5_000_000,
            "cache_read": 100_000,
            "cache_write": 1_250_000,
            "cache_write_1h": 2_000_000,
            "search": 10_000_000_000,
            "batch": {"input": 500_000},
            "flex": {"output": 2_500_000},
            "above": [
                {
                    "tokens": 200_000,
                    "input": 2_000_000,
                    "output": 5_000_000,
                    "cache_read": 100_000,
                    "cache_write": 1_250_000,
                    "cache_write_1h": 4_000_000,
                    "priority": {"input": 3_000_000},
                }
            ],
        }
    ]


def test_a_write_rate_below_input_is_a_mistake() -> None:
    period = community.period(
        listed(input_cost_per_token=2e-06, cache_creation_input_token_cost=1e-06)
    )
    assert period is not None
    assert period.base.rates == {"input": 2_000_000}
    assert community.period(listed(output_cost_per_token=1e-06)) is None


@pytest.mark.parametrize(
    "name, keys, has, lacks",
    [
        ("m", {"supports_vision": True}, {"vision", "system", "sampling"}, {"tools"}),
        ("m", {"supports_function_calling": True}, {"tools", "parallel_tools"}, set()),
        (
            "m",
            {"supports_function_calling": True, "supports_parallel_function_calling": False},
            {"tools"},
            {"parallel_tools"},
        ),
        ("m", {"supports_vision": False, "supports_sampling_params": False}, set(), {"sampling"}),
        ("o9", {"supports_reasoning": True}, {"reasoning", "effort"}, {"sampling"}),
        ("gpt-5.9", {"supports_reasoning": True}, {"effort"}, {"sampling"}),
        (
            "gpt-5.9",
            {"supports_reasoning": True, "default_reasoning_effort": "none"},
            {"sampling"},
            set(),
        ),
        ("gpt-5-chat", {"supports_reasoning": True}, {"sampling"}, set()),
        ("claude-x", {"supports_reasoning": True}, {"reasoning"}, {"effort"}),
        (
            "claude-x",
            {"supports_adaptive_thinking": True, "supports_output_config": True},
            {"effort", "adaptive_thinking"},
            set(),
        ),
    ],
)
def test_abilities(name: str, keys: dict[str, Any], has: set[str], lacks: set[str]) -> None:
    found = set(community.abilities(name, listed(**keys)) or ())
    assert has <= found
    assert not lacks & found


def test_no_flag_means_unknown() -> None:
    assert community.abilities("m", listed(supports_tool_choice=True)) is None
