"""`llmo budgets` over a real ledger, and what a budget does to `llmo run`."""

import json
from pathlib import Path

import pytest

from llm_orchestrator.simulator import Simulator
from tests.integration.budgets.receiver import Receiver
from tests.integration.cli.conftest import Run, error_of


@pytest.fixture(autouse=True)
def _configured(config: Path) -> None:
    pass


def listed(llmo: Run) -> dict[str, object]:
    done = llmo("budgets", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {f"{one['scope']} {one['subject']}": one for one in json.loads(done.stdout)}


def test_a_budget_is_set_spent_shown_changed_and_removed(llmo: Run, llmo_home: Path) -> None:
    done = llmo("budgets", "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "No budgets" in done.stderr
    assert not llmo_home.exists()

    zone = ("--period", "month", "--zone", "Europe/Berlin", "--alert", "80")
    done = llmo("budgets", "set", "global", "--cap", "0.0002", *zone)
    assert (
        done.stdout == "Set the monthly budget for everything: $0.000200 (month, Europe/Berlin).\n"
    )
    ask = ("run", "hi", "-m", "gpt-4o-mini", "--max-tokens", "200", "-q")
    assert llmo(*ask).returncode == 0
    text = error_of(llmo(*ask), 3)
    assert "the monthly budget for everything does not allow this" in text
    assert "(Europe/Berlin)" in text

    [window] = listed(llmo)["global None"]["windows"]  # type: ignore[index]
    assert 0 < window["spent_usd"] < 0.0002
    assert window["held_usd"] == window["unknown_usd"] == 0
    shown = llmo("budgets", "show", "global").stdout.splitlines()
    assert shown[0].split() == "budget period cap spent unknown held left begins anew".split()
    assert "$0.000200" in shown[1]

    assert llmo("budgets", "set", "global", "--cap", "1", *zone).returncode == 0
    assert llmo(*ask).returncode == 0
    assert llmo("budgets", "remove", "global").stdout == (
        "Removed the monthly budget for everything.\n"
    )
    assert listed(llmo) == {}


def test_a_key_is_named_by_its_provider(llmo: Run) -> None:
    done = llmo("budgets", "set", "key", "anthropic", "--cap", "5", "--json")
    assert json.loads(done.stdout)["subject"].startswith("key_")
    assert "key " in llmo("budgets", "list").stdout
    assert llmo("budgets", "show", "key", "anthropic").returncode == 0
    assert "groq" in error_of(llmo("budgets", "set", "key", "groqq", "--cap", "5"), 2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("global", "--cap", "0"), "above 0"),
        (("global", "--cap", "-1"), "got -1"),
        (("global", "--cap", "nan"), "got nan"),
        (("global", "--cap", "9000001"), "at most 9,000,000"),
        (("galaxy", "--cap", "1"), "there are global"),
        (("user", "--cap", "1", "--period", "week"), "there are total, day, month"),
        (("user", "--cap", "1", "--zone", "Mars"), "no time zone"),
        (("user", "--cap", "1", "--alert", "0"), "from 1 to 100"),
        (("tag", "--cap", "1"), "which tag"),
        (("global",), "--cap"),
    ],
)
def test_what_cannot_be_set(
    llmo: Run, llmo_home: Path, arguments: tuple[str, ...], told: str
) -> None:
    assert told in error_of(llmo("budgets", "set", *arguments), 2)
    assert not (llmo_home / "ledger.db").exists()


def test_what_there_is_not(llmo: Run) -> None:
    for command in ("show", "remove"):
        assert "no such budget: user ana" in error_of(llmo("budgets", command, "user", "ana"), 2)
    assert "no attempt att_1" in error_of(llmo("budgets", "settle", "att_1", "--cost", "1"), 2)
    assert "--cost is missing" in error_of(llmo("budgets", "settle", "att_1"), 2)
    for wrong in ("-1", "nan", "x"):
        done = llmo("budgets", "settle", "att_1", "--cost", wrong)
        assert "at least 0" in error_of(done, 2)


def test_an_unknown_cost_is_settled_by_the_bill(llmo: Run, sim: Simulator) -> None:
    assert llmo("budgets", "set", "session", "--cap", "1").returncode == 0
    before = sim.ledger()["last_seq"]
    sim.add_fault(fault="reset", count=3)
    ask = ("run", "hi", "-m", "gpt-4o-mini", "--max-tokens", "100")
    assert llmo(*ask, "-q", "--provider", "openai").returncode == 1
    window = listed(llmo)["session None"]["windows"][0]  # type: ignore[index]
    assert window["unknown_usd"] == window["spent_usd"] > 0
    assert window["held_usd"] == 0
    unknown = json.loads(llmo("budgets", "settle", "--json").stdout)
    assert len(unknown) == 3
    assert sum(one["at_most_usd"] for one in unknown) == pytest.approx(window["spent_usd"])
    assert unknown[0]["attempt_id"] in llmo("budgets", "settle").stdout

    done = llmo("budgets", "settle", unknown[0]["attempt_id"], "--cost", "0.00001")
    assert done.stdout == "Settled 1 attempt; the cost of 2 is unknown.\n"
    again = llmo("budgets", "settle", unknown[0]["attempt_id"], "--cost", "0.00001")
    assert "is known" in error_of(again, 2)
    bill = "".join(
        f"{row['client_request_id']},{row['cost_usd']}\n" for row in sim.ledger(before)["rows"]
    )
    done = llmo("budgets", "settle", "--bill", "-", input=bill)
    assert done.stdout == "Settled 2 attempts; the cost of 0 is unknown.\n"
    window = listed(llmo)["session None"]["windows"][0]  # type: ignore[index]
    assert window["unknown_usd"] == 0
    total = json.loads(llmo("costs", "stats", "--json").stdout)
    assert total["unpriced"] == 0
    assert total["cost_usd"] == window["spent_usd"]


def test_budgets_of_the_configuration_are_listed(llmo: Run, config: Path) -> None:
    with config.open("a") as file:
        file.write("budgets:\n  - {scope: user, cap: 2, period: day}\n")
    assert "user None" in listed(llmo)
    done = llmo("budgets", "set", "user", "--cap", "3", "--period", "day")
    assert "the configuration has this budget" in done.stderr


def test_a_test_alert(llmo: Run, config: Path) -> None:
    assert "No destinations" in llmo("budgets", "test").stderr
    with Receiver().run() as receiver:
        with config.open("a") as file:
            file.write(f'notify: ["json://127.0.0.1:{receiver.port}/a-secret-path"]\n')
        done = llmo("budgets", "test")
        assert (done.returncode, done.stdout) == (0, "✓ 1. json://***\n")
        assert "This is a test" in receiver.posts[0]["message"]
        receiver.refusals = 1
        failed = llmo("budgets", "test")
        assert failed.returncode == 2
        assert failed.stdout == "✗ 1. json://***\n"
        assert "secret-path" not in failed.stderr
