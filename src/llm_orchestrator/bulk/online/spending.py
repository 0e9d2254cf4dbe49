"""What a chunk of the online lane may cost: each call holds its most before it goes out."""

import asyncio

from llm_orchestrator.bulk.planning.bounds import most_online
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request


class Spending:
    """Spent and held together never pass ``most``; ``None`` is no limit at all."""

    def __init__(self, most: Pico | None) -> None:
        self.capped = most is not None
        self._most: Pico = most or 0
        self._used: Pico = 0
        self._out = 0
        self._changed = asyncio.Event()
        self.empty = False
        """A call did not fit."""
        self.unpriced = False
        """Because nobody knows what it can cost."""

    async def hold(self, asked: Request | Texts, target: Candidate) -> Pico | None:
        """Hold what a call can cost; waits for others to end where that may make room.

        ``None`` when it does not fit at all. The last ones may have to do without a repair: then
        that is not held.
        """
        if not self.capped:
            return 0
        most = most_online(asked, target)
        if most is None:
            self.empty = self.unpriced = True
            return None
        while self._used + most > self._most:
            if not self._out:
                most = most_online(asked, target, repair=False) or 0
                if self._used + most <= self._most:
                    break
                self.empty = True
                return None
            self._changed.clear()
            await self._changed.wait()
        self._used += most
        self._out += 1
        return most

    def repairs(self, asked: Request, target: Candidate, held: Pico) -> bool:
        """Whether what was held pays for the repair of an answer, too."""
        return not self.capped or held >= (most_online(asked, target) or 0)

    def settle(self, held: Pico, cost: Pico | None) -> None:
        """The call has ended; what is unknown counts with all that was held."""
        if self.capped:
            self._used += (held if cost is None else cost) - held
            self._out -= 1
            self._changed.set()
