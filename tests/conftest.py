"""What all tests share: services found or left out loudly, and a home of its own for each test.

PostgreSQL is looked for at LLMO_TEST_POSTGRES and Redis at LLMO_TEST_REDIS. Tests of a service
that does not answer are left out and named in red at the end; with LLMO_REQUIRE_SERVICES=1 the
run stops at once instead.
"""

import fcntl
import gc
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from shutil import which
from typing import Any

import hypothesis
import psycopg
import pytest
import redis
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

POSTGRES = os.environ.get("LLMO_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
REDIS = os.environ.get("LLMO_TEST_REDIS", "redis://127.0.0.1:6379/15")
SDKS = ("groq", "mistralai", "openrouter", "perplexity", "together")
REQUIRED = os.environ.get("LLMO_REQUIRE_SERVICES") == "1"

_LEFT_OUT = pytest.StashKey[dict[str, int]]()
_SECRETS = re.compile(
    r"(_API_KEY|_API_TOKEN|_ACCESS_KEY_ID|_SECRET_ACCESS_KEY|_SESSION_TOKEN|_CREDENTIALS)$"
    r"|^(REDIS_URL$|AWS_(PROFILE|REGION|BEARER_TOKEN)|GOOGLE_CLOUD_|CLOUDSDK_|LLMO_(?!TEST_|REQUIRE_))"
)

# How long an example takes says something of the machine, and nothing of what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


# ------------------------------------------------------------------ services


def _postgres_fault() -> str | None:
    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.Error as error:
        return f"PostgreSQL at {_shown(POSTGRES)}: {' '.join(str(error).split())[:200]}"
    return None


def _redis_fault() -> str | None:
    try:
        with redis.Redis.from_url(REDIS, socket_connect_timeout=3, socket_timeout=3) as client:
            client.ping()
    except redis.RedisError as error:
        return f"Redis at {_shown(REDIS)}: {error}"
    return None


def _redis_server_fault() -> str | None:
    return None if which("redis-server") else "a Redis of their own (no redis-server on PATH)"


def _local_model_fault() -> str | None:
    from llm_orchestrator.providers import local

    return None if local.available() else f"the local model; run: {local.INSTALL}"


def _browser_fault() -> str | None:
    return None if find_spec("playwright") else "a browser (playwright is not installed)"


def _sdk_fault() -> str | None:
    missing = [name for name in SDKS if not find_spec(name)]
    if not (Path(sys.prefix) / "anthropic-1").is_dir():
        missing.append("anthropic 1")
    names = ", ".join(missing)
    return f"the SDKs of other providers ({names}; make test-all has them)" if missing else None


_PROBES: dict[str, Callable[[], str | None]] = {
    "postgres": _postgres_fault,
    "redis": _redis_fault,
    "redis_server": _redis_server_fault,
    "local_model": _local_model_fault,
    "browser": _browser_fault,
    "sdk": _sdk_fault,
}
_MARKER_OF_FIXTURE = {
    "postgres_url": "postgres",
    "redis_url": "redis",
    "own_redis": "redis_server",
}


# A shell that runs the tests in the background makes them ignore interrupts, and so whatever they
# start, which then cannot be tested to end by one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@cache
def _fault(service: str) -> str | None:
    """Why the service cannot be used, or None. Asked once per process."""
    return _PROBES[service]()


def _shown(url: str) -> str:
    return re.sub(r"//[^@/]*:[^@/]*@", "//***@", url)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT_OUT] = {}
    if REQUIRED and not hasattr(config, "workerinput"):
        faults = [fault for name in ("postgres", "redis") if (fault := _fault(name))]
        if faults:
            raise pytest.UsageError(
                "LLMO_REQUIRE_SERVICES=1, but no answer from " + "; ".join(faults)
            )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        for fixture, marker in _MARKER_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
        needed = [name for name in _PROBES if item.get_closest_marker(name)]
        missing = [name for name in needed if _fault(name)]
        for name in missing:
            config.stash[_LEFT_OUT][name] = config.stash[_LEFT_OUT].get(name, 0) + 1
        (left_out if missing else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    # The files that take longest first, so that no worker is left with one of them at the end.
    items[:] = sorted(kept, key=_quick)


def _quick(item: pytest.Item) -> bool:
    return "crash" not in item.path.parts and "bulk" not in item.path.parts


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = session.config.stash[_LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # Every worker collects everything, so any one of them knows.
    node.config.stash[_LEFT_OUT].update(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for service, count in config.stash[_LEFT_OUT].items():
        terminalreporter.write_line(
            f"LEFT OUT: {count} tests marked '{service}', no answer from {_fault(service)}",
            red=True,
            bold=True,
        )


# ------------------------------------------------------------------ fixtures


@pytest.fixture(autouse=True)
def llmo_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a working directory of its own, and no keys: no test reaches a real account."""
    for name in filter(_SECRETS.search, list(os.environ)):
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("LLMO_HOME", str(home))
    monkeypatch.chdir(tmp_path)  # a .env of the developer is not read
    return home


@pytest.fixture
def new_garbage() -> Iterator[None]:
    """Only what is made from now on is seen by the garbage collector, which is then quick."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The URL of a new, empty database, dropped afterwards whoever is still connected."""
    name = f"llmo_test_{token_hex(8)}"  # one that was killed may have left its own behind
    with psycopg.connect(POSTGRES, autocommit=True) as admin:
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield _with_database(POSTGRES, name)
        admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def _with_database(url: str, name: str) -> str:
    if "://" not in url:
        return make_conninfo(url, dbname=name)
    base, _, query = url.partition("?")
    old = conninfo_to_dict(url).get("dbname")
    base = base.removesuffix(f"/{old}").removesuffix("/")
    return f"{base}/{name}" + (f"?{query}" if query else "")


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The URL of an empty Redis database, held alone: other workers wait for their turn."""
    lock = Path(tempfile.gettempdir()) / f"llmo_test_redis_{os.getuid()}.lock"
    with lock.open("w") as held, redis.Redis.from_url(REDIS) as client:
        fcntl.flock(held, fcntl.LOCK_EX)
        client.flushdb()
        yield REDIS
        client.flushdb()
