"""The node as a witness for other logs: ``judge`` with a memory.

Invariant: a head is committed to the store before it is signed, on the condition that the head
it was judged against is still the last. After a crash the witness therefore knows of everything
it may ever have signed, and of two requests at once one is judged again.
"""

from collections.abc import Awaitable, Callable, Sequence

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    Clock,
    Conflict,
    Expect,
    Overloaded,
    Put,
    Record,
    Store,
    Table,
    decode,
    derive_id,
    encode,
)
from phalanx.ledger._errors import InvalidCheckpoint
from phalanx.ledger._note import parse_note
from phalanx.ledger.witness._errors import Refusal, WitnessRefused
from phalanx.ledger.witness._judge import AddCheckpoint, judge
from phalanx.ledger.witness._keys import Cosigner, Head, TrustedLog
from phalanx.ledger.witness._limits import MAX_LOGS
from phalanx.telemetry import Telemetry

WITNESSED = Table("ledger_witnessed")

# Somebody else was first so often that the caller should come back later.
_MAX_TRIES = 4

# Told of a note that a known log signed, and of the note it was proved to extend, if it was.
OnSeen = Callable[[TrustedLog, str, str | None], Awaitable[None]]


class WitnessedHead(Record, frozen=True, kw_only=True, tag="witnessed-head"):
    """The checkpoint of a log that was cosigned last, with the log's own signatures."""

    origin: str
    size: int
    root: str
    note: str


class Witness:
    """Cosigns checkpoints of the logs it was told of."""

    def __init__(
        self,
        store: Store,
        cosigner: Cosigner,
        logs: Sequence[TrustedLog],
        *,
        clock: Clock,
        telemetry: Telemetry,
        on_seen: OnSeen,
    ) -> None:
        assert len(logs) <= MAX_LOGS, len(logs)
        self._store = store
        self._cosigner = cosigner
        self._logs = {log.origin: log for log in logs}
        self._clock = clock
        self._on_seen = on_seen
        self._log = telemetry.log.bind(room="ledger")
        self._requests = telemetry.metrics.counter(
            "phalanx_ledger_witness_requests_total", "Checkpoints that logs asked this node to cosign.", ("answer",)
        )
        self.keys = cosigner.keys

    async def add_checkpoint(self, body: bytes) -> str:
        """The cosignature lines for a request as tlog-witness defines it; raises ``WitnessRefused``."""
        try:
            lines = await self._add(AddCheckpoint.from_bytes(body))
        except WitnessRefused as refused:
            self._requests.labels(refused.refusal.name.lower()).inc()
            raise
        self._requests.labels("cosigned").inc()
        return lines

    async def heads(self) -> list[WitnessedHead]:
        """What was cosigned last, of each log that ever was."""
        found = [await self._store.get(WITNESSED, DEFAULT_TENANT, origin) for origin in self._logs]
        return [decode(row.value, WitnessedHead) for row in found if row is not None]

    async def _add(self, request: AddCheckpoint) -> str:
        try:
            origin = Head.of(parse_note(request.note)).origin
        except InvalidCheckpoint as error:
            raise WitnessRefused(Refusal.MALFORMED, error.reason) from error
        log = self._logs.get(origin)
        if log is None:
            raise WitnessRefused(Refusal.UNKNOWN_LOG, f"it was not told of the log {origin}")
        for _ in range(_MAX_TRIES):
            row = await self._store.get(WITNESSED, DEFAULT_TENANT, origin)
            before = decode(row.value, WitnessedHead) if row else None
            last = Head.of(parse_note(before.note)) if before else None
            try:
                head = judge(log, request, last)
            except WitnessRefused as refused:
                await self._doubt(log, request.note, refused)
                raise
            now_ns = self._clock.wall_ns()
            note = log.own_lines(request.note)
            try:
                await self._store.commit(
                    [Put(WITNESSED, DEFAULT_TENANT, origin, encode(_witnessed(head, note, now_ns)))],
                    expect=[Expect(WITNESSED, DEFAULT_TENANT, origin, row.version if row else 0)],
                )
            except Conflict:
                continue
            lines = self._cosigner.cosign(head, now_ns // NS_PER_S)
            await self._on_seen(log, note, before.note if before else None)
            return "".join(line.line() for line in lines)
        raise Overloaded(f"the witness of {origin}", retry_after_s=1)

    async def _doubt(self, log: TrustedLog, note: str, refused: WitnessRefused) -> None:
        """A checkpoint that its log signed and that did not fit is looked into, not only refused."""
        if refused.refusal in {Refusal.CONFLICT, Refusal.NOT_CONSISTENT}:
            self._log.warning("checkpoint not cosigned", log=log.origin, reason=refused.reason)
            await self._on_seen(log, log.own_lines(note), None)


def _witnessed(head: Head, note: str, at_ns: int) -> WitnessedHead:
    return WitnessedHead(
        id=derive_id(at_ns, "witnessed", head.origin, str(head.size)),
        tenant=DEFAULT_TENANT,
        trace=NO_TRACE,
        at_ns=at_ns,
        origin=head.origin,
        size=head.size,
        root=head.root.hex(),
        note=note,
    )
