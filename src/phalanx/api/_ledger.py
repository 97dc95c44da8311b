"""The audit trail over HTTP, with everything somebody needs to check it elsewhere.

A proof answers with the entry's exact bytes, the path, and the signed checkpoint it leads to; whoever has the
node's public key needs nothing else, not even this node.
"""

import base64
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._limits import MAX_FILTER_CHARS
from phalanx.api._records import Order
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer
from phalanx.core import DEFAULT_TENANT, PROBE_TENANT, AuditEntry, InvalidInput, NotFound
from phalanx.ledger import Checkpoint, EntryFilter, LedgerEntry, look_through
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the ledger. ``leaf_hash`` is RFC 6962's, over the entry's leaf.

    When ``payload_gone``, the tenant's keys were shredded and ``body`` cannot be read by anybody.
    """

    index: int
    leaf_hash: str
    id: str
    tenant: str
    trace: str
    at_ns: int
    actor: str
    action: str
    subject: str
    case: str
    body: dict[str, Any]
    custody: tuple[str, ...]
    payload_gone: bool


class CheckpointView(msgspec.Struct, frozen=True, kw_only=True):
    """The signed head of the ledger (C2SP tlog-checkpoint): ``note`` is signed, the rest is what it says.

    The note also contains the lines of the witnesses that cosigned it, as soon as they did.

    ``public_key`` is the node's, Ed25519 and ML-DSA-44, in base64: compare it with one that you have from
    elsewhere.
    """

    origin: str
    size: int
    root: str
    signed_at_s: int
    note: str
    public_key: str


class ProofView(msgspec.Struct, frozen=True, kw_only=True):
    """That an entry is in the ledger: its leaf, its path (hex) and the checkpoint the path leads to.

    ``payload`` is the entry's body and ``salt`` (hex) lets anybody check it against the commitment in the leaf;
    both are null if the payload is gone, and for entries of version 1, whose leaf holds the body.
    """

    entry: str
    index: int
    leaf: str
    leaf_hash: str
    path: tuple[str, ...]
    checkpoint: CheckpointView
    payload: str | None
    salt: str | None


_PROBES = "Also what the node does to probe itself, without bodies; to the default tenant alone."
KINDS: tuple[type, ...] = (EntryView, CheckpointView, ProofView)


def ledger_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/ledger``."""
    router = APIRouter(prefix="/v1/ledger", tags=["ledger"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))
    public_key = base64.b64encode(node.ledger.public_key.to_bytes()).decode()

    async def own_entry(entry_id: str, principal: Principal) -> LedgerEntry:
        found = await node.ledger.entry(entry_id)
        if found.entry.tenant != principal.tenant:
            raise NotFound("ledger entry", entry_id)
        return found

    async def checkpoint_view(checkpoint: Checkpoint) -> CheckpointView:
        return CheckpointView(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root,
            signed_at_s=checkpoint.signed_at_s,
            note=await node.vouching.witnesses.cosigned(checkpoint),
            public_key=public_key,
        )

    _listing(router, node, viewer)

    @router.get("/checkpoint", responses=answer(CheckpointView), dependencies=[viewer])
    async def get_checkpoint(request: Request) -> Response:
        """The signed head of the ledger as it is now; just the note for clients that accept `text/plain`
        (tlog-tiles).
        """
        view = await checkpoint_view(await node.ledger.checkpoint())
        if "text/plain" in request.headers.get("accept", ""):
            return Response(view.note, media_type="text/plain; charset=utf-8")
        return reply(view)

    @router.get("/{entry_id}", responses=answer(EntryView))
    async def get_entry(entry_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """One entry of the ledger."""
        return reply(_entry_view(await own_entry(entry_id, principal)))

    @router.get("/{entry_id}/proof", responses=answer(ProofView))
    async def get_proof(entry_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """Proof that an entry is in the ledger, in a form that can be checked without this node."""
        found = await own_entry(entry_id, principal)
        checkpoint = await node.ledger.checkpoint()
        proof = await node.ledger.prove(found.index, checkpoint.size)
        disclosed = found.disclosure
        return reply(
            ProofView(
                entry=found.entry.id,
                index=found.index,
                leaf=found.leaf.decode(),
                leaf_hash=proof.leaf_hash,
                path=proof.path,
                checkpoint=await checkpoint_view(checkpoint),
                payload=disclosed.payload.decode() if disclosed else None,
                salt=disclosed.salt.hex() if disclosed else None,
            )
        )

    return router


def _listing(router: APIRouter, node: "Node", viewer: Any) -> None:
    @router.get("", responses=answer(EntryView, many=True))
    async def list_entries(
        request: Request, principal: Annotated[Principal, viewer], asked: Annotated[Page, Depends(page)],
        case: Annotated[str, Query(max_length=MAX_FILTER_CHARS, description="Only cases with this prefix.")] = "",
        action: Annotated[str, Query(max_length=MAX_FILTER_CHARS, description="Only actions with this prefix.")] = "",
        actor: Annotated[str, Query(max_length=MAX_FILTER_CHARS, description="Only actors with this prefix.")] = "",
        order: Annotated[Order, Query(description="Whether the first page is the oldest or the newest.")]
        = Order.OLDEST,
        probes: Annotated[bool, Query(description=_PROBES)] = False,  # noqa: FBT002
    ) -> Response:  # fmt: skip
        """What was recorded. Entries that do not match are left out, so a page may be short."""
        newest = order is Order.NEWEST
        meant = EntryFilter(case, action, actor)
        also = {PROBE_TENANT} if probes and principal.tenant == DEFAULT_TENANT else set()
        start = _start(asked.after, node.ledger.size, newest=newest)

        def wanted(entry: AuditEntry) -> bool:
            return (entry.tenant == principal.tenant or entry.tenant in also) and meant.meant(entry)

        found, rest = await look_through(node.ledger, wanted, start=start, newest=newest, limit=asked.limit)
        views = [_entry_view(one, closed=one.entry.tenant != principal.tenant) for one in found]
        # The cursor is the last index that was looked at: behind it, or before it, the next page begins.
        last = "" if rest is None else str(rest if newest else rest - 1)
        return reply_page(request, views, asked=asked, last=last, full=rest is not None)


def _start(cursor: str, size: int, *, newest: bool) -> int:
    """Where a page begins: past the cursor, or before it."""
    if not cursor:
        return size if newest else 0
    # Eighteen digits fit every index there can be.
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 18:
        raise InvalidInput("after", "is not the index of a ledger entry")
    return int(cursor) if newest else int(cursor) + 1


def _entry_view(found: LedgerEntry, *, closed: bool = False) -> EntryView:
    """``closed``: without its content, which may name hosts of any tenant."""
    entry = found.entry
    return EntryView(
        index=found.index,
        leaf_hash=found.leaf_hash,
        id=entry.id,
        tenant=entry.tenant,
        trace=entry.trace,
        at_ns=entry.at_ns,
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        case=entry.case,
        body={} if closed else dict(entry.body),
        custody=() if closed else entry.custody,
        payload_gone=found.payload_gone,
    )
