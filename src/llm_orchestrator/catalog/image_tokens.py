"""How many tokens an image costs: the published rules, and the most that a rule can give.

Sources (read in 2026): OpenAI "Images and vision", with the multipliers of newer models as billed
(OpenAI developer forum, March 2026); Anthropic "Vision"; Google "Media resolution" and "Understand
and count tokens"; Together "Vision overview"; Qwen-VL's own limit of 16,384 visual tokens, which is
the largest of the open models and stands for all that publish none.
"""

from typing import Protocol

import msgspec

Size = tuple[int, int]
"""Width and height in pixels."""

TYPICAL: Size = (1024, 1024)
"""The size that stands for an image whose size is not known, such as one at an address."""


class ImageRule(Protocol):
    """A provider's rule."""

    def count(self, size: Size, detail: str | None, /) -> int:
        """The tokens of an image of this size."""
        ...

    def most(self, detail: str | None, /) -> int:
        """The tokens of the largest image there can be."""
        ...


def _up(number: int, by: int) -> int:
    """``number`` divided by ``by``, rounded up."""
    return -(-number // by)


def _fit(size: Size, long_edge: int) -> Size:
    """The size scaled down so that no edge is longer."""
    longest = max(size)
    if longest <= long_edge:
        return size
    width, height = (max(1, edge * long_edge // longest) for edge in size)
    return width, height


class Tiles(msgspec.Struct, frozen=True):
    """OpenAI until GPT-5.1: a base, and so much for each square of 512 pixels."""

    base: int
    tile: int

    def count(self, size: Size, detail: str | None) -> int:
        if detail == "low":
            return self.base
        width, height = _fit(size, 2048)
        if min(width, height) > 768:
            short = min(width, height)
            width, height = width * 768 // short, height * 768 // short
        return self.base + self.tile * _up(width, 512) * _up(height, 512)

    def most(self, detail: str | None) -> int:
        # 2048 x 768 pixels are 4 x 2 squares.
        return self.base if detail == "low" else self.base + 8 * self.tile


class Patches(msgspec.Struct, frozen=True):
    """So much for each patch of the image, after it was scaled down to a limit of patches."""

    patch: int
    limit: int
    percent: int = 100
    edge: int = 65_536
    original: int = 0
    """The limit with ``detail="original"`` and, to be safe, when no detail is asked for."""
    worst_percent: int = 0
    """Where what is documented and what is billed differ, the dearer one."""

    def count(self, size: Size, detail: str | None) -> int:
        limit = self.original if self.original and detail == "original" else self.limit
        width, height = _fit(size, self.edge)
        patches = min(limit, _up(width, self.patch) * _up(height, self.patch))
        return _up(patches * self.percent, 100)

    def most(self, detail: str | None) -> int:
        limit = self.limit
        if detail not in {"low", "high"}:
            limit = max(limit, self.original)
        return _up(limit * max(self.percent, self.worst_percent), 100)


class Crops(msgspec.Struct, frozen=True):
    """Gemini 2: 258 for a small image, else 258 for each crop."""

    tokens: int = 258
    small: int = 384
    crop: int = 768
    crops: int = 16

    def count(self, size: Size, detail: str | None) -> int:
        if max(size) <= self.small or detail == "low":
            return self.tokens
        crops = _up(size[0], self.crop) * _up(size[1], self.crop)
        return self.tokens * min(self.crops, crops)

    def most(self, detail: str | None) -> int:
        return self.tokens if detail == "low" else self.tokens * self.crops


class Flat(msgspec.Struct, frozen=True):
    """The same for every image, by detail or not."""

    usual: int
    largest: int
    low: int = 0

    def count(self, _size: Size, detail: str | None) -> int:
        return self.low if self.low and detail == "low" else self.usual

    def most(self, _detail: str | None) -> int:
        return self.largest
