"""Films and sounds at an address: on one wire as they are, refused on all others."""

import json
from typing import Any

import pytest

from llm_orchestrator.catalog.tokens import LONGEST_MEDIA, upper_bound_input
from llm_orchestrator.dialects import load
from llm_orchestrator.errors import UnsupportedError
from llm_orchestrator.types.request import Media, Message, Request, Text
from tests.unit.dialects import targets
from tests.unit.dialects.test_tool_pictures import TARGETS

CLIP = "https://cdn.example/clip"


def request(part: Media) -> Request:
    return Request(messages=(Message("user", (part, Text(text="What is shown?"))),))


def sent(part: Media) -> dict[str, Any]:
    call = load("gemini").encode(request(part), targets.gemini())
    found: dict[str, Any] = json.loads(call.body)["contents"][0]["parts"][0]
    return found


@pytest.mark.parametrize(
    "url,mime,told",
    [
        (f"{CLIP}.mp4", None, "video/mp4"),
        (f"{CLIP}.MOV?x=1", None, "video/mov"),
        (f"{CLIP}.mp3", None, "audio/mp3"),
        (f"{CLIP}.mp4", "video/webm", "video/webm"),
        (CLIP, None, "video/mp4"),
    ],
)
def test_gemini_is_told_what_it_is(url: str, mime: str | None, told: str) -> None:
    assert sent(Media(url=url, mime=mime)) == {"fileData": {"fileUri": url, "mimeType": told}}


def test_data_goes_in_line() -> None:
    part = sent(Media(url="data:audio/wav;base64,UklGRg=="))
    assert part == {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}


@pytest.mark.parametrize("wire", sorted(TARGETS.keys() - {"gemini"}))
def test_other_wires_refuse(wire: str) -> None:
    with pytest.raises(UnsupportedError, match="Gemini's models only"):
        load(wire).encode(request(Media(url=f"{CLIP}.mp4")), TARGETS[wire](None))


def test_a_model_that_sees_nothing_refuses() -> None:
    with pytest.raises(UnsupportedError, match="films"):
        load("gemini").encode(request(Media(url=CLIP)), targets.gemini("tools"))


def test_nothing_but_the_context_bounds_a_film() -> None:
    film = request(Media(url=CLIP))
    assert upper_bound_input(film) > LONGEST_MEDIA
    small = targets.openai(context=9000).model
    assert 9000 < upper_bound_input(film, small) < 10_000
