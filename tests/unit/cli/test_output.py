"""Amounts as people and programs read them."""

import json
from decimal import Decimal

import msgspec
import pytest

from llm_orchestrator.cli import output


@pytest.mark.parametrize(
    "amount, expected",
    [
        (None, "unknown"),
        ("0", "$0"),
        ("12.3456", "$12.35"),
        ("1234567.891", "$1,234,567.89"),
        ("0.5", "$0.5000"),
        ("0.0105", "$0.0105"),
        ("0.000105", "$0.000105"),
        ("0.00000001234", "$0.0000000123"),
        ("0.000000000001", "$0.000000000001"),
    ],
)
def test_usd(amount: str | None, expected: str) -> None:
    assert output.usd(None if amount is None else Decimal(amount)) == expected


def test_a_column_has_the_places_of_its_smallest_amount() -> None:
    places = output.places([Decimal(3), None, Decimal(0), Decimal("0.00042")])
    assert places == 6
    assert output.usd(Decimal(3), places=places) == "$3.000000"


class Row(msgspec.Struct):
    cost: Decimal
    words: tuple[str, ...] = ("ä",)


@pytest.mark.parametrize(
    "amount", ["0.000105", "1E-7", "100", "1E+2", "0.000000000001", "12345678901234.123456789012"]
)
def test_json_numbers_keep_every_digit(amount: str) -> None:
    text = output.json_text({"rows": [Row(Decimal(amount))]})
    assert "E" not in text
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == {
        "rows": [{"cost": Decimal(amount), "words": ["ä"]}]
    }


def test_durations_and_counts() -> None:
    assert [output.seconds(value) for value in (0.0049, 0.25, 1.26)] == ["5 ms", "250 ms", "1.3 s"]
    assert output.count(1, "model") == "1 model"
    assert output.count(1200, "entry", "entries") == "1,200 entries"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
def test_no_terminal_is_too_narrow_for_a_number(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", f"{width}")
    name = "anthropic/claude-haiku-4-5-20251001"
    columns = ("model", "attempts", "output", "cost", "")
    rows = [(name, "1,104", "1,482", "$0.005810", "what it can do " * 4)]
    total = ("total", "12,345", "1,482", "$0.015810", "")
    output.show(output.table(columns, rows, right=columns[1:4], total=total))
    shown = capsys.readouterr().out
    for number in ("1,104", "1,482", "$0.005810", "12,345", "$0.015810", "attempts"):
        assert number in shown.split()
    lines = shown.splitlines()
    assert max(map(len, lines)) <= max(width, 65)
    assert (name in shown) == (width >= 80)


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(output.table(("model", "cost"), [], right=("cost",)))
    assert capsys.readouterr().out.split() == ["model", "cost"]
