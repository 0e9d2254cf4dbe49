"""What the batch dialects write: rows, addresses, forms with files."""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from llm_orchestrator import dialects, errors
from llm_orchestrator.dialects.batch import endpoint
from llm_orchestrator.types.batch import BatchFile, BatchItem, Texts
from llm_orchestrator.types.http import FilePart, HTTPCall
from llm_orchestrator.types.provider import Candidate

JSON = {"Content-Type": "application/json"}

encode_json = msgspec.json.Encoder().encode
read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""The fields of an object, each as it came."""
_BOUNDARY = "llmo-batch-3f9a61c07d"
"""No line of JSON begins with it, so no file can hold it as a boundary."""


def encoded(item: BatchItem, target: Candidate, notices: set[str] | None) -> HTTPCall:
    """The row as one call of the target's dialect, never streamed."""
    dialect, request = dialects.load(target.provider.dialect), item.request
    if isinstance(request, Texts):
        endpoint(target, embeds=True)
        return dialect.encode_embeddings(request.texts, target, request.dimensions)
    endpoint(target, embeds=False)
    if request.stream:
        request = msgspec.structs.replace(request, stream=False)
    try:
        call = dialect.encode(request, _limited(target))
    except (TypeError, ValueError, RecursionError) as error:  # what encoding JSON raises
        raise errors.InvalidRequestError(
            f"the row cannot be written as JSON: {error}", code="unwritable"
        ) from None
    if notices is not None and call.notices:
        notices.update(call.notices)
    return call


def _limited(target: Candidate) -> Candidate:
    """The target without the abilities that it has in real time only."""
    wire, provider = target.provider.batch, target.provider
    if wire is None or not wire.lacks:
        return target
    less = msgspec.structs.replace(provider, lacks=provider.lacks | wire.lacks, wires=())
    return Candidate(less, target.model)


def without(body: bytes, name: str) -> msgspec.Raw:
    """The body of a call without one of its fields."""
    fields = read_fields(body)
    fields.pop(name, None)
    return msgspec.Raw(encode_json(fields))


def address(target: Candidate, path: str, *more: str) -> str:
    """The whole address of a path below ``base_url``, with quoted parts after it."""
    base = path if "://" in path else target.provider.base_url + path
    return "/".join((base, *(quote(part, safe="") for part in more)))


def multipart(fields: Mapping[str, str], file: BatchFile | None, name: str = "file") -> HTTPCall:
    """The parts and headers of a form with a file at its end; the address is still missing."""
    head = "".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    )
    parts: tuple[bytes | FilePart, ...] = (f"{head}--{_BOUNDARY}--\r\n".encode(),)
    if file is not None:
        head += (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; '
            f'filename="{file.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        end = f"\r\n--{_BOUNDARY}--\r\n".encode()
        parts = (head.encode(), FilePart(file.path, file.size), end)
    kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return HTTPCall("", headers=kind, parts=parts)


def inline(before: bytes, file: BatchFile, after: bytes) -> tuple[bytes | FilePart, ...]:
    """A JSON text with the rows of the file as the elements of an array in it."""
    rows = FilePart(file.path, max(0, file.size - 1), joined=True)  # without the last line feed
    return (before, rows, after)
