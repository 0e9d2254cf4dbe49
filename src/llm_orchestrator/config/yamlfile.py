"""Reading YAML so that a mistake is answered with its line, and never with its text."""

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from llm_orchestrator.errors import ConfigError


def read_yaml(path: Path) -> tuple[Any, "Lines"]:
    """The document in the file and the lines of its keys; raises `ConfigError`.

    Numbers with a fraction come as `Decimal`, so that a price is exactly what was written.
    """
    import yaml

    text = _text(path)
    try:
        node = _loader()(text).get_single_node()
        loader = _loader()("")
        document = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_explain(path, error)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        # A reader error (a control character), a date that is none, or endless nesting.
        where = getattr(error, "position", None)
        line = "" if where is None else f", line {text[:where].count(chr(10)) + 1}"
        raise ConfigError(f"{path}{line}: this is not valid YAML") from None
    return document, Lines(node)


class Lines:
    """Tells in which line of the file a key is."""

    def __init__(self, node: Any = None) -> None:
        self._node = node

    def of(self, path: tuple[str | int, ...]) -> int | None:
        """The line (from 1) of the deepest part of the path that is in the file."""
        node, line = self._node, None
        for part in path:
            value = getattr(node, "value", None)
            if isinstance(part, int):
                if not isinstance(value, list) or part >= len(value):
                    break
                node = value[part]
                line = node.start_mark.line + 1
                continue
            pairs = value if type(node).__name__ == "MappingNode" and value else ()
            found = next(((k, v) for k, v in pairs if k.value == part), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration file {path}; `llmo config init {path}` writes one"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from None


def _explain(path: Path, error: Any) -> str:
    """The parser's words and place, without the file's text: a key may be in it."""
    mark = error.problem_mark or error.context_mark
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    if unclosed := re.match("expected ',' or '([]}])'", problem := error.problem or ""):
        problem = f"a comma or {unclosed[1]} is missing before this"
    problem = re.sub(r"(['\"])[^'\"]{3,}\1", "...", problem or "this is not valid YAML")
    hint = "; indent with spaces, not tabs" if "\\t" in problem else ""
    return f"{path}{where}: {problem}{hint}"


def _loader() -> Any:
    import yaml

    global _LOADER  # noqa: PLW0603 - made on first use, so that yaml is not imported before
    if _LOADER is None:

        class Loader(yaml.SafeLoader):
            """YAML with exact numbers and without double keys."""

            def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
                seen = set()
                for key, _ in node.value:
                    if key.value in seen and isinstance(key.value, str):
                        raise yaml.constructor.ConstructorError(
                            None, None, f"the key {key.value} is there twice", key.start_mark
                        )
                    seen.add(key.value if isinstance(key.value, str) else id(key))
                return super().construct_mapping(node, deep)

        Loader.add_constructor("tag:yaml.org,2002:float", _number)
        _LOADER = Loader
    return _LOADER


_LOADER: Any = None


def _number(loader: Any, node: Any) -> Decimal | float:
    text = str(loader.construct_scalar(node)).replace("_", "")
    try:
        return Decimal(text)
    except InvalidOperation:
        return float(loader.construct_yaml_float(node))
