"""The cost log: one JSON line a call, for those who set ``cost_tracking.log_path``."""

import datetime as dt
import logging
import os
from decimal import Decimal
from pathlib import Path

import msgspec

from llm_orchestrator.store.rows import CallRow
from llm_orchestrator.types.money import to_usd

log = logging.getLogger("llm_orchestrator")
_encode = msgspec.json.Encoder(decimal_format="number").encode


class CostLine(msgspec.Struct, frozen=True):
    """One line. ``cost`` is USD as exact number text, or null where it is unknown."""

    timestamp: str
    call_id: str
    session_id: str | None
    status: str
    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost: Decimal | None
    latency_ms: int
    category: str
    strategy: str | None
    user_id: str | None


class CostLog:
    """Appends to the log from any thread. What cannot be written is told once, never raised."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self._file: int | None = None
        self._told = False

    def write(self, row: CallRow) -> None:
        """Append the line of a call."""
        try:
            line = _written(_line(row)) + b"\n"
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._file = os.open(self.path, flags, 0o600)
            os.write(self._file, line)
        except (OSError, TypeError, ValueError) as error:  # the answer it tells of is paid for
            self.close()
            if not self._told:
                self._told = True
                log.warning(
                    "the cost log %s cannot be written (%s): calls go on and are in the ledger; "
                    "check cost_tracking.log_path",
                    self.path,
                    getattr(error, "strerror", None) or error,
                )

    def close(self) -> None:
        """Close the file; `write` opens it again."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _written(line: CostLine) -> bytes:
    try:
        return _encode(line)
    except UnicodeEncodeError:  # a lone surrogate, which gets a question mark in its place
        fields = msgspec.structs.asdict(line).items()
        clean = {name: _clean(value) if isinstance(value, str) else value for name, value in fields}
        return _encode(clean)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _line(row: CallRow) -> CostLine:
    return CostLine(
        timestamp=dt.datetime.fromtimestamp(row.ended_at / 1e6, dt.UTC).isoformat(),
        call_id=row.call_id,
        session_id=row.session_id,
        status=row.status,
        provider=row.provider,
        model=row.model,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost=None if row.cost_pico is None else to_usd(row.cost_pico),
        latency_ms=row.latency_us // 1000,
        category=row.category,
        strategy=row.strategy,
        user_id=row.user_id,
    )
