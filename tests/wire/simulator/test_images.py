"""Images: their formats, their sizes, and what they cost."""

import base64
import struct

import pytest

from llm_orchestrator.simulator import images
from llm_orchestrator.simulator.images import Picture


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08"


JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 300, 400) + b"\0" * 9


@pytest.mark.parametrize(
    "data, format, size",
    [
        (png(640, 480), "png", (640, 480)),
        (b"GIF89a" + struct.pack("<HH", 12, 34) + b"\0", "gif", (12, 34)),
        (JPEG, "jpeg", (400, 300)),
        (b"\xff\xd8\xff\xe0", "jpeg", (1024, 1024)),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "webp", (1024, 1024)),
    ],
)
def test_formats_and_sizes(data: bytes, format: str, size: tuple[int, int]) -> None:
    picture = images.decode(coded(data))
    assert (picture.format, (picture.width, picture.height)) == (format, size)


@pytest.mark.parametrize("text", ["", "???", coded(b"hello"), coded(b"BM\0\0")])
def test_what_is_no_image(text: str) -> None:
    with pytest.raises(images.NotAnImageError):
        images.decode(text)


@pytest.mark.parametrize(
    "width, height, detail, tokens",
    [
        (1, 1, "auto", 85 + 170),
        (512, 512, "high", 85 + 170),
        (1024, 1024, "auto", 85 + 4 * 170),  # shrunk to 768 x 768: four tiles
        (2048, 4096, "high", 85 + 6 * 170),  # shrunk to 768 x 1536: two by three
        (4000, 4000, "low", 85),
    ],
)
def test_tokens_of_openai(width: int, height: int, detail: str, tokens: int) -> None:
    assert images.tiles(Picture("png", width, height), detail) == tokens


@pytest.mark.parametrize(
    "width, height, tokens", [(1, 1, 1), (200, 200, 54), (1000, 1000, 1334), (9000, 9000, 1600)]
)
def test_tokens_of_anthropic(width: int, height: int, tokens: int) -> None:
    assert images.area(Picture("png", width, height)) == tokens
