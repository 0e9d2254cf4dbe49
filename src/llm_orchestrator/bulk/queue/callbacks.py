"""Callbacks: who is told when a run has ended. Each is delivered at least once, and then marked.

A webhook gets a POST with JSON, a command gets the JSON on its standard input, a Python function
gets it as a mapping. All see the callback's id, which stays the same when it is tried again: who
must not do something twice looks whether it knows the id.
"""

import asyncio
import hashlib
import importlib
import inspect
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.error import URLError
from urllib.request import Request, build_opener

import msgspec

from llm_orchestrator.bulk.queue import batch_status
from llm_orchestrator.config.bulk import read_callback
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_notices import CallbackRow

log = logging.getLogger("llm_orchestrator")

ID_HEADER = "LLMO-Callback-Id"
_TIMEOUT_S = 30.0
_LEASE_S = 90.0
"""How soon another one tries what a worker began and did not finish."""
_WAITS_S = (2.0, 10.0, 60.0, 300.0, 1800.0)
_PAST_US = 24 * 3_600_000_000
"""Runs that ended longer ago are not told to targets that are new."""
_encode = msgspec.json.Encoder(decimal_format="number").encode


def ask(store: BulkStore, run_id: str, target: str) -> str:
    """Let a run call this target when it has ended; the callback's id.

    The same target once for each run. Raises `InvalidRequestError` for what cannot be called.
    """
    try:
        kind, place = read_callback(target)
    except ValueError as error:
        raise InvalidRequestError(f"callback: {error}") from None
    seed = f"{run_id}\0{kind}\0{place}".encode("utf-8", "surrogatepass")
    callback_id = f"cb_{hashlib.blake2b(seed, digest_size=10).hexdigest()}"
    row = CallbackRow(callback_id=callback_id, run_id=run_id, kind=kind, target=place)
    store.wait(store.callbacks.add, row)
    return callback_id


def arm(store: BulkStore, targets: Sequence[str], now: int) -> int:
    """Let the callbacks of runs that have ended go out; how many.

    ``targets`` are told of every run; ``now`` in microseconds of the run's clock.
    """
    for target in targets:
        _, place = read_callback(target)
        for run_id in store.wait(store.callbacks.untold, place, now - _PAST_US):
            ask(store, run_id, target)
    count = 0
    for run_id in store.wait(store.callbacks.unarmed):
        body = {"event": "batch.ended", **batch_status.status(store, run_id)}
        count += store.wait(store.callbacks.arm, run_id, _encode(body).decode())
    return count


def deliver(store: BulkStore, waits_s: Sequence[float] = _WAITS_S) -> int:
    """Call all that are due; how many have arrived. What fails is tried again later."""
    count = 0
    while (one := store.wait(store.callbacks.take, _LEASE_S)) is not None:
        try:
            _call(one)
        except Exception as error:  # noqa: BLE001 - a hook may raise anything
            wait_s = waits_s[min(one.tries - 1, len(waits_s) - 1)]
            text = f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
            again = f"it is called again in {wait_s:g} s"
            log.warning("callback %s of %s: %s; %s", one.callback_id, one.run_id, text, again)
            store.wait(store.callbacks.failed, one.callback_id, text, wait_s)
        else:
            store.wait(store.callbacks.delivered, one.callback_id)
            count += 1
    return count


def _call(one: CallbackRow) -> None:
    body = {**msgspec.json.decode(one.body), "callback_id": one.callback_id, "attempt": one.tries}
    if one.kind == "webhook":
        _post(one, msgspec.json.encode(body))
    elif one.kind == "command":
        _start(one, msgspec.json.encode(body))
    else:
        _invoke(one.target, body)


def _post(one: CallbackRow, body: bytes) -> None:
    headers = {"Content-Type": "application/json", ID_HEADER: one.callback_id}
    request = Request(one.target, data=body, headers=headers, method="POST")  # noqa: S310 - checked
    try:
        with build_opener().open(request, timeout=_TIMEOUT_S) as reply:
            reply.read(1)
    except URLError as error:  # its text may show the address, which may be a secret
        code = getattr(error, "code", None)
        raise ConnectionError(f"HTTP {code}" if code else str(error.reason)) from None


def _start(one: CallbackRow, body: bytes) -> None:
    with subprocess.Popen(  # noqa: S603 - the user's own command
        shlex.split(one.target),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LLMO_CALLBACK_ID": one.callback_id},
        start_new_session=True,
    ) as process:
        try:
            _, said = process.communicate(body, _TIMEOUT_S)
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        told = said[-200:].decode(errors="replace").strip()
        raise ChildProcessError(f"exit code {process.returncode}: {told}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a command that hangs, with all that it has started: each try would leave more."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _invoke(target: str, body: dict[str, Any]) -> None:
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name)(body)
    if inspect.isawaitable(found):
        asyncio.run(_awaited(found))


async def _awaited(work: Any) -> None:
    await work
