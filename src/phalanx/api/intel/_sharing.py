"""Sharing over HTTP: collections, bundles in and out, and sources elsewhere."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import MAX_PAGE_ROWS, InvalidInput, NotFound, TenantId
from phalanx.intel.sharing import (
    MAX_CONTENT_BYTES,
    Audience,
    BundleRead,
    Collection,
    Export,
    MispRead,
    NotShareable,
    Pull,
    Status,
    StixObject,
    findings_as_stix,
    indicators_of,
    marking_named,
    misp_event,
    parted,
    read_bundle,
    read_misp,
    write_bundle,
)
from phalanx.messaging import Marking
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

STIX = "application/stix+json;version=2.1"
MISP = "application/vnd.misp+json"
_IMPORTED = "imported"
_ANY_JSON = {"application/json": {"schema": {"type": "object"}}}
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": _ANY_JSON}}
_BUNDLE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A STIX 2.1 bundle.", "content": {STIX: {"schema": {"type": "object"}}}}
}

_MISP: dict[int | str, dict[str, Any]] = {
    200: {"description": "A MISP event.", "content": {MISP: {"schema": {"type": "object"}}}}
}


class CollectionView(msgspec.Struct, frozen=True, kw_only=True):
    """A collection, how many versions of objects it holds, and when the last was added (0: never)."""

    id: str
    alias: str
    title: str
    description: str
    audience: Audience
    readers: tuple[str, ...]
    writers: tuple[str, ...]
    objects: int
    last_added_ns: int


class CollectionWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A collection to create or change. ``readers`` and ``writers`` are names of partners' tokens."""

    alias: str
    title: str = ""
    description: str = ""
    audience: Audience = Audience.OWN
    readers: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """An object that was refused, and why."""

    object: str
    reason: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a bundle. ``indicators`` are the values in it, ``unusable`` patterns without one.

    ``looked_for`` says whether the node looks for these values from now on, except for those ``left``: anything
    that is not a value of a kind that is looked for, or is on a warninglist.
    """

    added: int
    known: int
    upgraded: int
    indicators: int
    looked_for: bool
    left: tuple[Refusal, ...]
    refused: tuple[Refusal, ...]
    unusable: tuple[Refusal, ...]


class Pushed(msgspec.Struct, frozen=True):
    """Objects that were sent to a source, and those of them that it refused."""

    sent: int
    failed: int


KINDS: tuple[type, ...] = (
    CollectionView, CollectionWanted, Refusal, Imported, Pushed, Export, Status, Pull,
)  # fmt: skip

_Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_ROWS)]
_Case = Annotated[str, Query(max_length=512, description="All findings of this case.")]
_One = Annotated[str, Query(max_length=64, description="This finding.")]
_Tlp = Annotated[str, Query(max_length=16, description="TLP marking of what is shared; by default the settings'.")]
_Collection = Annotated[str, Query(max_length=64, description="Everything in this collection.")]
_To = Annotated[str, Query(max_length=128, description="For the record: whom it is given to.")]
_For = Annotated[Audience, Query(description="Audience.")]


def sharing_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/sharing``."""
    router = APIRouter(tags=["sharing"], default_response_class=Response)
    _collection_routes(router, node, gate)
    _import_routes(router, node, gate)
    _export_routes(router, node, gate)
    _source_routes(router, node, gate)
    return router


def _collection_routes(router: APIRouter, node: "Node", gate: Gate) -> None:
    viewer, admin = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.ADMIN))
    exchange = node.sharing.exchange

    async def view(tenant: TenantId, one: Collection) -> CollectionView:
        objects, last = await exchange.shelf.count(tenant, one.id)
        return CollectionView(
            id=one.id, alias=one.alias, title=one.title, description=one.description, audience=one.audience,
            readers=one.readers, writers=one.writers, objects=objects, last_added_ns=last,
        )  # fmt: skip

    @router.get("/v1/sharing/collections", responses=answer(CollectionView, many=True))
    async def list_collections(principal: Annotated[Principal, viewer]) -> Response:
        """Collections of the caller's tenant, by alias."""
        found = await exchange.collections.all(principal.tenant)
        return reply({"items": [await view(principal.tenant, one) for one in found], "next": ""})

    @router.post("/v1/sharing/collections", responses=answer(CollectionView), openapi_extra=asked(CollectionWanted))
    async def make_collection(request: Request, principal: Annotated[Principal, admin]) -> Response:
        """Create a collection, or give the one of that alias another audience and other readers."""
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload), type=CollectionWanted)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        made = await exchange.collections.make(
            principal.tenant, wanted.alias, title=wanted.title, description=wanted.description,
            audience=wanted.audience, readers=wanted.readers, writers=wanted.writers, by=principal.name,
        )  # fmt: skip
        return reply(await view(principal.tenant, made))

    @router.post("/v1/sharing/collections/{name}/remove", responses=answer(CollectionView))
    async def remove_collection(name: str, principal: Annotated[Principal, admin]) -> Response:
        """Remove a collection and everything in it."""
        found = await exchange.collections.get(principal.tenant, name)
        shown = await view(principal.tenant, found)
        await exchange.collections.remove(principal.tenant, found.id)
        await exchange.shelf.clear(principal.tenant, found.id)
        return reply(shown)

    @router.get("/v1/sharing/exports", responses=answer(Export, many=True))
    async def list_exports(principal: Annotated[Principal, viewer], limit: _Limit = 100) -> Response:
        """What was handed over, to whom, newest first. The ledger keeps the same permanently."""
        return reply({"items": await exchange.exports(principal.tenant, limit=limit), "next": ""})

    @router.get("/v1/sharing/statuses", responses=answer(Status, many=True))
    async def list_statuses(principal: Annotated[Principal, viewer], limit: _Limit = 100) -> Response:
        """Requests that added objects by TAXII, newest first."""
        return reply({"items": await exchange.statuses(principal.tenant, limit=limit), "next": ""})


def _import_routes(router: APIRouter, node: "Node", gate: Gate) -> None:
    operator = Depends(gate.needs(Role.OPERATOR))
    exchange = node.sharing.exchange

    async def _to(principal: Principal, name: str) -> Collection:
        """The collection; the default one for imports, which nobody else reads, is created when it is needed."""
        try:
            return await exchange.collections.get(principal.tenant, name)
        except NotFound:
            if name != _IMPORTED:
                raise
            return await exchange.collections.make(principal.tenant, name, title="Imported", by=principal.name)

    @router.post("/v1/sharing/collections/{name}/objects", responses=answer(Imported), openapi_extra=_BODY)
    async def import_objects(name: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Add the objects of a STIX bundle (2.0 or 2.1), each accepted or refused by itself."""
        found = await _to(principal, name)
        body = await read_body(request, node.offload)
        read = await node.offload.run(_read, body)
        return reply(await imported(node, principal.tenant, found, read.objects, read.upgraded,
                                    [Refusal(one.object, one.message) for one in read.rejected]))  # fmt: skip

    @router.post("/v1/sharing/collections/{name}/misp", responses=answer(Imported), openapi_extra=_BODY)
    async def import_misp(name: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Add a MISP event, or a list of them, as STIX objects."""
        found = await _to(principal, name)
        read = await node.offload.run(_read_misp, await read_body(request, node.offload), node.sharing.unmarked)
        refused = [Refusal(one.object, one.message) for one in read.rejected]
        refused += [Refusal(kind, f"{n} attributes have no form in STIX; kept in the report")
                    for kind, n in sorted(read.unmapped.items())]  # fmt: skip
        return reply(await imported(node, principal.tenant, found, read.objects, 0, refused))

    @router.post("/v1/sharing/collections/{name}/tell", responses=answer(Imported))
    async def tell(
        name: str, principal: Annotated[Principal, operator], case: _Case = "", finding: _One = "", marking: _Tlp = ""
    ) -> Response:
        """Put own findings into a collection, as far as its audience may receive them."""
        found = await exchange.collections.get(principal.tenant, name)
        objects, closed = await told(node, principal.tenant, case, finding, marking)
        refused = [Refusal(one.object, one.message) for one in closed]
        return reply(await imported(node, principal.tenant, found, objects, 0, refused, own=True))


def _export_routes(router: APIRouter, node: "Node", gate: Gate) -> None:
    operator = Depends(gate.needs(Role.OPERATOR))
    exchange = node.sharing.exchange

    async def asked_for(
        principal: Principal,
        case: str,
        finding: str,
        marking: str,
        audience: Audience,
        collection: str,
        to: str,
        way: str,
    ) -> list[StixObject]:
        """What is asked for, if the audience may receive it; recorded."""
        if collection:
            objects = await _kept(node, principal.tenant, collection)
        else:
            objects, closed = await told(node, principal.tenant, case, finding, marking)
            if closed:
                raise closed[0]
        closest, complete = await exchange.checked_for(objects, audience.ceiling, to or audience.value)
        await exchange.record(
            principal.tenant, [(one.id, one.version) for one in complete], to=to or principal.name,
            through=collection or case or finding, way=way, marking=closest,
        )  # fmt: skip
        return complete

    @router.get("/v1/sharing/bundle", responses=_BUNDLE)
    async def get_bundle(
        principal: Annotated[Principal, operator], case: _Case = "", finding: _One = "", marking: _Tlp = "",
        audience: _For = Audience.OWN, collection: _Collection = "", to: _To = "",
    ) -> Response:  # fmt: skip
        """Own findings, or everything in a collection, as a bundle; recorded in the ledger."""
        found = await asked_for(principal, case, finding, marking, audience, collection, to, "bundle")
        return Response(write_bundle(found), media_type=STIX)

    @router.get("/v1/sharing/misp", responses=_MISP)
    async def get_misp(
        principal: Annotated[Principal, operator], case: _Case = "", finding: _One = "", marking: _Tlp = "",
        audience: _For = Audience.OWN, collection: _Collection = "", to: _To = "",
    ) -> Response:  # fmt: skip
        """The same as a MISP event; recorded in the ledger."""
        found = await asked_for(principal, case, finding, marking, audience, collection, to, "misp")
        sharing = node.sharing
        made = misp_event(found, organisation=sharing.organisation, unmarked=sharing.unmarked)
        return Response(msgspec.json.encode(made), media_type=MISP)


def _source_routes(router: APIRouter, node: "Node", gate: Gate) -> None:
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))
    pulling = node.sharing.pulling

    @router.get("/v1/sharing/sources", responses=answer(Pull, many=True))
    async def list_sources(principal: Annotated[Principal, viewer]) -> Response:
        """Collections elsewhere that are pulled, and how far."""
        found = [await pulling.state(principal.tenant, name) for name in sorted(pulling.sources)]
        return reply({"items": found, "next": ""})

    @router.post("/v1/sharing/sources/{name}/pull", responses=answer(Pull))
    async def pull_source(name: str, principal: Annotated[Principal, operator]) -> Response:
        """Fetch now what is new there."""
        return reply(await pulling.pull(principal.tenant, name))

    @router.post("/v1/sharing/sources/{name}/push", responses=answer(Pushed))
    async def push_to_source(
        name: str, principal: Annotated[Principal, operator], collection: Annotated[str, Query(max_length=64)]
    ) -> Response:
        """Add the contents of a local collection to the one there, as far as its audience may receive them."""
        return reply(Pushed(**await pulling.push(principal.tenant, name, collection, by=principal.name)))


async def told(
    node: "Node", tenant: TenantId, case: str, finding: str, marking: str
) -> tuple[list[StixObject], list[NotShareable]]:
    """Own findings as STIX, and why others are not shared. Raises ``InvalidInput``, ``NotFound``."""
    if bool(case) == bool(finding):
        raise InvalidInput("case", "give either a case or a finding")
    rows = (await node.cases.get(tenant, case)).findings if case else (await node.findings.get(tenant, finding),)
    teller = node.sharing.teller(_marking(marking))
    open_ones, closed = parted(rows, teller.marking)
    return findings_as_stix(open_ones, teller) if open_ones else [], closed


async def imported(
    node: "Node", tenant: TenantId, to: Collection, objects: Sequence[StixObject], upgraded: int,
    rejected: list[Refusal], *, own: bool = False,
) -> Imported:  # fmt: skip
    """Objects added to a collection, and what became of them."""
    # What is refused for its marking is not looked for, either.
    admissible = await node.sharing.exchange.admissible(tenant, to, objects)
    taken = indicators_of(admissible, unmarked=node.sharing.unmarked)
    # What was found here needs no finding.
    left = None if own else await node.sharing.look_for(tenant, to.alias, taken)
    added = await node.sharing.exchange.add(tenant, to, objects)
    refused = [*rejected, *(Refusal(one.id, why) for one, why in added.refused)]
    return Imported(
        added=len(added.kept), known=added.known, upgraded=upgraded, indicators=len(taken.indicators),
        looked_for=left is not None, left=tuple(Refusal(*one) for one in left or ()), refused=tuple(refused),
        unusable=tuple(Refusal(*one) for one in taken.refused),
    )  # fmt: skip


async def _kept(node: "Node", tenant: TenantId, name: str) -> list[StixObject]:
    exchange = node.sharing.exchange
    found = await exchange.collections.get(tenant, name)
    rows = await exchange.shelf.newest(tenant, found.id, limit=MAX_PAGE_ROWS * 10)
    return [row.stix() for row in rows]


def _read(body: bytes) -> BundleRead:
    return read_bundle(body, max_bytes=MAX_CONTENT_BYTES)


def _read_misp(body: bytes, unmarked: Marking) -> MispRead:
    return read_misp(body, unmarked=unmarked, max_bytes=MAX_CONTENT_BYTES)


def _marking(text: str) -> Marking | None:
    found = marking_named(text) if text else None
    if text and found is None:
        raise InvalidInput("marking", f"{text!r} is no marking of TLP: clear, green, amber, amber+strict, red")
    return found
