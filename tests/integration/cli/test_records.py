"""`llmo costs`, `models`, `health` and `sim` over the simulator."""

import csv
import datetime as dt
import io
import json
import signal
import subprocess
import urllib.request
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from llm_orchestrator.catalog.catalog import DATA_FILE
from llm_orchestrator.simulator import Simulator
from tests.conformance.rows import ROWS
from tests.integration.cli.conftest import LLMO, Run, error_of


@pytest.fixture(autouse=True)
def _configured(config: Path) -> None:
    pass


class TestCosts:
    @pytest.fixture
    def spent(self, llmo: Run, sim: Simulator) -> Decimal:
        """Three calls, one of them on its second attempt; what the simulator bills for them."""
        before = len(sim.ledger()["rows"])
        sim.add_fault(fault="unavailable", model="gpt-4o", count=1)
        for model in ("gpt-4o-mini", "claude-haiku-4-5", "gpt-4o"):
            assert llmo("run", "hi", "-q", "-m", model).returncode == 0
        rows = sim.ledger()["rows"][before:]
        return sum((Decimal(str(row["cost_usd"])) for row in rows), Decimal(0))

    def test_an_empty_ledger_is_no_error(self, llmo: Run, llmo_home: Path) -> None:
        done = llmo("costs", "report")
        assert done.returncode == 0
        assert done.stdout == ""
        assert "Nothing was recorded" in done.stderr
        assert not llmo_home.exists()
        assert llmo("costs", "export").stdout == ""
        assert json.loads(llmo("costs", "export", "--format", "json").stdout) == []
        done = llmo("costs", "init")
        assert str(llmo_home / "ledger.db") in done.stdout
        assert (llmo_home / "ledger.db").exists()

    def test_the_report_adds_up_to_the_bill(self, llmo: Run, spent: Decimal) -> None:
        done = llmo("costs", "report", "--json")
        found = json.loads(done.stdout, parse_float=Decimal)
        assert found["total"]["calls"] == 3
        assert found["total"]["attempts"] == 4
        assert sum(row["cost_usd"] for row in found["rows"]) == found["total"]["cost_usd"]
        assert found["total"]["cost_usd"] == spent
        table = llmo("costs", "report", "--by", "provider").stdout.splitlines()
        assert table[0].split() == [
            *("provider", "calls", "failed", "attempts", "input", "cached", "output", "cost")
        ]
        assert [line.split()[:2] for line in table[1:3]] == [["openai", "2"], ["anthropic", "1"]]
        assert table[-1].startswith("total")

    def test_unknown_costs_are_said(self, llmo: Run) -> None:
        llmo("run", "hi", "-m", "gpt-4o+fault=no-usage", "--stream")
        done = llmo("costs", "report")
        assert done.stdout.splitlines()[-1].endswith("+")
        assert "1 attempt of unknown cost" in done.stderr
        assert "unknown cost" in llmo("costs", "stats").stderr

    def test_filters_and_periods(self, llmo: Run, sim: Simulator, spent: Decimal) -> None:
        def calls(*arguments: str) -> int:
            done = llmo("costs", "stats", "--json", *arguments)
            found: int = json.loads(done.stdout)["calls"]
            return found

        assert calls("--category", "orchestration") == 3
        assert calls("--category", "other") == 0
        today = calls("--strategy", "fallback", "--period", "daily")
        begun = str(sim.ledger()["rows"][-4]["time"])[:10]
        assert today == 3 or begun < str(dt.datetime.now(dt.UTC))[:10], "or it is midnight"
        assert calls("--provider", "anthropic", "--period", "weekly") == 1
        assert calls("--model", "gpt-4o-mini", "--period", "monthly") == 1
        assert "cost per call" in llmo("costs", "stats").stdout

    def test_exports_hold_the_same_rows(self, llmo: Run, spent: Decimal, tmp_path: Path) -> None:
        table = list(csv.DictReader(io.StringIO(llmo("costs", "export").stdout)))
        assert sum(Decimal(row["cost_usd"]) for row in table) == spent
        assert not any("E" in row["cost_usd"] for row in table)
        done = llmo("costs", "export", "-o", "costs.jsonl", "--category", "orchestration")
        assert done.stdout == ""
        assert "Wrote 3 rows" in done.stderr
        lines = (tmp_path / "costs.jsonl").read_text().splitlines()
        rows = [json.loads(line, parse_float=Decimal) for line in lines]
        assert sum(row["cost_usd"] for row in rows) == spent
        attempts = json.loads(llmo("costs", "export", "--format", "json", "--attempts").stdout)
        assert [row["status_code"] for row in attempts].count(503) == 1
        assert len(attempts) == 4
        assert not list(tmp_path.glob(".*.new"))

    def test_a_file_that_cannot_be_written(self, llmo: Run, spent: Decimal) -> None:
        assert "/none/costs.csv" in error_of(llmo("costs", "export", "-o", "/none/costs.csv"), 2)


class TestModels:
    def test_prices_of_the_catalogue(self, llmo: Run) -> None:
        done = llmo("models", "--provider", "openai")
        assert done.returncode == 0
        row = next(line for line in done.stdout.splitlines() if line.startswith("openai/gpt-4o "))
        assert row.split()[1:5] == ["2.50", "10.00", "1.25", "128,000"]
        assert "USD per million tokens\nFrom the catalogue; --refresh asks" in done.stderr
        found = json.loads(
            llmo("run", "--list-models", "--provider", "openai", "--json").stdout, parse_float=str
        )
        model = next(row for row in found if row["model"] == "gpt-4o-mini")
        assert model["usd_per_million"]["input"] == "0.15"

    def test_retired_ones_are_left_out_unless_asked_for(self, llmo: Run) -> None:
        assert "claude-2" not in llmo("models", "--provider", "claude").stdout
        done = llmo("models", "--provider", "claude", "--retired")
        assert "retired 2025-07-21" in done.stdout

    def test_the_providers_are_asked(self, llmo: Run, sim: Simulator) -> None:
        done = llmo("models", "--refresh", "--provider", "openai", "--json")
        assert {row["provider"] for row in json.loads(done.stdout)} == {"openai"}
        assert "openai.models" in {entry["wire"] for entry in sim.log()}
        # The next command knows it, and since when, without asking.
        seen = len(sim.log())
        done = llmo("models")
        assert (
            "As the providers told just now: openai; the others are of the catalogue" in done.stderr
        )
        assert "anthropic/claude" in done.stdout
        rows = json.loads(llmo("models", "--provider", "openai", "--json").stdout)
        assert {row["found_at"][:2] for row in rows} == {"20"}
        assert len(sim.log()) == seen

    def test_nothing_is_configured(self, llmo: Run, config: Path) -> None:
        config.unlink()
        done = llmo("models")
        assert done.returncode == 0
        assert done.stdout == ""
        assert "`llmo providers`" in done.stderr

    def test_newer_prices_are_taken(self, llmo: Run, tmp_path: Path, llmo_home: Path) -> None:
        assert "--prices-from" in error_of(llmo("models", "--refresh-prices"), 2)
        (tmp_path / "bad.json").write_text("{}")
        assert "price file" in error_of(llmo("models", "--prices-from", "bad.json"), 2)
        newer = msgspec.json.decode(DATA_FILE.read_bytes())
        newer["version"] = "2099-01-01"
        (tmp_path / "newer.json").write_bytes(msgspec.json.encode(newer))
        done = llmo("models", "--prices-from", "newer.json")
        assert "Now in use: prices of 2099-01-01" in done.stderr
        assert (llmo_home / "models.json").exists()
        done = llmo("models", "--prices-from", "newer.json")
        assert "Not newer than ours" in done.stderr

    def test_prices_come_from_an_address(self, llmo: Run, sim: Simulator) -> None:
        # An address that answers, but not with prices, and one where nobody answers.
        done = llmo("models", "--prices-from", f"{sim.url}/_ledger")
        assert "price file" in error_of(done, 2)
        missing = f"{sim.url}/nothing-here"
        assert "cannot fetch" in error_of(
            llmo("models", "--refresh-prices", env={"LLMO_PRICES_URL": missing}), 1
        )
        assert "cannot fetch" in error_of(
            llmo("models", "--prices-from", "http://127.0.0.1:9/prices"), 1
        )


class TestHealth:
    def test_all_of_them_answer(self, llmo: Run) -> None:
        done = llmo("health")
        assert done.returncode == 0
        states = [line.split()[:3] for line in done.stdout.splitlines()[1:]]
        assert states == [["●", "openai", "healthy"], ["●", "anthropic", "healthy"]]
        assert "Health checks (2 providers)" in llmo("doctor", "--online").stdout

    def test_one_of_them_does_not(self, llmo: Run, config: Path) -> None:
        text = config.read_text()
        start = text.index("http", text.index("anthropic:"))
        config.write_text(text[:start] + 'http://127.0.0.1:9/v1"}\nretry: {max_retries: 0}\n')
        done = llmo("health", "--json")
        assert done.returncode == 4
        states = {row["provider"]: row["status"] for row in json.loads(done.stdout)}
        assert states == {"openai": "healthy", "anthropic": "APIConnectionError"}
        assert llmo("health", "--provider", "anthropic").returncode == 1
        assert llmo("doctor", "--online").returncode == 1

    def test_nobody_is_configured(self, llmo: Run, config: Path) -> None:
        config.unlink()
        assert "no provider is configured" in error_of(llmo("health"), 2)


class TestSim:
    def test_it_serves_until_it_is_stopped(self, tmp_path: Path) -> None:
        with subprocess.Popen(
            [LLMO, "sim", "--port", "0", "--json", "--port-file", tmp_path / "port"],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            text = ""
            while not text.endswith("}\n"):
                text += process.stdout.readline()
            places = json.loads(text)
            with urllib.request.urlopen(places["bill"], timeout=10) as reply:
                assert json.load(reply)["rows"] == []
            assert (tmp_path / "port").read_text().strip() == places["url"]
            # What it prints is what a configuration takes, for every provider.
            assert {"openai", "gemini", "vertex", "bedrock", "azure"} < places.keys()
            for row in ROWS.values():
                if row.name in places:
                    assert places[row.name] == places["url"] + row.path
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0

    def test_settings_are_checked(self, llmo: Run) -> None:
        assert "latency" in error_of(llmo("sim", "--port", "0", "--latency", "soon"), 2)
        assert "JSON" in error_of(llmo("sim", "--port", "0", "--fault-mix", "all"), 2)

    def test_a_taken_port_is_named(self, llmo: Run, sim: Simulator) -> None:
        assert str(sim.port) in error_of(llmo("sim", "--port", str(sim.port)), 2)
