"""What takes long has a short form for every day; `make crash` asks for all of it."""

import os

import pytest

LONG = int(os.environ.get("LLMO_KILLS", "0")) > 50
_PLACES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


def on_both(fixture: str) -> pytest.MarkDecorator:
    """With both databases, whose name goes to the fixture; in the short form with SQLite alone."""
    return pytest.mark.parametrize(fixture, _PLACES if LONG else _PLACES[:1], indirect=True)
