"""The official boto3 judges batch inference of Bedrock, and the buckets beside it."""

import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from llm_orchestrator.simulator import Simulator

from .conftest import Client

KEY = "AKIDBATCH0123456789A"
HOUR, DAY = 3600, 86_400
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
SESSION = boto3.session.Session()  # reads the service models once
ROLE = "arn:aws:iam::123456789012:role/batch"


def client_of(own: Simulator, service: str, key: str = KEY, secret: str = "") -> Client:
    return SESSION.client(
        service,
        region_name="us-east-1",
        endpoint_url=own.s3_url if service == "s3" else own.bedrock_url,
        aws_access_key_id=key,
        aws_secret_access_key=secret or f"secret-of-{key}",
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )


@pytest.fixture
def s3(own: Simulator) -> Iterator[Client]:
    with closing(client_of(own, "s3")) as made:
        yield made


@pytest.fixture
def bedrock(own: Simulator) -> Iterator[Client]:
    with closing(client_of(own, "bedrock")) as made:
        yield made


def converse(key: str, text: str = "Please say yes") -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {
        "recordId": key,
        "modelInput": {"messages": messages, "inferenceConfig": {"maxTokens": 40}},
    }


def submit(s3: Client, bedrock: Client, rows: list[Any], **more: Any) -> str:
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    s3.put_object(Bucket="b", Key="in/rows.jsonl", Body=data)
    asked: dict[str, Any] = {
        "jobName": "llmo-j1",
        "roleArn": ROLE,
        "modelId": HAIKU,
        "modelInvocationType": "Converse",
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://b/in/rows.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://b/out/"}},
    }
    return str(bedrock.create_model_invocation_job(**(asked | more))["jobArn"])


def results(s3: Client, arn: str) -> list[Any]:
    key = f"out/{arn.rpartition('/')[2]}/rows.jsonl.out"
    body = s3.get_object(Bucket="b", Key=key)["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def test_from_bucket_to_bucket(own: Simulator, s3: Client, bedrock: Client) -> None:
    rows = [converse(f"row{n}", f"Please say {n}") for n in range(30)]
    rows[3]["modelInput"]["messages"] = []
    arn = submit(s3, bedrock, rows)
    assert bedrock.get_model_invocation_job(jobIdentifier=arn)["status"] == "Submitted"
    own.advance(HOUR)
    job = bedrock.get_model_invocation_job(jobIdentifier=arn)
    assert (job["status"], job["jobName"]) == ("Completed", "llmo-j1")
    assert (job["successRecordCount"], job["errorRecordCount"]) == (29, 1)
    assert job["submitTime"] < job["endTime"]
    found = {row["recordId"]: row for row in results(s3, arn)}
    assert list(found) != [row["recordId"] for row in rows]
    assert {key: row["modelInput"] for key, row in found.items()} == {
        row["recordId"]: row["modelInput"] for row in rows
    }
    assert found["row3"]["error"]["errorCode"] == 400
    good = [row["modelOutput"] for row in found.values() if "modelOutput" in row]
    assert all(each["output"]["message"]["content"] for each in good)
    folder = f"out/{arn.rpartition('/')[2]}"
    manifest = json.load(s3.get_object(Bucket="b", Key=f"{folder}/manifest.json.out")["Body"])
    used = [each["usage"] for each in good]
    assert manifest["outputTokenCount"] == sum(usage["outputTokens"] for usage in used)
    assert manifest["totalRecordCount"] == 30
    # half of 1.1 and 5.5 dollars a million
    owed = sum(u["inputTokens"] * 550_000 + u["outputTokens"] * 2_750_000 for u in used)
    assert own.ledger()["rows"][0]["cost_pico"] == owed


def test_invoke_model_takes_the_body_of_the_family(
    own: Simulator, s3: Client, bedrock: Client
) -> None:
    messages = [{"role": "user", "content": "Please say yes"}]
    claude = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 30, "messages": messages}
    kind = {"modelInvocationType": "InvokeModel"}
    first = submit(s3, bedrock, [{"recordId": "a", "modelInput": claude}], **kind)
    own.advance(HOUR)
    (row,) = results(s3, first)
    assert row["modelOutput"]["content"][0]["text"]
    vectors = [{"modelInput": {"inputText": "hello"}}]
    second = submit(s3, bedrock, vectors, modelId="amazon.titan-embed-text-v2:0", **kind)
    own.advance(HOUR)
    (row,) = results(s3, second)
    assert len(row["modelOutput"]["embedding"]) == 1024
    assert row["recordId"]


def test_a_token_makes_one_job(own: Simulator, s3: Client, bedrock: Client) -> None:
    own.add_fault(fault="lost-reply", provider="bedrock", count=1)
    rows = [converse("a")]
    with pytest.raises(Exception, match="closed"):
        submit(s3, bedrock, rows, clientRequestToken="intent1")
    first = submit(s3, bedrock, rows, clientRequestToken="intent1")
    assert first == submit(s3, bedrock, rows, clientRequestToken="intent1")
    assert first != submit(s3, bedrock, rows, clientRequestToken="intent2")
    assert own.batches()["accepted"] == 2
    listed = bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
    assert [job["clientRequestToken"] for job in listed] == ["intent2", "intent1"]


def test_lists_have_filters_and_pages(own: Simulator, s3: Client, bedrock: Client) -> None:
    own.set_batches(queue=900)
    arns = [submit(s3, bedrock, [converse("a")], jobName=f"job-{n}") for n in "abc"]
    own.advance(60)
    pages = bedrock.get_paginator("list_model_invocation_jobs").paginate(
        PaginationConfig={"PageSize": 2}, sortBy="CreationTime", sortOrder="Ascending"
    )
    assert [job["jobArn"] for page in pages for job in page["invocationJobSummaries"]] == arns

    def names(**filters: Any) -> list[str]:
        found = bedrock.list_model_invocation_jobs(**filters)["invocationJobSummaries"]
        return [job["jobName"] for job in found]

    assert names(nameContains="b-b") == ["job-b"]
    assert names(statusEquals="Scheduled") == ["job-c", "job-b", "job-a"]
    assert names(statusEquals="Completed") == []
    assert names(submitTimeAfter=dt.datetime(2030, 1, 1, tzinfo=dt.UTC)) == []
    assert len(names(submitTimeBefore=dt.datetime(2099, 1, 1, tzinfo=dt.UTC))) == 3


def test_stopped_and_late_jobs_keep_what_is_done(
    own: Simulator, s3: Client, bedrock: Client
) -> None:
    own.set_batches(item=60, queue=0)
    rows = [converse(f"row{n}") for n in range(20)]
    arn = submit(s3, bedrock, rows)
    own.advance(600)
    assert bedrock.get_model_invocation_job(jobIdentifier=arn)["status"] == "InProgress"
    bedrock.stop_model_invocation_job(jobIdentifier=arn)
    assert bedrock.get_model_invocation_job(jobIdentifier=arn)["status"] == "Stopping"
    own.set_batches(item=3 * HOUR)
    late = submit(s3, bedrock, rows)
    own.set_batches(queue=9 * DAY)
    never = submit(s3, bedrock, rows)
    own.advance(2 * DAY)
    jobs = [bedrock.get_model_invocation_job(jobIdentifier=each) for each in (arn, late, never)]
    assert [job["status"] for job in jobs] == ["Stopped", "PartiallyCompleted", "Expired"]
    for each, job in zip((arn, late), jobs, strict=False):
        assert 0 < len(results(s3, each)) == job["processedRecordCount"] < 20
    with pytest.raises(ClientError, match="cannot be stopped"):
        bedrock.stop_model_invocation_job(jobIdentifier=arn)


def test_jobs_that_cannot_begin(own: Simulator, s3: Client, bedrock: Client) -> None:
    nowhere = {"s3InputDataConfig": {"s3Uri": "s3://b/none.jsonl"}}
    failed = [
        submit(s3, bedrock, [converse("a")], inputDataConfig=nowhere),
        submit(s3, bedrock, [{"recordId": "a b", "modelInput": {}}]),
    ]
    own.advance(HOUR)
    for arn in failed:
        job = bedrock.get_model_invocation_job(jobIdentifier=arn)
        assert job["status"] == "Failed"
        assert job["message"]
    for more in (
        {"jobName": "no_name"},
        {"roleArn": "x"},
        {"modelId": "nobody.none-v1:0"},
    ):
        with pytest.raises(ClientError, match="ValidationException"):
            submit(s3, bedrock, [converse("a")], **more)


# ------------------------------------------------------------------ buckets


def test_objects(own: Simulator, s3: Client) -> None:
    for key in ("a/one.txt", "a/two é+&.txt", "b/three.txt"):
        s3.put_object(Bucket="b", Key=key, Body=key.encode())
    assert s3.get_object(Bucket="b", Key="a/two é+&.txt")["Body"].read() == "a/two é+&.txt".encode()
    head = s3.head_object(Bucket="b", Key="a/one.txt")
    digest = hashlib.md5(b"a/one.txt", usedforsecurity=False).hexdigest()
    assert (head["ContentLength"], head["ETag"]) == (9, f'"{digest}"')
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="b", Prefix="a/", PaginationConfig={"PageSize": 1}
    )
    assert [each["Key"] for page in pages for each in page["Contents"]] == [
        "a/one.txt",
        "a/two é+&.txt",
    ]
    s3.delete_object(Bucket="b", Key="a/one.txt")
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="b", Key="a/one.txt")
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="b", Key="a/one.txt")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.put_object(Bucket="nobody-b", Key="x", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket="denied-b", Key="x", Body=b"")


def test_large_objects_come_in_parts(own: Simulator, s3: Client) -> None:
    data = bytes(range(256)) * 80_000
    s3.upload_fileobj(io.BytesIO(data), "b", "large")
    back = io.BytesIO()
    s3.download_fileobj("b", "large", back)
    assert back.getvalue() == data


def test_signatures_are_verified(own: Simulator) -> None:
    for key, secret, code in (
        (KEY, "wrong", "SignatureDoesNotMatch"),
        ("bad-key", "", "InvalidAccessKeyId"),
    ):
        with (
            closing(client_of(own, "s3", key, secret)) as made,
            pytest.raises(ClientError, match=code),
        ):
            made.put_object(Bucket="b", Key="x", Body=b"x")
