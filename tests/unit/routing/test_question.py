"""What a prompt asks for."""

import pytest

from llm_orchestrator.routing.canonical.question import read

CODE = "def f(text):\n    return text.upper()"


@pytest.mark.parametrize(
    "prompt",
    [
        f"{CODE}\n\nWhat is the output of f('a')?",
        f"[PYTHON]\n{CODE}\nassert f('a') == ??\n[/PYTHON]",
        f"## Function\n```python\n{CODE}\n```\n## Input\n```python\nf('a')\n```\n## Output",
        f"Provide the output of the following function for the input 'a'.\n\n{CODE}",
        f"Complete the assertion with the result of the code.\n{CODE}\nassert f('a') ==",
        f"Given the function and the input, predict what is returned.\n{CODE}\nInput: 'a'",
        "What does this print?\n\nprint(1 + 1)",
        "function f(x) { return x + 1 }\nWhat will f(1) return?",
    ],
)
def test_values_of_code(prompt: str) -> None:
    assert read(prompt).literal
    assert not read(prompt).program


@pytest.mark.parametrize(
    "prompt",
    [
        "Write a Python function that adds two numbers.",
        "Please implement an efficient sorting program.",
        f"Complete the following function:\n\n{CODE}",
        "Give me a SQL query for the ten largest orders.",
        "Fix this code:\n\n```python\nprint(1\n```",
        "Generate a regular expression for dates.",
    ],
)
def test_programs(prompt: str) -> None:
    assert read(prompt).program
    assert not read(prompt).literal


@pytest.mark.parametrize(
    ("prompt", "letters"),
    [
        ("Which?\nA. one\nB. two\nC. three", "ABC"),
        ("Which?\n(A) one\n(B) two", "AB"),
        ("Which?\na) one\nb) two", "AB"),
        ("Which? (A) one (B) two (C) three", "ABC"),
        ("First\nA. old\nB. old\n\nSecond\nA. one\nB. two\nC. three\nAnswer:", "ABC"),
        ("Which?\n- A. one\n- B. two", "AB"),
        ("A. is alone", ""),
        ("Plan:\nB. two\nC. three", ""),
        ("How many of the following are true?\n(a) one\n(b) two", ""),
        ("Tell me about vitamins (A) and minerals.", ""),
    ],
)
def test_options(prompt: str, letters: str) -> None:
    assert "".join(read(prompt).options) == letters


def test_the_last_of_several_lists_counts() -> None:
    found = read("Example\nA. old\nB. older\n\nNow\nA. one\nB. two")
    assert found.options == {"A": "one", "B": "two"}


@pytest.mark.parametrize(
    ("prompt", "boolean"),
    [
        ("Is 7 a prime number?", True),
        ("Answer yes or no: is it raining", True),
        ("True or false: water is wet.", True),
        ("The sky is blue. Does that follow?", True),
        ("Is it a bird or a plane?", False),
        ("How many true/false questions does she answer?", False),
        ("What is it?", False),
    ],
)
def test_yes_or_no(prompt: str, boolean: bool) -> None:
    assert read(prompt).boolean is boolean


@pytest.mark.parametrize(
    ("prompt", "definite"),
    [
        ("How many are there?", True),
        ("Find the value of x.", True),
        ("What are their combined weights in pounds?", True),
        ("Is it so?", True),
        ("Write a poem about the sea.", False),
        ("Should I use REST or GraphQL?", False),
        ("", False),
    ],
)
def test_whether_there_is_one_answer(prompt: str, definite: bool) -> None:
    assert read(prompt).definite is definite
