"""Whole files over HTTP: compressed, binary or single-document files are converted into lines and accepted."""

import hashlib
import io
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._limits import MAX_HEADER_CHARS
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import MAX_NAME_CHARS, BatchId, InvalidInput, LimitExceeded, StorageFull, event_id
from phalanx.intel import MAX_READER_CHARS, BadLine, check_reader
from phalanx.intel.reading import file_chunks
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file as it is, of at most 8 MiB.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class FileTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted from a file, durably: lines, how many of them were there already, and the batches they are
    in.

    ``ended`` says why the rest of the file was not read; it is empty if all of it was.
    """

    lines: int
    already_there: int
    batches: tuple[str, ...]
    first_event: str
    ended: str


KINDS: tuple[type, ...] = (FileTaken,)


def file_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/events/files``."""
    router = APIRouter(prefix="/v1/events", tags=["events"], default_response_class=Response)

    @router.post("/files", status_code=202, responses=answer(FileTaken, status=202), openapi_extra=_BODY)
    async def post_file(
        request: Request,
        principal: Annotated[Principal, Depends(gate.needs(Role.INGEST))],
        name: Annotated[str, Query(max_length=MAX_NAME_CHARS, description="Name of the file.")] = "file",
        reader: Annotated[
            str,
            Query(max_length=MAX_READER_CHARS, description="Format of the lines; `auto` recognises it line by line."),
        ] = "auto",
        idempotency_key: Annotated[
            str, Header(max_length=MAX_HEADER_CHARS, description="Names this file; by default its content does.")
        ] = "",
    ) -> Response:
        """Accept a file: a Windows event log, a Zeek log, a JSON document, lines, or any of them compressed.

        A file that was interrupted, by a full intake or otherwise, is sent again as a whole: nothing is accepted
        twice.
        """
        if node.read_only:
            raise StorageFull("new events")
        check_reader(reader)
        body = await read_body(request, node.offload)
        key = idempotency_key or hashlib.sha256(body).hexdigest()
        return reply(await _take_in(node, principal, body, name, reader, key), status=202)

    return router


async def _take_in(node: "Node", principal: Principal, body: bytes, name: str, reader: str, key: str) -> FileTaken:
    chunks = file_chunks(io.BytesIO(body), name, reader)
    lines = already = 0
    batches: list[str] = []
    ended = ""
    while True:
        try:
            chunk = await node.offload.run(next, chunks, None)
        except (BadLine, LimitExceeded) as error:
            ended = error.message
            break
        if chunk is None:
            break
        data, how = chunk
        accepted = await node.intake.accept(
            data, tenant=principal.tenant, reader=how, idempotency_key=f"file {key[:128]} {len(batches)}"
        )
        lines += accepted.events
        already += accepted.events if accepted.duplicate else 0
        batches.append(str(accepted.batch))
    if not batches:
        raise InvalidInput("body", ended or "there is no line in it")
    first = event_id(BatchId(batches[0]), 0)
    return FileTaken(lines=lines, already_there=already, batches=tuple(batches), first_event=first, ended=ended)
