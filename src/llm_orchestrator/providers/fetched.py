"""Keys that lie in a file, or that a command prints: fetched when a call needs one, and kept.

A key that the provider refuses is fetched anew for the next call, so one that rotates needs no
restart.
"""

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache, partial
from math import inf
from pathlib import Path

from llm_orchestrator.config.checks import clean_key
from llm_orchestrator.errors import AuthenticationError
from llm_orchestrator.providers.auth import key_headers
from llm_orchestrator.providers.expiring import Expiring
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.secret import Secret

_LONGEST_S = 60.0
"""A command that asks somebody to unlock a store takes a while."""
_MOST_TEXT = 200


async def sign(
    call: HTTPCall,  # noqa: ARG001 - a key is good for every call
    provider: Provider,
) -> Mapping[str, str]:
    """The header with the key; raises `AuthenticationError`."""
    return key_headers(provider, await _kept(*_source(provider)).get())


def fault(provider: Provider, *, named: bool) -> str | None:  # noqa: ARG001 - always named
    """Why there can be no key: there is no such file, or no such program."""
    name, command, file = _source(provider)
    if file and not Path(file).expanduser().is_file():
        return f"providers.{name}.api_key_file: there is no file {file}"
    if command and shutil.which(_words(command)[0]) is None:
        return f"providers.{name}.api_key_cmd: there is no program {_words(command)[0]}"
    return None


def forget(provider: Provider) -> None:
    """Fetch the key anew for the next call."""
    _kept(*_source(provider)).forget()


def held(provider: Provider) -> Sequence[Secret]:
    """The key that is in use."""
    key = _kept(*_source(provider)).held
    return () if key is None else (key,)


def _source(provider: Provider) -> tuple[str, str, str]:
    return provider.name, provider.key_cmd, provider.key_file


@cache
def _kept(name: str, command: str, file: str) -> Expiring[Secret]:
    return Expiring(partial(_fetch, name, command, file))


def _fetch(name: str, command: str, file: str) -> tuple[Secret, float]:
    """The key, which never expires as far as is known. Blocks."""
    place = f"providers.{name}.{'api_key_cmd' if command else 'api_key_file'}"
    try:
        text = _printed(command) if command else Path(file).expanduser().read_text("utf-8").strip()
        clean_key(text)
    except (OSError, ValueError) as error:  # what cannot be decoded is a ValueError, too
        reason = "it holds no text" if isinstance(error, UnicodeError) else str(error)
        raise AuthenticationError(f"{place}: {reason}", provider=name, code="no_key") from None
    return Secret(text), inf


def _printed(command: str) -> str:
    """The first line that the command prints; raises `ValueError` with what it complains of."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
            _words(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"the command did not end within {_LONGEST_S:g} s") from None
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:_MOST_TEXT]
        ended = f"the command ended with status {done.returncode}"
        raise ValueError(f"{ended}: {said}" if said else ended)
    lines = done.stdout.decode("utf-8").splitlines()
    return lines[0].strip() if lines else ""


def _words(command: str) -> list[str]:
    first, *rest = shlex.split(command)
    return [str(Path(first).expanduser()), *rest]
