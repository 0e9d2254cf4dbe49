"""The plan of a batch, its settings, the order of its items and its price."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.simulator import catalogue
from llm_orchestrator.simulator.batches.feed import feed
from llm_orchestrator.simulator.batches.files import Spool, Writer
from llm_orchestrator.simulator.batches.settings import BatchBook, BatchSettings, pairs
from llm_orchestrator.simulator.batches.timeline import Timeline, plan
from llm_orchestrator.simulator.clock import Clock
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.prices import Prices, Usage, dollars
from llm_orchestrator.simulator.refusal import Refusal

DAY = 86_400.0


def line(late: int = 0) -> Timeline:
    """100 items in 1000 seconds from 60 on; late ones take 500 more."""
    return Timeline(0.0, 5.0, 60.0, 1000.0, 500.0, 100, late, 5.0, DAY)


@pytest.mark.parametrize(
    "late, at, done",
    [
        (0, 60, 0),
        (0, 61, 0),
        (0, 560, 50),
        (0, 1059, 99),
        (0, 1060, 100),
        (10, 560, 45),
        (10, 1060, 90),
        (10, 1310, 95),
        (10, 1560, 100),
    ],
)
def test_items_finish_evenly_and_the_late_ones_last(late: int, at: float, done: int) -> None:
    assert line(late).done(at) == done


def test_a_plan_follows_from_its_seed_and_spreads() -> None:
    settings = BatchSettings(stragglers=0.2)
    plans = [plan(settings, 1000, 0.0, DAY, Draw(seed)) for seed in range(300)]
    assert plans == [plan(settings, 1000, 0.0, DAY, Draw(seed)) for seed in range(300)]
    waits = [each.begun - each.validated for each in plans]
    assert 20 <= min(waits) < 30
    assert 150 < max(waits) <= 180
    works = [each.work for each in plans]
    assert 14 <= min(works) < max(works) <= 26
    assert 30 < sum(each.late > 0 for each in plans) < 90
    assert {each.late for each in plans} == {0, 20}
    assert {each.expires for each in plans} == {DAY}
    assert plan(BatchSettings(window=60), 1, 0.0, DAY, Draw(1)).expires == 60


def test_settings_are_those_of_all_and_of_one_provider() -> None:
    book = BatchBook({"queue": 7, "openai.queue": "8.5", "light": "yes", "openai.requests": "10"})
    assert (book.of("openai").queue, book.of("groq").queue) == (8.5, 7)
    assert (book.of("openai").requests, book.of("groq").requests) == (10, None)
    assert book.of("groq").light
    book.change({"openai.queue": None, "light": False})
    assert (book.of("openai").queue, book.of("openai").light) == (60, False)
    assert pairs("queue=1, openai.item=0.5,") == {"queue": "1", "openai.item": "0.5"}


@pytest.mark.parametrize(
    "given, message",
    [
        ({"lunch": 1}, "no batch setting 'lunch'"),
        ({"queue": "soon"}, "not a float"),
        ({"queue": -1}, "below 0"),
        ({"queue": "nan"}, "below 0"),
        ({"light": "maybe"}, "not a bool"),
        ({"openai.failures": 1.1}, "is a share"),
    ],
)
def test_wrong_settings_change_nothing(given: dict[str, Any], message: str) -> None:
    book = BatchBook({})
    with pytest.raises(ValueError, match=message):
        book.change({"queue": 1} | given)
    assert book.of("openai") == BatchSettings()


def test_the_order_of_work_is_another_one_and_stays_the_same(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"".join(b"%d\n\n" % n for n in range(1000)))
    order = [number for number, _ in feed([path], "a", shuffled=True)]
    assert sorted(order) == list(range(1000))
    assert order[:128] != sorted(order[:128]) == list(range(128))
    assert order[-50:] != sorted(order[-50:])
    assert order == [number for number, _ in feed([path], "a", shuffled=True)]
    assert order != [number for number, _ in feed([path], "b", shuffled=True)]
    assert order[300:] == [number for number, _ in feed([path], "a", shuffled=True, skip=300)]
    plain = list(feed([path], "a", shuffled=False))
    assert plain == [(n, b"%d" % n) for n in range(1000)]
    path.write_bytes(b"x\ny\n")
    for seed in "abcdefgh":
        assert [line for _, line in feed([path], seed, shuffled=True)] == [b"y", b"x"]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_lines_are_counted_however_they_come(size: int) -> None:
    data = b'\n{"a": 1}\r\n\r\n  \n{"b": 2}\n{"c": 3}'
    spool = Spool()
    writer = Writer(spool, 1000)
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
    received = writer.close()
    assert (received.lines, received.size) == (3, len(data))
    assert received.path.read_bytes() == data
    small = Writer(spool, 10)
    with pytest.raises(Refusal, match="maximum size"):
        small.write(data)
    assert not small.received.path.exists()
    spool.close()
    assert not received.path.parent.exists()


def test_the_virtual_clock_runs_ahead() -> None:
    clock = Clock(1000)
    start, real = clock.virtual(), clock.now()
    clock.advance(DAY)
    passed = clock.virtual() - start
    assert DAY <= passed <= DAY + (clock.now() - real + 0.05) * 1000
    before = clock.virtual()
    clock.hasten(0.001)
    assert 0 <= clock.virtual() - before < 100
    for wrong in (0, -1, float("inf")):
        with pytest.raises(ValueError, match="speed"):
            clock.hasten(wrong)
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)


# ------------------------------------------------------------------ prices

USAGE = Usage(input_tokens=1000, cache_read_tokens=400, output_tokens=100)


@pytest.mark.parametrize(
    "provider, name, expected",
    [
        # 600 x 0.5 + 400 x 0.05 + 100 x 1.5 is 470 at full price
        ("openai", "sim-chat", "0.000245"),  # the cached part keeps its price
        ("anthropic", "sim-chat", "0.000235"),  # half of everything
        ("mistral", "sim-chat", "0.000235"),
        ("gemini", "sim-chat", "0.000245"),
        ("vertex", "sim-chat", "0.000245"),
        ("bedrock", "sim-chat", "0.000245"),
        ("groq", "sim-chat", "0.000245"),
        ("openrouter", "sim-chat", "0.000245"),
        ("deepinfra", "sim-chat", "0.00038"),  # a fifth off
        ("together", "sim-chat", "0.00047"),  # nothing off, but for two models
        ("perplexity", "sim-chat", "0.00047"),
        ("cohere", "sim-chat", "0.00047"),
    ],
)
def test_what_a_batch_costs(provider: str, name: str, expected: str) -> None:
    cost = Prices({}).cost(Model(provider, name, name), USAGE, "2026-11-20", "batch")
    assert dollars(cost or Decimal(0)) == expected


def test_a_price_of_its_own_comes_before_the_discount() -> None:
    price = {"input": 1_000_000, "output": 2_000_000, "batch": {"input": 100_000}}
    prices = Prices({"openai": {"m": {"prices": [price]}}})
    cost = prices.cost(Model("openai", "m", "m"), USAGE, "2026-11-20", "batch")
    # 600 x 0.1 + 400 at the price of fresh tokens in a batch + 100 x 2, in dollars a million
    assert dollars(cost or Decimal(0)) == "0.0003"


def test_discounts_are_those_of_the_price_file() -> None:
    listed = json.loads(catalogue.PRICE_FILE.read_text())["providers"]
    for provider, row in listed.items():
        stated = row.get("batch_discount", {"percent": 0})
        ours = catalogue.DISCOUNTS.get(provider, {"percent": 0})
        assert (provider, ours["percent"]) == (provider, stated["percent"])
        for model, percent in stated.get("models", {}).items():
            assert ours["models"][model] == percent
        assert set(stated.get("keep", ())) <= set(ours.get("keep", ()))
