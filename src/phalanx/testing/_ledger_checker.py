"""What a simulated ledger may hold, judged without any code of the ledger's.

Leaves are read as JSON and trees hashed as RFC 6962 writes it down, from what was asked of the
ledger, what it acknowledged, and which of its checkpoints were given away.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phalanx.core import AuditEntry, AuditReceipt, TenantId, Waypoint
from phalanx.testing._checking import Checker

if TYPE_CHECKING:
    from phalanx.ledger import Checkpoint, LedgerEntry


def tree_head(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, as the text has it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + tree_head(leaves[:k]) + tree_head(leaves[k:])).digest()


def climbed(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Where an inclusion proof leads, by the definition of PATH in RFC 6962."""
    if size == 1:
        return hashlib.sha256(b"\x00" + leaf).digest()
    k = 1
    while 2 * k < size:
        k *= 2
    *below, last = path
    if index < k:
        return hashlib.sha256(b"\x01" + climbed(leaf, index, k, below) + last).digest()
    return hashlib.sha256(b"\x01" + last + climbed(leaf, index - k, size - k, below)).digest()


@dataclass(slots=True)
class LedgerChecker:
    """What the log may hold, told only by what was asked of it, acknowledged and given away."""

    checker: Checker
    shreddable: TenantId
    attempted: dict[str, list[AuditEntry]] = field(default_factory=dict)
    receipts: dict[str, AuditReceipt] = field(default_factory=dict)
    given: dict[int, str] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)
    shredded: bool = False

    def acknowledge(self, entry: AuditEntry, receipt: AuditReceipt) -> None:
        first = self.receipts.setdefault(entry.id, receipt)
        self.checker.require(first == receipt, "a receipt changed", entry.id)

    def give(self, checkpoint: "Checkpoint") -> None:
        """Somebody outside has this checkpoint and will not forget it."""
        self.checker.require(
            self.given.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root,
            "two checkpoints of one size", checkpoint.size,
        )  # fmt: skip

    def inspect(self, found: list["LedgerEntry"]) -> None:
        """Judge the whole log after a restart."""
        require = self.checker.require
        leaves = [one.leaf for one in found]
        require(leaves[: len(self.leaves)] == self.leaves, "an entry that was shown is gone or changed")
        self.leaves = leaves
        ids = [json.loads(leaf)["id"] for leaf in leaves]
        require(len(ids) == len(set(ids)), "an id is recorded twice")
        for receipt in self.receipts.values():
            there = receipt.index < len(ids) and ids[receipt.index] == receipt.entry
            require(there, "an acknowledged entry is not in its place", receipt.entry, receipt.index)
            if there:
                hashed = hashlib.sha256(b"\x00" + leaves[receipt.index]).hexdigest()
                require(hashed == receipt.leaf_hash, "an acknowledged entry changed", receipt.entry)
        for one in found:
            self._check_entry(one)
        for size, root in self.given.items():
            require(size <= len(leaves), "a checkpoint was given away of entries that are lost", size)
            if size <= len(leaves):
                require(tree_head(leaves[:size]).hex() == root, "a checkpoint is of another log", size)

    def _check_entry(self, one: "LedgerEntry") -> None:
        require, said = self.checker.require, json.loads(one.leaf)
        attempts = self.attempted.get(said["id"], [])
        like = [entry for entry in attempts if entry.subject == said["subject"] and entry.tenant == said["tenant"]]
        require(like, "the log holds what nobody recorded", said["id"])
        gone = self.shredded and said["tenant"] == self.shreddable
        require(one.payload_gone == gone, "a payload is gone or not gone against its keys", said["id"])
        if not one.payload_gone and one.disclosure is not None:
            bound = b"phalanx/ledger/payload/v1\x00" + one.disclosure.salt + one.disclosure.payload
            require(hashlib.sha256(bound).hexdigest() == said["commitment"], "a commitment does not hold", said["id"])
            require(json.loads(one.disclosure.payload) in [entry.body for entry in like], "a body changed", said["id"])

    def inspect_case(self, tenant: TenantId, case: str, found: list[int]) -> None:
        """Judge what the case index answered about the whole log."""
        said = [json.loads(leaf) for leaf in self.leaves]
        expected = [index for index, leaf in enumerate(said) if (leaf["tenant"], leaf["case"]) == (tenant, case)]
        self.checker.require(found == expected, "the entries of a case are others than its index has", case, found)

    def inspect_waypoints(self, waypoints: list[Waypoint]) -> None:
        told = sorted((int(waypoint.detail["index"]), waypoint.subject) for waypoint in waypoints)
        expected = [(index, json.loads(leaf)["id"]) for index, leaf in enumerate(self.leaves)]
        self.checker.require(told == expected, "waypoints do not tell of the entries", told, expected)
