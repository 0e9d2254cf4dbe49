"""The examples run, and the posts are what the demo says they are."""

import csv
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.providers import local
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.simulator import Simulator

from .markdown import ROOT
from .playground import KEYS, PLAIN

EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path for path in EXAMPLES.glob("*.py") if not path.stem.endswith("demo"))
CONFIGS = sorted(EXAMPLES.glob("*.yaml"))
pytestmark = pytest.mark.timeout(300)  # the demos start several processes


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulator, and a configuration for it where the examples look for one."""
    with Simulator().run_in_thread() as simulator:
        path = tmp_path / "accounts.yaml"
        path.write_text(
            "providers:\n"
            f"  openai: {{api_key: any-key, base_url: '{simulator.openai_url}'}}\n"
            f"  anthropic: {{api_key: any-key, base_url: '{simulator.anthropic_url}/v1'}}\n"
        )
        monkeypatch.setenv("LLMO_CONFIG", str(path))
        yield simulator


def run(script: Path, *words: str, timeout: int = 100) -> "subprocess.CompletedProcess[str]":
    """Run a script as a user does, with warnings on."""
    return subprocess.run(
        [sys.executable, "-W", "default", script, *words],
        capture_output=True,
        text=True,
        env={**os.environ, **PLAIN},
        timeout=timeout,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_runs(script: Path, accounts: Simulator) -> None:
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not done.stderr


def test_demo_balances_its_books(tmp_path: Path) -> None:
    """A copy of it, so that it leaves its files elsewhere; piped, so that it is plain."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    done = run(folder / "demo.py", timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    assert "✓ The books balance" in done.stdout
    assert "244 of 244 posts have an answer" in done.stdout
    assert "0 posts were lost" in done.stdout
    # The model's answer and the paths are as long as they are.
    report = done.stdout.partition("\n2  ")[2].partition("\n5  ")[0]
    assert max(len(line) for line in report.splitlines()) <= 100
    assert local.available() == ("local/smollm2-135m" in done.stdout)
    with (tmp_path / ".demo" / "sentiment.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 244
    # Failures were there, of both accounts, and were rescued.
    failed = re.search(r"(\d+) of (\d+) requests failed", done.stdout)
    assert failed is not None
    assert int(failed[1]) > 15
    assert int(failed[2]) > 244


def test_demo_says_so_when_the_books_differ(tmp_path: Path) -> None:
    """A bill that is higher by the smallest amount must be found."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    text = (folder / "demo.py").read_text(encoding="utf-8")
    honest = 'Decimal(billed["cost_usd"])'
    assert honest in text
    (folder / "demo.py").write_text(
        text.replace(honest, f'({honest} + Decimal("1e-12"))'), encoding="utf-8"
    )
    done = run(folder / "demo.py", timeout=280)
    assert done.returncode == 1
    assert "✗ The books do not balance" in done.stdout


def test_bulk_demo_saves_what_it_says(tmp_path: Path) -> None:
    """With fewer posts; a copy of it, so that it leaves its files elsewhere."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    done = run(folder / "bulk_demo.py", "--posts", "180", timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert "\x1b" not in done.stdout
    assert "✓ Report, ledger and bill are the same" in done.stdout
    assert "\n360 of 360 answers" in done.stdout
    assert "all three            agree on" in done.stdout
    shown = done.stdout.partition("\n5  ")[0]
    assert max(len(line) for line in shown.splitlines()) <= 100
    out = tmp_path / ".demo" / "bulk" / "results"
    for name in ("claude", "gemini", "openai"):
        for task in ("semantic", "sentiment"):
            assert f"{task}_analysis.jsonl" in shown
            assert (out / f"ai_results_{name}" / f"{task}_analysis.jsonl").stat().st_size
    for mode in ("claude_batch", "gemini", "openai_batch"):
        assert re.search(rf"^{mode} .* = ", shown, re.MULTILINE), mode


def test_bulk_demo_says_so_when_the_bill_differs(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    text = (folder / "bulk_demo.py").read_text(encoding="utf-8")
    honest = 'Decimal(row["cost_usd"])'
    assert honest in text
    (folder / "bulk_demo.py").write_text(
        text.replace(honest, f'({honest} + Decimal("1e-12"))'), encoding="utf-8"
    )
    done = run(folder / "bulk_demo.py", "--posts", "60", timeout=280)
    assert done.returncode == 1
    assert "✗ Report, ledger and bill differ" in done.stdout


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_configuration_is_ready(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    directory = Directory(load(path))
    named = directory.config.providers
    assert named
    assert not [name for name in named if directory.fault(name)]


def test_every_example_is_listed() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    there = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert set(re.findall(r"\]\(([\w.]+)\)", text)) == there - {"README.md"}


def test_posts_are_many_and_varied() -> None:
    path = EXAMPLES / "posts.csv"
    assert path.stat().st_size < 80_000
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "author", "text"]
    assert len(rows) >= 220
    texts = [row["text"] for row in rows]
    assert len({row["id"] for row in rows}) == len(set(texts)) == len(rows)
    assert len(scripts("".join(texts))) >= 10
    for sign in ("\n", ",", '"', "🙏"):
        assert any(sign in text for text in texts)
    # Not made from a few templates: hardly two begin alike.
    starts = Counter(tuple(text.split()[:3]) for text in texts if len(text.split()) > 5)
    assert starts.most_common(1)[0][1] <= 3


def scripts(text: str) -> set[str]:
    """The scripts of the letters: LATIN, CYRILLIC, HANGUL, ..."""
    return {unicodedata.name(letter, "?").split()[0] for letter in set(text) if letter.isalpha()}
