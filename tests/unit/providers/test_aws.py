"""Signatures for Amazon: botocore's own, for any call; and what is known without asking anybody."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.config import load
from llm_orchestrator.errors import AuthenticationError
from llm_orchestrator.providers import aws
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.secret import Secret

AT = datetime(2026, 11, 20, 7, 28, 5, tzinfo=UTC)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "sk-canary-0123456789"}
REGION = {"AWS_REGION": "us-east-1"}
BEARER = "AWS_BEARER_TOKEN_BEDROCK"

plain = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=20)
segments = (st.text("abcXYZ019-._~", min_size=1, max_size=12) | st.just("us.a%3A0%2Fb%20c")).filter(
    lambda text: text.strip(".")
)  # "." and ".." are no segments
queries = st.lists(st.builds("{}={}".format, plain, plain | st.just("a%2Fb%3D")), max_size=4)
hosts = st.sampled_from(
    ["h.example", "h.example:443", "h.example:80", "127.0.0.1:8080", "[::1]:8080"]
)


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No files and no variables that could lead to credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (*aws._HINTS, *aws._FILES, "AWS_DEFAULT_PROFILE", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def directory(source: dict[str, Any] | None = None, /, **env: str) -> Directory:
    return Directory(load(source, env=env))


def row(source: dict[str, Any] | None = None, /, **env: str) -> Provider:
    return directory(source, **REGION, **env).rows["bedrock"]


# ------------------------------------------------------------------ signatures


@given(
    method=st.sampled_from(["POST", "GET"]),
    scheme=st.sampled_from(["https", "http"]),
    host=hosts,
    path=st.lists(segments, max_size=4),
    query=queries,
    body=st.binary(max_size=50),
    accept=st.none() | plain | st.just(" a   b "),
    token=st.none() | plain,
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
)
def test_they_are_botocores(
    method: str,
    scheme: str,
    host: str,
    path: list[str],
    query: list[str],
    body: bytes,
    accept: str | None,
    token: str | None,
    region: str,
) -> None:
    auth: Any = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = f"{scheme}://{host}/" + "/".join(path) + ("?" + "&".join(query) if query else "")
    headers = {"Content-Type": "application/json"} | ({"Accept": accept} if accept else {})
    keys = aws.Credentials("AKID", Secret("secret"), Secret(token) if token else None)
    ours = aws.signature(HTTPCall(url, body, headers, method), keys, region, AT.timestamp())

    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    signer = auth.SigV4Auth(Credentials("AKID", "secret", token), "bedrock", region)
    request.context["timestamp"] = ours["X-Amz-Date"]
    request.headers["X-Amz-Date"] = ours["X-Amz-Date"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert ours["Authorization"].endswith(f"Signature={signer.signature(text, request)}")
    assert (
        f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(request))},"
        in (ours["Authorization"])
    )


@given(
    method=st.sampled_from(["PUT", "GET"]),
    path=st.lists(segments, min_size=1, max_size=4),
    query=queries,
    token=st.none() | plain,
)
def test_those_for_a_storage_are_botocores_too(
    method: str, path: list[str], query: list[str], token: str | None
) -> None:
    auth: Any = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = "https://s3.example/" + "/".join(path) + ("?" + "&".join(query) if query else "")
    keys = aws.Credentials("AKID", Secret("secret"), Secret(token) if token else None)
    call = HTTPCall(url, b"not signed", {"Content-Type": "application/jsonl"}, method, sign="s3")
    ours = aws.signature(call, keys, "us-east-1", AT.timestamp())

    request = AWSRequest(method=method, url=url, headers=dict(call.headers) | ours)
    del request.headers["Authorization"]
    request.context["timestamp"] = ours["X-Amz-Date"]
    request.context["payload_signing_enabled"] = False
    signer = auth.S3SigV4Auth(Credentials("AKID", "secret", token), "s3", "us-east-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert ours["X-Amz-Content-Sha256"] == "UNSIGNED-PAYLOAD"
    assert ours["Authorization"].endswith(f"Signature={signer.signature(text, request)}")
    assert "/us-east-1/s3/aws4_request" in ours["Authorization"]


async def test_keys_of_the_environment_sign_without_a_library() -> None:
    provider = row(**KEYS, AWS_SESSION_TOKEN="token-0123456789")
    call = HTTPCall(f"{provider.base_url}/model/a%3A0/converse", b"{}")
    proof = await aws.sign(call, provider)
    assert proof["X-Amz-Security-Token"] == "token-0123456789"
    assert proof["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-east-1/bedrock/aws4_request" in proof["Authorization"]
    assert [secret.reveal() for secret in aws.held(provider)] == [
        "sk-canary-0123456789",
        "token-0123456789",
    ]
    assert "canary" not in repr(provider)


def test_no_library_is_loaded_for_them() -> None:
    code = """
import asyncio, sys
sys.modules["botocore"] = None  # importing it would fail
from llm_orchestrator.config import load
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.providers import credentials
from llm_orchestrator.types.http import HTTPCall
env = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
row = Directory(load(None, env=env)).use("bedrock")
headers = asyncio.run(credentials.signed(HTTPCall(row.base_url + "/x"), row))
assert "/eu-west-1/bedrock/" in headers["Authorization"]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ------------------------------------------------------------------ the row


def test_the_region_is_in_the_address() -> None:
    assert row().base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    found = directory(AWS_DEFAULT_REGION="eusc-de-east-1").rows["bedrock"]
    assert found.base_url == "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu"
    source = {"providers": {"bedrock": {"variables": {"region": "eu-west-3"}}}}
    assert ".eu-west-3." in directory(source, **REGION).rows["bedrock"].base_url


def test_without_a_region_it_says_what_to_set() -> None:
    fault = directory(**KEYS).fault("bedrock")
    assert fault is not None
    assert "AWS_REGION" in fault


def test_it_is_used_when_keys_are_there_and_a_region() -> None:
    assert [one.name for one in directory(**KEYS, **REGION).configured()] == ["bedrock"]
    assert directory(**KEYS).configured() == []
    assert directory(**REGION, AWS_BEARER_TOKEN_BEDROCK="key-1").use("aws").name == "bedrock"


async def test_a_row_of_ones_own_finds_its_region_in_the_address() -> None:
    provider = Provider(
        name="mine",
        dialect="bedrock",
        base_url="https://vpce-1a.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com",
        auth="sigv4",
        secrets={"access_key_id": Secret("a"), "secret_access_key": Secret("b")},
    )
    proof = await aws.sign(HTTPCall(provider.base_url + "/x"), provider)
    assert "/ap-southeast-2/bedrock/" in proof["Authorization"]


async def test_without_any_region_nothing_is_signed() -> None:
    provider = Provider(name="mine", dialect="bedrock", base_url="http://h", auth="sigv4")
    with pytest.raises(AuthenticationError, match="AWS_REGION") as caught:
        await aws.sign(HTTPCall("http://h/x"), provider)
    assert caught.value.code == "no_region"


# ------------------------------------------------------------------ faults


def test_half_a_pair_of_keys_is_named() -> None:
    for lone, other in (tuple(KEYS), tuple(reversed(KEYS))):
        fault = aws.fault(row(**{lone: "x"}), named=True)
        assert fault == f"{lone} is set, but {other} is not"


def test_nothing_at_all_is_a_fault_with_what_to_set() -> None:
    fault = aws.fault(row(), named=False)
    assert fault is not None
    for word in (BEARER, "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        assert word in fault


def test_a_machine_of_amazons_counts_only_when_the_provider_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("botocore")
    assert aws.fault(row(), named=True) is None
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert aws.fault(row(), named=True) is not None


@pytest.mark.parametrize("variable", [*aws._HINTS, "AWS_SHARED_CREDENTIALS_FILE"])
def test_hints_of_the_environment_count(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("botocore")
    assert aws.fault(row(), named=False) is not None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    assert aws.fault(row(), named=False) is None


def test_profiles_count() -> None:
    pytest.importorskip("botocore")
    assert aws.fault(row(AWS_PROFILE="work"), named=False) is None
    source = {"providers": {"bedrock": {"variables": {"profile": "work"}}}}
    assert directory(source, **REGION).fault("bedrock") is None


def test_a_profile_that_is_configured_goes_before_keys_in_the_environment() -> None:
    source = {"providers": {"bedrock": {"variables": {"profile": "work"}}}}
    assert aws.held(row(source, **KEYS)) == ()
    assert len(aws.held(row(**KEYS, AWS_PROFILE="work"))) == 1


def test_a_missing_extra_is_named_with_the_way_to_install_it(tmp_path: Path) -> None:
    code = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "botocore" else found(name)
from llm_orchestrator.config import load
from llm_orchestrator.providers.resolve import Directory
print(Directory(load(None, env={"AWS_REGION": "eu-west-1", "AWS_PROFILE": "w"})).fault("bedrock"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    assert "the AWS profile w needs botocore" in done.stdout
    assert "llm-orchestrator[aws]" in done.stdout
