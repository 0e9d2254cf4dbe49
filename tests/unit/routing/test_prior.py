import math
import random
from typing import Any

import msgspec
import pytest

from llm_orchestrator.routing.pieces import pieces
from llm_orchestrator.routing.prior import LearnedPrior, Record
from llm_orchestrator.routing.skill import ENOUGH, Skill
from tests.unit.routing.labelled import KINDS, prompt, records, recovered

SOME, OTHERS = records(1000, seed=1), records(1500, seed=2)


@pytest.fixture(scope="module")
def prior() -> LearnedPrior:
    return LearnedPrior().learn(SOME)


def scores(prior: LearnedPrior, graded: list[dict[str, Any]], *, category: bool) -> list[float]:
    return [
        prior.score(one["prompt"], category=one["category"] if category else None) for one in graded
    ]


def test_it_finds_what_the_strong_model_is_needed_for(prior: LearnedPrior) -> None:
    means = {
        name: sum(
            prior.score(prompt(random.Random(seed), name), category=name) for seed in range(9)
        )
        for name in KINDS
    }
    assert max(means, key=means.__getitem__) == "proof"
    assert min(means, key=means.__getitem__) == "greet"
    assert prior.score(prompt(random.Random(1), "proof"), category="proof") == pytest.approx(
        0.6, abs=0.25
    )


@pytest.mark.parametrize("category", [True, False])
def test_new_prompts_are_ranked_well(prior: LearnedPrior, category: bool) -> None:
    assert recovered(scores(prior, OTHERS, category=category), OTHERS) > 0.68


def test_words_tell_more_than_the_category(prior: LearnedPrior) -> None:
    laws = [one for one in OTHERS if one["category"] == "law"]
    assert recovered(scores(prior, laws, category=True), laws) > 0.58


def test_the_same_labels_teach_the_same() -> None:
    one, two = LearnedPrior().learn(SOME), LearnedPrior().learn(SOME)
    assert one.weak == two.weak
    assert one.strong == two.strong


def test_few_labels_teach_nothing_and_it_says_so() -> None:
    prior = LearnedPrior().learn(SOME[: ENOUGH - 1])
    found = prior.guess("prove by induction that", "proof")
    assert not found.known
    assert found.why == "99 of 100 labels"
    assert LearnedPrior().learn(SOME[:ENOUGH]).guess("prove by induction that", "proof").known
    assert not LearnedPrior().learn([]).guess("prove by induction that", "proof").known
    assert Skill.fit([], [], []).labels == 0


def test_an_unseen_category_is_not_known(prior: LearnedPrior) -> None:
    found = prior.guess("prove by induction that", "poetry")
    assert not found.known
    assert found.why == "no label has the category poetry"
    gain = sum(one["strong"] - one["weak"] for one in SOME) / len(SOME)
    assert found.score == pytest.approx(gain, rel=0.51)


def test_a_prompt_unlike_the_labelled_ones_is_not_known(prior: LearnedPrior) -> None:
    strange = "def f(xs):\n    return [x ** 2 for x in xs if x % 2]\nassert f([1, 2, 3]) == ??"
    found = prior.guess(strange)
    assert not found.known
    assert found.why == "no labelled prompt is like this one"
    assert prior.guess(prompt(random.Random(5), "sort")).known


FORM = "Question: {}? Options: A. yes B. no C. maybe. Answer with one letter:"


def test_a_prompt_must_have_the_format_and_the_words_of_the_labelled_ones() -> None:
    draw = random.Random(4)
    words = [f"w{chr(97 + one % 26)}{chr(97 + one // 26)}" for one in range(60)]
    asked = [FORM.format(" ".join(draw.choices(words, k=draw.randint(2, 8)))) for _ in range(400)]
    prior = LearnedPrior().learn(
        {"prompt": one, "weak": draw.random() < 0.5} for one in asked[:300]
    )
    assert sum(prior.guess(one).known for one in asked[300:]) > 90
    unlike = "no labelled prompt is like this one"
    assert prior.guess(FORM.format("zebra okapi rhino hippo")).why == unlike
    assert prior.guess("Options: A. yes B. no C. maybe.").why == unlike


def test_few_labels_of_a_category_are_not_trusted_much() -> None:
    """Words say nothing here: a share is that of the labels and of 50 average ones."""
    labels = [
        *({"prompt": "same words", "category": "many", "weak": 1} for _ in range(150)),
        *({"prompt": "same words", "category": "few", "weak": 1} for _ in range(5)),
        *({"prompt": "same words", "category": "bad", "weak": 0} for _ in range(45)),
    ]
    weak = LearnedPrior().learn(labels).weak
    assert weak is not None
    mean, found = 155 / 200, pieces("same words")
    right = {name: weak.estimate(found, name).right for name in ("many", "few", "bad")}
    for name, (count, good) in {"many": (150, 150), "few": (5, 5), "bad": (45, 0)}.items():
        share = (good + 50 * mean) / (count + 50)
        assert right[name] == pytest.approx(share, abs=0.06)


def test_where_nothing_is_known_longer_prompts_need_more(prior: LearnedPrior) -> None:
    for one in (prior, LearnedPrior(), LearnedPrior().learn(SOME[:20])):
        short, long = (
            one.guess("Zwölf Boxkämpfer", "new"),
            one.guess("Zwölf Boxkämpfer " * 9, "new"),
        )
        assert not short.known
        assert not long.known
        assert short.score < long.score


def test_of_a_task_never_seen_it_does_no_worse_than_chance(prior: LearnedPrior) -> None:
    draw = random.Random(3)
    tasks: list[dict[str, Any]] = [
        {
            "prompt": f"def f{draw.randint(0, 99)}(x): return x{' + x' * draw.randint(0, 20)}",
            "category": "code",
            "weak": float(draw.random() < 0.6),
            "strong": float(draw.random() < 0.9),
        }
        for _ in range(600)
    ]
    for category in (True, False):
        assert not any(
            prior.guess(one["prompt"], "code" if category else None).known for one in tasks
        )
        assert recovered(scores(prior, tasks, category=category), tasks) > 0.45


def test_labels_of_one_model_alone_teach_something() -> None:
    weak = LearnedPrior().learn([{**one, "strong": None} for one in SOME])
    assert weak.strong is None
    assert recovered(scores(weak, OTHERS, category=True), OTHERS) > 0.68
    assert 0 <= weak.score(SOME[0]["prompt"], category="law") <= 1
    strong = LearnedPrior().learn([{**one, "weak": None} for one in SOME])
    assert not strong.guess("prove by induction that", "proof").known
    assert strong.guess("x", "proof").why == "there are no labels of the weak model"


def test_labels_of_different_prompts_are_put_together() -> None:
    parted = [
        {**one, ("weak" if number % 2 else "strong"): None} for number, one in enumerate(SOME)
    ]
    prior = LearnedPrior().learn(parted)
    assert prior.weak is not None
    assert prior.strong is not None
    assert (prior.weak.labels, prior.strong.labels) == (500, 500)
    assert recovered(scores(prior, OTHERS, category=True), OTHERS) > 0.68


def test_a_verdict_may_be_between(prior: LearnedPrior) -> None:
    half = LearnedPrior().learn([{**one, "weak": 0.5, "strong": 0.5} for one in SOME])
    assert half.score(SOME[0]["prompt"], category="law") == pytest.approx(0.0, abs=1e-9)
    truths = [{**one, "weak": one["weak"] == 1, "strong": one["strong"] == 1} for one in SOME]
    assert LearnedPrior().learn(truths).weak == prior.weak


def test_nothing_is_learned_twice(prior: LearnedPrior) -> None:
    again = LearnedPrior().learn(OTHERS).learn(SOME)
    assert again.weak == prior.weak


@pytest.mark.parametrize(
    "record,words",
    [
        ({}, "record 1: .*prompt"),
        ({"prompt": 7}, "record 1: .*str"),
        ({"prompt": "x", "weak": "good"}, "record 1: .*weak"),
        ({"prompt": "x", "weak": 2}, "record 1: weak must be from 0.*not 2"),
        ({"prompt": "x", "strong": math.nan}, "record 1: strong must be from 0"),
        (7, "record 1: "),
    ],
)
def test_what_is_no_record_is_named(record: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LearnedPrior().learn([Record(prompt="fine", weak=1.0), record])


def test_a_skill_survives_as_bytes(prior: LearnedPrior) -> None:
    assert prior.weak is not None
    body = prior.weak.encode()
    assert len(body) < 300_000
    back = Skill.decode(body)
    found = pieces("which court decides on appeals in the matter of glass violin")
    assert back == prior.weak
    assert back.estimate(found, "law") == prior.weak.estimate(found, "law")
    assert Skill.decode(Skill(labels=3, mean=0.5).encode()).labels == 3


def test_a_prior_survives_as_bytes(prior: LearnedPrior) -> None:
    body = prior.encode()
    assert len(body) < 600_000
    back = LearnedPrior.decode(body)
    assert scores(back, OTHERS[:50], category=True) == scores(prior, OTHERS[:50], category=True)
    assert LearnedPrior.decode(LearnedPrior().encode()).labels == 0
    for junk in (b"", b"junk", body[:-9], msgspec.msgpack.encode([b"x", None])):
        with pytest.raises(ValueError, match="learned"):
            LearnedPrior.decode(junk)


def test_bytes_of_something_else_are_refused(prior: LearnedPrior) -> None:
    assert prior.weak is not None
    newer = msgspec.structs.replace(prior.weak, version=99).encode()
    words = msgspec.structs.replace(prior.weak.alone, table=b"short")  # type: ignore[type-var]
    cut = msgspec.structs.replace(prior.weak, alone=words).encode()
    for body in (b"", b"junk", prior.weak.encode()[:-9], newer, cut):
        with pytest.raises(ValueError, match="learned"):
            Skill.decode(body)


def test_no_prompt_is_no_error(prior: LearnedPrior) -> None:
    assert not prior.guess("").known
    assert prior.guess("", "law").known
