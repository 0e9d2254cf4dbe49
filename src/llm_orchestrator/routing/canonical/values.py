"""Values and programs as a programming language writes them."""

import ast
import re
import warnings

_ASSERTION = re.compile(r"\A\s*(?:assert\s+)?[\w.]+\(.*\)\s*==\s*(.+)\Z", re.DOTALL)
_END_TAG = re.compile(r"\s*\[/[A-Z]+\]\s*\Z")
_FENCE = re.compile(r"```([\w+#-]*)[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL)
_LONGEST = 20_000


def literal(text: str) -> tuple[str, bool] | None:
    """A value in one spelling, and whether it is a text in quotes; ``None`` when it is empty.

    ``[1,2]`` and ``[1, 2]`` meet, ``1`` and ``1.0`` do not. What is no literal stays as it is.
    """
    text = _END_TAG.sub("", text).strip()
    if found := _ASSERTION.match(text):
        text = found[1].strip()
    if not text or len(text) > _LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            found_value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text, False
    if isinstance(found_value, str):
        return found_value, True
    return _written(found_value), False


def _written(value: object) -> str:
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(_written(item) for item in value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, tuple):
        inner = ", ".join(map(_written, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_written(k)}: {_written(v)}" for k, v in value.items()) + "}"
    return repr(value)


def program(text: str) -> str | None:
    """The program of an answer without comments and layout; ``None`` without exactly one."""
    blocks = _FENCE.findall(text)
    if len(blocks) != 1 or not blocks[0][1].strip():
        return None
    language, code = blocks[0]
    if len(code) > _LONGEST:
        return None
    if language.lower() in {"", "python", "py", "python3"}:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                tree = ast.parse(code)
                return _without_docstrings(tree)
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            pass
    lines = (re.sub(r"\s+", " ", line).strip() for line in code.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("#", "//", "--")))


def _without_docstrings(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(ast.fix_missing_locations(tree))
