"""The measurement itself, on answers made up so that the figures are known."""

import csv
import gzip
import json
import lzma
import random
from pathlib import Path

import pytest

from benchmarks import routing
from benchmarks.routing_adapters import Pick, candidate
from benchmarks.routing_data import fold_of, load

MODELS = (routing.FLASH, routing.DEEPSEEK, routing.MINI, routing.GPT, routing.SONNET)
RIGHT = {routing.FLASH: 0.7, routing.DEEPSEEK: 0.75, routing.MINI: 0.8}
PRICES = {routing.FLASH: 0.1, routing.DEEPSEEK: 0.2, routing.MINI: 0.3}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 sums; models err on their own, and never twice in the same way."""
    folder = tmp_path_factory.mktemp("graded")
    draw = random.Random(7)
    prompts, results, texts = [], [], []
    for at in range(400):
        key, gold = f"ze_gsm/{at}", 1000 + at
        prompt = f"Question {at} of {draw.random()}: how many are there?"
        prompts.append([key, "ze_gsm", "math", prompt, gold])
        for model in MODELS:
            good = draw.random() < RIGHT.get(model, 0.9)
            said = gold if good else draw.randrange(10**6, 10**9)
            results.append([key, model, int(good), said, 20, "", ""])
            texts.append(
                {"id": key, "model": model, "text": f"{model} thinks.\nThe answer is {said}."}
            )
    _table(folder / "prompts.csv.gz", ["id", "dataset", "category", "prompt", "gold"], prompts)
    names = ["id", "model", "correct", "pred", "out_chars", "in_tok", "out_tok"]
    _table(folder / "results.csv.gz", names, results)
    with lzma.open(folder / "texts.jsonl.xz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in texts)
    prices = {model: [PRICES.get(model, 10.0)] * 2 for model in MODELS}
    (folder / "prices.json").write_text(json.dumps(prices), encoding="utf-8")
    return folder


def _table(path: Path, names: list[str], rows: list[list[object]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def test_figures_of_known_answers(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert routing.main([str(directory), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(found["goals"].values())
    assert {row["name"] for row in found["cascade"]} == {"ze-oai", "ze-ant"}
    confidence = {row["name"]: row["auroc"] for row in found["confidence"]}
    assert all(value > 0.8 for value in confidence["math mini"])
    for row in found["cascade"]:
        assert len(row["saved"]) == 2
        assert all(0.97 < value < 1.15 for value in row["quality"])
        assert all(50 < value < 95 for value in row["saved"])
    votes = {row["name"]: row for row in found["vote"]}
    assert all(value > 0 for value in votes["ze-mixed5"]["gain"])


def test_tables_and_a_goal_that_is_missed(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets, models, _ = routing.CHAINS["ze-oai"]
    monkeypatch.setitem(routing.CHAINS, "ze-oai", (datasets, models, 99.9))
    assert routing.main([str(directory)]) == 1
    printed = capsys.readouterr().out
    assert "FAIL ze-oai" in printed
    assert "confidence: right or wrong" in printed


def test_area_under_the_curve() -> None:
    assert routing.auroc([0.1, 0.2, 0.3, 0.4], [False, False, True, True]) == 1.0
    assert routing.auroc([0.4, 0.3, 0.2, 0.1], [False, False, True, True]) == 0.0
    assert routing.auroc([0.5, 0.5, 0.5], [True, False, True]) == 0.5
    assert routing.auroc([0.1, 0.5, 0.5, 0.9], [False, True, False, True]) == 0.875


def test_a_question_has_one_fold() -> None:
    stem = "What is " + "x" * 300
    assert fold_of(stem + "? A. 1") == fold_of(stem.upper() + "!? B. 2")


def test_what_is_learned_comes_from_the_other_fold_alone(directory: Path) -> None:
    data = load(directory)
    rest = routing.only(data, 0)
    assert rest.prompts
    assert all(prompt.fold == 1 for prompt in rest.prompts.values())
    assert all(key in rest.prompts for table in rest.results.values() for key in table)


def test_learned_weights_follow_the_records(directory: Path) -> None:
    pick = Pick()
    pick.fit(str(directory))
    weights = pick.weights([routing.FLASH, routing.MINI, routing.GPT])
    assert weights is not None
    named = {model: weights[candidate(model).name] for model in (routing.FLASH, routing.GPT)}
    assert named[routing.GPT] > named[routing.FLASH]
    answers = [{"model": model, "text": f"It is {at}."} for at, model in enumerate(MODELS[:4])]
    assert pick("How many are there?", answers) == 3
