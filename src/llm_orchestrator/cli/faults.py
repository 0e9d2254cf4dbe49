"""What an error means at the command line: its exit code, and what to do about it."""

import sys
import traceback
from collections.abc import Callable

from llm_orchestrator import errors
from llm_orchestrator.cli import output

OK, FAILED, USAGE, BUDGET, PARTIAL, INTERRUPTED, PIPE = 0, 1, 2, 3, 4, 130, 141

_HINTS: tuple[tuple[type[errors.OrchestratorError], str], ...] = (
    (errors.ConfigError, "`llmo doctor` shows what is set and what is missing."),
    (errors.AuthenticationError, "Is the key right, and of this provider? See `llmo providers`."),
    (errors.PermissionDeniedError, "The key is known, but may not do this; ask the account."),
    (errors.ModelNotFoundError, "`llmo models` lists the names; `--refresh` asks the providers."),
    (errors.ContextLengthError, "Shorten the prompt, or name a model with a larger context."),
    (errors.QuotaExhaustedError, "Waiting does not help; look at the account's billing."),
    (errors.RateLimitError, "Try later, or give another provider a key as a way out."),
    (errors.APIConnectionError, "Is the network up, and base_url right? See `llmo health`."),
    (errors.BudgetError, "Nothing was sent. Raise the limit, or name a cheaper model."),
)


def code(error: errors.OrchestratorError) -> int:
    """The exit code of an error: whose fault it is decides."""
    if isinstance(error, errors.BudgetError | errors.ApprovalRequiredError):
        return BUDGET
    if isinstance(error, errors.ConfigError | errors.ModelNotFoundError):
        return USAGE
    if isinstance(error, errors.InvalidRequestError) and error.status_code is None:
        return USAGE
    return FAILED


def hint(error: errors.OrchestratorError) -> str:
    """What to do about an error; empty where its text says it all."""
    return next((text for kind, text in _HINTS if isinstance(error, kind)), "")


def guarded(run: Callable[[], int], debug: Callable[[], bool]) -> int:
    """Runs a command and turns what goes wrong into words and an exit code.

    A traceback is for programmers: it appears with ``--debug`` only.
    """
    try:
        status = run()
        output.flush()
        return status
    except errors.OrchestratorError as error:
        _trace(debug)
        output.fail(str(error), hint(error))
        _tell_asked(error)
        return code(error)
    except KeyboardInterrupt:
        output.note("\nllmo: interrupted")
        return INTERRUPTED
    except output.ReaderGoneError:
        mute_stdout()
        return PIPE
    except OSError as error:
        _trace(debug)
        where = f"{error.filename}: " if error.filename else ""
        output.fail(f"{where}{error.strerror or error}")
        _give_up_stdout()
        return FAILED
    except Exception as error:  # noqa: BLE001 - the outermost boundary: nobody is above to see it
        _trace(debug)
        output.fail(
            f"this should not have happened: {type(error).__name__}: {error}",
            "" if debug() else "Run it again with --debug, and report what it prints.",
        )
        return FAILED


def _tell_asked(error: errors.OrchestratorError) -> None:
    """Who else was asked in vain: the error is that of the first."""
    asked = dict.fromkeys(f"{one.provider}/{one.model}" for one in error.attempts)
    if len(asked) > 1:
        requests = output.count(len(error.attempts), "request")
        output.note(f"      Asked in vain: {', '.join(asked)} ({requests}; -v tells of each)")


def _trace(debug: Callable[[], bool]) -> None:
    if debug():
        traceback.print_exc()


def _give_up_stdout() -> None:
    """What standard output does not take now, it will not take when the interpreter exits."""
    try:
        output.flush()
    except (OSError, output.ReaderGoneError):
        mute_stdout()


def mute_stdout() -> None:
    """Nobody reads on: keep the interpreter from failing again when it flushes at exit."""
    import os

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
