"""A ledger that tests look into."""

from phalanx.core import AuditEntry, AuditReceipt


class MemoryAudit:
    """An ``AuditSink`` that keeps what it is told, in order, as often as it is told.

    ``refuses`` is raised instead, for as long as it is set.
    """

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.refuses: Exception | None = None

    async def record(self, entry: AuditEntry) -> AuditReceipt:
        if self.refuses is not None:
            raise self.refuses
        self.entries.append(entry)
        return AuditReceipt(entry.id, len(self.entries) - 1, "")

    @property
    def kept(self) -> list[AuditEntry]:
        """Each entry once, as a ledger has them: the first of each id."""
        kept: dict[str, AuditEntry] = {}
        for entry in self.entries:
            kept.setdefault(entry.id, entry)
        return list(kept.values())

    def actions(self) -> list[str]:
        """Of what is kept."""
        return [entry.action for entry in self.kept]
