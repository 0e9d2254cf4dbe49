"""What ``llmo route`` scores prompts with, and the lines that it reads."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from llm_orchestrator.cli import options
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.routing.prior import Guess, LearnedPrior, Record

if TYPE_CHECKING:
    from llm_orchestrator.store.feedback import Feedback

Guesser: TypeAlias = Callable[[str, str | None], Guess]


class Asked(msgspec.Struct, frozen=True):
    """A line: a prompt, and of which kind it is."""

    prompt: str
    category: str | None = None


_asked = msgspec.json.Decoder(Asked).decode
_record = msgspec.json.Decoder(Record).decode


def prompts(source: str) -> Iterator[Asked]:
    """The prompts of a file, or of standard input where it is ``-``, as they come.

    A line that begins with ``{`` is JSON, another one is a prompt itself. Raises
    `InvalidRequestError` with its number for a line that is neither.
    """
    for number, line in lines(source):
        if line.startswith("{"):
            try:
                yield _asked(line)
            except (msgspec.DecodeError, RecursionError) as fault:
                raise _wrong(source, number, f"no prompt in JSON: {fault}") from None
        else:
            yield Asked(line)


def records(source: str) -> Iterator[Record]:
    """The graded prompts of a file of JSON lines; raises `InvalidRequestError` as `prompts`."""
    for number, line in lines(source):
        try:
            yield _record(line)
        except (msgspec.DecodeError, RecursionError) as fault:
            raise _wrong(source, number, f"no record in JSON: {fault}") from None


def lines(source: str) -> Iterator[tuple[int, str]]:
    """The lines of a file or of standard input, numbered from 1; each as soon as it is there."""
    if source == "-":
        yield from _lines(source, sys.stdin.buffer)
        return
    try:
        file = Path(source).expanduser().open("rb")
    except OSError as fault:
        raise InvalidRequestError(f"cannot read {source}: {fault.strerror}") from None
    with file:
        yield from _lines(source, file)


def _lines(source: str, raw: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    for number, data in enumerate(raw, 1):
        try:
            line = data.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
        except UnicodeDecodeError as fault:
            raise _wrong(source, number, f"no UTF-8 text (byte {fault.start})") from None
        if not line.strip():
            raise _wrong(source, number, "empty")
        yield number, line


def _wrong(source: str, number: int, what: str) -> InvalidRequestError:
    where = "standard input" if source == "-" else source
    return InvalidRequestError(f"{where}, line {number}: {what}")


def taught(train: str | None, model_file: Path | None) -> LearnedPrior | None:
    """What graded prompts teach, or a file that was made of them; ``None`` without either."""
    if train is not None:
        prior = LearnedPrior().learn(records(train))
        if model_file is not None:
            _write(model_file.expanduser(), prior.encode())
        return prior
    if model_file is None:
        return None
    try:
        return LearnedPrior.decode(model_file.expanduser().read_bytes())
    except OSError as fault:
        raise InvalidRequestError(f"cannot read {model_file}: {fault.strerror}") from None
    except ValueError as fault:
        raise InvalidRequestError(f"{model_file}: {fault}") from None


def _write(path: Path, body: bytes) -> None:
    """In place of what is there, or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(body)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def by_name(name: str) -> Guesser:
    """A scorer that learns nothing."""
    from llm_orchestrator.engine.scorers import find

    scorer = find(name)
    return lambda prompt, category: Guess(
        float(scorer(prompt, category=category)), known=True, why=f"by the scorer {name}"
    )


def store(config: Path | None) -> "Feedback":
    """The verdicts in the ledger."""
    from llm_orchestrator.config.paths import store_url
    from llm_orchestrator.store.feedback import Feedback

    return Feedback(store_url(options.configuration(config)))
