"""Identifiers that are short, unique and cheap: a random prefix per process and a counter."""

import os
from itertools import count

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _random(length: int) -> str:
    return "".join(_ALPHABET[byte & 31] for byte in os.urandom(length))


class IdSource:
    """Makes ids like ``call_x7k2m9p4q1-1f``; a forked child gets a prefix of its own."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.prefix = _random(12)
        self._next = count(1).__next__

    def new(self, kind: str) -> str:
        """An id of that kind (``call``, ``att``)."""
        return f"{kind}_{self.prefix}-{self._next():x}"


ids = IdSource()
