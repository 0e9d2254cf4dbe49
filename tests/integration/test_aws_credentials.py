"""Amazon's credentials from everywhere, fetched once, and calls of Bedrock signed with them."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.errors import AuthenticationError, OrchestratorError
from llm_orchestrator.providers import aws
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.secret import Secret
from tests.integration.aws_world import CONTAINER_TOKEN, REGION, ROLE, Amazon, amazon

pytest.importorskip("botocore")

MODEL = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
HELLO = [{"role": "user", "content": "Please say hello."}]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials anywhere, and none kept from an earlier test."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    aws._kept.clear()
    aws._last.clear()


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Amazon, None]:
    async with amazon() as servers:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", servers.url)
        yield servers


def row(profile: str = "", **secrets: str) -> Provider:
    return Provider(
        name="bedrock",
        dialect="bedrock",
        base_url="http://127.0.0.1",
        auth="sigv4",
        values={"region": REGION} | ({"profile": profile} if profile else {}),
        secrets={name: Secret(text) for name, text in secrets.items()},
    )


async def signer(provider: Provider) -> tuple[str, str | None]:
    """The access key and the session token that a call is signed with."""
    proof = await aws.sign(HTTPCall("http://127.0.0.1/x"), provider)
    assert f"/{REGION}/bedrock/aws4_request" in proof["Authorization"]
    key = proof["Authorization"].partition("Credential=")[2].partition("/")[0]
    return key, proof.get("X-Amz-Security-Token")


def profiles(folder: Path, monkeypatch: pytest.MonkeyPatch, config: str, keys: str = "") -> None:
    """Amazon's two files."""
    for variable, name, text in (
        ("AWS_CONFIG_FILE", "config", config),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", keys),
    ):
        (folder / name).write_text(text)
        monkeypatch.setenv(variable, str(folder / name))


BASE_KEYS = "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = sk-base-0123456789\n"
SSO = """[profile work]
sso_session = s
sso_account_id = 1
sso_role_name = r
[sso-session s]
sso_region = eu-central-1
sso_start_url = https://e.x
"""
ROLE_PROFILE = f"[profile work]\nrole_arn = {ROLE}\nsource_profile = base\n"


# ------------------------------------------------------------------ where they come from


async def test_a_profile_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles(tmp_path, monkeypatch, "", BASE_KEYS)
    assert await signer(row("base")) == ("AKIDBASE", None)
    assert [secret.reveal() for secret in aws.held(row("base"))] == ["sk-base-0123456789"]


async def test_a_profile_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles(tmp_path, monkeypatch, "", BASE_KEYS)
    monkeypatch.setenv("AWS_PROFILE", "base")
    assert await signer(row()) == ("AKIDBASE", None)


async def test_keys_of_the_environment_go_before_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles(tmp_path, monkeypatch, "", BASE_KEYS.replace("base]", "default]"))
    keys = {"access_key_id": "AKIDENV", "secret_access_key": "s"}
    assert (await signer(row(**keys)))[0] == "AKIDENV"
    assert (await signer(row()))[0] == "AKIDBASE"


async def test_a_command_that_prints_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = '{"Version": 1, "AccessKeyId": "AKIDCMD", "SecretAccessKey": "s"}'
    (tmp_path / "printed").write_text(printed)
    config = f"[profile cmd]\ncredential_process = cat {tmp_path}/printed\n"
    profiles(tmp_path, monkeypatch, config)
    assert await signer(row("cmd")) == ("AKIDCMD", None)


async def test_a_role_is_assumed_once_for_all_who_wait(
    world: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles(tmp_path, monkeypatch, ROLE_PROFILE, BASE_KEYS)
    found = await asyncio.gather(*(signer(row("work")) for _ in range(50)))
    assert set(found) == {("AKID1", "token-canary-1-0123456789")}
    assert world.seen == ["AssumeRole"]
    assert (await signer(row("work")))[0] == "AKID1"
    assert world.seen == ["AssumeRole"]


async def test_a_role_by_web_identity(
    world: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("identity-0123456789")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    assert (await signer(row()))[0] == "AKID1"
    assert world.seen == ["AssumeRoleWithWebIdentity"]


async def test_the_role_of_a_container(world: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{world.url}/container")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN)
    assert await signer(row()) == ("AKID1", "token-canary-1-0123456789")
    assert world.seen == ["/container"]


async def test_the_role_of_an_instance(world: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", world.url)
    assert (await signer(row()))[0] == "AKID1"
    assert world.count("/latest/api/token") == 1


# ------------------------------------------------------------------ how long they are kept


async def test_they_are_fetched_again_before_they_expire(
    world: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{world.url}/container")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN)
    world.lifetime = 2
    first, _ = await signer(row())
    await asyncio.sleep(2.1)
    world.lifetime = 3600
    second, _ = await signer(row())
    assert second != first
    assert (await signer(row()))[0] == second


async def test_what_is_forgotten_is_fetched_again(
    world: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles(tmp_path, monkeypatch, ROLE_PROFILE, BASE_KEYS)
    assert (await signer(row("work")))[0] == "AKID1"
    aws.forget(row("work"))
    assert (await signer(row("work")))[0] == "AKID2"
    aws.forget(row("base"))  # nothing is kept for it: fine


# ------------------------------------------------------------------ where there are none


async def refused(provider: Provider) -> str:
    with pytest.raises(AuthenticationError) as caught:
        await aws.sign(HTTPCall("http://127.0.0.1/x"), provider)
    assert (caught.value.provider, caught.value.code) == ("bedrock", "no_credentials")
    return caught.value.message


async def test_nothing_anywhere_says_what_to_set() -> None:
    message = await refused(row())
    assert "AWS_BEARER_TOKEN_BEDROCK" in message
    assert "AWS_PROFILE" in message


@pytest.mark.parametrize(
    "config, words",
    [
        ("", "profile (work) could not be found"),
        ("[profile work]\nrole_arn = x\nsource_profile = nobody\n", "nobody"),
        ("[profile work]\ncredential_process = false\n", "no AWS credentials"),
        ("[profile work]\ncredential_process = echo {\n", "no AWS credentials"),
        ("[profile work]\ncredential_process = /nowhere/at-all\n", "no AWS credentials"),
        ("work]", "no AWS credentials"),
        (SSO, "no AWS credentials"),
    ],
)
async def test_profiles_that_lead_nowhere(
    config: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles(tmp_path, monkeypatch, config)
    assert words in await refused(row("work"))


async def test_a_token_service_that_refuses(
    world: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles(tmp_path, monkeypatch, ROLE_PROFILE, BASE_KEYS)
    world.broken = True
    assert "Not for you." in await refused(row("work"))


async def test_a_file_of_an_identity_that_is_not_there(
    world: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "nothing"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    assert "no AWS credentials" in await refused(row())


async def test_metadata_that_is_not_there(world: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", world.url)
    world.broken = True
    assert "no AWS credentials" in await refused(row())


async def test_a_container_that_refuses(world: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{world.url}/container")
    assert "no AWS credentials" in await refused(row())


# ------------------------------------------------------------------ calls


def configuration(world: Amazon, **variables: str) -> dict[str, Any]:
    section = {"base_url": world.url, "variables": {"region": REGION} | variables}
    return {
        "active_provider": "bedrock",
        "active_model": MODEL,
        "providers": {"bedrock": section},
        "retry": {"base_delay": 0.01, "max_delay": 0.02},
    }


@pytest.fixture
async def llm(
    world: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[AsyncLLMOrchestrator, None]:
    profiles(tmp_path, monkeypatch, ROLE_PROFILE, BASE_KEYS)
    async with AsyncLLMOrchestrator(configuration(world, profile="work")) as orchestrator:
        yield orchestrator


async def test_an_answer(llm: AsyncLLMOrchestrator, world: Amazon) -> None:
    reply = await llm.send_request(HELLO)
    assert (reply.content, reply.provider, reply.request_id) == ("Hello.", "bedrock", "r-1")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 2)
    assert reply.cost is not None
    # The path reaches the wire as it was signed.
    assert world.seen[-1] == f"/model/{MODEL.replace(':', '%3A')}/converse"


async def test_a_streamed_answer(llm: AsyncLLMOrchestrator) -> None:
    text = "".join([str(event) async for event in llm.send_streaming_request(HELLO)])
    assert text == "Hello."


async def test_vectors_counts_and_models(llm: AsyncLLMOrchestrator, world: Amazon) -> None:
    found = await llm.embed("a", model=TITAN)
    assert found.vectors == ((0.5, 1.0),)
    assert found.reply.usage.input_tokens == 3
    assert await llm.count_tokens(HELLO, exact=True) == 12
    models = await llm.refresh_models("bedrock")
    assert [one.id for one in models] == ["amazon.nova-lite-v1:0", "eu.amazon.nova-lite-v1:0"]
    assert world.seen[-1] == "/inference-profiles?maxResults=1000"


async def test_expired_credentials_are_replaced_for_the_next_call(
    llm: AsyncLLMOrchestrator, world: Amazon
) -> None:
    words = "The security token included in the request is expired"
    world.refuse = [(403, "ExpiredTokenException", words)]
    with pytest.raises(OrchestratorError) as caught:
        await llm.send_request(HELLO)
    assert "expired" in str(caught.value)
    assert (await llm.send_request(HELLO)).content == "Hello."
    assert world.count("AssumeRole") == 2


async def test_an_arn_in_the_path(llm: AsyncLLMOrchestrator, world: Amazon) -> None:
    arn = f"arn:aws:bedrock:{REGION}:123456789012:application-inference-profile/ab12cd34ef56"
    assert (await llm.send_request(HELLO, model=arn)).content == "Hello."
    assert "%3Aapplication-inference-profile%2Fab12cd34ef56/" in world.seen[-1]


async def test_a_wrong_signature_shows_no_secret(
    llm: AsyncLLMOrchestrator, world: Amazon, llmo_home: Path
) -> None:
    """The server repeats the session token; neither the error nor the ledger may hold it."""
    await llm.send_request(HELLO)
    world.issued = {name: ("other", token) for name, (_, token) in world.issued.items()}
    with pytest.raises(OrchestratorError) as caught:
        await llm.send_request(HELLO)
    shown = f"{caught.value!r} {caught.value} {caught.value.attempts} {vars(caught.value)}"
    assert "InvalidSignatureException" in shown
    assert "canary" not in shown
    await llm.close()
    with closing(sqlite3.connect(llmo_home / "ledger.db")) as db:
        assert "canary" not in "".join(db.iterdump())


async def test_a_bearer_key_is_sent_as_it_is(
    world: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-0123456789")
    world.refuse = [(403, "AccessDeniedException", "Please make sure your API Key is valid.")]
    async with AsyncLLMOrchestrator(configuration(world)) as orchestrator:
        with pytest.raises(OrchestratorError, match="API key"):
            await orchestrator.send_request(HELLO)
    assert len(world.seen) == 1
