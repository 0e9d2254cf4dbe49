"""Exit codes and words of errors, at the outermost boundary."""

import pytest

from llm_orchestrator import errors
from llm_orchestrator.cli import faults


@pytest.mark.parametrize(
    "error, code",
    [
        (errors.ConfigError("x"), 2),
        (errors.ModelNotFoundError("x"), 2),
        (errors.InvalidRequestError("x"), 2),
        (errors.SchemaError("x"), 2),
        (errors.InvalidRequestError("x", status_code=400), 1),
        (errors.ContextLengthError("x", status_code=400), 1),
        (errors.BudgetError("x"), 3),
        (errors.AuthenticationError("x", status_code=401), 1),
        (errors.ServerError("x", status_code=500), 1),
        (errors.StoreError("x"), 1),
    ],
)
def test_an_error_has_its_code(
    error: errors.OrchestratorError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> int:
        raise error

    assert faults.guarded(run, lambda: False) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("llmo: error: x")
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    "error, code, words",
    [
        (OSError(28, "No space left on device", "/x"), 1, "/x: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("odd"), 1, "this should not have happened: RuntimeError: odd"),
    ],
)
def test_other_ends(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> int:
        raise error

    assert faults.guarded(run, lambda: False) == code
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


def test_debug_shows_where_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        raise errors.ConfigError("x")

    assert faults.guarded(run, lambda: True) == 2
    assert "in run" in capsys.readouterr().err


def test_success_is_the_commands_own_code() -> None:
    assert faults.guarded(lambda: 4, lambda: False) == 4
