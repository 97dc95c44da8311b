"""What all mailboxes of a process share: the clock, what is counted, deadlines, and what the ledger is told.

Deadlines are looked at together, every ``SWEEP_EVERY_S``: an envelope has no timer of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    AuditEntry,
    AuditSink,
    Clock,
    PhalanxError,
    derive_id,
    ns_from_s,
)
from phalanx.messaging._envelope import Envelope
from phalanx.messaging._errors import DeadlinePassed
from phalanx.messaging._kinds import Kind, Outcome
from phalanx.messaging._limits import AUDIT_WINDOW_S, MAX_AUDIT_QUEUE
from phalanx.messaging._policies import POLICIES
from phalanx.messaging._receipt import Accounted, Receipt
from phalanx.telemetry import Telemetry

Bury = Callable[[Envelope, str, Outcome], None]

_AUDIT_WINDOW_NS = ns_from_s(AUDIT_WINDOW_S)
_Wait = tuple[int, asyncio.Future[Any], bool]


class Desk:
    """See the module. ``bury`` is called with an acknowledged envelope that somebody did not get."""

    def __init__(self, process: str, clock: Clock, telemetry: Telemetry, audit: AuditSink | None) -> None:
        self.wall_ns = clock.wall_ns
        self.taken = 0
        self.waiting_bytes = 0
        self.pending: dict[int, Receipt] = {}
        self.bury: Bury | None = None
        self._process = process
        self._log = telemetry.log.bind(room="messaging")
        self._audit = audit
        self._waits: list[_Wait] = []
        self._entries: deque[AuditEntry] = deque()
        self._told: dict[tuple[str, str, str], int] = {}
        metrics = telemetry.metrics
        names = [kind.name.lower() for kind in Kind]
        sent = metrics.counter("phalanx_messaging_sent_total", "Envelopes sent by agents here.", ("kind",))
        taken = metrics.counter("phalanx_messaging_taken_total", "Envelopes received by agents here.", ("kind",))
        seconds = metrics.histogram(
            "phalanx_messaging_delivery_seconds",
            "Time from sending to receipt; a sample of the deliveries.",
            ("kind",),
        )
        self.sent_by = [sent.labels(name) for name in names]
        self.taken_by = [taken.labels(name) for name in names]
        self._seconds = [seconds.labels(name) for name in names]
        self._failed = metrics.counter(
            "phalanx_messaging_undelivered_total", "Envelopes that a recipient did not get.", ("kind", "outcome")
        )
        self._refusals = metrics.counter(
            "phalanx_messaging_refused_total", "Refusals for security reasons.", ("reason",)
        )
        self._unaudited = metrics.counter(
            "phalanx_messaging_unaudited_total", "Entries for the ledger that were dropped because too many waited."
        )
        self._waiting = metrics.gauge("phalanx_messaging_waiting_bytes", "Size of the bodies waiting in mailboxes.")

    def end(self, envelope: Envelope, receipt: Accounted | None, name: str, outcome: Outcome) -> None:
        """``name`` does not get ``envelope``. Counted, told to its sender, and buried if it was to be acknowledged."""
        if receipt is None or receipt.refuse(name, outcome):
            self._count_and_bury(envelope, name, outcome)

    def _count_and_bury(self, envelope: Envelope, name: str, outcome: Outcome) -> None:
        self._failed.labels(envelope.kind.name.lower(), outcome.name.lower()).inc()
        if self.bury is not None and POLICIES[envelope.kind].acknowledged:
            self.bury(envelope, name, outcome)

    def settle(
        self, receipt: Receipt, process: str, taken: int, refused: Sequence[tuple[str, Outcome]], outcome: Outcome
    ) -> None:
        """Another process is through with an envelope, or the link gave up on it."""
        if outcome is not Outcome.TAKEN:
            self.end(receipt.envelope, receipt, process, outcome)
        elif receipt.settle(process, taken, refused):
            for name, why in refused:
                self._count_and_bury(receipt.envelope, name, why)

    def timed(self, envelope: Envelope, now_ns: int) -> None:
        """One of the deliveries that are timed. Between two machines the clocks may disagree; below zero is zero."""
        self._seconds[envelope.kind].observe(max(0, now_ns - envelope.at_ns) / NS_PER_S)

    def asked(self, receipt: Receipt, answer: asyncio.Future[Envelope]) -> None:
        """An answer is waited for, until the deadline of the question."""
        self._waits.append((receipt.envelope.deadline_ns, answer, True))

    def hungry(self, receipt: Receipt, room: asyncio.Future[None]) -> None:
        """A sender waits for room, until the deadline of what it sends."""
        self._waits.append((receipt.envelope.deadline_ns, room, False))

    def sweep(self) -> None:
        """End what is too late."""
        now_ns = self.wall_ns()
        for receipt in [one for one in self.pending.values() if one.envelope.deadline_ns < now_ns]:
            for name in sorted(receipt.outstanding):
                self.end(receipt.envelope, receipt, name, Outcome.DEADLINE_PASSED)
        still: list[_Wait] = []
        for wait in self._waits:
            deadline_ns, future, is_question = wait
            if future.done():
                continue
            if deadline_ns >= now_ns:
                still.append(wait)
            elif is_question:
                future.set_exception(DeadlinePassed("whoever was asked"))
            else:
                future.set_result(None)
        self._waits = still
        self._waiting.set(self.waiting_bytes)

    def report(self, outcome: Outcome, envelope: Envelope | None, where: str, by: str) -> None:
        """Something was refused for the sake of security: count it, and have the ledger remember it.

        ``by`` is who caused it, as far as that is known for sure. The same from the same place is written down once
        in a while, so that nobody can fill the ledger.
        """
        reason = outcome.name.lower().replace("_", "-")
        self._refusals.labels(reason).inc()
        now_ns = self.wall_ns()
        key = reason, by, where
        told = "" if envelope is None else envelope.id
        self._log.warning("envelope refused", reason=reason, by=by, at=where, envelope=told)
        if self._audit is None or now_ns - self._told.get(key, -_AUDIT_WINDOW_NS) < _AUDIT_WINDOW_NS:
            return
        if len(self._entries) >= MAX_AUDIT_QUEUE or len(self._told) >= MAX_AUDIT_QUEUE:
            self._told = {one: at for one, at in self._told.items() if now_ns - at < _AUDIT_WINDOW_NS}
            if len(self._entries) >= MAX_AUDIT_QUEUE or len(self._told) >= MAX_AUDIT_QUEUE:
                self._unaudited.inc()
                return
        self._told[key] = now_ns
        body: dict[str, Any] = {"process": self._process}
        if envelope is not None:
            body |= {
                "envelope": envelope.id, "kind": envelope.kind.name.lower(), "sender": envelope.sender,
                "to": list(envelope.to[:8]), "marking": envelope.marking.label,
            }  # fmt: skip
        self._entries.append(
            AuditEntry(
                id=derive_id(now_ns, "messaging", reason, told, where, by),
                tenant=DEFAULT_TENANT if envelope is None else envelope.tenant,
                trace=NO_TRACE if envelope is None else envelope.trace,
                at_ns=now_ns, actor=by, action=f"messaging.{reason}", subject=where, case="", body=body,
            )
        )  # fmt: skip

    async def write_entries(self) -> None:
        """Have the ledger record what waits. What it cannot take now is tried again."""
        while self._entries and self._audit is not None:
            try:
                await self._audit.record(self._entries[0])
            except PhalanxError as error:
                self._log.warning("the ledger does not take an entry", error=str(error))
                return
            self._entries.popleft()
