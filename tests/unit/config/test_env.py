"""``.env`` files and references to variables."""

from pathlib import Path

import pytest

from llm_orchestrator.config.env import (
    Environment,
    UnsetVariableError,
    expand,
    parse_dotenv,
    read_environment,
)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("A=1", {"A": "1"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1\n  B = two words  # note\n", {"A": "1", "B": "two words"}),
        ("A=a#b\nB=#nothing\nC=\nD= # nothing\n", {"A": "a#b", "B": "", "C": "", "D": ""}),
        ('A=\'$x # \\n\'\nB="a\\nb\\"c"\n', {"A": "$x # \\n", "B": 'a\nb"c'}),
        ('KEY="-----BEGIN\nabc\n-----END"\nB=2', {"KEY": "-----BEGIN\nabc\n-----END", "B": "2"}),
        ("# A=1\nnot an assignment\n1A=2\n=3\nB=2", {"B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=x=y==", {"A": "x=y=="}),
        ("", {}),
    ],
)
def test_dotenv(text: str, expected: dict[str, str]) -> None:
    assert parse_dotenv(text)[0] == expected


@pytest.mark.parametrize(
    "text, lines",
    [
        ("# A=1\n\n  # note\nA=1\r\nexport B=2\n", []),
        ("# A=1\nnot an assignment\n1A=2\n=3\nB=2", [2, 3, 4]),
        ('A="one\ntwo"\nOPENAI_API_KEY sk-secret\n', [3]),
        ('A=1\nKEY="sk-secret\nB=2\n', [2]),
        ("A='sk' secret\nNAME", [1, 2]),
    ],
)
def test_what_is_wrong_in_a_dotenv_is_told_by_its_line(
    text: str, lines: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert [line for line, _ in parse_dotenv(text)[1]] == lines
    (tmp_path / ".env").write_text(text)
    read_environment({}, [tmp_path, tmp_path])
    assert [message.split(":")[0] for message in caplog.messages] == [
        f"{tmp_path / '.env'}, line {line}" for line in lines
    ]
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "text, expected",
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${A}", "x1y1"),
        ("${B:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${B:-}", ""),
        ("${B:-http://h:1/}", "http://h:1/"),
        ("$A costs $5", "$A costs $5"),
        ("$${A}", "${A}"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "EMPTY": ""}) == expected


@pytest.mark.parametrize("text", ["${B}", "x ${EMPTY}"])
def test_unset_and_empty_variables_are_named(text: str) -> None:
    with pytest.raises(UnsetVariableError) as caught:
        expand(text, {"EMPTY": ""})
    assert caught.value.name == text.strip("x ${}")


@pytest.mark.parametrize("text", ["${}", "${A B}", "${1}"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="NAME"):
        expand(text, {})


def test_the_real_environment_wins_even_when_empty(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    env = read_environment({"A": ""}, [tmp_path, tmp_path / "missing"])
    assert env.value("A") is None
    assert env.value("B") == "file"
    assert sorted(env) == ["A", "B"]
    assert env.hidden == {"A"}
    assert read_environment({"A": "own", "C": ""}, [tmp_path]).hidden == set()


def test_a_dotenv_in_another_encoding_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=caf\xe9\nB=2\n")
    assert read_environment({}, [tmp_path])["B"] == "2"


def test_its_repr_holds_no_values() -> None:
    assert repr(Environment({"KEY": "canary"})) == "Environment(1 variables)"
