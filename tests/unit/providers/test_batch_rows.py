"""How providers take batches: rows of the table, and what a configuration says of it."""

from typing import Any, get_args

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.dialects.batch import BatchDialect, dialect
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.providers.batches import BATCHES
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.batch import BatchFile, BatchOrder, BatchWire, BatchWireName

ORDER = BatchOrder(
    tag="j1", file=BatchFile(path="p", size=1, count=1, name="j1.jsonl"), file_id="file-1"
)


def row(name: str, settings: dict[str, Any], **env: str) -> Any:
    return Directory(load({"providers": {name: settings}}, env=env)).rows[name]


@pytest.mark.parametrize("name", TABLE)
def test_a_row_with_batches_has_a_room_with_every_function(name: str) -> None:
    wire = TABLE[name].batch
    assert (wire is not None) is (name in BATCHES)
    if wire is not None:
        found = dialect(TABLE[name])
        wanted = {word for word in vars(BatchDialect) if not word.startswith("_")}
        assert wanted == {word for word in wanted if callable(getattr(found, word, None))}
        assert wire.endpoints
        assert wire.windows == tuple(sorted(wire.windows))


def test_every_wire_is_that_of_some_row() -> None:
    assert {wire.wire for wire in BATCHES.values()} == set(get_args(BatchWireName))


@pytest.mark.parametrize(
    ("tag", "mark", "idempotent"),
    [
        ("metadata", "j1", False),
        ("display_name", "j1", False),
        ("name", "j1", False),
        ("client_token", "j1", True),
        ("idempotency_key", "j1", True),
        ("file", "file-1", False),
        ("none", None, False),
    ],
)
def test_marks(tag: Any, mark: str | None, *, idempotent: bool) -> None:
    wire = BatchWire(tag=tag)
    assert (wire.mark(ORDER), wire.idempotent) == (mark, idempotent)


@pytest.mark.parametrize(
    ("hours", "window"), [(1, 24), (24, 24), (30, 24), (48, 48), (100, 48), (999, 48)]
)
def test_windows(hours: int, window: int) -> None:
    assert BatchWire(windows=(24, 48)).window(hours) == window


def test_a_configuration_changes_how_a_provider_takes_batches() -> None:
    limits = {"requests": 10, "size": 1000}
    found = row("groq", {"api_key": "k", "batch": {"limits": limits, "page": 20, "tag": "none"}})
    assert (found.batch.limits.requests, found.batch.limits.size) == (10, 1000)
    assert (found.batch.page, found.batch.tag) == (20, "none")
    assert found.batch.endpoints == BATCHES["groq"].endpoints
    own = {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1"}
    assert row("mine", own).batch is None
    assert row("mine", own | {"batch": {}}).batch.endpoints["openai"] == "/v1/chat/completions"
    with pytest.raises(ConfigError, match="mistral"):
        row("mine", own | {"batch": {"wire": "mistrl"}})


def test_addresses_and_buckets_of_an_account() -> None:
    place = {"project": "p", "location": "us-central1", "bucket": "rows"}
    found = row("vertex", {"variables": place})
    assert found.batch.path == "/projects/p/locations/us-central1/batchPredictionJobs"
    assert found.values["bucket"] == "rows"
    found = row("bedrock", {}, AWS_REGION="eu-west-1", BEDROCK_BATCH_BUCKET="b")
    assert found.values["bucket"] == "b"


def test_who_keeps_what_is_done() -> None:
    """By it a late batch is given up, or waited for."""
    assert [name for name, wire in BATCHES.items() if not wire.keeps] == ["gemini"]
    assert [name for name, wire in BATCHES.items() if not wire.cancels] == ["openrouter"]
