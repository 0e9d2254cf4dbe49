"""Access tokens for Vertex AI: fetched from every source, kept, renewed, and never shown."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.config import load
from llm_orchestrator.providers import credentials, google
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Provider
from tests.integration.google_world import BORROW, METADATA, REFRESH, VERTEX, Google, google_cloud
from tests.unit.transport.raw import NOBODY

CALL = HTTPCall("https://example.com/", b"{}", {"Content-Type": "application/json"})
GENERATE = f"{VERTEX}/gemini-3.8-flash:generateContent"


@pytest.fixture
async def cloud() -> AsyncIterator[Google]:
    async with google_cloud() as found:
        yield found


def section(cloud: Google, path: str) -> dict[str, Any]:
    """The configuration of a Vertex AI at this address, with credentials of this file."""
    variables = {"project": "proj", "location": "us-central1", "credentials": path}
    vertex = {"base_url": f"{cloud.url}/v1beta1", "variables": variables}
    return {
        "active_provider": "vertex",
        "providers": {"vertex": vertex},
        "fallback": {"enabled": False},
        "retry": {"base_delay": 0.01, "max_delay": 0.02},
    }


def vertex(cloud: Google, path: str) -> Provider:
    return Directory(load(section(cloud, path), env={})).use("vertex")


# ------------------------------------------------------------------ sources


async def test_a_service_account_signs_for_one_token_that_all_calls_share(
    cloud: Google, tmp_path: Path
) -> None:
    row = vertex(cloud, cloud.service_account(tmp_path / "key.json"))
    found = await asyncio.gather(*(credentials.signed(CALL, row) for _ in range(40)))
    (token,) = cloud.tokens
    expected = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    assert found == [expected] * 40
    assert cloud.count("/token") == 1
    assert [secret.reveal() for secret in google.held(row)] == [token]


async def test_a_user_of_gcloud_pays_with_the_project_that_was_set(
    cloud: Google, tmp_path: Path
) -> None:
    row = vertex(cloud, cloud.user(tmp_path / "adc.json"))
    headers = await credentials.signed(CALL, row)
    assert headers["Authorization"] == f"Bearer {cloud.tokens[-1]}"
    assert headers["x-goog-user-project"] == "payer"


def test_a_google_account_of_gcloud_is_read(cloud: Google, tmp_path: Path) -> None:
    """Its token endpoint is Google's own, always."""
    found = google._from_file(cloud.user(tmp_path / "adc.json", "authorized_user"))
    assert (found.refresh_token, found.quota_project_id) == (REFRESH, "payer")
    assert found.scopes == ["https://www.googleapis.com/auth/cloud-platform"]


async def test_workload_identity_exchanges_a_token_of_another_house(
    cloud: Google, tmp_path: Path
) -> None:
    row = vertex(cloud, cloud.workload(tmp_path / "pool.json"))
    headers = await credentials.signed(CALL, row)
    assert headers["Authorization"] == "Bearer ya29.borrowed-canary-0001"
    assert cloud.seen == ["/sts", BORROW]


async def test_the_file_that_gcloud_writes_is_found(
    cloud: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.user(tmp_path / "application_default_credentials.json")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    env = {"GOOGLE_CLOUD_PROJECT": "proj"}
    (row,) = Directory(load(None, env=env)).configured()
    assert row.name == "vertex"
    assert (await credentials.signed(CALL, row))["Authorization"].startswith("Bearer ya29.user")


METADATA_SCRIPT = """
import asyncio
from llm_orchestrator.config import load
from llm_orchestrator.providers import credentials
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.types.http import HTTPCall

(row,) = Directory(load(None)).configured()
print((asyncio.run(credentials.signed(HTTPCall("https://e.x/"), row)))["Authorization"])
"""


async def test_the_metadata_server_of_the_machine(cloud: Google, tmp_path: Path) -> None:
    """In a process of its own: the address of the metadata server is read once, at import."""
    address = cloud.url.removeprefix("http://")
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", METADATA_SCRIPT),
        env=os.environ
        | {
            "GOOGLE_CLOUD_PROJECT": "proj",
            "GCE_METADATA_HOST": address,
            "GCE_METADATA_IP": address,
            "CLOUDSDK_CONFIG": str(tmp_path),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(done.communicate(), 60)
    assert out.decode().strip() == "Bearer ya29.machine-canary-0001", err.decode()
    assert any(path.startswith(f"{METADATA}/instance") for path in cloud.seen)


# ------------------------------------------------------------------ keeping and renewing


async def test_calls_carry_the_token_and_a_refused_one_is_renewed(
    cloud: Google, tmp_path: Path
) -> None:
    config = section(cloud, cloud.service_account(tmp_path / "key.json"))
    async with AsyncLLMOrchestrator(config) as llm:
        assert (await llm.send_request("Hi")).content == "Hello"
        assert (await llm.send_request("Hi")).content == "Hello"
        assert cloud.count("/token") == 1
        cloud.revoked.update(cloud.tokens)
        with pytest.raises(E.AuthenticationError):
            await llm.send_request("Hi")
        assert (await llm.send_request("Hi")).content == "Hello"
    assert cloud.count("/token") == 2
    assert cloud.count(GENERATE) == 4
    assert [one["Authorization"][-4:] for one in cloud.headers] == ["0001"] * 3 + ["0002"]


async def test_an_expired_token_is_not_used(cloud: Google, tmp_path: Path) -> None:
    cloud.lifetime = -1
    row = vertex(cloud, cloud.service_account(tmp_path / "key.json"))
    first, second = [(await credentials.signed(CALL, row))["Authorization"] for _ in range(2)]
    assert first != second


async def test_a_key_in_the_configuration_is_sent_as_it_is(cloud: Google) -> None:
    config = section(cloud, "")
    config["providers"]["vertex"]["api_key"] = cloud.issue("given")
    async with AsyncLLMOrchestrator(config) as llm:
        assert (await llm.send_request("Hi")).content == "Hello"
    assert cloud.seen == [GENERATE]


# ------------------------------------------------------------------ failures


async def test_a_refused_account_says_why_and_what_to_do(cloud: Google, tmp_path: Path) -> None:
    words = "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe."
    cloud.error = (400, {"error": "invalid_grant", "error_description": words})
    config = section(cloud, cloud.service_account(tmp_path / "key.json"))
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(E.AuthenticationError) as caught:
            await llm.send_request("Hi")
    assert caught.value.code == "no_credentials"
    assert caught.value.provider == "vertex"
    for part in ("invalid_grant", "clock right?", "gcloud auth application-default login"):
        assert part in caught.value.message
    assert cloud.count(GENERATE) == 0


async def test_a_token_endpoint_that_is_not_there_is_a_connection_error(
    cloud: Google, tmp_path: Path
) -> None:
    cloud.url, there = NOBODY, cloud.url
    path = cloud.service_account(tmp_path / "key.json")
    cloud.url = there
    with pytest.raises(E.APIConnectionError, match="no access token from Google") as caught:
        await credentials.signed(CALL, vertex(cloud, path))
    assert caught.value.code == "no_token"


@pytest.mark.parametrize(
    "content,words",
    [
        ("{", "no access token"),
        ("[]", "is of type None"),
        ('{"type": "gdch"}', "is of type gdch; expected one of service_account"),
        ('{"type": "service_account"}', "no access token"),
        ('{"type": "external_account", "credential_source": 3}', "no access token"),
    ],
)
async def test_files_that_hold_no_credentials(
    cloud: Google, tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "key.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(E.AuthenticationError, match=words):
        await credentials.signed(CALL, vertex(cloud, str(path)))


def test_a_missing_file_is_told_before_any_call(cloud: Google, tmp_path: Path) -> None:
    with pytest.raises(E.ConfigError, match="no credentials file at"):
        vertex(cloud, str(tmp_path / "nothing.json"))


def test_a_project_alone_makes_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    env = {"GOOGLE_CLOUD_PROJECT": "proj"}
    found = Directory(load(None, env=env))
    assert found.configured() == []
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(found.fault("vertex"))
    # Named in the configuration, the machine's own may be meant: only a call can tell.
    assert Directory(load({"providers": {"vertex": {}}}, env=env)).fault("vertex") is None


async def test_a_token_that_is_echoed_is_not_shown(cloud: Google, tmp_path: Path) -> None:
    cloud.echo = True
    config = section(cloud, cloud.service_account(tmp_path / "key.json"))
    async with AsyncLLMOrchestrator(config) as llm:
        await llm.send_request("Hi")
        cloud.revoked.update(cloud.tokens)
        with pytest.raises(E.AuthenticationError) as caught:
            await llm.send_request("Hi")
    assert "The token *** is bad" in caught.value.message
    assert "canary" not in repr(caught.value.__dict__)
