"""The official google-genai SDK judges batches of Vertex AI; buckets are filled by plain HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from llm_orchestrator.simulator import Simulator

from .conftest import Client

KEY = "ya29.batch-0123456789"
HOUR, DAY = 3600, 86_400
MODEL = "gemini-2.5-flash-lite"


@pytest.fixture
def client(own: Simulator) -> Iterator[Client]:
    login = Credentials(KEY)  # type: ignore[no-untyped-call]
    options = types.HttpOptions(base_url=own.vertex_url)
    made = genai.Client(
        enterprise=True,
        credentials=login,
        http_options=options,
        project="proj",
        location="us-central1",
    )
    yield made
    made.close()


def gcs(
    own: Simulator, method: str, path: str, data: bytes | None = None, **headers: str
) -> tuple[int, bytes, Any]:
    url = path if path.startswith("http") else f"{own.gcs_url}{path}"
    sent = {"authorization": f"Bearer {KEY}", "content-type": "application/jsonl"} | headers
    request = urllib.request.Request(url, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read(), reply.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def ask(text: str, **more: Any) -> dict[str, Any]:
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return {"request": {"contents": contents, "generationConfig": {"maxOutputTokens": 600}} | more}


def put(own: Simulator, name: str, rows: list[Any]) -> str:
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    query = f"?uploadType=media&name={quote(name, safe='')}"
    status, _, _ = gcs(own, "POST", f"/upload/storage/v1/b/b/o{query}", data)
    assert status == 200
    return f"gs://b/{name}"


def create(client: Client, source: str, name: str = "llmo-j1", model: str = MODEL) -> Any:
    config = types.CreateBatchJobConfig(display_name=name, dest="gs://b/out")
    return client.batches.create(model=model, src=source, config=config)


def results(own: Simulator, folder: str) -> list[Any]:
    prefix = folder.removeprefix("gs://b/")
    _, listed, _ = gcs(own, "GET", f"/storage/v1/b/b/o?prefix={quote(prefix, safe='')}")
    (found,) = json.loads(listed)["items"]
    assert found["name"] == f"{prefix}/predictions.jsonl"
    path = f"/storage/v1/b/b/o/{quote(found['name'], safe='')}?alt=media"
    status, data, _ = gcs(own, "GET", path)
    assert (status, len(data)) == (200, int(found["size"]))
    return [json.loads(line) for line in data.splitlines()]


def folder_of(own: Simulator, name: str) -> str:
    """The SDK reads it only for batches of its newest kind."""
    request = urllib.request.Request(
        f"{own.vertex_url}/v1beta1/{name}", headers={"authorization": f"Bearer {KEY}"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return str(json.load(reply)["outputInfo"]["gcsOutputDirectory"])


def test_from_bucket_to_bucket(own: Simulator, client: Client) -> None:
    rows = [ask(f"Please say {n}", labels={"row": f"row{n}"}) for n in range(30)]
    rows[3]["request"]["contents"] = []
    job = create(client, put(own, "in/rows.jsonl", rows))
    assert (job.state, job.display_name) == (types.JobState.JOB_STATE_QUEUED, "llmo-j1")
    assert job.name.startswith("projects/proj/locations/us-central1/batchPredictionJobs/")
    own.advance(HOUR)
    job = client.batches.get(name=job.name)
    assert job.state == types.JobState.JOB_STATE_SUCCEEDED
    stats = job.completion_stats
    assert (stats.successful_count, stats.failed_count) == (29, 1)
    assert job.create_time < job.start_time < job.end_time
    found = results(own, folder_of(own, job.name))
    assert [row["request"] for row in found] != [row["request"] for row in rows]
    by_row = {row["request"]["labels"]["row"]: row for row in found}
    assert {k: row["request"] for k, row in by_row.items()} == {
        row["request"]["labels"]["row"]: row["request"] for row in rows
    }
    assert by_row["row3"]["response"] == {}
    assert '"code":400' in by_row["row3"]["status"]
    used = [row["response"]["usageMetadata"] for row in found if not row["status"]]
    said = [usage["totalTokenCount"] - usage["promptTokenCount"] for usage in used]
    # half of 0.10 and 0.40 dollars a million
    owed = sum(usage["promptTokenCount"] for usage in used) * 50_000 + sum(said) * 200_000
    assert own.ledger()["rows"][0]["cost_pico"] == owed
    assert own.ledger(items=True)["rows"][0]["custom_id"].startswith("row")


def test_embeddings(own: Simulator, client: Client) -> None:
    source = put(own, "in.jsonl", [{"content": "one two"}, {"content": "three"}])
    job = create(client, source, model="gemini-embedding-001")
    own.advance(HOUR)
    found = results(own, folder_of(own, job.name))
    assert {row["instance"]["content"] for row in found} == {"one two", "three"}
    assert {len(row["predictions"][0]["embeddings"]["values"]) for row in found} == {3072}


def test_the_list_is_filtered_by_the_server(own: Simulator, client: Client) -> None:
    own.set_batches(list_lag=30)
    source = put(own, "in.jsonl", [ask("Hi")])
    names = [create(client, source, name).name for name in ("one", "two", "one")]
    assert list(client.batches.list()) == []
    own.advance(31)
    found = client.batches.list(config={"page_size": 1, "filter": 'display_name="one"'})
    assert [job.name for job in found] == [names[2], names[0]]
    with pytest.raises(errors.ClientError, match="filter"):
        list(client.batches.list(config={"filter": "size>1"}))
    own.advance(HOUR)
    client.batches.delete(name=names[0])
    with pytest.raises(errors.ClientError, match="not found"):
        client.batches.get(name=names[0])


def test_cancelled_jobs_keep_what_is_done(own: Simulator, client: Client) -> None:
    own.set_batches(item=60, queue=0)
    job = create(client, put(own, "in.jsonl", [ask(f"Say {n}") for n in range(20)]))
    own.advance(600)
    assert client.batches.get(name=job.name).state == types.JobState.JOB_STATE_RUNNING
    client.batches.cancel(name=job.name)
    assert client.batches.get(name=job.name).state == types.JobState.JOB_STATE_CANCELLING
    own.advance(60)
    job = client.batches.get(name=job.name)
    assert job.state == types.JobState.JOB_STATE_CANCELLED
    stats = job.completion_stats
    assert stats.successful_count + stats.incomplete_count == 20
    assert 0 < stats.successful_count < 20
    assert len(results(own, folder_of(own, job.name))) == stats.successful_count


def test_jobs_that_cannot_begin(own: Simulator, client: Client) -> None:
    job = create(client, "gs://b/none.jsonl")
    own.advance(HOUR)
    job = client.batches.get(name=job.name)
    assert job.state == types.JobState.JOB_STATE_FAILED
    assert "does not exist" in job.error.message
    source = put(own, "in.jsonl", [ask("Hi")])
    with pytest.raises(errors.ClientError, match="was not found"):
        create(client, source, model="gemini-none")


# ------------------------------------------------------------------ buckets


def test_uploads_of_three_kinds(own: Simulator) -> None:
    upload = "/upload/storage/v1/b/b/o"
    _, body, _ = gcs(own, "POST", f"{upload}?uploadType=media&name=a%2Fone", b"1\n2\n")
    assert json.loads(body)["size"] == "4"
    form = (
        b'--x\r\nContent-Type: application/json\r\n\r\n{"name":"a/two"}\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--x--\r\n"
    )
    kind = {"content-type": "multipart/related; boundary=x"}
    assert gcs(own, "POST", f"{upload}?uploadType=multipart", form, **kind)[0] == 200
    _, _, headers = gcs(own, "POST", f"{upload}?uploadType=resumable&name=a%2Fthree", b"")
    assert gcs(own, "PUT", headers["location"], b"three")[0] == 200
    _, body, _ = gcs(own, "GET", "/storage/v1/b/b/o?prefix=a%2F&maxResults=2")
    page = json.loads(body)
    assert [item["name"] for item in page["items"]] == ["a/one", "a/three"]
    _, body, _ = gcs(own, "GET", f"/storage/v1/b/b/o?pageToken={page['nextPageToken']}")
    assert [item["name"] for item in json.loads(body)["items"]] == ["a/two"]
    assert gcs(own, "GET", "/storage/v1/b/b/o/a%2Ftwo?alt=media")[1] == b"two"
    assert gcs(own, "GET", "/download/storage/v1/b/b/o/a%2Fthree?alt=media")[1] == b"three"
    assert gcs(own, "DELETE", "/storage/v1/b/b/o/a%2Ftwo")[0] == 204
    assert gcs(own, "GET", "/storage/v1/b/b/o/a%2Ftwo")[0] == 404


def test_who_may_not(own: Simulator) -> None:
    upload = "/upload/storage/v1/b/{}/o?uploadType=media&name=x"
    assert gcs(own, "POST", upload.format("nobody-b"), b"x")[0] == 404
    assert gcs(own, "POST", upload.format("denied-b"), b"x")[0] == 403
    assert gcs(own, "POST", upload.format("b"), b"x", authorization="Bearer bad-key")[0] == 401
