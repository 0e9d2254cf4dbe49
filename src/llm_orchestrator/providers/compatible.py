"""Rows of servers that speak OpenAI's Chat Completions, in few words."""

from typing import Any

from llm_orchestrator.types.model import Ability
from llm_orchestrator.types.provider import Auth, Provider, Quirks, Variable, Wire


def compatible(
    name: str,
    display_name: str,
    base_url: str,
    *,
    words: str,
    model: str = "",
    keys: str = "",
    auth: Auth = "bearer",
    lacks: tuple[Ability, ...] = (),
    variables: dict[str, Variable] | None = None,
    paths: dict[str, str] | None = None,
    wires: tuple[Wire, ...] = (),
    **quirks: Any,
) -> Provider:
    """The row of a compatible server.

    ``words`` says what it is good at, ``model`` is its default one, ``keys`` the variables that
    may hold its key (``<NAME>_API_KEY`` when left out), ``paths`` are the quirks that end so
    (``models`` is ``models_path``). The rest are fields of `Quirks`, where a text stands for a list
    of words; most such servers call the output limit ``max_tokens``, and their models think aloud
    between tags.
    """
    told: dict[str, Any] = {"max_tokens": "max_tokens", "think_tags": True}
    quirks |= {f"{name}_path": path for name, path in (paths or {}).items()}
    for field, value in quirks.items():
        kind = type(getattr(Quirks(), field))
        told[field] = kind(value.split()) if kind in {tuple, frozenset} else value
    return Provider(
        name=name,
        display_name=display_name,
        dialect="openai",
        base_url=base_url,
        auth=auth,
        key_env=tuple(keys.split()) or (f"{name.upper()}_API_KEY",),
        variables=variables or {},
        default_model=model,
        lacks=frozenset(lacks),
        capability_words=tuple(words.split()),
        quirks=Quirks(**told),
        wires=wires,
    )
