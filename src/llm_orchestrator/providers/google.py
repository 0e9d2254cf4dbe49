"""Access tokens for Google Cloud: service accounts, users of gcloud, workload identity, metadata.

Where they come from: the file of ``variables.credentials`` (GOOGLE_APPLICATION_CREDENTIALS), else
the one that ``gcloud auth application-default login`` writes, else the metadata server of the
machine that this runs on. Needs the extra `google`, which is imported on first use.
"""

import calendar
import os
from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from llm_orchestrator.errors import APIConnectionError, AuthenticationError, ConfigError
from llm_orchestrator.providers.expiring import Expiring
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.secret import Secret

INSTALL = "python -m pip install 'llm-orchestrator[google]'"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_FILE = "application_default_credentials.json"
_HOW = (
    "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or run "
    "`gcloud auth application-default login`"
)
_KINDS = {
    "service_account": ("google.oauth2.service_account", "from_service_account_info"),
    "authorized_user": ("google.oauth2.credentials", "from_authorized_user_info"),
    "external_account": ("google.auth.identity_pool", "from_info"),
    "external_account_authorized_user": (
        "google.auth.external_account_authorized_user",
        "from_info",
    ),
    "impersonated_service_account": (
        "google.auth.impersonated_credentials",
        "from_impersonated_service_account_info",
    ),
}
_HOSTED = ("K_SERVICE", "GAE_RUNTIME", "GCE_METADATA_HOST")
"""Variables that Google's own platforms set: a metadata server is there."""
_SKEWED = ("iat", "reasonable timeframe", "token used too early")
_MOST_TEXT = 300

_found: dict[tuple[str, str], str] = {}
"""Files of credentials by what names them."""


class Token(msgspec.Struct, frozen=True):
    """An access token, and the project that its requests count against, if not the resource's."""

    secret: Secret
    quota_project: str | None


async def sign(
    call: HTTPCall,  # noqa: ARG001 - a token is good for every call
    provider: Provider,
) -> Mapping[str, str]:
    """The headers with an access token; raises `AuthenticationError` or `APIConnectionError`."""
    token = await _kept(_path(provider), provider.name).get()
    headers = {"Authorization": f"Bearer {token.secret.reveal()}"}
    if token.quota_project:
        headers["x-goog-user-project"] = token.quota_project
    return headers


def fault(provider: Provider, *, named: bool) -> str | None:
    """Why there can be no credentials; looks at files and variables only."""
    path = _path(provider)
    if path and not Path(path).is_file():
        return f"there is no credentials file at {path}; {_HOW}"
    if not (path or named or any(map(os.environ.get, _HOSTED))):
        return f"no Google credentials: {_HOW}"
    if find_spec("google") is None or find_spec("google.auth") is None:
        return f"Google credentials need the extra google; run: {INSTALL}"
    return None


def forget(provider: Provider) -> None:
    """Fetch a new token for the next call."""
    _kept(_path(provider), provider.name).forget()


def held(provider: Provider) -> Sequence[Secret]:
    """The token that is in use."""
    token = _kept(_path(provider), provider.name).held
    return () if token is None else (token.secret,)


def _path(provider: Provider) -> str:
    """The file that holds the credentials; empty for the machine's own."""
    given, folder = provider.values.get("credentials", ""), os.environ.get("CLOUDSDK_CONFIG", "")
    if (found := _found.get((given, folder))) is None:
        if given:
            found = str(Path(given).expanduser())
        else:
            usual = Path("~/.config/gcloud")
            if os.name == "nt":
                usual = Path(os.environ.get("APPDATA", "~")) / "gcloud"
            file = (Path(folder) if folder else usual).expanduser() / _FILE
            if not file.is_file():
                return ""  # it may be there later
            found = str(file)
        _found[given, folder] = found
    return found


@cache
def _kept(path: str, provider: str) -> Expiring[Token]:
    return Expiring(partial(_fetch, path, provider))


def _fetch(path: str, provider: str) -> tuple[Token, float]:
    """A token and when it expires, in seconds since 1970. Blocks."""
    try:
        exceptions: Any = import_module("google.auth.exceptions")
        request = import_module("google.auth.transport.requests").Request()
    except ImportError:
        raise ConfigError(
            f"Google credentials need the extra google; run: {INSTALL}", provider=provider
        ) from None
    try:
        credentials = _from_file(path) if path else _from_machine(request)
        credentials.refresh(request)
    except (exceptions.GoogleAuthError, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, exceptions.TransportError) or getattr(error, "retryable", False):
            raise APIConnectionError(
                f"no access token from Google: {_said(error)}", provider=provider, code="no_token"
            ) from None
        raise AuthenticationError(
            f"no access token from Google: {_said(error)}{_hint(error)}; {_HOW}",
            provider=provider,
            code="no_credentials",
        ) from None
    expiry = credentials.expiry
    return (
        Token(Secret(credentials.token), getattr(credentials, "quota_project_id", None)),
        inf if expiry is None else calendar.timegm(expiry.utctimetuple()),
    )


def _from_file(path: str) -> Any:
    """The credentials that a file describes, whatever their kind."""
    info = msgspec.json.decode(Path(path).read_bytes())
    kind = info.get("type") if isinstance(info, dict) else None
    if kind not in _KINDS:
        raise ValueError(f"{path} is of type {kind}; expected one of {', '.join(_KINDS)}")
    module, make = _KINDS[kind]
    if kind == "external_account":
        source = info.get("credential_source") or {}
        if "aws" in str(info.get("subject_token_type")):
            module = "google.auth.aws"
        elif "executable" in source:
            module = "google.auth.pluggable"
    # Those have the scopes that they were given at their login.
    scopes = {} if kind == "external_account_authorized_user" else {"scopes": list(_SCOPES)}
    return getattr(import_module(module).Credentials, make)(info, **scopes)


def _from_machine(request: Any) -> Any:
    """The credentials of the machine's own service account."""
    return import_module("google.auth").default(scopes=_SCOPES, request=request)[0]


def _said(error: Exception) -> str:
    """What the library says, without the reply that it may have attached."""
    text = str(error.args[0]) if error.args else type(error).__name__
    return " ".join(text.split())[:_MOST_TEXT].rstrip(".")


def _hint(error: Exception) -> str:
    low = str(error).lower()
    return " (is this machine's clock right?)" if any(word in low for word in _SKEWED) else ""
