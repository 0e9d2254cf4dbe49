"""A prompt as numbers: hashes of its words, digits and signs, alone and in pairs; and its size.

Hashes are no text, but who guesses a word can see whether it may have been there.
"""

import re
import struct
from base64 import b64decode, b64encode
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

BUCKETS = 1 << 18
"""How many hashes there are."""
_MASK = BUCKETS - 1
_HEAD, _TAIL = 3000, 1500
"""Characters of a long prompt that are looked at: its task stands at either end."""
# Words of any script; digits and signs one by one, and so are characters that need no spaces
# between words (from U+3000 on, which begin with these bytes in UTF-8).
_PIECE = re.compile(rb"[a-z\x80-\xe2\xf0-\xff]+|[\xe3-\xef][\x80-\xbf]{2}|[^\sa-z]")


class Pieces(NamedTuple):
    """What is known of a prompt without its text."""

    buckets: tuple[int, ...]
    """Hashes of its pieces and pairs of pieces, each once, in no order."""
    total: int
    """How many pieces there are."""


def ends(prompt: str) -> str:
    """What is looked at of a prompt: of a long one the beginning and the end."""
    if len(prompt) <= _HEAD + _TAIL:
        return prompt
    return f"{prompt[:_HEAD]}\n{prompt[-_TAIL:]}"


def pieces(prompt: str) -> Pieces:
    """The features of a prompt, in about 40 µs for 500 characters and at most 0.4 ms."""
    data = ends(prompt).lower().encode("utf-8", "replace")
    hashes = [*map(crc32, _PIECE.findall(data))]
    found = {one & _MASK for one in hashes}
    found.update([(one * 31 + two) & _MASK for one, two in pairwise(hashes)])
    return Pieces(tuple(found), len(hashes))


def size(prompt: str) -> int:
    """How many words, digits and signs `pieces` sees in a prompt."""
    return len(_PIECE.findall(ends(prompt).lower().encode("utf-8", "replace")))


def pack(found: Pieces) -> str:
    """The features as text, about 1 KB for a prompt of 500 characters."""
    numbers = (found.total, *sorted(found.buckets))
    return b64encode(struct.pack(f"<{len(numbers)}I", *numbers)).decode()


def unpack(text: str) -> Pieces:
    """What `pack` packed; raises `ValueError` for anything else."""
    data = b64decode(text, validate=True)
    if not data or len(data) % 4:
        raise ValueError("these are no features of a prompt")
    total, *buckets = struct.unpack(f"<{len(data) // 4}I", data)
    if any(bucket >= BUCKETS for bucket in buckets):
        raise ValueError("these are no features of a prompt")
    return Pieces(tuple(buckets), total)
