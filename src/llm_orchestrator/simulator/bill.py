"""The provider's side of the account: one row for each request, whatever became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TextIO

from llm_orchestrator.simulator.clock import Clock, rfc3339
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.prices import PICO, Prices, Usage, dollars, picos


@dataclass(slots=True)
class Row:
    """One request. `status` 0 means that no status line was sent.

    `usage` grows while tokens are generated, so a reading in the middle of a stream is right.
    """

    seq: int
    time: float
    account: str
    provider: str
    wire: str
    request_id: str
    client_request_id: str
    requested: str = ""
    model: Model | None = None
    stream: bool = False
    tier: str = ""
    flat: int | None = None  # what the request itself costs, in picodollars
    status: int = 0
    outcome: str = "open"
    usage: Usage = field(default_factory=Usage)
    closed: bool = False


class Batched(Protocol):
    """A batch that is on the bill."""

    seq: int

    def bill(self, *, items: bool) -> Iterator[dict[str, Any]]:
        """Its rows as they are shown: one for each model, or one for each item."""
        ...


class Bill:
    """All rows since the start, in memory; `path` also appends each settled row as a JSON line."""

    def __init__(self, prices: Prices, clock: Clock, path: Path | None = None) -> None:
        self._prices = prices
        self._clock = clock
        self._rows: list[Row] = []
        self._batches: list[Batched] = []
        self._next = 1
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None

    def open(self, **facts: Any) -> Row:
        """Start a row when a request arrives."""
        row = Row(seq=self._seq(), time=self._clock.now(), **facts)
        self._rows.append(row)
        return row

    def _seq(self) -> int:
        self._next += 1
        return self._next - 1

    def add(self, batch: Batched) -> None:
        """Put a batch on the bill; what it costs grows while its items are finished."""
        batch.seq = self._seq()
        self._batches.append(batch)

    def settled(self, batch: Batched) -> None:
        """What the batch costs is final."""
        for row in batch.bill(items=False):
            self._write(row)

    def close(self, row: Row, outcome: str) -> None:
        """Settle a row, once: what it holds now is what the client owes."""
        if row.closed:
            return
        row.closed, row.outcome = True, outcome
        if self._file:
            self._write(self._show(row))

    def _write(self, row: dict[str, Any]) -> None:
        if self._file:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()

    def clear(self) -> None:
        """Forget all rows; sequence numbers go on."""
        self._rows.clear()
        self._batches.clear()

    def stop(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None

    def cost(self, row: Row) -> Decimal | None:
        """What this row costs so far."""
        if row.model is None:
            return Decimal(0)
        day = rfc3339(row.time)[:10]
        return self._prices.cost(row.model, row.usage, day, row.tier, row.flat)

    def price(
        self, model: Model, usage: Usage, day: str, tier: str = "", flat: int | None = None
    ) -> Decimal | None:
        """What such a request costs on a day (YYYY-MM-DD), or None when a price is unknown."""
        return self._prices.cost(model, usage, day, tier, flat)

    def parts(
        self, model: Model, usage: Usage, tier: str = "", flat: int | None = None
    ) -> dict[str, Decimal]:
        """What such a request costs today, by what it is for; nothing when a price is unknown."""
        day = rfc3339(self._clock.now())[:10]
        return self._prices.parts(model, usage, day, tier, flat) or {}

    def rates(self, model: Model) -> dict[str, Decimal]:
        """Dollars a token today, for a short prompt."""
        return self._prices.rates(model, rfc3339(self._clock.now())[:10], "", 0)

    def _show(self, row: Row) -> dict[str, Any]:
        cost = self.cost(row)
        return shown(
            seq=row.seq,
            time=row.time,
            account=row.account,
            provider=row.provider,
            wire=row.wire,
            model=row.model.id if row.model else None,
            requested=row.requested,
            request_id=row.request_id,
            client_request_id=row.client_request_id,
            stream=row.stream,
            tier=row.tier,
            status=row.status,
            outcome=row.outcome,
            settled=row.closed,
            usage=row.usage,
            cost=None if cost is None else picos(cost),
        )

    def view(self, since: int = 0, *, items: bool = False) -> dict[str, Any]:
        """The rows after `since`, and totals over them by account and model.

        A batch is one row for each model in it; with `items`, one for each of its items.
        """
        rows = [self._show(row) for row in list(self._rows) if row.seq > since]
        for batch in list(self._batches):
            if batch.seq > since:
                rows += batch.bill(items=items)
        rows.sort(key=lambda row: int(row["seq"]))
        groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        for row in rows:
            name = row["model"] or row["requested_model"]
            groups.setdefault((row["account"], row["provider"], name), []).append(row)
        totals = [
            {"account": account, "provider": provider, "model": model, **_sum(group)}
            for (account, provider, model), group in sorted(groups.items())
        ]
        return {
            "last_seq": rows[-1]["seq"] if rows else since,
            "rows": rows,
            "totals": totals,
            "total": _sum(rows),
        }


def shown(
    *,
    seq: int,
    time: float,
    usage: Usage,
    cost: int | None,
    requested: str = "",
    client_request_id: str = "",
    stream: bool = False,
    tier: str = "",
    status: int = 200,
    requests: int = 1,
    batch_id: str | None = None,
    custom_id: str | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """A row as it is shown; `facts` go in as they are. `cost` is in picodollars."""
    return {
        "seq": seq,
        "time": rfc3339(time),
        **facts,
        "requested_model": requested,
        "client_request_id": client_request_id,
        "stream": stream,
        "service_tier": tier or "standard",
        "status": status,
        "requests": requests,
        "batch_id": batch_id,
        "custom_id": custom_id,
        "usage": usage.as_dict(),
        "cost_pico": cost,
        "cost_usd": None if cost is None else dollars(cost * PICO),
    }


def _sum(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    usage, cost, unpriced, requests = dict.fromkeys(Usage().as_dict(), 0), 0, 0, 0
    for row in rows:
        requests += row["requests"]
        for name, value in row["usage"].items():
            usage[name] += value
        unpriced += row["requests"] if row["cost_pico"] is None else 0
        cost += row["cost_pico"] or 0
    return {
        "requests": requests,
        "unpriced": unpriced,
        "usage": usage,
        "cost_pico": cost,
        "cost_usd": dollars(cost * PICO),
    }
