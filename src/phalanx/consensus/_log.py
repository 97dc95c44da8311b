"""What participants said, durable before they say it: for participants whose keys outlive their process.

One journal serves all participants of a council. A turn's states are one append, and so one sync,
however many participants spoke; a certificate that many hold is written once. An agent whose keys
live in memory alone needs no log: when it loses its memory it has lost its voice.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from phalanx.consensus._messages import Certificate
from phalanx.consensus._question import Question
from phalanx.consensus._state import VoterState
from phalanx.core import Journal, StorageCorrupt


class _Opened(msgspec.Struct, frozen=True, array_like=True, tag="opened"):
    slot: bytes
    epoch: bytes
    question: Question
    deadline_ns: int


class _Held(msgspec.Struct, frozen=True, array_like=True, tag="held"):
    digest: bytes
    certificate: Certificate


class _Said(msgspec.Struct, frozen=True, array_like=True, tag="said"):
    slot: bytes
    place: int
    view: int
    proposed: int
    prepared: tuple[int, int]
    committed: tuple[int, int]
    high: bytes
    decision: bytes


@dataclass(slots=True)
class Recalled:
    """An instance as the log knows it."""

    question: Question
    deadline_ns: int
    states: dict[int, VoterState] = field(default_factory=dict)


class VoteLog:
    """The states of a council's participants in a journal. Made by ``open``."""

    def __init__(self, journal: Journal, recalled: Mapping[bytes, Recalled], held: set[bytes]) -> None:
        self._journal = journal
        self._held = held
        self._digests: dict[int, tuple[Certificate, bytes]] = {}
        self.recalled = recalled

    @classmethod
    async def open(cls, journal: Journal, epoch: bytes) -> "VoteLog":
        """Read what participants of ``epoch`` said. Raises ``StorageCorrupt``."""
        recalled: dict[bytes, Recalled] = {}
        held: dict[bytes, Certificate | None] = {b"": None}
        offset = journal.start
        while offset < journal.end:
            records = await journal.read(offset)
            for place, data in enumerate(records):
                try:
                    _recall(_decoder.decode(data), epoch, recalled, held)
                except (msgspec.DecodeError, KeyError) as error:
                    raise StorageCorrupt("vote log", offset + place, str(error)) from error
            offset += len(records)
        return cls(journal, recalled, set(held))

    async def opened(self, slot: bytes, epoch: bytes, question: Question, deadline_ns: int) -> None:
        """Durable when it returns."""
        await self._journal.append([_encoder.encode(_Opened(slot, epoch, question, deadline_ns))])

    async def save(self, slot: bytes, states: Mapping[int, VoterState]) -> None:
        """Durable when it returns."""
        records: list[bytes] = []
        for place, state in states.items():
            high, decision = self._keep(state.high, records), self._keep(state.decision, records)
            said = _Said(slot, place, state.view, state.proposed, state.prepared, state.committed, high, decision)
            records.append(_encoder.encode(said))
        await self._journal.append(records)

    async def forget(self) -> None:
        """Drop everything: no instance is open, and nobody votes in this epoch any more."""
        await self._journal.trim(self._journal.end)
        self._held.clear()
        self._digests.clear()

    def _keep(self, certificate: Certificate | None, records: list[bytes]) -> bytes:
        if certificate is None:
            return b""
        known = self._digests.get(id(certificate))
        digest = known[1] if known is not None else certificate.digest
        self._digests[id(certificate)] = (certificate, digest)
        if digest not in self._held:
            self._held.add(digest)
            records.append(_encoder.encode(_Held(digest, certificate)))
        return digest


def _recall(
    record: _Opened | _Held | _Said,
    epoch: bytes,
    recalled: dict[bytes, Recalled],
    held: dict[bytes, Certificate | None],
) -> None:
    if isinstance(record, _Opened):
        if record.epoch == epoch:
            recalled[record.slot] = Recalled(record.question, record.deadline_ns)
    elif isinstance(record, _Held):
        if hashlib.sha256(msgspec.msgpack.encode(record.certificate)).digest() != record.digest:
            raise KeyError("a certificate is not what its digest says")
        held[record.digest] = record.certificate
    elif record.slot in recalled:
        high, decision = held[record.high], held[record.decision]
        state = VoterState(record.view, record.proposed, record.prepared, record.committed, high, decision)
        recalled[record.slot].states[record.place] = state


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Opened | _Held | _Said)
