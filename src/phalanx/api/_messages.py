"""What agents say to each other: routes, members, streams to other processes, and what was not delivered."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._limits import (
    MAX_BROADCAST_CHARS,
    MAX_BROADCAST_WAIT_S,
    MAX_GRAPH_DEGREE,
    MAX_GRAPHS,
    MAX_SURVEY_WAIT_S,
    MAX_TOPOLOGY_TRIALS,
)
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer, answer_text, asked
from phalanx.core import NO_TRACE, AuditEntry, InvalidInput, NotFound, Rng, derive_id, encode_json
from phalanx.messaging import (
    BroadcastView,
    BusView,
    DeadLetters,
    DeadLetterView,
    Member,
    MemberView,
    Survey,
    TopologyReport,
    drawn,
    graphs_over,
    measured,
    show_bus,
    show_letter,
    show_members,
    show_report,
    surveyed,
    surveyed_places,
)
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_SVG = "image/svg+xml"


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter that was accepted after all, and by how many recipients."""

    id: str
    taken: int


class Discarded(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter that is no longer stored."""

    id: str


class Broadcast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An emergency to every agent: what it says, and how long to wait for the report."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_BROADCAST_CHARS)]
    within_s: Annotated[float, msgspec.Meta(gt=0, le=MAX_BROADCAST_WAIT_S)] = 5.0


class TopologyView(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster as it measured itself, and how graphs over its processes compare."""

    survey: Survey
    report: TopologyReport


KINDS: tuple[type, ...] = (
    BroadcastView, Broadcast, BusView, MemberView, DeadLetterView, Replayed, Discarded,
    TopologyView,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Graphs:
    degrees: tuple[int, ...]
    silent: float
    trials: int
    seed: int
    within_s: float


def _graphs(
    degree: Annotated[
        list[Annotated[int, Field(ge=2, le=MAX_GRAPH_DEGREE)]],
        Query(max_length=MAX_GRAPHS, description="Degrees of regular graphs; repeatable."),
    ] = [8, 10],  # noqa: B006 - FastAPI copies it
    silent: Annotated[float, Query(ge=0, le=0.95, description="Share of the processes drawn as silent.")] = 1 / 3,
    trials: Annotated[
        int, Query(ge=1, le=MAX_TOPOLOGY_TRIALS, description="How many random choices of who is silent.")
    ] = 20,
    seed: Annotated[int, Query(ge=0, description="Seed of these choices.")] = 1,
    within_s: Annotated[float, Query(gt=0, le=MAX_SURVEY_WAIT_S, description="How long to wait for answers.")] = 3.0,
) -> _Graphs:
    return _Graphs(tuple(degree), silent, trials, seed, within_s)


def _compared(survey: Survey, wanted: _Graphs) -> tuple[TopologyReport, str]:
    """The report and the picture. In a separate process: a full mesh of many processes takes long to search."""
    places = surveyed_places(survey)
    graphs = graphs_over(places, wanted.degrees)
    rng = Rng(wanted.seed).child("silence")
    report = measured(
        places, graphs, rng, silent_share=wanted.silent, trials=wanted.trials, seed=wanted.seed
    )  # fmt: skip
    return report, drawn(places, graphs, report)


def message_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/messages``."""
    router = APIRouter(prefix="/v1/messages", tags=["messages"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(BusView), dependencies=[viewer])
    async def get_bus() -> Response:
        """The bus: how each kind is routed, what was sent and received, and the streams to other processes."""
        return reply(show_bus(node.bus))

    @router.post("/broadcast", responses=answer(BroadcastView), openapi_extra=asked(Broadcast))
    async def broadcast(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Alert every agent that serves the caller's tenant, and report who received it in the given time."""
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
        """Send it again to the recipient that did not get it, and delete it once it was accepted."""
        receipt = await node.bus.replay(await _kept(node).get(principal.tenant, letter_id))
        return reply(Replayed(id=letter_id, taken=receipt.taken))

    @router.post("/dead-letters/{letter_id}/discard", responses=answer(Discarded))
    async def discard_dead_letter(letter_id: str, principal: Annotated[Principal, operator]) -> Response:
        """Delete it."""
        await _kept(node).forget(await _kept(node).get(principal.tenant, letter_id))
        return reply(Discarded(id=letter_id))

    _add_topology(router, node, viewer)
    return router


def _add_topology(router: APIRouter, node: "Node", viewer: Any) -> None:
    @router.get("/topology", responses=answer(TopologyView), dependencies=[viewer])
    async def get_topology(wanted: Annotated[_Graphs, Depends(_graphs)]) -> Response:
        """Have every process measure its paths to the others, and compare graphs over them."""
        survey = await surveyed(node.bus, wanted.within_s)
        return reply(TopologyView(survey=survey, report=(await node.offload.run(_compared, survey, wanted))[0]))

    @router.get("/topology.svg", responses=answer_text(_SVG, "the graphs"), dependencies=[viewer])
    async def draw_topology(wanted: Annotated[_Graphs, Depends(_graphs)]) -> Response:
        """The same as a picture."""
        survey = await surveyed(node.bus, wanted.within_s)
        return Response((await node.offload.run(_compared, survey, wanted))[1], media_type=_SVG)


def _entry(shown: BroadcastView, text: str, principal: Principal) -> AuditEntry:
    """An alert to everybody is recorded together with who sent it."""
    return AuditEntry(
        id=derive_id(shown.at_ns, "broadcast", shown.envelope), tenant=principal.tenant, trace=NO_TRACE,
        at_ns=shown.at_ns, actor=principal.name, action="messaging.broadcast", subject=shown.envelope, case="",
        body={"text": text, "taken": shown.taken, "open": shown.open_count, "refusals": shown.refusals},
    )  # fmt: skip


def _kept(node: "Node") -> DeadLetters:
    if node.bus.dead_letters is None:
        raise NotFound("dead letters", node.bus.process)
    return node.bus.dead_letters
