"""Rows become files of batches, each within the limits of its provider."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_orchestrator.bulk.batches.building import Built, Plan, build
from llm_orchestrator.bulk.planning.bounds import most_in_batch
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.store.bulk_rows import item_no_of
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.model import Model, Price, Rates
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Image, Message, Request, Text

PRICE = Price(input=2_000_000, output=8_000_000, batch=Rates(input=1_000_000, output=4_000_000))
MODEL = Model(provider="openai", id="gpt-test", prices=(PRICE,), max_output=100)


def target(name: str = "openai", model: Model = MODEL, **limits: Any) -> Candidate:
    row = TABLE[name]
    assert row.batch is not None
    own = msgspec.structs.replace(row.batch.limits, **limits)
    wire = msgspec.structs.replace(row.batch, limits=own)
    return Candidate(msgspec.structs.replace(row, batch=wire), model)


def ask(number: int, text: str = "Hello", **fields: Any) -> Request:
    return Request(messages=(Message("user", f"{text} {number}"),), **fields)


def made(folder: Path, count: int, one: Candidate, most: int = 50_000, **plan: Any) -> list[Built]:
    rows = ((number, ask(number)) for number in range(count))
    return list(build(plan_of(folder, one, most_items=most, **plan), rows))


def plan_of(folder: Path, one: Candidate, **plan: Any) -> Plan:
    return Plan(run_id="r", task="t", target=one, folder=folder, created_at=5, **plan)


def test_a_unit_knows_its_file(tmp_path: Path) -> None:
    (built,) = made(tmp_path, 40, target())
    unit = built.unit
    assert unit is not None
    data = (tmp_path / (unit.path or "")).read_bytes()
    assert (unit.count, unit.size, unit.state) == (40, len(data), "prepared")
    assert unit.sha256 == hashlib.sha256(data).hexdigest()
    assert (unit.provider, unit.model, unit.task, unit.run_id) == ("openai", "gpt-test", "t", "r")
    assert unit.input_tokens == len(data) // 4
    lines = [msgspec.json.decode(line) for line in data.splitlines()]
    assert [item_no_of(unit.prefix, line["custom_id"]) for line in lines] == list(range(40))
    assert lines[7]["body"]["messages"] == [{"role": "user", "content": "Hello 7"}]
    assert unit.tag == f"llmo-{unit.work_id}"


def test_a_file_ends_where_a_limit_is_reached(tmp_path: Path) -> None:
    assert [len(one.numbers) for one in made(tmp_path, 25, target(), most=10)] == [10, 10, 5]
    assert [len(one.numbers) for one in made(tmp_path, 7, target(requests=3))] == [3, 3, 1]
    sizes = [one.unit.size for one in made(tmp_path, 40, target(size=1000)) if one.unit]
    assert len(sizes) > 4
    assert all(size is not None and size <= 1000 for size in sizes)
    tokens = [one.unit.input_tokens for one in made(tmp_path, 40, target(enqueued=200)) if one.unit]
    assert len(tokens) > 4
    assert max(number or 0 for number in tokens) <= 200


def test_no_unit_is_dearer_than_a_database_can_count(tmp_path: Path) -> None:
    dear = Price(input=0, output=10**16, batch=Rates(input=0, output=10**16))
    one = target(model=msgspec.structs.replace(MODEL, prices=(dear,)))
    units = [built.unit for built in made(tmp_path, 10, one)]
    assert [unit.count for unit in units if unit] == [4, 4, 2]
    assert all(unit and (unit.hold_pico or 0) < 2**63 for unit in units)
    assert [len(built.numbers) for built in made(tmp_path, 3, one, most_pico=0)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "limits", "counts"),
    [
        ("anthropic", {}, [11, 11, 2]),  # in one call with the creation, which has to end in time
        ("deepinfra", {}, [19, 5]),  # it does not tell how much it takes
        ("openai", {}, [24]),
        ("anthropic", {"size": 4_000_000}, []),
    ],
)
def test_large_rows_are_more_units(
    tmp_path: Path, name: str, limits: dict[str, Any], counts: list[int]
) -> None:
    text = "x" * 5_250_000
    rows = ((number, ask(number, text)) for number in range(24))
    found = list(build(plan_of(tmp_path, target(name, **limits)), rows))
    assert [one.unit.count for one in found if one.unit] == counts
    assert sum(len(one.rejects) for one in found) == 24 - sum(counts)


def test_ids_of_a_row_that_did_not_fit_are_those_of_its_own_unit(tmp_path: Path) -> None:
    for built in made(tmp_path, 30, target(size=700)):
        assert built.unit is not None
        lines = (tmp_path / (built.unit.path or "")).read_bytes().splitlines()
        ids = [msgspec.json.decode(line)["custom_id"] for line in lines]
        numbers = [item_no_of(built.unit.prefix, name) for name in ids]
        assert numbers == list(built.numbers)


def test_texts_are_counted_where_they_are_limited(tmp_path: Path) -> None:
    model = msgspec.structs.replace(MODEL, mode="embedding")
    rows = ((number, Texts(("a", "b", "c"))) for number in range(10))
    plan = plan_of(tmp_path, target(model=model, texts=7), embeds=True)
    found = list(build(plan, rows))
    assert [len(one.numbers) for one in found] == [2, 2, 2, 2, 2]


def test_rows_that_cannot_be_asked_for_are_told_and_left_out(tmp_path: Path) -> None:
    rows = [(n, ask(n, "x" * 400 if n == 3 else "x")) for n in range(5)]
    rows[1] = (1, ask(1, extra={"a": object()}))
    built, *others = build(plan_of(tmp_path, target(size=400)), rows)
    found = [built, *others]
    assert [number for one in found for number in one.numbers] == [0, 2, 4]
    rejects = dict(reject for one in found for reject in one.rejects)
    assert rejects.keys() == {1, 3}
    assert all(isinstance(error, InvalidRequestError) for error in rejects.values())
    assert rejects[3].code == "too_large"


def test_nothing_but_rejects_makes_no_unit_and_no_file(tmp_path: Path) -> None:
    rows = [(n, ask(n, extra={"a": object()})) for n in range(3)]
    (built,) = build(plan_of(tmp_path, target()), rows)
    assert built.unit is None
    assert len(built.rejects) == 3
    assert list(tmp_path.iterdir()) == []
    assert list(build(plan_of(tmp_path, target()), [])) == []


def test_too_few_for_a_batch_are_left(tmp_path: Path) -> None:
    first, last = made(tmp_path, 150, target(least=100), most=120)
    assert first.unit is not None
    assert last.unit is None
    assert list(last.numbers) == list(range(120, 150))
    assert [path.name for path in tmp_path.iterdir()] == [first.unit.path]


def test_a_unit_holds_what_all_its_rows_may_cost_in_a_batch(tmp_path: Path) -> None:
    (built,) = made(tmp_path, 10, target())
    assert built.unit is not None
    assert built.unit.hold_pico == (built.unit.size or 0) * 1_000_000 + 10 * 100 * 4_000_000
    short = ask(1, max_tokens=3)
    assert most_in_batch(short, 50, target()) == 50 * 1_000_000 + 3 * 4_000_000
    assert most_in_batch(Texts(("a",)), 50, target()) == 50 * 1_000_000
    unpriced = target(model=msgspec.structs.replace(MODEL, prices=()))
    (free,) = made(tmp_path, 2, unpriced)
    assert free.unit is not None
    assert free.unit.hold_pico is None


def test_pictures_are_held_by_their_tokens_not_by_their_addresses() -> None:
    parts = (Text(text="What is it?"), Image(url="https://example.com/a.png"))
    request = Request(messages=(Message("user", parts),), max_tokens=1)
    most = most_in_batch(request, 120, target())
    assert most is not None
    assert most > 700 * 1_000_000


@pytest.mark.parametrize(("hours", "window"), [(24, 24), (30, 24), (100, 72), (200, 168)])
def test_a_batch_may_take_as_long_as_there_is_time(tmp_path: Path, hours: int, window: int) -> None:
    one = target("groq")
    assert one.provider.batch is not None
    (built,) = made(tmp_path, 2, one, hours=hours)
    assert built.unit is not None
    assert built.unit.hours == one.provider.batch.window(hours)
    assert built.unit.hours in one.provider.batch.windows
    assert built.unit.hours <= max(hours, 24)
