"""Tokens of ordinary words, counted from the packed vocabulary itself.

A tokenizer takes 75 MB and 0.25 s of CPU to load; this takes 8 MB and 0.02 s, and then 10 µs for a
word it has not met. What it is not made for, it leaves to the tokenizer: long words, much text.
"""

import sys
import zlib
from array import array
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from regex import Pattern  # type: ignore[import-untyped]

LONGEST_TEXT = 50_000
"""Characters of a text that is counted here."""
_LONGEST_WORD = 64  # bytes: merging takes the square of them
_MOST_WORDS = 20_000
_NONE = 0xFFFF_FFFF
"""An empty slot, and the rank of what is no token."""


class Head(msgspec.Struct, frozen=True):
    """The first line of a packed vocabulary; `sha256` is that of the file as it is published."""

    name: str
    pattern: str
    special: dict[str, int]
    count: int
    sha256: str


class Packed:
    """A vocabulary as it lies in the package: tokens by rank, and ranks by their hash."""

    def __init__(self, path: Path) -> None:
        data = zlib.decompress(path.read_bytes())
        line = data.index(b"\n") + 1
        self.head = msgspec.json.decode(data[:line], type=Head)
        first = line + self.head.count
        self._starts = array("I", accumulate(data[line:first], initial=0))
        last = first + self._starts[-1]
        self._tokens = data[first:last]
        self._slots = array("I", data[last:])
        if sys.byteorder == "big":
            self._slots.byteswap()

    def ranks(self) -> dict[bytes, int]:
        """The rank of each token; 25 MB."""
        spans = pairwise(self._starts)
        return {self._tokens[start:end]: rank for rank, (start, end) in enumerate(spans)}

    def rank(self, token: bytes) -> int:
        """The rank of one token, above all ranks for bytes that are none."""
        slots, starts = self._slots, self._starts
        at = zlib.crc32(token)
        while (rank := slots[at % len(slots)]) != _NONE:
            if self._tokens[starts[rank] : starts[rank + 1]] == token:
                break
            at += 1
        return rank

    def merged(self, word: bytes) -> int:
        """How many tokens a word is merged into: always the pair of the lowest rank first."""
        if self.rank(word) != _NONE:
            return 1
        parts = [word[at : at + 1] for at in range(len(word))]
        ranks = [self.rank(one + two) for one, two in pairwise(parts)]
        while ranks and (lowest := min(ranks)) != _NONE:
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
            del ranks[at]
            if at < len(ranks):
                ranks[at] = self.rank(parts[at] + parts[at + 1])
            if at:
                ranks[at - 1] = self.rank(parts[at - 1] + parts[at])
        return len(parts)


class Words:
    """Counts texts word by word, and remembers the words."""

    def __init__(self, packed: Packed) -> None:
        import regex  # here, for a program may never count

        self._packed = packed
        self._pattern: Pattern[str] = regex.compile(packed.head.pattern)
        self._known: dict[str, int] = {}

    def count(self, text: str) -> int | None:
        """The tokens of a text; ``None`` where the tokenizer is better at it."""
        known, total = self._known, 0
        if len(text) > LONGEST_TEXT or len(known) > _MOST_WORDS:
            return None
        for word in self._pattern.findall(text):
            tokens = known.get(word)
            if tokens is None:
                data = word.encode("utf-8", "replace")
                if len(data) > _LONGEST_WORD:
                    return None
                tokens = known[word] = self._packed.merged(data)
            total += tokens
        return total
