"""Pack the two public vocabularies for local token counts: `python tools/build_vocab.py WHEEL`.

``WHEEL`` is a litellm wheel: it carries the vocabulary files of tiktoken (both MIT) under the names
of tiktoken's own download cache. tiktoken reads them from there and checks their SHA-256 itself, so
what is packed is what OpenAI publishes, rank for rank; nothing is downloaded.

The packed form is zlib over: one line of JSON (name, pattern, special tokens, count, SHA-256 of the
published file), one byte for the length of each token, the tokens themselves in rank order, and a
table in which a token is found by its CRC-32: its rank stands there or in the next slots that are
taken, as 32 bits, lowest byte first. Half the size of the published text, and nothing to be parsed.
"""

import argparse
import base64
import hashlib
import json
import os
import sys
import tempfile
import zipfile
import zlib
from array import array
from pathlib import Path
from typing import Any

SLOTS = 2
"""For each token: a half of the table is empty, so that what is no token is soon seen."""
EMPTY = 0xFFFF_FFFF
NAMES = ("o200k_base", "cl100k_base")
DATA = Path(__file__).parents[1] / "src/llm_orchestrator/catalog/data"
_FOLDER = "litellm/litellm_core_utils/tokenizers/"


def published(ranks: dict[bytes, int]) -> bytes:
    """The text file that OpenAI publishes for these ranks."""
    lines = sorted((rank, token) for token, rank in ranks.items())
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in lines)


def pack(name: str, encoding: dict[str, Any]) -> bytes:
    """The packed form of one vocabulary."""
    ranks: dict[bytes, int] = encoding["mergeable_ranks"]
    tokens = sorted(ranks, key=ranks.__getitem__)
    assert [ranks[token] for token in tokens] == list(range(len(tokens)))
    head = {
        "name": name,
        "pattern": encoding["pat_str"],
        "special": encoding["special_tokens"],
        "count": len(tokens),
        "sha256": hashlib.sha256(published(ranks)).hexdigest(),
    }
    parts = [json.dumps(head).encode(), b"\n", bytes(map(len, tokens)), *tokens, table(tokens)]
    return zlib.compress(b"".join(parts), 9)


def table(tokens: list[bytes]) -> bytes:
    """Ranks by CRC-32, with open addressing."""
    slots = array("I", [EMPTY]) * (SLOTS * len(tokens))
    for rank, token in enumerate(tokens):
        at = zlib.crc32(token)
        while slots[at % len(slots)] != EMPTY:
            at += 1
        slots[at % len(slots)] = rank
    if sys.byteorder == "big":
        slots.byteswap()
    return slots.tobytes()


def main() -> None:
    """Read the wheel, write the package data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    wheel: Path = parser.parse_args().wheel
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.namelist():
                name = entry.removeprefix(_FOLDER)
                if name != entry and len(name) == 40:  # a SHA-1, as tiktoken names its cache
                    Path(folder, name).write_bytes(archive.read(entry))
        os.environ["TIKTOKEN_CACHE_DIR"] = folder
        from tiktoken_ext import openai_public  # type: ignore[import-untyped]

        for name in NAMES:
            packed = pack(name, getattr(openai_public, name)())
            (DATA / f"{name}.vocab").write_bytes(packed)
            print(f"{name}: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
