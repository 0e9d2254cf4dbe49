"""The rows of the table: short, whole, and with models that can be had."""

import ast
import inspect
from datetime import date

import pytest

from llm_orchestrator import dialects
from llm_orchestrator.catalog import Catalog
from llm_orchestrator.config import load
from llm_orchestrator.providers import table
from llm_orchestrator.providers.compatible import compatible
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.providers.table import ALIASES, TABLE
from llm_orchestrator.types.provider import Candidate, Provider, Quirks

CATALOG = Catalog.load(providers=TABLE.values())
TODAY = date.fromisoformat(CATALOG.version)
FUNCTIONS = ("encode", "decode", "events", "error", "list_models", "read_models")

CLASSIC = {
    "openai": "text functions vision streaming",
    "anthropic": "text vision long-context streaming",
    "gemini": "text vision ultra-long-context",
    "groq": "text fast-inference",
    "perplexity": "text online-search citations",
    "mistral": "text functions streaming",
    "together": "text streaming",
    "cohere": "text embeddings streaming",
    "openrouter": "text multi-model streaming",
    "deepinfra": "text streaming",
}
"""What older tools said that each is good at."""


def rows_in_code() -> dict[str, ast.Call]:
    """The calls that make rows, by the name of the provider."""
    tree = ast.parse(inspect.getsource(table))
    listed = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_ROWS"
    )
    assert isinstance(listed, ast.Tuple)
    found = {}
    for call in listed.elts:
        assert isinstance(call, ast.Call)
        name = next((word.value for word in call.keywords if word.arg == "name"), None)
        first = name or call.args[0]
        assert isinstance(first, ast.Constant)
        found[str(first.value)] = call
    return found


def test_a_compatible_server_costs_fifteen_lines_at_most() -> None:
    found = rows_in_code()
    assert found.keys() == TABLE.keys()
    lines = {
        name: (call.end_lineno or 0) - call.lineno + 1
        for name, call in found.items()
        if TABLE[name].dialect == "openai"
    }
    assert len(lines) >= 12
    assert {name: count for name, count in lines.items() if count > 15} == {}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_row_is_whole(row: Provider) -> None:
    dialect = dialects.load(row.dialect)
    assert all(callable(getattr(dialect, name)) for name in FUNCTIONS)
    assert row.display_name
    assert "text" in row.capability_words
    assert row.base_url.startswith(("https://", "{")) or row.local or row.name == "compatible"
    assert not row.base_url.endswith("/")
    assert row.key_env or row.auth in {"none", "google"}
    assert all(name.isupper() for name in row.key_env)


@pytest.mark.parametrize("name", CLASSIC)
def test_the_classic_words(name: str) -> None:
    assert set(CLASSIC[name].split()) <= set(TABLE[name].capability_words)


def test_the_twelve_come_first_and_are_found_by_their_names() -> None:
    assert len(TABLE) >= 18
    for name in CLASSIC:
        assert CATALOG.provider(name) == name
    assert not ALIASES.keys() & TABLE.keys()
    keys = [key for row in TABLE.values() for key in row.key_env]
    assert len(keys) == len(set(keys)), "no key belongs to two rows"


@pytest.mark.parametrize(
    "name", [row.name for row in TABLE.values() if not row.local and row.default_model]
)
def test_the_default_model_can_be_had(name: str) -> None:
    row = TABLE[name]
    model = CATALOG.find(row.default_model, row.name)
    assert model is not None, "it is not in the catalogue"
    assert CATALOG.current(model, TODAY) is model, "it was retired"
    assert model.prices, "it has no price"
    assert model.mode == "chat"


@pytest.mark.parametrize("provider", ["openai", "perplexity"])
def test_models_that_only_answer_on_responses_are_asked_there(provider: str) -> None:
    found = {
        model.id: Candidate(TABLE[provider], model).provider.dialect
        for model in CATALOG.models(provider)
        if model.mode in {"chat", "responses"} and not model.id.startswith("preset/")
    }
    expected = {
        name: "responses" if CATALOG.resolve(name, provider).mode == "responses" else "openai"
        for name in found
    }
    # The catalogue is silent on what these are.
    unclear = {"codex-mini": "responses", "perplexity/nemotron-3.5-super-120b-a12b": "responses"}
    expected |= {name: wire for name, wire in unclear.items() if name in expected}
    assert found == expected
    assert set(found.values()) == {"openai", "responses"}


def test_who_names_a_dialect_means_all_models() -> None:
    config = load({"providers": {"openai": {"api_key": "k", "dialect": "openai"}}}, env={})
    row = Directory(config).use("openai")
    model = CATALOG.resolve("gpt-5-pro", "openai")
    assert Candidate(row, model).provider.dialect == "openai"
    assert Candidate(TABLE["openai"], model).provider.dialect == "responses"


def test_words_become_what_the_quirk_holds() -> None:
    row = compatible(
        "office",
        "Office",
        "https://llm.example/v1",
        words="text streaming",
        unsupported="seed user",
        efforts="low high",
        rename={"seed": "random_seed"},
        call_ids=9,
        think_tags=False,
    )
    assert (row.key_env, row.capability_words) == (("OFFICE_API_KEY",), ("text", "streaming"))
    assert row.quirks == Quirks(
        max_tokens="max_tokens",
        unsupported=frozenset(("seed", "user")),
        efforts=("low", "high"),
        rename={"seed": "random_seed"},
        call_ids=9,
    )


def test_a_quirk_that_there_is_not() -> None:
    with pytest.raises(AttributeError, match="unsuported"):
        compatible("office", "Office", "https://llm.example", words="text", unsuported="seed")
