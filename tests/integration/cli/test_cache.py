"""``llmo cache``, and what the reports say of answers that were kept."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Run, error_of


@pytest.fixture
def cached(config: Path) -> Path:
    """A configuration that keeps answers."""
    with config.open("a") as file:
        file.write("cache: {enabled: true}\n")
    return config


def ask(llmo: Run, text: str = "Hello") -> Decimal:
    done = llmo("run", "-p", text, "--json")
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout, parse_float=Decimal)["cost_usd"]
    return Decimal(cost)


def stats(llmo: Run) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        llmo("cache", "stats", "--json").stdout, parse_float=Decimal
    )
    return found


def test_the_second_time_costs_nothing_and_the_reports_say_so(llmo: Run, cached: Path) -> None:
    cost = ask(llmo)
    assert cost > 0
    assert ask(llmo) == ask(llmo) == 0
    found = stats(llmo)
    assert (found["entries"], found["hits"], found["saved_usd"]) == (1, 2, 2 * cost)
    total = json.loads(llmo("costs", "stats", "--json").stdout, parse_float=Decimal)
    assert (total["calls"], total["attempts"]) == (3, 1)
    assert (total["cost_usd"], total["saved_usd"], total["cache_hits"]) == (cost, 2 * cost, 2)
    assert "2, saved $" in llmo("costs", "stats").stdout
    assert "2 answers from the cache saved $" in llmo("costs", "report").stderr
    rows = json.loads(llmo("costs", "export", "--format", "json").stdout, parse_float=Decimal)
    assert [row["cache_hit"] for row in rows] == [False, True, True]
    assert [row["saved_usd"] for row in rows] == [None, cost, cost]
    assert sum(row["cost_usd"] for row in rows) == cost


def test_one_prompt_by_itself(llmo: Run, config: Path) -> None:
    def run(*options: str) -> dict[str, object]:
        done = llmo("run", "-p", "Hello", "--json", *options)
        found: dict[str, object] = json.loads(done.stdout)
        return found

    assert not run("--cache", "on")["cached"]
    assert run("--cache", "on")["cached"]
    assert run("--cache", "on", "--stream")["cached"]
    assert not run("--cache", "refresh")["cached"]
    assert not run("--cache", "off")["cached"]
    assert not run()["cached"]
    done = llmo("run", "-p", "Hello", "--cache", "on")
    assert "from the cache, $" in done.stderr
    assert "refresh" in error_of(llmo("run", "-p", "Hello", "--cache", "sometimes"), 2)
    told = llmo("explain")
    assert told.returncode == 0
    assert "from the cache, $" in told.stdout
    maker = told.stdout.partition("made by call ")[2].partition(",")[0]
    assert "No strategy chose" in llmo("explain", maker).stdout


def test_stats_for_people(llmo: Run, cached: Path) -> None:
    ask(llmo)
    ask(llmo)
    done = llmo("cache", "stats")
    assert "answers      1, and 0" in done.stdout
    assert "given again  1 times" in done.stdout
    assert "ledger.db" in done.stderr


def test_clear(llmo: Run, cached: Path) -> None:
    ask(llmo, "one")
    ask(llmo, "two")
    assert "Removed 0 answers" in llmo("cache", "clear", "--older-than", "1h").stdout
    assert "Removed 0 answers" in llmo("cache", "clear", "--tenant", "ann").stdout
    done = llmo("cache", "clear", "--tenant", "", "--older-than", "0s", "--json")
    assert json.loads(done.stdout)["removed"] == 2
    assert ask(llmo, "one") > 0


def test_a_cache_that_is_not_there_is_empty_and_not_made(
    llmo: Run, config: Path, llmo_home: Path
) -> None:
    assert stats(llmo)["entries"] == 0
    assert "Removed 0 answers" in llmo("cache", "clear").stdout
    assert not llmo_home.exists()


@pytest.mark.parametrize("age", ["7", "x", "-1d", "1w", ""])
def test_ages_that_are_none(llmo: Run, config: Path, age: str) -> None:
    assert "7d" in error_of(llmo("cache", "clear", f"--older-than={age}"), 2)


def test_memory_is_nobody_elses(llmo: Run, config: Path) -> None:
    with config.open("a") as file:
        file.write("cache: {backend: memory}\n")
    assert "memory" in error_of(llmo("cache", "stats"), 2)


def test_redis_needs_an_address(llmo: Run, config: Path) -> None:
    with config.open("a") as file:
        file.write("cache: {enabled: true, backend: redis}\n")
    assert "REDIS_URL" in error_of(llmo("cache", "stats"), 2)
    assert "REDIS_URL" in error_of(llmo("run", "-p", "Hello"), 2)
    env = {"REDIS_URL": "redis://:s3cret@127.0.0.1:1/0"}
    told = error_of(llmo("cache", "stats", env=env), 1)
    assert "s3cret" not in told
    assert "redis://:***@127.0.0.1:1/0" in told
    done = llmo("run", "-p", "Hello", env=env)
    assert done.returncode == 0
    assert "calls go on without it" in done.stderr


@pytest.mark.redis
def test_redis(llmo: Run, config: Path, redis_url: str) -> None:
    with config.open("a") as file:
        file.write(f"cache: {{enabled: true, backend: redis, redis_url: '{redis_url}'}}\n")
    cost = ask(llmo)
    assert ask(llmo) == 0
    found = stats(llmo)
    assert (found["entries"], found["hits"], found["saved_usd"]) == (1, 1, cost)
    assert "Removed 1 answer " in llmo("cache", "clear").stdout


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ttl", "0"),
        ("ttl", "-1"),
        ("ttl", ".nan"),
        ("ttl", ".inf"),
        ("backend", "memcached"),
        ("memory_bytes", "-1"),
        ("redis_url", "http://a.example"),
        ("ttls", "5"),
    ],
)
def test_settings_that_cannot_be(llmo: Run, config: Path, key: str, value: str) -> None:
    with config.open("a") as file:
        file.write(f"cache: {{{key}: {value}}}\n")
    assert f"cache.{key}" in error_of(llmo("config", "check"), 2)
