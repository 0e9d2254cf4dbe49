"""Drives the exchanges of batches: the only place where their calls become requests.

They are outside the ledger, as they cost nothing themselves: what a batch costs is booked by who
reads its results. A call with ``once`` goes out once; the others are repeated when they fail for
a reason that may pass, with growing pauses.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import TypeVar

import msgspec

from llm_orchestrator import dialects
from llm_orchestrator.dialects import batch
from llm_orchestrator.errors import (
    APITimeoutError,
    InvalidRequestError,
    ModelNotFoundError,
    OrchestratorError,
    StoreError,
)
from llm_orchestrator.pipeline.replies import check, clean, failure, sign
from llm_orchestrator.providers import credentials
from llm_orchestrator.transport.base import Limits, Transport, Wire
from llm_orchestrator.types.batch import BatchOutput, BatchResult
from llm_orchestrator.types.http import FilePart, HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate

T = TypeVar("T")

LIMITS = Limits(connect=10.0, first=60.0, idle=60.0, total=120.0)
"""Time for one call with a small body and a small reply, in seconds."""
_SLOWEST = 250_000
"""Bytes a second at which a large body still gets there in time."""
_LARGEST = 2 * 3600.0
"""Seconds for a reply whose size nobody knows."""
_PAUSES = (1.0, 4.0, 15.0)
_LONGEST_PAUSE = 60.0
_LOOK_S = 0.25
"""Between two looks, in a pause, at whether all is to end."""
_OK = range(200, 300)
_BLOCK = 1024 * 1024


class Driver:
    """Sends the calls of exchanges over one transport; once ``stopped``, no call is repeated."""

    def __init__(
        self,
        transport: Transport,
        pauses: tuple[float, ...] = _PAUSES,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._transport = transport
        self._pauses = pauses
        self._stopped = stopped

    async def drive(
        self,
        exchange: batch.Exchange[T],
        target: Candidate,
        limits: Limits = LIMITS,
        *,
        folder: Path | None = None,
    ) -> T:
        """What the exchange returns; raises the error of the first reply that is a failure.

        ``limits`` hold for a call with ``once`` as they are; the others get more time the larger
        they are. Large replies are saved in ``folder``, numbered in the order of the calls.
        """
        reply: HTTPReply | None = None
        number = 0
        try:
            while True:
                try:
                    call = next(exchange) if reply is None else exchange.send(reply)
                except StopIteration as done:
                    value: T = done.value
                    return value
                file = None
                if call.save and folder is not None:
                    number += 1
                    file = folder / f"reply-{number}"
                reply = await self._answered(call, target, limits, file)
        except OrchestratorError as error:
            sign(error, target)
            raise
        finally:
            exchange.close()

    async def _answered(
        self, call: HTTPCall, target: Candidate, limits: Limits, file: Path | None
    ) -> HTTPReply:
        """The reply, in as many attempts as the call may have."""
        pauses = iter(() if call.once else self._pauses)
        limits = limits if call.once else _patient(limits, call)
        if call.wait:
            await asyncio.sleep(call.wait)
        if call.parts:
            await asyncio.to_thread(_check_files, call)
        while True:
            try:
                return await self._sent(call, target, limits, file)
            except OrchestratorError as error:
                pause = next(pauses, None)
                if pause is None or not (error.retryable or isinstance(error, APITimeoutError)):
                    raise
                if (asked := error.retry_after) is not None:
                    if asked > _LONGEST_PAUSE:
                        raise
                    pause = max(pause, asked)
                if not await self._paused(pause):
                    raise

    async def _paused(self, seconds: float) -> bool:
        """Wait so long; False, and soon, when all is to end."""
        until = monotonic() + seconds
        while not self._stopped():
            left = until - monotonic()
            if left <= 0:
                return True
            await asyncio.sleep(min(left, _LOOK_S))
        return False

    async def _sent(
        self, call: HTTPCall, target: Candidate, limits: Limits, file: Path | None
    ) -> HTTPReply:
        headers = await credentials.signed(call, target.provider)
        wire = await self._transport.open(call, headers, limits)
        try:
            if file is not None and wire.status in _OK:
                wire.flowing()
                await _saved(wire, file)
                return HTTPReply(wire.status, wire.headers, b"", str(file))
            reply = HTTPReply(wire.status, wire.headers, await wire.read())
        finally:
            wire.close()
        if reply.status not in _OK and reply.status not in call.also:
            error = failure(reply, dialects.load(target.provider.dialect), target)
            raise error if call.once else _missing(error)
        return clean(reply, target)  # an exchange that cannot read it quotes from it


def _missing(error: OrchestratorError) -> OrchestratorError:
    """The error itself; of a batch or a file that is not there, one that says nothing of models."""
    if not isinstance(error, ModelNotFoundError):
        return error
    facts = {name: getattr(error, name) for name in ("status_code", "request_id", "code")}
    return InvalidRequestError(error.message, **facts)


def _patient(limits: Limits, call: HTTPCall) -> Limits:
    """The limits with the time that the bodies of the call may take."""
    more = call.size / _SLOWEST
    return msgspec.structs.replace(
        limits,
        first=limits.first + more,
        total=limits.total + more + (_LARGEST if call.save else 0),
    )


def _check_files(call: HTTPCall) -> None:
    """Raises `StoreError` for a file that is not what it was when the call was made of it."""
    for part in call.parts:
        if isinstance(part, FilePart):
            try:
                size = Path(part.path).stat().st_size
            except OSError as error:
                raise StoreError(f"{part.path} cannot be read: {error.strerror}") from None
            if not part.size <= size <= part.size + part.joined:
                raise StoreError(f"{part.path} has changed: {size} bytes instead of {part.size}")


async def _saved(wire: Wire, file: Path) -> None:
    """Write the body into the file, which is there only when all of it has come."""
    beginning = file.with_name(f"{file.name}.part")
    held: list[bytes] = []
    try:
        with await asyncio.to_thread(beginning.open, "wb") as out:
            size = 0
            while data := await wire.piece():
                held.append(data)
                size += len(data)
                if size >= _BLOCK:
                    await asyncio.to_thread(out.write, b"".join(held))
                    held, size = [], 0
            await asyncio.to_thread(out.write, b"".join(held))
        await asyncio.to_thread(beginning.replace, file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}") from None


# ------------------------------------------------------------------ results


def read_output(
    output: BatchOutput, target: Candidate, *, embeds: bool = False
) -> Iterator[BatchResult]:
    """The results of an output, a row at a time, from its file where it has one.

    Answers that are none (empty, blocked) are failures, as they are in real time, and have their
    usage; no error quotes a secret. Raises `StoreError` and, for an output that is of no known
    form at all, `BadReplyError`.
    """
    dialect = batch.dialect(target.provider)
    for result in dialect.read_results(_chunks(output), output.kind, target, embeds=embeds):
        yield _checked(result, target)


def _chunks(output: BatchOutput) -> Iterator[bytes]:
    if not output.path:
        yield output.data
        return
    try:
        with Path(output.path).open("rb") as file:
            while data := file.read(_BLOCK):
                yield data
    except OSError as error:
        raise StoreError(f"{output.path} cannot be read: {error.strerror}") from None


def _checked(result: BatchResult, target: Candidate) -> BatchResult:
    error = result.error
    if error is None and result.response is not None and result.vectors is None:
        try:
            check(result.response, target)
        except OrchestratorError as found:
            error = found.with_traceback(None)
            error.status_code = 200
            result = msgspec.structs.replace(
                result, outcome="retryable" if error.retryable else "failed", error=error
            )
    if error is not None:
        sign(error, target)
    return result
