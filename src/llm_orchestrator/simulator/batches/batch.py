"""One batch: what was asked for, how far time has brought it, and what it has cost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from llm_orchestrator.simulator.batches.answerer import Answerer
from llm_orchestrator.simulator.batches.feed import Numbered, feed
from llm_orchestrator.simulator.batches.files import StoredFile, lines_of
from llm_orchestrator.simulator.batches.format import (
    Answered,
    BatchFormat,
    Entry,
    Item,
    Problem,
    ProblemError,
)
from llm_orchestrator.simulator.batches.results import BAD, GOOD, LOST, Results
from llm_orchestrator.simulator.batches.settings import BatchSettings
from llm_orchestrator.simulator.batches.timeline import Ending, Phase, Timeline
from llm_orchestrator.simulator.bill import shown
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.prices import BATCH, Usage
from llm_orchestrator.simulator.refusal import Refusal

if TYPE_CHECKING:
    from llm_orchestrator.simulator.world import World

_SLICE: Final = 32  # items worked on before others get a turn
_SCANNED: Final = 512
_PROBLEMS: Final = 50  # that are told
_METERS: Final = {"usage", "usageMetadata", "meta", "tokenCount", "inputTextTokenCount"}


@dataclass(slots=True)
class Batch:
    """A batch that was accepted. All moments are virtual but `accepted`.

    `label` is what the caller can find it by (metadata, a name, a token); `facts` is what one
    provider knows of it.
    """

    id: str
    provider: str
    account: str
    format: BatchFormat
    endpoint: str
    model: str
    inputs: list[Path]
    timeline: Timeline
    settings: BatchSettings
    headers: Mapping[str, str]
    results: Results
    tokens: int  # estimated, of the input
    accepted: float  # on the real clock that never goes back
    label: Any = None
    facts: dict[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    settled: Callable[[Batch], None] | None = None  # called once its results are final
    cancelled_at: float | None = None
    problems: list[Problem] = field(default_factory=list)
    scanned: bool = False
    digest: int = 0
    work: int = 0
    output: StoredFile | None = None
    errors: StoredFile | None = None
    seq: int = 0  # on the bill

    @property
    def total(self) -> int:
        """How many items it has."""
        return self.timeline.total

    @property
    def stop(self) -> tuple[float, Ending]:
        """When it ends, and how."""
        plan, cancelled = self.timeline, self.cancelled_at
        if self.problems:
            return plan.validated, "failed"
        ends: list[tuple[float, Ending]] = [(plan.expires, "expired")]
        stuck = self.fault is not None and self.fault.name == "batch-expired"
        if not stuck and (cancelled is None or cancelled >= plan.worked):
            ends.append((plan.ended, "completed"))
        if cancelled is not None:
            ends.append((cancelled + self.settings.cancelling, "cancelled"))
        return min(ends)

    @property
    def finished(self) -> bool:
        """Whether its results are final, and on the bill."""
        return self.results.closed

    def done(self, now: float) -> int:
        """How many items are finished by then, whether they have been worked on or not."""
        moment, ending = self.stop
        if ending == "failed" or (ending != "completed" and not self.format.partial):
            return 0
        count = self.timeline.done(min(now, moment))
        if self.fault and self.fault.name == "batch-expired":
            count = min(count, int(self.total * self.fault.share))
        return count

    def phase(self, now: float) -> Phase:
        """Where it is; the last step is taken when its results are there."""
        plan, (moment, ending) = self.timeline, self.stop
        if self.finished and now >= moment:
            return ending
        if self.cancelled_at is not None:
            return "cancelling"
        if now < plan.validated:
            return "validating"
        if now < plan.begun:
            return "queued"
        return "running" if now < plan.worked or ending == "expired" else "finalizing"

    def cancel(self, now: float) -> None:
        """Stop soon; what is finished by then is kept."""
        if self.cancelled_at is None:
            self.cancelled_at = now

    def hit(self, item: int) -> bool:
        """Whether the fault strikes this item: each n-th, by its number in the input."""
        share = self.fault.share if self.fault else 0.0
        return share > 0 and item % max(1, round(1 / share)) == 0

    def bill(self, *, items: bool) -> Iterator[dict[str, Any]]:
        """Its rows on the bill, as far as its items have been added up."""
        facts: dict[str, Any] = {
            "seq": self.seq,
            "time": self.timeline.created,
            "account": self.account,
            "provider": self.provider,
            "wire": f"{self.provider}.batch",
            "request_id": self.id,
            "tier": BATCH,
            "outcome": self.stop[1] if self.finished else "open",
            "settled": self.finished,
            "batch_id": self.id,
        }
        if items:
            for item in self.results.items():
                if item.good:
                    facts |= {"model": item.model, "custom_id": item.key}
                    yield shown(**facts, usage=item.usage, cost=item.cost)
            return
        for number, tally in self.results.tallies.items():
            yield shown(
                **facts,
                model=self.results.model(number).id,
                requests=tally.requests,
                usage=tally.usage,
                cost=None if tally.unpriced else tally.cost,
            )
        if not self.results.tallies:
            facts |= {"model": None, "requested": self.model, "requests": 0}
            yield shown(**facts, usage=Usage(), cost=0)

    # ---------------------------------------------------------------- work

    @property
    def ready(self) -> bool:
        """Whether only the end is missing."""
        if self.finished or not self.scanned:
            return self.finished
        return bool(self.problems) or self.results.written >= self.done(self.stop[0])

    def behind(self, now: float) -> bool:
        """Whether work is left that should be done by now."""
        if self.finished:
            return False
        if not self.scanned:
            return now >= self.timeline.validated
        return now >= self.stop[0] or self.results.written < self.done(now)

    def steps(self, world: World) -> Iterator[None]:
        """All of the work in small steps; the last ones wait for the end to come."""
        yield from self._scan()
        self.problems += world.batches.problems(self)
        self.scanned = True
        yield from self._answers(world)
        self.results.rest()
        while world.clock.virtual() < self.stop[0]:
            yield
        yield from self._close()

    def _scan(self) -> Iterator[None]:
        """Check the whole input."""
        seen: set[int] = set()
        inputs = 0
        for number, raw in enumerate(lines_of(self.inputs)):
            try:
                entry = self.format.entry(raw, self)
                self._check(entry, seen)
            except ProblemError as problem:
                if self.format.fails_whole and len(self.problems) < _PROBLEMS:
                    self.problems.append(problem.at(number + 1))
            else:
                inputs += self.format.inputs(entry, self)
                body = _hash(entry.body)
                self.work = (self.work + body) % (1 << 64)
                self.digest = (self.digest + _hash(entry.key.encode() + entry.body)) % (1 << 64)
            if number % _SCANNED == 0:
                yield
        if not self.total and "wrong" not in self.facts:
            self.problems.append(Problem("empty_file", "The input is empty."))
        if inputs > self.format.most_inputs:
            message = f"The batch has {inputs} inputs; the limit is {self.format.most_inputs}."
            self.problems.append(Problem("too_many_inputs", message))
        if self.fault and self.fault.name == "batch-failed":
            self.problems.append(Problem("internal_error", "The batch could not be processed."))

    def _check(self, entry: Entry, seen: set[int]) -> None:
        if len(entry.key) > self.format.longest_key:
            raise ProblemError(
                "invalid_custom_id",
                f"The custom_id must have at most {self.format.longest_key} characters.",
                "custom_id",
            )
        if self._refused(entry):
            message = "Invalid value in the body of this line."
            raise ProblemError("invalid_request", message, "body.messages")
        if self.format.one_model and entry.model != self.model:
            raise ProblemError(
                "mismatched_model",
                f"All requests of a batch must be for one model; found '{entry.model}' beside "
                f"'{self.model}'.",
                "body.model",
            )
        if not self.format.unique:
            return
        key = _hash(entry.key.encode())
        if key in seen:
            raise ProblemError(
                "duplicate_custom_id",
                f"The custom_id '{entry.key}' is used more than once; it must be unique.",
                "custom_id",
            )
        seen.add(key)

    def _refused(self, entry: Entry) -> bool:
        """Whether the fault strikes this line: by what it asks, so that every batch refuses it."""
        if self.fault is None or self.fault.name != "refused-lines":
            return False
        return _hash(entry.body) < self.fault.share * (1 << 64)

    def _answers(self, world: World) -> Iterator[None]:
        """Answer all items that will be reached, however the batch ends."""
        if self.problems:
            return
        answerer = Answerer(world, self)
        for count, item in enumerate(self._feed()):
            if count % _SLICE == 0:
                reached = self.done(self.stop[0])
                yield
            if count >= reached:
                return
            self._answer(answerer, *item)

    def _feed(self, skip: int = 0) -> Iterator[Numbered]:
        shuffled = self.settings.shuffled and not self.format.in_order
        return feed(self.inputs, self.id, shuffled=shuffled, skip=skip)

    def _answer(self, answerer: Answerer, number: int, raw: bytes) -> None:
        try:
            item = Item(self, self.format.entry(raw, self), number)
            answered = answerer.answer(item)
        except ProblemError as problem:
            item, answered = Item(self, Entry("", raw), number), _unreadable(problem)
        kind = GOOD if answered.good else BAD
        line = self.format.line(item, answered) + b"\n"
        if self.fault and self.hit(number):
            kind, line = self._spoil(kind, line, item, answered)
        lines = [line, b""] if self.format.one_file or kind != BAD else [b"", line]
        self.results.add(item.entry.key, _hash(item.entry.body), kind, answered, lines)

    def _spoil(self, kind: int, line: bytes, item: Item, answered: Answered) -> tuple[int, bytes]:
        """A result as a fault leaves it; it is paid for unless there is none."""
        name = self.fault.name if self.fault else ""
        if name == "garbage-results":
            return kind, line[: len(line) // 2] + b"\n"
        if name == "missing-results":
            return LOST, b""
        if name == "doubled-results":
            return kind, line * 2
        if name == "unmetered-results":
            return kind, msgspec.json.encode(_unmetered(msgspec.json.decode(line))) + b"\n"
        if name == "unknown-ids":
            key, name = item.entry.key, f"nobody{item.number}"
            body = item.entry.body.replace(f'"{key}"'.encode(), f'"{name}"'.encode())
            stranger = replace(item, entry=replace(item.entry, key=name, body=body))
            return kind, line + self.format.line(stranger, answered) + b"\n"
        return kind, line

    def _close(self) -> Iterator[None]:
        """Make the results final: nothing beyond the end, and a line for what was not reached."""
        moment, ending = self.stop
        count = min(self.done(moment), self.results.written)
        self.results.advance(count)
        self.results.cut()
        if ending in {"expired", "cancelled"}:
            for step, (number, raw) in enumerate(self._feed(count)):
                try:
                    entry = self.format.entry(raw, self)
                except ProblemError:
                    continue
                line = self.format.left(Item(self, entry, number), ending)
                if line is not None:
                    self.results.left(line + b"\n", error=not self.format.one_file)
                if step % _SCANNED == 0:
                    yield
        self.results.close()


def _unmetered(value: Any) -> Any:
    """A result without anything that tells what it used."""
    if isinstance(value, list):
        return [_unmetered(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _unmetered(one) for name, one in value.items() if name not in _METERS}


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def _unreadable(problem: ProblemError) -> Answered:
    refusal = Refusal(400, problem.message, code=problem.code, param=problem.param)
    return Answered(400, b"null", refusal=refusal)
