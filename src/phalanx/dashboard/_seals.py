"""Whether ledger entries verify, found out anew each time they are shown.

Checked are the checkpoint's two signatures, and that the entry's own bytes lead to the signed
root. It is this node that checks itself; the proof it offers lets anybody else do the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phalanx.core import AuditEntry, NotFound, PhalanxError, StorageError
from phalanx.ledger import Checkpoint, Ledger, LedgerError, verify_checkpoint


@dataclass(frozen=True, slots=True)
class Seal:
    """One ledger entry and whether it verifies. ``kind`` colours the verdict: good, warn or bad."""

    id: str
    verdict: str
    kind: str
    reason: str
    entry: Mapping[str, Any]
    checkpoint: Checkpoint | None = None


class Seals:
    """Checks entries against one checkpoint, which is checked first. Made by ``of``."""

    def __init__(self, ledger: Ledger, checkpoint: Checkpoint | None, problem: PhalanxError | None) -> None:
        self._ledger = ledger
        self._checkpoint = checkpoint
        self._problem = problem

    @classmethod
    async def of(cls, ledger: Ledger) -> "Seals":
        """Take the ledger's checkpoint and verify its signatures."""
        try:
            checkpoint = await ledger.checkpoint()
            return cls(ledger, verify_checkpoint(checkpoint.note, ledger.public_key), None)
        except (StorageError, LedgerError) as problem:
            return cls(ledger, None, problem)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The signed head the entries are checked against; None when there is none that holds."""
        return self._checkpoint

    @property
    def problem(self) -> str:
        """Why there is none; empty when there is."""
        return self._problem.message if self._problem else ""

    async def seal(self, entry_id: str) -> Seal:
        """Verify one entry. Never raises for what it finds: the page must show it."""
        try:
            found = await self._ledger.entry(entry_id)
            shown = {"index": found.index, "leaf_hash": found.leaf_hash, **_plain(found.entry)}
            if found.payload_gone:
                shown["body"] = "gone: the keys of its tenant were shredded"
            if isinstance(self._problem, LedgerError):
                raise self._problem
            if self._checkpoint is None or found.index >= self._checkpoint.size:
                reason = self._problem.message if self._problem else "it is newer than the last checkpoint"
                return Seal(entry_id, "not yet sealed", "warn", reason, shown)
            proof = await self._ledger.prove(found.index, self._checkpoint.size)
            proof.verify(found.leaf, self._checkpoint.root)
        except (LedgerError, StorageError, NotFound) as error:
            return Seal(entry_id, "does not verify", "bad", error.message, {})
        shown["path"] = list(proof.path)
        return Seal(entry_id, "verified", "good", "", shown, self._checkpoint)


def _plain(entry: AuditEntry) -> dict[str, Any]:
    """The entry without the record it holds, which is shown in its own place."""
    body = {name: value for name, value in entry.body.items() if name != "record"}
    shown = ("at_ns", "actor", "action", "subject", "case")
    return {**{name: getattr(entry, name) for name in shown}, "body": body}
