"""Commands that need no provider: version, help, config, providers, doctor, store."""

import json
import sqlite3
from pathlib import Path

import pytest

import llm_orchestrator
from tests.integration.cli.conftest import CANARY, Run, error_of


class TestFrontDoor:
    def test_the_version_is_on_stdout(self, llmo: Run) -> None:
        done = llmo("--version")
        assert done.returncode == 0
        assert done.stdout == f"llmo {llm_orchestrator.__version__}\n"
        assert done.stderr == ""

    def test_help_names_every_command(self, llmo: Run) -> None:
        done = llmo("--help")
        assert done.returncode == 0
        for name in (
            *("run", "models", "providers", "health", "costs", "config", "doctor", "sim"),
            "store",
        ):
            assert f"│ {name} " in done.stdout

    @pytest.mark.parametrize(
        "arguments, expected",
        [
            (["rnu"], "Did you mean 'run'?"),
            (["run", "--modle", "x"], "--modle"),
            (["config", "shwo"], "show"),
            (["costs", "report", "--period", "yearly"], "yearly"),
            (["run", "-p", "x", "--max-cost", "cheap"], "amount in USD"),
            (["run", "-p", "x", "--max-cost", "0"], "amount in USD"),
        ],
    )
    def test_a_wrong_command_line_is_exit_2(
        self, llmo: Run, arguments: list[str], expected: str
    ) -> None:
        assert expected in error_of(llmo(*arguments), 2)

    def test_no_command_shows_the_help(self, llmo: Run) -> None:
        done = llmo()
        assert done.returncode == 2
        assert "Usage: llmo" in done.stdout + done.stderr


class TestConfig:
    def test_init_check_and_show_go_together(self, llmo: Run, tmp_path: Path) -> None:
        assert llmo("config", "init").returncode == 0
        assert (tmp_path / "llmo.yaml").exists()
        assert "is already there" in error_of(llmo("config", "init"), 2)
        assert llmo("config", "init", "--force").returncode == 0
        done = llmo("config", "check", env={"OPENAI_API_KEY": CANARY})
        assert done.returncode == 0
        assert "llmo.yaml: ok" in done.stdout
        assert "openai: ready" in done.stdout
        assert "anthropic: not usable" in done.stdout
        assert "ANTHROPIC_API_KEY" in done.stdout
        shown = llmo("config", "show", env={"OPENAI_API_KEY": CANARY})
        assert "api_key: '***'" in shown.stdout
        assert CANARY not in shown.stdout + shown.stderr

    def test_check_as_json(self, llmo: Run, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text("providers: {openai: {api_key: '${MY_KEY}'}, ollama: {}}\n")
        found = json.loads(llmo("config", "check", "mine.yaml", "--json").stdout)
        assert found["usable"] == ["ollama"]
        assert "MY_KEY" in found["needs"]["openai"]
        shown = json.loads(llmo("config", "show", "--config", "mine.yaml", "--json").stdout)
        assert shown["providers"]["openai"]["api_key"] == "${MY_KEY}"
        assert shown["retry"]["max_retries"] == 2

    def test_mistakes_are_told_with_their_lines(self, llmo: Run, tmp_path: Path) -> None:
        (tmp_path / "llmo.yaml").write_text("active_modl: x\nretry: {max_retries: many}\n")
        told = error_of(llmo("config", "check"), 2)
        assert "line 1: active_modl: no such key; did you mean active_model?" in told
        assert "line 2: retry.max_retries: expected a whole number" in told

    def test_names_that_only_a_call_reads(self, llmo: Run, tmp_path: Path) -> None:
        file = tmp_path / "llmo.yaml"
        keyed = "providers: {openai: {api_key: k}}\n"
        for wrong, told in (
            ("routing_strategy: cheapst", "there is no 'cheapst'; did you mean cheapest?"),
            ("active_model: opnai/gpt-4o", "did you mean openai/gpt-4o?"),
        ):
            file.write_text(f"{keyed}{wrong}\n")
            assert told in error_of(llmo("config", "check"), 2)
        file.write_text(f"{keyed}active_provider: anthropic\n")
        assert "ready" in llmo("config", "check").stdout

    def test_a_file_that_is_not_there(self, llmo: Run) -> None:
        assert "no configuration file" in error_of(llmo("providers", "--config", "none.yaml"), 2)

    def test_the_environment_names_the_file(self, llmo: Run, tmp_path: Path) -> None:
        (tmp_path / "other.yaml").write_text("providers: {ollama: {}}\n")
        done = llmo("config", "check", env={"LLMO_CONFIG": "other.yaml"})
        assert done.stdout == "other.yaml: ok\n  ollama: ready\n"

    def test_a_folder_that_cannot_be_written(self, llmo: Run) -> None:
        assert "cannot write" in error_of(llmo("config", "init", "/proc/nowhere/llmo.yaml"), 2)

    def test_the_small_commands_as_json(self, llmo: Run, tmp_path: Path, llmo_home: Path) -> None:
        made = json.loads(llmo("config", "init", "here.yaml", "--json").stdout)
        assert (tmp_path / made["wrote"]).is_file()
        ready = json.loads(llmo("costs", "init", "--json").stdout)
        assert ready == {"ledger": f"{llmo_home}/ledger.db", "ready": True}
        told = json.loads(llmo("store", "ddl", "sqlite", "--json").stdout)
        assert told == {"database": "sqlite", "sql": llmo("store", "ddl", "sqlite").stdout}
        assert json.loads(llmo("costs", "export", "--json").stdout) == []
        assert "contradict" in error_of(llmo("costs", "export", "--json", "--format", "csv"), 2)
        llmo("budgets", "set", "user", "ann", "--cap", "5")
        assert json.loads(llmo("budgets", "remove", "user", "ann", "--json").stdout) == {
            "removed": [{"scope": "user", "subject": "ann", "period": "total"}]
        }
        assert json.loads(llmo("budgets", "test", "--json").stdout) == {"arrived": {}}


class TestSim:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--port", "99999"], "'--port': Input should be less than"),
            (["--fault-rate", "3"], "'--fault-rate': Input should be less than"),
            (["--rpm", "0"], "'--rpm': Input should be greater than"),
            (["--price-file", "none.json"], "No such file"),
            (["--price-file", "odd.json"], "odd.json is no price file"),
        ],
    )
    def test_settings_that_cannot_be(
        self, llmo: Run, tmp_path: Path, arguments: list[str], told: str
    ) -> None:
        (tmp_path / "odd.json").write_text('{"models": {}}')
        assert told in error_of(llmo("sim", *arguments), 2)


class TestModels:
    def test_prices_that_are_none_are_named(self, llmo: Run, tmp_path: Path) -> None:
        (tmp_path / "odd.json").write_text("{}")
        refresh = ("models", "--refresh-prices", "--prices-from")
        assert "odd.json: it is no price file" in error_of(llmo(*refresh, "odd.json"), 2)
        assert "none.json: the prices cannot be read" in error_of(llmo(*refresh, "none.json"), 2)

    def test_a_choice_that_is_none_is_told_plainly(self, llmo: Run) -> None:
        told = error_of(llmo("costs", "report", "--by", "colour"), 2)
        assert "Invalid value for '--by': 'colour' is not one of 'model'" in told

    def test_one_that_runs_here(self, llmo: Run) -> None:
        [row] = json.loads(llmo("models", "--provider", "local", "--json").stdout)
        assert row["model"] == "smollm2-135m"

    def test_of_whom_nothing_is_known(self, llmo: Run) -> None:
        done = llmo("models", "--provider", "vllm")
        assert done.returncode == 0
        assert "No models of vllm are known; --refresh" in done.stderr


class TestProviders:
    def test_counts_what_is_configured(self, llmo: Run) -> None:
        done = llmo("providers", env={"OPENAI_API_KEY": CANARY})
        assert done.returncode == 0
        rows = [line.split() for line in done.stdout.splitlines()]
        assert ["●", "openai", "OpenAI", "gpt-4o-mini", "ready"] in rows
        assert any(row[:2] == ["○", "anthropic"] for row in rows)
        assert "set ANTHROPIC_API_KEY" in done.stdout
        assert any(line.startswith("1/") for line in done.stdout.splitlines())
        assert CANARY not in done.stdout

    def test_as_json(self, llmo: Run) -> None:
        found = json.loads(llmo("providers", "--json", env={"OPENAI_API_KEY": CANARY}).stdout)
        by_name = {row["name"]: row for row in found}
        assert by_name["openai"]["configured"]
        assert by_name["openai"]["needs"] is None
        assert "ANTHROPIC_API_KEY" in by_name["anthropic"]["needs"]
        assert by_name["anthropic"]["display_name"] == "Anthropic (Claude)"

    def test_a_section_that_is_no_provider(self, llmo: Run, tmp_path: Path) -> None:
        (tmp_path / "llmo.yaml").write_text("providers: {opnai: {api_key: k}}\n")
        assert "did you mean openai?" in error_of(llmo("providers"), 2)


class TestDoctor:
    def test_all_is_well_without_any_key(self, llmo: Run, llmo_home: Path) -> None:
        done = llmo("doctor")
        assert done.returncode == 0, done.stdout
        assert "Configured: 0/" in done.stdout
        assert "Cost estimation (openai): $0.000024" in done.stdout
        assert f"{llmo_home}/ledger.db, writable" in done.stdout
        passed, total = done.stdout.splitlines()[-1].split()[2].split("/")
        assert passed == total

    def test_it_counts_as_the_list_of_providers_does(self, llmo: Run) -> None:
        env = {"OPENAI_API_KEY": CANARY, "AZURE_OPENAI_API_KEY": CANARY}
        counted = next(
            line for line in llmo("providers", env=env).stdout.splitlines() if "configured" in line
        )
        share = counted.split()[0]
        assert f"Configured: {share} providers" in llmo("doctor", env=env).stdout

    def test_the_tests_of_older_tools(self, llmo: Run) -> None:
        keys = {"OPENAI_API_KEY": CANARY, "ANTHROPIC_API_KEY": CANARY}
        found = json.loads(llmo("run", "--test", "--json", env=keys).stdout)["findings"]
        facts = {one["title"]: one["facts"] for one in found}
        assert "2 active" in facts["Provider registry"][0]
        assert "OpenAI: gpt-4o-mini, $0.15/$0.6 per 1M tokens" in facts["Provider registry"]
        assert facts["Complexity scoring"][0].endswith(" basic")
        assert facts["Provider selection"][0] == "Cheapest: openai/gpt-4o-mini"
        assert facts["Provider selection"][1].startswith("Fastest: ")
        for title in ("Model routing", "Fallback chain", "Ensemble"):
            [names] = facts[title]
            assert "openai/gpt-4o-mini → anthropic/claude-haiku" in names
        assert {one["state"] for one in found} <= {"ok", "note"}

    def test_run_test_is_the_same(self, llmo: Run) -> None:
        done = llmo("run", "--test", "--json", env={"OPENAI_API_KEY": CANARY})
        found = json.loads(done.stdout)
        assert found["ok"]
        facts = {finding["title"]: finding["facts"] for finding in found["findings"]}
        assert "Active: openai" in facts["Providers"]
        assert CANARY not in done.stdout + done.stderr

    def test_a_wrong_configuration_is_exit_2(self, llmo: Run, tmp_path: Path) -> None:
        (tmp_path / "llmo.yaml").write_text("retry: 3\n")
        done = llmo("doctor")
        assert done.returncode == 2
        assert "✗ Configuration" in done.stdout
        assert "retry: expected a mapping" in done.stdout

    def test_a_broken_ledger_is_named(self, llmo: Run, llmo_home: Path) -> None:
        llmo_home.mkdir()
        (llmo_home / "ledger.db").write_bytes(b"no database at all" * 300)
        done = llmo("doctor")
        assert done.returncode == 1
        assert "✗ Ledger" in done.stdout
        assert "Traceback" not in done.stderr
        told = error_of(llmo("costs", "init"), 1)
        assert "Move it away" in told


class TestStore:
    def test_the_ddl_makes_the_tables(self, llmo: Run) -> None:
        done = llmo("store", "ddl", "sqlite")
        with sqlite3.connect(":memory:") as database:
            database.executescript(done.stdout)
            names = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        assert {"attempts", "calls", "ai_audit_log"} <= names

    def test_postgres_is_the_default(self, llmo: Run) -> None:
        assert llmo("store", "ddl").stdout == llmo("store", "ddl", "postgres").stdout
        assert "BIGINT" in llmo("store", "ddl").stdout
        assert "postgres" in error_of(llmo("store", "ddl", "mysql"), 2)
