"""Votes, judges and the classic scoring over members that answer at once."""

import asyncio
from collections.abc import Awaitable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator.errors import BudgetError, ClosedError, InvalidRequestError, ServerError
from llm_orchestrator.routing import ensemble
from llm_orchestrator.routing.base import Decision
from llm_orchestrator.types.request import Request
from tests.unit.routing.fakes import (
    FLASH,
    GPT,
    HAIKU,
    LLAMA,
    MINI,
    NANO,
    SONNET,
    Models,
    offer,
    offers,
    request,
    schema_request,
)

ESSAYS = tuple(
    f"{word} is one way to see this, and there are a good many others beside it as well.\n\n"
    f"A second paragraph tells more of it, and in the end it all comes down to {word} again."
    for word in ("Simplicity", "Performance", "Maintenance")
)


async def test_the_answer_that_most_give_wins() -> None:
    models = Models({FLASH: "12", MINI: "13", HAIKU: "The answer is 12."})
    found = await ensemble.vote()(request(), offers(FLASH, MINI, HAIKU), models)
    assert found.answer.text in {"12", "The answer is 12."}
    assert found.details["agreement"] == pytest.approx(2 / 3)
    assert found.details["dissent"] == [MINI]
    assert found.confidence == pytest.approx(0.617, abs=0.01)
    assert {one.name: one.cost_pico for one in found.members} == {FLASH: 3, MINI: 4, HAIKU: 8}
    assert len(found.details["all_confidences"]) == 3


async def test_members_are_asked_at_once() -> None:
    models = Models({FLASH: "12", MINI: "13", HAIKU: "14"})
    await ensemble.vote(early=False)(request(), offers(FLASH, MINI, HAIKU), models)
    assert models.at_once == 3


async def test_who_cannot_change_the_result_is_not_asked() -> None:
    models = Models({FLASH: "12", MINI: "12", HAIKU: "13"})
    found = await ensemble.vote()(request(), offers(FLASH, MINI, HAIKU), models)
    assert models.asked == [FLASH, MINI]
    assert models.at_once == 2
    assert found.details["spared"] == [HAIKU]
    assert found.steps[2].did == "skipped"


async def test_the_cheapest_deciding_set_is_asked_first() -> None:
    models = Models({SONNET: "13", GPT: "13", FLASH: "12", MINI: "12", HAIKU: "12"})
    members = offers(SONNET, GPT, FLASH, MINI, HAIKU)
    found = await ensemble.vote(size=5)(request(), members, models)
    assert sorted(models.asked) == sorted([FLASH, MINI, HAIKU])
    assert found.answer.text == "12"


async def test_records_weigh() -> None:
    """A member that is right more often outvotes one that is not, and not both others."""
    members = [
        offer(FLASH, record=(600, 1000)),
        offer(MINI, record=(650, 1000)),
        offer(HAIKU, record=(720, 1000)),
    ]
    models = Models({FLASH: "12", MINI: "12", HAIKU: "13"})
    found = await ensemble.vote()(request(), members, models)
    assert found.answer.text == "12"
    assert found.details["weights"][HAIKU] > found.details["weights"][FLASH]
    models = Models({FLASH: "11", MINI: "12", HAIKU: "13"})
    found = await ensemble.vote()(request(), members, models)
    assert found.answer.name == HAIKU


async def test_unequal_members_fall_back_to_the_best_alone() -> None:
    members = [
        offer(FLASH, record=(520, 1000)),
        offer(MINI, record=(550, 1000)),
        offer(GPT, record=(900, 1000)),
    ]
    models = Models({FLASH: "12", MINI: "12", GPT: "13"})
    found = await ensemble.vote()(request(), members, models)
    assert models.asked == [GPT]
    assert found.answer.name == GPT
    assert found.details["equal"] is False
    assert "no vote was needed" in found.reason


async def test_few_records_make_nobody_unequal() -> None:
    members = [offer(FLASH, record=(0, 1)), offer(MINI, record=(1, 2)), offer(GPT, record=(1, 1))]
    models = Models({FLASH: "12", MINI: "12", GPT: "13"})
    found = await ensemble.vote()(request(), members, models)
    assert found.answer.text == "12"
    assert found.details["equal"] is True


async def test_the_best_alone_is_helped_when_it_says_nothing() -> None:
    members = [
        offer(FLASH, record=(520, 1000)),
        offer(MINI, record=(550, 1000)),
        offer(GPT, record=(900, 1000)),
    ]
    models = Models({FLASH: "12", MINI: "12", GPT: ESSAYS[0]})
    found = await ensemble.vote()(request(), members, models)
    assert models.asked[0] == GPT
    assert found.answer.text == "12"
    models = Models({FLASH: "12", MINI: "12", GPT: ServerError("down")})
    found = await ensemble.vote()(request(), members, models)
    assert found.answer.text == "12"


async def test_without_records_less_than_a_majority_does_not_overrule_the_dearest() -> None:
    members = offers(FLASH, MINI, HAIKU, SONNET)
    models = Models({FLASH: "12", MINI: "12", HAIKU: "13", SONNET: "14"})
    found = await ensemble.vote(size=4)(request(), members, models)
    assert found.answer.name == SONNET
    assert "no answer has a majority" in found.reason
    assert sorted(found.details["dissent"]) == sorted([FLASH, MINI, HAIKU])
    models = Models({FLASH: "12", MINI: "12", HAIKU: "12", SONNET: "14"})
    found = await ensemble.vote(size=4)(request(), members, models)
    assert found.answer.text == "12"
    assert SONNET not in models.asked


async def test_with_records_the_most_weight_wins() -> None:
    names = (FLASH, MINI, HAIKU, SONNET)
    members = [offer(name, record=(700, 1000)) for name in names]
    models = Models({FLASH: "12", MINI: "12", HAIKU: "13", SONNET: "14"})
    found = await ensemble.vote(size=4)(request(), members, models)
    assert found.answer.text == "12"


async def test_given_weights_win_over_records() -> None:
    models = Models({FLASH: "12", MINI: "12", HAIKU: "13"})
    strategy = ensemble.vote(weights={HAIKU: 3.0})
    found = await strategy(request(), offers(FLASH, MINI, HAIKU), models)
    assert found.answer.name == HAIKU


async def test_one_failing_member_does_not_fail_it() -> None:
    models = Models({FLASH: ServerError("down"), MINI: "12", HAIKU: "12"})
    found = await ensemble.vote()(request(), offers(FLASH, MINI, HAIKU), models)
    assert found.answer.text == "12"
    assert [one["name"] for one in found.details["failed"]] == [FLASH]
    assert not found.stopped


async def test_all_failing_members_do() -> None:
    models = Models({FLASH: ServerError("first"), MINI: ServerError("second")})
    for strategy in (ensemble.vote(), ensemble.judge(), ensemble.classic(), ensemble.auto()):
        with pytest.raises(ServerError, match="first"):
            await strategy(request(), offers(FLASH, MINI), models)


async def test_a_closed_orchestrator_ends_it() -> None:
    models = Models({FLASH: "12", MINI: ClosedError("closed")})
    with pytest.raises(ClosedError):
        await ensemble.vote()(request(), offers(FLASH, MINI), models)


async def test_a_member_that_the_cap_refuses_is_left_out_and_named() -> None:
    models = Models({FLASH: "12", MINI: "13", SONNET: "14"}, cap=30)
    found = await ensemble.vote()(request(), offers(FLASH, MINI, SONNET), models)
    assert [one["name"] for one in found.details["left_out"]] == [SONNET]
    assert SONNET in found.stopped
    models = Models({FLASH: "12", MINI: "13"}, cap=1)
    with pytest.raises(BudgetError):
        await ensemble.vote()(request(), offers(FLASH, MINI), models)


async def test_what_the_others_did_not_need_pays_for_a_refused_one() -> None:
    """Each holds 2 x its price at first: 6 + 8 leave too little of 24 for 16, 24 - 7 do not."""
    models = Models({FLASH: "12", MINI: "13", HAIKU: "13"}, cap=24)
    found = await ensemble.vote(early=False)(request(), offers(FLASH, MINI, HAIKU), models)
    assert models.asked == [FLASH, MINI, HAIKU, HAIKU]
    assert found.answer.text == "13"
    assert not found.stopped


async def test_spares_are_no_members() -> None:
    models = Models({FLASH: "12", MINI: "13", HAIKU: "13"})
    found = await ensemble.vote()(request(), offers(FLASH, MINI, spare=[HAIKU]), models)
    assert HAIKU not in models.asked
    assert found.answer.name == MINI, "of equals that differ, the dearer one decides"


async def test_size_takes_the_first_members() -> None:
    models = Models({FLASH: "12", MINI: "13", HAIKU: "14"})
    await ensemble.vote(size=2)(request(), offers(FLASH, MINI, HAIKU), models)
    assert sorted(models.asked) == sorted([FLASH, MINI])


async def test_auto_votes_where_answers_can_be_compared() -> None:
    said = '{"city": "Paris"}'
    models = Models({FLASH: said, MINI: said, HAIKU: said})
    found = await ensemble.auto()(schema_request(), offers(FLASH, MINI, HAIKU), models)
    assert models.asked == [FLASH, MINI]
    assert found.details["agreement"] == 1


async def test_auto_has_prose_judged() -> None:
    texts = dict(zip((FLASH, MINI, HAIKU), ESSAYS, strict=True))
    models = Models({**texts, SONNET: "BEST: 2"})
    strategy = ensemble.auto(judge=SONNET)
    members = offers(FLASH, MINI, HAIKU, spare=[SONNET])
    found = await strategy(request("Tell me about it."), members, models)
    assert models.asked[-1] == SONNET
    assert found.answer.name in texts
    assert "picked" in found.reason
    assert models.requests[-1].messages[-1].text.count("<answer number=") == 3


def essay_panel(verdict: str | ServerError, cap: int | None = None) -> Models:
    texts = dict(zip((NANO, LLAMA), ESSAYS, strict=False))
    return Models({**texts, MINI: verdict}, cap=cap)


async def judged(
    models: Models, asked: Request | None = None, **options: object
) -> tuple[str, str]:
    strategy = ensemble.judge(by=MINI, **options)  # type: ignore[arg-type]
    members = offers(NANO, LLAMA, spare=[MINI])
    found = await strategy(asked or request("Tell me."), members, models)
    return found.answer.name, found.answer.text


async def test_a_judge_picks() -> None:
    picks = {(await judged(essay_panel(f"**BEST: {at}**")))[0] for at in (1, 2)}
    assert picks == {NANO, LLAMA}


async def test_a_judge_writes() -> None:
    models = essay_panel("ANSWER: Both of them are partly right.")
    assert await judged(models) == (MINI, "Both of them are partly right.")
    name, text = await judged(models, synthesise=False)
    assert name in {NANO, LLAMA}
    assert text in ESSAYS


async def test_what_follows_a_schema_is_not_rewritten() -> None:
    models = Models({NANO: '{"a": 1}', LLAMA: '{"a": 2}', MINI: 'ANSWER: {"a": 3}'})
    name, _ = await judged(models, schema_request())
    assert name in {NANO, LLAMA}


@pytest.mark.parametrize("verdict", ["BEST: 7", "They are both fine.", ServerError("down")])
async def test_without_a_verdict_the_classic_score_decides(verdict: str | ServerError) -> None:
    models = essay_panel(verdict)
    strategy = ensemble.judge(by=MINI)
    found = await strategy(request("Tell me."), offers(NANO, LLAMA, spare=[MINI]), models)
    assert found.answer.name in {NANO, LLAMA}
    assert "classic score" in found.notices[0]


async def test_a_cap_that_does_not_pay_for_the_judge_marks_the_answer() -> None:
    models = essay_panel("BEST: 1", cap=7)
    found = await ensemble.judge(by=MINI)(
        request("Tell me."), offers(NANO, LLAMA, spare=[MINI]), models
    )
    assert "judge" in found.stopped


async def test_an_unknown_judge_is_an_error_before_anything_is_spent() -> None:
    models = essay_panel("BEST: 1")
    for strategy in (ensemble.judge(by="nobody"), ensemble.auto(judge="nobody")):
        with pytest.raises(InvalidRequestError, match="judge"):
            await strategy(request(), offers(NANO, LLAMA), models)
    assert models.asked == []


async def test_one_sound_answer_needs_no_judge() -> None:
    models = Models({NANO: "I'm sorry, I can't help with that.", LLAMA: ESSAYS[0], MINI: "BEST: 1"})
    assert (await judged(models))[0] == LLAMA
    assert MINI not in models.asked


async def test_the_classic_scoring() -> None:
    long = "This is definitely the case. " * 60
    models = Models({NANO: "I am not sure.", SONNET: long})
    found = await ensemble.classic()(request("Why?"), offers(NANO, SONNET), models)
    assert found.answer.name == SONNET
    assert found.confidence == found.details["all_confidences"][1]
    assert found.details["all_confidences"][0] < found.details["all_confidences"][1]


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "3"])
def test_bad_sizes(size: object) -> None:
    for factory in (ensemble.vote, ensemble.auto, ensemble.judge, ensemble.classic):
        with pytest.raises(InvalidRequestError, match="ensemble_size"):
            factory(size=size)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), True])
def test_bad_weights(value: float) -> None:
    with pytest.raises(InvalidRequestError, match="weights"):
        ensemble.vote(weights={FLASH: value})


async def decided(found: Awaitable[Decision]) -> Decision:
    return await found


NAMES = (NANO, LLAMA, FLASH, MINI, HAIKU, GPT, SONNET)


@given(
    st.lists(st.sampled_from(("12", "13", "14", ESSAYS[0], "down")), min_size=1, max_size=7),
    st.lists(st.integers(50, 99), min_size=7, max_size=7),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_stopping_early_never_changes_who_wins(
    texts: list[str], shares: list[int], known: bool
) -> None:
    members = [
        offer(name, record=(10 * share, 1000) if known else None)
        for name, share in zip(NAMES[: len(texts)], shares, strict=False)
    ]
    said = {
        name: ServerError("down") if text == "down" else text
        for name, text in zip(NAMES, texts, strict=False)
    }

    def outcome(*, early: bool) -> str | None:
        models = Models(said)
        strategy = ensemble.vote(size=7, early=early)
        try:
            found = asyncio.run(decided(strategy(request(), members, models)))
        except ServerError:
            return None
        return found.answer.text if found.details["agreement"] is not None else ""

    assert outcome(early=True) == outcome(early=False)
