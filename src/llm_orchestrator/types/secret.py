"""A key that cannot be printed by accident."""

_BLANK = "***"
_TELLING = 12
"""So many first characters of a secret are taken for it: what keys begin with is shorter."""
_SHORTEST = 8
"""Shorter ones ("x", "none", "ollama") stand in for a key that nobody asks for, and are words."""


class Secret:
    """A secret text: only `reveal` gives it back; ``repr``, ``str`` and pickles hide it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; call it only where it goes to the wire."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """``text`` with every occurrence of the secret blanked, also one that was cut short.

        Errors quote the beginning of what came from outside, which may end inside the secret. What
        has fewer than eight characters is no secret.
        """
        secret = self._text
        if len(secret) < _SHORTEST:
            return text
        text = text.replace(secret, _BLANK)
        start = secret[:_TELLING]
        if len(secret) <= _TELLING or start not in text:
            return text
        first, *rest = text.split(start)
        tail = secret[_TELLING:]
        return first + "".join(_BLANK + _after(tail, piece) for piece in rest)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type["Secret"], tuple[str]]:
        return Secret, ("***",)


def _after(secret: str, text: str) -> str:
    """``text`` without what it shares with the rest of a secret."""
    pairs = list(zip(secret, text, strict=False))
    return text[next((n for n, (a, b) in enumerate(pairs) if a != b), len(pairs)) :]
