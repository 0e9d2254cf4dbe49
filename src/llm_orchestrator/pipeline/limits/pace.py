"""A limit that no reply tells: found by asking slower after a refusal, and faster after answers."""

from llm_orchestrator.pipeline.limits.gates import REQUESTS, Gate, Stamp

_FIRST_S = 0.5
_SHORTEST_S = 0.01
_LONGEST_S = 10.0
_SLOWER = 1.4
_FASTER = 0.93
_NEAR = 1.15
_CAREFUL = 0.995


class Pace(Gate):
    """One request in so many seconds, which grow with refusals and shrink with answers."""

    __slots__ = ("_every", "_next", "_refused", "_slowed")

    def __init__(self, name: str) -> None:
        super().__init__(REQUESTS, 1, name)
        self._every = 0.0
        self._refused = 0.0
        """At this pace a request was refused."""
        self._next = self._slowed = 0.0

    @property
    def over(self) -> bool:
        """Whether it is so fast that it is none."""
        return self._every < _SHORTEST_S

    @property
    def words(self) -> str:
        """The limit, for people."""
        return f"one request in {self._every:.2g} s, as the provider refuses more"

    def slower(self, rest: float | None, now: float) -> None:
        """A request was refused, and told to come back in so many seconds.

        That says when there is room again, not how much: it starts with half a second. Several
        that were refused together count once.
        """
        if now >= self._slowed:
            self._refused = self._every
            self._every = min(max(self._every * _SLOWER, _FIRST_S), _LONGEST_S)
            self._slowed = now + self._every
        self._next = max(self._next, now + (self._every if rest is None else rest))

    def faster(self) -> None:
        """A request was answered. Near the pace that was refused it quickens slowly."""
        near = self._refused / _NEAR < self._every < self._refused * _NEAR
        self._every *= _CAREFUL if near else _FASTER

    def wait(self, amount: int, now: float, share: float = 1.0) -> float:
        """Seconds until the next may go."""
        del amount, share
        return max(0.0, self._next - now)

    def take(self, amount: int, now: float) -> None:
        """The next has to wait."""
        self._next = max(self._next, now) + amount * self._every

    def end(self, stamp: Stamp | None, took: int, used: int, seconds: float | None) -> None:
        """Nothing comes back."""

    def spare(self, amount: int, now: float) -> int:
        """None."""
        del amount, now
        return 0

    def _after(self, amount: int, now: float) -> float:
        return self.wait(1, now) + (amount - 1) * self._every
