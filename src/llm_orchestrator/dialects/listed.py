"""What model lists tell of abilities, in our words: the lists differ in form, not in meaning."""

from collections.abc import Iterable
from typing import Any, Final

_WORDS: Final = {
    "tools": "tools",
    "function_calling": "tools",
    "parallel_tool_calls": "parallel_tools",
    "structured_outputs": "schema",
    "json_schema": "schema",
    "reasoning": "reasoning",
    "thinking": "reasoning",
    "adaptive_thinking": "adaptive_thinking",
    "effort": "effort",
    "vision": "vision",
    "image": "vision",
    "image_input": "vision",
    "file": "pdf",
    "pdf_input": "pdf",
    "audio": "audio",
    "temperature": "sampling",
}
"""Their words for abilities, to ours."""
_ASSUMED: Final = frozenset(
    ("system", "sampling", "tools", "parallel_tools", "vision", "schema", "cache")
)
"""What a chat model is taken to be able to as long as its list is silent about it."""


def of_words(can: Iterable[Any], spoken: Iterable[str]) -> frozenset[str]:
    """The abilities of a model whose list names what it can; ``spoken`` is all it would name."""
    return _abilities({word: True for word in can if isinstance(word, str)}, spoken)


def of_flags(flags: dict[Any, Any]) -> frozenset[str]:
    """The abilities of a model whose list says yes or no: plainly, or as ``supported``."""
    said = {word: _yes(flag) for word, flag in flags.items() if isinstance(word, str)}
    return _abilities(said, said)


def _yes(flag: Any) -> bool:
    return (flag.get("supported") if isinstance(flag, dict) else flag) is True


def _abilities(said: dict[str, bool], spoken: Iterable[str]) -> frozenset[str]:
    able = {_WORDS[word] for word, yes in said.items() if yes and word in _WORDS}
    silent = _ASSUMED.difference(_WORDS[word] for word in spoken if word in _WORDS)
    return frozenset(able | silent)
