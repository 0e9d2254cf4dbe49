"""Names to models: aliases, providers, dates, fine-tunes, the user's own rows."""

import datetime as dt
from pathlib import Path

import pytest

from llm_orchestrator.catalog import Catalog, cost
from llm_orchestrator.errors import ModelNotFoundError
from llm_orchestrator.types.model import Model, Price, Rates
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.usage import Usage

TODAY = dt.date(2026, 11, 20)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.mark.parametrize(
    "name, provider, model_id",
    [
        ("claude-haiku-3.5", "anthropic", "claude-3-5-haiku-20241022"),
        ("claude-sonnet-3.5", "anthropic", "claude-3-5-sonnet-20241022"),
        ("claude-opus-3", "anthropic", "claude-3-opus-20240229"),
        ("claude-3-5-haiku", "anthropic", "claude-3-5-haiku-20241022"),
        ("claude-3-5-haiku-20241022", "anthropic", "claude-3-5-haiku-20241022"),
        ("claude-opus-4-20250514", "anthropic", "claude-opus-4-20250514"),
        ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("claude-haiku-4-5-20250901", "anthropic", "claude-haiku-4-5-20251001"),
        ("gpt-4", "openai", "gpt-4"),
        ("gpt-4o", "openai", "gpt-4o"),
        ("gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("gpt-5.1", "openai", "gpt-5.1"),
        ("text-embedding-3-large", "openai", "text-embedding-3-large"),
        ("gemini-1.5-flash", "gemini", "gemini-1.5-flash"),
        ("llama-3.3-70b", "groq", "llama-3.3-70b-versatile"),
        ("llama-3.1-70b", "together", "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo"),
        ("sonar", "perplexity", "sonar"),
        ("mistral-large", "mistral", "mistral-large-latest"),
        ("command-r", "cohere", "command-r-08-2024"),
        ("claude-3.5-sonnet", "anthropic", "claude-3-5-sonnet-20241022"),
    ],
)
def test_classic_names_have_a_priced_model(
    catalog: Catalog, name: str, provider: str, model_id: str
) -> None:
    model = catalog.resolve(name)
    assert (model.provider, model.id) == (provider, model_id)
    assert model.known
    assert cost(Usage(1_000_000), model, at=TODAY)


@pytest.mark.parametrize(
    "name, provider, model_id",
    [
        ("llama-3.1-70b", "together", "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo"),
        ("llama-3.1-70b", "deepinfra", "meta-llama/Meta-Llama-3.1-70B-Instruct"),
        ("llama-3.3-70b", "groq", "llama-3.3-70b-versatile"),
        ("claude-3.5-sonnet", "openrouter", "anthropic/claude-3.5-sonnet"),
        ("claude-haiku-4-5-20250901", "claude", "claude-haiku-4-5-20251001"),
        ("gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("gpt-4o", "openrouter", "openai/gpt-4o"),
        ("GPT-4o", "openai", "gpt-4o"),
        ("models/gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("openai/gpt-4o", "openai", "gpt-4o"),
    ],
)
def test_names_at_a_provider(catalog: Catalog, name: str, provider: str, model_id: str) -> None:
    model = catalog.resolve(name, provider)
    assert model.id == model_id
    assert model.known


@pytest.mark.parametrize(
    "alias, provider, start",
    [
        ("claude-haiku", "anthropic", "claude-haiku-"),
        ("claude-sonnet", "anthropic", "claude-sonnet-"),
        ("claude-opus", "anthropic", "claude-opus-"),
        ("gpt-mini", "openai", "gpt-"),
        ("gpt", "openai", "gpt-"),
        ("gemini-flash", "gemini", "gemini-"),
        ("gemini-pro", "gemini", "gemini-"),
    ],
)
def test_a_family_is_its_newest_live_model(
    catalog: Catalog, alias: str, provider: str, start: str
) -> None:
    model = catalog.resolve(alias)
    assert model.provider == provider
    assert model.id.startswith(start)
    day = catalog.version
    assert model.deprecated is None or model.deprecated > day
    assert model.retired is None or model.retired > day


def test_newest_of_the_families(catalog: Catalog) -> None:
    assert catalog.resolve("claude-haiku").id == "claude-haiku-5-5"
    assert catalog.resolve("claude-opus").id == "claude-opus-5-5"
    assert catalog.resolve("gpt-mini").id == "gpt-5.4-mini"
    assert catalog.resolve("gemini-flash").id == "gemini-3.8-flash"


@pytest.mark.parametrize(
    "name, provider, model_id",
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("claude/claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
        ("google/gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("perplexity/sonar", "perplexity", "sonar"),
        ("perplexity/perplexity/sonar", "perplexity", "perplexity/sonar"),
        # no provider is called meta-llama, so this is a whole id
        ("meta-llama/Llama-3.3-70B-Instruct", "deepinfra", "meta-llama/Llama-3.3-70B-Instruct"),
    ],
)
def test_a_name_splits_only_after_a_provider(
    catalog: Catalog, name: str, provider: str, model_id: str
) -> None:
    model = catalog.resolve(name)
    assert (model.provider, model.id) == (provider, model_id)
    assert model.known


def test_dated_names(catalog: Catalog) -> None:
    own = catalog.resolve("gpt-4o-2024-05-13")
    assert own.prices[-1].input == 5_000_000  # its own entry, dearer than gpt-4o
    new = catalog.resolve("gpt-4o-2031-01-01")
    assert new.id == "gpt-4o-2031-01-01"
    assert new.prices == catalog.resolve("gpt-4o").prices
    latest = catalog.resolve("claude-3-5-haiku-latest", "anthropic")
    assert latest.id == "claude-3-5-haiku-latest"


def test_the_providers_own_other_names_go_on_the_wire_as_they_are(catalog: Catalog) -> None:
    model = catalog.resolve("gpt-4-0314")
    assert model.id == "gpt-4-0314"
    assert model.prices == catalog.resolve("gpt-4").prices


def test_fine_tuned_models(catalog: Catalog) -> None:
    listed = catalog.resolve("ft:gpt-4o-mini-2024-07-18:team::x1")
    assert listed.id == "ft:gpt-4o-mini-2024-07-18:team::x1"
    assert listed.prices[-1].input == 300_000  # twice the base
    unlisted = catalog.resolve("ft:gpt-4.1:team::x1")
    assert unlisted.provider == "openai"
    assert unlisted.prices == ()
    assert unlisted.can("tools")


def test_a_routers_variant_has_no_price_of_its_own(catalog: Catalog) -> None:
    model = catalog.resolve("openai/gpt-4o:nitro", "openrouter")
    assert model.id == "openai/gpt-4o:nitro"
    assert model.prices == ()
    assert model.context


def test_unknown_models_of_known_providers(catalog: Catalog) -> None:
    for name, provider in (("groq/whatever", None), ("whatever", "groq")):
        model = catalog.resolve(name, provider)
        assert (model.provider, model.id, model.known) == ("groq", "whatever", False)
        assert model.prices == ()
        assert model.abilities is None
    assert catalog.resolve("claude-omega-9").provider == "anthropic"
    assert catalog.resolve("gpt-99-ultra").provider == "openai"
    assert catalog.resolve("command-z").provider == "cohere"
    assert catalog.find("claude-omega-9") is None


def test_nobody_has_it(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFoundError, match="gpt-5") as caught:
        catalog.resolve("gtp-5")
    assert "gpt-5" in caught.value.suggestions
    assert not caught.value.retryable
    assert catalog.find("no-such-thing") is None
    with pytest.raises(ModelNotFoundError, match="openai"):
        catalog.resolve("gpt-4o", "opnai")
    with pytest.raises(ModelNotFoundError, match="empty"):
        catalog.resolve("  ")
    with pytest.raises(ModelNotFoundError, match="empty"):
        catalog.resolve("", "openai")


def test_a_provider_that_is_misspelt_before_its_model(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFoundError, match=r"did you mean openai/gpt-4o\?") as caught:
        catalog.resolve("opnai/gpt-4o")
    assert caught.value.suggestions == ("openai/gpt-4o",)


def test_near_names(catalog: Catalog) -> None:
    assert catalog.near("gpt-4o-mni")[0] == "gpt-4o-mini"
    assert catalog.near("cluade-haiku")[0] == "claude-haiku"
    assert len(catalog.near("gpt", n=5)) == 5
    assert catalog.near("openai/gpt-os-120b", provider="groq")[0] == "openai/gpt-oss-120b"
    assert catalog.near("zzzzzzzzzzzzzz") == []
    # What is offered no more is no help.
    assert catalog.resolve("gemini-1.5-pro").retired
    assert "gemini-1.5-pro" not in catalog.near("gemini-1.5-prx", n=20, provider="gemini")
    assert "gemini-1.5-pro" not in catalog.near("gemini-1.5-prx", n=20)


def test_models_of_a_provider(catalog: Catalog) -> None:
    models = catalog.models("claude")
    assert [model.id for model in models] == sorted(model.id for model in models)
    assert {model.provider for model in models} == {"anthropic"}
    assert catalog.models("nobody") == []


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "groq", "together"])
def test_retired_models_lead_to_one_that_is_offered(catalog: Catalog, provider: str) -> None:
    for model in catalog.models(provider):
        if model.successor:
            successor = catalog.resolve(model.successor, provider)
            assert successor.known
            assert catalog.current(model, TODAY).known


def test_current(catalog: Catalog) -> None:
    old = catalog.resolve("claude-haiku-3.5")
    assert catalog.current(old, dt.date(2026, 2, 18)) is old
    assert catalog.current(old, dt.date(2026, 2, 19)).id == "claude-haiku-4-5-20251001"
    alive = catalog.resolve("gpt-4o-mini")
    assert catalog.current(alive) is alive


def test_a_chain_of_successors_ends(tmp_path: Path) -> None:
    def retired(name: str, successor: str | None) -> Model:
        return Model(provider="x", id=name, retired="2020-01-01", successor=successor)

    ring = Catalog(overrides=[retired("a", "b"), retired("b", "a"), retired("c", None)])
    a = ring.resolve("a", "x")
    assert ring.current(a) is a
    assert ring.current(ring.resolve("c", "x")).id == "c"


def test_abilities(catalog: Catalog) -> None:
    assert catalog.resolve("gpt-4o").can("sampling")
    assert not catalog.resolve("o3").can("sampling")
    assert not catalog.resolve("gpt-5").can("sampling")
    assert not catalog.resolve("claude-opus-5").can("sampling")
    assert not catalog.resolve("claude-opus-5").can("prefill")
    assert catalog.resolve("claude-opus-5").can("adaptive_thinking")
    assert not catalog.resolve("claude-haiku-4.5").can("effort")
    assert catalog.resolve("claude-haiku-3.5").can("vision")
    assert catalog.resolve("text-embedding-3-small").abilities == frozenset(("embeddings",))
    assert catalog.resolve("text-embedding-3-small").dimensions == 1536


def test_batch_discounts_are_marked_as_estimates(catalog: Catalog) -> None:
    published = catalog.resolve("gpt-4o-mini").prices[-1]
    assert published.batch is not None
    assert not getattr(published, "batch_estimated")  # noqa: B009
    # Together takes nothing off, except for one model; DeepInfra takes 20 %.
    together = catalog.resolve("Qwen/Qwen3.5-9B", "together")
    assert cost(Usage(1_000), together, tier="batch") == cost(Usage(1_000), together)
    llama = catalog.resolve("llama-3.3-70b", "together")
    assert cost(Usage(1_000), llama, tier="batch") == 440_000_000
    infra = catalog.resolve("llama-3.1-70b", "deepinfra")
    standard = cost(Usage(1_000), infra)
    assert standard is not None
    assert cost(Usage(1_000), infra, tier="batch") == standard * 80 // 100
    # Nothing is documented for Cohere.
    assert cost(Usage(1_000), catalog.resolve("command-r"), tier="batch") is None


def test_own_models() -> None:
    own = [
        Model(
            provider="openai",
            id="gpt-4o-mini",
            prices=(Price(input=1, output=2, batch=Rates(input=1)),),
            known=False,
        ),
        Model(provider="openai", id="ft:gpt-4o:me::1", context=7, aliases=("mine",), known=False),
        Model(provider="myserver", id="llama", prices=(Price(input=3, output=3),), known=False),
    ]
    catalog = Catalog.load(own)
    mini = catalog.resolve("gpt-4o-mini")
    assert mini.prices == own[0].prices
    assert mini.context == 128_000  # what was not said stays
    assert mini.known
    tuned = catalog.resolve("mine")
    assert (tuned.id, tuned.context) == ("ft:gpt-4o:me::1", 7)
    assert tuned.can("tools")  # from its base
    assert tuned.prices == ()
    llama = catalog.resolve("llama")
    assert (llama.provider, llama.known) == ("myserver", True)
    assert catalog.resolve("myserver/llama") == llama
    assert catalog.resolve("myserver/other").known is False
    assert [model.id for model in catalog.models("myserver")] == ["llama"]
    assert "ft:gpt-4o:me::1" in [model.id for model in catalog.models("openai")]


def test_own_providers() -> None:
    rows = [
        Provider(name="local", dialect="openai", base_url="", local=True, aliases=("here",)),
        Provider(name="far", dialect="openai", base_url="https://far.example/v1"),
    ]
    catalog = Catalog.load([Model(provider="local", id="tiny", context=9)], providers=rows)
    smol = catalog.resolve("here/smollm2")
    assert (smol.provider, smol.known) == ("local", False)
    assert cost(Usage(1_000, 1_000), smol) == 0  # runs on this machine
    assert cost(Usage(1_000, 1_000), catalog.resolve("tiny")) == 0
    assert cost(Usage(1_000, 1_000), catalog.resolve("far/x")) is None
    assert catalog.providers[:2] == ("local", "far")


def test_nothing_is_read_before_the_first_question(tmp_path: Path) -> None:
    missing = Catalog(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError):
        missing.resolve("gpt-4o")
