"""One address that speaks with many: handshakes, channels and their bounds, without any I/O.

Datagrams and the time go in; what is to be sent, delivered and told comes out.

Invariants:

1. Before a cookie came back from an address, it is sent no more bytes than it sent, nothing is
   kept for it, and no public-key operation is done for it.
2. Half-open handshakes, dials and channels are bounded, half-open ones also per address.
3. With one peer there is at most one channel that we began and one that it began; a new one of
   the same kind replaces the old, whose state one side has lost.
4. A refused or revoked peer has no channel here from the moment ``revoke`` or ``recheck`` returns.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from phalanx.core import EntropySource, LimitExceeded, PhalanxError
from phalanx.crypto import AlgorithmForbidden
from phalanx.crypto.channel._cookie import CookieJar
from phalanx.crypto.channel._errors import ChannelClosed, HandshakeFailed, HandshakeTampered, PeerRefused
from phalanx.crypto.channel._handshake import FindPsk, Progress
from phalanx.crypto.channel._initiator import Initiator
from phalanx.crypto.channel._limits import (
    HANDSHAKE_NS,
    MAX_CHANNELS,
    MAX_DIALS,
    MAX_FORGED_FINISHES,
    MAX_HALF_OPEN,
    MAX_HALF_OPEN_PER_ADDRESS,
)
from phalanx.crypto.channel._messages import (
    FINISH,
    HELLO,
    PREFIX_BYTES,
    RETRY,
    Hello,
    Offer,
    Retry,
    read,
    unpack,
    wire,
)
from phalanx.crypto.channel._policy import ChannelPolicy, Ordering, Party, Psk
from phalanx.crypto.channel._responder import Responder, no_psk, refuse
from phalanx.crypto.channel._session import Effects, Session


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send a datagram."""

    address: str
    datagram: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel is there. ``dial`` is the number ``connect`` gave when we began it, else None."""

    address: str
    session: Session
    dial: int | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """Payloads arrived on a channel."""

    address: str
    session: Session
    payloads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A channel is over and its keys are dropped."""

    address: str
    session: Session
    why: ChannelClosed


@dataclass(frozen=True, slots=True)
class Failed:
    """A handshake that we began came to nothing."""

    address: str
    dial: int
    error: HandshakeFailed


Effect = Transmit | Opened | Delivered | Ended | Failed


@dataclass(slots=True)
class _HalfOpen:
    address: str
    peer_id: bytes
    hello: tuple[bytes, tuple[bytes, ...]]
    responder: Responder
    ends_ns: int
    forged: int = 0


@dataclass(slots=True)
class _Dial:
    number: int
    address: str
    initiator: Initiator


@dataclass(slots=True)
class _Line:
    """A channel in place. ``finish`` is the hash of the message it came from, while that may be repeated."""

    address: str
    session: Session
    is_ours: bool
    finish: bytes = b""

    @property
    def key(self) -> tuple[str, str, bool]:
        return self.address, self.session.peer, self.is_ours


class Endpoint:
    """Everything that one address keeps of its channels. Belongs to one event loop."""

    def __init__(
        self,
        party: Party,
        policy: ChannelPolicy,
        entropy: EntropySource,
        *,
        find_psk: FindPsk = no_psk,
        max_channels: int = MAX_CHANNELS,
        max_half_open: int = MAX_HALF_OPEN,
    ) -> None:
        self.party = party
        self.refused: dict[str, int] = {}
        self._policy = policy
        self._entropy = entropy
        self._find_psk = find_psk
        self._max_channels = max_channels
        self._max_half_open = max_half_open
        self._cookies = CookieJar(entropy)
        self._dials: dict[bytes, _Dial] = {}
        self._half_open: dict[bytes, _HalfOpen] = {}
        self._hellos: dict[tuple[str, bytes], _HalfOpen] = {}
        self._waiting_at: dict[str, int] = {}
        self._lines: dict[bytes, _Line] = {}
        self._by_peer: OrderedDict[tuple[str, str, bool], _Line] = OrderedDict()
        self._n_dials = 0

    @property
    def is_busy(self) -> bool:
        """Whether a handshake is under way, so that time matters more."""
        return bool(self._dials or self._half_open)

    @property
    def counts(self) -> dict[str, int]:
        return {"channels": len(self._lines), "dials": len(self._dials), "half_open": len(self._half_open)}

    def find(self, address: str, peer: str) -> Session | None:
        """The channel with a peer, if there is one; finding it counts as using it."""
        for is_ours in (True, False):
            if (line := self._by_peer.get((address, peer, is_ours))) is not None:
                self._by_peer.move_to_end(line.key)
                return line.session
        return None

    def connect(self, address: str, now_ns: int, *, peer: str, psks: Sequence[Psk] = ()) -> tuple[int, list[Effect]]:
        """Begin a handshake; its number comes back in ``Opened`` or ``Failed``."""
        if len(self._dials) >= MAX_DIALS:
            raise LimitExceeded("MAX_DIALS", maximum=MAX_DIALS, seen=len(self._dials) + 1)
        initiator = Initiator(
            self.party, self._policy, ordering=Ordering.DATAGRAM, entropy=self._entropy, now_ns=now_ns,
            peer=peer, psks=psks,
        )  # fmt: skip
        self._n_dials += 1
        self._dials[initiator.local_id] = _Dial(self._n_dials, address, initiator)
        return self._n_dials, [Transmit(address, initiator.start())]

    def receive(self, address: str, datagram: bytes, now_ns: int) -> list[Effect]:
        """Take in one datagram, whatever it is."""
        if len(datagram) < PREFIX_BYTES:
            return self._refuse("malformed")
        local_id = datagram[1:PREFIX_BYTES]
        if (line := self._lines.get(local_id)) is not None:
            if datagram[0] == FINISH:
                return self._finish_again(line, datagram)
            effects = line.session.receive(datagram, now_ns)
            if line.finish and not effects.refused:
                line.finish = b""  # whoever sends frames has our confirmation
            return self._effects(line, effects)
        try:
            if datagram[0] == HELLO:
                return self._hello(address, datagram, now_ns)
            if (dial := self._dials.get(local_id)) is not None:
                return self._advance(dial, lambda: dial.initiator.receive(datagram, now_ns))
            if (half := self._half_open.get(local_id)) is not None:
                return self._finish(half, datagram, now_ns)
        except HandshakeTampered:
            return self._refuse("tampered")
        return self._refuse("of no channel")

    def on_time(self, now_ns: int) -> list[Effect]:
        """What is due by now; call it often enough (``TICK_BUSY_S``, ``TICK_IDLE_S``)."""
        found: list[Effect] = []
        for dial in list(self._dials.values()):
            found += self._advance(dial, lambda dial=dial: dial.initiator.on_time(now_ns))  # type: ignore[misc]
        for half in [one for one in self._half_open.values() if now_ns >= one.ends_ns]:
            self._forget(half)
        for line in list(self._lines.values()):
            found += self._effects(line, line.session.on_time(now_ns))
        return found

    def close(self, session: Session, reason: str = "closed here") -> list[Effect]:
        """End one channel, and tell the other side."""
        line = self._lines.get(session.agreed.local_id)
        return self._effects(line, session.close(reason)) if line is not None else []

    def close_all(self) -> list[Effect]:
        """End every channel and forget every handshake."""
        for half in list(self._half_open.values()):
            self._forget(half)
        found = self._close_where(lambda _: True, "the endpoint closed")
        found += [
            Failed(one.address, one.number, HandshakeFailed("the endpoint closed")) for one in self._dials.values()
        ]
        self._dials.clear()
        return found

    def revoke(self, peer: str) -> list[Effect]:
        """End every channel with a peer, at once."""
        return self._close_where(lambda session: session.peer == peer, "the peer was revoked")

    def recheck(self) -> list[Effect]:
        """Ask ``verify_peer`` again for every channel, and end those whose credential is good no longer."""

        def is_bad(session: Session) -> bool:
            try:
                return self.party.verify_peer(session.agreed.credential) != session.agreed.key
            except (PhalanxError, ValueError):
                return True

        return self._close_where(is_bad, "the peer's credential is no longer accepted")

    def _close_where(self, chosen: Callable[[Session], bool], reason: str) -> list[Effect]:
        found: list[Effect] = []
        for line in [one for one in self._lines.values() if chosen(one.session)]:
            found += self._effects(line, line.session.close(reason))
        # A dial may have judged its peer already and only wait for the confirmation.
        for dial in [one for one in self._dials.values() if one.initiator.session and chosen(one.initiator.session)]:
            del self._dials[dial.initiator.local_id]
            found.append(Failed(dial.address, dial.number, PeerRefused(reason)))
        return found

    def _hello(self, address: str, datagram: bytes, now_ns: int) -> list[Effect]:
        hello = read(datagram, HELLO, Hello, datagram[1:PREFIX_BYTES])
        if not self._cookies.holds(hello.cookie, address, hello.offer, now_ns):
            retry = wire(RETRY, datagram[1:PREFIX_BYTES], Retry(self._cookies.make(address, hello.offer, now_ns)))
            # A Hello is longer than this by the size of its shares; a shorter one is none of ours.
            return [Transmit(address, retry)] if len(retry) <= len(datagram) else self._refuse("malformed")
        peer_id = unpack(hello.offer, Offer).session
        known = self._hellos.get((address, peer_id))
        if known is not None:
            same = known.hello == (hello.offer, hello.binders)
            return [Transmit(address, known.responder.reply)] if same else self._refuse("tampered")
        waiting = self._waiting_at.get(address, 0)
        if len(self._half_open) >= self._max_half_open or waiting >= MAX_HALF_OPEN_PER_ADDRESS:
            self._refuse("too many half-open")
            return [Transmit(address, refuse(peer_id, "too many handshakes are under way"))]
        try:
            responder = Responder(
                self.party, self._policy, ordering=Ordering.DATAGRAM, entropy=self._entropy, hello=datagram,
                find_psk=self._find_psk,
            )  # fmt: skip
        except HandshakeFailed as failed:
            self._refuse("not acceptable")
            return [Transmit(address, refuse(peer_id, failed.reason))]
        except AlgorithmForbidden as forbidden:  # our own key's: nothing that a stranger sends may end the endpoint
            self._refuse("forbidden here")
            return [Transmit(address, refuse(peer_id, forbidden.reason))]
        half = _HalfOpen(address, peer_id, (hello.offer, hello.binders), responder, now_ns + HANDSHAKE_NS)
        self._half_open[responder.local_id] = self._hellos[address, peer_id] = half
        self._waiting_at[address] = waiting + 1
        return [Transmit(address, responder.reply)]

    def _finish(self, half: _HalfOpen, datagram: bytes, now_ns: int) -> list[Effect]:
        try:
            progress = half.responder.finish(datagram, now_ns)
        except HandshakeTampered:
            half.forged += 1
            if half.forged >= MAX_FORGED_FINISHES:
                self._forget(half)
            raise
        except HandshakeFailed:
            self._forget(half)
            self._refuse("not acceptable")
            return [Transmit(half.address, half.responder.refusal)]
        self._forget(half)
        assert progress.session is not None
        replaced = self._install(_Line(half.address, progress.session, is_ours=False, finish=sha256(datagram).digest()))
        frames = [Transmit(half.address, frame) for frame in progress.messages]
        return [*replaced, *frames, Opened(half.address, progress.session, None)]

    def _finish_again(self, line: _Line, datagram: bytes) -> list[Effect]:
        """The confirmation was lost: confirm again, but only what this very message led to."""
        if line.finish != sha256(datagram).digest():
            return self._refuse("tampered")
        return [Transmit(line.address, line.session.confirm())]

    def _advance(self, dial: _Dial, step: Callable[[], Progress]) -> list[Effect]:
        try:
            progress = step()
        except HandshakeFailed as error:
            del self._dials[dial.initiator.local_id]
            return [Failed(dial.address, dial.number, error)]
        found: list[Effect] = [Transmit(dial.address, message) for message in progress.messages]
        if progress.session is not None:
            del self._dials[dial.initiator.local_id]
            found = [*self._install(_Line(dial.address, progress.session, is_ours=True)), *found]
            found.append(Opened(dial.address, progress.session, dial.number))
            if progress.payloads:
                found.append(Delivered(dial.address, progress.session, progress.payloads))
        return found

    def _install(self, line: _Line) -> list[Effect]:
        replaced = self._by_peer.get(line.key)
        found = self._effects(replaced, replaced.session.close("a newer channel replaced it")) if replaced else []
        while len(self._lines) >= self._max_channels:
            _, oldest = next(iter(self._by_peer.items()))
            found += self._effects(oldest, oldest.session.close("it was the least recently used"))
        self._lines[line.session.agreed.local_id] = self._by_peer[line.key] = line
        return found

    def _effects(self, line: _Line, effects: Effects) -> list[Effect]:
        found: list[Effect] = [Transmit(line.address, frame) for frame in effects.frames]
        if effects.payloads:
            self._by_peer.move_to_end(line.key)
            found.append(Delivered(line.address, line.session, effects.payloads))
        if effects.refused:
            self._refuse(effects.refused)
        if effects.ended is not None:
            del self._lines[line.session.agreed.local_id]
            del self._by_peer[line.key]
            found.append(Ended(line.address, line.session, effects.ended))
        return found

    def _forget(self, half: _HalfOpen) -> None:
        del self._half_open[half.responder.local_id]
        del self._hellos[half.address, half.peer_id]
        self._waiting_at[half.address] -= 1
        if not self._waiting_at[half.address]:
            del self._waiting_at[half.address]

    def _refuse(self, reason: str) -> list[Effect]:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        return []
