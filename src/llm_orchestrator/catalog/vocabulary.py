"""The public vocabularies, packed in the package: counting needs no network, ever.

Ordinary words are counted from the packed form; the tokenizer is loaded where there is much to
count.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from llm_orchestrator.catalog.bytepairs import Packed, Words

if TYPE_CHECKING:
    from tiktoken import Encoding

VocabularyName: TypeAlias = Literal["o200k_base", "cl100k_base"]

EXACT_CHARACTERS = 200_000
"""Texts up to this length are counted whole, longer ones by samples."""

_DATA = Path(__file__).parent / "data"
_PIECE = 8192  # characters given to the tokenizer at once: its time grows with the square of a run
_WINDOWS = 64
_WINDOW = 2048


@lru_cache(maxsize=2)
def words(name: VocabularyName) -> Words:
    """The counter of ordinary words."""
    return Words(packed(name))


def packed(name: VocabularyName) -> Packed:
    """A vocabulary as it lies in the package."""
    return Packed(_DATA / f"{name}.vocab")


@lru_cache(maxsize=2)
def encoding(name: VocabularyName) -> "Encoding":
    """The tokenizer of a vocabulary, loaded on first use."""
    import tiktoken

    found = packed(name)
    head, ranks = found.head, found.ranks()
    arguments: dict[str, Any] = {
        "pat_str": head.pattern,
        "mergeable_ranks": ranks,
        "special_tokens": head.special,
    }
    made = tiktoken.Encoding(head.name, **arguments)
    ranks.clear()  # it has copied them, and keeps the 25 MB only to be pickled
    return made


def count(text: str, name: VocabularyName) -> int:
    """The tokens of a text. Special tokens in it are plain text, as in a prompt.

    Above `EXACT_CHARACTERS` the count is an estimate from samples all over the text, so that its
    time is bounded.
    """
    if not text:
        return 0
    counted = words(name).count(text)
    if counted is not None:
        return counted
    tokens = encoding(name).encode_ordinary
    if len(text) <= EXACT_CHARACTERS:
        return sum(len(tokens(piece)) for piece in _pieces(text))
    step = (len(text) - _WINDOW) / (_WINDOWS - 1)
    windows = [text[int(i * step) : int(i * step) + _WINDOW] for i in range(_WINDOWS)]
    sampled = sum(len(tokens(window)) for window in windows)
    return -(-sampled * len(text) // (_WINDOWS * _WINDOW))


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces, cut before a space where there is one: words start with their space."""
    start = 0
    while len(text) - start > _PIECE:
        end = text.rfind(" ", start + 1, start + _PIECE)
        if end < 0:
            end = start + _PIECE
        yield text[start:end]
        start = end
    yield text[start:]
