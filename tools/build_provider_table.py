"""Write the table of providers and the generated half of each provider's page.

    python -m tools.build_provider_table

What a cell says is what the conformance suite holds a provider to: the suite's own declarations
are read, and nothing is written by hand. tests/docs/test_providers.py fails when a page is not
what this makes.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.provider import Provider, Quirks, Variable
from tests.conformance.rows import ROWS, Row
from tests.conformance.scenarios import SCENARIOS, Scenario
from tools import batch_table

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "reference" / "providers.md"
BATCH_PAGE = DOCS / "concepts" / "batches.md"
FEATURES = [scenario for scenario in SCENARIOS.values() if scenario.feature]

BEGIN = "<!-- made by tools/build_provider_table.py -->\n"
END = "<!-- end of what is made -->\n"

_HEAD = """\
# Providers and what they do

Made by `tools/build_provider_table.py` from the declarations of the conformance suite
(`tests/conformance`): every provider goes through the same {scenarios} scenarios over the
simulator, and does there what the table says.

{table}

- **yes**: with the provider's default model, or with another one that its page names.
- **model**: it depends on the model, of which nothing is known here. It is tried.
- **in words**: there is no field for it, so the prompt asks, and the reply says so in `notices`.
- **left out**: answered without, and the reply says so. With `strict=True` both are refused.
- **no**: refused before anything is sent, by an `UnsupportedError` that names who could do it; for
  cached input: there is none, or the provider does not tell.

Where a provider has a second wire for some of its models, it has a second line. What is the same
everywhere is in no column: system prompts, conversations, streams, usage with
[one meaning](../concepts/money.md), errors of [one tree](errors.md), retries and fail-over.
"""


# ------------------------------------------------------------------ the table


def cell(scenario: Scenario, row: Row) -> str:
    """What a row does of a feature."""
    needs = scenario.needs
    if needs is not None and not row.can(needs):
        return scenario.instead
    if scenario.outcome(row) != "works" or (needs == "cache" and "cache" in row.unsaid):
        return scenario.instead
    unknown = needs is not None and row.target(needs).model.abilities is None
    return "model" if unknown and needs != "embeddings" else "yes"


def table() -> str:
    """All rows by all features."""
    lines = [
        _line("provider", *(one.feature for one in FEATURES)),
        _line(*("---" for _ in range(len(FEATURES) + 1))),
    ]
    for row in sorted(ROWS.values(), key=lambda row: list(TABLE).index(row.name)):
        link = f"[{row.name}](../providers/{row.name}.md)"
        name = f"{link}, `{row.wire}` wire" if row.wire else link
        lines.append(_line(name, *(cell(one, row) for one in FEATURES)))
    return "\n".join(lines)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


# ------------------------------------------------------------------ the pages


def made(name: str) -> str:
    """The generated half of a provider's page."""
    provider = TABLE[name]
    parts = [_facts(provider), *(_features(row) for row in ROWS.values() if row.name == name)]
    if batches := batch_table.section(provider):
        parts.append(batches)
    if quirks := list(_quirks(provider.quirks)):
        head = "## Where its wire differs\n\n| | here | what it means |\n|---|---|---|\n"
        parts.append(head + "\n".join(quirks))
    return "\n\n".join(parts) + "\n"


def page(name: str) -> Path:
    """Where a provider's page is."""
    return DOCS / "providers" / f"{name}.md"


def render(name: str) -> str:
    """A provider's page with its generated half as it should be."""
    return _between(page(name), made(name))


def render_batches() -> str:
    """The page about batches with its table as it should be."""
    return _between(BATCH_PAGE, f"{batch_table.table()}\n")


def _between(path: Path, text: str) -> str:
    """A page with that text between its two marks."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def _facts(provider: Provider) -> str:
    keys = [f"`{name}`" for name in provider.key_env]
    facts = {
        "name": f"`{provider.name}`" + "".join(f", `{alias}`" for alias in provider.aliases),
        "wire": f"`{provider.dialect}`",
        "address": f"`{provider.base_url}`" if provider.base_url else "yours (`base_url`)",
        "default model": f"`{provider.default_model}`" if provider.default_model else "yours",
        "key": ", ".join(keys) or "none",
        **{name: _variable(one) for name, one in provider.variables.items() if _told(one)},
    }
    if provider.local and provider.key_env:
        facts["key"] += " (only if the server wants one)"
    if provider.name == "local":
        facts["address"] = "a port of its own on 127.0.0.1"
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return f"| | |\n|---|---|\n{rows}"


def _told(variable: Variable) -> bool:
    return bool(variable.env or variable.default or variable.needed)


def _variable(variable: Variable) -> str:
    words = ", ".join(f"`{name}`" for name in variable.env)
    default = f", or `{variable.default}`" if variable.default else ""
    return words + default + ("" if variable.needed else " (not needed)")


def _features(row: Row) -> str:
    title = f"## What works on the `{row.wire}` wire" if row.wire else "## What works"
    usual = row.target().model.id
    lines = [f"{title}\n", "| | | asked of |", "|---|---|---|"]
    for scenario in FEATURES:
        model = row.target(scenario.needs).model.id
        said = cell(scenario, row)
        known = said in {"yes", "model"} and not model.startswith("sim-")
        name = f"`{model}`" if known and (model != usual or scenario is FEATURES[0]) else ""
        lines.append(f"| {scenario.feature} | {said} | {name} |")
    return "\n".join(lines)


def _quirks(quirks: Quirks) -> Iterator[str]:
    told = _docstrings(Quirks)
    for field in msgspec.structs.fields(Quirks):
        value = getattr(quirks, field.name)
        usual = field.default
        if usual is msgspec.NODEFAULT:
            usual = field.default_factory()
        if value != usual:
            text = told[field.name].replace("|", "\\|")
            yield f"| `{field.name}` | {_shown(value)} | {text} |"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"`{key}`: `{one}`" for key, one in value.items())
    if isinstance(value, tuple | frozenset):
        ordered = value if isinstance(value, tuple) else sorted(value)
        return ", ".join(f"`{one}`" for one in ordered)
    return {True: "yes", False: "no"}.get(value) or f"`{value}`"


def _docstrings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The texts under the fields of a struct."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            words = " ".join(str(text.value.value).split())
            found[field.target.id] = words.replace("``", "`")
    return found


def render_table() -> str:
    """The page of the table."""
    return _HEAD.format(scenarios=len(SCENARIOS), table=table())


if __name__ == "__main__":
    PAGE.write_text(render_table(), encoding="utf-8")
    BATCH_PAGE.write_text(render_batches(), encoding="utf-8")
    for name in TABLE:
        if page(name).exists():
            page(name).write_text(render(name), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE} and the pages of {len(TABLE)} providers\n")
