"""The environment: variables, ``.env`` files and ``${VAR}`` in values."""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

log = logging.getLogger("llm_orchestrator")

_REFERENCE = re.compile(r"\$(?:(\$)|\{([^}:]*)(?::-([^}]*))?\})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*
        (?: '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | (?P<plain>[^\r\n]*?) )
        (?:[ \t]+\#[^\r\n]*)?[ \t]*\r?$""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class Environment(Mapping[str, str]):
    """Variables by name. Its ``repr`` and pickles hold no values: they may be secrets."""

    def __init__(
        self, variables: Mapping[str, str] | None = None, hidden: Iterable[str] = ()
    ) -> None:
        self._variables = dict(variables or {})
        self.hidden = frozenset(hidden)
        """What a ``.env`` file sets, and an empty variable of the process unsets."""

    def __getitem__(self, name: str) -> str:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def value(self, name: str) -> str | None:
        """The variable's value; ``None`` when it is unset or empty."""
        return self._variables.get(name) or None

    def __repr__(self) -> str:
        return f"Environment({len(self)} variables)"

    def __reduce__(self) -> tuple[type["Environment"], tuple[()]]:
        return Environment, ()


class UnsetVariableError(LookupError):
    """A ``${VAR}`` without a default names a variable that is not set."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def expand(text: str, env: Mapping[str, str]) -> str:
    """``text`` with ``${VAR}`` and ``${VAR:-default}`` replaced; ``$$`` is a dollar sign.

    An empty variable counts as unset. Raises `UnsetVariableError`, or `ValueError` for a reference
    that is not a variable's name.
    """

    def value(match: re.Match[str]) -> str:
        dollar, name, default = match.groups()
        if dollar:
            return "$"
        if not _NAME.fullmatch(name):
            raise ValueError("expected ${NAME} or ${NAME:-default}")
        found = env.get(name) or default
        if found is None:
            raise UnsetVariableError(name)
        return found

    return _REFERENCE.sub(value, text) if "$" in text else text


def parse_dotenv(text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    r"""The assignments in the text of a ``.env`` file, and which lines are wrong in what.

    Values may be quoted (``"..."`` over several lines and with ``\n``, ``'...'`` as they are);
    ``export`` and comments are allowed. Lines that are no assignment are passed over.
    """
    text = text.removeprefix("\ufeff")
    found: dict[str, str] = {}
    faults: list[tuple[int, str]] = []
    for match in _ASSIGNMENT.finditer(text):
        name, single, double, plain = match.group("name", "single", "double", "plain")
        if double is not None:
            value = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), double, flags=re.DOTALL)
        else:
            value = single if single is not None else plain.strip()
        found[name] = "" if value.startswith("#") and plain is not None else value
        if plain and plain[0] in "\"'":
            line = text.count("\n", 0, match.start()) + 1
            faults.append((line, "the value begins with a quote and does not end with it"))
    rest = _ASSIGNMENT.sub(lambda match: "\n" * match[0].count("\n"), text)
    for line, left in enumerate(rest.split("\n"), 1):
        if left.strip() and not left.lstrip().startswith("#"):
            faults.append((line, "this is no assignment and is passed over; write NAME=value"))
    return found, sorted(faults)


def read_environment(
    variables: Mapping[str, str] | None = None, folders: Iterable[Path] = ()
) -> Environment:
    """The process's environment over the ``.env`` files of the folders, later folders first.

    An empty variable of the process wins, too: so one is switched off for one command. A ``.env``
    that cannot be read is passed over: it may belong to something else.
    """
    merged: dict[str, str] = {}
    for path in dict.fromkeys(folder.absolute() / ".env" for folder in folders):
        try:
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
        found, faults = parse_dotenv(text)
        merged.update(found)
        for line, fault in faults:  # not the text of the line: a key may be in it
            log.warning("%s, line %d: %s", path, line, fault)
    own = os.environ if variables is None else variables
    hidden = [name for name, value in merged.items() if value and own.get(name) == ""]
    return Environment(merged | dict(own), hidden)
