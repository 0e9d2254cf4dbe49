"""Taking a newer price file: checked as a whole, put in place in one step."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.catalog import Catalog
from llm_orchestrator.catalog.catalog import DATA_FILE
from llm_orchestrator.catalog.refresh import install, refresh, validate
from llm_orchestrator.errors import ConfigError


def content(version: str = "2099-01-01", **changes: Any) -> dict[str, Any]:
    model = {"prices": [{"input": 7, "output": 9}], "context": 10}
    return {
        "format": 1,
        "version": version,
        "providers": {"openai": {"models": {"gpt-4o-mini": model}}},
        "aliases": {"mini": "openai/gpt-4o-mini"},
    } | changes


def encoded(**changes: Any) -> bytes:
    return json.dumps(content(**changes)).encode()


def names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def with_price(**price: Any) -> bytes:
    models = {"m": {"prices": [price]}}
    return encoded(providers={"openai": {"models": models}}, aliases={})


def test_the_package_file_is_sound() -> None:
    summary = validate(DATA_FILE.read_bytes())
    assert summary.version == Catalog.load().version
    assert summary.providers == 12
    assert summary.models > 1_500
    assert summary.priced > summary.models * 0.97


async def test_a_newer_file_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "data" / "models.json"
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return encoded()

    summary = await refresh("https://prices.example/models.json", fetch, path)
    assert asked == ["https://prices.example/models.json"]
    assert summary.installed
    assert (summary.providers, summary.models, summary.priced) == (1, 1, 1)
    assert names_in(path.parent) == ["models.json"]
    catalog = Catalog.load(refreshed=path)
    assert catalog.version == "2099-01-01"
    assert catalog.resolve("mini").prices[0].input == 7
    assert catalog.warnings == []


def test_a_file_that_is_no_newer_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    assert not install(encoded(version="2020-01-01"), path).installed
    assert not path.exists()
    assert install(encoded(version="2099-01-02"), path).installed
    assert not install(encoded(version="2099-01-01"), path).installed
    assert Catalog.load(refreshed=path).version == "2099-01-02"


def test_an_old_refreshed_file_gives_way_to_a_newer_package(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_bytes(encoded(version="2020-01-01"))
    assert Catalog.load(refreshed=path).version == Catalog.load().version


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"<html>", encoded(format=2)])
def test_an_unreadable_refreshed_file_is_said_and_passed_over(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "models.json"
    path.write_bytes(data)
    catalog = Catalog.load(refreshed=path)
    assert catalog.resolve("gpt-4o-mini").prices
    assert len(catalog.warnings) == 1
    assert str(path) in catalog.warnings[0]


def test_no_refreshed_file_is_no_trouble(tmp_path: Path) -> None:
    catalog = Catalog.load(refreshed=tmp_path / "models.json")
    assert catalog.resolve("gpt-4o-mini").prices
    assert catalog.warnings == []


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "no price file"),
        (b"<html>not found</html>", "no price file"),
        (encoded(format=2), "format 2"),
        (encoded(version="soon"), "no day"),
        (encoded(providers={}, aliases={}), "no model"),
        (encoded(aliases={"x": "openai/none"}), "'x' points to 'openai/none'"),
        (encoded(aliases={"x": "nobody/gpt-4o-mini"}), "points to"),
        (with_price(input=-1), "negative"),
        (with_price(input=1, batch={"output": -1}), "negative"),
        (with_price(input=1.5), "no price file"),
        (with_price(input="1"), "no price file"),
        (with_price(**{"from": "tomorrow", "input": 1}), "not days in order"),
        (
            with_price(input=1, above=[{"tokens": 2, "input": 1}, {"tokens": 1, "input": 1}]),
            "not in order",
        ),
    ],
)
async def test_a_file_that_is_not_sound_changes_nothing(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    path = tmp_path / "models.json"
    install(encoded(), path)
    before = path.read_bytes()

    async def fetch(url: str) -> bytes:
        return data

    with pytest.raises(ConfigError, match=reason) as caught:
        await refresh("https://prices.example/x", fetch, path)
    assert "https://prices.example/x" in str(caught.value)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["models.json"]  # no half-written file beside it


def test_prices_in_the_wrong_order() -> None:
    prices = [{"from": "2026-02-01", "input": 1}, {"from": "2026-01-01", "input": 2}]
    data = encoded(providers={"openai": {"models": {"m": {"prices": prices}}}}, aliases={})
    with pytest.raises(ConfigError, match="openai/m are not days in order"):
        validate(data)


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="too many"):
        validate(b" " * (32 * 1024 * 1024 + 1))


def test_a_folder_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = tmp_path / "models.json"
    taken.mkdir()
    (taken / "something").touch()
    with pytest.raises(OSError, match=r"models\.json"):
        install(encoded(), taken)
    assert names_in(tmp_path) == ["models.json"]
