"""Errors as the store keeps them: one line each."""

import re

_DETAILS = re.compile(r" \([^()]*\)$|(?<=\.results-)\w+")


def error_text(error: BaseException) -> str:
    """The error in one line, with its class first."""
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:500]


def without_details(text: str) -> str:
    """The line without what differs each time: status, code, its request's id, a folder's name."""
    return _DETAILS.sub("", text)
