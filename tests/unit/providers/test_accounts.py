"""Accounts are told apart, and their names give nothing away."""

from llm_orchestrator.providers.accounts import account
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.secret import Secret

KEY = "sk-test-0123456789abcdef"
ROW = Provider(name="p", dialect="openai", base_url="https://api.example.com", key=Secret(KEY))


def row(**changes: object) -> Provider:
    fields: dict[str, object] = {"name": "p", "dialect": "openai", "base_url": ROW.base_url}
    return Provider(**(fields | changes))  # type: ignore[arg-type]


def test_the_same_account_has_the_same_name() -> None:
    named = account(ROW)
    assert named == account(row(key=Secret(KEY), default_model="m"))
    assert named is not None
    assert len(named) == 32
    assert KEY not in named


def test_whatever_makes_an_account_tells_it_apart() -> None:
    rows = [
        ROW,
        row(),
        row(key=Secret("sk-other-key-0123456789")),
        row(key=Secret(KEY), base_url="https://eu.example.com"),
        row(key=Secret(KEY), headers={"Organisation": Secret("org_1")}),
        row(key=Secret(KEY), headers={"Organisation": Secret("org_2")}),
        row(values={"project": "a"}),
        row(secrets={"project": Secret("a")}),
    ]
    assert len({account(one) for one in rows}) == len(rows)


def test_what_has_no_address_has_no_account() -> None:
    assert account(row(base_url="")) is None
