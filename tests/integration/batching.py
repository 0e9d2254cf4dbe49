"""Batches from rows to results over the simulator, with its clock turned by hand."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from llm_orchestrator.config import load
from llm_orchestrator.dialects.batch import BatchDialect, Exchange, dialect
from llm_orchestrator.pipeline.batches import LIMITS, Driver, read_output
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.transport.base import Limits
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.types.batch import (
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchOutput,
    BatchResult,
    BatchStatus,
    Texts,
)
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, Request
from tests.conformance.rows import CATALOG, ROWS

T = TypeVar("T")

HOUR = 3600.0
BUCKETS = {"bucket": "rows", "role": "arn:aws:iam::123456789012:role/batches"}
CLOUDS = {
    "vertex": {"files": "/gcs"},
    "bedrock": {"files": "/s3"},
}
"""Where the simulator has the storages that rows lie in."""


NAMES = (
    "openai",
    "anthropic",
    "gemini",
    "mistral",
    "groq",
    "deepinfra",
    "together",
    "azure",
    "perplexity",
    "openrouter",
    "cohere",
    "bedrock",
    "vertex",
)
UNTAGGED = {"anthropic", "openrouter"}
UNPRICED = {"azure", "cohere"}
"""Whose batches have no price that we know."""
SILENT = {"together"}
"""Those that count nothing."""
ENDLESS = {"openrouter"}
"""Those that cannot be cancelled."""
NOTHING_PARTIAL = {"gemini"}
"""Those that deliver nothing of what ended early."""
WHOLE = {"openrouter"}
"""Those whose results are one text, of which no row can be broken alone."""
WIRES = {"perplexity": "perplexity responses"}
"""Rows whose batches are of another wire than most of their models."""


class Account:
    """One provider of the table at the simulator, and its batches."""

    def __init__(self, sim: Simulator, name: str, folder: Path, model: str = "") -> None:
        self.sim = sim
        self.folder = folder
        # Only there it is waited for, in real seconds.
        sim.set_batches(**{"cohere.validation": 0.0})
        declared = ROWS[name]
        section = declared.section(sim.url, declared.key)
        if name in CLOUDS:
            own = {"files": sim.url + CLOUDS[name]["files"]}
            wanted = set(declared.provider.variables) & BUCKETS.keys()
            section |= {
                "batch": own,
                "variables": section["variables"] | {one: BUCKETS[one] for one in wanted},
            }
        env = dict(declared.env)
        row = Directory(load({"providers": {name: section}}, env=env)).use(name)
        usual = ROWS.get(WIRES.get(name, name), declared).target().model
        found = usual if not model else self._model(name, model)
        self.target = Candidate(row, found)
        self.embeds = "embed" in found.id
        self.dialect: BatchDialect = dialect(row)
        self._transport = DirectTransport()
        self._driver = Driver(self._transport, (0.0, 0.0))
        self._files = 0

    @staticmethod
    def _model(name: str, model: str) -> Model:
        listed = {one.id: one for one in CATALOG.models(name)}
        return listed.get(model) or Model(provider=name, id=model)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def drive(self, exchange: Exchange[T], limits: Limits = LIMITS) -> T:
        """What the exchange returns."""
        self._files += 1
        place = self.folder / f"results-{self._files}"
        place.mkdir()
        return await self._driver.drive(exchange, self.target, limits, folder=place)

    def rows(self, items: Iterable[BatchItem], tag: str = "j1") -> BatchFile:
        """The rows on disk."""
        lines = [self.dialect.line(item, self.target) + b"\n" for item in items]
        data = b"".join(lines)
        path = self.folder / f"{tag}.jsonl"
        path.write_bytes(data)
        return BatchFile(
            path=str(path),
            size=len(data),
            count=len(lines),
            name=path.name,
            embeds=self.embeds,
            sha256=hashlib.sha256(data).hexdigest(),
        )

    async def order(self, items: Iterable[BatchItem], tag: str = "j1") -> BatchOrder:
        """What is there before the batch is created: its rows are uploaded."""
        file = self.rows(items, tag)
        file_id = await self.drive(self.dialect.upload(file, self.target))
        return BatchOrder(tag=tag, file=file, file_id=file_id)

    async def submit(self, items: Iterable[BatchItem], tag: str = "j1") -> BatchStatus:
        """A new batch."""
        order = await self.order(items, tag)
        return await self.drive(self.dialect.create(order, self.target))

    async def poll(self, status: BatchStatus) -> BatchStatus:
        """The batch as it is now."""
        return await self.drive(self.dialect.poll(status.id, self.target))

    async def ended(self, status: BatchStatus, hours: float = 40) -> BatchStatus:
        """The batch when it is over; the clock is turned until then, for so many hours at most."""
        for _ in range(int(hours)):
            status = await self.poll(status)
            if status.state.over:
                return status
            self.sim.advance(HOUR)
        raise AssertionError(f"the batch is still {status.state}: {status}")

    def read(self, output: BatchOutput) -> list[BatchResult]:
        """The rows of one output."""
        return list(read_output(output, self.target, embeds=self.embeds))

    async def results(self, status: BatchStatus) -> dict[str | None, BatchResult]:
        """What became of the rows, by id."""
        outputs = await self.drive(self.dialect.results(status, self.target))
        found = [one for output in outputs for one in self.read(output)]
        assert len({one.custom_id for one in found}) == len(found)
        return {one.custom_id: one for one in found}

    async def known(self, since: float, mark: str | None = None) -> list[BatchStatus]:
        """The batches of the account since then."""
        return await self.drive(self.dialect.list_recent(self.target, since, mark))

    def bill(self, status: BatchStatus) -> dict[str, Any]:
        """What the simulator says of the batch."""
        (row,) = [
            row for row in self.sim.batches()["batches"] if row["id"] == status.id.split("/")[-1]
        ] or [row for row in self.sim.batches()["batches"] if row["id"] == status.id]
        return dict(row)


def asks(count: int, start: int = 0, **fields: Any) -> list[BatchItem]:
    """Rows with one question each."""
    return [
        BatchItem(
            f"r{number}",
            Request(messages=(Message("user", f"Say {number}."),), max_tokens=400, **fields),
        )
        for number in range(start, start + count)
    ]


def texts(count: int) -> list[BatchItem]:
    """Rows with one text each."""
    return [BatchItem(f"t{number}", Texts((f"text {number}",))) for number in range(count)]
