"""What `load` makes of files, mappings and the environment, and what it says of mistakes."""

import resource
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from llm_orchestrator import dialects
from llm_orchestrator.config import Config, load
from llm_orchestrator.config.classic import CLASSIC_KEYS
from llm_orchestrator.config.example import write_example
from llm_orchestrator.config.paths import cost_log, store_url
from llm_orchestrator.config.rows import abilities, model_row
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.types.provider import DialectName

CANARY = "sk-canary-0123456789"

CLASSIC = """
active_provider: "openai"
active_model: "gpt-4"

providers:
  openai:
    api_key: "${OPENAI_API_KEY}"
    fallback_models: ["gpt-4", "gpt-4o-mini"]

  anthropic:
    api_key: "${ANTHROPIC_API_KEY}"
    fallback_models:
      - "claude-opus-4-20250514"
      - "claude-sonnet-4-5"  # Fallback to cheaper

cost_tracking:
  enabled: true
  log_path: "./dev_costs.log"
"""


def write(folder: Path, text: str, name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(source: object, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(source, env=env)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_classic_file_loads_with_one_of_its_keys_set(tmp_path: Path) -> None:
    config = load(write(tmp_path, CLASSIC), env={"OPENAI_API_KEY": CANARY})
    assert (config.active_provider, config.active_model) == ("openai", "gpt-4")
    assert config.providers["openai"].fallback_models == ("gpt-4", "gpt-4o-mini")
    key = config.providers["openai"].api_key
    assert key is not None
    assert key.reveal() == CANARY
    assert config.providers["anthropic"].api_key is None
    assert config.providers["anthropic"].unset == {
        "providers.anthropic.api_key": "ANTHROPIC_API_KEY"
    }
    assert cost_log(config) == Path("dev_costs.log")
    assert store_url(config) is None


def test_nothing_gives_the_documented_defaults() -> None:
    config = load(env={})
    assert config.fallback.enabled
    assert config.fallback.max_retries == 2
    assert (config.timeouts.connect, config.timeouts.idle, config.timeouts.total) == (5, 20, 600)
    assert config.timeouts.first_token == "auto"
    assert (config.retry.max_wait, config.retry.max_wait_with_fallback) == (60, 10)
    assert config.parameters == "lenient"
    assert config.auto_approve_threshold_usd is None
    assert config.cost_tracking.enabled
    assert not config.cost_tracking.record_bodies


def test_an_empty_file_and_empty_sections_are_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, "# nothing yet\n"), env={}).retry == Config().retry
    config = load(write(tmp_path, "retry:\nproviders:\n  openai:\nactive_model:\n"), env={})
    assert config.retry == Config().retry
    assert list(config.providers) == ["openai"]


def test_llmo_config_names_the_file_when_none_is_given(tmp_path: Path) -> None:
    path = write(tmp_path, "active_provider: groq", "other.yaml")
    assert load(env={"LLMO_CONFIG": str(path)}).active_provider == "groq"
    assert load({}, env={"LLMO_CONFIG": str(path)}).active_provider is None


def test_arguments_win_and_a_forced_provider_drops_the_other_ones_model() -> None:
    source = {"active_provider": "openai", "active_model": "gpt-4"}
    assert load(source, env={}, model="gpt-4o").active_model == "gpt-4o"
    forced = load(source, env={}, provider="anthropic")
    assert (forced.active_provider, forced.active_model) == ("anthropic", None)


class TestEnvironment:
    def test_router_variables_fill_in_what_the_file_leaves_out(self) -> None:
        env = {
            "ORCHESTRATOR_DEFAULT_PROVIDER": "openai",
            "ORCHESTRATOR_AUTO_APPROVE_THRESHOLD_USD": "1.00",
            "ORCHESTRATOR_ENABLE_AUDIT": "false",
        }
        config = load(env=env)
        assert config.active_provider == "openai"
        assert config.auto_approve_threshold_usd == Decimal("1.00")
        assert not config.cost_tracking.enabled
        source = {"default_provider": "groq", "cost_tracking": {"enabled": True}}
        config = load(source, env=env)
        assert config.active_provider == "groq"
        assert config.cost_tracking.enabled

    def test_a_wrong_router_variable_is_named(self) -> None:
        text = refused(None, ORCHESTRATOR_ENABLE_AUDIT="perhaps")
        assert "ORCHESTRATOR_ENABLE_AUDIT" in text
        assert "true or false" in text

    def test_dotenv_beside_the_file_wins_over_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here, there = tmp_path / "here", tmp_path / "there"
        here.mkdir()
        there.mkdir()
        monkeypatch.chdir(here)
        write(here, "A=here\nB=here\nC=here\n", ".env")
        write(there, "A=there\nB=there\n", ".env")
        path = write(there, "active_model: '${A} ${B} ${C}'\n")
        assert load(path, env={"A": "real"}).active_model == "real there here"

    def test_home_moves_the_ledger(self, tmp_path: Path) -> None:
        write(tmp_path, f"LLMO_HOME={tmp_path}/data", ".env")
        assert store_url(load(env={})) == f"{tmp_path}/data/ledger.db"

    @pytest.mark.parametrize(
        "source, expected",
        [
            ({}, None),
            ({"store": {"url": "postgresql://h/d"}}, "postgresql://h/d"),
            ({"cost_tracking": {"log_path": "mine.sqlite"}}, "mine.sqlite"),
            ({"cost_tracking": {"log_path": "costs.log"}}, None),
        ],
    )
    def test_where_the_ledger_lies(self, source: dict[str, object], expected: str | None) -> None:
        assert store_url(load(source, env={})) == expected

    def test_a_cost_log_that_is_off_is_none(self) -> None:
        tracking = {"enabled": False, "log_path": "costs.log"}
        assert cost_log(load({"cost_tracking": tracking}, env={})) is None


class TestRouterKeys:
    SOURCE = {  # noqa: RUF012
        "default_provider": "openai",
        "routing_strategy": "specified",
        "auto_approve_threshold_usd": "0.5",
        "enable_audit": False,
        "enable_fallback": False,
        "max_retries": 5,
    }

    @pytest.mark.parametrize("source", [SOURCE, {"router": SOURCE}], ids=["top", "router"])
    def test_all_of_them_are_accepted(self, source: dict[str, object]) -> None:
        config = load(source, env={})
        assert config.active_provider == "openai"
        assert config.routing_strategy == "specified"
        assert config.auto_approve_threshold_usd == Decimal("0.5")
        assert not config.cost_tracking.enabled
        assert not config.fallback.enabled
        assert config.fallback.max_retries == 5
        assert not config.rescues
        assert set(self.SOURCE) == set(CLASSIC_KEYS)

    def test_camel_case_is_answered_with_the_name_to_write(self) -> None:
        assert "did you mean auto_approve_threshold_usd?" in refused(
            {"router": {"autoApproveThresholdUSD": 1}}
        )
        assert "defaultProvider: no such key; did you mean default_provider?" in refused(
            {"defaultProvider": "openai"}
        )

    def test_two_keys_for_one_thing_must_agree(self) -> None:
        agree = {"enable_audit": True, "cost_tracking": {"enabled": True}}
        assert load(agree, env={}).cost_tracking.enabled
        text = refused({"router": {"enable_audit": False}, "cost_tracking": {"enabled": True}})
        assert "router.enable_audit: cost_tracking.enabled says something else" in text

    def test_the_strategies_of_older_tools(self) -> None:
        for name in ("cheapest", "fastest", "specified"):
            assert load({"router": {"routing_strategy": name}}).routing_strategy == name

    def test_a_router_that_is_no_section(self) -> None:
        assert "router: expected a mapping" in refused({"router": "openai"})
        assert "router.speed: no such key" in refused({"router": {"speed": 1}})
        assert "fallback: expected a mapping" in refused({"fallback": 3, "enable_fallback": True})


class TestMistakes:
    @pytest.mark.parametrize(
        "source, expected",
        [
            ({"active_modl": "x"}, "active_modl: no such key; did you mean active_model?"),
            (
                {"providers": {"openai": {"fallback_model": []}}},
                "providers.openai.fallback_model: no such key; did you mean fallback_models?",
            ),
            ({"retry": {"max_retries": "three"}}, "retry.max_retries: expected a whole number"),
            ({"retry": {"max_retries": -1}}, "a whole number from 0 to 100, got -1"),
            ({"retry": {"max_retries": 101}}, "retry.max_retries: expected a whole number from 0"),
            ({"fallback": {"max_retries": 10**30}}, "expected a whole number from 0 to 100, got 1"),
            ({"retry": {"max_delay": 1e300}}, "retry.max_delay: expected a number above 0 and at"),
            ({"retry": {"max_retries": True}}, "retry.max_retries: expected a whole number"),
            (
                {"timeouts": {"idle": 0}},
                "timeouts.idle: expected a number above 0 and at most 1,000,000,000, got 0",
            ),
            ({"timeouts": {"total": float("inf")}}, "timeouts.total: expected a number above 0"),
            ({"timeouts": {"first_token": "soon"}}, "timeouts.first_token: expected"),
            ({"stream": {"on_break": "continu"}}, "'continu' is not known here; did you mean"),
            ({"providers": ["openai"]}, "providers: expected a mapping of names, got a list"),
            ({"providers": {"openai": {"models": 3}}}, "providers.openai.models: expected a list"),
            (
                {"providers": {"openai": {"models": [{"context": 1}]}}},
                "providers.openai.models[0]: the key name is missing",
            ),
            (
                {"providers": {"x": {"models": {"m": {"prices": {"input": -1}}}}}},
                "providers.x.models.m.prices.input: expected an amount in USD of at least 0",
            ),
            (
                {"providers": {"x": {"models": {"m": {"prices": {"output": "1e7"}}}}}},
                "providers.x.models.m.prices.output: expected a price of at most 1,000,000 USD",
            ),
            (
                {"providers": {"x": {"models": {"m": {"prices": {"per_request": 1e7}}}}}},
                "expected a price of at most 1,000,000 USD",
            ),
            (
                {"providers": {"x": {"models": {"m": {"prices": {"input": "1e-9"}}}}}},
                "too fine",
            ),
            (
                {"providers": {"x": {"models": {"m": {"prices": {"input": "cheap"}}}}}},
                "expected an amount in USD of at least 0, got text",
            ),
            ({"providers": {"x": {"dialect": "opnai"}}}, "did you mean openai?"),
            ({"providers": {"x": {"quirks": {"max_tokns": "a"}}}}, "did you mean max_tokens?"),
            ({"providers": {"x": {"timeouts": {"conect": 1}}}}, "did you mean connect?"),
            ({"providers": {"x": {"abilities": ["tool"]}}}, "did you mean tools?"),
            ({"providers": {"x": {"headers": {"a b": "c"}}}}, "this is not a header name"),
            ({"store": {"url": "mysql://host/db"}}, "store.url: expected sqlite:///"),
            ({"store": {"url": "https://x.supabase.co"}}, "connection string"),
            ({"store": {"url": "${NOT_THERE}"}}, "store.url: the environment variable NOT_THERE"),
            ({"active_model": "${not a name}"}, "active_model: expected ${NAME}"),
            ({1: 2}, "1: no such key"),
            (["active_provider"], "a path to a YAML file, a mapping or nothing"),
            ("active_provider: openai\n", "give the path of its file"),
        ],
    )
    def test_the_key_path_and_what_is_expected_are_said(
        self, source: object, expected: str
    ) -> None:
        assert expected in refused(source)

    @pytest.mark.parametrize(
        "url",
        ["ftp://x", "api.example.com", "http://", "http://a b/", "http://h:99999", "http://h?q=1"],
    )
    def test_a_bad_address_is_refused(self, url: str) -> None:
        assert "providers.x.base_url: expected an address" in refused(
            {"providers": {"x": {"base_url": url}}}
        )

    def test_all_mistakes_are_told_at_once_with_their_lines(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            "active_modl: a\nretry:\n  max_retries: three\nrouter:\n  enable_fallback: maybe\n"
            "providers:\n  x:\n    models:\n      - a\n      - {name: b, contxt: 3}\n",
        )
        assert refused(path).splitlines() == [
            f"{path} has 4 mistakes:",
            "  line 1: active_modl: no such key; did you mean active_model?",
            "  line 3: retry.max_retries: expected a whole number from 0 to 100, got text",
            "  line 5: router.enable_fallback: expected true or false, got text",
            "  line 10: providers.x.models[1].contxt: no such key; did you mean context?",
        ]

    def test_a_mistake_in_a_model_is_told_by_its_name_and_line(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            "providers:\n  x:\n    models:\n      a:\n      b:\n        contxt: 3\n"
            "      c: {prices: {inptu: 1}}\n",
        )
        assert refused(path).splitlines() == [
            f"{path} has 2 mistakes:",
            "  line 6: providers.x.models.b.contxt: no such key; did you mean context?",
            "  line 7: providers.x.models.c.prices.inptu: no such key; did you mean input?",
        ]


def test_sections_of_a_provider_change_only_what_they_say() -> None:
    config = load(
        {"timeouts": {"idle": 7}, "providers": {"slow": {"timeouts": {"total": "900"}}}}, env={}
    )
    assert config.timeouts_for("slow").total == 900
    assert config.timeouts_for("slow").idle == 7
    assert config.timeouts_for("other").total == 600


def test_a_bare_off_means_off(tmp_path: Path) -> None:
    path = write(tmp_path, "timeouts: {first_token: off}")
    assert load(path, env={}).timeouts.first_token == "off"
    assert load({"timeouts": {"first_token": "4.5"}}, env={}).timeouts.first_token == 4.5


def test_half_an_example_does_not_stay(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # as a disk that is nearly full
    try:
        with pytest.raises(ConfigError, match="cannot write"):
            write_example(tmp_path / "llmo.yaml")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_every_dialect_has_a_room_and_every_room_a_name() -> None:
    rooms = Path(dialects.__file__).parent
    assert {path.parent.name for path in rooms.glob("*/encode.py")} == {*get_args(DialectName)}


def test_classic_ability_words_mean_ours() -> None:
    found = abilities(["text", "functions", "vision", "online-search", "long-context"])
    assert found == {"system", "sampling", "tools", "parallel_tools", "vision", "web_search"}
    settings = (
        load({"providers": {"x": {"models": [{"name": "m", "abilities": ["text"]}, "n"]}}}, env={})
        .providers["x"]
        .models
    )
    assert model_row("x", settings[0]).abilities == frozenset(("system", "sampling"))
    assert model_row("x", settings[1]).abilities is None


@pytest.mark.parametrize("uncommented", [False, True])
def test_the_example_loads_as_it_is_and_with_every_default_written_out(
    tmp_path: Path, uncommented: bool
) -> None:
    write_example(tmp_path / "example.yaml")
    text = (tmp_path / "example.yaml").read_text("utf-8")
    if uncommented:
        body = text.split("\n\n", 1)[1].replace("  # A server of your own", "  ## A server")
        text = "\n".join(
            line.replace("# ", "", 1) if _is_setting(line) else line for line in body.splitlines()
        )
    env = {"DATABASE_URL": "postgresql://localhost/llmo", "OFFICE_API_KEY": "k"}
    config = load(write(tmp_path, text), env=env)
    plain = load({}, env={})
    assert config.retry == plain.retry
    assert config.timeouts == plain.timeouts
    assert config.breaker == plain.breaker
    assert {"openai", "anthropic"} <= set(config.providers)
    assert ("office" in config.providers) == uncommented


def _is_setting(line: str) -> bool:
    stripped = line.strip()
    return stripped.startswith("# ") and (":" in stripped.split()[1] or stripped[2] in " -")
