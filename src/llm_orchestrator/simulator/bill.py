"""The provider's side of the account: one row for each request, whatever became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from llm_orchestrator.simulator.clock import Clock, rfc3339
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.prices import Prices, Usage, dollars, picos


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


class Bill:
    """All rows since the start, in memory; `path` also appends each settled row as a JSON line."""

    def __init__(self, prices: Prices, clock: Clock, path: Path | None = None) -> None:
        self._prices = prices
        self._clock = clock
        self._rows: list[Row] = []
        self._next = 1
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None

    def open(self, **facts: Any) -> Row:
        """Start a row when a request arrives."""
        row = Row(seq=self._next, time=self._clock.now(), **facts)
        self._next += 1
        self._rows.append(row)
        return row

    def close(self, row: Row, outcome: str) -> None:
        """Settle a row, once: what it holds now is what the client owes."""
        if row.closed:
            return
        row.closed, row.outcome = True, outcome
        if self._file:
            self._file.write(json.dumps(self._show(row)) + "\n")
            self._file.flush()

    def clear(self) -> None:
        """Forget all rows; sequence numbers go on."""
        self._rows.clear()

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
        return {
            "seq": row.seq,
            "time": rfc3339(row.time),
            "account": row.account,
            "provider": row.provider,
            "wire": row.wire,
            "model": row.model.id if row.model else None,
            "requested_model": row.requested,
            "request_id": row.request_id,
            "client_request_id": row.client_request_id,
            "stream": row.stream,
            "service_tier": row.tier or "standard",
            "status": row.status,
            "outcome": row.outcome,
            "settled": row.closed,
            "usage": row.usage.as_dict(),
            "cost_pico": None if cost is None else picos(cost),
            "cost_usd": None if cost is None else dollars(cost),
        }

    def view(self, since: int = 0) -> dict[str, Any]:
        """The rows after `since`, and totals over them by account and model."""
        rows = [row for row in list(self._rows) if row.seq > since]
        groups: dict[tuple[str, str, str], list[Row]] = {}
        for row in rows:
            name = row.model.id if row.model else row.requested
            groups.setdefault((row.account, row.provider, name), []).append(row)
        totals = [
            {"account": account, "provider": provider, "model": model, **self._sum(group)}
            for (account, provider, model), group in sorted(groups.items())
        ]
        return {
            "last_seq": rows[-1].seq if rows else since,
            "rows": [self._show(row) for row in rows],
            "totals": totals,
            "total": self._sum(rows),
        }

    def _sum(self, rows: Iterable[Row]) -> dict[str, Any]:
        usage, cost, unpriced, requests = Usage(), Decimal(0), 0, 0
        for row in rows:
            requests += 1
            for name, value in row.usage.as_dict().items():
                setattr(usage, name, getattr(usage, name) + value)
            price = self.cost(row)
            unpriced += price is None
            cost += price or 0
        return {
            "requests": requests,
            "unpriced": unpriced,
            "usage": usage.as_dict(),
            "cost_pico": picos(cost),
            "cost_usd": dollars(cost),
        }
