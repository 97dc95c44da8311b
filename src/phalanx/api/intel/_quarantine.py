"""Lines that could not be read, over HTTP: one in full, and reading them again once a reader supports them."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer, asked
from phalanx.core import InvalidInput, StorageFull, TenantId, event_id
from phalanx.intel import Quarantine, Replay, ReplayOut, Replays
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_MAX_LINES = 1_000


class RejectedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that could not be read: why, and how it begins. ``id`` is what its event's would have been.

    ``replayed_as`` is the event that it became when it was read again, empty if it was not.
    """

    id: str
    batch: str
    row: int
    at_ns: int
    reader: str
    reason: str
    raw: str
    replayed_as: str


class WholeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that could not be read, in full while it is stored; ``kept`` says whether it is."""

    line: RejectedLine
    kept: bool
    whole: str


class ReplayLinesWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines are to be read again (none named: all), and as what; ``after`` continues an earlier call."""

    lines: tuple[str, ...] = ()
    reader: str = ""
    after: str = ""


KINDS: tuple[type, ...] = (RejectedLine, WholeLine, ReplayLinesWanted, ReplayOut)


def quarantine_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/events/quarantine``."""
    router = APIRouter(prefix="/v1/events/quarantine", tags=["events"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))
    replays = replays_of(node)

    @router.get("", responses=answer(RejectedLine, many=True))
    async def list_quarantine(
        request: Request, principal: Annotated[Principal, viewer], asked: Annotated[Page, Depends(page)]
    ) -> Response:
        """Lines that could not be read, each with the reason, newest first."""
        found = await rejected_lines(node, principal.tenant, after=asked.after, limit=asked.limit)
        return reply_page(request, found, asked=asked, last=found[-1].id if found else "")

    @router.get("/{line_id}", responses=answer(WholeLine))
    async def get_line(line_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """One such line, in full."""
        kept, place, whole = await replays.line(principal.tenant, line_id)
        line = _rejected(kept, await replays.of(principal.tenant, kept.id))[place]
        shown = "" if whole is None else whole.decode("utf-8", "backslashreplace")
        return reply(WholeLine(line=line, kept=whole is not None, whole=shown))

    @router.post("/replay", responses=answer(ReplayOut), openapi_extra=asked(ReplayLinesWanted))
    async def replay_lines(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Accept, each once, what can now be read; continue with ``next`` until it is empty."""
        if node.read_only:
            raise StorageFull("lines that are read again")
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload) or b"{}", type=ReplayLinesWanted)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        if len(wanted.lines) > _MAX_LINES:
            raise InvalidInput("lines", f"at most {_MAX_LINES} at once")
        out = await replays.replay(
            principal.tenant, by=principal.name, reader=wanted.reader, only=wanted.lines, after=wanted.after
        )
        return reply(out)

    return router


def replays_of(node: "Node") -> Replays:
    """It has no state of its own, so each caller creates one."""
    return Replays(node.events, node.intake, node.store, node.clock, node.ledger)


async def rejected_lines(node: "Node", tenant: TenantId, *, after: str = "", limit: int) -> list[RejectedLine]:
    """The newest lines in quarantine, past ``after``."""
    replays = replays_of(node)
    found: list[RejectedLine] = []
    for group in await node.events.quarantine(tenant, after=after, limit=limit, reverse=True):
        lines = _rejected(group, await replays.of(tenant, group.id))
        found += [line for line in reversed(lines) if not after or line.id < after]
        if len(found) >= limit:
            break
    return found[:limit]


def _rejected(kept: Quarantine, replay: Replay | None) -> list[RejectedLine]:
    return [
        RejectedLine(
            # What is not even a chunk has no batch; it stands under the id it is kept by.
            id=event_id(kept.batch, line.row) if kept.batch else kept.id,
            batch=kept.batch,
            row=line.row,
            at_ns=kept.at_ns,
            reader=kept.reader,
            reason=line.reason,
            raw=line.excerpt,
            replayed_as="" if replay is None else replay.event_of(line.row),
        )
        for line in kept.lines
    ]
