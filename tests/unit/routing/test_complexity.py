import pytest

from llm_orchestrator.routing.complexity import LEVELS, ComplexityAnalyzer


@pytest.mark.parametrize(
    "prompt,level",
    [
        ("What is 2+2?", "basic"),
        ("What is the capital of France?", "basic"),
        ("Define entropy", "basic"),
        ("Good morning", "basic"),
        ("", "basic"),
        ("Write Python code that prints a table", "intermediate"),
        ("Summarise this text", "intermediate"),
        ("LIST the planets", "intermediate"),
        ("Solve x + 1 = 2", "intermediate"),
        ("Design a distributed system", "advanced"),
        ("Explain why the sky is blue", "advanced"),
        ("Debug this program", "advanced"),
        ("Optimise the query", "advanced"),
        ("Prove that there are infinitely many primes", "expert"),
        ("A comprehensive report", "expert"),
        ("Compare multiple vendors", "expert"),
        ("A multi-step problem", "expert"),
        ("Analyse deeply what happened", "expert"),
        ("What is the basic way to derive this? Keep it simple", "expert"),
        ("improved redesigned", "basic"),  # words, not parts of words
    ],
)
def test_the_highest_level_that_a_word_names_counts(prompt: str, level: str) -> None:
    assert ComplexityAnalyzer.analyze(prompt).level == level
    assert ComplexityAnalyzer().required_capability(prompt) == level


@pytest.mark.parametrize(
    "prompt,kind",
    [
        ("What is 2+2?", "math"),
        ("How many apples are left?", "math"),
        ("Write a Python function that reverses a list", "code"),
        ("Research the literature on batteries", "research"),
        ("Plan a roadmap with milestones", "planning"),
        ("Summarize the key points", "summary"),
        ("Translate this into French", "translation"),
        ("Extract the names as JSON", "extraction"),
        ("Draft an email to my landlord", "writing"),
        ("Good morning", "general"),
    ],
)
def test_the_kind_of_task_is_told_by_its_words(prompt: str, kind: str) -> None:
    assert ComplexityAnalyzer.task_type(prompt) == kind


def test_the_words_that_told_are_given() -> None:
    found = ComplexityAnalyzer.analyze("Compare and evaluate, then COMPARE again")
    assert found.signs == ("compare", "evaluate")


def test_a_score_is_the_level_and_then_the_length() -> None:
    analyzer = ComplexityAnalyzer()
    by_level = [analyzer.score(text) for text in ("hi", "list", "design", "prove")]
    assert [int(score) for score in by_level] == [1, 2, 3, 4]
    assert analyzer.score("prove " * 50) > analyzer.score("prove " * 5)
    assert analyzer.score("prove " * 9999) < len(LEVELS) + 1
    assert analyzer.score("prove", category="anything") == analyzer.score("prove")


def test_of_a_long_prompt_the_task_at_its_end_counts() -> None:
    long = "words and words " * 2000
    assert ComplexityAnalyzer.analyze(f"{long} Prove it.").level == "expert"
