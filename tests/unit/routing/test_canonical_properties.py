"""Properties of the comparison: what never matters, and what always does."""

import json
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator.routing.canonical import Canonical, canonical, same, sets
from tests.unit.routing import pairs

PROMPTS = st.sampled_from(
    (pairs.PLAIN, pairs.CHOICE, pairs.COUNT, pairs.MONEY, pairs.BOOLEAN, pairs.OUTPUT, pairs.WRITE,
     pairs.CAPITAL, pairs.SOLVE, pairs.PERCENT)
)  # fmt: skip
PIECES = st.sampled_from(
    ("The answer is ", "\\boxed{", "}", "**", "15", "$", "(B)", "\n\n", "```python\n", "```",
     "#### ",     '{"answer": ', '"', "x^2", "1/2", "%", " km", "yes", ", ", " and ", "<answer>",
     "=", "(", "]")
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=12).map("".join))

NUMBER_STYLES = (
    "{n}", "{n}.", "**{n}**", "The answer is {n}.", "\\boxed{{{n}}}", "${n}$", "{n:,}", "{n}.0",
    '{{"answer": "{n}"}}', '{{"reasoning": "1 and 2", "answer": {n}}}', "#### {n}", "{n} apples",
    "Answer: {n:,} apples", "<answer>{n}</answer>", "First 1, then 2.\n\nSo there are {n} apples.",
    "x = {n}", "\\( {n} \\)", "**Final answer**\n\n{n}",
)  # fmt: skip
CHOICE_STYLES = (
    "{0}", "({0})", "{0}.", "**{0}**", "The answer is ({0}).", "The correct answer is {0}: {1}",
    "Option {0}", '{{"answer": "{0}"}}', "{1}", "{0}) {1}", "\\boxed{{{0}}}", "Answer: {0}",
    "Long thoughts come first.\n\n**{0}. {1}**",
)  # fmt: skip
OPTIONS = {"A": "Oxygen", "B": "Carbon dioxide", "C": "Nitrogen", "D": "Helium"}


def said(text: str, prompt: str) -> Canonical:
    found = canonical(text, prompt=prompt)
    assert found is not None, text
    return found


@given(TEXTS, PROMPTS, st.booleans())
@settings(max_examples=400, deadline=None)
def test_no_text_is_a_trap(text: str, prompt: str, whole: bool) -> None:
    found = canonical(text, prompt=prompt, whole=whole)
    if found is not None:
        assert same(found, found)
        assert found == canonical(text, prompt=prompt, whole=whole)
        assert found.key.strip() or found.kind == "literal"


@given(st.lists(TEXTS, max_size=8), PROMPTS)
@settings(max_examples=150, deadline=None)
def test_sets_are_a_partition_of_what_can_be_compared(texts: list[str], prompt: str) -> None:
    answers = [canonical(text, prompt=prompt) for text in texts]
    groups = sets(answers)
    assert sorted(at for group in groups for at in group) == [
        at for at, answer in enumerate(answers) if answer is not None
    ]
    assert all(len(one) >= len(other) for one, other in pairwise(groups))
    for group in groups:
        members = [answer for at in group if (answer := answers[at]) is not None]
        # What has no unit may be in a set for one of its members.
        for one in members:
            assert any(same(one, other) for other in members if other is not one or len(group) == 1)


@given(st.integers(3, 10**9), st.sampled_from(NUMBER_STYLES), st.sampled_from(NUMBER_STYLES))
@settings(max_examples=300, deadline=None)
def test_the_style_of_a_number_does_not_matter(number: int, one: str, other: str) -> None:
    left = said(one.format(n=number), pairs.COUNT)
    right = said(other.format(n=number), pairs.COUNT)
    assert same(left, right)
    assert left.value == number


@given(
    st.integers(3, 10**6),
    st.integers(3, 10**6),
    st.sampled_from(NUMBER_STYLES),
    st.sampled_from(NUMBER_STYLES),
)
@settings(max_examples=300, deadline=None)
def test_different_numbers_never_meet(one: int, two: int, left: str, right: str) -> None:
    equal = same(said(left.format(n=one), pairs.COUNT), said(right.format(n=two), pairs.COUNT))
    assert equal is (one == two)


@given(st.fractions(max_denominator=400), st.sampled_from(("{0}/{1}", "\\frac{{{0}}}{{{1}}}")))
@settings(max_examples=200, deadline=None)
def test_fractions_are_exact(value: Fraction, style: str) -> None:
    text = style.format(value.numerator, value.denominator)
    found = said(text, pairs.PLAIN)
    assert found.kind == "number"
    assert found.value == value


@given(
    st.sampled_from(sorted(OPTIONS)),
    st.sampled_from(sorted(OPTIONS)),
    st.sampled_from(CHOICE_STYLES),
    st.sampled_from(CHOICE_STYLES),
)
@settings(max_examples=300, deadline=None)
def test_a_choice_is_its_letter(one: str, two: str, left: str, right: str) -> None:
    first = said(left.format(one, OPTIONS[one]), pairs.CHOICE)
    second = said(right.format(two, OPTIONS[two]), pairs.CHOICE)
    assert first.key == one
    assert same(first, second) is (one == two)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-99, 99), st.text("abc '\"\\n", max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.integers(0, 9) | st.text("xyz", max_size=2), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(VALUES, VALUES)
@settings(max_examples=300, deadline=None)
def test_values_of_code_are_compared_to_the_letter(one: object, two: object) -> None:
    left, right = (
        canonical(repr(one), prompt=pairs.OUTPUT),
        canonical(repr(two), prompt=pairs.OUTPUT),
    )
    assert left is not None
    assert right is not None
    both_text = isinstance(one, str) or isinstance(two, str)
    if not both_text:
        assert same(left, right) is (repr(one) == repr(two))
    packed = canonical(repr(one).replace(", ", ","), prompt=pairs.OUTPUT)
    if "'" not in repr(one) and '"' not in repr(one):
        assert packed is not None
        assert same(left, packed)


DOCUMENTS = st.dictionaries(
    st.text("abcd", min_size=1, max_size=3),
    st.one_of(st.integers(-99, 99), st.booleans(), st.text("xyz ", max_size=8)),
    min_size=1,
    max_size=4,
)


@given(DOCUMENTS, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_order_of_fields_does_not_matter(document: dict[str, object], random: object) -> None:
    names = sorted(document)
    random.shuffle(names)  # type: ignore[attr-defined]
    mixed = json.dumps({name: document[name] for name in names}, indent=2)
    left = canonical(json.dumps(document), schema={})
    right = canonical(f"```json\n{mixed}\n```", schema={})
    assert left is not None
    assert right is not None
    assert same(left, right)


@given(DOCUMENTS, st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_field_does(document: dict[str, object], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(document)))
    changed = {**document, name: 12345}
    left = canonical(json.dumps(document), schema={})
    right = canonical(json.dumps(changed), schema={})
    assert left is not None
    assert right is not None
    assert not same(left, right)


WORDS = st.lists(st.text("abcdefgh", min_size=2, max_size=8), min_size=1, max_size=5)


@given(WORDS, st.sampled_from(("{}.", "The answer is {}.", "**{}**", '"{}"', "Answer: {}")))
@settings(max_examples=200, deadline=None)
def test_case_and_punctuation_of_words_do_not_matter(words: list[str], style: str) -> None:
    text = " ".join(words)
    left, right = canonical(text), canonical(style.format(text.title()))
    assert left is not None
    assert right is not None
    assert same(left, right)
    negated = canonical(f"not {text}")
    assert negated is None or not same(left, negated)
