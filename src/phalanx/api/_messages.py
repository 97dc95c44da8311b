"""What agents say to each other: routes, members, streams to other processes, and what was not delivered."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._limits import MAX_BROADCAST_CHARS, MAX_BROADCAST_WAIT_S
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer, asked
from phalanx.core import NO_TRACE, AuditEntry, InvalidInput, NotFound, derive_id, encode_json
from phalanx.messaging import (
    BroadcastView,
    BusView,
    DeadLetters,
    DeadLetterView,
    Member,
    MemberView,
    show_bus,
    show_letter,
    show_members,
    show_report,
)
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter that was taken after all, by how many recipients."""

    id: str
    taken: int


class Discarded(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter that is not kept any more."""

    id: str


class Broadcast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An emergency to every agent: what it says, and how long to wait for the report."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_BROADCAST_CHARS)]
    within_s: Annotated[float, msgspec.Meta(gt=0, le=MAX_BROADCAST_WAIT_S)] = 5.0


KINDS: tuple[type, ...] = (BroadcastView, Broadcast, BusView, MemberView, DeadLetterView, Replayed, Discarded)


def message_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/messages``."""
    router = APIRouter(prefix="/v1/messages", tags=["messages"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(BusView), dependencies=[viewer])
    async def get_bus() -> Response:
        """The bus: how each kind is routed, what was sent and taken, and the streams to other processes."""
        return reply(show_bus(node.bus))

    @router.post("/broadcast", responses=answer(BroadcastView), openapi_extra=asked(Broadcast))
    async def broadcast(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Alert every agent that serves the caller's tenant, and report who took it in the time that was given."""
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload), type=Broadcast)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        box = node.bus.join(Member(f"console-{node.ids.new()}", tags=frozenset({"console"})))
        try:
            body = encode_json({"text": wanted.text, "by": principal.name})
            report = await node.bus.broadcast(box, body, within_s=wanted.within_s, tenant=principal.tenant)
        finally:
            box.leave()
        shown = show_report(report)
        await node.ledger.record(_entry(shown, wanted.text, principal))
        return reply(shown)

    @router.get("/members", responses=answer(MemberView, many=True))
    async def list_members(
        request: Request, principal: Annotated[Principal, viewer], asked: Annotated[Page, Depends(page)]
    ) -> Response:
        """Agents that can be written to, here and in other processes, by address."""
        found = show_members(node.bus, principal.tenant, after=asked.after, limit=asked.limit)
        return reply_page(request, found, asked=asked, last=found[-1].address if found else "")

    @router.get("/dead-letters", responses=answer(DeadLetterView, many=True))
    async def list_dead_letters(
        request: Request, principal: Annotated[Principal, viewer], asked: Annotated[Page, Depends(page)]
    ) -> Response:
        """Envelopes that a recipient did not get, oldest first."""
        found = await _kept(node).listed(principal.tenant, after=asked.after, limit=asked.limit)
        shown = [show_letter(letter) for letter in found]
        return reply_page(request, shown, asked=asked, last=found[-1].id if found else "")

    @router.get("/dead-letters/{letter_id}", responses=answer(DeadLetterView))
    async def get_dead_letter(letter_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """One of them."""
        return reply(show_letter(await _kept(node).get(principal.tenant, letter_id)))

    @router.post("/dead-letters/{letter_id}/replay", responses=answer(Replayed))
    async def replay_dead_letter(letter_id: str, principal: Annotated[Principal, operator]) -> Response:
        """Send it again to the recipient that did not get it, and forget it once it was taken."""
        receipt = await node.bus.replay(await _kept(node).get(principal.tenant, letter_id))
        return reply(Replayed(id=letter_id, taken=receipt.taken))

    @router.post("/dead-letters/{letter_id}/discard", responses=answer(Discarded))
    async def discard_dead_letter(letter_id: str, principal: Annotated[Principal, operator]) -> Response:
        """Forget it."""
        await _kept(node).forget(await _kept(node).get(principal.tenant, letter_id))
        return reply(Discarded(id=letter_id))

    return router


def _entry(shown: BroadcastView, text: str, principal: Principal) -> AuditEntry:
    """Whoever alerts everybody is on record with it."""
    return AuditEntry(
        id=derive_id(shown.at_ns, "broadcast", shown.envelope), tenant=principal.tenant, trace=NO_TRACE,
        at_ns=shown.at_ns, actor=principal.name, action="messaging.broadcast", subject=shown.envelope, case="",
        body={"text": text, "taken": shown.taken, "open": shown.open_count, "refusals": shown.refusals},
    )  # fmt: skip


def _kept(node: "Node") -> DeadLetters:
    if node.bus.dead_letters is None:
        raise NotFound("dead letters", node.bus.process)
    return node.bus.dead_letters
