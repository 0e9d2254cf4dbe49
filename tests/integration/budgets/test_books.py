"""Whatever happens to attempts, windows are what their rows add up to, and no cap is passed."""

import random
import time
from collections import Counter
from typing import Any

import msgspec
import pytest

from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.bad_rows import write
from llm_orchestrator.store.budget_control import BudgetControl
from llm_orchestrator.store.budgets import put_budget
from llm_orchestrator.store.connect import connect, retire_dead
from llm_orchestrator.store.executor import Executor, this_process
from llm_orchestrator.store.rows import AttemptRow, Group, SettlementRow
from llm_orchestrator.store.treasury import Treasury
from llm_orchestrator.store.urls import Target, parse_url
from llm_orchestrator.types.budget import Budget
from tests.integration.store.data import NOW, attempt, read

BUDGETS = [
    Budget(scope="global", cap_pico=4000),
    Budget(scope="user", cap_pico=900, period="day"),
    Budget(scope="user", subject="ana", cap_pico=1500, period="day"),
    Budget(scope="tag", subject="team=blue", cap_pico=1200, period="month"),
]
_PEOPLE = ("ana", "bob", "eve", None)


class Process:
    """One process that writes, as far as the store can tell."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.backend: Backend = connect(target)
        self.executor: Executor = msgspec.structs.replace(this_process(NOW), born="long ago")
        self.control = BudgetControl(self.executor.executor_id, BUDGETS)
        self.open: dict[str, AttemptRow] = {}
        self.control.refresh(self.backend)
        self.backend.enrol(self.executor, NOW)

    def admit(self, rows: list[AttemptRow]) -> int:
        """How many were refused."""
        for row in rows:
            row.executor_id = self.executor.executor_id
        assert write(self.backend, self.target, Group(rows), self.control, admit=True) == []
        refused = [row for row in rows if row.attempt_id in self.control.refused]
        for row in rows:
            if row not in refused:
                self.open[row.attempt_id] = row
        return len(refused)

    def settle(self, costs: dict[str, int | None], *, late: bool = False) -> None:
        rows = [
            SettlementRow(attempt_id=key, status="ok", cost_pico=cost, ended_at=NOW, latency_us=1)
            for key, cost in costs.items()
        ]
        write(self.backend, self.target, Group([], rows), self.control, admit=not late)
        for key in costs:
            self.open.pop(key, None)


def sums(url: str) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Spent, held and unknown of every window, by the rows of attempts and their outcomes."""
    spent: Counter[tuple[str, str]] = Counter()
    held: Counter[tuple[str, str]] = Counter()
    unknown: Counter[tuple[str, str]] = Counter()
    for windows, amount, lost in read(url, "SELECT windows, hold_pico, unknown FROM budget_holds"):
        for line in windows.split("\n"):
            (unknown if lost else held)[tuple(line.split(" ", 1))] += amount
    rows = read(
        url,
        "SELECT a.user_id, a.tags, a.started_at, s.cost_pico FROM attempts AS a"
        " JOIN settlements AS s ON s.attempt_id = a.attempt_id WHERE s.cost_pico IS NOT NULL",
    )
    control = BudgetControl()
    backend = connect(parse_url(url))
    control.refresh(backend)
    backend.close()
    for user, tags, at, cost in rows:
        who = attempt("x", user_id=user, tags=tags, started_at=at)
        for key in control.book.charges(who).keys:
            budget_id, window = key.split(" ", 1)
            spent[budget_id, window] += cost
    keys = {*spent, *held, *unknown}
    return {key: (spent[key] + unknown[key], held[key], unknown[key]) for key in keys}


def check(url: str) -> None:
    caps = dict(read(url, "SELECT budget_id, cap_pico FROM budgets"))
    windows = read(
        url, "SELECT budget_id, window_key, spent_pico, held_pico, unknown_pico FROM budget_windows"
    )
    found = {(row[0], row[1]): tuple(map(int, row[2:])) for row in windows}
    expected = sums(url)
    for key, amounts in found.items():
        assert amounts == expected.get(key, (0, 0, 0)), key
        assert amounts[0] + amounts[1] <= caps[key[0]], key
    assert expected.keys() <= found.keys()


class World:
    """Three processes, and what may happen to them."""

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.random = random.Random(seed)
        self.target = parse_url(url)
        self.living = [Process(self.target) for _ in range(3)]
        self.dead: list[Process] = []
        self.numbers = 0
        self.refused = 0

    def step(self) -> None:
        doings = [self.admit, self.settle, self.settle_late, self.die, self.come_back, self.bill]
        self.random.choices(doings, [10, 10, 2, 1, 1, 1])[0]()

    def one(self) -> Process:
        return self.random.choice(self.living)

    def admit(self) -> None:
        rows = []
        for _ in range(self.random.randint(1, 8)):
            self.numbers += 1
            day = self.random.choice((0, 1)) * 86_400 * 10**6
            more: dict[str, Any] = {
                "user_id": self.random.choice(_PEOPLE),
                "tags": self.random.choice((None, '{"team":"blue"}', '{"team":"red"}')),
                "hold_pico": self.random.choice((0, 20, 50, 120)),
                "started_at": NOW + day,
            }
            rows.append(attempt(f"{self.numbers}", **more))
        self.refused += self.one().admit(rows)

    def costs(self, process: Process) -> dict[str, int | None]:
        keys = list(process.open)
        chosen = self.random.sample(keys, min(len(keys), self.random.randint(1, 6)))
        found: dict[str, int | None] = {}
        for key in chosen:
            hold = process.open[key].hold_pico or 0
            found[key] = self.random.choice((0, hold, hold // 3, hold // 3, None))
        return found

    def settle(self) -> None:
        process = self.one()
        costs = self.costs(process)
        process.settle(costs)
        if self.random.random() < 0.2:
            process.settle(costs)  # as after a lost connection

    def settle_late(self) -> None:
        """Out of a spill file, by somebody else."""
        process = self.one()
        costs = self.costs(process)
        self.one().settle(costs, late=True)
        for key in costs:
            process.open.pop(key, None)

    def die(self) -> None:
        process = self.one()
        self.living.remove(process)
        self.dead.append(process)
        self.living.append(Process(self.target))
        self.living[-1].backend.retire([process.executor.executor_id], NOW)
        retire = self.living[-1]
        entry = retire.backend.write(Group(), retire.control.lose)
        assert entry is not None
        retire.control.note(entry)

    def come_back(self) -> None:
        """One that was taken for dead settles after all."""
        if self.dead:
            process = self.random.choice(self.dead)
            process.settle(self.costs(process))

    def bill(self) -> None:
        """What is unknown is settled by the provider's bill."""
        with Treasury(self.url) as treasury:
            for one in treasury.unknown()[:3]:
                if one.hold_pico is not None:
                    treasury.settle(one.attempt_id, one.hold_pico // 2)
                    for process in self.dead:
                        process.open.pop(one.attempt_id, None)


@pytest.mark.parametrize("seed", range(3))
def test_windows_are_what_their_rows_add_up_to(store_url: str, seed: int) -> None:
    world = World(store_url, seed)
    for number in range(120):
        world.step()
        if number % 5 == 0:
            check(store_url)
    check(store_url)
    assert world.refused > 20
    for process in world.living + world.dead:
        process.settle(dict.fromkeys(process.open, 1))
    check(store_url)
    assert read(store_url, "SELECT COUNT(*) FROM budget_holds WHERE NOT unknown") == [(0,)]
    for process in world.living + world.dead:
        process.backend.close()


def test_what_a_dead_process_held_counts_as_spent_until_it_is_settled(store_url: str) -> None:
    target = parse_url(store_url)
    first = Process(target)
    first.admit([attempt("1", hold_pico=100), attempt("2", hold_pico=50)])
    first.settle({"att_2": 20})
    second = Process(target)
    retire_dead(
        second.backend, time.time_ns() // 1000, second.control
    )  # a pid whose process is gone
    amounts = "SELECT spent_pico, held_pico, unknown_pico FROM budget_windows"
    assert read(store_url, amounts) == [(120, 0, 100)]
    first.settle({"att_1": 30})  # it was alive after all
    assert read(store_url, amounts) == [(50, 0, 0)]
    assert read(store_url, "SELECT COUNT(*) FROM budget_holds") == [(0,)]
    first.backend.close()
    second.backend.close()


def test_a_budget_that_is_removed_lets_everything_go_on(store_url: str) -> None:
    process = Process(parse_url(store_url))
    process.admit([attempt("1", hold_pico=100, user_id="ana")])
    with Treasury(store_url) as treasury:
        for budget in treasury.budgets():
            treasury.remove(budget)
    assert process.admit([attempt("2", hold_pico=10**6, user_id="ana")]) == 0  # not yet noticed
    process.settle({"att_1": 10, "att_2": 10})
    assert read(store_url, "SELECT COUNT(*) FROM budget_holds") == [(0,)]
    assert read(store_url, "SELECT COUNT(*) FROM settlements") == [(2,)]
    put_budget(process.backend, BUDGETS[0])
    process.backend.close()


def test_a_group_that_is_written_again_holds_once(postgres_url: str) -> None:
    """The server went away when a group was committed: nobody knows whether it was."""
    process = Process(parse_url(postgres_url))
    process.admit([attempt("1", hold_pico=100)])
    backend: Any = process.backend
    read(postgres_url, f"SELECT pg_terminate_backend({backend._connection.info.backend_pid})")
    process.admit([attempt("1", hold_pico=100), attempt("2", hold_pico=7)])
    assert read(postgres_url, "SELECT held_pico FROM budget_windows") == [(107,)]
    process.settle({"att_1": 10, "att_2": 2})
    assert read(postgres_url, "SELECT spent_pico, held_pico FROM budget_windows") == [(12, 0)]
    backend.close()
