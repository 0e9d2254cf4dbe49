"""Write docs/reference/config.md from the structs that hold the settings.

    python tools/build_config_reference.py

tests/unit/config/test_reference.py fails when the page is not what this makes.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from llm_orchestrator.config.base import PartOf
from llm_orchestrator.config.classic import CLASSIC_KEYS
from llm_orchestrator.config.read import describe, is_struct, keys, unwrap, words
from llm_orchestrator.config.schema import ClassicWord, Config
from llm_orchestrator.types.model import Ability

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "config.md"

_HEAD = """\
# Configuration keys

Made by `tools/build_config_reference.py`; edit the structs in `config/schema.py` instead.

A configuration is a YAML file (`LLMOrchestrator("config.yaml")`, `llmo --config config.yaml`), a
mapping of the same keys, or nothing at all. `llmo config init` writes a commented file, `llmo
config check` reads one, `llmo config show` prints what holds, secrets blanked.

- In every text, `${NAME}` is replaced by an environment variable and `${NAME:-text}` has a default;
  `$$` is a dollar sign. An empty variable counts as unset. A variable of a provider may be unset:
  only using that provider is then an error, which names the variable.
- `.env` files of the working directory and beside the configuration add variables; real ones win,
  even empty ones (`OPENAI_API_KEY= llmo run ...` goes without that key). A line of it that is no
  `NAME=value` is passed over with a warning that names it.
- A key that is not listed here is an error with the nearest name, and so is a value of a wrong
  type. All mistakes are told at once, with their lines.
- Amounts are exact: USD, per million tokens where a price is meant.
"""

_TAIL = """\
## Ability words

{abilities}.

Of older tools these are accepted as well: {classic_words}.

## Router keys of older configurations

Accepted at the top and under `router:`; two keys for one thing must agree.

| key | sets |
|---|---|
{classic}

## Environment variables

They fill in what the file leaves out.

| variable | what it does |
|---|---|
| `LLMO_CONFIG` | the configuration file when none is given |
| `LLMO_HOME` | the folder of the ledger |
| `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` | the proxy to providers: `http://host:port` |
| `NO_PROXY` | hosts that are reached without it |
| `REDIS_URL` | `rate_limits.redis_url`, and `cache.redis_url` where answers are kept in Redis |
| `ORCHESTRATOR_DEFAULT_PROVIDER` | `active_provider` |
| `ORCHESTRATOR_AUTO_APPROVE_THRESHOLD_USD` | `auto_approve_threshold_usd` |
| `ORCHESTRATOR_ENABLE_AUDIT` | `cost_tracking.enabled` |
| `BATCH_SCHEDULE_TIME` | `bulk.schedule_time` |
| `BATCH_CHECK_INTERVAL` | `bulk.check_interval` |
| `BATCH_AUDIT_INTERVAL` | `bulk.audit_interval` |
| `BATCH_TIME_ZONE` | `bulk.zone` |
| `OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, ... | keys, by provider; `llmo providers` names them |
"""


def render() -> str:
    """The whole page."""
    sections = [_HEAD, _table("Top level", "", Config)]
    sections += [_table(title, text, kind) for title, text, kind in _sections(Config, "")]
    classic = "\n".join(f"| `{key}` | `{target}` |" for key, target in CLASSIC_KEYS.items())
    tail = _TAIL.format(
        classic=classic, abilities=_listed(Ability), classic_words=_listed(ClassicWord)
    )
    return "\n".join((*sections, tail))


def _listed(kind: Any) -> str:
    return ", ".join(f"`{word}`" for word in words(kind))


def _sections(
    kind: type[msgspec.Struct], path: str
) -> Iterator[tuple[str, str, type[msgspec.Struct]]]:
    for name, field in keys(kind).items():
        inner, here = _inner(field.type, f"{path}{name}")
        if inner is not None:
            yield f"`{here}`", inspect.cleandoc(inner.__doc__ or ""), inner
            yield from _sections(inner, f"{here}.")


def _inner(kind: Any, path: str) -> tuple[type[msgspec.Struct] | None, str]:
    """The section that a key opens, if it opens one, and how its path is written."""
    bare, marks = unwrap(kind)
    part = next((mark for mark in marks if isinstance(mark, PartOf)), None)
    if part:
        return part.kind, path
    if is_struct(bare):
        return bare, path
    members = [member for member in get_args(bare) if is_struct(member)]
    if not members:
        return None, path
    return unwrap(members[0])[0], f"{path}.<name>" if get_origin(bare) is dict else f"{path}[]"


def _is_part(kind: Any) -> bool:
    return any(isinstance(mark, PartOf) for mark in unwrap(kind)[1])


def _table(title: str, text: str, kind: type[msgspec.Struct]) -> str:
    told = _docstrings(kind)
    rows = [
        f"| `{name}` | {_escape(_takes(field.type))} | {_default(field)} | "
        f"{_escape(_description(field) or told.get(name) or _opened(field.type))} |"
        for name, field in keys(kind).items()
    ]
    head = "| key | takes | default | what it does |\n|---|---|---|---|"
    return "\n".join((f"## {title}\n", *([f"{text}\n"] if text else []), head, *rows, ""))


def _takes(kind: Any) -> str:
    inner, _ = _inner(kind, "")
    if inner is None:
        listed = get_args(unwrap(kind)[0]) if get_origin(unwrap(kind)[0]) is frozenset else ()
        if listed and len(words(listed[0])) > 8:
            return "a list of [ability words](#ability-words)"
        return describe(kind)
    origin = get_origin(unwrap(kind)[0])
    if _is_part(kind) or origin is None:
        return "a section"
    return "sections by name" if origin is dict else "a list of names or of sections"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    if isinstance(value, msgspec.Struct) or value in (None, "", (), {}, frozenset()):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, frozenset):
        return ", ".join(f"`{one}`" for one in sorted(value))
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _description(field: msgspec.structs.FieldInfo) -> str:
    marks = unwrap(field.type)[1]
    texts = [mark.description for mark in marks if isinstance(mark, msgspec.Meta)]
    return next((text for text in texts if text), "")


def _opened(kind: Any) -> str:
    inner, _ = _inner(kind, "")
    return inspect.cleandoc(inner.__doc__ or "") if inner is not None else ""


def _docstrings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The texts under the fields of structs that are not settings themselves."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            name, value = field.target, text.value
            if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
                found[name.id] = " ".join(str(value.value).replace("``", "`").split())
    return found


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
