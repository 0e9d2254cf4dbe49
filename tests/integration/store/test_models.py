"""Model lists in both databases."""

import sqlite3
from pathlib import Path

import psycopg
import pytest

from llm_orchestrator.errors import StoreError
from llm_orchestrator.store.models import ModelList, ModelLists
from llm_orchestrator.types.model import Model
from tests.integration.store.data import NOW, open_store, read

DAY = 86_400 * 10**6
MODELS = (
    Model(provider="p", id="a/b", context=4096, known=False, abilities=frozenset({"tools"})),
    Model(provider="p", id="ü", mode="embedding", known=False),
)


def one(at: int = NOW, *, account: str = "first", models: tuple[Model, ...] = MODELS) -> ModelList:
    return ModelList("p", account, models, at)


def change(url: str, sql: str) -> None:
    if url.startswith("postgres"):
        with psycopg.connect(url) as server:
            server.execute(sql.encode())
    else:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
            file.execute(sql)


def test_what_was_written_is_read(store_url: str) -> None:
    lists = ModelLists(store_url)
    lists.write([one()])
    assert lists.read({"p": "first", "q": "first"}) == {"p": one()}


def test_accounts_are_apart(store_url: str) -> None:
    lists = ModelLists(store_url)
    other = one(account="second", models=MODELS[:1])
    lists.write([one(), other])
    assert lists.read({"p": "second"}) == {"p": other}
    assert lists.read({"p": "third"}) == {}
    assert lists.read({}) == {}


def test_the_newer_list_stays(store_url: str) -> None:
    lists = ModelLists(store_url)
    newer = one(NOW + 1, models=())
    lists.write([newer])
    lists.write([one()])  # by a process that was slower
    assert lists.read({"p": "first"}) == {"p": newer}
    lists.write([one(NOW + 2)])
    assert lists.read({"p": "first"}) == {"p": one(NOW + 2)}


def test_lists_of_accounts_that_nobody_asks_for_go(store_url: str) -> None:
    lists = ModelLists(store_url)
    lists.write([one(account="old"), one(NOW + 50 * DAY, account="middle")])
    lists.write([one(NOW + 100 * DAY)])
    accounts = read(store_url, "SELECT account FROM discovered_models ORDER BY account")
    assert accounts == [("first",), ("middle",)]


def test_reading_makes_no_file(tmp_path: Path) -> None:
    assert ModelLists(f"sqlite:///{tmp_path}/none.db").read({"p": "first"}) == {}
    assert not list(tmp_path.glob("none*"))


@pytest.mark.parametrize("text", ['{"no": "list"}', '[{"id": 7}]'])
def test_rows_that_are_not_ours(store_url: str, text: str) -> None:
    open_store(store_url)
    change(store_url, f"INSERT INTO discovered_models VALUES ('p', 'first', '{text}', 1)")
    with pytest.raises(StoreError, match=r"the model lists at .* cannot be read"):
        ModelLists(store_url).read({"p": "first"})


def test_a_store_that_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database at all, but long enough to look like one " * 40)
    lists = ModelLists(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="cannot be read: file is not a database"):
        lists.read({"p": "first"})
    with pytest.raises(StoreError, match="cannot be written: file is not a database"):
        lists.write([one()])


def test_a_server_that_is_away() -> None:
    with pytest.raises(StoreError, match=r"\*\*\*@127.0.0.1:1/x cannot be read") as caught:
        ModelLists("postgresql://ann:secret@127.0.0.1:1/x").read({"p": "first"})
    assert "secret" not in str(caught.value)
