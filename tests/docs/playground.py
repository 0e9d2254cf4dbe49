"""Where the pages run: a folder of their own, a simulator, and no way to a real provider.

A page is run as a reader would follow it. What stands in for the real world:

- keys are in the environment, and each configuration file gets the simulator's addresses for
  `openai`, `anthropic` and the providers that it names, where it has none; `LLMO_CONFIG` names such
  a file until the page writes a `llmo.yaml`
- `127.0.0.1:8090`, where the pages have their simulator, becomes the address of ours; a line
  `llmo sim ...` starts another with the options that it gives
"""

import doctest
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.config import load
from llm_orchestrator.simulator import Simulator
from tests.conformance.rows import ROWS

from .markdown import Block

BIN = Path(sys.executable).parent
KEYS = {"OPENAI_API_KEY": "sk-docs-openai-000", "ANTHROPIC_API_KEY": "sk-docs-anthropic-000"}
PLAIN = {
    "NO_COLOR": "1",
    "COLUMNS": "100",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "",
}
# Stands in where there is no curl: it knows what the pages use of it.
CURL = """\
#!{python}
import sys, urllib.request
words = sys.argv[1:]
data = words[words.index("-d") + 1].encode() if "-d" in words else None
answer = urllib.request.urlopen(words[-1], data).read().decode()
print("" if "-o" in words else answer, end="")
"""
PLACE = "127.0.0.1:8090"
# Commands that are shown and not run: they install, or belong to somebody's own machine.
SHOWN = (
    "make ",
    "git ",
    "pip ",
    "python -m pip ",
    "python -m venv ",
    "cd ",
    "source ",
    "createdb ",
)
RUN = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:llmo|python|pytest|cat|echo|head|curl)\b")


class Playground:
    """Runs the blocks of one page, in order."""

    def __init__(self, folder: Path, given: Collection[str] = ()) -> None:
        self._folder = folder
        self._given = given  # variables that the page's own exports leave alone
        self._names: dict[str, Any] = {"__name__": "__page__"}
        self._stack = ExitStack()
        self._address = ""
        self._spare = folder.parent / f"{folder.name}-bin"

    def __enter__(self) -> Self:
        simulator = self._stack.enter_context(Simulator(timings="fast").run_in_thread())
        self._stack.callback(_restore, dict(os.environ))
        self._address = f"{simulator.host}:{simulator.port}"
        self._spare.mkdir()
        (self._spare / "curl").write_text(CURL.format(python=sys.executable))
        (self._spare / "curl").chmod(0o755)
        accounts = self._folder.parent / f"{self._folder.name}-accounts.yaml"
        accounts.write_text("providers: {}\n")
        self._equip(accounts)
        os.environ["LLMO_CONFIG"] = str(accounts)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for value in self._names.values():
            if isinstance(value, LLMOrchestrator):
                value.close()
        self._stack.close()

    def run(self, block: Block) -> None:
        """Run a block, or write the file that it shows; raises where it is wrong."""
        text = block.text.replace(PLACE, self._address)
        if block.file:
            self._write(block.file, text, task="task" in block.words)
            return
        match block.kind:
            case "python":
                printed = self._python(text, block)
            case "sh":
                printed = self._shell(text, block)
            case "yaml":
                self._load(text)
                return
            case _:
                return
        if block.prints is not None:
            check(block.prints.replace(PLACE, self._address), printed, block.place)

    # -------------------------------------------------------------- files

    def _write(self, name: str, text: str, *, task: bool) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if task:
            load_task(path)
        elif path.suffix == ".yaml":
            load(path)
            self._equip(path)

    def _load(self, text: str) -> None:
        path = self._folder.parent / f"{self._folder.name}-part.yaml"
        path.write_text(text)
        load(path)

    def _equip(self, path: Path) -> None:
        """Give the file the simulator's addresses; a `llmo.yaml` is found without LLMO_CONFIG."""
        data = yaml.safe_load(path.read_text()) or {}
        providers = data.setdefault("providers", {})
        for name in ("openai", "anthropic", *(providers.keys() & ROWS.keys() - {"local"})):
            section = providers.setdefault(name, {})
            section.setdefault("base_url", f"http://{self._address}{ROWS[name].path}")
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        if path.name == "llmo.yaml":
            os.environ.pop("LLMO_CONFIG", None)

    # -------------------------------------------------------------- code

    def _python(self, text: str, block: Block) -> str:
        out = io.StringIO()
        lines = "\n" * block.line + text  # so that a traceback names the page's lines
        with redirect_stdout(out):
            exec(compile(lines, str(block.page), "exec"), self._names)
        return out.getvalue()

    def _shell(self, text: str, block: Block) -> str:
        printed = ""
        status = 0
        lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
        for line in lines:
            if line.startswith(("#", *SHOWN)):
                continue
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").partition("=")
                if name not in self._given:
                    os.environ[name] = shlex.split(value)[0]
            elif line.startswith("llmo sim"):
                printed += self._simulator(line)
            else:
                assert RUN.match(line), f"{block.place}: may this run? {line}"
                done = self._command(line)
                printed, status = printed + done.stdout, done.returncode
                wanted = self._status(block) if line == lines[-1] else 0
                assert status == wanted, f"{block.place}: {line}\n{done.stdout}"
                self._look_for_configuration()
        return printed

    def _command(self, line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self._folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=200,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        places = [str(BIN), os.environ.get("PATH", ""), str(self._spare)]
        path = os.pathsep.join(places)
        return {**os.environ, "PATH": path, **PLAIN}

    @staticmethod
    def _status(block: Block) -> int:
        words = dict(word.partition("=")[::2] for word in block.words)
        return int(words.get("status", 0))

    def _look_for_configuration(self) -> None:
        """A command may have written one."""
        made = self._folder / "llmo.yaml"
        if made.exists() and self._address not in made.read_text():
            self._equip(made)

    # -------------------------------------------------------------- a simulator of the page's own

    def _simulator(self, line: str) -> str:
        words = shlex.split(line.removesuffix("&"))[2:]
        if "--port" in words:
            place = words.index("--port")
            del words[place : place + 2]
        ready = self._folder.parent / f"{self._folder.name}-address"
        process = subprocess.Popen(
            [BIN / "llmo", "sim", *words, "--port", "0", "--port-file", ready],
            cwd=self._folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._stack.callback(_end, process)
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, f"not ready: {line}"
            time.sleep(0.02)
        self._address = ready.read_text().strip().removeprefix("http://")
        assert process.stdout
        said = ""
        while not (line := process.stdout.readline()).startswith("bill"):
            assert line, said
            said += line
        return said + line


def _restore(variables: dict[str, str]) -> None:
    """The environment as it was before the page exported its own."""
    os.environ.clear()
    os.environ.update(variables)


def _end(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def check(wanted: str, got: str, place: str) -> None:
    """Compare what was printed with what the page says; figures may differ."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    same = doctest.OutputChecker().check_output(_figures(wanted), _figures(got), options)
    assert same, f"{place} prints\n\n{got}\nand not\n\n{wanted}"


def _figures(text: str) -> str:
    """The text with every figure the same; how long something takes is told in ms or in s."""
    return re.sub(r"\b0 ms\b", "0 s", re.sub(r"\d[\d.,:]*\d|\d", "0", text))
