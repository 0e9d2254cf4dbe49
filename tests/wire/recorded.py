"""What the official SDKs sent and read, as recorded, and ways to compare with it."""

import json
from pathlib import Path
from typing import Any

from llm_orchestrator.providers.auth import authorised
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Provider

FOLDER = Path(__file__).parent / "vectors"

Difference = dict[str, tuple[Any, Any]]
"""Place in the request to what the SDK and what we send there; `MISSING` for nothing."""
MISSING = "(missing)"


def requests(name: str) -> dict[str, dict[str, Any]]:
    """The recorded requests of an SDK by the name of their case."""
    cases = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return {case["case"]: case["requests"][0] for case in cases}


def streams() -> dict[str, Any]:
    """Streams and error bodies, with what the SDKs made of them."""
    found: dict[str, Any] = json.loads((FOLDER / "streams.json").read_text(encoding="utf-8"))
    return found


WIRES = ("anthropic", "gemini")
"""Those whose recordings begin with their names; all else is of Chat Completions."""


def wire_of(name: str) -> str:
    """The dialect that a recorded stream or error is of."""
    return next((wire for wire in WIRES if name.startswith(wire)), "openai")


def differences(recorded: dict[str, Any], call: HTTPCall, provider: Provider) -> Difference:
    """Where our request, with its key, does not mean what was recorded."""
    host = "/".join(provider.base_url.split("/")[:3])
    assert call.url.startswith(host)
    ours = {
        "method": call.method,
        "path": call.url.removeprefix(host),
        "headers": {name.lower(): value for name, value in authorised(call, provider).items()},
        "body": json.loads(call.body) if call.body else None,
    }
    theirs, mine = flat(recorded), flat(ours)
    return {
        place: (theirs.get(place, MISSING), mine.get(place, MISSING))
        for place in theirs.keys() | mine.keys()
        if theirs.get(place, MISSING) != mine.get(place, MISSING)
    }


def flat(value: Any, place: str = "") -> dict[str, Any]:
    """Every leaf of a JSON value by its path; empty containers are leaves."""
    if isinstance(value, dict) and value:
        pairs = value.items()
    elif isinstance(value, list) and value:
        pairs = {str(number): item for number, item in enumerate(value)}.items()
    else:
        return {place: value}
    out: dict[str, Any] = {}
    for name, item in pairs:
        out |= flat(item, f"{place}.{name}" if place else name)
    return out
