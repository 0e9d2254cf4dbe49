"""Templates of prompts: Jinja in a sandbox, where a column that a row lacks is a mistake.

Values are written as people write them in a prompt: nothing for null, ``true`` and ``false``, lists
and mappings as JSON. ``row`` is the whole row, for columns whose names are no words of a template
(``{{ row["post text"] }}``).
"""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches

from jinja2 import TemplateSyntaxError, UndefinedError, meta, nodes

from llm_orchestrator.bulk.rows.row import Data, RowError
from llm_orchestrator.bulk.tasks.sandbox import compiled, environment, text_of
from llm_orchestrator.errors import ConfigError

ROW = "row"
"""The name of the whole row."""
_MISSING = re.compile(r"^'(?P<name>.*)' is undefined$")
_LACKING = re.compile(r"^'.* object' has no attribute '(?P<name>.*)'$")


class Template:
    """A compiled template; ``where`` says in messages what it is (``prompt``).

    Raises `ConfigError` when the text is no template.
    """

    __slots__ = ("_pieces", "_render", "columns", "text", "where")

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        try:
            tree = environment().parse(text)
            self.columns: frozenset[str] = frozenset(meta.find_undeclared_variables(tree)) - {ROW}
            self._pieces = _pieces(tree)
            self._render: Callable[[Data], str] = compiled(tree)
        except TemplateSyntaxError as error:
            raise ConfigError(
                f"{where}, line {error.lineno} of the template: {error.message}"
            ) from None

    @property
    def constant(self) -> bool:
        """Whether it is the same text for every row."""
        return self._pieces is not None and all(text is not None for text, _ in self._pieces)

    def render(self, row: Data) -> str:
        """The text for a row; raises `RowError`."""
        if self._pieces is None:
            return self._in_full(row)
        # Most templates are words and names of columns, which need no engine.
        try:
            return "".join(
                [
                    piece
                    if piece is not None
                    else (value if type(value := row[name]) is str else text_of(value))
                    for piece, name in self._pieces
                ]
            )
        except KeyError as error:
            raise missing(str(error.args[0]), row, self.where) from None

    def _in_full(self, row: Data) -> str:
        try:
            return self._render(row if ROW in row else {**row, ROW: row})
        except UndefinedError as error:
            raise self._undefined(str(error), row) from None
        except Exception as error:  # noqa: BLE001 - see below
            # What a template computes is the user's: whatever it raises, the other rows go on.
            reason = str(error) or type(error).__name__
            raise RowError(f"{self.where}: {reason}", "template") from None

    def _undefined(self, problem: str, row: Data) -> RowError:
        if found := _MISSING.match(problem):
            return missing(found["name"], row, self.where)
        found = _LACKING.match(problem)
        near = get_close_matches(found["name"], map(str, row), 1) if found else ()
        hint = f"; did you mean {near[0]}?" if near else ""
        return RowError(f"{self.where}: {problem}{hint}", "column")


def missing(name: str, row: Iterable[str], where: str) -> RowError:
    """The error for a column that a row lacks, with the nearest that it has."""
    names = [str(one) for one in row]
    near = get_close_matches(name, names, 2, 0.6)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    else:
        hint = f"there are {', '.join(names[:12])}" if names else "the row is empty"
    return RowError(f"{where}: there is no column {name!r}; {hint}", "column")


def _pieces(tree: nodes.Template) -> tuple[tuple[str | None, str], ...] | None:
    """Texts and names of columns in turn; ``None`` for a template that does more."""
    pieces: list[tuple[str | None, str]] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                pieces.append((node.data, ""))
            elif isinstance(node, nodes.Name) and node.name != ROW:
                pieces.append((None, node.name))
            else:
                return None
    return tuple(pieces)
