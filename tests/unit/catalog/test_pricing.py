"""Costs by hand: every number below was worked out on paper from the rates beside it."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.catalog import Catalog, breakdown, cost, price_on, upper_bound
from llm_orchestrator.types.model import LongContext, Model, Price, Rates, Tier
from llm_orchestrator.types.usage import Usage

# USD per million tokens: 3 in, 15 out, 0.30 read, 3.75 written, 6 written for an hour.
SONNET = Price(
    input=3_000_000,
    output=15_000_000,
    cache_read=300_000,
    cache_write=3_750_000,
    cache_write_1h=6_000_000,
    search=10_000_000_000,
    batch=Rates(input=1_500_000, output=7_500_000, cache_read=150_000),
    priority=Rates(input=6_000_000, output=30_000_000),
    above=(
        LongContext(
            tokens=200_000,
            input=6_000_000,
            output=22_500_000,
            cache_read=600_000,
            cache_write=7_500_000,
            cache_write_1h=12_000_000,
            batch=Rates(input=3_000_000, output=11_250_000),
        ),
    ),
)


def model(*prices: Price, mode: str = "chat", max_output: int | None = None) -> Model:
    return Model(provider="p", id="m", prices=prices, mode=mode, max_output=max_output)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(), 0),
        # 1,000 x 3 + 500 x 15 = 10,500 USD per million
        (Usage(1_000, 500), 10_500_000_000),
        # 200 fresh x 3 + 700 read x 0.30 + 100 written x 3.75 + 500 x 15
        (Usage(1_000, 500, 700, 100), 600_000_000 + 210_000_000 + 375_000_000 + 7_500_000_000),
        # of 100 written, 60 for an hour: 40 x 3.75 + 60 x 6
        (Usage(100, 0, 0, 100, 60), 150_000_000 + 360_000_000),
        # reasoning is part of the output and costs nothing more
        (Usage(0, 500, reasoning_tokens=400), 7_500_000_000),
        # everything from the cache
        (Usage(1_000, 0, 1_000), 300_000_000),
    ],
)
def test_standard_rates(usage: Usage, expected: int) -> None:
    assert cost(usage, model(SONNET)) == expected
    assert breakdown(usage, model(SONNET)).total == expected


@pytest.mark.parametrize(
    ("input_tokens", "expected"),
    [
        (200_000, 600_000_000_000 + 15_000_000),  # at the threshold: 3 and 15
        (200_001, 1_200_006_000_000 + 22_500_000),  # above it all tokens: 6 and 22.50
    ],
)
def test_long_context_is_a_cliff(input_tokens: int, expected: int) -> None:
    assert cost(Usage(input_tokens, 1), model(SONNET)) == expected


def test_the_highest_step_that_is_passed_holds() -> None:
    steps = (
        LongContext(tokens=32_000, input=2, output=20),
        LongContext(tokens=128_000, input=3, output=30),
    )
    stepped = model(Price(input=1, output=10, above=steps))
    assert cost(Usage(32_000, 1), stepped) == 32_010
    assert cost(Usage(128_000, 1), stepped) == 256_020
    assert cost(Usage(128_001, 1), stepped) == 384_033


@pytest.mark.parametrize(
    ("tier", "usage", "expected"),
    [
        # 1,000 x 1.50 + 500 x 7.50
        ("batch", Usage(1_000, 500), 5_250_000_000),
        # written tokens have no batch rate here: the standard 3.75 holds
        ("batch", Usage(1_000, 0, 600, 400), 90_000_000 + 1_500_000_000),
        # long input in a batch: 3 and 11.25, and the long rate 0.60 for what was read
        ("batch", Usage(300_000, 0, 100_000), 600_000_000_000 + 60_000_000_000),
        # 1,000 x 6 + 500 x 30
        ("priority", Usage(1_000, 500), 21_000_000_000),
        # priority is not offered above the threshold: 300,000 x 6
        ("priority", Usage(300_000, 0), 1_800_000_000_000),
        # no price for flex is known
        ("flex", Usage(1_000, 500), None),
    ],
)
def test_tiers(tier: Tier, usage: Usage, expected: int | None) -> None:
    assert cost(usage, model(SONNET), tier=tier) == expected
    assert breakdown(usage, model(SONNET), tier=tier).total == expected


def test_searches_and_request_fees() -> None:
    assert cost(Usage(1_000), model(SONNET), searches=2) == 3_000_000_000 + 20_000_000_000
    sonar = model(Price(input=1_000_000, output=1_000_000, per_request=12_000_000_000))
    assert cost(Usage(1_000, 1_000), sonar) == 14_000_000_000
    assert cost(Usage(1_000, 1_000), sonar, searches=1) is None  # no rate for a search


def test_unknown_is_not_zero() -> None:
    assert cost(Usage(1, 1), model()) is None
    plain = model(Price(input=100, output=1_000))
    # A cache hit without a rate of its own is input; a write without one is unknown.
    assert cost(Usage(10, 0, cache_read_tokens=4), plain) == 1_000
    assert cost(Usage(10, 0, cache_write_tokens=4), plain) is None
    assert cost(Usage(10, 0, 0, 4, 4), model(Price(input=1, cache_write=2))) is None
    assert cost(Usage(10, 1), model(Price(input=1))) is None
    assert cost(Usage(10), model(Price(input=1))) == 10
    free = model(Price(input=0, output=0))
    assert cost(Usage(10, 10), free) == 0


def test_more_cached_tokens_than_input_cost_no_less_than_the_cached_ones() -> None:
    assert cost(Usage(10, 0, cache_read_tokens=20), model(SONNET)) == 6_000_000


CHANGED = model(
    Price(input=10, output=1),
    Price(from_="2026-03-13", input=5, output=1),
    Price(from_="2027-01-01", input=20, output=1),
)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (dt.date(2026, 3, 12), 10),
        (dt.date(2026, 3, 13), 5),
        (dt.date(2026, 12, 31), 5),
        (dt.date(2027, 1, 1), 20),
        # moments count in UTC: half past midnight in Berlin is still the day before
        (dt.datetime(2026, 3, 13, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=1))), 10),
        (dt.datetime(2026, 3, 12, 23, 30, tzinfo=dt.timezone(-dt.timedelta(hours=1))), 5),
        (dt.datetime(2026, 3, 13, 0, 30), 5),  # noqa: DTZ001 - a naive moment is taken as UTC
    ],
)
def test_the_price_of_the_day(at: dt.date, expected: int) -> None:
    assert cost(Usage(1), CHANGED, at=at) == expected


def test_today_is_the_default() -> None:
    past = (dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)).isoformat()
    future = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2)).isoformat()
    dated = model(Price(input=1), Price(from_=past, input=2), Price(from_=future, input=3))
    assert cost(Usage(1), dated) == 2
    assert price_on(model(Price(from_=future, input=3))) is None
    assert cost(Usage(1), model(Price(from_=future, input=3))) is None


def test_breakdown_names_its_parts() -> None:
    bill = breakdown(Usage(300_000, 500, 100_000, estimated=True), model(SONNET), searches=1)
    assert [(part.name, part.quantity, part.rate) for part in bill.parts] == [
        ("input", 200_000, 6_000_000),
        ("cache_read", 100_000, 600_000),
        ("output", 500, 22_500_000),
        ("search", 1, 10_000_000_000),
    ]
    assert bill.above == 200_000
    assert bill.estimated
    assert bill.missing == ()
    assert bill.total == sum(part.cost or 0 for part in bill.parts)
    unknown = breakdown(Usage(10, 5), model(Price(input=1)))
    assert unknown.total is None
    assert unknown.missing == ("output",)
    assert breakdown(Usage(10, 5), model()).missing == ("input", "output")
    assert breakdown(Usage(1), CHANGED, at=dt.date(2026, 6, 1)).price_from == "2026-03-13"


def test_upper_bound_by_hand() -> None:
    # 1,000 tokens may all be written to the cache: 1,000 x 3.75 + 100 x 15
    assert upper_bound(1_000, 100, model(SONNET)) == 5_250_000_000
    # for an hour 6, without any caching 3
    assert upper_bound(1_000, 100, model(SONNET), writes="hour") == 7_500_000_000
    assert upper_bound(1_000, 100, model(SONNET), writes="none") == 4_500_000_000
    # batch: reading 0.15, input 1.50, writing 3.75
    assert upper_bound(1_000, 100, model(SONNET), tier="batch") == 4_500_000_000
    # a tier without a price is held at the standard one
    assert upper_bound(1_000, 100, model(SONNET), tier="flex") == 5_250_000_000
    assert upper_bound(1_000, 0, model(SONNET), searches=3) == 33_750_000_000


def test_upper_bound_takes_the_models_own_limit() -> None:
    assert upper_bound(10, None, model(Price(input=1, output=2), max_output=100)) == 210
    assert upper_bound(10, None, model(Price(input=1, output=2))) is None
    assert upper_bound(10, None, model(Price(input=1), mode="embedding")) == 10


def test_upper_bound_is_unknown_where_a_rate_is() -> None:
    assert upper_bound(10, 10, model()) is None
    assert upper_bound(10, 10, model(Price(input=1))) is None
    assert upper_bound(10, 0, model(Price(input=1)), searches=1) is None
    assert upper_bound(10, 10, model(Price(output=1))) is None


def test_upper_bound_thinks_of_smaller_inputs() -> None:
    odd = model(Price(input=10, output=10, above=(LongContext(tokens=100, input=1, output=1),)))
    # 101 tokens cost 101 + 1, but 100 of them would cost 1,000 + 10.
    assert upper_bound(101, 1, odd) == 1_010


PRICED = [
    model
    for provider in ("openai", "anthropic", "gemini", "bedrock", "openrouter")
    for model in Catalog.load().models(provider)
    if upper_bound(1, 1, model) is not None
]


@given(
    model=st.sampled_from(PRICED),
    tier=st.sampled_from(["standard", "batch", "flex", "priority"]),
    bound=st.integers(0, 2_000_000),
    most=st.integers(0, 200_000),
    shares=st.tuples(*[st.floats(0, 1)] * 5),
)
def test_no_call_within_its_limits_costs_more_than_its_bound(
    model: Model, tier: Tier, bound: int, most: int, shares: tuple[float, ...]
) -> None:
    used = int(bound * shares[0])
    read = int(used * shares[1])
    written = int((used - read) * shares[2])
    usage = Usage(used, int(most * shares[3]), read, written, int(written * shares[4]))
    held = upper_bound(bound, most, model, tier=tier, writes="hour")
    paid = cost(usage, model, tier=tier)
    assert held is not None
    assert paid is None or paid <= held
    assert breakdown(usage, model, tier=tier).total == paid
