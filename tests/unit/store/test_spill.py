import os
import resource
from pathlib import Path

import pytest

from llm_orchestrator.store.rows import AttemptRow, CallRow, Group, SettlementRow
from llm_orchestrator.store.spill import Spill, drain, places
from llm_orchestrator.store.urls import Target

GROUP = Group(
    [AttemptRow(attempt_id="att_1", call_id="call_1", provider="p", model="é\n", started_at=1)],
    [SettlementRow(attempt_id="att_1", status="ok", ended_at=2, latency_us=1, cost_pico=2**60)],
    [CallRow(call_id="call_1", started_at=1, ended_at=2, status="ok", latency_us=1)],
)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target("sqlite", str(tmp_path / "data" / "led[g]er.db"))


def test_what_is_spilled_is_drained_once(target: Target) -> None:
    spill = Spill(target, "exe_1")
    assert spill.append(GROUP)
    assert spill.append(GROUP)
    spill.close()
    assert spill.path is not None
    assert spill.path.stat().st_mode & 0o077 == 0
    [group] = drain(target)
    assert group.attempts == GROUP.attempts * 2
    assert group.settlements == GROUP.settlements * 2
    assert group.calls == GROUP.calls * 2
    assert not spill.path.exists()
    assert list(drain(target)) == []


def test_a_file_stays_until_its_last_group_was_taken(target: Target) -> None:
    spill = Spill(target, "exe_1")
    spill.append(GROUP)
    spill.close()
    groups = drain(target)
    next(groups)
    groups.close()  # the store failed again
    assert len(list(drain(target))) == 1


def test_large_files_come_in_groups(target: Target) -> None:
    spill = Spill(target, "exe_1")
    for _ in range(1000):
        spill.append(GROUP)
    spill.close()
    groups = list(drain(target))
    assert len(groups) == 2
    assert sum(map(len, groups)) == 3000


def test_the_file_of_a_living_writer_is_left_alone(target: Target) -> None:
    spill = Spill(target, "exe_1")
    spill.append(GROUP)
    assert list(drain(target)) == []
    spill.append(GROUP)
    spill.close()
    assert len(list(drain(target))) == 1


def test_torn_lines_are_skipped(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    spill = Spill(target, "exe_1")
    spill.append(GROUP)
    spill.close()
    assert spill.path is not None
    with spill.path.open("ab") as file:
        file.write(b'{"attempts":[{"attempt_id":"att_2","ca')
    spill.append(GROUP)
    spill.close()
    with spill.path.open("ab") as file:
        file.write(b"\n{}\n")
    [group] = drain(target)
    assert group.attempts == GROUP.attempts * 2
    assert "torn line" in caplog.text


def test_a_second_place_when_the_first_takes_nothing(target: Target, llmo_home: Path) -> None:
    Path(target.place).parent.write_text("a file where the folder should be")
    spill = Spill(target, "exe_1")
    assert spill.append(GROUP)
    assert spill.path is not None
    assert spill.path.parent == llmo_home
    spill.close()
    assert len(list(drain(target))) == 1


@pytest.fixture
def temporary(
    target: Target, llmo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Our folder for temporary files, which is not there yet; the other places take nothing."""
    Path(target.place).parent.write_text("")
    llmo_home.write_text("")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / f"llmo-{os.geteuid()}"


def test_the_last_place_is_for_temporary_files(target: Target, temporary: Path) -> None:
    spill = Spill(target, "exe_1")
    assert spill.append(GROUP)
    spill.close()
    assert spill.path is not None
    assert spill.path.parent == temporary
    assert temporary.stat().st_mode & 0o077 == 0
    assert len(list(drain(target))) == 1
    assert list(temporary.iterdir()) == []


def test_a_temporary_folder_that_others_may_write_is_not_used(
    target: Target, temporary: Path
) -> None:
    spill = Spill(target, "exe_1")
    assert spill.append(GROUP)
    spill.close()
    temporary.chmod(0o777)  # who made it? what is in it may be anybody's
    assert not Spill(target, "exe_2").append(GROUP)
    assert list(drain(target)) == []


def test_files_that_take_nothing_do_not_stay(target: Target) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # as a disk that is full
    try:
        spill = Spill(target, "exe_1")
        assert not spill.append(GROUP)
        assert spill.path is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [*Path(target.place).parent.iterdir()]


def test_no_place_at_all(
    target: Target, llmo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", f"{tmp_path}/nowhere")
    Path(target.place).parent.write_text("")
    llmo_home.write_text("")
    spill = Spill(target, "exe_1")
    assert not spill.append(GROUP)
    assert spill.path is None


def test_files_of_the_same_name_do_not_mix(tmp_path: Path) -> None:
    one = places(Target("sqlite", str(tmp_path / "a" / "ledger.db")))
    two = places(Target("sqlite", str(tmp_path / "b" / "ledger.db")))
    assert not set(one) & set(two)


def test_a_password_does_not_decide_the_place(llmo_home: Path) -> None:
    one, two = (Target("postgres", f"postgresql://me:{word}@db/app") for word in ("a", "b"))
    assert places(one) == places(two)
    assert places(one) != places(Target("postgres", "postgresql://me:a@db/other"))


def test_a_full_device(target: Target) -> None:
    spill = Spill(target, "exe_1")
    spill.append(GROUP)
    assert spill._file is not None
    os.close(spill._file)
    spill._file = os.open("/dev/full", os.O_WRONLY)
    assert spill.append(GROUP)  # in the second place
    assert spill.path is not None
    assert spill.path.parent != Path(target.place).parent
    spill.close()
