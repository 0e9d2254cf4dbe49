"""Estimates: three lengths of an answer, and what they cost."""

from decimal import Decimal

from llm_orchestrator.catalog.estimate import estimate
from llm_orchestrator.catalog.tokens import count_request
from llm_orchestrator.types.model import Model, Price
from llm_orchestrator.types.request import Message, Request


def ask(*messages: Message, **fields: object) -> Request:
    return Request(messages=messages or (Message("user", "Hi"),), **fields)  # type: ignore[arg-type]


MODEL = Model(
    provider="openai",
    id="gpt-4o",
    prices=(Price(input=2_500_000, output=10_000_000),),
    context=1000,
    max_output=800,
)


def test_an_estimate_prices_three_lengths() -> None:
    found = estimate(ask(Message("user", "hello world"), max_tokens=600), MODEL)
    assert (found.input_tokens, found.method) == (8, "o200k_base")
    assert (found.output_low, found.output_expected, found.output_high) == (16, 400, 600)
    assert found.cost_low_pico == 8 * 2_500_000 + 16 * 10_000_000
    assert found.cost_expected_pico == 8 * 2_500_000 + 400 * 10_000_000
    assert found.cost_high_pico == 8 * 2_500_000 + 600 * 10_000_000
    usd = (found.cost_low, found.cost_expected, found.cost_high)
    assert usd == (Decimal("0.00018"), Decimal("0.00402"), Decimal("0.00602"))


def test_lengths_keep_to_the_limits() -> None:
    assert estimate(ask(max_tokens=5), MODEL).output_low == 5
    assert estimate(ask(max_tokens=5), MODEL).output_expected == 5
    assert estimate(ask(), MODEL).output_high == 800
    long = ask(Message("user", "hello " * 500))
    assert estimate(long, MODEL).output_high == 1000 - count_request(long, MODEL)
    unknown = Model(provider="p", id="x")
    assert estimate(ask(), unknown).output_high == 4096
    assert estimate(ask(), unknown).cost_expected is None


def test_thinking_makes_answers_longer_where_the_model_can() -> None:
    thinker = Model(provider="p", id="x", max_output=100_000, abilities=frozenset({"reasoning"}))
    plain = Model(provider="p", id="x", max_output=100_000, abilities=frozenset())
    assert estimate(ask(effort="high"), thinker).output_expected == 8400
    assert estimate(ask(effort="high"), plain).output_expected == 400


def test_own_records_win() -> None:
    found = estimate(ask(), MODEL, output=(1, 2, 3))
    assert (found.output_low, found.output_expected, found.output_high) == (1, 2, 3)


def test_embeddings_have_no_answer() -> None:
    model = Model(provider="p", id="x", mode="embedding", prices=(Price(input=1),))
    found = estimate(ask(), model)
    assert found.output_high == 0
    assert found.cost_high_pico == found.input_tokens
