"""The ledger section: the signed head, and the newest entries, each verified as it is shown."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.core import DEFAULT_TENANT, PROBE_TENANT, InvalidInput, TenantId
from phalanx.dashboard._limits import LEDGER_PAGE_ENTRIES
from phalanx.dashboard._seals import Seal, Seals
from phalanx.ledger import Checkpoint, LedgerEntry, StoredAnchor
from phalanx.ledger.witness import FoundSplitView, WitnessStatus

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry and whether it verifies now."""

    found: LedgerEntry
    seal: Seal


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What the page shows. ``before`` leads to older entries; None when there are none.

    To its own tenant a node also shows what it does for itself, without bodies: those may name hosts of any tenant.
    """

    size: int
    head: Checkpoint | None
    problem: str
    fingerprint: str
    anchor: StoredAnchor | None
    witnesses: tuple[WitnessStatus, ...]
    split_views: tuple[FoundSplitView, ...]
    entries: tuple[SealedEntry, ...]
    before: int | None
    with_probes: bool


async def ledger_view(node: "Node", tenant: TenantId, before: str) -> LedgerView:
    """The page that ends before the index ``before``, or the newest when it is empty."""
    ledger = node.ledger
    end = _index(before, ledger.size)
    start = max(0, end - LEDGER_PAGE_ENTRIES)
    seals = await Seals.of(ledger)
    shown = {tenant, PROBE_TENANT} if tenant == DEFAULT_TENANT else {tenant}
    found = [one for one in await ledger.entries(start - 1, end - start) if one.entry.tenant in shown]
    entries = tuple([SealedEntry(one, await seals.seal(one.entry.id)) for one in reversed(found)])
    return LedgerView(
        size=ledger.size,
        head=seals.checkpoint,
        problem=seals.problem,
        fingerprint=ledger.public_key.fingerprint,
        anchor=await node.anchors.newest(),
        witnesses=tuple(await node.vouching.witnesses.statuses()),
        split_views=tuple(await node.vouching.gossip.split_views()),
        entries=entries,
        before=start or None,
        with_probes=PROBE_TENANT in shown,
    )


def _index(before: str, size: int) -> int:
    if not before:
        return size
    if not before.isascii() or not before.isdecimal() or len(before) > 18:
        raise InvalidInput("before", "is not the index of a ledger entry")
    return min(int(before), size)
