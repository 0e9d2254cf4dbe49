"""The reference is complete, and is what the tools make of the code."""

import re
from typing import Any

import pytest
import typer.main

import llm_orchestrator
from llm_orchestrator.cli.main import root
from llm_orchestrator.config.schema import Config
from llm_orchestrator.errors import OrchestratorError
from tools import build_api_reference, build_error_reference

from .markdown import ROOT

API = ROOT / "docs" / "reference" / "api.md"
ERRORS = ROOT / "docs" / "reference" / "errors.md"
CLI = ROOT / "docs" / "reference" / "cli.md"


@pytest.mark.parametrize("tool", [build_api_reference, build_error_reference])
def test_generated_pages_are_current(tool: object) -> None:
    render, page = tool.render, tool.PAGE  # type: ignore[attr-defined]
    assert page.read_text(encoding="utf-8") == render(), f"run: python {tool.__name__}"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(set(llm_orchestrator.__all__) - {"__version__"}))
def test_every_public_name_is_in_the_reference(name: str) -> None:
    text = API.read_text(encoding="utf-8") + ERRORS.read_text(encoding="utf-8")
    assert re.search(rf"\b{name}\b", text)


@pytest.mark.parametrize("name", ["LLMOrchestrator", "AsyncLLMOrchestrator"])
def test_every_verb_is_in_the_reference(name: str) -> None:
    text = API.read_text(encoding="utf-8")
    verbs = [verb for verb in vars(getattr(llm_orchestrator, name)) if not verb.startswith("_")]
    assert verbs
    assert not [verb for verb in verbs if f"`{verb}`" not in text and f"{verb}(" not in text]


def test_every_error_has_its_row_and_its_place_in_the_tree() -> None:
    text = ERRORS.read_text(encoding="utf-8")
    for kind in classes(OrchestratorError):
        assert f"\n| `{kind.__name__}` | " in text
        assert re.search(rf"^[│├└─ ]*{kind.__name__}\b", text, re.MULTILINE)
        assert kind.__doc__, f"{kind.__name__} says nothing"


def classes(kind: type[OrchestratorError]) -> list[type[OrchestratorError]]:
    return [kind, *(one for inner in kind.__subclasses__() for one in classes(inner))]


def test_every_command_is_in_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    told = re.search(r"^- `llmo`: (.*?)\.$", text, re.MULTILINE | re.DOTALL)
    assert told is not None
    group = typer.main.get_command(root)
    names = {path.split()[1] for path, _ in commands(group, "llmo") if " " in path}
    assert set(re.findall(r"`(\w+)`", told[1])) == names


def test_every_command_has_help_in_the_reference() -> None:
    text = CLI.read_text(encoding="utf-8")
    found = list(commands(typer.main.get_command(root), "llmo"))
    assert len(found) > 10
    for path, told in found:
        assert f"\n## {path}\n" in text
        assert told, f"{path} has no help"
        assert told.splitlines()[0] in text


LIVE = {"llmo scheduler start"}  # shows what happens until it is stopped


def test_every_command_takes_json() -> None:
    without = {
        path
        for path, command in leaves(typer.main.get_command(root), "llmo")
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == LIVE


def leaves(command: Any, path: str) -> list[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if not inner:
        return [(path, command)]
    return [one for name, sub in inner.items() for one in leaves(sub, f"{path} {name}")]


def commands(command: object, path: str) -> list[tuple[str, str]]:
    inner = getattr(command, "commands", {})
    if not inner:
        return [(path, getattr(command, "help", "") or "")]
    return [one for name, sub in inner.items() for one in commands(sub, f"{path} {name}")]


def test_every_top_key_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "config.md").read_text(encoding="utf-8")
    hidden = {"env", "source"}
    assert not [
        name for name in Config.__struct_fields__ if name not in hidden | set(text.split("`"))
    ]
