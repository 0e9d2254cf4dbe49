"""Requests as protobuf reads JSON: camelCase or snake_case, and no unknown names."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from llm_orchestrator.simulator.gemini.errors import invalid

TEXT, WHOLE, REAL, FLAG, BYTES, JSON = "STRING", "INT32", "DOUBLE", "BOOL", "BYTES", "JSON"

_BLOB: Final = {"mimeType": TEXT, "data": BYTES, "displayName": TEXT}
_FILE: Final = {"mimeType": TEXT, "fileUri": TEXT, "displayName": TEXT}
_PART: Final = {
    "text": TEXT,
    "thought": FLAG,
    "thoughtSignature": BYTES,
    "inlineData": _BLOB,
    "fileData": _FILE,
    "functionCall": {"id": TEXT, "name": TEXT, "args": JSON},
    "functionResponse": {
        "id": TEXT,
        "name": TEXT,
        "response": JSON,
        "parts": JSON,
        "willContinue": FLAG,
        "scheduling": TEXT,
    },
    "executableCode": JSON,
    "codeExecutionResult": JSON,
    "videoMetadata": JSON,
    "mediaResolution": JSON,
    "partMetadata": JSON,
}
CONTENT: Final = {"role": TEXT, "parts": [_PART]}
_TOOL: Final = {
    "functionDeclarations": [
        {
            "name": TEXT,
            "description": TEXT,
            "parameters": JSON,
            "parametersJsonSchema": JSON,
            "response": JSON,
            "responseJsonSchema": JSON,
            "behavior": TEXT,
        }
    ],
    "googleSearch": JSON,
    "googleSearchRetrieval": JSON,
    "googleMaps": JSON,
    "codeExecution": JSON,
    "urlContext": JSON,
    "computerUse": JSON,
    "fileSearch": JSON,
    "retrieval": JSON,
    "enterpriseWebSearch": JSON,
}
_CONFIG: Final = {
    "temperature": REAL,
    "topP": REAL,
    "topK": REAL,
    "candidateCount": WHOLE,
    "maxOutputTokens": WHOLE,
    "stopSequences": [TEXT],
    "seed": WHOLE,
    "presencePenalty": REAL,
    "frequencyPenalty": REAL,
    "responseMimeType": TEXT,
    "responseSchema": JSON,
    "responseJsonSchema": JSON,
    "responseModalities": [TEXT],
    "responseLogprobs": FLAG,
    "logprobs": WHOLE,
    "mediaResolution": TEXT,
    "speechConfig": JSON,
    "imageConfig": JSON,
    "audioTimestamp": FLAG,
    "routingConfig": JSON,
    "enableEnhancedCivicAnswers": FLAG,
    "thinkingConfig": {"includeThoughts": FLAG, "thinkingBudget": WHOLE, "thinkingLevel": TEXT},
}
GENERATE: Final = {
    "model": TEXT,
    "contents": [CONTENT],
    "systemInstruction": CONTENT,
    "tools": [_TOOL],
    "toolConfig": {
        "functionCallingConfig": {
            "mode": TEXT,
            "allowedFunctionNames": [TEXT],
            "streamFunctionCallArguments": FLAG,
        },
        "retrievalConfig": JSON,
        "includeServerSideToolInvocations": FLAG,
    },
    "safetySettings": [{"category": TEXT, "threshold": TEXT, "method": TEXT}],
    "cachedContent": TEXT,
    "generationConfig": _CONFIG,
    "serviceTier": TEXT,
    "labels": JSON,
    "modelArmorConfig": JSON,
}
COUNT: Final = {
    "contents": [CONTENT],
    "generateContentRequest": GENERATE,
    "systemInstruction": CONTENT,
    "tools": [_TOOL],
    "generationConfig": _CONFIG,
    "model": TEXT,
    "instances": JSON,
}
_EMBED_CONFIG: Final = {
    "taskType": TEXT,
    "title": TEXT,
    "outputDimensionality": WHOLE,
    "autoTruncate": FLAG,
    "documentOcr": FLAG,
    "audioTrackExtraction": FLAG,
}
EMBED: Final = {"model": TEXT, "content": CONTENT, **_EMBED_CONFIG} | {
    "embedContentConfig": _EMBED_CONFIG,
    "embedConfig": _EMBED_CONFIG,
}
BATCH_EMBED: Final = {"model": TEXT, "requests": [EMBED]}
PREDICT: Final = {
    "model": TEXT,
    "instances": JSON,
    "parameters": {"outputDimensionality": WHOLE, "autoTruncate": FLAG},
    "labels": JSON,
}

_NUMBER = re.compile(r"-?\d+(\.0+)?")


def snake(name: str) -> str:
    """CamelCase as snake_case, the way error paths are written."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: f"_{m[1].lower()}", name)


def camel(name: str) -> str:
    """snake_case as camelCase."""
    return re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), name)


def read(value: Any, spec: Any, where: str = "") -> Any:
    """The value with camelCase names; a Refusal for unknown names and wrong types."""
    if isinstance(spec, list):
        items = value if isinstance(value, list) else [value]
        return [read(item, spec[0], f"{where}[{n}]") for n, item in enumerate(items)]
    if isinstance(spec, dict):
        return _message(value, spec, where)
    return _scalar(value, spec, where)


def _message(value: Any, spec: dict[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(value, "MESSAGE", where)
    known = {}
    for name, item in value.items():
        key = name if name in spec else camel(name)
        if key not in spec:
            place = f" at '{where}'" if where else ""
            raise invalid(
                f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.',
                where or name,
            )
        path = f"{where}.{snake(key)}" if where else snake(key)
        if item is not None:
            known[key] = read(item, spec[key], path)
    return known


def _scalar(value: Any, kind: str, where: str) -> Any:
    """A leaf; protobuf also takes numbers as text, and 5.0 for 5."""
    if kind == JSON:
        return value
    if kind == FLAG and isinstance(value, bool):
        return value
    if kind in {TEXT, BYTES} and isinstance(value, str):
        if kind == BYTES:
            _check_base64(value, where)
        return value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == WHOLE and (number or isinstance(value, str)) and _NUMBER.fullmatch(str(value)):
        return int(float(value))
    if kind == REAL and number:
        return value
    raise _wrong(value, kind, where)


def standard(value: str) -> str:
    """Base64 in the plain alphabet with padding; Google's SDK sends the one for URLs."""
    plain = value.translate(str.maketrans("-_", "+/")).rstrip("=")
    return plain + "=" * (-len(plain) % 4)


def _check_base64(value: str, where: str) -> None:
    try:
        base64.b64decode(standard(value), validate=True)
    except (binascii.Error, ValueError):
        shown = value[:40]
        raise invalid(
            f"Invalid value at '{where}' (TYPE_BYTES), Base64 decoding failed for \"{shown}\"",
            where,
        ) from None


def _wrong(value: Any, kind: str, where: str) -> Exception:
    shown = f'"{value}"' if isinstance(value, str) else str(value).lower()[:60]
    return invalid(f"Invalid value at '{where}' (TYPE_{kind}), {shown}", where)
