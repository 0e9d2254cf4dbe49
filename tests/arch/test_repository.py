"""What is written down agrees with itself, and nothing of a developer's machine is in it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

import llm_orchestrator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))

MACHINE = re.compile(
    rb"(?<![\w.~-])/(?:work|root|opt/pypi[\w-]*|tmp/brief)/"  # paths that exist on one machine
    rb"|\b(?:files\.)?py(?:pi\.org|thonhosted\.org)"  # registry hosts: whose it is, is configured
    rb"|registry\.npm"
)


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = (ROOT / name for name in done.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return match[0].lower()


def declared() -> set[str]:
    extras = PROJECT["optional-dependencies"].values()
    return {
        name_of(line)
        for line in [*PROJECT["dependencies"], *(x for lines in extras for x in lines)]
    }


def test_no_machine_and_no_registry_is_named() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {match[0].decode()}"
        for path in tracked()
        if path != Path(__file__)
        for match in MACHINE.finditer(path.read_bytes())
    }
    assert not found


def test_nothing_large_or_generated_is_tracked() -> None:
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked()}
    assert not {name: size for name, size in large.items() if size > 5_000_000}
    assert not [name for name in large if name.endswith((".pyc", ".db", ".so", ".gguf", ".env"))]


def test_every_dependency_has_its_line_and_no_other() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z0-9-]+)`", text, flags=re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == declared()


def test_what_is_imported_is_declared() -> None:
    """Also when something else happens to bring it."""
    graph = grimp.build_graph("llm_orchestrator", include_external_packages=True)
    import_name = {"pyyaml": "yaml", "google-auth": "google"}
    allowed = {import_name.get(name, name.replace("-", "_")) for name in declared()}
    imported = {name for name in graph.modules if not name.startswith("llm_orchestrator")}
    assert imported - sys.stdlib_module_names <= allowed


def test_locks_pin_every_dependency_by_hash() -> None:
    pinned: set[str] = set()
    for lock in LOCKS:
        for block in re.split(r"\n(?=[a-z0-9])", lock.read_text(encoding="utf-8")):
            if block.startswith("#"):
                continue
            assert re.match(r"[a-z0-9._-]+==\S+", block), (lock.name, block[:60])
            assert "--hash=sha256:" in block, (lock.name, block[:60])
            pinned.add(name_of(block))
    optional = {"botocore", "google-auth"}  # not needed to run or to test
    assert declared() - optional <= pinned


def test_locks_agree() -> None:
    """One version per package over all locks, so that installing one never undoes another."""
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        if lock.name == "anthropic-1.lock":
            continue  # it goes into a folder of its own
        for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert not {name: found for name, found in versions.items() if len(found) > 1}


def test_one_version() -> None:
    assert llm_orchestrator.__version__ == PROJECT["version"]


def test_make_help_names_every_public_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    public = {
        name for line in re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE) for name in line.split()
    }
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    described = set(re.findall(r"^  make ([a-z-]+)", done.stdout, re.MULTILINE))
    assert described == public
