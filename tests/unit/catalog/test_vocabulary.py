"""The packed vocabularies, and words counted from them."""

import base64
import hashlib
import subprocess
import sys
from itertools import islice, product
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llm_orchestrator.catalog import vocabulary
from llm_orchestrator.catalog.bytepairs import LONGEST_TEXT, Words

PROSE = "The customer wrote last night: two of the three glasses arrived broken, what now? " * 40

# The published files, as tiktoken_ext/openai_public.py states them.
PUBLISHED = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}


def published_text(name: vocabulary.VocabularyName) -> bytes:
    ranks = vocabulary.packed(name).ranks()
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_the_packed_vocabularies_are_the_published_ones(
    name: vocabulary.VocabularyName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = published_text(name)
    assert hashlib.sha256(text).hexdigest() == PUBLISHED[name]
    packed = vocabulary.packed(name)
    head, ranks = packed.head, packed.ranks()
    assert all(packed.rank(token) == rank for token, rank in ranks.items())
    assert head.sha256 == PUBLISHED[name]
    # tiktoken itself is the judge of pattern, special tokens and ranks: it checks the hash, too.
    address = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    cached = tmp_path / hashlib.sha1(address.encode()).hexdigest()
    cached.write_bytes(text)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    from tiktoken_ext import openai_public  # type: ignore[import-untyped]

    theirs = getattr(openai_public, name)()
    assert theirs["mergeable_ranks"] == ranks
    assert theirs["pat_str"] == head.pattern
    assert theirs["special_tokens"] == head.special


def test_the_package_data_is_small() -> None:
    data = Path(vocabulary.__file__).parent / "data"
    assert sum(path.stat().st_size for path in data.glob("*.vocab")) < 3_000_000


def test_nothing_is_loaded_before_the_first_count() -> None:
    code = (
        "import sys\n"
        "from llm_orchestrator.catalog.tokens import count_text, upper_bound_input\n"
        "from llm_orchestrator.types.request import Message, Request\n"
        "upper_bound_input(Request(messages=(Message('user', 'Hi'),)))\n"
        "assert 'tiktoken' not in sys.modules\n"
        "assert 'regex' not in sys.modules\n"
        "count_text('Hi', 'gpt-4o')\n"
        "assert 'tiktoken' not in sys.modules\n"
        "count_text('Hi ' * 20_000, 'gpt-4o')\n"
        "assert 'tiktoken' in sys.modules and 'requests' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------ words


@settings(deadline=None)  # the first example loads a vocabulary
@given(st.text(max_size=200), st.sampled_from(get_args(vocabulary.VocabularyName)))
@example(
    "https://example.org/a_b?c=%20&d=Ünïcödé\r\n\r\n\t x==42;  \u2029 \U0001f9ff", "o200k_base"
)
@example("\ud800 broken", "cl100k_base")
def test_words_are_counted_as_the_tokenizer_counts_them(
    text: str, name: vocabulary.VocabularyName
) -> None:
    ours = Words(vocabulary.packed(name)).count(text)
    assert ours in {None, len(vocabulary.encoding(name).encode_ordinary(text))}


def test_prose_is_counted_without_the_tokenizer() -> None:
    words = vocabulary.words("o200k_base")
    assert words.count(PROSE) == len(vocabulary.encoding("o200k_base").encode_ordinary(PROSE))


def test_what_words_are_slow_at_is_left_to_the_tokenizer() -> None:
    words = Words(vocabulary.packed("o200k_base"))
    assert words.count("A" * 65) is None
    assert words.count("a " * LONGEST_TEXT) is None
    letters = map("".join, product("abcdefghij", repeat=5))
    texts = [" ".join(islice(letters, 3_000)) for _ in range(10)]
    assert words.count(texts[0]) is not None
    assert [words.count(text) for text in texts][-1] is None
