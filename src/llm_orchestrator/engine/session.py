"""What was spent since the orchestrator was made."""

from decimal import Decimal
from threading import Lock

from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.types.money import Pico, to_usd
from llm_orchestrator.types.usage import Usage


class Session:
    """Counts of one orchestrator; readable from any thread."""

    def __init__(self, session_id: str) -> None:
        self.id = session_id
        self.calls = 0
        self.failed_calls = 0
        self.attempts = 0
        self.unpriced_calls = 0
        """Calls with at least one attempt whose cost nobody knows."""
        self.cache_hits = 0
        """Calls that were answered from the cache."""
        self._pico = self._saved = 0
        self._lock = Lock()

    def __repr__(self) -> str:
        return (
            f"Session({self.id!r}, calls={self.calls}, failed_calls={self.failed_calls}, "
            f"attempts={self.attempts}, cost={self.cost}, unpriced_calls={self.unpriced_calls})"
        )

    @property
    def cost(self) -> Decimal:
        """USD of everything whose cost is known."""
        return to_usd(self._pico)

    @property
    def saved(self) -> Decimal:
        """USD that answers from the cache cost when they were made, as far as that is known."""
        return to_usd(self._saved)

    def hit(self) -> None:
        """Count a call that was answered from the cache."""
        with self._lock:
            self.calls += 1
            self.cache_hits += 1

    def add_saved(self, saved: Pico) -> None:
        """Count what a call saved because all or some of its answer came from the cache."""
        with self._lock:
            self._saved += saved

    def ended(self, call: Call, *, failed: bool) -> tuple[int | None, Usage | None]:
        """Count an ended call; its cost in pico-dollars and its usage, as far as they are known."""
        total = known = 0
        usage: Usage | None = None
        for attempt in call.attempts:
            if attempt.cost is not None:
                total += attempt.cost
                known += 1
            if attempt.usage is not None:
                usage = attempt.usage if usage is None else usage + attempt.usage
        with self._lock:
            self.calls += 1
            self.failed_calls += failed
            self.attempts += call.sent
            self.unpriced_calls += known < len(call.attempts)
            self._pico += total
        return total if known else None, usage
