"""Batches of Mistral and Together by plain HTTP; their own SDKs are asked where installed."""

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator

KEY = "sk-plain-0123456789abcdef"
HOUR, DAY = 3600, 86_400
TURBO = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
CHAT = "/v1/chat/completions"


def call(
    own: Simulator, method: str, path: str, body: Any = None, kind: str = "application/json"
) -> tuple[int, Any, Any]:
    """Status, body and headers; redirects are not followed."""
    link = http.client.HTTPConnection(own.host, own.port, timeout=60)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {KEY}"} | ({"content-type": kind} if data else {})
    try:
        link.request(method, path, data, headers)
        reply = link.getresponse()
        raw = reply.read()
        try:
            found = json.loads(raw)
        except ValueError:
            found = raw
        return reply.status, found, reply.headers
    finally:
        link.close()


def form(own: Simulator, path: str, fields: dict[str, str], data: bytes | None = None) -> Any:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if data is not None:
        head = '--x\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    whole = b"".join([*parts, b"--x--\r\n"])
    return call(own, "POST", path, whole, "multipart/form-data; boundary=x")


def rows(*keys: str | None, **more: Any) -> bytes:
    body = {"messages": [{"role": "user", "content": "Please say yes"}], "max_tokens": 20} | more
    lines = [{"body": body} | ({"custom_id": key} if key else {}) for key in keys]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


# ------------------------------------------------------------------ Mistral


def upload(own: Simulator, data: bytes) -> str:
    fields = {"visibility": "workspace", "purpose": "batch"}
    status, file, _ = form(own, "/mistral/v1/files", fields, data)
    assert (status, file["sample_type"], file["bytes"]) == (200, "batch_request", len(data))
    return str(file["id"])


def job(own: Simulator, **more: Any) -> tuple[int, Any]:
    asked = {"endpoint": CHAT, "model": "mistral-small-latest"} | more
    return call(own, "POST", "/mistral/v1/batch/jobs", asked)[:2]


def results(own: Simulator, name: str) -> list[Any]:
    status, raw, _ = call(own, "GET", f"/mistral/v1/files/{name}/content")
    assert status == 200
    lines = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    return [json.loads(line) for line in lines.splitlines()]


def test_mistral_takes_several_files(own: Simulator) -> None:
    names = [upload(own, rows("a", "b")), upload(own, rows("c", "d", None))]
    status, made = job(own, input_files=names, metadata={"tag": "t1"})
    assert (status, made["status"], made["total_requests"]) == (200, "QUEUED", 5)
    own.advance(HOUR)
    path = f"/mistral/v1/batch/jobs/{made['id']}"
    _, done, _ = call(own, "GET", path)
    assert (done["status"], done["succeeded_requests"], done["error_file"]) == ("SUCCESS", 5, None)
    found = results(own, done["output_file"])
    keys = sorted(str(result["custom_id"]) for result in found)
    assert keys == ["None", "a", "b", "c", "d"]
    assert all(r["id"].startswith(f"batch-{made['id'][:8]}-") for r in found)
    status, listed, _ = call(own, "GET", "/mistral/v1/batch/jobs?tag=other&model=none")
    assert (status, listed["total"]) == (200, 0)
    _, listed, _ = call(own, "GET", "/mistral/v1/batch/jobs?tag=other")  # is no filter there
    assert [each["metadata"] for each in listed["data"]] == [{"tag": "t1"}]
    _, files, _ = call(own, "GET", "/mistral/v1/files?page_size=2&purpose=batch")
    assert (files["total"], len(files["data"])) == (3, 2)
    assert call(own, "DELETE", f"/mistral/v1/files/{names[0]}")[1]["deleted"]
    assert call(own, "GET", f"/mistral/v1/files/{names[0]}")[0] == 404
    assert call(own, "DELETE", path)[1]["deleted"]
    assert call(own, "GET", path)[0] == 404


def test_mistral_inline_and_cancelled(own: Simulator) -> None:
    own.set_batches(item=60, queue=0)
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    requests = [{"custom_id": str(n), "body": body} for n in range(20)]
    _, made = job(own, requests=requests)
    own.advance(600)
    path = f"/mistral/v1/batch/jobs/{made['id']}"
    assert call(own, "GET", path)[1]["status"] == "RUNNING"
    assert call(own, "DELETE", path)[0] == 400
    assert call(own, "POST", f"{path}/cancel")[1]["status"] == "CANCELLATION_REQUESTED"
    own.advance(60)
    _, ended, _ = call(own, "GET", f"{path}?inline=true")
    assert ended["status"] == "CANCELLED"
    assert 0 < len(ended["outputs"]) == ended["succeeded_requests"] < 20
    assert call(own, "POST", f"{path}/cancel")[0] == 400
    assert own.ledger()["rows"][0]["requests"] == ended["succeeded_requests"]


def test_mistral_fails_a_file_that_it_cannot_read(own: Simulator) -> None:
    _, made = job(own, input_files=[upload(own, b'{"custom_id": "a"}\n')])
    own.advance(HOUR)
    _, ended, _ = call(own, "GET", f"/mistral/v1/batch/jobs/{made['id']}")
    assert (ended["status"], ended["output_file"]) == ("FAILED", None)
    assert "body" in ended["errors"][0]["message"]


@pytest.mark.parametrize(
    "more, status",
    [
        ({}, 422),
        ({"requests": [{"body": {}}], "input_files": ["x"]}, 422),
        ({"input_files": ["x"]}, 404),
        ({"requests": [{"body": {}}], "model": "none"}, 400),
        ({"requests": [{"body": {}}], "endpoint": "/v1/none"}, 422),
        ({"requests": [{"body": {}}], "timeout_hours": 169}, 422),
        ({"requests": [{"body": {}}], "metadata": {"a": 1}}, 422),
        ({"requests": [{"body": {}}] * 10_000}, 422),
    ],
)
def test_mistral_refuses_at_once(own: Simulator, more: dict[str, Any], status: int) -> None:
    assert job(own, **more)[0] == status
    assert own.batches()["accepted"] == 0


# ------------------------------------------------------------------ Together


def put(own: Simulator, data: bytes, **more: str) -> tuple[int, Any]:
    fields = {
        "purpose": "batch-api",
        "file_name": "in.jsonl",
        "file_type": "jsonl",
        "checksum": hashlib.sha256(data).hexdigest(),
    } | more
    status, found, headers = form(own, "/together/v1/files", fields)
    if status != 302:
        return status, found
    assert not urllib.request.urlopen(
        urllib.request.Request(headers["Location"], data, method="PUT"), timeout=60
    ).read()
    name = headers["X-Together-File-Id"]
    assert call(own, "GET", f"/together/v1/files/{name}")[0] == 404  # not before it is announced
    return call(own, "POST", f"/together/v1/files/{name}/preprocess")[:2]


def test_together_in_three_steps(own: Simulator) -> None:
    data = rows("a", "b", model=TURBO) + rows("c", model="nobody/none")
    status, file = put(own, data)
    assert (status, file["bytes"], file["LineCount"]) == (200, len(data), 3)
    asked = {"input_file_id": file["id"], "endpoint": CHAT}
    _, made, _ = call(own, "POST", "/together/v1/batches", asked)
    assert made["job"]["status"] == "VALIDATING"
    path = f"/together/v1/batches/{made['job']['id']}"
    own.advance(HOUR)
    _, done, _ = call(own, "GET", path)
    assert (done["status"], done["progress"]) == ("COMPLETED", 100)
    assert [each["id"] for each in call(own, "GET", "/together/v1/batches")[1]] == [done["id"]]
    _, good, _ = call(own, "GET", f"/together/v1/files/{done['output_file_id']}/content")
    assert sorted(json.loads(line)["custom_id"] for line in good.splitlines()) == ["a", "b"]
    _, bad, _ = call(own, "GET", f"/together/v1/files/{done['error_file_id']}/content")
    assert (bad["custom_id"], bad["error"]["code"]) == ("c", "404")
    assert call(own, "POST", f"{path}/cancel")[0] == 409
    _, listed, _ = call(own, "GET", "/together/v1/files")
    assert len(listed["data"]) == 3
    assert call(own, "DELETE", f"/together/v1/files/{file['id']}")[1]["deleted"]


def test_together_checks_what_is_put(own: Simulator) -> None:
    assert put(own, b"{}\n", checksum="0" * 64)[0] == 400
    assert put(own, b"{}\n", purpose="none")[0] == 400
    assert put(own, b"{}\n", file_type="exe")[0] == 400
    assert put(own, b"{}\n", file_name="")[0] == 400
    own.set_batches(bytes=5)
    with pytest.raises(urllib.error.HTTPError, match="413") as caught:
        put(own, b"{}\n" * 10)
    caught.value.close()
    assert call(own, "PUT", "/together/object-store/none", b"x")[0] == 403
