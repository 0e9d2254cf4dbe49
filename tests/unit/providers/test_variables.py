"""Regions, projects and the like in the addresses of rows."""

from typing import Any

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.providers.variables import filled, missing
from llm_orchestrator.types.provider import Provider, Quirks, Variable

ROW = Provider(
    name="p",
    dialect="gemini",
    base_url="https://{place}.example.com/v1",
    variables={
        "place": Variable(
            env=("PLACE", "OTHER_PLACE"), addresses={"all": "https://example.com/v1"}
        ),
        "size": Variable(default="big"),
        "word": Variable(env=("WORD",), needed=False, secret=True),
    },
    quirks=Quirks(chat_path="/{place}/{size}/{model}:{method}", models_path="/x"),
)


def made(given: dict[str, str] | None = None, **env: str) -> Provider:
    return filled(ROW, given or {}, load(None, env=env).env, "llmo.yaml")


def test_braces_are_filled_and_those_of_others_stay() -> None:
    row = made(PLACE="here")
    assert row.base_url == "https://here.example.com/v1"
    assert row.quirks == Quirks(chat_path="/here/big/{model}:{method}", models_path="/x")
    assert row.values == {"place": "here", "size": "big"}


def test_the_configuration_wins_over_the_environment_and_that_over_defaults() -> None:
    assert made({"place": "a", "size": "small"}, PLACE="b").values == {
        "place": "a",
        "size": "small",
    }
    assert made(OTHER_PLACE="c").values["place"] == "c"
    assert made(PLACE="b", OTHER_PLACE="c").values["place"] == "b"


def test_values_that_do_not_follow_the_rule() -> None:
    row = made({"place": "all"})
    assert (row.base_url, row.quirks.chat_path) == (
        "https://example.com/v1",
        "/all/big/{model}:{method}",
    )


def test_secrets_come_from_the_environment_alone_and_are_not_shown() -> None:
    row = made(WORD="canary")
    assert row.secrets["word"].reveal() == "canary"
    assert "word" not in row.values
    assert "canary" not in repr(row)
    with pytest.raises(ConfigError, match="variables has word; there are: place, size"):
        made({"word": "x"})


def test_what_is_missing_is_named() -> None:
    assert missing(made()) == "no place: set PLACE or OTHER_PLACE, or providers.p.variables.place"
    assert missing(made(PLACE="x")) is None


# ------------------------------------------------------------------ Vertex AI


def vertex(section: dict[str, Any], **env: str) -> Provider:
    return Directory(load({"providers": {"vertex": section}}, env=env)).use("vertex")


@pytest.mark.parametrize(
    "location,host",
    [
        ("", "aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_hosts_of_locations(location: str, host: str) -> None:
    env = {"GOOGLE_CLOUD_PROJECT": "proj"} | (
        {"GOOGLE_CLOUD_LOCATION": location} if location else {}
    )
    row = vertex({}, **env)
    assert row.base_url == f"https://{host}/v1beta1"
    assert row.quirks.chat_path.startswith(f"/projects/proj/locations/{location or 'global'}/")


def test_an_address_of_its_own_keeps_project_and_location() -> None:
    variables = {"project": "p", "location": "eu"}
    row = vertex({"base_url": "http://127.0.0.1:9/v1", "variables": variables})
    assert row.base_url == "http://127.0.0.1:9/v1"
    assert row.quirks.chat_path.startswith("/projects/p/locations/eu/")


def test_without_a_project_it_cannot_be_asked() -> None:
    with pytest.raises(ConfigError, match="set GOOGLE_CLOUD_PROJECT, or providers"):
        vertex({})
    with pytest.raises(ConfigError, match="has region; there are: project"):
        vertex({"variables": {"region": "x"}})
