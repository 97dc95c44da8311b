"""The ledger section: the signed head, and the newest entries, each verified as it is shown."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from phalanx.core import DEFAULT_TENANT, PROBE_TENANT, AuditEntry, InvalidInput, TenantId
from phalanx.dashboard._limits import LEDGER_PAGE_ENTRIES
from phalanx.dashboard._seals import Seal, Seals
from phalanx.ledger import Checkpoint, EntryFilter, LedgerEntry, StoredAnchor, look_through
from phalanx.ledger.witness import FoundSplitView, WitnessStatus

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry and whether it verifies now."""

    found: LedgerEntry
    seal: Seal


@dataclass(frozen=True, slots=True)
class LedgerAsked(EntryFilter):
    """Which entries are asked for, and whether those of the node's own probes are among them."""

    probes: bool = False


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What the page shows. ``before`` leads to older entries; None when there are none.

    To its own tenant a node also shows what it does for itself, without bodies: those may name hosts of any tenant.
    ``hidden`` counts those where they were not asked for.
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
    hidden: int
    asked: "LedgerAsked"

    def query(self, **changed: str | int) -> str:
        """The address of this page with something else asked for."""
        named = {"before": "", "probes": "1" if self.asked.probes else "", "case": self.asked.case,
                 "action": self.asked.action, "actor": self.asked.actor} | changed  # fmt: skip
        return urlencode({name: value for name, value in named.items() if value != ""})


async def ledger_view(node: "Node", tenant: TenantId, before: str, asked: LedgerAsked) -> LedgerView:
    """The page that ends before the index ``before``, or the newest when it is empty."""
    ledger = node.ledger
    may_probes = tenant == DEFAULT_TENANT
    hidden = 0

    def wanted(entry: AuditEntry) -> bool:
        nonlocal hidden
        probe = may_probes and entry.tenant == PROBE_TENANT
        if not asked.meant(entry) or not (probe or entry.tenant == tenant):
            return False
        left_out = probe and not asked.probes
        hidden += left_out
        return not left_out

    found, rest = await look_through(
        ledger, wanted, start=_index(before, ledger.size), newest=True, limit=LEDGER_PAGE_ENTRIES
    )
    seals = await Seals.of(ledger)
    entries = tuple([SealedEntry(one, await seals.seal(one.entry.id)) for one in found])
    return LedgerView(
        size=ledger.size,
        head=seals.checkpoint,
        problem=seals.problem,
        fingerprint=ledger.public_key.fingerprint,
        anchor=await node.anchors.newest(),
        witnesses=tuple(await node.vouching.witnesses.statuses()),
        split_views=tuple(await node.vouching.gossip.split_views()),
        entries=entries,
        before=rest,
        with_probes=may_probes and asked.probes,
        hidden=hidden,
        asked=asked,
    )


def _index(before: str, size: int) -> int:
    if not before:
        return size
    if not before.isascii() or not before.isdecimal() or len(before) > 18:
        raise InvalidInput("before", "is not the index of a ledger entry")
    return min(int(before), size)
