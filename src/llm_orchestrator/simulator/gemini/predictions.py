"""Batch prediction jobs of Vertex AI: lines from a bucket, results beside them."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.buckets import Buckets, Stored, split
from llm_orchestrator.simulator.batches.endpoints import BatchEndpoints, counts
from llm_orchestrator.simulator.batches.files import Received
from llm_orchestrator.simulator.batches.handlers import Call
from llm_orchestrator.simulator.batches.timeline import ENDED
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.gemini import errors
from llm_orchestrator.simulator.gemini.errors import invalid
from llm_orchestrator.simulator.gemini.files import page_of
from llm_orchestrator.simulator.gemini.place import Google, Place, place_of
from llm_orchestrator.simulator.gemini.prediction_format import VertexFormat
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_MODEL: Final = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/([^/]+)")
_FILTER: Final = re.compile(r'\s*(display_name|displayName|state)\s*=\s*"([^"]*)"\s*')
_STATES: Final = {
    "validating": "QUEUED",
    "queued": "PENDING",
    "cancelling": "CANCELLING",
    "completed": "SUCCEEDED",
    "failed": "FAILED",
    "expired": "EXPIRED",
    "cancelled": "CANCELLED",
}


class PredictionJobs(BatchEndpoints):
    """Handlers for one world."""

    def __init__(self, world: World, buckets: Buckets) -> None:
        super().__init__(world, Google(Place("vertex", "v1")), VertexFormat())
        self._buckets = buckets

    def routes(self, base: str) -> list[web.RouteDef]:
        """All paths under the one of a project and location."""
        handler, jobs = self.handler, f"{base}/batchPredictionJobs"
        job = f"{jobs}/{{batch:[^/:]+}}"
        return [
            web.post(jobs, handler("create", self.create)),
            web.get(jobs, handler("list", self.batches)),
            web.post(f"{job}:cancel", handler("cancel", self.cancel)),
            web.get(job, handler("poll", self.batch)),
            web.delete(job, handler("delete", self.delete)),
        ]

    async def create(self, call: Call) -> Any:
        """A job over the lines of objects."""
        body, place = await json_body(call.request), place_of(call.request)
        name = body.get("displayName")
        if not isinstance(name, str) or not 1 <= len(name) <= 128:
            raise invalid("display_name must have 1 to 128 characters.", "display_name")
        named = _MODEL.fullmatch(str(body.get("model", "")))
        if not named:
            raise invalid(f"Invalid model name: {body.get('model')}.", "model")
        found = self.world.models.find("vertex", named[1])
        embeds = found is not None and found.mode == "embedding"
        method = "predict" if embeds else "generateContent"
        model = Google(place).model({"model": named[1]}, self.world, method)
        target = self._target(body)
        inputs, wrong = self._inputs(body)
        self.refuse_tokens(
            call, model.id, inputs, lambda _: Refusal(429, "Quota exceeded for batch tokens.")
        )
        digits = int.from_bytes(self.new_id("", 12).encode(), "big") % 10**19
        batch = self.world.batches.accept(
            id=str(digits),
            account=call.account,
            format=VertexFormat(embeds=embeds),
            endpoint=method,
            model=model.id,
            inputs=inputs,
            headers=call.request.headers,
            label=name,
            fault=call.batch_fault,
            settled=self._publish,
            facts={"body": body, "place": place, "target": target, "wrong": wrong},
        )
        return self._show(batch)

    def _target(self, body: dict[str, Any]) -> tuple[str, str]:
        config = body.get("outputConfig")
        place = config.get("gcsDestination") if isinstance(config, dict) else None
        uri = str(place.get("outputUriPrefix", "")) if isinstance(place, dict) else ""
        found = split(uri, "gs")
        if found is None:
            raise invalid("output_config needs a gcs_destination.", "output_config")
        if not isinstance(config, dict) or config.get("predictionsFormat") != "jsonl":
            raise invalid("predictions_format must be jsonl.", "output_config")
        return found

    def _inputs(self, body: dict[str, Any]) -> tuple[list[Received], str]:
        """The input, or why there is none."""
        config = body.get("inputConfig")
        place = config.get("gcsSource") if isinstance(config, dict) else None
        uris = place.get("uris") if isinstance(place, dict) else None
        if not isinstance(uris, list) or not uris or not isinstance(config, dict):
            raise invalid("input_config needs a gcs_source.", "input_config")
        if config.get("instancesFormat") != "jsonl":
            raise invalid("instances_format must be jsonl.", "input_config")
        inputs: list[Received] = []
        for uri in uris:
            where = split(str(uri), "gs")
            found = self._buckets.get(*where) if where else None
            if found is None:
                return [], f"The object {uri} does not exist."
            inputs.append(found.received)
        return inputs, ""

    def _publish(self, batch: Batch) -> None:
        """Put the results into a folder of their own under the prefix."""
        if batch.problems:
            return
        bucket, prefix = batch.facts["target"]
        moment = batch.stop[0]
        stamp = rfc3339(moment).replace("Z", ".000000Z")
        folder = "/".join(filter(None, (prefix.strip("/"), f"prediction-model-{stamp}")))
        batch.facts["folder"] = f"gs://{bucket}/{folder}"
        if batch.fault and batch.fault.name == "lost-results":
            return
        path = batch.results.out
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, _md5).hexdigest()
        size, key = path.stat().st_size, f"{folder}/predictions.jsonl"
        self._buckets.put(Stored(bucket, key, path, size, 0, digest, moment))

    async def _found(self, call: Call) -> Batch:
        place, batch = place_of(call.request), await self.find(call, call.path("batch"))
        if batch is None or batch.facts["place"].project != place.project:
            raise errors.gone(f"batchPredictionJobs/{call.path('batch')}")
        return batch

    async def batch(self, call: Call) -> Any:
        return self._show(await self._found(call))

    async def cancel(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) in ENDED:
            raise Refusal(400, "The job has ended and cannot be cancelled.")
        batch.cancel(self.now)
        return {}

    async def delete(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) not in ENDED:
            raise Refusal(400, "The job is running and cannot be deleted.")
        batch.facts["deleted"] = True
        name = f"{self._name(batch).rpartition('/batch')[0]}/operations/{batch.id}"
        return {"name": name, "done": True, "response": {}}

    async def batches(self, call: Call) -> Any:
        """A page of jobs of a project and location, newest first, that fit the filter."""
        place = place_of(call.request)
        where = (place.project, place.location)
        found = await self.up_to_date(
            batch
            for batch in self.listed(call)
            if (batch.facts["place"].project, batch.facts["place"].location) == where
        )
        if given := call.query.get("filter"):
            wanted = _FILTER.fullmatch(given)
            if not wanted:
                raise invalid(f"The filter {given} is not valid.", "filter")
            by_state = wanted[1] == "state"
            found = [
                batch
                for batch in found
                if (self._state(batch) if by_state else batch.label) == wanted[2]
            ]
        page, token = page_of(call, len(found), "pageSize", 50, 100)
        body: dict[str, Any] = {}
        if page:
            body["batchPredictionJobs"] = [self._show(found[n]) for n in page]
        return body | ({"nextPageToken": token} if token else {})

    def _state(self, batch: Batch) -> str:
        return f"JOB_STATE_{_STATES.get(batch.phase(self.now), 'RUNNING')}"

    def _name(self, batch: Batch) -> str:
        place = batch.facts["place"]
        where = f"projects/{place.project}/locations/{place.location}"
        return f"{where}/batchPredictionJobs/{batch.id}"

    def _show(self, batch: Batch) -> dict[str, Any]:
        phase, (moment, _) = batch.phase(self.now), batch.stop
        body, plan = batch.facts["body"], batch.timeline
        good, bad, left = counts(batch)
        ended = phase in ENDED
        shown: dict[str, Any] = {
            "name": self._name(batch),
            "displayName": batch.label,
            "model": body["model"],
            "inputConfig": body["inputConfig"],
            "outputConfig": body["outputConfig"],
            "state": self._state(batch),
            "createTime": rfc3339(plan.created),
            "updateTime": rfc3339(moment if ended else self.now),
        }
        if body.get("labels"):
            shown["labels"] = body["labels"]
        if self.now >= plan.begun and phase != "failed":
            shown["startTime"] = rfc3339(plan.begun)
            figures = {"successfulCount": good, "failedCount": bad, "incompleteCount": left}
            shown["completionStats"] = {n: str(f) for n, f in figures.items() if f}
        if ended:
            shown["endTime"] = rfc3339(moment)
        if "folder" in batch.facts:
            shown["outputInfo"] = {"gcsOutputDirectory": batch.facts["folder"]}
        if phase == "failed":
            shown["error"] = {"code": 3, "message": batch.problems[0].message}
        return shown


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)
