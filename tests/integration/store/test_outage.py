"""What happens to rows while the store cannot be written, and after."""

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.reports import Reports
from llm_orchestrator.store.writer import Committed
from tests.integration.store.data import attempt, call, read, settlement, wait_for

IDS = "SELECT attempt_id FROM attempts ORDER BY 1"


@pytest.fixture
def no_place(llmo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spill files can only lie beside the database."""
    llmo_home.write_text("")
    monkeypatch.setenv("TMPDIR", f"{tmp_path}/nowhere")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def spilled(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.spill-*.jsonl"))


async def test_a_directory_in_the_way(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.mkdir()
    ledger = Ledger(path)
    assert await ledger.intent(attempt("1")) is Committed.NO
    assert await ledger.intent(attempt("2")) is Committed.NO
    with pytest.raises(StoreError, match="budget"):
        await ledger.admit(attempt("3"), capped=True)
    ledger.add(settlement("1"))
    ledger.add(call("1"))
    assert await ledger.flush() is Committed.NO
    [warning] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.name == "llm_orchestrator"
    assert str(path) in warning.message
    assert "store.url" in warning.message
    assert str(spilled(tmp_path)[0]) in warning.message

    path.rmdir()
    await asyncio.to_thread(wait_for, str(path), IDS, [("att_1",), ("att_2",), ("att_3",)])
    await ledger.admit(attempt("4"), capped=True)
    await ledger.close()
    assert read(str(path), "SELECT call_id FROM calls") == [("call_1",)]
    assert read(str(path), "SELECT attempt_id FROM settlements") == [("att_1",)]
    assert spilled(tmp_path) == []
    assert "is written again" in caplog.text


async def test_a_log_handler_that_raises_hangs_no_call(path: Path, tmp_path: Path) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError(record.levelname)

    log, broken = logging.getLogger("llm_orchestrator"), Broken()
    log.addHandler(broken)
    try:
        path.mkdir()
        ledger = Ledger(path)
        async with asyncio.timeout(20):
            assert await ledger.intent(attempt("1")) is Committed.NO
            assert await ledger.intent(attempt("2")) is Committed.NO
            await ledger.close()
    finally:
        log.removeHandler(broken)
    assert len(spilled(tmp_path)) == 1
    path.rmdir()
    await Ledger(path).close()
    later = Ledger(path)
    await later.intent(attempt("3"))
    await asyncio.to_thread(wait_for, str(path), IDS, [("att_1",), ("att_2",), ("att_3",)])
    await later.close()


async def test_rows_of_a_process_that_ended_in_an_outage(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    ledger = Ledger(path)
    await ledger.intent(attempt("1"))
    await ledger.close()
    assert len(spilled(tmp_path)) == 1
    path.rmdir()

    later = Ledger(path)
    await later.intent(attempt("2"))
    await asyncio.to_thread(wait_for, str(path), IDS, [("att_1",), ("att_2",)])
    await later.close()
    assert spilled(tmp_path) == []
    # Nobody will ever settle the first one.
    assert read(str(path), "SELECT status FROM attempt_ledger WHERE attempt_id = 'att_1'") == [
        ("unknown",)
    ]


async def test_a_report_takes_in_what_was_spilled(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    ledger = Ledger(path)
    await ledger.intent(attempt("1"))
    await ledger.close()
    path.rmdir()
    other = Ledger(path)
    await other.intent(attempt("2"))
    await other.close()
    with Reports(str(path)) as reports:
        assert reports.totals().attempts == 2
    assert spilled(tmp_path) == []


async def test_a_report_tells_of_what_it_lacks(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows of a process that cannot write, while a report can be read."""
    ledger = Ledger(path)
    await ledger.intent(attempt("1"))
    await ledger.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger = Ledger(path, busy_timeout_s=0.1)
        await ledger.intent(attempt("2"))
        await ledger.close()
        with Reports(str(path)) as reports:
            assert reports.totals().attempts == 1
    [file] = spilled(tmp_path)
    assert f"rows that wait in {file} are not in the ledger yet" in caplog.text
    caplog.clear()
    with Reports(str(path)) as reports:
        assert reports.totals().attempts == 2
    assert "not in the ledger" not in caplog.text


async def test_a_locked_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(path, busy_timeout_s=0.1)
    assert await ledger.intent(attempt("1")) is Committed.YES
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert await ledger.intent(attempt("2")) is Committed.NO
        assert "keeps it locked" in caplog.text
        other.execute("COMMIT")
    await asyncio.to_thread(wait_for, str(path), IDS, [("att_1",), ("att_2",)])
    await ledger.close()


@pytest.mark.parametrize("content", [b"this is no database at all, " * 100, b"SQLite format 3\0\1"])
async def test_a_damaged_file_is_left_as_it_is(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    ledger = Ledger(path)
    assert await ledger.intent(attempt("1")) is Committed.NO
    await ledger.close()
    assert path.read_bytes() == content
    assert "left as it is" in caplog.text
    assert str(path) in caplog.text
    with pytest.raises(StoreError, match="left as it is"):
        Reports(str(path))


async def test_a_file_of_another_application(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    ledger = Ledger(path)
    assert await ledger.intent(attempt("1")) is Committed.NO
    await ledger.close()
    assert "belongs to another application (it holds recipes)" in caplog.text
    assert read(str(path), "SELECT name FROM sqlite_master") == [("recipes",)]


async def test_a_file_of_a_newer_version(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version=9999")
    ledger = Ledger(path)
    assert await ledger.intent(attempt("1")) is Committed.NO
    await ledger.close()
    assert "newer llm-orchestrator" in caplog.text
    with pytest.raises(StoreError, match="newer"):
        Reports(str(path))


async def test_a_file_that_is_deleted_under_us(path: Path) -> None:
    ledger = Ledger(path)
    await ledger.intent(attempt("1"))
    path.unlink()
    await asyncio.sleep(1.1)  # the file is looked for once a second
    assert await ledger.intent(attempt("2")) is Committed.YES
    await ledger.close()
    assert read(str(path), IDS) == [("att_2",)]


FULL_DISK = """
import asyncio, resource, sys
from llm_orchestrator.store.rows import Group
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.postgres import PostgresBackend
from tests.integration.store.data import attempt
async def main():
    ledger = Ledger(sys.argv[1])
    await ledger.intent(attempt("0"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    results = [await ledger.intent(attempt(f"{n:05}", tags="x" * 2000)) for n in range(1, 400)]
    print(sum(result.value == "no" for result in results))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await ledger.close()
asyncio.run(main())
"""


def test_a_full_disk_loses_nothing(path: Path, tmp_path: Path) -> None:
    """Neither the file nor the spill file may grow beyond a size, then they may again."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "src:."},
    )
    assert int(done.stdout) > 100
    assert done.stderr.count("cannot be written") == 1
    with Reports(str(path)) as reports:
        assert reports.totals().attempts == 400
    assert spilled(tmp_path) == []


@pytest.mark.usefixtures("no_place")
async def test_no_disk_takes_anything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The folder of the database is a file, and the places of spill files are none."""
    folder = tmp_path / "file"
    folder.write_text("")
    ledger = Ledger(folder / "ledger.db")
    assert await ledger.intent(attempt("1")) is Committed.NO
    assert "kept in memory" in caplog.text
    folder.unlink()
    await asyncio.to_thread(wait_for, str(folder / "ledger.db"), IDS, [("att_1",)])
    await ledger.close()


@pytest.mark.usefixtures("no_place")
async def test_rows_that_nothing_takes_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    ledger = Ledger(tmp_path / "file" / "ledger.db")
    await ledger.intent(attempt("1"))
    ledger.add(settlement("1"))
    await ledger.close()
    assert "lost 2 rows" in caplog.text


@pytest.mark.usefixtures("no_place")
async def test_memory_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "file"
    folder.write_text("")
    ledger = Ledger(folder / "ledger.db")
    ledger._writer.most_kept = 2
    for key in "1234":
        await ledger.intent(attempt(key))
    folder.unlink()
    await asyncio.to_thread(wait_for, str(folder / "ledger.db"), IDS, [("att_1",), ("att_2",)])
    await ledger.close()
    assert "lost 2 rows" in caplog.text


async def test_text_that_is_none_waits_in_memory(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    ledger = Ledger(path)
    assert await ledger.intent(attempt("1", model="\ud800")) is Committed.NO
    assert spilled(tmp_path) == []
    path.rmdir()
    await asyncio.to_thread(wait_for, str(path), "SELECT model FROM attempts", [("?",)])
    await ledger.close()
