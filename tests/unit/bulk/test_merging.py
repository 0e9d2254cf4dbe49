"""Answers of several providers to one item, made into one."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.bulk.output.grouping import Groups
from llm_orchestrator.bulk.output.merge import Merging
from llm_orchestrator.bulk.output.remerge import remerge
from llm_orchestrator.errors import InvalidRequestError

QUALITY = ("claude", "openai", "gemini")


def row(provider: str, result: str, **more: Any) -> dict[str, Any]:
    return {
        "video_id": "v1",
        "task": "mood",
        "result": result,
        "provider": provider,
        "model": "m",
        **more,
    }


THREE = [row("gemini", "Negative."), row("claude", "positive"), row("openai", "negative")]


def test_the_best_ones_answer_is_taken() -> None:
    (found,) = Merging("priority", QUALITY).merged(THREE)
    assert (found["provider"], found["result"]) == ("claude", "positive")
    assert found["agreement"] == "1/3"
    assert found["asked"] == ["claude", "openai", "gemini"]


def test_a_vote_takes_what_most_say_however_they_write_it() -> None:
    (found,) = Merging("vote", QUALITY).merged(THREE)
    assert (found["provider"], found["agreement"]) == ("openai", "2/3")


def test_without_a_majority_a_vote_takes_the_best() -> None:
    rows = [row("gemini", "negative"), row("openai", "neutral"), row("claude", "positive")]
    (found,) = Merging("vote", QUALITY).merged(rows)
    assert found["provider"] == "claude"


def test_all_are_kept_the_best_first() -> None:
    found = Merging("all", QUALITY).merged(THREE)
    assert [one["provider"] for one in found] == ["claude", "openai", "gemini"]


def test_an_answer_alone_is_as_it_was() -> None:
    merging = Merging("vote", QUALITY)
    assert merging.merged(THREE[:1]) == THREE[:1]
    assert merging.agreement() is None


def test_it_counts_who_agrees_with_whom() -> None:
    merging = Merging("priority", QUALITY)
    merging.merged(THREE)
    merging.merged([row("claude", "a"), row("openai", "A")])
    found = merging.agreement()
    assert found is not None
    assert (found["items"], found["unanimous"]) == (2, 1)
    pairs = {tuple(one["providers"]): (one["agree"], one["items"]) for one in found["pairs"]}
    assert pairs["claude/m", "openai/m"] == (1, 2)
    assert pairs["gemini/m", "openai/m"] == (1, 1)


def test_values_are_compared_and_not_their_order() -> None:
    one = {"id": "1", "task": "t", "mood": "good", "score": 3, "provider": "claude", "model": "m"}
    other = {"id": "1", "task": "t", "score": 3, "mood": "good", "provider": "openai", "model": "m"}
    (found,) = Merging("vote", QUALITY).merged([one, other])
    assert found["agreement"] == "2/2"


@pytest.mark.parametrize("most", [1 << 20, 500])
def test_groups_are_whole_in_memory_and_on_the_disk(tmp_path: Path, most: int) -> None:
    groups = Groups(tmp_path, most)
    for n in range(300):
        groups.add(f"key\t{n % 100}\n", json.dumps(n).encode())
    found = [sorted(int(one) for one in rows) for rows in groups]
    assert sorted(found) == [[n, n + 100, n + 200] for n in range(100)]
    groups.close()


def write(folder: Path, provider: str, rows: list[dict[str, str]]) -> None:
    place = folder / f"ai_results_{provider}"
    place.mkdir()
    (place / "mood_analysis.json").write_text(json.dumps(rows), "utf-8")


def test_a_folder_that_others_wrote_is_merged(tmp_path: Path) -> None:
    write(
        tmp_path, "gemini", [{"video_id": "v1", "mood": "bad"}, {"video_id": "v2", "mood": "bad"}]
    )
    write(tmp_path, "claude", [{"video_id": "v1", "mood": "good"}])
    told = remerge(tmp_path, "priority", QUALITY)
    assert (told["rows"], told["items"]) == (3, 2)
    found = json.loads((tmp_path / "consolidated/all_analysis.json").read_text("utf-8"))
    assert {one["video_id"]: (one["provider"], one["mood"]) for one in found} == {
        "v1": ("claude", "good"),
        "v2": ("gemini", "bad"),
    }


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no results to merge"):
        remerge(tmp_path, "priority", QUALITY)
    with pytest.raises(InvalidRequestError, match="no folder"):
        remerge(tmp_path / "nowhere", "priority", QUALITY)
