from pathlib import Path

import pytest

from llm_orchestrator.errors import ConfigError
from llm_orchestrator.store.urls import default_path, parse_url, redact_url


def test_the_default_is_in_the_home(llmo_home: Path) -> None:
    assert default_path() == llmo_home / "ledger.db"
    assert parse_url(None).place == str(llmo_home / "ledger.db")


def test_without_a_home_the_platform_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLMO_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/some/data")
    monkeypatch.setenv("HOME", "/some/user")
    assert "llm-orchestrator" in str(default_path())
    assert str(default_path()).startswith("/some/")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite:////var/lib/led%20ger.db", "/var/lib/led ger.db"),
        ("/var/lib/ledger.db", "/var/lib/ledger.db"),
        (Path("/var/lib/costs.sqlite"), "/var/lib/costs.sqlite"),
        ("  /var/lib/costs.sqlite3 ", "/var/lib/costs.sqlite3"),
    ],
)
def test_sqlite(url: str | Path, place: str) -> None:
    target = parse_url(url)
    assert (target.kind, target.place, target.shown) == ("sqlite", place, place)


def test_relative_paths_stay_where_they_were_meant(tmp_path: Path) -> None:
    assert parse_url("sqlite:///ledger.db").place == str(tmp_path / "ledger.db")
    assert parse_url("data/ledger.db").place == str(tmp_path / "data/ledger.db")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgres(scheme: str) -> None:
    target = parse_url(f"{scheme}://me:s%40cret@db:5432/app?sslmode=require")
    assert target.kind == "postgres"
    assert target.place == "postgresql://me:s%40cret@db:5432/app?sslmode=require"
    assert target.shown == "postgresql://me:***@db:5432/app?sslmode=require"
    assert "cret" not in repr(target)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:s3cret@db/app",
        "ledger.txt",
        "",
        "sqlite://ledger.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "postgresql://me:s3cret@db:port/app",
        "https://x.supabase.co",
    ],
)
def test_what_no_store_can_be(url: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.url.*sqlite:///") as caught:
        parse_url(url)
    assert "s3cret" not in str(caught.value)


def test_a_path_that_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMO_HOME", "/data/caf\udce9")
    for url in (None, "/data/caf\udce9.db", "sqlite:////data/caf%FF\udce9.db"):
        with pytest.raises(ConfigError, match="no UTF-8 text"):
            parse_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me@db/app", "postgresql://me@db/app"),
        ("postgresql://me:a@b:c@db/app", "postgresql://me:***@db/app"),
        ("postgresql://db/app?user=me&password=x", "postgresql://db/app?user=me&password=***"),
        ("host=db password='a b' user=me", "host=db password=*** user=me"),
        ("/var/lib/ledger.db", "/var/lib/ledger.db"),
    ],
)
def test_redaction(url: str, shown: str) -> None:
    assert redact_url(url) == shown
