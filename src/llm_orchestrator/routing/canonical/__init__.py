"""What an answer says, in a form in which two answers can be compared.

`canonical` takes the answer out of a text and brings it into its form, `same` compares two,
`sets` sorts many. Two answers that differ are never made equal for being alike: rather than to
guess, there is no form (``None``), and the answer agrees with nobody.
"""

from collections.abc import Mapping
from typing import Any

from llm_orchestrator.routing.canonical import documents, finding, plain, question, values
from llm_orchestrator.routing.canonical.form import Canonical, Kind, same, sets
from llm_orchestrator.routing.canonical.meaning import meaning_of

__all__ = ["Canonical", "Kind", "canonical", "same", "sets"]

_LONGEST = 200_000


def canonical(
    text: str,
    *,
    prompt: str = "",
    schema: Mapping[str, Any] | None = None,
    whole: bool = True,
) -> Canonical | None:
    """What an answer to ``prompt`` says; ``None`` when it cannot be compared.

    ``schema`` is the JSON schema that the answer had to follow; ``whole`` is false for an answer
    that broke off, of which only what it marks as its answer counts.
    """
    if len(text) > _LONGEST:
        return None
    text = plain.without_thoughts(text)
    if not text:
        return None
    if schema is not None:
        value = documents.whole(text)
        if value is documents.MISSING or not whole:
            return None
        key = documents.key(value, schema)
        return None if key is None else Canonical(kind="json", key=key)
    asked = question.read(prompt)
    if asked.program:
        code = values.program(text) if whole else None
        return None if code is None else Canonical(kind="code", key=code)
    for found in finding.candidates(text, asked, whole=whole):
        if (form := meaning_of(found.value, asked, marked=found.marked)) is not None:
            return form
    return None
