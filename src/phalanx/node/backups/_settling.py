"""What a node does that starts on a restored folder: before anything is recorded it asks who saw more of its ledger.

Invariants:

- nothing is added to a ledger of which somebody outside is known to have seen more, unless a person accepted that:
  two histories under one key are what witnesses tell as a split view;
- the restore is the first entry behind what was restored;
- what an earlier life may have sent to a vendor since the backup is not sent again (``Jobs.doubt``), and that is
  durable before the node forgets that it was restored.
"""

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    AuditEntry,
    Expect,
    PhalanxError,
    Put,
    Record,
    Store,
    Table,
    Unavailable,
    decode,
    derive_id,
    encode,
    iso_from_ns,
)
from phalanx.devices import Jobs
from phalanx.ledger import Ledger
from phalanx.node.backups._mark import RestoredFolder, RestoreMark
from phalanx.node.custody._vouching import Vouching

RESTORES = Table("restores")
_HOME = DEFAULT_TENANT


class RestoreRecord(Record, frozen=True, kw_only=True, tag="restore"):
    """That this node was restored: ``id`` is the restore's, ``at_ns`` when, ``taken_at_ns`` of when the backup is."""

    backup: str
    digest: str
    taken_at_ns: int


class RolledBack(PhalanxError):
    """The ledger had gone further than what was restored, and others saw it. Attributes: ``size``, ``reason``."""

    code = "rolled-back"
    size: int
    reason: str

    def __init__(self, size: int, reason: str) -> None:
        super().__init__(
            f"this node was restored with {size} entries of its ledger, and had gone further: {reason}",
            hint="restore a newer backup. When there is none: `phalanx backup accept-loss` has the node start all the"
            " same, and its ledger is told as a split view from then on",
            size=size, reason=reason,
        )  # fmt: skip


async def settle_ledger(
    restored: RestoredFolder | None, store: Store, ledger: Ledger, vouching: Vouching, alerts: AlertSink
) -> int:
    """Make sure that a restored ledger may go on, and record it. Returns since when this life of the node counts.

    0 when it was never restored. Raises ``RolledBack``, and ``Unavailable`` for a folder and rows that are not of one
    backup.
    """
    if restored is not None:
        await _settle(restored.mark, store, ledger, vouching, alerts)
    rows = await store.scan(RESTORES, _HOME, reverse=True, limit=1)
    return decode(rows[0].value, RestoreRecord).at_ns if rows else 0


async def settle_jobs(restored: RestoredFolder | None, jobs: Jobs) -> None:
    """Keep what may have been sent to a vendor since the backup from being sent again; then the restore is over."""
    if restored is not None:
        await jobs.doubt(f"the node was restored from a backup of {_time(restored.mark.taken_at_ns)}")
        await restored.settled()


async def _settle(mark: RestoreMark, store: Store, ledger: Ledger, vouching: Vouching, alerts: AlertSink) -> None:
    if ledger.size < mark.ledger_size:
        raise Unavailable(
            "the rows of this backup", f"its ledger had {mark.ledger_size} entries, and there are {ledger.size}",
            hint="restore the database from the same backup as the folder",
        )  # fmt: skip
    seen, silent = dict[str, str](), list[str]()
    if await store.get(RESTORES, _HOME, mark.id) is None:
        for found in (await vouching.witnesses.ahead(), await vouching.gossip.ahead()):
            seen |= found.seen
            silent += found.silent
    told = "; ".join(f"{who}: {reason}" for who, reason in seen.items())
    if seen and not mark.accepts:
        raise RolledBack(ledger.size, told)
    await _record(mark, store, ledger, {"seen_further": seen, "silent": silent, "size": ledger.size})
    alerts.alert(
        AlertLevel.URGENT if seen else AlertLevel.WARNING, "node",
        f"this node was restored from a backup of {_time(mark.taken_at_ns)}: what came after that is lost",
        backup=mark.backup, seen_further=told or "by nobody who was asked", silent=", ".join(silent) or "nobody",
    )  # fmt: skip


async def _record(mark: RestoreMark, store: Store, ledger: Ledger, found: dict[str, object]) -> None:
    await ledger.record(AuditEntry(
        id=derive_id(mark.restored_at_ns, "restored", mark.id), tenant=_HOME, trace=NO_TRACE,
        at_ns=mark.restored_at_ns, actor="local operator", action="restored from a backup", subject=mark.backup,
        case="", body={"digest": mark.digest, "taken_at_ns": mark.taken_at_ns, "accepts": mark.accepts, **found},
    ))  # fmt: skip
    record = RestoreRecord(
        id=mark.id, tenant=_HOME, trace=NO_TRACE, at_ns=mark.restored_at_ns, backup=mark.backup, digest=mark.digest,
        taken_at_ns=mark.taken_at_ns,
    )  # fmt: skip
    if await store.get(RESTORES, _HOME, mark.id) is None:
        key = mark.id
        await store.commit([Put(RESTORES, _HOME, key, encode(record))], expect=[Expect(RESTORES, _HOME, key, 0)])


def _time(at_ns: int) -> str:
    return iso_from_ns(at_ns)[:19].replace("T", " ") + " UTC"
