"""Amazon's credentials and signatures (Signature Version 4, services ``bedrock`` and ``s3``).

Keys in the environment are signed with as they are. Everything else (profiles, roles, single
sign-on, containers, instances) is found by botocore, the extra ``aws``: imported on first use, in
a thread, and kept until shortly before it expires.
"""

import hmac
import math
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from time import gmtime, strftime, time
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from llm_orchestrator.errors import AuthenticationError
from llm_orchestrator.providers.expiring import Expiring
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.secret import Secret

INSTALL = "python -m pip install 'llm-orchestrator[aws]'"

_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "bedrock"
_UNSIGNED = "UNSIGNED-PAYLOAD"
"""In place of the sum of a body that is a large file."""
_PORTS = {"http": ":80", "https": ":443"}
_SPACES = re.compile(r"\s+")
_REGION = re.compile(r"[.-]([a-z]{2,4}(?:-[a-z]+){1,2}-\d)(?=[./:]|$)")
_NO_KEY = (
    "set AWS_BEARER_TOKEN_BEDROCK (a Bedrock API key), AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
)
_HINTS = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": "a role by web identity",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "the role of a container",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "the role of a container",
}
_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}


class Credentials(msgspec.Struct, frozen=True, gc=False):
    """An access key, its secret and, where it is temporary, the token that belongs to it."""

    access_key: str
    secret: Secret
    token: Secret | None = None


_kept: dict[tuple[str, str], Expiring[Credentials]] = {}
"""What botocore found, by profile and region."""
_last: dict[tuple[str, str], Credentials] = {}
"""The same, for blanking: readable without waiting."""


async def sign(call: HTTPCall, provider: Provider) -> Mapping[str, str]:
    """The headers that sign the call now; raises `AuthenticationError` without credentials."""
    region = _region(provider)
    if not region:
        place = f"set AWS_REGION, or providers.{provider.name}.variables.region"
        raise AuthenticationError(
            f"no AWS region: {place}", provider=provider.name, code="no_region"
        )
    credentials = _own(provider) or await _found(provider).get()
    return signature(call, credentials, region, time())


def fault(provider: Provider, *, named: bool) -> str | None:
    """Why there can be no credentials here; ``None`` if there may be. Looks at files, no more."""
    access, secret = (provider.secrets.get(name) for name in ("access_key_id", "secret_access_key"))
    if "profile" not in provider.values and bool(access) != bool(secret):
        lone, other = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
        if secret:
            lone, other = other, lone
        return f"{lone} is set, but {other} is not"
    if _own(provider) is not None:
        return None
    hint = _hint(provider)
    if hint is None and (not named or os.environ.get("AWS_EC2_METADATA_DISABLED") == "true"):
        return f"no AWS credentials: {_NO_KEY}"
    if find_spec("botocore") is None:
        return f"{hint or 'the role of an instance'} needs botocore: {INSTALL}; or {_NO_KEY}"
    return None


def forget(provider: Provider) -> None:
    """The service refused the credentials: ask botocore again for the next call."""
    if (kept := _kept.get(_place(provider))) is not None:
        kept.forget()


def held(provider: Provider) -> Sequence[Secret]:
    """The secret key and the session token that its calls are signed with."""
    credentials = _own(provider) or _last.get(_place(provider))
    if credentials is None:
        return ()
    return (credentials.secret,) + ((credentials.token,) if credentials.token else ())


def signature(call: HTTPCall, credentials: Credentials, region: str, at: float) -> dict[str, str]:
    """The headers that sign a call: ``Authorization``, ``X-Amz-Date`` and the session's token.

    All headers of the call are signed. ``at`` is in seconds since 1970; the address must be
    percent-encoded already. Its path is encoded once more, as the service wants it; for ``s3`` it
    is not, and the body is left out of the signature.
    """
    service = call.sign or _SERVICE
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(at))
    out = {"X-Amz-Date": stamp}
    if credentials.token is not None:
        out["X-Amz-Security-Token"] = credentials.token.reveal()
    address = urlsplit(call.url)
    path = address.path or "/"
    if service == _SERVICE:
        path, sum_of_body = quote(path, safe="/~"), sha256(call.body).hexdigest()
    else:
        out["X-Amz-Content-Sha256"] = sum_of_body = _UNSIGNED
    host = address.netloc.rpartition("@")[2].lower()
    host = host.removesuffix(_PORTS.get(address.scheme, " "))
    headers = {
        name.lower(): _SPACES.sub(" ", value.strip())
        for name, value in {**call.headers, **out, "host": host}.items()
    }
    names = sorted(headers)
    signed = ";".join(names)
    canonical = "\n".join(
        (
            call.method,
            path,
            "&".join(sorted(address.query.split("&"))),
            *(f"{name}:{headers[name]}" for name in names),
            "",
            signed,
            sum_of_body,
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, sha256(canonical.encode()).hexdigest()))
    key = _signing_key(credentials.secret, stamp[:8], region, service)
    found = hmac.new(key, text.encode(), sha256).hexdigest()
    out["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={signed}, Signature={found}"
    )
    return out


@lru_cache(maxsize=8)
def _signing_key(secret: Secret, day: str, region: str, service: str) -> bytes:
    """The key of a day, a region and a service, made from the secret."""
    key = f"AWS4{secret.reveal()}".encode()
    for step in (day, region, service, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return key


def _own(provider: Provider) -> Credentials | None:
    """The keys of the environment, unless the configuration names a profile."""
    if "profile" in provider.values:
        return None
    secrets = provider.secrets
    access, secret = secrets.get("access_key_id"), secrets.get("secret_access_key")
    if access is None or secret is None:
        return None
    return Credentials(access.reveal(), secret, secrets.get("session_token"))


def _region(provider: Provider) -> str:
    """The region: as configured, or as the address of a row of the user's own has it."""
    found = provider.values.get("region", "")
    if not found and (match := _REGION.search(provider.base_url)):
        found = match[1]
    return found


def _place(provider: Provider) -> tuple[str, str]:
    return _profile(provider), _region(provider)


def _profile(provider: Provider) -> str:
    """The profile to be asked for; botocore sees those of the process's environment by itself."""
    values = provider.values
    if "AWS_PROFILE" in os.environ or "AWS_DEFAULT_PROFILE" in os.environ:
        return values.get("profile", "")
    return values.get("profile") or values.get("default_profile", "")


def _found(provider: Provider) -> Expiring[Credentials]:
    place = _place(provider)
    kept = _kept.get(place)
    if kept is None:
        # Two threads may both make one: `setdefault` lets one of them win.
        kept = _kept.setdefault(place, Expiring(partial(_fetch, place, provider.name)))
    return kept


def _hint(provider: Provider) -> str | None:
    """What says that there are credentials, without asking anybody."""
    values = provider.values
    if profile := values.get("profile") or values.get("default_profile"):
        return f"the AWS profile {profile}"
    for variable, what in _HINTS.items():
        if os.environ.get(variable):
            return what
    for variable, usual in _FILES.items():
        path = Path(os.environ.get(variable) or usual).expanduser()
        if path.is_file():
            return f"the AWS profile of {path}"
    return None


def _fetch(place: tuple[str, str], provider: str) -> tuple[Credentials, float]:
    """Ask botocore, which may ask files, a token service or a metadata server. Blocks."""
    profile, region = place
    try:
        import botocore.session
        from botocore.config import Config
    except ImportError:
        raise _no_credentials(f"botocore is missing: {INSTALL}", provider) from None
    limits = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
    try:
        session = botocore.session.Session(profile=profile or None)
        session.set_config_variable("region", region)
        session.set_default_client_config(limits)
        source = session.get_credentials()
        frozen = source.get_frozen_credentials() if source is not None else None
    except Exception as error:  # noqa: BLE001 - sources run files and commands of any kind
        why = str(error) or type(error).__name__
        raise _no_credentials(f"no AWS credentials: {why}", provider) from None
    if source is None or frozen is None or not frozen.access_key or not frozen.secret_key:
        raise _no_credentials(f"no AWS credentials found: {_NO_KEY}", provider)
    token = Secret(frozen.token) if frozen.token else None
    found = Credentials(frozen.access_key, Secret(frozen.secret_key), token)
    _last[place] = found
    return found, _expiry(source)


def _expiry(source: Any) -> float:
    """When botocore's credentials expire, in seconds since 1970; those of files never do."""
    # Not public, but the only place: the public methods refresh at times of their own.
    expires = getattr(source, "_expiry_time", None)
    return math.inf if expires is None else float(expires.timestamp())


def _no_credentials(message: str, provider: str) -> AuthenticationError:
    return AuthenticationError(message, provider=provider, code="no_credentials")
