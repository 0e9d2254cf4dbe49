"""Images in prompts: whether they are images, and how many tokens they cost."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import struct
from dataclasses import dataclass


class NotAnImageError(ValueError):
    """The data is no base64, or no picture of a known format."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the first bytes of an image tell; unknown sizes are 1024 x 1024."""

    format: str
    width: int = 1024
    height: int = 1024
    digest: str = ""


def decode(text: str) -> Picture:
    """Read a base64 image, or raise NotAnImageError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAnImageError("not valid base64") from error
    digest = hashlib.blake2b(data, digest_size=8).hexdigest()
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return Picture("png", width, height, digest)
    if data[:6] in {b"GIF87a", b"GIF89a"} and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return Picture("gif", width, height, digest)
    if data.startswith(b"\xff\xd8\xff"):
        return Picture("jpeg", *_jpeg_size(data), digest)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Picture("webp", digest=digest)
    raise NotAnImageError("not a png, jpeg, gif or webp")


def linked(url: str) -> Picture:
    """An image behind an address: nothing is fetched, so its size is assumed."""
    return Picture("url", digest=hashlib.blake2b(url.encode(), digest_size=8).hexdigest())


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xC3:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + size
    return 1024, 1024


def tiles(picture: Picture, detail: str) -> int:
    """OpenAI's count: 85 tokens, and 170 for each tile of 512 pixels unless detail is low."""
    if detail == "low":
        return 85
    width, height = float(picture.width or 1), float(picture.height or 1)
    shrink = min(1.0, 2048 / max(width, height))
    shrink *= min(1.0, 768 / (min(width, height) * shrink))
    across, down = math.ceil(width * shrink / 512), math.ceil(height * shrink / 512)
    return 85 + 170 * max(1, across) * max(1, down)


def area(picture: Picture) -> int:
    """Anthropic's count: a token for each 750 pixels, at most 1,600."""
    return max(1, min(1600, math.ceil(picture.width * picture.height / 750)))


def squares(picture: Picture) -> int:
    """Gemini's count: 258 tokens for a small image, and for each square of 768 pixels else."""
    if picture.width <= 384 and picture.height <= 384:
        return 258
    return 258 * math.ceil(picture.width / 768) * math.ceil(picture.height / 768)
