"""Accounts, places and clocks that a provider refuses: what it was, and what to do about it."""

import socket
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.simulator import Simulator
from tests.conformance.rows import ROWS
from tests.integration.world import HELLO, KEY
from tests.unit.transport.raw import Exchange, raw

MODEL = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
SECTIONS: dict[str, dict[str, Any]] = {
    "bedrock": {"variables": {"region": "eu-central-1"}},
    "vertex": {"variables": {"project": "proj", "location": "europe-west1"}},
}
Answer = Callable[[Exchange], Awaitable[None]]


def amazon(name: str, words: str, status: int = 403, **headers: str) -> Answer:
    """A refusal of Bedrock, as its service writes it."""

    async def answer(seen: Exchange) -> None:
        kind = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
        body = f'{{"message": "{words}"}}'.encode()
        await seen.reply(status, body, x_amzn_ErrorType=kind, **headers)

    return answer


def google(status: int, word: str, words: str, reason: str = "") -> Answer:
    """A refusal of one of Google's APIs."""
    details = f', "details": [{{"@type": "x", "reason": "{reason}"}}]' if reason else ""
    body = f'{{"error": {{"code": {status}, "status": "{word}", "message": "{words}"{details}}}}}'
    return plain(status, body)


def plain(status: int, body: str) -> Answer:
    async def answer(seen: Exchange) -> None:
        await seen.reply(status, body.encode(), Content_Type="application/json")

    return answer


def openai(status: int, code: str, words: str) -> Answer:
    return plain(status, f'{{"error": {{"message": "{words}", "type": "x", "code": "{code}"}}}}')


async def refused(provider: str, answer: Answer, **section: Any) -> E.OrchestratorError:
    """What a call raises at a provider that answers so; the same for a stream."""
    async with raw(answer) as server:
        row = {"api_key": KEY, "base_url": server.url} | SECTIONS.get(provider, {}) | section
        model = {"bedrock": MODEL, "azure": "my-deployment"}.get(provider)
        config = {
            "active_provider": provider,
            "active_model": model,
            "providers": {provider: row},
            "retry": {"max_retries": 0},
        }
        async with AsyncLLMOrchestrator(config) as llm:
            with pytest.raises(E.OrchestratorError) as caught:
                await llm.send_request(HELLO)
            with pytest.raises(type(caught.value)) as streamed:
                async for _ in llm.send_streaming_request(HELLO):
                    pass
    assert str(streamed.value) == str(caught.value)
    assert KEY not in str(caught.value)
    return caught.value


WRONG_REGION = [
    (
        "bedrock",
        amazon(
            "InvalidSignatureException", "Credential should be scoped to a valid region, not 'x'. "
        ),
        E.AuthenticationError,
        "is AWS_REGION the region of base_url?",
    ),
    (
        "bedrock",
        amazon("ValidationException", "The provided model identifier is invalid.", 400),
        E.ModelNotFoundError,
        "what eu-central-1 has, or set AWS_REGION to a region that has it",
    ),
    (
        "bedrock",
        amazon(
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        ),
        E.PermissionDeniedError,
        "ask for access in the Bedrock console for eu-central-1, or set AWS_REGION",
    ),
    (
        "bedrock",
        amazon(
            "ValidationException",
            "Access to Anthropic models is not allowed from unsupported countries, regions, or "
            "territories.",
            400,
        ),
        E.PermissionDeniedError,
        "use another maker's model",
    ),
    (
        "vertex",
        google(404, "NOT_FOUND", "Publisher Model x was not found."),
        E.ModelNotFoundError,
        "not every model is served in europe-west1: providers.vertex.variables.location",
    ),
    (
        "gemini",
        google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        E.PermissionDeniedError,
        "not offered where you are: another provider may serve the same model",
    ),
    (
        "openai",
        openai(403, "unsupported_country_region_territory", "Country not supported"),
        E.PermissionDeniedError,
        "not offered where you are: another provider may serve the same model",
    ),
    (
        "openai",
        openai(401, "incorrect_hostname", "Use https://eu.api.openai.com"),
        E.PermissionDeniedError,
        "set base_url to the address of the region",
    ),
    (
        "anthropic",
        plain(403, '{"error": {"type": "forbidden", "message": "Request not allowed"}}'),
        E.PermissionDeniedError,
        "refuses the country or network that you are in",
    ),
    (
        "azure",
        openai(404, "DeploymentNotFound", "The API deployment does not exist."),
        E.ModelNotFoundError,
        "the name of a deployment in the resource that base_url names",
    ),
]


@pytest.mark.parametrize("provider, answer, kind, advice", WRONG_REGION)
async def test_a_wrong_region(
    provider: str, answer: Answer, kind: type[E.OrchestratorError], advice: str
) -> None:
    error = await refused(provider, answer)
    assert type(error) is kind
    assert error.failover, "somebody else may be asked"
    assert advice in error.message


async def test_a_region_that_there_is_none_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # No test may ask a real name server; this is the system's word for a name that is not there.
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    config = {
        "active_provider": "bedrock",
        "active_model": MODEL,
        "providers": {"bedrock": {"api_key": KEY, "variables": {"region": "eu-centrl-1"}}},
        "retry": {"max_retries": 0},
    }
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(E.APIConnectionError) as caught:
            await llm.send_request(HELLO)
    assert "bedrock-runtime.eu-centrl-1.amazonaws.com cannot be resolved" in caught.value.message
    assert "is base_url right, also the region in it" in caught.value.message


PROFILE = (
    "Invocation of model ID anthropic.claude-haiku-4-5-20251001-v1:0 with on-demand throughput "
    "isn\N{RIGHT SINGLE QUOTATION MARK}t supported. Retry your request with the ID or ARN of an "
    "inference profile that contains this model."
)


async def test_a_model_that_needs_an_inference_profile() -> None:
    error = await refused("bedrock", amazon("ValidationException", PROFILE, 400))
    assert isinstance(error, E.ModelNotFoundError)
    assert error.suggestions == (MODEL, MODEL.replace("eu.", "global."))
    assert f"such as {MODEL} or global." in error.message


EXPIRED = [
    (
        "bedrock",
        amazon("ExpiredTokenException", "The security token included in the request is expired"),
        "the credentials have expired: get new ones (aws sso login",
    ),
    (
        "vertex",
        google(401, "UNAUTHENTICATED", "Invalid credentials.", "ACCESS_TOKEN_EXPIRED"),
        "`gcloud auth print-access-token` prints a new one",
    ),
    (
        "gemini",
        google(400, "INVALID_ARGUMENT", "API key expired.", "API_KEY_EXPIRED"),
        "check the key in GEMINI_API_KEY or GOOGLE_API_KEY or providers.gemini.api_key",
    ),
    (
        "anthropic",
        plain(401, '{"error": {"type": "authentication_error", "message": "invalid x-api-key"}}'),
        "invalid x-api-key; check the key in ANTHROPIC_API_KEY or providers.anthropic.api_key",
    ),
    ("groq", openai(401, "invalid_api_key", "Invalid API Key"), "check the key in GROQ_API_KEY"),
    ("cohere", plain(498, '{"message": "invalid token"}'), "check the key in COHERE_API_KEY"),
    ("mistral", plain(401, '{"detail": "Unauthorized"}'), "check the key in MISTRAL_API_KEY"),
    ("openrouter", plain(401, ""), "status 401 and no message; check the key in OPENROUTER"),
]


@pytest.mark.parametrize("provider, answer, advice", EXPIRED)
async def test_an_expired_token(provider: str, answer: Answer, advice: str) -> None:
    error = await refused(provider, answer)
    assert type(error) is E.AuthenticationError
    assert advice in error.message
    assert not error.retryable


@pytest.mark.parametrize("skew, words", [(3600, "s slow: set it"), (-3600, "s fast: set it")])
async def test_a_clock_that_is_off(skew: int, words: str) -> None:
    """The service tells its own time, so the error tells by how much ours is off."""
    date = formatdate(time.time() + skew, usegmt=True)
    answer = amazon("InvalidSignatureException", "Signature expired: 2026 is earlier", Date=date)
    error = await refused("bedrock", answer)
    assert type(error) is E.AuthenticationError
    assert f"{words}" in error.message
    assert "this machine's clock is 3" in error.message
    assert "check the key" not in error.message


BILLING = [
    (
        "bedrock",
        amazon(
            "AccessDeniedException",
            "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument "
            "must be provided.",
        ),
        "add a valid payment method in the AWS billing console",
    ),
    (
        "vertex",
        google(
            403,
            "PERMISSION_DENIED",
            "This API method requires billing to be enabled. Please enable billing on project #1.",
            "BILLING_DISABLED",
        ),
        "enable billing on project",
    ),
    (
        "openai",
        openai(429, "billing_not_active", "Your account is not active."),
        "add a payment method on the provider's billing page",
    ),
    (
        "anthropic",
        plain(
            400,
            '{"error": {"type": "invalid_request_error", "message": "Your credit balance is too '
            'low to access the API. Please go to Plans & Billing."}}',
        ),
        "go to Plans & Billing",
    ),
    ("mistral", plain(402, '{"message": "Payment required"}'), "credit or a payment method"),
    ("deepinfra", plain(402, '{"detail": {"error": "balance"}}'), "credit or a payment method"),
    ("cohere", plain(402, '{"message": "no"}'), "credit or a payment method"),
]


@pytest.mark.parametrize("provider, answer, advice", BILLING)
async def test_a_project_without_billing(provider: str, answer: Answer, advice: str) -> None:
    error = await refused(provider, answer)
    assert type(error) is E.QuotaExhaustedError
    assert not error.retryable, "waiting does not help"
    assert advice in error.message


# ------------------------------------------------------------------ the same by the simulator


@pytest.mark.parametrize(
    "provider, model, variables, kind, advice",
    [
        ("bedrock", "sim-profile", {}, E.ModelNotFoundError, "such as us.sim-profile or global."),
        ("bedrock", "sim-denied", {}, E.PermissionDeniedError, "ask for access in the Bedrock"),
        ("bedrock", "sim-only-eu-west-1", {}, E.ModelNotFoundError, "or set AWS_REGION"),
        ("vertex", "sim-only-eu", {}, E.ModelNotFoundError, "not every model is served in"),
        (
            "vertex",
            "gemini-2.5-pro",
            {"project": "proj-without-billing"},
            E.QuotaExhaustedError,
            "enable billing",
        ),
    ],
)
async def test_places_and_accounts_of_the_simulator(
    provider: str,
    model: str,
    variables: dict[str, str],
    kind: type[E.OrchestratorError],
    advice: str,
    sim: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = ROWS[provider]
    for name, value in row.env.items():
        monkeypatch.setenv(name, value)
    section = row.section(sim.url, row.key)
    section["variables"] = {**row.variables, **variables}
    config = {"active_provider": provider, "providers": {provider: section}}
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(kind) as caught:
            await llm.send_request(HELLO, model=f"{provider}/{model}")
    assert advice in caught.value.message


async def test_a_session_that_has_expired_at_the_simulator(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ROWS["bedrock"]
    for name, value in row.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "expired-yesterday-0123456789")
    config = {"active_provider": "bedrock", "providers": {"bedrock": row.section(sim.url, None)}}
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(E.AuthenticationError, match="aws sso login") as caught:
            await llm.send_request(HELLO)
    assert "yesterday" not in str(vars(caught.value))
