"""Signatures of AWS, version 4: verified, never made."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote

from aiohttp import web

from llm_orchestrator.simulator.refusal import Refusal

SKEW: Final = 300
"""Seconds that a signature may be off."""

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]+)"
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What an Authorization header says: who signed, for where, what, and the result."""

    access_key: str
    day: str
    region: str
    service: str
    headers: tuple[str, ...]
    value: str

    @property
    def scope(self) -> str:
        """The credential scope."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


def read(header: str) -> Signature:
    """The parts of a header that starts with AWS4-HMAC-SHA256."""
    found = _HEADER.fullmatch(header.strip())
    parts = found[1].split("/") if found else []
    if not found or len(parts) != 5 or parts[4] != "aws4_request":
        raise Refusal(
            400,
            "Authorization header requires 'Credential' parameter. Authorization header requires "
            "'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
            type="IncompleteSignatureException",
        )
    names = tuple(found[2].lower().split(";"))
    return Signature(parts[0], parts[1], parts[2], parts[3], names, found[3])


def verify(request: web.Request, body: bytes, secret: str, now: float) -> None:
    """Refuse a request whose signature is not right, for the first reason found."""
    path = quote(request.raw_path.partition("?")[0], safe="/-_.~")
    verify_as("bedrock", request, path, hashlib.sha256(body).hexdigest(), secret, now)


def verify_as(
    service: str, request: web.Request, path: str, digest: str, secret: str, now: float
) -> None:
    """The same for any service: `path` and `digest` are what is signed of path and body."""
    signature = read(request.headers.get("Authorization", ""))
    moment = request.headers.get("X-Amz-Date", "")
    _check_scope(service, signature, request.headers, moment)
    _check_time(moment, now)
    canonical = canonical_request(request, path, digest, signature.headers)
    if not hmac.compare_digest(sign(secret, signature, moment, canonical), signature.value):
        raise _refused(
            "The request signature we calculated does not match the signature you provided. Check "
            "your AWS Secret Access Key and signing method. Consult the service documentation for "
            "details."
        )


def _refused(message: str) -> Refusal:
    return Refusal(403, message, type="InvalidSignatureException")


def _check_scope(
    service: str, signature: Signature, headers: Mapping[str, str], moment: str
) -> None:
    if signature.service != service:
        raise _refused(f"Credential should be scoped to correct service: '{service}'. ")
    if not re.fullmatch(r"[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-\d", signature.region):
        raise _refused(f"Credential should be scoped to a valid region, not '{signature.region}'. ")
    if signature.day != moment[:8]:
        raise _refused(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{signature.day}' != '{moment[:8]}', from '{moment}'."
        )
    for name in headers:
        needed = name.lower() == "host" or name.lower().startswith("x-amz-")
        if needed and name.lower() not in signature.headers:
            raise _refused(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def _check_time(moment: str, now: float) -> None:
    try:
        signed = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _refused(f"Date must be in ISO-8601 'basic format'. Got '{moment}'.") from None
    if abs(now - signed) <= SKEW:
        return
    edge = _stamp(now - SKEW) if signed < now else _stamp(now + SKEW)
    if signed < now:
        message = f"Signature expired: {moment} is now earlier than {edge} ({_stamp(now)} - 5 min.)"
    else:
        message = f"Signature not yet current: {moment} is still later than {edge} "
        message += f"({_stamp(now)} + 5 min.)"
    raise _refused(message)


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")


def canonical_request(request: web.Request, path: str, digest: str, names: tuple[str, ...]) -> str:
    """The request in the form that is signed."""
    query = request.raw_path.partition("?")[2]
    pairs = sorted(
        (quote(k, safe="-_.~"), quote(v, safe="-_.~"))
        for k, v in parse_qsl(query, keep_blank_values=True)
    )
    lines = [
        request.method,
        path,
        "&".join(f"{name}={value}" for name, value in pairs),
    ]
    for name in names:
        values = request.headers.getall(name, [])
        lines.append(f"{name}:{','.join(' '.join(value.split()) for value in values)}")
    return "\n".join([*lines, "", ";".join(names), digest])


def sign(secret: str, signature: Signature, moment: str, canonical: str) -> str:
    """The signature that this secret gives."""
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{signature.scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in signature.scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
