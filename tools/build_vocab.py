"""Pack the two public vocabularies for local token counts: `python tools/build_vocab.py WHEEL`.

``WHEEL`` is a litellm wheel: it carries the vocabulary files of tiktoken (both MIT) under the names
of tiktoken's own download cache. tiktoken reads them from there and checks their SHA-256 itself, so
what is packed is what OpenAI publishes, rank for rank; nothing is downloaded.

The packed form is zlib over: one line of JSON (name, pattern, special tokens, count, SHA-256 of the
published file), one byte for the length of each token, and the tokens themselves in rank order.
A third of the size of the published text, and five times as fast to read.
"""

import argparse
import base64
import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

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
    lengths = bytes(map(len, tokens))
    return zlib.compress(json.dumps(head).encode() + b"\n" + lengths + b"".join(tokens), 9)


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
