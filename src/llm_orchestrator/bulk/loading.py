"""From the rows of the input to the items of a run: what was loaded before is not asked again."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from llm_orchestrator.bulk.digests import Digests, digest_of
from llm_orchestrator.bulk.output.brands import brand
from llm_orchestrator.bulk.planning.targets import Targets
from llm_orchestrator.bulk.rows.row import Reject, Row, RowError
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_items import Known
from llm_orchestrator.store.bulk_rows import ItemState, NewItem

_CHUNK = 2000
_OTHERS = 60
"""The rank of providers that nobody has ranked."""
_encode = msgspec.json.Encoder().encode


class Loaded(msgspec.Struct, kw_only=True):
    """What became of an input."""

    rows: int = 0
    new: int = 0
    """Items that were not there before."""
    kept: int = 0
    """Items that were: what is done of them is not paid again."""
    gone: int = 0
    """Items of an earlier input that are not asked for now: their row has changed, for example."""
    rejected: int = 0
    first: Reject | None = None
    """The first of them."""
    changed: str = ""
    """How the file has changed while it was read."""
    digest: str = ""
    """The digest of the input."""


def load(
    store: BulkStore,
    run_id: str,
    tasks: Sequence[Task],
    rows: Iterable[Row],
    reject: Callable[[Reject], None],
    each: Targets | None = None,
    quality: Sequence[str] = (),
) -> Loaded:
    """Bring the rows into the store; blocks, a chunk at a time, so that memory stays flat.

    With ``each``, every row is asked of all candidates of its task; what somebody has answered
    before counts for them. Else one answer will do: where there are several, that of the first
    provider in ``quality``.
    """
    told = Loaded()

    def refuse(one: Reject) -> None:
        told.rejected += 1
        told.first = told.first or one
        reject(one)

    number = store.wait(store.items.last, run_id) + 1
    seen = bytearray(number)
    known = _known(store, run_id, number, quality, each=each is not None)
    for chunk in _chunks(rows):
        new: list[NewItem] = []
        kept: list[int] = []
        for item in _items(chunk, tasks, told, refuse, each):
            # No digest comes twice in one input: it is of the id, too, and ids are screened.
            asked = None if each is None else f"{item.provider}/{item.model}"
            found = known.get(_key(item.digest, asked))
            if found is None:
                item.item_no = number
                new.append(item)
                number += 1
            else:
                told.kept += 1
                kept.append(found)
                seen[found] = 1
        told.new += store.wait(store.items.add, run_id, new)
        if kept:
            store.wait(store.items.back, run_id, kept)
    missing = [place for place, there in enumerate(seen) if not there]
    told.gone = len(missing)
    if missing:
        store.wait(store.items.gone, run_id, missing)
    return told


def _known(
    store: BulkStore, run_id: str, count: int, quality: Sequence[str], *, each: bool
) -> Digests:
    """The items of earlier inputs. All are read: an index would cost every run more than that."""
    known, after, ranks = Digests(), -1, bytearray(count)
    order = {brand(name): n for n, name in enumerate(quality[:_OTHERS])}
    while page := store.wait(store.items.known, run_id, after):
        for item in page:
            if each and item.provider is None:
                continue  # nobody was asked
            key = _key(item.digest, f"{item.provider}/{item.model}" if each else None)
            ranks[item.item_no] = _rank(item, order)
            other = known.add(key, item.item_no)
            if other is not None and ranks[item.item_no] < ranks[other]:
                known.put(key, item.item_no)
        after = page[-1].item_no
    return known


def _key(digest: str, asked: str | None) -> bytes:
    """The key of an item: what it asks and, where every row is asked of several, whom."""
    return bytes.fromhex(digest) if asked is None else digest_of(f"{digest}{asked}")


def _rank(item: Known, order: Mapping[str, int]) -> int:
    """The smaller, the more is an item worth to be kept: what is paid comes first."""
    paid = (ItemState.DONE, ItemState.SENT, ItemState.RETRY)
    first = paid.index(ItemState(item.state)) if item.state in paid else len(paid)
    return first * (_OTHERS + 1) + order.get(brand(item.provider), _OTHERS)


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
            reject(_reject(row.number, error, row=row.raw))
            continue
        data = _encode(row.data)
        for task in tasks:
            try:
                item = task.item(row.data)
            except RowError as error:
                reject(_reject(row.number, error, task=task.name, row=row.data))
                continue
            new = NewItem(-1, task.name, item.user_id, item.digest, data, ItemState.WAITING)
            if each is None:
                yield new
                continue
            for target in each[task.name]:
                yield msgspec.structs.replace(
                    new, provider=target.provider.name, model=target.model.id
                )


def _reject(line: int, error: RowError, **what: Any) -> Reject:
    return Reject(line=line, reason=error.reason, code=error.code, **what)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk
