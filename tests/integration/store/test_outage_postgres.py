"""What happens to rows while a PostgreSQL server cannot be written, and after."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from llm_orchestrator.store.connect import init_store
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.postgres import PostgresBackend
from llm_orchestrator.store.rows import Group
from llm_orchestrator.store.writer import Committed
from tests.integration.store.data import attempt, read, wait_for

pytestmark = pytest.mark.postgres
IDS = "SELECT attempt_id FROM attempts ORDER BY 1"


def spilled(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.spill-*.jsonl"))


@contextmanager
def relay(url: str, port: int) -> Iterator[None]:
    """A server in front of PostgreSQL that can be missing."""
    info = psycopg.conninfo.conninfo_to_dict(url)
    server = socket.create_server(("127.0.0.1", port))
    sockets: list[socket.socket] = [server]

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
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
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in sockets:
            with closing(each):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


async def test_a_server_that_goes_and_comes_back(
    postgres_url: str, llmo_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
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


async def test_a_dropped_idle_connection_is_no_outage(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(postgres_url)
    await ledger.intent(attempt("1"))
    await ledger.flush()
    with psycopg.connect(postgres_url) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'llm-orchestrator' AND datname = current_database()"
        )
    assert await ledger.intent(attempt("2")) is Committed.YES
    await ledger.close()
    assert not caplog.records


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
    init_store(postgres_url)
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
