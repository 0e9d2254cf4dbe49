"""`llmo route` and `llmo feedback`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from llm_orchestrator.engine.learning import fit
from tests.integration.cli.conftest import LLMO, Run
from tests.integration.learning import STRONG, WEAK, teach
from tests.integration.world import HAIKU, MINI
from tests.unit.routing.labelled import records, recovered

PROOF = "prove by induction that the sum over n holds for every apple river glass"
GREET = "say hello kindly to the customer named apple river glass"


def lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def numbers(done: "subprocess.CompletedProcess[str]") -> list[float]:
    assert done.returncode == 0, done.stderr
    return [float(line) for line in done.stdout.splitlines()]


def test_a_number_a_line_without_any_setting(llmo: Run) -> None:
    text = 'hello\n{"prompt": "a longer prompt", "category": null, "id": 7}\n"quoted", and more\n'
    done = llmo("route", "--score", "-", input=text)
    one, two, three = numbers(done)
    assert 0 < one < two < three < 1
    assert "Nothing was learned yet" in done.stderr


def test_each_number_comes_before_the_next_line(llmo_home: Path, tmp_path: Path) -> None:
    command = [str(LLMO), "route", "--score", "-"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in (b"one\n", b"one two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert float(process.stdout.readline()) > 0
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    "line,words",
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b'{"prompt": 7}', "no prompt in JSON"),
        (b'{"category": "x"}', "no prompt in JSON"),
        (b'{"prompt": "x"', "no prompt in JSON"),
        (b"{" * 9999, "no prompt in JSON"),
        (b"\xff\xfe", "no UTF-8 text (byte 0)"),
    ],
)
def test_a_bad_line_is_named(llmo: Run, line: bytes, words: str) -> None:
    done = llmo("route", "--score", "-", input=b"fine\nfine too\n" + line + b"\nnever read\n")
    assert done.returncode == 2
    assert f"standard input, line 3: {words}" in done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_graded_prompts_teach(llmo: Run, tmp_path: Path) -> None:
    graded = lines(tmp_path / "graded.jsonl", records(400))
    others = records(1000, seed=5)
    asked = lines(tmp_path / "asked.jsonl", [
        {"prompt": one["prompt"], "category": one["category"]} for one in others
    ])  # fmt: skip
    found = numbers(llmo("route", "--train", graded, "--model-file", "x.prior", "--score", asked))
    assert recovered(found, others) > 0.65
    again = numbers(llmo("route", "--model-file", "x.prior", "--score", "-",
                         input=asked.read_text()))  # fmt: skip
    assert again == found
    assert [path.name for path in tmp_path.glob(".x.prior*")] == []


def test_teaching_alone_writes_the_file(llmo: Run, tmp_path: Path) -> None:
    graded = lines(tmp_path / "graded.jsonl", records(120))
    done = llmo("route", "--train", graded, "--model-file", "x.prior")
    assert (done.returncode, done.stdout) == (0, "")
    told = llmo("route", "--model-file", "x.prior", "-p", PROOF, "--category", "proof", "--json")
    found = json.loads(told.stdout)
    assert found["known"]
    assert found["why"] == "learned from 120 labels"
    assert (found["level"], found["task_type"]) == ("expert", "math")


@pytest.mark.parametrize(
    "row,words",
    [
        ('{"weak": 1}', "no record in JSON"),
        ('{"prompt": "x", "weak": 3}', "no record in JSON: weak must be from 0"),
        ("plain", "no record in JSON"),
    ],
)
def test_a_bad_record_is_named(llmo: Run, tmp_path: Path, row: str, words: str) -> None:
    (tmp_path / "graded.jsonl").write_text(f'{{"prompt": "x", "weak": 1}}\n{row}\n')
    done = llmo("route", "--train", "graded.jsonl", "--score", "-", input="x\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"graded.jsonl, line 2: {words}" in done.stderr


def test_a_prompt_is_told_of(llmo: Run) -> None:
    done = llmo("route", "-p", "Design a distributed system")
    assert done.returncode == 0
    assert [line.split(maxsplit=1)[-1] for line in done.stdout.splitlines()[:2]] == [
        "advanced (design)",
        "type  planning",
    ]
    assert "no: there are no labels of the weak model" in done.stdout
    assert "a cascade is the better way" in done.stderr


@pytest.mark.parametrize(
    "arguments,words",
    [
        ((), "say one of -p, --score and --fit"),
        (("-p", "x", "--fit"), "say one of"),
        (("--train", "x.jsonl"), "say one of"),
        (("--score", "none.txt"), "cannot read none.txt: No such file"),
        (("--model-file", "none.prior", "-p", "x"), "cannot read none.prior: No such file"),
        (("--model-file", "llmo.yaml", "-p", "x"), "llmo.yaml: this is nothing that was learned"),
        (("--scorer", "complexty", "-p", "x"), "did you mean complexity?"),
        (("--scorer", "complexity", "--train", "x", "-p", "x"), "learns nothing"),
        (("--weak", "gpt-4o", "-p", "x"), "nothing was learned of gpt-4o, nor of any other"),
    ],
)
def test_what_cannot_be(llmo: Run, config: Path, arguments: tuple[str, ...], words: str) -> None:
    done = llmo("route", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_the_classic_rule_by_name(llmo: Run) -> None:
    done = llmo("route", "--score", "-", "--scorer", "complexity", input="hi\nprove it\n")
    assert [int(one) for one in numbers(done)] == [1, 4]


def test_feedback_is_given_and_learned_from(llmo: Run, config: Path, llmo_home: Path) -> None:
    with config.open("a") as file:
        file.write("routing: {learn: true}\n")
    teach(str(llmo_home / "ledger.db"), 120, models=(STRONG,))
    teach(str(llmo_home / "ledger.db"), 99, models=(WEAK,))
    assert llmo("run", "-p", PROOF, "--max-tokens", "20").returncode == 0
    done = llmo("feedback", "last", "bad", "--note", "wrong")
    assert done.returncode == 0, done.stderr
    assert f"{WEAK} was bad." in done.stdout
    assert f"Learned anew from 100 verdicts on {WEAK}." in done.stderr
    done = llmo("route", "--fit")
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [
        [STRONG, "120"],
        [WEAK, "100"],
    ]
    text = lines(llmo_home / "x", [{"prompt": PROOF, "category": "proof"},
                                   {"prompt": GREET, "category": "greet"}]).read_text()  # fmt: skip
    proof, greet = numbers(llmo("route", "--score", "-", input=text))
    assert proof > greet + 0.2
    named = llmo("route", "--score", "-", "--weak", MINI, "--strong", HAIKU, input=text)
    assert numbers(named) == [proof, greet]
    swapped = llmo("route", "--score", "-", "--weak", HAIKU, "--strong", MINI, input=text)
    assert numbers(swapped) == [-proof, -greet]


def test_two_of_several_models_are_named(llmo: Run, llmo_home: Path) -> None:
    models = (WEAK, STRONG, "groq/llama")
    fit(teach(str(llmo_home / "ledger.db"), 5, models=models))
    done = llmo("route", "-p", "x")
    assert done.returncode == 2
    assert "of 3 models: name the weak and the strong one of" in done.stderr
    assert "5 of 100 labels" in llmo("route", "-p", "x", "--weak", WEAK, "--strong", STRONG).stdout


def test_feedback_without_learning(llmo: Run, config: Path) -> None:
    run = llmo("run", "-p", "Hi", "--max-tokens", "20", "--json")
    call_id = json.loads(run.stdout)["id"]
    done = llmo("feedback", call_id, "good")
    assert "Nothing is learned from it: routing.learn was off" in done.stderr
    found = json.loads(llmo("feedback", call_id, "good", "--json").stdout)
    assert (found["call_id"], found["model"], found["verdict"]) == (call_id, WEAK, 1.0)
    assert [WEAK, "0", "no, 100 are needed"] in [
        [part.strip() for part in line.split("  ") if part.strip()]
        for line in llmo("route", "--fit").stdout.splitlines()
    ]


@pytest.mark.parametrize(
    "arguments,words",
    [
        (("call_x", "good"), "there is no call call_x in the ledger at"),
        (("last", "good"), "there is no call last"),
        (("call_x", "fine"), "fine"),
        (("call_x",), "Missing argument"),
    ],
)
def test_feedback_that_cannot_be(
    llmo: Run, config: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = llmo("feedback", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_no_feedback_yet(llmo: Run) -> None:
    assert llmo("route", "--fit").stdout == "There is no feedback yet.\n"
