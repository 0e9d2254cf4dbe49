"""Who may import whom: the contracts of pyproject.toml, and where each library may be used."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "llm_orchestrator"

# Library -> the only rooms that may import it.
HOMES = {
    "aiohttp": {"transport", "simulator", "cli"},
    "alembic": {"store"},
    "apprise": {"engine"},
    "botocore": {"providers"},
    "dbos": {"durable"},
    "google": {"providers"},
    "httptools": {"transport"},
    "jinja2": {"bulk"},
    "platformdirs": {"config", "store"},
    "psycopg": {"store"},
    "pyarrow": {"bulk"},
    "redis": {"pipeline", "store"},
    "regex": {"catalog"},
    "rich": {"cli"},
    "sqlalchemy": {"store"},
    "sqlite3": {"store"},
    "tiktoken": {"catalog", "engine"},
    "typer": {"cli"},
    "xllamacpp": {"providers"},
    "yaml": {"config"},
    "yarl": {"transport"},
}
# Rooms that compute and never wait: no sockets, no files of their own, no database, no loop.
PURE = ("types", "dialects", "routing")
# Strategies ask several models at once, through a function that the engine hands them.
WAITS = {"routing": {"asyncio"}}
IO = {
    "aiohttp", "asyncio", "http", "httptools", "httpx", "psycopg", "requests", "socket",
    "sqlalchemy", "sqlite3", "ssl", "subprocess", "threading", "urllib3",
}  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        PACKAGE, include_external_packages=True, exclude_type_checking_imports=True
    )


def rooms_that_import(graph: grimp.ImportGraph, library: str) -> dict[str, str]:
    """Room -> one module in it that imports the library."""
    if library not in graph.modules:
        return {}
    importers = graph.find_modules_that_directly_import(library)
    return {name.split(".")[1] if "." in name else "": name for name in importers}


def test_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", HOMES)
def test_library_stays_in_its_room(graph: grimp.ImportGraph, library: str) -> None:
    strangers = rooms_that_import(graph, library).keys() - HOMES[library]
    assert not strangers, f"{library} is imported outside {sorted(HOMES[library])}"


@pytest.mark.parametrize("room", PURE)
def test_pure_room_does_no_io(graph: grimp.ImportGraph, room: str) -> None:
    used = {library: rooms_that_import(graph, library).get(room) for library in IO}
    found = {library: module for library, module in used.items() if module}
    assert not found.keys() - WAITS.get(room, set()), found


def test_no_room_imports_in_a_circle(graph: grimp.ImportGraph) -> None:
    """Between the modules of one room too: a circle is a file that should be two, or one."""
    circles = list(circular(graph))
    assert not circles


def circular(graph: grimp.ImportGraph) -> Iterator[tuple[str, str]]:
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            if module < other and graph.chain_exists(importer=other, imported=module):
                yield module, other
