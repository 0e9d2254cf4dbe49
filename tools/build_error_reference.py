"""Write docs/reference/errors.md from the error classes.

    python tools/build_error_reference.py

tests/docs/test_reference.py fails when the page is not what this makes.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from llm_orchestrator import errors
from llm_orchestrator.errors import OrchestratorError

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"

_HEAD = """\
# Errors

Made by `tools/build_error_reference.py` from `errors.py`.

The same fault is the same class on every wire, also when it hides inside a stream that began with
200. Catch the branch that you can do something about; `OrchestratorError` is all of them.

```text
{tree}
```

## What they carry

| field | what it is |
|---|---|
| `provider`, `model` | who was asked, where somebody was |
| `status_code`, `code` | the HTTP status, and the provider's or our word for the fault |
| `retry_after` | seconds that the provider asked to wait |
| `request_id` | the provider's id of the request, for its support |
| `retryable` | whether asking the same target again may help |
| `failover` | whether asking another one may help |
| `attempts` | every request that was made for the call, as in a reply |

The text of an error names the target, what is wrong and what to do. Errors can be pickled and never
hold a key.

When a call fails for good, all of this has been done already: "again" says whether the same
candidate was asked again, "elsewhere" whether the next one was. How often and how long is in
[keep answering when a provider fails](../how-to/failover.md).

## Each one

| class | meaning | again | elsewhere | also carries |
|---|---|---|---|---|
{rows}
"""
_MEANT_FOR_ALL = frozenset(("retryable", "failover"))


def render() -> str:
    """The whole page."""
    tree = "\n".join(
        line.removeprefix("    ")
        for line in (errors.__doc__ or "").splitlines()
        if line.startswith("    ")
    )
    return _HEAD.format(tree=tree, rows="\n".join(map(_row, _classes(OrchestratorError))))


def _classes(kind: type[OrchestratorError]) -> Iterator[type[OrchestratorError]]:
    """The class and all below it, as the tree has them."""
    yield kind
    for inner in kind.__subclasses__():
        yield from _classes(inner)


def _row(kind: type[OrchestratorError]) -> str:
    text = " ".join(inspect.cleandoc(kind.__doc__ or "").split()).replace("``", "`")
    own = [name for name in vars(kind).get("__annotations__", {}) if name not in _MEANT_FOR_ALL]
    carries = ", ".join(f"`{name}`" for name in own)
    again, elsewhere = ("yes" if flag else "" for flag in (kind.retryable, kind.failover))
    return f"| `{kind.__name__}` | {text} | {again} | {elsewhere} | {carries} |"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
