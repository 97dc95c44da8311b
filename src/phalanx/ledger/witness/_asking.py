"""The log's side of witnessing: asks witnesses to cosign, and keeps what they sign.

Invariants:

- a cosignature is kept only when all keys of its witness hold over the checkpoint it was asked for;
- the consistency proof starts at the size that the witness says it cosigned last, never elsewhere.

A witness that cannot be reached costs nothing but its cosignature: the ledger goes on, and people
are told when fewer than the quorum cosign. One that has seen more of the log than the log itself
has, or another root, is reported at once: then this node was restored from an older state, or
somebody else signs with its key.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    AlertLevel,
    AlertSink,
    Clock,
    HttpAnswer,
    HttpCaller,
    LimitExceeded,
    Put,
    Record,
    Store,
    Table,
    Unavailable,
    decode,
    derive_id,
    encode,
)
from phalanx.ledger._checkpoint import Checkpoint
from phalanx.ledger._errors import InvalidCheckpoint, LedgerTampered
from phalanx.ledger._note import Note, NoteSignature, parse_note
from phalanx.ledger.witness._errors import Refusal
from phalanx.ledger.witness._judge import AddCheckpoint
from phalanx.ledger.witness._keys import Head, WitnessKeys
from phalanx.ledger.witness._limits import ANSWER_WITHIN_S, ASK_EVERY_S, MAX_ANSWER_BYTES, MAX_WITNESSES
from phalanx.ledger.witness._own import OwnLog
from phalanx.telemetry import Telemetry

COSIGNATURES = Table("ledger_cosignatures", indexes=("witness",))
SIZE_TYPE = "text/x.tlog.size"
_ROOM = "ledger"
_HOME = DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class WitnessPeer:
    """A witness that this node asks: its keys, and the address below which it answers."""

    keys: WitnessKeys
    url: str


class Cosignature(Record, frozen=True, kw_only=True, tag="cosignature"):
    """What one witness signed of one checkpoint: its lines, and the keys they hold under."""

    witness: str
    size: int
    keys: tuple[str, ...]
    lines: str
    cosigned_at_s: int


@dataclass(frozen=True, slots=True)
class WitnessStatus:
    """How one witness is doing: ``size`` is what it cosigned last, ``problem`` is empty when all is well."""

    name: str
    url: str
    size: int
    behind: int
    cosigned_at_s: int
    problem: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """``seen`` is who knows more of a log than it holds itself, and what; ``silent`` are those who did not say."""

    seen: Mapping[str, str]
    silent: Sequence[str]


class _Refused(Exception):
    """A witness gave no cosignature, and why; ``level`` says how bad that is."""

    def __init__(self, reason: str, level: AlertLevel = AlertLevel.NOTICE) -> None:
        super().__init__(reason)
        self.reason = reason
        self.level = level


class Witnesses:
    """All witnesses of a node's ledger. ``quorum`` of them are needed; 0 means all."""

    def __init__(
        self,
        own: OwnLog,
        store: Store,
        peers: Sequence[WitnessPeer],
        *,
        quorum: int,
        calls: HttpCaller,
        clock: Clock,
        telemetry: Telemetry,
        alerts: AlertSink,
    ) -> None:
        assert len(peers) <= MAX_WITNESSES, len(peers)
        self._own = own
        self._store = store
        self._peers = tuple(peers)
        self._names = frozenset(peer.keys.name for peer in peers)
        self.quorum = quorum or len(self._peers)
        self._calls = calls
        self._clock = clock
        self._alerts = alerts
        self._log = telemetry.log.bind(room=_ROOM)
        self._cosignatures = telemetry.metrics.counter(
            "phalanx_ledger_cosignatures_total", "Cosignatures that witnesses gave.", ("witness",)
        )
        self._refusals = telemetry.metrics.counter(
            "phalanx_ledger_cosignatures_missing_total", "How often a witness gave no cosignature.", ("witness",)
        )
        self._problems: dict[str, str] = {}
        self._reported: set[str] = set()
        self.degraded = False

    async def run(self) -> None:
        """Have each new checkpoint cosigned for as long as the node runs."""
        while True:
            await self.round()
            await self._clock.sleep(ASK_EVERY_S)

    async def round(self) -> None:
        """Ask everybody who has not cosigned the log as it is now."""
        if not self._own.size:
            return
        checkpoint = await self._own.checkpoint()
        done = await asyncio.gather(*(self._ask(peer, checkpoint) for peer in self._peers))
        self._watch_quorum(sum(done), checkpoint.size)

    async def ahead(self) -> "Ahead":
        """Who cosigned more of this log than it holds, or another log of its name; nothing is kept of the answers."""
        if not self._own.size:
            # Nothing can be signed of an empty log, so nobody can be asked about it.
            return Ahead({}, tuple(peer.keys.name for peer in self._peers))
        checkpoint, seen, silent = await self._own.checkpoint(), dict[str, str](), list[str]()
        for peer in self._peers:
            last = await self._last(peer)
            try:
                await self._cosignature(peer, checkpoint, last.size if last else 0)
            except (Unavailable, LimitExceeded) as error:
                silent.append(f"{peer.keys.name} ({error.message})")
            except _Refused as error:
                if error.level is AlertLevel.URGENT:
                    seen[peer.keys.name] = error.reason
                else:
                    silent.append(f"{peer.keys.name} ({error.reason})")
        return Ahead(seen, tuple(silent))

    async def statuses(self) -> list[WitnessStatus]:
        """Who cosigned what, and how far behind each is."""
        found = []
        for peer in self._peers:
            last = await self._last(peer)
            size = last.size if last else 0
            found.append(
                WitnessStatus(
                    name=peer.keys.name,
                    url=peer.url,
                    size=size,
                    behind=max(self._own.size - size, 0),
                    cosigned_at_s=last.cosigned_at_s if last else 0,
                    problem=self._problems.get(peer.keys.name, ""),
                )
            )
        return found

    async def of(self, size: int) -> list[Cosignature]:
        """The cosignatures of the checkpoint of that size, as they were kept; as many as a note has room for.

        Those of the present witnesses come first, then those of former ones.
        """
        rows = await self._store.scan(COSIGNATURES, _HOME, prefix=cosignature_key(size, ""))
        found = [decode(row.value, Cosignature) for row in rows]
        return sorted(found, key=lambda one: one.witness not in self._names)[:MAX_WITNESSES]

    async def newest_with_quorum(self, at_least: int) -> Checkpoint | None:
        """The newest checkpoint of ``at_least`` that many entries that a quorum cosigned."""
        if not self._peers:
            return None
        counts: dict[int, int] = {}
        rows = await self._store.scan(COSIGNATURES, _HOME, reverse=True, limit=MAX_WITNESSES * 2)
        for row in rows:
            size, name = _size_and_witness(row.key)
            if name in self._names:  # who was a witness once makes no quorum any more
                counts[size] = counts.get(size, 0) + 1
        for at in sorted(counts, reverse=True):
            if at >= at_least and counts[at] >= self.quorum:
                return await self._own.signed(at)
        return None

    async def cosigned(self, checkpoint: Checkpoint) -> str:
        """The note of a checkpoint with all its cosignatures."""
        return checkpoint.note + "".join(one.lines for one in await self.of(checkpoint.size))

    async def _last(self, peer: WitnessPeer) -> Cosignature | None:
        rows = await self._store.find(COSIGNATURES, _HOME, "witness", peer.keys.name, reverse=True, limit=1)
        return decode(rows[0].value, Cosignature) if rows else None

    async def _ask(self, peer: WitnessPeer, checkpoint: Checkpoint) -> bool:
        name = peer.keys.name
        try:
            last = await self._last(peer)
            if last is None or last.size < checkpoint.size:
                kept = await self._cosignature(peer, checkpoint, last.size if last else 0)
                index = {"witness": (name,)}
                await self._store.commit(
                    [Put(COSIGNATURES, _HOME, cosignature_key(kept.size, name), encode(kept), index)]
                )
                self._cosignatures.labels(name).inc()
        except (Unavailable, LimitExceeded, _Refused) as error:
            reason = error.reason if isinstance(error, _Refused) else error.message
            self._problems[name] = reason
            self._refusals.labels(name).inc()
            self._log.info("witness did not cosign", witness=name, reason=reason)
            if isinstance(error, _Refused) and error.level is AlertLevel.URGENT and name not in self._reported:
                self._reported.add(name)
                self._alerts.alert(error.level, _ROOM, f"witness {name}: {reason}", size=checkpoint.size)
            return False
        self._problems.pop(name, None)
        self._reported.discard(name)
        return True

    async def _cosignature(self, peer: WitnessPeer, checkpoint: Checkpoint, old: int) -> Cosignature:
        answer = await self._post(peer, checkpoint, old)
        if answer.status == Refusal.CONFLICT.value:
            old = _size_in(answer)
            if old > checkpoint.size:
                raise _Refused(
                    f"it has cosigned {old} entries of this log, which has {checkpoint.size}", AlertLevel.URGENT
                )
            answer = await self._post(peer, checkpoint, old)
        if answer.status == Refusal.CONFLICT.value and _size_in(answer) == old == checkpoint.size:
            raise _Refused(f"it has cosigned another root of size {old}", AlertLevel.URGENT)
        if answer.status == Refusal.NOT_CONSISTENT.value:
            raise _Refused(f"what it cosigned at size {old} is no prefix of this log", AlertLevel.URGENT)
        if answer.status != 200:
            raise _Refused(f"it answered with HTTP {answer.status}")
        return self._checked(peer, checkpoint, answer.body)

    async def _post(self, peer: WitnessPeer, checkpoint: Checkpoint, old: int) -> HttpAnswer:
        _, path = await self._own.prefix(old, checkpoint.size)
        request = AddCheckpoint(old, tuple(path), checkpoint.note)
        return await self._calls.post(
            f"{peer.url}/add-checkpoint",
            request.to_bytes(),
            content_type="text/plain; charset=utf-8",
            max_bytes=MAX_ANSWER_BYTES,
            within_s=ANSWER_WITHIN_S,
        )

    def _checked(self, peer: WitnessPeer, checkpoint: Checkpoint, body: bytes) -> Cosignature:
        try:
            own = parse_note(checkpoint.note)
            lines = peer.keys.own_lines(parse_note(own.text + "\n" + body.decode()).signatures)
            at_s = peer.keys.verify(Note(own.text, lines), Head.of(own))
        except (InvalidCheckpoint, UnicodeDecodeError) as error:
            raise _Refused(f"its cosignature does not hold: {error}") from error
        return cosignature(peer.keys, checkpoint.size, lines, at_s)

    def _watch_quorum(self, n: int, size: int) -> None:
        short = n < self.quorum
        if short and not self.degraded:
            text = f"{n} of {len(self._peers)} witnesses cosign the ledger, {self.quorum} are needed"
            self._alerts.alert(AlertLevel.WARNING, _ROOM, text, size=size)
        elif self.degraded and not short:
            self._alerts.alert(AlertLevel.NOTICE, _ROOM, "enough witnesses cosign the ledger again", size=size)
        self.degraded = short


def cosignature(keys: WitnessKeys, size: int, lines: Sequence[NoteSignature], at_s: int) -> Cosignature:
    """The record of what a witness signed: it follows from the signatures alone."""
    at_ns = at_s * NS_PER_S
    return Cosignature(
        id=derive_id(at_ns, "cosignature", keys.name, str(size)),
        tenant=_HOME,
        trace=NO_TRACE,
        at_ns=at_ns,
        witness=keys.name,
        size=size,
        keys=tuple(map(str, keys.keys)),
        lines="".join(line.line() for line in lines),
        cosigned_at_s=at_s,
    )


def cosignature_key(size: int, witness: str) -> str:
    # As many digits as 2^63 has, so that keys order as sizes do.
    return f"{size:019d} {witness}"


def _size_and_witness(key: str) -> tuple[int, str]:
    size, _, name = key.partition(" ")
    if not (size.isascii() and size.isdecimal()):
        raise LedgerTampered(f"cosignature stored as {key!r}", 0, "it names no size")
    return int(size), name


def _size_in(answer: HttpAnswer) -> int:
    text = answer.body.decode("ascii", "replace")
    digits = text.removesuffix("\n")
    if not answer.content_type.startswith(SIZE_TYPE) or not digits.isdecimal() or len(digits) > 19:
        raise _Refused("it answered with a conflict that names no size")
    return int(digits)
