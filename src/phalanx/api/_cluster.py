"""The cluster over HTTP: who is there, and inviting another node."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from phalanx.api._auth import Gate, keeper
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import NO_TRACE, AuditEntry, Unavailable
from phalanx.messaging import process_of
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Cluster, Node

_MAX_NAME_CHARS = 63
_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
_MAX_DAYS = 30.0


class PathView(msgspec.Struct, frozen=True, kw_only=True):
    """One path to the other nodes, and its state."""

    name: str
    connected: bool
    state: str


class PeerView(msgspec.Struct, frozen=True, kw_only=True):
    """Another node: its known agents, whether there is a channel, and what is in transit to it.

    ``silent_s`` is below zero until it was first heard.
    """

    process: str
    agents: int
    channel: bool
    on_the_way: int
    waiting: int
    retries: int
    round_trip_ms: float
    silent_s: float


class InvitationView(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation by this node; ``joined`` is the process that used it."""

    name: str
    expires_ns: int
    joined: str


class AssemblyView(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes that agree together: all of them, those that are present, and the epoch they share now.

    ``epoch`` is 0 and ``fixed_by`` empty while there is none.
    """

    roster: tuple[str, ...]
    present: tuple[str, ...]
    epoch: int
    fixed_by: str


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster as this node sees it; a node that is alone has no paths.

    ``strangers`` are on the server, and belong to no organisation trusted here.
    """

    process: str
    serves: bool
    urls: tuple[str, ...]
    paths: tuple[PathView, ...]
    peers: tuple[PeerView, ...]
    strangers: tuple[str, ...]
    invitations: tuple[InvitationView, ...]
    assembly: AssemblyView | None = None


class JoinTokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A token, shown only this once. Whoever has it can join, once."""

    name: str
    token: str


class DismissedView(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that was withdrawn."""

    name: str


KINDS: tuple[type, ...] = (AssemblyView, ClusterView, PathView, PeerView, InvitationView, JoinTokenView, DismissedView)


def _assembly(node: "Node") -> AssemblyView | None:
    if node.assembly is None:
        return None
    state = node.assembly.state()
    return AssemblyView(
        roster=tuple(sorted(state.roster)), present=tuple(sorted(state.present)),
        epoch=state.epoch.number if state.epoch is not None else 0,
        fixed_by=state.epoch.fixed_by if state.epoch is not None else "",
    )  # fmt: skip


def cluster_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/cluster``."""
    router = APIRouter(prefix="/v1/cluster", tags=["cluster"], default_response_class=Response)
    name = Query(max_length=_MAX_NAME_CHARS, pattern=_NAME, description="Name of the invitation.")

    @router.get("", responses=answer(ClusterView), dependencies=[Depends(gate.needs(Role.VIEWER))])
    async def get_cluster() -> Response:
        """This node among others: its paths, the nodes it talks to, strangers, invitations."""
        if node.cluster is None:
            alone = ClusterView(
                process=node.bus.process, serves=False, urls=(), paths=(), peers=(), strangers=(), invitations=()
            )
            return reply(alone)
        state = await node.cluster.state()
        agents: dict[str, int] = {}
        for member in node.bus.directory.members():
            there = process_of(member.address)
            agents[there] = agents.get(there, 0) + 1
        return reply(
            ClusterView(
                process=state.process, serves=state.serves, urls=state.urls,
                paths=tuple(PathView(name=path, connected=up, state=told) for path, up, told in state.paths),
                peers=tuple(
                    PeerView(
                        process=one.process, agents=agents.get(one.process, 0),
                        channel=node.cluster.peers.has_channel(one.process), on_the_way=one.on_the_way,
                        waiting=one.waiting, retries=one.retries, round_trip_ms=one.round_trip_ms,
                        silent_s=one.silent_s,
                    )
                    for one in state.peers
                ),
                strangers=state.strangers,
                invitations=tuple(
                    InvitationView(name=one.name, expires_ns=one.expires_ns, joined=one.joined)
                    for one in state.invitations
                ),
                assembly=_assembly(node),
            )
        )  # fmt: skip

    @router.post("/invitations", responses=answer(JoinTokenView))
    async def invite(
        principal: Annotated[Principal, Depends(keeper(gate))],
        name: Annotated[str, name],
        days: Annotated[float, Query(gt=0, le=_MAX_DAYS, description="For how long it can be used.")] = 1.0,
    ) -> Response:
        """A token with which one other node may join; an earlier one of that name becomes void. Recorded in the
        ledger.
        """
        token = await _cluster(node).invite(name, days=days)
        await _record(node, principal, "cluster.invited", name)
        return reply(JoinTokenView(name=name, token=token))

    @router.post("/invitations/remove", responses=answer(DismissedView))
    async def dismiss(principal: Annotated[Principal, Depends(keeper(gate))], name: Annotated[str, name]) -> Response:
        """Withdraw an invitation. Whoever used it is cut off, its organisation no longer trusted. Recorded in the
        ledger.
        """
        await _cluster(node).dismiss(name, actor=principal.name)
        await _record(node, principal, "cluster.dismissed", name)
        return reply(DismissedView(name=name))

    return router


def _cluster(node: "Node") -> "Cluster":
    if node.cluster is None:
        raise Unavailable(
            "the cluster", "this node is alone", hint="start it with `phalanx up --cluster`, or `--join TOKEN_FILE`"
        )
    return node.cluster


async def _record(node: "Node", principal: Principal, action: str, name: str) -> None:
    await node.ledger.record(
        AuditEntry(
            id=node.ids.new(), tenant=principal.tenant, trace=NO_TRACE, at_ns=node.clock.wall_ns(),
            actor=principal.name, action=action, subject=name, case="",
        )
    )  # fmt: skip
