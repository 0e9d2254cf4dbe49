"""The last SDK of major version 1 judges the Messages wire: it asks for the older API version.

It lies beside the current one (`requirements/anthropic-1.lock`) and runs in a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_orchestrator.simulator import Simulator

FOLDER = Path(sys.prefix) / "anthropic-1"
pytestmark = pytest.mark.sdk

SCRIPT = """
import json, sys
import anthropic

url, key = sys.argv[1:]
client = anthropic.Anthropic(api_key=key, base_url=url, max_retries=0)
fields = {"model": "claude-haiku-4-5-20251001", "max_tokens": 64}
hello = [{"role": "user", "content": "Please describe a quiet morning."}]
tool = {"name": "get_weather", "input_schema": {"type": "object", "properties": {
    "city": {"type": "string"}}, "required": ["city"]}}
ask = [{"role": "user", "content": "What is the weather in Paris?"}]

def refused(call):
    try:
        call()
    except anthropic.APIStatusError as error:
        return [type(error).__name__, error.status_code, bool(error.response.headers["request-id"])]

plain = client.messages.create(messages=hello, extra_body={"temperature": 0.2}, **fields)
with client.messages.stream(messages=hello, **fields) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
tools = client.messages.create(messages=ask, tools=[tool], tool_choice={"type": "any"}, **fields)
print(json.dumps({
    "version": anthropic.__version__.split(".")[0],
    "plain": [plain.type, plain.stop_reason, plain.usage.output_tokens > 0],
    "stream": [bool(text), text == final.content[0].text, final.stop_reason],
    "tools": [tools.stop_reason, [b.input for b in tools.content if b.type == "tool_use"]],
    "count": client.messages.count_tokens(model=fields["model"], messages=hello).input_tokens > 0,
    "models": [page.id != "" for page in client.models.list(limit=2).data],
    "unknown": refused(lambda: client.messages.create(
        model="nothing", max_tokens=5, messages=hello)),
    "empty": refused(lambda: client.messages.create(messages=[], **fields)),
    "limited": refused(lambda: client.messages.create(
        messages=hello, **fields | {"model": "fb-s02-429-persistent"})),
}))
"""


BATCHES = """
import json, sys, urllib.request
import anthropic

url, key, clock = sys.argv[1:]
batches = anthropic.Anthropic(api_key=key, base_url=url, max_retries=0).messages.batches

def advance(seconds):
    body = json.dumps({"advance": seconds}).encode()
    urllib.request.urlopen(urllib.request.Request(clock, body), timeout=60).close()

def item(number):
    said = [{"role": "user", "content": f"Please say {number}"}]
    return {"custom_id": f"row{number}", "params": {
        "model": "claude-haiku-4-5", "max_tokens": 30, "messages": said, "temperature": 0.2}}

first = batches.create(requests=[item(number) for number in range(5)])
second = batches.create(requests=[item(number) for number in range(5)])
cancelled = batches.cancel(second.id)
advance(3600)
ended = batches.retrieve(first.id)
results = list(batches.results(first.id))
listed = [batch.id for batch in batches.list(limit=1)]
kinds = {result.result.type for result in batches.results(second.id)}
print(json.dumps({
    "states": [first.processing_status, cancelled.processing_status, ended.processing_status],
    "counts": [ended.request_counts.succeeded, len(results)],
    "ids": sorted(result.custom_id for result in results),
    "said": all(result.result.message.content[0].text for result in results),
    "listed": listed == [second.id, first.id],
    "kinds": sorted(kinds),
    "deleted": batches.delete(first.id).type,
}))
"""


def test_batches(key: str) -> None:
    with Simulator(seed=3).run_in_thread() as own:
        arguments = [own.anthropic_url, key, f"{own.url}/_clock"]
        done = subprocess.run(
            [sys.executable, "-c", BATCHES, *arguments],
            env=os.environ | {"PYTHONPATH": str(FOLDER)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "states": ["in_progress", "canceling", "ended"],
        "counts": [5, 5],
        "ids": [f"row{number}" for number in range(5)],
        "said": True,
        "listed": True,
        "kinds": ["canceled"],
        "deleted": "message_batch_deleted",
    }


def test_plain_stream_tools_errors_models_and_counts(sim: Simulator, key: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, sim.anthropic_url, key],
        env=os.environ | {"PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["version"] == "1"
    assert found["plain"][0] == "message"
    assert found["plain"][2]
    assert found["stream"] == [True, True, found["stream"][2]]
    assert found["tools"] == ["tool_use", [{"city": "Paris"}]]
    assert found["count"]
    assert found["models"] == [True, True]
    assert found["unknown"] == ["NotFoundError", 404, True]
    assert found["empty"] == ["BadRequestError", 400, True]
    assert found["limited"] == ["RateLimitError", 429, True]
