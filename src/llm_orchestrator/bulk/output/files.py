"""The files of a run: one pass over its items, written beside the old ones and then put in place.

ai_results_<provider>/<task>_analysis.json and .jsonl
ai_results_<provider>/checkpoint.json
consolidated/all_analysis.json
processing_summary.json
rejects.jsonl
strange.jsonl, where batches had results that nobody asked for
"""

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from llm_orchestrator.bulk import spec
from llm_orchestrator.bulk.answers import decode_answer
from llm_orchestrator.bulk.batches.tidying import strange_path
from llm_orchestrator.bulk.clock import Clock
from llm_orchestrator.bulk.output import merge, summary
from llm_orchestrator.bulk.output.brands import brand
from llm_orchestrator.bulk.output.grouping import Groups
from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.bulk.rows.row import Reject, rejects_path
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_connection import BulkConnection
from llm_orchestrator.store.bulk_items import BulkItems
from llm_orchestrator.store.bulk_rows import ItemRow, ItemState, RunRow
from llm_orchestrator.types.money import to_usd

_encode = msgspec.json.Encoder(decimal_format="number").encode
_OWN = frozenset(
    (
        *("task", "provider", "model", "input_tokens", "output_tokens", "cost_usd"),
        *("tool_calls", "finish_reason", "repaired", "agreement", "asked"),
    )
)
"""Names that mean the same in all rows: what is called so otherwise is called something else."""
_ANSWERS = frozenset(("result", "vector", "vectors"))
SUMMARY = "processing_summary.json"


class StoredRun(msgspec.Struct, frozen=True):
    """A run as it stands, and what its files are made of."""

    row: RunRow
    tasks: Mapping[str, Task]
    store: BulkStore
    folder: Path
    """Where rows and results lie that are not in the store."""
    clock: Clock


def rows(run: StoredRun) -> Iterator[dict[str, Any]]:
    """The answers, flat; those of rows that are no longer in the input are left out."""
    for item in _items(run.store, run.row.run_id):
        if item.state == ItemState.DONE:
            yield flat(item, run.tasks[item.task])


def flat(item: ItemRow, task: Task) -> dict[str, Any]:
    """An answer as a row: the id under the name that its task has for it, and what was answered."""
    answer = decode_answer(item.result or b"{}")
    own = f"row_{task.id}" if task.id in _OWN | _ANSWERS else task.id
    made: dict[str, Any] = {own: item.user_id, "task": item.task}
    if isinstance(answer.parsed, Mapping):
        for key, value in answer.parsed.items():
            made[f"answer_{key}" if key in _OWN or key == own else key] = value
    elif answer.parsed is not None:
        made["result"] = answer.parsed
    elif answer.vectors is not None:
        made["vectors" if len(answer.vectors) != 1 else "vector"] = (
            answer.vectors if len(answer.vectors) != 1 else answer.vectors[0]
        )
    else:
        made["result"] = answer.text
    if answer.tool_calls:
        made["tool_calls"] = answer.tool_calls
    if answer.finish_reason != "stop":
        made["finish_reason"] = answer.finish_reason
    if item.repaired:
        made["repaired"] = True
    made["provider"] = brand(item.provider)
    made["model"] = item.model
    made["input_tokens"] = item.input_tokens
    made["output_tokens"] = item.output_tokens
    made["cost_usd"] = None if item.cost_pico is None else to_usd(item.cost_pico)
    return made


def write(run: StoredRun) -> None:
    """Write all files under the run's folder. Blocks; raises `OSError`, which says where.

    A file is either as it was or whole. What an earlier state of the run had more is removed.
    """
    out = Path(run.row.out or "").expanduser()
    out.mkdir(parents=True, exist_ok=True)
    each = Split.read(spec.decode(run.row.spec).split).mode == "each"
    files, groups = Files(out), Groups(out) if each else None
    try:
        _fill(files, run, groups)
        files.keep()
    except OSError as error:
        error.filename = error.filename or str(out)
        raise
    finally:
        files.drop()
        if groups is not None:
            groups.close()


def _fill(files: "Files", run: StoredRun, groups: Groups | None) -> None:
    order = spec.decode(run.row.spec)
    merging = merge.Merging(order.merge, tuple(brand(one) for one in order.quality))
    whole = files.array("consolidated/all_analysis.json")
    rejects = files.lines("rejects.jsonl")
    early = rejects_path(run.folder, run.row.run_id)
    if early.is_file():
        with early.open("rb") as source:
            shutil.copyfileobj(source, rejects.file)
    for item in _items(run.store, run.row.run_id):
        if item.state != ItemState.DONE:
            if item.state in {ItemState.RETRY, ItemState.FAILED, ItemState.REJECTED}:
                rejects.add(_encode(_reject(item)))
            continue
        row = flat(item, run.tasks[item.task])
        text = _encode(row)
        array, lines, done = files.answers(row["provider"], item.task)
        array.add(text)
        lines.add(text)
        done.add(_encode(item.user_id))
        if groups is None:
            whole.add(text)
        else:
            groups.add(f"{item.task}\0{item.user_id}", text)
    for together in groups or ():
        for merged in merging.merged([msgspec.json.decode(one) for one in together]):
            whole.add(_encode(merged))
    now = dt.datetime.fromtimestamp(run.clock.now(), dt.UTC).isoformat()
    files.checkpoints(now)
    told = summary.gather(run.store, run.row)
    _strange(files, run.folder, told)
    made = {**told.as_dict(), "agreement": merging.agreement(), "files": files.names(SUMMARY)}
    files.lines(SUMMARY).add(msgspec.json.format(_encode(made), indent=2))


def _strange(files: "Files", folder: Path, told: summary.Report) -> None:
    """Results that nobody asked for. A file on another machine is named in their place."""
    for unit in told.units:
        if not unit.strange:
            continue
        into, path = files.lines(summary.STRANGE), strange_path(folder, unit)
        try:
            with path.open("rb") as source:
                for line in source:
                    into.add(line.rstrip(b"\n"))
        except FileNotFoundError:
            where = {"results": unit.strange, "on_another_machine": path.name}
            into.add(_encode({"work_id": unit.work_id, "provider": unit.provider, **where}))


def _items(store: BulkStore, run_id: str) -> Iterator[ItemRow]:
    """All that belong to the input, on a connection of their own: others go on meanwhile."""
    connection = BulkConnection(store.target, 30.0)
    try:
        for item in BulkItems(connection).iterate(run_id):
            if not item.gone:
                yield item
    finally:
        connection.close()


def _reject(item: ItemRow) -> Reject:
    code = "failed" if item.state == ItemState.FAILED else "retried"
    return Reject(  # its line is not kept: the id and the row say which one it is
        reason=item.error or "it failed",
        code=code,
        task=item.task,
        id=item.user_id,
        row=msgspec.json.decode(item.row),
    )


class _File:
    """A file that is being written."""

    def __init__(self, file: IO[bytes], begin: bytes, between: bytes, end: bytes) -> None:
        self.file = file
        self._between, self._end = between, end
        self.count = 0
        file.write(begin)

    def add(self, text: bytes) -> None:
        """One more value."""
        self.file.write(self._between + text if self.count else text)
        self.count += 1

    def close(self) -> None:
        """Its end, on the disk."""
        self.file.write(self._end if self.count or self._end != b"\n" else b"")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()


class Files:
    """All files of a run, under other names until they are whole."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._open: dict[str, _File] = {}
        self._done: dict[tuple[str, str], _File] = {}
        self._answers: dict[tuple[str, str], tuple[_File, _File, _File]] = {}

    def answers(self, provider: str, task: str) -> tuple[_File, _File, _File]:
        """Where an answer goes: an array, lines, and the ids of what is answered."""
        key = (provider, task)
        if (found := self._answers.get(key)) is None:
            base = f"ai_results_{provider}/{task}_analysis"
            array, lines = self.array(f"{base}.json"), self.lines(f"{base}.jsonl")
            found = self._answers[key] = (array, lines, self.done(provider, task))
        return found

    def array(self, name: str) -> _File:
        """A JSON array."""
        return self._open.get(name) or self._made(name, b"[\n", b",\n", b"\n]\n")

    def lines(self, name: str) -> _File:
        """JSON lines."""
        return self._open.get(name) or self._made(name, b"", b"\n", b"\n")

    def done(self, provider: str, task: str) -> _File:
        """The ids that a provider has answered for a task."""
        key = (provider, task)
        if key not in self._done:
            file = tempfile.TemporaryFile(dir=self._out)  # noqa: SIM115 - `drop` closes it
            self._done[key] = _File(file, b"", b",\n", b"")
        return self._done[key]

    def checkpoints(self, now: str) -> None:
        """``checkpoint.json`` of each provider: a classic checkpoint for each of its tasks."""
        for provider in dict.fromkeys(provider for provider, _ in self._done):
            file = self._made(f"ai_results_{provider}/checkpoint.json", b"", b"", b"\n").file
            own = {task: ids for (name, task), ids in self._done.items() if name == provider}
            if len(own) == 1:
                ((task, ids),) = own.items()
                _checkpoint(file, provider, task, ids, now)
                continue
            count = sum(ids.count for ids in own.values())
            head = {"provider": provider, "timestamp": now, "count": count}
            file.write(_encode(head)[:-1] + b',"tasks":[\n')
            for n, (task, ids) in enumerate(own.items()):
                file.write(b",\n" if n else b"")
                _checkpoint(file, provider, task, ids, now)
            file.write(b"\n]}")

    def names(self, *more: str) -> list[str]:
        """The names of all files, and of those given here."""
        return sorted((*self._open, *more))

    def keep(self, *, tidy: bool = True) -> None:
        """Put all in place, the summary last; remove what an earlier one names and we have not."""
        past = _names(self._out / SUMMARY) if tidy else set[str]()
        for file in self._open.values():
            if not file.file.closed:
                file.close()
        for name in sorted(self._open, key=lambda name: name == SUMMARY):
            self._part(name).replace(self._out / name)
        for name in past - self._open.keys():
            (self._out / name).unlink(missing_ok=True)
        self._open.clear()

    def drop(self) -> None:
        """Remove what did not become whole."""
        for name, file in self._open.items():
            with suppress(OSError):  # what is not written yet may not fit
                file.file.close()
            self._part(name).unlink(missing_ok=True)
        for file in self._done.values():
            with suppress(OSError):
                file.file.close()

    def _made(self, name: str, begin: bytes, between: bytes, end: bytes) -> _File:
        path = self._part(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        made = self._open[name] = _File(path.open("wb", 1 << 16), begin, between, end)
        return made

    def _part(self, name: str) -> Path:
        return self._out / f"{name}.part"


def _checkpoint(file: IO[bytes], provider: str, task: str, ids: _File, now: str) -> None:
    head = {"provider": provider, "analysis_type": task, "timestamp": now, "count": ids.count}
    file.write(_encode(head)[:-1] + b',"completed_ids":[\n')
    ids.file.seek(0)
    shutil.copyfileobj(ids.file, file)
    file.write(b"\n]}")


def _names(path: Path) -> set[str]:
    """The files that an earlier summary names."""
    try:
        found = msgspec.json.decode(path.read_bytes())["files"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return set()
    return {name for name in found if isinstance(name, str) and ".." not in Path(name).parts}
