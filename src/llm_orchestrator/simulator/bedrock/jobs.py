"""Batch inference jobs of Bedrock: lines from a bucket, results beside them."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from aiohttp import web

from llm_orchestrator.simulator import paging
from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.buckets import Buckets, Stored, split
from llm_orchestrator.simulator.batches.endpoints import BatchEndpoints, counts
from llm_orchestrator.simulator.batches.files import Received
from llm_orchestrator.simulator.batches.handlers import Call
from llm_orchestrator.simulator.batches.timeline import ENDED
from llm_orchestrator.simulator.bedrock.converse import Converse
from llm_orchestrator.simulator.bedrock.errors import constraint, invalid
from llm_orchestrator.simulator.bedrock.job_format import BedrockFormat, region
from llm_orchestrator.simulator.bedrock.service import find, named
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.openai.batch_checks import spent
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_NAME: Final = re.compile(r"[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9+\-.]){0,63}")
_TOKEN: Final = re.compile(r"[a-zA-Z0-9]{1,256}(-*[a-zA-Z0-9]){0,256}")
_ROLE: Final = re.compile(r"arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+")
_ACCOUNT: Final = "123456789012"
_HOUR: Final = 3600.0
_STATES: Final = {
    "validating": "Validating",
    "queued": "Scheduled",
    "finalizing": "InProgress",
    "cancelling": "Stopping",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Stopped",
}


class BedrockJobs(BatchEndpoints):
    """Handlers for one world."""

    def __init__(self, world: World, buckets: Buckets) -> None:
        super().__init__(world, Converse(), BedrockFormat())
        self._buckets = buckets

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /bedrock."""
        handler, job = self.handler, f"{prefix}/model-invocation-job"
        return [
            web.post(job, handler("create", self.create)),
            web.get(f"{prefix}/model-invocation-jobs", handler("list", self.batches)),
            web.get(f"{job}/{{batch:[^/]+}}", handler("poll", self.batch)),
            web.post(f"{job}/{{batch:[^/]+}}/stop", handler("cancel", self.cancel)),
        ]

    async def create(self, call: Call) -> Any:
        """A job; repeating a token is ignored, and answered with the job it made."""
        body = await json_body(call.request)
        token = body.get("clientRequestToken", "")
        if token and not (isinstance(token, str) and _TOKEN.fullmatch(token)):
            raise constraint(token, "clientRequestToken", "satisfy regular expression pattern")
        batch = self.world.batches.by_token(self.provider, call.account, token)
        if batch is None:
            batch = self._take(call, body, token)
        return {"jobArn": batch.facts["arn"]}

    def _take(self, call: Call, body: dict[str, Any], token: str) -> Batch:
        name, role = str(body.get("jobName", "")), str(body.get("roleArn", ""))
        if not _NAME.fullmatch(name) or len(name) > 63:
            raise constraint(name, "jobName", "satisfy regular expression pattern")
        if not _ROLE.fullmatch(role):
            raise constraint(role, "roleArn", "satisfy regular expression pattern")
        hours = body.get("timeoutDurationInHours", 24)
        if not isinstance(hours, int) or not 24 <= hours <= 168:
            raise constraint(hours, "timeoutDurationInHours", "be between 24 and 168")
        kind = body.get("modelInvocationType", "InvokeModel")
        if kind not in {"InvokeModel", "Converse"}:
            raise constraint(kind, "modelInvocationType", "satisfy enum value set")
        place = region(call.request.headers)
        model = find(named(str(body.get("modelId", ""))), place, self.world)
        source = _uri(body, "inputDataConfig", "s3InputDataConfig")
        target = _uri(body, "outputDataConfig", "s3OutputDataConfig")
        inputs, wrong = self._inputs(*source)
        self.refuse_tokens(
            call, model.id, inputs, lambda _: Refusal(429, "Too many records are enqueued.")
        )
        number = self.new_id("", 12).lower()
        return self.world.batches.accept(
            id=number,
            account=call.account,
            format=BedrockFormat(converse=kind == "Converse"),
            endpoint=kind,
            model=model.id,
            inputs=inputs,
            headers=call.request.headers,
            label={"jobName": name, "clientRequestToken": token, "tags": body.get("tags", [])},
            window=hours * _HOUR,
            fault=call.batch_fault,
            token=token,
            settled=self._publish,
            facts={
                "arn": f"arn:aws:bedrock:{place}:{_ACCOUNT}:model-invocation-job/{number}",
                "body": body,
                "hours": hours,
                "embeds": model.mode == "embedding",
                "named": named(str(body["modelId"])),
                "target": target,
                "wrong": wrong,
            },
        )

    def _inputs(self, bucket: str, key: str) -> tuple[list[Received], str]:
        """The input, or why there is none: one file, or all in a folder."""
        if not key.endswith("/"):
            found = self._buckets.get(bucket, key)
            listed = [found] if found else []
        else:
            listed = [s for s in self._buckets.under(bucket, key) if s.key.endswith(".jsonl")]
        if not listed:
            return [], f"The input s3://{bucket}/{key} does not exist or holds no .jsonl file."
        return [stored.received for stored in listed], ""

    def _publish(self, batch: Batch) -> None:
        """Put the results beside the input's name, and a manifest with what they come to."""
        if batch.problems:
            return
        bucket, key = batch.facts["target"]
        folder = f"{key.rstrip('/')}/{batch.id}/" if key.strip("/") else f"{batch.id}/"
        source = _uri(batch.facts["body"], "inputDataConfig", "s3InputDataConfig")[1]
        first = source if not source.endswith("/") else f"{source}input.jsonl"
        if not (batch.fault and batch.fault.name == "lost-results"):
            name = f"{folder}{first.rpartition('/')[2]}.out"
            self._write(bucket, name, batch.results.out, batch.stop[0])
        good, bad, _ = counts(batch)
        usage = spent(batch)
        manifest = {
            "totalRecordCount": batch.total,
            "processedRecordCount": good + bad,
            "successRecordCount": good,
            "errorRecordCount": bad,
            "inputTokenCount": usage.input_tokens,
            "outputTokenCount": usage.output_tokens,
        }
        path = self._buckets.spool.path("manifest")
        path.write_bytes(msgspec.json.encode(manifest))
        self._write(bucket, f"{folder}manifest.json.out", path, batch.stop[0])

    def _write(self, bucket: str, key: str, path: Path, moment: float) -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, _md5).hexdigest()
        size = path.stat().st_size
        self._buckets.put(Stored(bucket, key, path, size, 0, digest, moment))

    async def _found(self, call: Call) -> Batch:
        name = unquote(call.path("batch")).rpartition("/")[2]
        batch = await self.find(call, name)
        if batch is None:
            raise Refusal(404, "Could not find the job for the given job ARN.")
        return batch

    async def batch(self, call: Call) -> Any:
        return self._show(await self._found(call))

    async def cancel(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) in ENDED:
            message = f"The job is {self._state(batch)} and cannot be stopped."
            raise Refusal(409, message, type="ConflictException")
        batch.cancel(self.now)
        return {}

    async def batches(self, call: Call) -> Any:
        """A page of jobs, newest first, that fit the filters."""
        query = call.query
        found = await self.up_to_date(self.listed(call))
        if name := query.get("nameContains"):
            found = [batch for batch in found if name in batch.label["jobName"]]
        if state := query.get("statusEquals"):
            found = [batch for batch in found if self._state(batch) == state]
        if after := query.get("submitTimeAfter"):
            found = [batch for batch in found if batch.timeline.created > _moment(after)]
        if before := query.get("submitTimeBefore"):
            found = [batch for batch in found if batch.timeline.created < _moment(before)]
        if query.get("sortOrder") == "Ascending":
            found.reverse()
        size = query.get("maxResults", "100")
        if not size.isdigit() or not 1 <= int(size) <= 1000:
            raise constraint(size, "maxResults", "have value between 1 and 1000")
        start = paging.start(query.get("nextToken", ""))
        if start is None:
            raise invalid("Invalid nextToken.")
        end = start + int(size)
        body: dict[str, Any] = {
            "invocationJobSummaries": [self._show(batch) for batch in found[start:end]]
        }
        return body | ({"nextToken": paging.token(end)} if end < len(found) else {})

    def _state(self, batch: Batch) -> str:
        phase = batch.phase(self.now)
        if phase == "validating" and self.now < batch.timeline.created + 1:
            return "Submitted"
        if phase == "expired":
            return "PartiallyCompleted" if sum(batch.results.kinds) else "Expired"
        return _STATES.get(phase, "InProgress")

    def _show(self, batch: Batch) -> dict[str, Any]:
        phase, (moment, _) = batch.phase(self.now), batch.stop
        good, bad, _ = counts(batch)
        body, plan = batch.facts["body"], batch.timeline
        shown = {
            "jobArn": batch.facts["arn"],
            "jobName": batch.label["jobName"],
            "modelId": body["modelId"],
            "roleArn": body["roleArn"],
            "status": self._state(batch),
            "submitTime": rfc3339(plan.created),
            "lastModifiedTime": rfc3339(moment if phase in ENDED else self.now),
            "inputDataConfig": body["inputDataConfig"],
            "outputDataConfig": body["outputDataConfig"],
            "timeoutDurationInHours": batch.facts["hours"],
            "jobExpirationTime": rfc3339(plan.expires),
            "modelInvocationType": batch.endpoint,
            "totalRecordCount": batch.total,
            "processedRecordCount": good + bad,
            "successRecordCount": good,
            "errorRecordCount": bad,
        }
        if batch.label["clientRequestToken"]:
            shown["clientRequestToken"] = batch.label["clientRequestToken"]
        if phase in ENDED:
            shown["endTime"] = rfc3339(moment)
        if phase == "failed":
            shown["message"] = batch.problems[0].message
        return shown


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _uri(body: dict[str, Any], outer: str, inner: str) -> tuple[str, str]:
    """Bucket and key of a place in S3."""
    given = body.get(outer)
    place = given.get(inner) if isinstance(given, dict) else None
    uri = str(place.get("s3Uri", "")) if isinstance(place, dict) else ""
    found = split(uri, "s3")
    if found is None:
        raise constraint(uri, f"{outer}.{inner}.s3Uri", "satisfy regular expression pattern")
    return found


def _moment(given: str) -> float:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise invalid(f"'{given}' is not a time.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
