"""The public verbs: wiring and nothing else. `portal.LLMOrchestrator` is the same for sync code."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, Unpack

from llm_orchestrator.bulk.options import BulkOptions, ForecastOptions
from llm_orchestrator.catalog.estimate import Estimate
from llm_orchestrator.config.schema import Config
from llm_orchestrator.engine import discovery, embedding, planning, streaming, verbs, verdicts
from llm_orchestrator.engine.build import build
from llm_orchestrator.engine.discovery import ProviderHealth
from llm_orchestrator.engine.embedding import Embeddings
from llm_orchestrator.engine.options import CallOptions, EmbedOptions
from llm_orchestrator.engine.planning import Plan
from llm_orchestrator.engine.prepare import Messages, Prepared, Who, prepare, prepare_embedding
from llm_orchestrator.engine.session import Session
from llm_orchestrator.engine.streaming import OnBreak
from llm_orchestrator.errors import ClosedError
from llm_orchestrator.pipeline.limits.view import RateLimit
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
    from llm_orchestrator.bulk.run import AsyncBulkRun
    from llm_orchestrator.bulk.runner import Runner
    from llm_orchestrator.store.bulk_rows import RunRow


class AsyncLLMOrchestrator:
    """Sends prompts to the providers of a configuration, for the coroutines of one program.

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
        self._runtime = build(config, provider=provider, model=model, transport=transport)
        self._runners: list[Runner] = []

    @property
    def session(self) -> Session:
        """Counts and cost since this object was made."""
        return self._runtime.session

    async def send_request(
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
        """The answer to the messages, from the first candidate that gives a good one.

        ``provider`` forces a provider, ``model`` asks for a model first, ``chain`` replaces the
        candidates: models, or the name of a chain. ``strategy`` chooses among many models, and
        seeks an answer (`RouteOptions`). ``max_cost`` (USD) refuses with `BudgetError` before
        sending when the call could cost more. Raises the first candidate's error when all of them
        failed.
        """
        who = Who(
            provider=provider,
            model=model,
            chain=chain,
            max_cost=max_cost,
            category=category,
            tags=tags,
        )
        return await verbs.answer(self._runtime, self._prepare(messages, who, options))

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
    ) -> AsyncGenerator[StreamEvent, None]:
        """The answer in pieces. ``str(event)`` is the text to show; the last is an `EndEvent`.

        ``on_break`` says what happens when the stream breaks after its first words: continue,
        restart or fail (the configuration's ``stream.on_break`` by default). Arguments that are
        wrong raise here, everything else while the stream is read; nothing is sent before that.
        """
        who = Who(
            provider=provider,
            model=model,
            chain=chain,
            max_cost=max_cost,
            category=category,
            tags=tags,
        )
        one = self._prepare(messages, who, options, stream=True)
        on_break = streaming.read_on_break(on_break or self._runtime.config.stream.on_break)
        return self._events(one, on_break)

    async def _events(self, one: Prepared, on_break: OnBreak) -> AsyncGenerator[StreamEvent, None]:
        self._open()
        batches = verbs.stream(self._runtime, one, on_break)
        async with aclosing(batches):
            async for batch in batches:
                for event in batch:
                    yield event

    async def embed(
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
        """One vector per text. Retried, but never by another model: their vectors do not mix.

        With a cache, each text that is there already costs nothing.
        """
        who = Who(provider=provider, model=model, category=category, tags=tags)
        many = embedding.read_texts(texts)
        self._open()
        call, rescue = prepare_embedding(self._runtime, who, options)
        return await embedding.embed(self._runtime, call, rescue, many, dimensions)

    async def count_tokens(
        self,
        messages: Messages,
        *,
        provider: str | None = None,
        model: str | None = None,
        exact: bool = False,
        **options: Unpack[CallOptions],
    ) -> TokenCount:
        """Input tokens of the messages: a local estimate, or the provider's own count.

        The number's ``exact`` says which of the two it is.
        """
        one = self._prepare(messages, Who(provider=provider, model=model), options)
        target = one.route.candidates[0]
        return await planning.count(self._runtime, one.call.request, target, exact=exact)

    async def estimate_cost(
        self,
        messages: Messages,
        *,
        provider: str | None = None,
        model: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Estimate:
        """What the first candidate would cost, as an interval in USD; nothing is sent."""
        one = self._prepare(messages, Who(provider=provider, model=model), options)
        return planning.estimate(one.call.request, one.route.candidates[0])

    async def plan(
        self,
        messages: Messages,
        *,
        provider: str | None = None,
        model: str | None = None,
        chain: str | Sequence[str] | None = None,
        max_cost: Decimal | str | float | None = None,
        **options: Unpack[CallOptions],
    ) -> Plan:
        """Who would be asked in which order, at which price, with how many requests at most."""
        who = Who(provider=provider, model=model, chain=chain, max_cost=max_cost)
        one = self._prepare(messages, who, options)
        return planning.plan(self._runtime, one.call.request, one.route)

    async def estimate_bulk(
        self, source: "Source", **options: Unpack[ForecastOptions]
    ) -> "Forecast":
        """What a task would cost for all rows of a file, and what a bulk run would do.

        ``source`` is a path (``-``: standard input) or an iterable of mappings; it is read once, in
        a thread. Nothing is sent. Raises `BudgetError` when ``max_cost`` does not pay for it.
        """
        self._open()
        from llm_orchestrator.bulk.planning.forecast import (
            forecast_by_options,  # only bulk runs pay for templates
        )

        return await asyncio.to_thread(forecast_by_options, self._runtime, source, options)

    async def bulk(
        self, source: "Source", *, clock: "ClockLike" = None, **options: Unpack[BulkOptions]
    ) -> "AsyncBulkRun":
        """Begin a bulk run: each row of the source is asked what the task says, once.

        ``source`` is a file (CSV, JSONL, JSON, Parquet, ``-``) or an iterable of mappings; it has
        been read when this returns. With the same ``out`` folder or ``name`` as an earlier run,
        that one is gone on with: what was answered is not asked again. ``clock`` may be the address
        of a simulator. Raises `ConfigError` and `InvalidRequestError` for what cannot be asked,
        `BudgetError` when ``max_cost`` (USD) does not pay for it.
        """
        from llm_orchestrator.bulk.arguments import run_request
        from llm_orchestrator.bulk.opening import open_runner
        from llm_orchestrator.bulk.run import AsyncBulkRun

        self._open()
        request = run_request(source, options)
        runner = open_runner(self._runtime, clock)
        self._runners.append(runner)
        return await AsyncBulkRun.begin(runner, request)

    async def bulk_run(self, name: str, *, clock: "ClockLike" = None) -> "AsyncBulkRun":
        """A run that was begun before: by its id, its name, or the folder of its results.

        It is not driven here unless something is asked of it that needs it, such as `wait`.
        """
        from llm_orchestrator.bulk.opening import open_runner
        from llm_orchestrator.bulk.run import AsyncBulkRun

        self._open()
        runner = open_runner(self._runtime, clock)
        self._runners.append(runner)
        return await AsyncBulkRun.find(runner, name)

    async def bulk_runs(self) -> "list[RunRow]":
        """The latest runs, the newest first."""
        from llm_orchestrator.bulk.opening import open_runner

        self._open()
        runner = open_runner(self._runtime)
        try:
            return await runner.store.do(runner.store.runs.listed)
        finally:
            await runner.close()

    async def feedback(self, call_id: str, verdict: Said, *, note: str | None = None) -> Verdict:
        """Say how right the answer of a call was: good, bad, or a number from 0 to 1.

        ``call_id`` is the ``id`` of a reply; a later verdict replaces an earlier one. With
        ``routing.learn``, models are learned anew when enough new verdicts have come, which may
        take seconds. Raises `InvalidRequestError` for a call that is not in the ledger or that
        nobody answered.
        """
        self._open()
        return await verdicts.give(self._runtime, call_id, verdict, note)

    async def health(self, provider: str | None = None) -> list[ProviderHealth]:
        """Whether the configured providers (or the one named) answer."""
        self._open()
        directory = self._runtime.directory
        rows = [directory.use(provider)] if provider else directory.configured()
        return await discovery.check_all(self._runtime, rows)

    async def get_available_models(self, provider: str | None = None) -> list[Model]:
        """The models of the provider (of all configured ones), as known here; nothing is sent.

        They are those of the provider's own list where `refresh_models` has asked for it, here or
        in another process with the same store, and else those of the catalogue.
        """
        self._open()
        return await planning.models(self._runtime, provider)

    async def refresh_models(self, provider: str | None = None) -> list[Model]:
        """Ask the providers which models the account has; the store remembers what they say.

        Of several providers, one that does not answer is warned of; raises when none does.
        """
        self._open()
        directory = self._runtime.directory
        rows = [directory.use(provider)] if provider else directory.configured()
        return await discovery.refresh(self._runtime, rows)

    async def get_rate_limits(self) -> tuple[RateLimit, ...]:
        """The rate limits of every model and key that was asked, as they stand; nothing is sent."""
        limiter = self._runtime.limiter
        return () if limiter is None else limiter.view()

    async def get_session_cost(self) -> Decimal:
        """USD of everything in this session whose cost is known; see ``session`` for the rest."""
        return self._runtime.session.cost

    async def close(self) -> None:
        """Write what is left to the ledger and close all connections.

        Calls that are under way end with `ClosedError`, and are booked. Bulk runs stop where they
        are, to be gone on with.
        """
        while self._runners:
            await self._runners.pop().close()
        if not self._runtime.closed:
            await self._runtime.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an orchestrator cannot be pickled, so it cannot be sent to another process; make one "
            "there, of the same configuration"
        )

    def _open(self) -> None:
        if self._runtime.closed:
            raise ClosedError("this orchestrator was closed; make a new one")

    def _prepare(
        self, messages: Messages, who: Who, options: CallOptions, *, stream: bool = False
    ) -> Prepared:
        self._open()
        return prepare(self._runtime, messages, who, options, stream=stream)
