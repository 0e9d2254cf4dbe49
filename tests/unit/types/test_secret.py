"""A secret is hidden wherever it could be printed."""

import copy
import pickle

import pytest

from llm_orchestrator.types.secret import Secret

TEXT = "sk-proj-abcdefghijklmnop/+="


def test_nothing_prints_it() -> None:
    secret = Secret(TEXT)
    holder = {"key": secret, "list": [secret]}
    shown = (repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", repr(holder), f"{[secret]}")
    assert not any(TEXT[:12] in text for text in shown)
    assert secret.reveal() == TEXT


def test_no_pickle_holds_it() -> None:
    assert TEXT.encode() not in pickle.dumps([Secret(TEXT)])
    assert copy.deepcopy(Secret(TEXT)) != Secret(TEXT)


def test_it_has_no_dictionary() -> None:
    with pytest.raises(TypeError):
        vars(Secret(TEXT))


def test_it_equals_only_itself() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert len({Secret(TEXT), Secret(TEXT)}) == 1
    assert bool(Secret(TEXT))
    assert not Secret("")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", ""),
        ("nothing here", "nothing here"),
        (TEXT, "***"),
        (f"key {TEXT}, again {TEXT}.", "key ***, again ***."),
        (f"cut {TEXT[:13]}", "cut ***"),
        (f"cut '{TEXT[:20]}'", "cut '***'"),
        (f"{TEXT[:15]}... and {TEXT}", "***... and ***"),
        (f"twice {TEXT[:14]}{TEXT[:14]}", "twice ******"),
        (f"what keys begin with: {TEXT[:8]}", f"what keys begin with: {TEXT[:8]}"),
    ],
)
def test_it_is_blanked_in_texts_from_outside(text: str, expected: str) -> None:
    assert Secret(TEXT).hidden_in(text) == expected


def test_what_is_too_short_to_be_a_secret() -> None:
    """Local servers are given a word for a key: texts would be full of holes."""
    for word in ("", "x", "none", "ollama", "1234567"):
        assert Secret(word).hidden_in(f"none of x, {word}") == f"none of x, {word}"
    assert Secret("12345678").hidden_in("abc12345678") == "abc***"
