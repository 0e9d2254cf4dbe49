"""The sync face: every verb of the async core, from any thread, over one loop in the background.

Connections belong to the loop that opened them, so all sync callers of a process share one loop
on one daemon thread, made when it is first needed. A forked child gets its own.
"""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from llm_orchestrator.bulk.options import BulkOptions, ForecastOptions
from llm_orchestrator.catalog.estimate import Estimate
from llm_orchestrator.config.schema import Config
from llm_orchestrator.engine.discovery import ProviderHealth
from llm_orchestrator.engine.embedding import Embeddings
from llm_orchestrator.engine.options import CallOptions, EmbedOptions
from llm_orchestrator.engine.planning import Plan
from llm_orchestrator.engine.prepare import Messages
from llm_orchestrator.engine.session import Session
from llm_orchestrator.engine.streaming import OnBreak
from llm_orchestrator.orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.pipeline.limits.view import RateLimit
from llm_orchestrator.store.exits import exits
from llm_orchestrator.transport.base import Transport
from llm_orchestrator.types.events import StreamEvent
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.usage import TokenCount
from llm_orchestrator.types.verdict import Said, Verdict

if TYPE_CHECKING:
    from llm_orchestrator.bulk.clock import ClockLike
    from llm_orchestrator.bulk.planning.forecast import Forecast
    from llm_orchestrator.bulk.rows.reading import Source
    from llm_orchestrator.bulk.sync import BulkRun
    from llm_orchestrator.store.bulk_rows import RunRow

T = TypeVar("T")

_END_S = 2.0
_AHEAD = 256
"""Events that a stream may run ahead of its reader."""


class Portal:
    """One event loop on a daemon thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; started on first use."""
        if self._loop is None:
            with self._lock:
                if self._loop is None:
                    loop = asyncio.new_event_loop()
                    name = "llm-orchestrator"
                    threading.Thread(target=loop.run_forever, name=name, daemon=True).start()
                    self._loop = loop
                    exits.before(self.end)
        return self._loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end and give back the result; an interrupt cancels the work."""
        try:
            self.elsewhere()
        except RuntimeError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            del future  # it holds the error, which leads to this frame: no circle

    def elsewhere(self) -> None:
        """Raises on the loop's own thread, which must not wait for itself."""
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return
        if here:
            raise RuntimeError("use AsyncLLMOrchestrator inside coroutines")

    def end(self) -> None:
        """At the end of the process: cancel what still runs, so that it is booked."""
        if self._loop is not None:
            ended = asyncio.run_coroutine_threadsafe(_end_all(), self._loop)
            with suppress(concurrent.futures.TimeoutError):
                ended.result(_END_S)

    def forget(self) -> None:
        """In a forked child: the thread stayed with the parent."""
        self._lock = threading.Lock()
        self._loop = None


async def _end_all() -> None:
    # SIGTERM may come in the middle of an exit: neither cancels the other.
    tasks = {t for t in asyncio.all_tasks() if getattr(t.get_coro(), "__name__", "") != "_end_all"}
    for task in (one for one in tasks if not one.cancelling()):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


_portal = Portal()
os.register_at_fork(after_in_child=_portal.forget)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on the loop of all sync callers, and give back its result."""
    return _portal.run(work)


class _End:
    """Marks the end of a stream in its queue, with the error that ended it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Pump:
    """Moves events from a stream on the loop to a thread that iterates."""

    def __init__(self, events: Any) -> None:
        self._events = events
        self._queue: SimpleQueue[StreamEvent | _End] = SimpleQueue()
        self._room = asyncio.Event()

    async def _fill(self) -> None:
        end = _End(None)
        try:
            async for event in self._events:
                self._queue.put(event)
                if self._queue.qsize() > _AHEAD:
                    self._room.clear()
                    await self._room.wait()
        except BaseException as error:  # handed to the thread that reads, where it belongs
            end = _End(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            try:
                await self._events.aclose()
            except Exception as error:
                end = _End(end.error or error)
                raise
            finally:
                self._queue.put(end)  # whatever happens: a thread waits for it
                del end  # no circle: its error leads to this frame

    def read(self) -> Generator[StreamEvent, None, None]:
        """The events; leaving early cancels the stream, which is then booked as cancelled."""
        _portal.elsewhere()
        loop = _portal.loop
        future = asyncio.run_coroutine_threadsafe(self._fill(), loop)
        try:
            while True:
                event = self._queue.get()
                if isinstance(event, _End):
                    if event.error is None:
                        return
                    try:
                        raise event.error
                    finally:
                        del event  # no circle
                if self._queue.qsize() == _AHEAD // 2:
                    loop.call_soon_threadsafe(self._room.set)
                yield event
        finally:
            future.cancel()


class LLMOrchestrator:
    """Sends prompts to the providers of a configuration; safe from any thread and after a fork.

    ``config`` is a path to a YAML file, a mapping, or ``None`` for whatever keys the environment
    holds; ``provider`` and ``model`` override its active ones. Raises `ConfigError`.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any] | Config | None = None,
        *,
        provider: str | None = None,
        model: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._core = AsyncLLMOrchestrator(
            config, provider=provider, model=model, transport=transport
        )

    @property
    def session(self) -> Session:
        """Counts and cost since this object was made."""
        return self._core.session

    def send_request(
        self,
        messages: Messages,
        *,
        provider: str | None = None,
        model: str | None = None,
        chain: str | Sequence[str] | None = None,
        max_cost: Decimal | str | float | None = None,
        category: str = "orchestration",
        tags: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Reply:
        """See `AsyncLLMOrchestrator.send_request`."""
        return _portal.run(
            self._core.send_request(
                messages,
                provider=provider,
                model=model,
                chain=chain,
                max_cost=max_cost,
                category=category,
                tags=tags,
                **options,
            )
        )

    def send_streaming_request(
        self,
        messages: Messages,
        *,
        provider: str | None = None,
        model: str | None = None,
        chain: str | Sequence[str] | None = None,
        max_cost: Decimal | str | float | None = None,
        category: str = "orchestration",
        tags: Mapping[str, str] | None = None,
        on_break: OnBreak | None = None,
        **options: Unpack[CallOptions],
    ) -> Iterator[StreamEvent]:
        """See `AsyncLLMOrchestrator.send_streaming_request`."""
        _portal.elsewhere()
        events = self._core.send_streaming_request(
            messages,
            provider=provider,
            model=model,
            chain=chain,
            max_cost=max_cost,
            category=category,
            tags=tags,
            on_break=on_break,
            **options,
        )
        return _Pump(events).read()

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        provider: str | None = None,
        model: str | None = None,
        dimensions: int | None = None,
        category: str = "orchestration",
        tags: Mapping[str, str] | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """See `AsyncLLMOrchestrator.embed`."""
        return _portal.run(
            self._core.embed(
                texts,
                provider=provider,
                model=model,
                dimensions=dimensions,
                category=category,
                tags=tags,
                **options,
            )
        )

    def count_tokens(
        self,
        messages: Messages,
        *,
        provider: str | None = None,
        model: str | None = None,
        exact: bool = False,
        **options: Unpack[CallOptions],
    ) -> TokenCount:
        """See `AsyncLLMOrchestrator.count_tokens`."""
        return _portal.run(
            self._core.count_tokens(
                messages, provider=provider, model=model, exact=exact, **options
            )
        )

    def estimate_cost(
        self,
        messages: Messages,
        *,
        provider: str | None = None,
        model: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Estimate:
        """See `AsyncLLMOrchestrator.estimate_cost`."""
        return _portal.run(
            self._core.estimate_cost(messages, provider=provider, model=model, **options)
        )

    def plan(
        self,
        messages: Messages,
        *,
        provider: str | None = None,
        model: str | None = None,
        chain: str | Sequence[str] | None = None,
        max_cost: Decimal | str | float | None = None,
        **options: Unpack[CallOptions],
    ) -> Plan:
        """See `AsyncLLMOrchestrator.plan`."""
        return _portal.run(
            self._core.plan(
                messages,
                provider=provider,
                model=model,
                chain=chain,
                max_cost=max_cost,
                **options,
            )
        )

    def estimate_bulk(self, source: "Source", **options: Unpack[ForecastOptions]) -> "Forecast":
        """See `AsyncLLMOrchestrator.estimate_bulk`."""
        return _portal.run(self._core.estimate_bulk(source, **options))

    def bulk(
        self, source: "Source", *, clock: "ClockLike" = None, **options: Unpack[BulkOptions]
    ) -> "BulkRun":
        """See `AsyncLLMOrchestrator.bulk`."""
        from llm_orchestrator.bulk.sync import BulkRun

        return BulkRun(_portal.run(self._core.bulk(source, clock=clock, **options)), _portal.run)

    def bulk_run(self, name: str, *, clock: "ClockLike" = None) -> "BulkRun":
        """See `AsyncLLMOrchestrator.bulk_run`."""
        from llm_orchestrator.bulk.sync import BulkRun

        return BulkRun(_portal.run(self._core.bulk_run(name, clock=clock)), _portal.run)

    def bulk_runs(self) -> "list[RunRow]":
        """See `AsyncLLMOrchestrator.bulk_runs`."""
        return _portal.run(self._core.bulk_runs())

    def feedback(self, call_id: str, verdict: Said, *, note: str | None = None) -> Verdict:
        """See `AsyncLLMOrchestrator.feedback`."""
        return _portal.run(self._core.feedback(call_id, verdict, note=note))

    def health(self, provider: str | None = None) -> list[ProviderHealth]:
        """See `AsyncLLMOrchestrator.health`."""
        return _portal.run(self._core.health(provider))

    def get_available_models(self, provider: str | None = None) -> list[Model]:
        """See `AsyncLLMOrchestrator.get_available_models`."""
        return _portal.run(self._core.get_available_models(provider))

    def refresh_models(self, provider: str | None = None) -> list[Model]:
        """See `AsyncLLMOrchestrator.refresh_models`."""
        return _portal.run(self._core.refresh_models(provider))

    def get_rate_limits(self) -> tuple[RateLimit, ...]:
        """See `AsyncLLMOrchestrator.get_rate_limits`."""
        return _portal.run(self._core.get_rate_limits())

    def get_session_cost(self) -> Decimal:
        """See `AsyncLLMOrchestrator.get_session_cost`."""
        return self._core.session.cost

    def close(self) -> None:
        """See `AsyncLLMOrchestrator.close`."""
        _portal.run(self._core.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
