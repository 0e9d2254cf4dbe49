"""From the rows of the input to the items of a run: what was loaded before is not asked again."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from llm_orchestrator.bulk.rows import Reject, Row, RowError
from llm_orchestrator.bulk.targets import Targets
from llm_orchestrator.bulk.task import Task
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_items import Found
from llm_orchestrator.store.bulk_rows import ItemState, NewItem

_CHUNK = 2000
_AT_ONCE = 5000
_encode = msgspec.json.Encoder().encode


class Loaded(msgspec.Struct, kw_only=True):
    """What became of an input."""

    rows: int = 0
    new: int = 0
    """Items that were not there before."""
    kept: int = 0
    """Items that were: what is done of them is not paid again."""
    gone: int = 0
    """Items of an earlier input whose row is no longer there, or has changed."""
    rejected: int = 0
    changed: str = ""
    """How the file has changed while it was read."""
    digest: str = ""
    """Of the input."""


def load(
    store: BulkStore,
    run_id: str,
    tasks: Sequence[Task],
    rows: Iterable[Row],
    reject: Callable[[Reject], None],
    each: Targets | None = None,
) -> Loaded:
    """Bring the rows into the store; blocks, a chunk at a time, so that memory stays flat.

    With ``each``, every row is asked of all candidates of its task.
    """
    told = Loaded()
    number = store.wait(store.items.last, run_id) + 1
    seen = bytearray(number)
    for chunk in _chunks(rows):
        items = list(_items(chunk, tasks, told, reject, each))
        known = _known(store, run_id, items)
        new: list[NewItem] = []
        kept: list[int] = []
        fresh: set[str] = set()
        for item in items:
            if (found := known.get(item.digest)) is not None:
                told.kept += 1
                kept.append(found.item_no)
                if found.item_no < len(seen):
                    seen[found.item_no] = 1
            elif item.digest not in fresh:
                fresh.add(item.digest)
                new.append(msgspec.structs.replace(item, item_no=number))
                number += 1
        told.new += store.wait(store.items.add, run_id, new)
        if kept:
            store.wait(store.items.back, run_id, kept)
    missing = [place for place, there in enumerate(seen) if not there]
    told.gone = len(missing)
    if missing:
        store.wait(store.items.gone, run_id, missing)
    return told


def _known(store: BulkStore, run_id: str, items: Sequence[NewItem]) -> dict[str, Found]:
    """Those that were there; a statement takes so many parameters, and no more."""
    found: dict[str, Found] = {}
    for begin in range(0, len(items), _AT_ONCE):
        digests = [item.digest for item in items[begin : begin + _AT_ONCE]]
        found.update(store.wait(store.items.known, run_id, digests))
    return found


def _items(
    rows: Sequence[Row],
    tasks: Sequence[Task],
    told: Loaded,
    reject: Callable[[Reject], None],
    each: Targets | None,
) -> Iterator[NewItem]:
    for row in rows:
        told.rows += 1
        if row.data is None:
            error = row.error or RowError("it cannot be read", "broken")
            told.rejected += 1
            reject(Reject(row.number, error.reason, error.code, row=row.raw))
            continue
        data = _encode(row.data)
        for task in tasks:
            try:
                item = task.item(row.data)
            except RowError as error:
                told.rejected += 1
                reject(Reject(row.number, error.reason, error.code, task.name, row=row.data))
                continue
            new = NewItem(-1, task.name, item.user_id, item.digest, data, ItemState.WAITING)
            if each is None:
                yield new
                continue
            for target in each[task.name]:
                seed = f"{item.digest}{target.name}".encode()
                yield msgspec.structs.replace(
                    new,
                    digest=hashlib.blake2b(seed, digest_size=16).hexdigest(),
                    provider=target.provider.name,
                    model=target.model.id,
                )


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk
