"""A bulk run for code without a loop."""

from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from llm_orchestrator.bulk.loading import Loaded
from llm_orchestrator.bulk.output.summary import Report
from llm_orchestrator.bulk.run import AsyncBulkRun

T = TypeVar("T")


class Runs(Protocol):
    """Runs a coroutine to its end on a loop in the background."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> T: ...


class BulkRun:
    """One bulk run; made by `LLMOrchestrator.bulk`. It goes on in the background."""

    def __init__(self, core: AsyncBulkRun, run: Runs) -> None:
        self._core = core
        self._run = run
        self.run_id = core.run_id

    def __repr__(self) -> str:
        return f"<BulkRun {self.run_id}>"

    @property
    def loaded(self) -> Loaded | None:
        """What became of the input."""
        return self._core.loaded

    @property
    def now(self) -> float:
        """Its time, in seconds since 1970."""
        return self._core.now

    @property
    def fault(self) -> OSError | None:
        """Why the files of its results could not be written; the answers are in the store."""
        return self._core.fault

    def start(self) -> None:
        """Drive it in this process, in the background."""
        self._run(self._started())

    async def _started(self) -> None:
        self._core.start()

    def wait(self) -> str:
        """Until it has ended, is paused or was stopped; returns its state."""
        return self._run(self._core.wait())

    def status(self) -> Report:
        """How it stands."""
        return self._run(self._core.status())

    def report(self) -> Report:
        """What came of it: cost by provider, lane and task, retries, savings, decisions."""
        return self._run(self._core.report())

    def results(self) -> Iterator[dict[str, Any]]:
        """The answers, one flat row for each item, as they are read."""
        pages = self._core.pages()
        while page := self._run(pages.next()):
            yield from page

    def write(self, out: str | Path) -> None:
        """Write the files of its results into this folder."""
        self._run(self._core.write(Path(out)))

    def pause(self) -> bool:
        """Begin nothing more; batches that are out go on. False when it does not run."""
        return self._run(self._core.pause())

    def resume(self) -> str:
        """Go on after a pause or a stop; returns its state."""
        return self._run(self._core.resume())

    def cancel(self) -> bool:
        """End it: what its batches have answered is kept. False when it has ended."""
        return self._run(self._core.cancel())

    def retry(self) -> int:
        """Ask again what has failed, also for good; how many items."""
        return self._run(self._core.retry())

    def stop(self) -> None:
        """Let go at the next checkpoint; whoever starts it next goes on."""
        self._core.stop()
