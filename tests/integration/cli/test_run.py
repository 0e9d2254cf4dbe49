"""`llmo run` over the simulator: prompts, answers, streams, limits, failures."""

import base64
import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from llm_orchestrator.simulator import Simulator
from tests.integration.cli.conftest import CANARY, LLMO, Run, error_of

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(autouse=True)
def _configured(config: Path, sim: Simulator) -> None:
    sim.reset()


def sent(sim: Simulator) -> list[dict[str, object]]:
    return sim.log()


class TestPrompt:
    def test_the_answer_is_all_of_stdout(self, llmo: Run) -> None:
        done = llmo("run", "-p", "What is a ledger?")
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(".\n")
        assert "ledger" in done.stdout
        pattern = r"openai/gpt-4o-mini · \d+ in, \d+ out · \$0\.\d+ · .* m?s\n"
        assert re.fullmatch(pattern, done.stderr)

    @pytest.mark.parametrize("arguments", [[], ["-p", "-"], ["-"]])
    def test_it_comes_from_stdin(self, llmo: Run, arguments: list[str]) -> None:
        done = llmo("run", "-q", *arguments, input="What is a ledger?\n")
        assert "ledger" in done.stdout
        assert done.stderr == ""

    def test_it_comes_as_an_argument(self, llmo: Run) -> None:
        assert "ledger" in llmo("run", "What is a ledger?").stdout

    @pytest.mark.parametrize(
        "arguments, input, expected",
        [
            (["-p", "a", "b"], "", "give the prompt once"),
            (["-p", "  "], "", "the prompt is empty"),
            ([], "", "the prompt is empty"),
            ([], b"caf\xe9", "not UTF-8"),
            (["-p", "x", "-s", "chepest"], "", "did you mean cheapest?"),
            (["-p", "x", "-s", "ensemble", "-e", "0"], "", "a whole number from 1"),
            (["-p", "x", "-s", "ensemble", "-e", "99"], "", "99 models were asked for"),
            (["-p", "x", "-s", "cheapest", "-m", "gpt-4o"], "", "leave model= out"),
            (["-p", "x", "--threshold", "1.5"], "", "threshold"),
            (["-p", "x", "--capability", "telepathy"], "", "nobody knows 'telepathy'"),
            (["-p", "x", "--image", "none.png"], "", "none.png"),
            (["-p", "x", "--image", "llmo.yaml"], "", "no image"),
            (["-p", "x", "--schema", "none.json"], "", "cannot read the schema"),
            (["-p", "x", "--schema", "llmo.yaml"], "", "not JSON"),
            (["-p", "x", "--provider", "opnai"], "", "did you mean openai?"),
            (["-p", "x", "--model", "anthropic/"], "", "anthropic/"),
            (["-p", "x", "--chain", "gpt-4o,gpt-4o"], "", "twice"),
            (["-p", "x", "--temperature", "9"], "", "temperature"),
            (["-p", "x", "-o", "none/result.json"], "", "cannot save"),
        ],
    )
    def test_what_is_wrong_is_said_before_anything_is_sent(
        self, llmo: Run, sim: Simulator, arguments: list[str], input: str | bytes, expected: str
    ) -> None:
        assert expected in error_of(llmo("run", *arguments, input=input), 2)
        assert sent(sim) == []

    def test_a_schema_that_is_nested_too_deeply(self, llmo: Run, tmp_path: Path) -> None:
        (tmp_path / "deep.json").write_text("[" * 100_000 + "]" * 100_000)
        assert "not JSON" in error_of(llmo("run", "-p", "x", "--schema", "deep.json"), 2)

    def test_ten_megabytes_are_taken_or_refused_but_not_lost(self, llmo: Run) -> None:
        done = llmo("run", "--provider", "openai", input="word " * 2_000_000)
        assert "gpt-4o-mini" in error_of(done, 1)

    def test_images_and_schemas_reach_the_model(self, llmo: Run, tmp_path: Path) -> None:
        (tmp_path / "dot.png").write_bytes(PNG)
        schema = {
            "type": "object",
            "properties": {"colour": {"type": "string"}},
            "required": ["colour"],
            "additionalProperties": False,
        }
        (tmp_path / "schema.json").write_text(json.dumps(schema))
        done = llmo(
            *("run", "-p", "Which colour?", "--image", "dot.png", "--schema", "schema.json"),
            "--json",
        )
        assert done.returncode == 0, done.stderr
        reply = json.loads(done.stdout)
        assert set(reply["parsed"]) == {"colour"}
        assert json.loads(reply["content"]) == reply["parsed"]


class TestAnswer:
    def test_json_has_exact_amounts(self, llmo: Run, sim: Simulator) -> None:
        done = llmo("run", "-p", "hi", "--json", "--max-tokens", "20")
        reply = json.loads(done.stdout, parse_float=str)
        bill = sim.ledger()["rows"][-1]
        assert reply["cost_usd"] == str(bill["cost_usd"]), bill
        amounts = json.loads(done.stdout, parse_float=str, parse_int=str)
        assert "e" not in amounts["cost_usd"].lower()
        assert "e" not in amounts["attempts"][0]["cost_usd"].lower()
        assert reply["provider"] == "openai"
        assert reply["attempts"][0]["status"] == "ok"
        assert reply["finish_reason"] == "length"

    def test_it_is_saved_as_well(self, llmo: Run, tmp_path: Path) -> None:
        done = llmo("run", "-p", "hi", "-o", "result.json")
        saved = json.loads((tmp_path / "result.json").read_text())
        assert done.stdout == f"{saved['content']}\n"

    def test_a_full_disk_does_not_lose_it(self, llmo: Run) -> None:
        done = llmo("run", "-p", "hi", "-o", "/dev/full")
        assert done.returncode == 4
        answer, _, result = done.stdout.partition("\n{")
        assert json.loads(f"{{{result}")["content"] == answer
        assert "cannot save to /dev/full" in done.stderr

    @pytest.mark.parametrize("how", [[], ["--stream"], ["--json"]])
    def test_an_answer_that_stdout_does_not_take_is_on_stderr(
        self, llmo: Run, tmp_path: Path, how: list[str]
    ) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [LLMO, "run", "hi", "-o", "kept.json", *how],
                stdout=full,
                stderr=subprocess.PIPE,
                cwd=tmp_path,
                text=True,
                check=False,
            )
        assert done.returncode == 4
        assert "cannot write the answer: No space left on device" in done.stderr
        answer = json.loads((tmp_path / "kept.json").read_text())["content"]
        assert done.stderr.count(answer) == (2 if "--json" in how else 1)
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr

    @pytest.mark.parametrize("how", [[], ["--stream"], ["--json"]])
    def test_an_answer_is_not_lost_where_stdout_is_closed(
        self, llmo: Run, tmp_path: Path, how: list[str]
    ) -> None:
        command: list[str | Path] = [LLMO, "run", "hi", "-o", "kept.json", *how]
        done = subprocess.run(
            ["bash", "-c", '"$@" >&- <&-', "bash", *command],
            capture_output=True,
            cwd=tmp_path,
            text=True,
            check=False,
        )
        assert done.returncode == 4, done.stderr
        assert "cannot write the answer: Bad file descriptor" in done.stderr
        assert json.loads((tmp_path / "kept.json").read_text())["content"] in done.stderr
        assert "Exception" not in done.stderr

    @pytest.mark.parametrize("target", [">&-", ">/dev/full"])
    def test_a_report_that_stdout_does_not_take_is_one_error(
        self, llmo: Run, tmp_path: Path, target: str
    ) -> None:
        llmo("run", "hi")
        done = subprocess.run(
            ["bash", "-c", f'"{LLMO}" costs report {target}'],
            capture_output=True,
            cwd=tmp_path,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.count("llmo: error: ") == 1
        assert "Exception" not in done.stderr

    def test_a_stream_prints_the_same_words(self, llmo: Run) -> None:
        plain = llmo("run", "-p", "What is a ledger?")
        streamed = llmo("run", "-p", "What is a ledger?", "--stream")
        assert streamed.stdout == plain.stdout
        assert " in, " in streamed.stderr

    def test_a_broken_stream_says_so_and_starts_again(self, llmo: Run, sim: Simulator) -> None:
        sim.add_fault(fault="cut", model="gpt-4o", count=1)
        target = ("--provider", "openai", "-m", "gpt-4o")
        done = llmo("run", "-p", "Explain ledgers", "--stream", *target)
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.splitlines()
        assert second.startswith(first)
        assert "the answer starts again with openai/gpt-4o)" in done.stderr
        assert "2 attempts" in done.stderr

    def test_a_stream_that_goes_on_elsewhere_is_one_text(
        self, llmo: Run, sim: Simulator, tmp_path: Path
    ) -> None:
        sim.add_fault(fault="cut", model="gpt-4o", count=1)
        done = llmo("run", "-p", "Explain ledgers", "--stream", "-m", "gpt-4o", "-o", "all.json")
        saved = json.loads((tmp_path / "all.json").read_text())
        assert [attempt["status"] for attempt in saved["attempts"]] == ["truncated", "ok"]
        assert done.stdout == f"{saved['content']}\n"

    def test_a_stream_as_json_is_the_reply_alone(self, llmo: Run) -> None:
        done = llmo("run", "-p", "hi", "--stream", "--json")
        assert json.loads(done.stdout)["content"]

    def test_verbose_tells_the_attempts(self, llmo: Run) -> None:
        done = llmo("run", "hi", "-v", "--model", "gpt-4o+fault=unavailable,times=1")
        assert done.returncode == 0, done.stderr
        assert "configuration: llmo.yaml" in done.stderr
        assert "attempt 1: openai/gpt-4o" in done.stderr
        assert "attempt 2: " in done.stderr

    def test_a_chain_is_asked_in_its_order(self, llmo: Run) -> None:
        done = llmo("run", "hi", "--chain", "claude-haiku-4-5,gpt-4o", "--json")
        assert json.loads(done.stdout)["attempts"][0]["provider"] == "anthropic"

    def test_a_named_chain_leaves_out_who_has_no_key(
        self, llmo: Run, config: Path, sim: Simulator
    ) -> None:
        config.write_text(f'providers: {{openai: {{api_key: k, base_url: "{sim.openai_url}"}}}}\n')
        done = llmo("run", "hi", "--chain", "mixed", "--json")
        assert json.loads(done.stdout)["attempts"][0]["model"] == "gpt-4o-mini"
        assert "left out of the chain: claude-haiku-3.5: no API key" in done.stderr
        assert "no member of the chain anthropic" in error_of(
            llmo("run", "hi", "--chain", "anthropic"), 2
        )


class TestLimits:
    def test_what_could_cost_more_is_not_sent(self, llmo: Run, sim: Simulator) -> None:
        assert "Nothing was sent" in error_of(llmo("run", "hi", "--max-cost", "0.000001"), 3)
        assert sent(sim) == []

    def test_an_unknown_price_is_not_sent_under_a_cap(self, llmo: Run, sim: Simulator) -> None:
        done = llmo("run", "hi", "-c", "1", "--provider", "openai", "--model", "gpt-9-unheard-of")
        assert "gpt-9-unheard-of" in error_of(done, 3)
        assert sent(sim) == []

    def test_enough_is_enough(self, llmo: Run) -> None:
        assert llmo("run", "hi", "-c", "0.05").returncode == 0

    def test_a_dry_run_sends_nothing(self, llmo: Run, sim: Simulator) -> None:
        done = llmo("run", "hi", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "1  openai/gpt-4o-mini" in done.stdout
        assert "Nothing was sent." in done.stdout
        plan = json.loads(llmo("run", "hi", "--dry-run", "--json").stdout, parse_float=str)
        assert plan["candidates"][0]["model"] == "gpt-4o-mini"
        assert re.fullmatch(r"0\.\d+", plan["candidates"][0]["likely_cost_usd"])
        assert plan["most_requests"] >= len(plan["candidates"])
        assert sent(sim) == []


class TestFailures:
    def test_a_provider_that_fails_is_exit_1(self, llmo: Run) -> None:
        done = llmo("run", "hi", "--provider", "openai", "--model", "gpt-4o+fault=server-error")
        assert "500" in error_of(done, 1)
        done = llmo("run", "hi", "-v", "--provider", "openai", "-m", "gpt-4o+fault=server-error")
        assert done.returncode == 1
        assert "attempt 3: openai/gpt-4o+fault=server-error: ServerError (500)" in done.stderr

    def test_who_else_was_asked_is_told(self, llmo: Run, sim: Simulator) -> None:
        sim.add_fault(fault="server-error")
        told = error_of(llmo("run", "hi", "-m", "gpt-4o"), 1)
        assert "Asked in vain: openai/gpt-4o, " in told
        assert ", anthropic/claude-" in told
        assert " requests; -v tells of each)" in told

    def test_a_warning_of_the_ledger_looks_like_all_others(
        self, llmo: Run, llmo_home: Path
    ) -> None:
        (llmo_home / "ledger.db").mkdir(parents=True)
        done = llmo("run", "hi")
        assert done.returncode == 0
        assert "llmo: warning: the ledger at " in done.stderr

    def test_debug_shows_the_traceback(self, llmo: Run) -> None:
        done = llmo("--debug", "run", "hi", "--provider", "opnai")
        assert done.returncode == 2
        assert "Traceback" in done.stderr
        assert CANARY not in done.stderr

    def test_no_server_at_all(self, llmo: Run, config: Path) -> None:
        config.write_text(
            "providers: {openai: {api_key: k, base_url: 'http://127.0.0.1:9/v1'}}\n"
            "retry: {max_retries: 0}\n"
        )
        assert "Is the network up" in error_of(llmo("run", "hi"), 1)

    def test_no_key_at_all(self, llmo: Run, config: Path) -> None:
        config.unlink()
        assert "no provider is configured" in error_of(llmo("run", "hi"), 2)
        assert "set OPENAI_API_KEY" in error_of(llmo("run", "hi", "--provider", "openai"), 2)

    def test_a_variable_that_is_not_set_is_named_when_it_is_needed(
        self, llmo: Run, config: Path
    ) -> None:
        config.write_text("providers: {openai: {api_key: '${MY_OPENAI_KEY}'}}\n")
        assert "MY_OPENAI_KEY" in error_of(llmo("run", "hi", "--provider", "openai"), 2)

    def test_nobody_reads_on(self, llmo: Run, tmp_path: Path) -> None:
        script = f'"{LLMO}" models | true; echo "${{PIPESTATUS[0]}}"'
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True
        )
        assert done.stdout.strip() == "141"
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr

    @pytest.mark.parametrize(
        "number, code",
        [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    )
    def test_an_interrupt_ends_it_and_books_the_call(
        self, llmo: Run, sim: Simulator, tmp_path: Path, number: int, code: int
    ) -> None:
        with subprocess.Popen(
            [LLMO, "run", "hi", "--provider", "openai", "--model", "gpt-4o+fault=silence"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            text=True,
        ) as process:
            deadline = time.monotonic() + 60
            while not sent(sim) and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == code, errors
        assert "Traceback" not in errors
        assert ("llmo: interrupted" in errors) == (number == signal.SIGINT)
        rows = json.loads(llmo("costs", "export", "--format", "json", "--attempts").stdout)
        assert [row["status"] for row in rows] == ["cancelled"]
