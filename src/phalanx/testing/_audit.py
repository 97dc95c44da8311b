"""A ledger that tests look into."""

from phalanx.core import AuditEntry, AuditReceipt


class MemoryAudit:
    """An ``AuditSink`` that keeps what it is told, in order, as often as it is told."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def record(self, entry: AuditEntry) -> AuditReceipt:
        self.entries.append(entry)
        return AuditReceipt(entry.id, len(self.entries) - 1, "")
