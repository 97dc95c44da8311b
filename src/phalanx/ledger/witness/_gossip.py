"""Gossip: nodes tell each other which checkpoints they were shown, so that no log can show two histories.

Invariants:

- a checkpoint is looked at only when all keys of a log that this node knows signed it;
- whatever is called linked was proved consistent with the largest linked checkpoint of its log, or
  is the first one seen of it;
- a split view is kept, told of and recorded in the ledger once, however often it is found, and
  only with evidence that convinces others too.

A log that is asked to prove a prefix and does not is not convicted by that: people are told.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    Clock,
    HttpCaller,
    InvalidInput,
    LimitExceeded,
    PhalanxError,
    Unavailable,
    derive_id,
)
from phalanx.ledger._errors import InvalidCheckpoint, InvalidProof, LedgerError
from phalanx.ledger._merkle import verify_consistency
from phalanx.ledger._note import parse_note
from phalanx.ledger.witness._asking import Ahead
from phalanx.ledger.witness._keys import Head, TrustedLog
from phalanx.ledger.witness._limits import (
    ANSWER_WITHIN_S,
    ASK_EVERY_S,
    MAX_GOSSIP_BYTES,
    MAX_GOSSIP_EVIDENCE,
    MAX_GOSSIP_NOTES,
    MAX_GOSSIP_QUESTIONS,
    MAX_NEIGHBOURS,
    MAX_OPEN_NOTES,
    UNPROVED_AFTER_NS,
)
from phalanx.ledger.witness._messages import GossipMessage, PrefixProof, Question
from phalanx.ledger.witness._own import OwnLog
from phalanx.ledger.witness._seen import FoundSplitView, Seen, SeenNote, State
from phalanx.ledger.witness._split import SplitView, split_view
from phalanx.telemetry import Telemetry

GOSSIP_PATH = "/v1/ledger/gossip"
_ROOM = "ledger"


@dataclass(frozen=True, slots=True)
class WatchedLog:
    """A log of somebody else, and the node at ``url`` that can be asked to prove; empty when unknown."""

    log: TrustedLog
    url: str = ""


class Gossip:
    """Sees, compares, asks and tells."""

    def __init__(
        self,
        seen: Seen,
        own: OwnLog,
        watched: Sequence[WatchedLog],
        neighbours: Sequence[str],
        *,
        calls: HttpCaller,
        clock: Clock,
        telemetry: Telemetry,
        alerts: AlertSink,
        audit: AuditSink,
    ) -> None:
        self._seen = seen
        self._own = own
        self._own_log = TrustedLog.of(own.origin, own.public_key)
        self._logs = {one.log.origin: one for one in watched} | {own.origin: WatchedLog(self._own_log)}
        assert len(neighbours) <= MAX_NEIGHBOURS, len(neighbours)
        self._neighbours = tuple(neighbours)
        self._calls = calls
        self._clock = clock
        self._alerts = alerts
        self._audit = audit
        self._log = telemetry.log.bind(room=_ROOM)
        self._split_views = telemetry.metrics.counter(
            "phalanx_ledger_split_views_total", "Logs caught showing two histories."
        )
        self._failures = telemetry.metrics.counter(
            "phalanx_ledger_gossip_failures_total", "Neighbours and logs that gave no usable answer."
        )
        self._told: set[tuple[str, int]] = set()
        # One checkpoint is compared and kept before the next: of two at once neither would see the other.
        self._comparing = asyncio.Lock()

    async def run(self) -> None:
        """Tell and ask for as long as the node runs."""
        for found in await self._seen.split_views():
            await self._record(found)  # once per id, also when the node died before it was recorded
        while True:
            await self.round()
            await self._clock.sleep(ASK_EVERY_S)

    async def round(self) -> None:
        """Tell every neighbour once, and ask every log about what is open."""
        for url in self._neighbours:
            answer = await self._exchange(url, await self._message())
            if answer is not None:
                await self._take(answer, source=url)
        for watched in self._logs.values():
            await self._settle(watched)
            await self._seen.prune(watched.log.origin)
        # What is settled is not told of again: only what is in question has to be remembered.
        self._told &= {(note.origin, note.size) for note in await self.open_notes()}

    async def ahead(self) -> Ahead:
        """Which neighbours were shown more of our own log than it holds, or another one; nothing is kept."""
        seen, silent = dict[str, str](), list[str]()
        for url in dict.fromkeys((*self._neighbours, *(one.url for one in self._logs.values() if one.url))):
            answer = await self._exchange(url, await self._message())
            if answer is None:
                silent.append(url)
                continue
            for note in answer.notes:
                if (reason := await self._beyond(note)) is not None:
                    seen[url] = reason
        return Ahead(seen, tuple(silent))

    async def _beyond(self, note: str) -> str | None:
        """What a note that our own key signed has and our log has not."""
        try:
            if Head.of(parse_note(note)).origin != self._own.origin:
                return None
            head = self._own_log.read(note)
        except InvalidCheckpoint:
            return None
        if head.size > self._own.size:
            return f"it was shown {head.size} entries of this log, which has {self._own.size}"
        root, _ = await self._own.prefix(head.size, self._own.size)
        return None if root == head.root else f"it was shown another root of size {head.size}"

    async def answer(self, body: bytes, *, source: str) -> bytes:
        """The other side of an exchange; raises ``InvalidInput`` for what is no message."""
        message = GossipMessage.from_bytes(body)
        await self._take(message, source=source)
        proofs = [await self._prove_own(question) for question in message.questions]
        told = await self._message()
        return GossipMessage(
            notes=told.notes, evidence=told.evidence, proofs=tuple(proof for proof in proofs if proof is not None)
        ).to_bytes()

    async def saw(self, log: TrustedLog, note: str, extends: str | None = None, *, source: str = "witness") -> None:
        """Take in a checkpoint that ``log`` signed. ``extends`` is the note it was proved to extend.

        Raises ``InvalidCheckpoint`` when it did not.
        """
        head = log.read(note)
        async with self._comparing:
            await self._compare(log, head, log.own_lines(note), extends, source)

    async def _compare(self, log: TrustedLog, head: Head, note: str, extends: str | None, source: str) -> None:
        known = await self._seen.note(head.origin, head.size)
        if known is not None:
            if known.root != head.root.hex():
                await self._found(split_view(log, known.note, note, head.root), source)
            return
        if log.origin == self._own.origin:
            state = await self._own_state(head, note, source)
            if state is State.LINKED:
                return  # it is in the ledger already
        else:
            newest = await self._seen.newest(head.origin)
            linked = newest is None or (extends is not None and newest.note == extends)
            state = State.LINKED if linked else State.OPEN
        if state is State.OPEN and len(await self._seen.open_notes(head.origin)) >= MAX_OPEN_NOTES:
            self._log.warning("checkpoint not kept, too many are unproved", log=head.origin, size=head.size)
            return
        await self._seen.keep(head, note, state, source=source, at_ns=self._clock.wall_ns())

    async def split_views(self) -> list[FoundSplitView]:
        """Those found, the newest first."""
        return await self._seen.split_views()

    async def open_notes(self) -> list[SeenNote]:
        """Checkpoints of all logs that nobody has proved to be of one history with the rest."""
        return [note for origin in self._logs for note in await self._seen.open_notes(origin)]

    async def _message(self) -> GossipMessage:
        newest = [await self._seen.newest(origin) for origin in self._logs if origin != self._own.origin]
        open_notes = [note.note for note in await self.open_notes()]
        own = await self._own.newest()
        notes = [own.note] if own is not None else []
        notes += [one.note for one in newest if one is not None]
        found = (await self._seen.split_views())[:MAX_GOSSIP_EVIDENCE]
        return GossipMessage(
            notes=tuple((*notes, *open_notes)[:MAX_GOSSIP_NOTES]), evidence=tuple(one.evidence for one in found)
        )

    async def _exchange(self, url: str, message: GossipMessage) -> GossipMessage | None:
        try:
            answer = await self._calls.post(
                f"{url}{GOSSIP_PATH}",
                message.to_bytes(),
                content_type="application/json",
                max_bytes=MAX_GOSSIP_BYTES,
                within_s=ANSWER_WITHIN_S,
            )
            if answer.status != 200:
                raise Unavailable(url, f"it answered with HTTP {answer.status}")
            return GossipMessage.from_bytes(answer.body)
        except (Unavailable, LimitExceeded, InvalidInput) as error:
            self._failures.inc()
            self._log.info("gossip failed", url=url, reason=error.message)
            return None

    async def _take(self, message: GossipMessage, *, source: str) -> None:
        for note in message.notes:
            try:
                watched = self._logs.get(Head.of(parse_note(note)).origin)
                if watched is not None:
                    await self.saw(watched.log, note, source=source)
            except InvalidCheckpoint as error:
                self._log.info("checkpoint from gossip left out", source=source, reason=error.reason)
        for evidence in message.evidence:
            watched = self._logs.get(evidence.origin)
            if watched is None:
                continue
            try:
                evidence.verify(watched.log)
            except LedgerError as error:
                self._log.warning("split view from gossip does not verify", source=source, reason=error.message)
            else:
                await self._found(evidence, source)

    async def _settle(self, watched: WatchedLog) -> None:
        """Have a log prove that what is open is of one history with the rest."""
        origin = watched.log.origin
        open_notes = await self._seen.open_notes(origin)
        if origin == self._own.origin:
            await self._settle_own(open_notes)
            return
        newest = await self._seen.newest(origin)
        if not open_notes or newest is None:
            return
        pairs = {(min(one.size, newest.size), max(one.size, newest.size)) for one in open_notes}
        questions = [Question(origin=origin, old=old, new=new) for old, new in sorted(pairs)][:MAX_GOSSIP_QUESTIONS]
        answer = None
        if watched.url:
            answer = await self._exchange(watched.url, GossipMessage(questions=tuple(questions)))
        if answer is not None:
            await self._take(answer, source=watched.url)
        proofs = {(one.old, one.new): one for one in answer.proofs} if answer else {}
        for note in open_notes:
            pair = (min(note.size, newest.size), max(note.size, newest.size))
            await self._judge(watched.log, note, newest, proofs.get(pair))

    async def _judge(self, log: TrustedLog, note: SeenNote, newest: SeenNote, proof: PrefixProof | None) -> None:
        first, second = (note, newest) if note.size < newest.size else (newest, note)
        head = Head.of(parse_note(note.note))
        try:
            if proof is None:
                raise InvalidProof("the log gave none")
            old_root, path = bytes.fromhex(proof.old_root), tuple(map(bytes.fromhex, proof.path))
            verify_consistency(first.size, second.size, old_root, bytes.fromhex(second.root), path)
        except InvalidProof as error:
            self._unproved(note, newest.size, error.reason)
            return
        state = State.LINKED
        if old_root.hex() != first.root:
            await self._found(split_view(log, first.note, second.note, old_root, path), note.source)
            state = State.SPLIT
        await self._seen.keep(head, note.note, state, source=note.source, at_ns=note.at_ns)

    async def _settle_own(self, open_notes: Sequence[SeenNote]) -> None:
        """Checkpoints under our own key that are larger than our ledger was when they were seen."""
        for note in open_notes:
            head = Head.of(parse_note(note.note))
            state = await self._own_state(head, note.note, note.source)
            if state is State.OPEN:
                self._unproved(
                    note, self._own.size, "it is beyond what this node has: restored, or its key is used elsewhere"
                )
            else:
                await self._seen.keep(head, note.note, state, source=note.source, at_ns=note.at_ns)

    def _unproved(self, note: SeenNote, newest: int, reason: str) -> None:
        if (note.origin, note.size) in self._told or self._clock.wall_ns() - note.at_ns < UNPROVED_AFTER_NS:
            return
        self._told.add((note.origin, note.size))
        text = f"log {note.origin} does not prove that its size {note.size} is of one history with {newest}"
        self._alerts.alert(AlertLevel.WARNING, _ROOM, text, reason=reason, source=note.source)

    async def _own_state(self, head: Head, note: str, source: str) -> State:
        """What a checkpoint that our own key signed is to our own ledger as it stands."""
        newest = await self._own.newest()
        if newest is None or head.size > newest.size:
            return State.OPEN
        root, path = await self._own.prefix(head.size, newest.size)
        if root == head.root:
            return State.LINKED
        await self._found(split_view(self._own_log, note, newest.note, root, tuple(path)), source)
        return State.SPLIT

    async def _prove_own(self, question: Question) -> PrefixProof | None:
        if question.origin != self._own.origin or not question.old <= question.new <= self._own.size:
            return None
        root, path = await self._own.prefix(question.old, question.new)
        return PrefixProof(
            origin=question.origin,
            old=question.old,
            new=question.new,
            old_root=root.hex(),
            path=tuple(step.hex() for step in path),
        )

    async def _found(self, evidence: SplitView, source: str) -> None:
        first, second = evidence.verify(self._logs[evidence.origin].log)
        at_ns = self._clock.wall_ns()
        # By what it shows, not by when or by whom it was found.
        shown = (evidence.origin, str(first.size), first.root.hex(), str(second.size), second.root.hex())
        found = FoundSplitView(
            id=derive_id(0, "split-view", *shown),
            tenant=DEFAULT_TENANT,
            trace=NO_TRACE,
            at_ns=at_ns,
            evidence=evidence,
            source=source,
        )
        if not await self._seen.keep_split_view(found):
            return
        self._split_views.inc()
        text = f"log {evidence.origin} showed two histories: size {first.size} and size {second.size}"
        self._alerts.alert(AlertLevel.URGENT, _ROOM, text, evidence=found.id, source=source)
        try:
            await self._record(found)
        except PhalanxError as error:
            self._log.warning("split view not recorded yet; it is at the next start", reason=error.message)

    async def _record(self, found: FoundSplitView) -> None:
        evidence = found.evidence
        await self._audit.record(
            AuditEntry(
                id=found.id,
                tenant=found.tenant,
                trace=NO_TRACE,
                at_ns=found.at_ns,
                actor="gossip",
                action="split-view-found",
                subject=evidence.origin,
                case=f"log {evidence.origin}",
                body={
                    "source": found.source,
                    "first": evidence.first,
                    "second": evidence.second,
                    "prefix_root": evidence.prefix_root,
                    "path": list(evidence.path),
                    "keys": list(evidence.keys),
                },
            )
        )
