"""The items of a batch in the order in which they are worked on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from llm_orchestrator.simulator.batches.files import lines_of
from llm_orchestrator.simulator.draw import Draw

_BLOCK: Final = 128

Numbered = tuple[int, bytes]
"""The number of a line (from 0) and the line."""


def feed(paths: list[Path], seed: str, *, shuffled: bool, skip: int = 0) -> Iterator[Numbered]:
    """All lines but the first `skip`; shuffled within blocks, so that little is held at once."""
    for number, item in enumerate(_mixed(paths, seed) if shuffled else _plain(paths)):
        if number >= skip:
            yield item


def _plain(paths: list[Path]) -> Iterator[Numbered]:
    return enumerate(lines_of(paths))


def _mixed(paths: list[Path], seed: str) -> Iterator[Numbered]:
    block: list[Numbered] = []
    for item in _plain(paths):
        block.append(item)
        if len(block) == _BLOCK:
            yield from _shuffle(block, seed)
            block = []
    yield from _shuffle(block, seed)


def _shuffle(block: list[Numbered], seed: str) -> list[Numbered]:
    """Another order, always; of one item there is none."""
    if not block:
        return block
    draw = Draw("order", seed, block[0][0])
    mixed = list(block)
    for last in range(len(mixed) - 1, 0, -1):
        other = draw.below(last + 1)
        mixed[last], mixed[other] = mixed[other], mixed[last]
    return mixed if mixed != block else mixed[::-1]
