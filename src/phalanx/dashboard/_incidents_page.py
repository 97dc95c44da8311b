"""The incidents section: what belongs together, and one incident: what happened, what was done about it, its graph."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from phalanx.core import Finding, TenantId
from phalanx.dashboard._limits import MAX_FILTER_CHARS, MAX_GRAPH_ENTITIES, MAX_INCIDENTS_SHOWN, MAX_NODE_MOMENTS
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import INCIDENTS
from phalanx.incidents import Incident, IncidentScore, IncidentStatus, Member, Moment, timeline
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_WIDTH, _RADIUS, _INNER = 720, 250, 120


@dataclass(frozen=True, slots=True)
class Dot:
    """An entity in the graph: where it is drawn, and how many findings name it."""

    label: str
    kind: str
    x: int
    y: int
    size: int
    anchor: str


@dataclass(frozen=True, slots=True)
class Line:
    """Findings that name both ends."""

    x1: int
    y1: int
    x2: int
    y2: int
    width: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One incident as the page shows it."""

    incident: Incident
    steps: tuple[tuple[Member, Finding], ...]
    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]
    stretches: tuple[tuple[Moment, ...], ...]
    omitted: int
    score: IncidentScore | None


@dataclass(frozen=True, slots=True)
class Choices:
    """What somebody who may act may choose from: who may have the incident, and which may be merged with it.

    ``key`` is what the next comment is sent under, so that one sent twice is said once.
    """

    people: tuple[str, ...]
    others: tuple[Incident, ...]
    key: str


def incidents_pages(
    node: "Node", renderer: Renderer
) -> tuple[Callable[[Request, Principal], Awaitable[Response]], Callable[[Request, Principal], Awaitable[Response]]]:
    """The list, and the page of one."""

    async def listed(request: Request, principal: Principal) -> Response:
        whose = request.query_params.get("whose", "")[:MAX_FILTER_CHARS]
        found = [one for one in await to_look_at(node, principal.tenant) if _meant(one, whose, principal.name)]
        return renderer.page(
            "incidents.html", principal=principal, section=INCIDENTS.path, incidents=found, whose=whose
        )

    async def one(request: Request, principal: Principal) -> Response:
        view = await incident_shown(node, principal.tenant, request.path_params["incident"])
        acts = principal.role.allows(Role.OPERATOR)
        choices = await choices_for(node, principal, view.incident) if acts else None
        return renderer.page("incident.html", principal=principal, section=INCIDENTS.path, view=view, choices=choices)

    return listed, one


def _meant(incident: Incident, whose: str, name: str) -> bool:
    """Whether it is in the list of ``whose``: mine, nobody's, or everybody's for any other word."""
    return {"mine": incident.assignee == name, "nobody": not incident.assignee}.get(whose, True)


async def choices_for(node: "Node", principal: Principal, incident: Incident) -> Choices:
    """As they stand now."""
    people = {*await node.handling.people(principal.tenant), principal.name} - {incident.assignee}
    found = await node.incidents.newest(principal.tenant, status=IncidentStatus.OPEN, limit=MAX_INCIDENTS_SHOWN)
    others = tuple(one for one in found if one.id != incident.id and one.members)
    return Choices(tuple(sorted(people)), others, node.ids.new())


async def to_look_at(node: "Node", tenant: TenantId) -> list[Incident]:
    """Open ones, the most severe first and of those the likeliest; then closed ones. Merged ones live on in them."""
    found: list[Incident] = []
    for status in (IncidentStatus.OPEN, IncidentStatus.CLOSED):
        some = await node.incidents.newest(tenant, status=status, limit=MAX_INCIDENTS_SHOWN)
        found += sorted(some, key=lambda one: (one.severity, one.probability, one.first_seen_ns), reverse=True)
    return found[:MAX_INCIDENTS_SHOWN]


async def incident_shown(node: "Node", tenant: TenantId, ident: str) -> Shown:
    """Everything of one incident. Raises ``NotFound``."""
    incident = await node.incidents.get(tenant, ident)
    steps = [(member, await node.findings.get(tenant, member.finding)) for member in incident.members]
    dots, lines = graph_of(incident)
    done = await timeline(node.store, incident)
    return Shown(
        incident=incident,
        steps=tuple(steps),
        dots=dots,
        lines=lines,
        stretches=in_stretches(done.moments),
        omitted=done.omitted,
        score=await node.incidents.score_of(tenant, ident),
    )


def in_stretches(moments: Sequence[Moment]) -> tuple[tuple[Moment, ...], ...]:
    """Moments in order; where the node did much in a row it is one stretch, as people look for people first."""
    found: list[tuple[Moment, ...]] = []
    for person, some in groupby(moments, lambda one: one.person):
        stretch = tuple(some)
        if person or len(stretch) <= MAX_NODE_MOMENTS:
            found += [(one,) for one in stretch]
        else:
            found.append(stretch)
    return tuple(found)


def graph_of(incident: Incident) -> tuple[tuple[Dot, ...], tuple[Line, ...]]:
    """Hosts on an inner circle, what else links findings on an outer one; lines where findings name both."""
    linked = incident.linked[:MAX_GRAPH_ENTITIES]
    hosts = [one for one in linked if one.entity.type == "host"]
    others = [one for one in linked if one.entity.type != "host"]
    places: dict[str, tuple[int, int]] = {}
    dots = []
    for ring, radius in ((hosts, _INNER), (others, _RADIUS)):
        for number, one in enumerate(ring):
            turn = 2 * math.pi * (number + (0.5 if radius == _RADIUS else 0.0)) / len(ring)
            x, y = round(_WIDTH / 2 + radius * math.cos(turn)), round(300 + radius * math.sin(turn))
            places[str(one.entity)] = x, y
            size = 5 + min(9, len(one.findings))
            label = one.entity.value.replace("\\", "/").rpartition("/")[2][-28:]
            dots.append(Dot(label, one.entity.type, x, y, size, "start" if x >= _WIDTH / 2 else "end"))
    lines = []
    for number, left in enumerate(linked):
        for right in linked[:number]:
            both = len(set(left.findings) & set(right.findings))
            if both:
                (x1, y1), (x2, y2) = places[str(left.entity)], places[str(right.entity)]
                lines.append(Line(x1, y1, x2, y2, min(6, both)))
    return tuple(dots), tuple(lines)
