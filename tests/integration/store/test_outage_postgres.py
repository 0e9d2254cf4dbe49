"""What happens to rows while a PostgreSQL server cannot be written, and after."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.postgres import PostgresBackend
from llm_orchestrator.store.rows import Group
from llm_orchestrator.store.writer import Committed
from llm_orchestrator.types.budget import Budget
from tests.integration.store.data import attempt, open_store, read, wait_for
from tests.ports import quiet_port

pytestmark = pytest.mark.postgres
IDS = "SELECT attempt_id FROM attempts ORDER BY 1"


def spilled(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.spill-*.jsonl"))


@contextmanager
def relay(url: str, port: int) -> Iterator[list[socket.socket]]:
    """A server in front of PostgreSQL that can be missing; gives it and two for each connection."""
    info = psycopg.conninfo.conninfo_to_dict(url)
    server = socket.create_server(("127.0.0.1", port))
    sockets: list[socket.socket] = [server]

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)  # who waits for the end must see it
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            upstream = socket.create_connection((str(info["host"]), int(info.get("port") or 5432)))
            sockets.extend((client, upstream))
            threading.Thread(target=pump, args=(client, upstream), daemon=True).start()
            threading.Thread(target=pump, args=(upstream, client), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield sockets
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in sockets:
            with closing(each):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


async def test_a_server_that_goes_and_comes_back(
    postgres_url: str, llmo_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = quiet_port()
    info = psycopg.conninfo.conninfo_to_dict(postgres_url)
    url = f"postgresql://{info['user']}:canary-7@127.0.0.1:{port}/{info['dbname']}"
    ledger = Ledger(url)
    with relay(postgres_url, port):
        assert await ledger.intent(attempt("1")) is Committed.YES
    assert await ledger.intent(attempt("2")) is Committed.NO
    assert len(spilled(llmo_home)) == 1
    assert "cannot be written" in caplog.text
    with relay(postgres_url, port):
        await asyncio.to_thread(wait_for, postgres_url, IDS, [("att_1",), ("att_2",)])
        assert await ledger.intent(attempt("3")) is Committed.YES
        await ledger.close()
    assert spilled(llmo_home) == []
    assert "canary-7" not in caplog.text + repr(ledger.target) + repr(ledger)


@pytest.mark.parametrize("budgets", [(), (Budget(scope="global", cap_pico=100),)])
async def test_a_dropped_idle_connection_is_no_outage(
    postgres_url: str, budgets: tuple[Budget, ...], caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(postgres_url, budgets=budgets)
    await ledger.admit(attempt("1", hold_pico=7), capped=True)
    await ledger.flush()
    if budgets:
        await asyncio.sleep(1.1)  # the next one looks at them again, which it does once a second
    with psycopg.connect(postgres_url) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'llm-orchestrator' AND datname = current_database()"
        )
    await ledger.admit(attempt("2", hold_pico=7), capped=True)
    await ledger.close()
    assert not caplog.records
    assert read(postgres_url, IDS) == [("att_1",), ("att_2",)]


def test_a_question_takes_one_connection(postgres_url: str) -> None:
    """Whoever reads the first row alone has no others cancelled, which takes one more."""
    port = quiet_port()
    info = psycopg.conninfo.conninfo_to_dict(postgres_url)
    with relay(postgres_url, port) as sockets:
        backend = PostgresBackend(f"postgresql://{info['user']}@127.0.0.1:{port}/{info['dbname']}")
        for _ in range(3):
            assert next(backend.query("SELECT 1")) == (1,)
        assert list(backend.query("SELECT * FROM generate_series(1, 3)")) == [(1,), (2,), (3,)]
        assert next(backend.query("SELECT * FROM generate_series(1, 10000)")) == (1,)
        assert list(backend.query("SELECT 1 WHERE false")) == []
        backend.close()
        assert len(sockets) <= 1 + 2 * 2, "itself, and one that cancels thousands of rows"


async def test_tables_of_another_application(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(postgres_url) as admin:
        admin.execute("CREATE TABLE calls (caller TEXT)")
    ledger = Ledger(postgres_url)
    assert await ledger.intent(attempt("1")) is Committed.NO
    await ledger.close()
    assert "schema of its own" in caplog.text
    with psycopg.connect(postgres_url) as admin:
        admin.execute("CREATE SCHEMA llmo")
    own = Ledger(f"{postgres_url}?options=-csearch_path%3Dllmo")
    assert await own.intent(attempt("2")) is Committed.YES
    await own.close()
    assert read(postgres_url, "SELECT attempt_id FROM llmo.attempts") == [("att_2",)]


def test_behind_a_pooler_nothing_stays_prepared(postgres_url: str) -> None:
    backend = PostgresBackend(postgres_url)
    for key in "123":
        backend.write(Group([attempt(key)]))
        assert backend._connection is not None
        backend._connection.execute("DEALLOCATE ALL")  # what another session looks like
    backend.close()
    assert read(postgres_url, IDS) == [("att_1",), ("att_2",), ("att_3",)]


@pytest.mark.parametrize("spills", [True, False])
async def test_a_locked_table(
    postgres_url: str, llmo_home: Path, spills: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if not spills:
        llmo_home.write_text("")
    ledger = Ledger(postgres_url, busy_timeout_s=0.2)
    assert await ledger.intent(attempt("1")) is Committed.YES
    with psycopg.connect(postgres_url) as admin:
        admin.execute("LOCK TABLE attempts IN ACCESS EXCLUSIVE MODE")
        await ledger.intent(attempt("2"))
        await asyncio.sleep(1.5)  # the server answers, but what was kept cannot be written yet
        assert "lock timeout" in caplog.text
        assert await ledger.intent(attempt("3")) is Committed.NO
        assert caplog.text.count("cannot be written") == 1
    await asyncio.to_thread(wait_for, postgres_url, IDS, [("att_1",), ("att_2",), ("att_3",)])
    await ledger.close()
    assert caplog.text.count("is written again") == 1


async def test_a_ledger_that_cannot_sign_on(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_store(postgres_url)
    ledger = Ledger(postgres_url, busy_timeout_s=0.2)
    with psycopg.connect(postgres_url) as admin:
        admin.execute("LOCK TABLE executors IN ACCESS EXCLUSIVE MODE")
        assert await ledger.intent(attempt("1")) is Committed.YES
        await ledger.flush()
        await asyncio.sleep(0.5)
        assert await ledger.intent(attempt("2")) is Committed.NO
    await asyncio.to_thread(wait_for, postgres_url, IDS, [("att_1",), ("att_2",)])
    await ledger.close()
    assert "is written again" in caplog.text
    assert read(postgres_url, "SELECT COUNT(ended_at), COUNT(*) FROM executors") == [(1, 1)]
