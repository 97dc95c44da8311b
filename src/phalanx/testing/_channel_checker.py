"""What must hold of channels, told from outside: from what was asked of them, what came out, and the wire.

The checkers share no code with the room. They know the layout of a frame's header, and they see
every key and nonce, because for the length of a run every cipher is made under their eyes.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from phalanx.crypto import Aead
from phalanx.crypto.channel import ChannelClosed, Delivered, Ended, Opened, PeerSilent, Session
from phalanx.testing._checking import Checker

# The first byte of a frame, and where its epoch and sequence number stand.
DATA_KINDS = frozenset({16, 17})
CONTROL_KIND = 18
EPOCH = slice(9, 13)
SEQUENCE = slice(13, 21)
HEADER_BYTES = 21


class CipherWatch:
    """Notes every (key, nonce) that seals. Nothing may ever be sealed twice under one pair."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._used: set[tuple[bytes, bytes]] = set()
        # By frame header: what it takes to seal under the same key, for an attacker who stole it.
        self.stolen: dict[bytes, tuple[Any, int]] = {}

    def watched(self, key: bytes, seal: Any) -> Any:
        key_id = hashlib.sha256(key).digest()[:8]

        def seal_and_note(nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
            pair = key_id, nonce
            self._checker.require(pair not in self._used, "a nonce was used twice under one key", aad.hex())
            self._used.add(pair)
            if len(aad) == HEADER_BYTES:
                iv = int.from_bytes(nonce) ^ int.from_bytes(aad[SEQUENCE])
                self.stolen[aad[: EPOCH.stop]] = seal, iv
            sealed: bytes = seal(nonce, plaintext, aad)
            return sealed

        return seal_and_note


@contextmanager
def watched_ciphers(checker: Checker) -> Iterator[CipherWatch]:
    """While this lasts, every ``Aead`` that is made tells the watch what it seals."""
    watch, make = CipherWatch(checker), Aead.__init__

    def make_watched(self: Aead, name: str, key: bytes) -> None:
        make(self, name, key)
        self.seal = watch.watched(key, self.seal)

    Aead.__init__ = make_watched  # type: ignore[method-assign]
    try:
        yield watch
    finally:
        Aead.__init__ = make  # type: ignore[method-assign]


@dataclass(slots=True)
class _Sent:
    source: str
    target: str
    binding: bytes
    epoch: int


@dataclass(slots=True)
class DatagramChecker:
    """Judges endpoints: delivered is a part of what was sent, once, by whom it seems, and not after a revocation."""

    checker: Checker
    names: dict[str, str]  # fingerprint -> who holds that key
    _sent: dict[bytes, _Sent] = field(default_factory=dict)
    _delivered: set[bytes] = field(default_factory=set)
    _ends: dict[bytes, dict[str, str]] = field(default_factory=dict)  # binding -> address -> whom it believes there
    _closed: set[tuple[bytes, str]] = field(default_factory=set)
    _epochs: dict[tuple[bytes, str], int] = field(default_factory=dict)
    revoked: set[tuple[str, str]] = field(default_factory=set)  # (at whom, who)

    def sent(self, source: str, target: str, session: Session, payload: bytes) -> None:
        self._sent[payload] = _Sent(source, target, session.agreed.binding, session.epochs[0])

    def closing(self, where: str, session: Session) -> None:
        """``where`` is about to close this session, so the other side may be told so."""
        self._closed.add((session.agreed.binding, where))

    def opened(self, where: str, event: Opened) -> None:
        """Both ends of a channel must mean each other."""
        session, require = event.session, self.checker.require
        peer = self.names[session.peer]
        ends = self._ends.setdefault(session.agreed.binding, {})
        require(where not in ends, "one handshake gave two channels", where)
        ends[where] = peer
        require(set(ends) <= {where, peer}, "a channel joins others than it says", ends)
        require(ends.get(peer, where) == where, "the two ends of a channel disagree", ends)
        require((where, peer) not in self.revoked, "a revoked peer got a channel", where, peer)
        self.checker.count("channels")

    def delivered(self, where: str, event: Delivered) -> None:
        require = self.checker.require
        binding, peer = event.session.agreed.binding, self.names[event.session.peer]
        for payload in event.payloads:
            sent = self._sent.get(payload)
            if sent is None:
                self.checker.violation("something was delivered that nobody sent", where, payload)
                continue
            require(payload not in self._delivered, "a payload was delivered twice", where, payload)
            require((sent.target, sent.binding) == (where, binding), "a payload came out elsewhere", where, payload)
            require(sent.source == peer, "a payload seems to come from somebody else", where, payload)
            require((where, peer) not in self.revoked, "a revoked peer was heard", where, payload)
            newest = max(self._epochs.get((binding, where), 0), sent.epoch)
            require(sent.epoch >= newest - 1, "a stale epoch was accepted", where, sent.epoch, newest)
            self._epochs[binding, where] = newest
            self._delivered.add(payload)
            self.checker.count("payloads delivered")

    def ended(self, where: str, event: Ended) -> None:
        """The other side's word for the end counts only if it said so; and no key is left."""
        session, peer = event.session, self.names[event.session.peer]
        if "other side closed" in event.why.reason:
            told = (session.agreed.binding, peer) in self._closed
            self.checker.require(told, "a close was believed that nobody said", where, peer)
            self.checker.count("closes told")
        if isinstance(event.why, PeerSilent):
            self.checker.count("silent peers")
        self.check_erased(session)

    def check_erased(self, session: Session) -> None:
        try:
            session.seal(b"after the end")
        except ChannelClosed:
            return
        self.checker.violation("a closed channel still seals")

    def crashed(self, where: str) -> None:
        """What went with the crash may be there once more: the same Hello can arrive a second time."""
        for ends in self._ends.values():
            ends.pop(where, None)


def check_stream(checker: Checker, sent: list[bytes], delivered: list[bytes], ended: ChannelClosed | None) -> None:
    """A stream delivers a beginning of what was sent, in order; an orderly end means all of it."""
    checker.require(delivered == sent[: len(delivered)], "a stream delivered something else", delivered, sent)
    if type(ended) is ChannelClosed and "other side closed" in ended.reason:
        checker.require(delivered == sent, "a stream that lost its end seemed complete", len(delivered), len(sent))
        checker.count("streams whole")
    else:
        checker.count("streams broken")
