"""A channel once it is established: both directions, its control frames, its end.

Bytes and the time go in, what is to be delivered and sent comes out; nothing here waits.

Invariants:

1. A payload is delivered at most once; in a stream, in the order it was sealed.
2. The end of a stream is only believed from an authenticated CLOSE, whose own number says how
   many frames there were. Whatever else ends a channel is an error.
3. Each side rekeys what it sends when it likes; the two ratchets know nothing of each other, so
   rekeying at once cannot clash.
4. After the end, for whatever reason, both directions' keys are dropped.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from phalanx.core import LimitExceeded
from phalanx.crypto import VerifyingKey
from phalanx.crypto.channel._errors import ChannelClosed, ChannelTruncated, FrameRefused, PeerSilent
from phalanx.crypto.channel._frames import FORGED, MALFORMED, FrameOpener, FrameSealer
from phalanx.crypto.channel._limits import MAX_PAYLOAD_BYTES, OVERTAKEN_NS, PROBE_AFTER_NS, SILENT_AFTER_NS
from phalanx.crypto.channel._messages import BATCH, CONTROL, DATA
from phalanx.crypto.channel._policy import ChannelPolicy, Ordering, Suite

# HERE answers a PROBE and tells of a turned key; it asks for no answer itself.
CONFIRM, CLOSE, PROBE, HERE = b"\x01", b"\x02", b"\x03", b"\x04"
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the handshake settled. ``peer`` is the other side's name and ``key`` what it signs with.

    ``binding`` is the same on both sides of this channel and on no other.
    """

    suite: Suite
    ordering: Ordering
    peer: str
    key: VerifyingKey
    credential: bytes
    psk_id: bytes | None
    binding: bytes
    local_id: bytes
    peer_id: bytes


class Effects(NamedTuple):
    """What follows from an event: payloads for the application, frames for the transport, the end."""

    payloads: tuple[bytes, ...] = ()
    frames: tuple[bytes, ...] = ()
    ended: ChannelClosed | None = None
    refused: str = ""


_NOTHING = Effects()


class Session:
    """An established channel, without its transport. ``seal`` gives a frame to send, in this order."""

    __slots__ = (
        "_controls",
        "_counted_received",
        "_counted_sent",
        "_ends_ns",
        "_epoch_began",
        "_epoch_began_ns",
        "_opener",
        "_overtaken_since_ns",
        "_policy",
        "_probed_ns",
        "_sealer",
        "_waiting_since_ns",
        "agreed",
        "ended",
        "peer",
        "refusals",
        "seal",
    )  # fmt: skip

    def __init__(self, agreed: Agreed, policy: ChannelPolicy, sending: bytes, receiving: bytes, *, now_ns: int) -> None:
        aead = agreed.suite.aead
        self._sealer = FrameSealer(aead, sending, agreed.peer_id, rekey_frames=policy.rekey_frames)
        self._opener = FrameOpener(aead, receiving, agreed.local_id, agreed.ordering, window=policy.replay_window)
        self._policy = policy
        self._ends_ns = now_ns + policy.channel_age_ns
        self._epoch_began_ns, self._epoch_began = now_ns, (0, -1)
        self._overtaken_since_ns: int | None = None
        self._waiting_since_ns: int | None = None
        self._probed_ns = now_ns
        self._controls = self._counted_sent = self._counted_received = 0
        self.agreed = agreed
        self.peer = agreed.peer
        self.ended: ChannelClosed | None = None
        self.refusals: dict[str, int] = {}
        # One call less on the way of every frame.
        self.seal = self._sealer.seal

    @property
    def epochs(self) -> tuple[int, int]:
        """The epoch it sends in, and the newest it has received in."""
        return self._sealer.epoch, self._opener.epoch

    def seal_many(self, payloads: Iterable[bytes]) -> list[bytes]:
        """The payloads in as few frames as they fit in; they arrive one by one and in this order."""
        frames: list[bytes] = []
        parts: list[bytes] = []
        size = 0
        for payload in payloads:
            length = len(payload)
            if length > MAX_PAYLOAD_BYTES:
                raise LimitExceeded("MAX_PAYLOAD_BYTES", maximum=MAX_PAYLOAD_BYTES, seen=length)
            if parts and size + _LENGTH_BYTES + length > MAX_PAYLOAD_BYTES:
                frames.append(self._seal_parts(parts))
                parts, size = [], 0
            parts += (length.to_bytes(_LENGTH_BYTES), payload)
            size += _LENGTH_BYTES + length
        if parts:
            frames.append(self._seal_parts(parts))
        return frames

    def _seal_parts(self, parts: list[bytes]) -> bytes:
        if len(parts) == 2:  # one payload needs no lengths, and may fill the frame
            return self._sealer.seal(parts[1])
        return self._sealer.seal_kind(BATCH, b"".join(parts))

    def confirm(self) -> bytes:
        """The responder's first frame: the initiator learns from it that the handshake is complete."""
        return self._control(CONFIRM)

    def rekey(self) -> bytes:
        """Turn the ratchet of what is sent, and a frame that tells the other side at once."""
        self._sealer.rekey()
        return self._control(HERE)

    def receive(self, frame: bytes, now_ns: int) -> Effects:
        """Take in one frame. Between datagrams a bad one is dropped and counted; in a stream it is the end."""
        if self.ended is not None:
            return _NOTHING
        epoch = self._opener.epoch
        try:
            kind, payload, seq = self._opener.open(frame)
            if kind == DATA and self._opener.epoch == epoch:
                return Effects((payload,))
            if self._opener.keeps_overtaken and self._opener.epoch != epoch:
                self._overtaken_since_ns = now_ns
            if kind == DATA:
                return Effects((payload,))
            return Effects(_split(payload)) if kind == BATCH else self._controlled(payload, seq)
        except FrameRefused as refused:
            return self._refuse(refused)
        except ChannelClosed as closed:
            return Effects(ended=self._end(closed))

    def on_time(self, now_ns: int) -> Effects:
        """What is due: a rekey by age, dropping an overtaken key, asking a silent peer, the end by age."""
        if self.ended is not None:
            return _NOTHING
        if now_ns >= self._ends_ns:
            frame = self._control(CLOSE)
            return Effects((), (frame,), self._end(ChannelClosed("it reached its age")))
        if self._opener.keeps_overtaken and now_ns - (self._overtaken_since_ns or now_ns) >= OVERTAKEN_NS:
            self._opener.forget_overtaken()
        frames = self._rekey_by_age(now_ns)
        if self.agreed.ordering is Ordering.DATAGRAM:
            silent = self._listen(now_ns)
            if silent is not None and now_ns - silent >= SILENT_AFTER_NS:
                return Effects(ended=self._end(PeerSilent("nothing came back for too long")))
            if silent is not None and now_ns - max(silent, self._probed_ns) >= PROBE_AFTER_NS:
                self._probed_ns = now_ns
                frames += (self._control(PROBE),)
        return Effects((), frames) if frames else _NOTHING

    def close(self, reason: str = "closed here") -> Effects:
        """End it: a last frame for the other side, and the keys are dropped on both."""
        if self.ended is not None:
            return _NOTHING
        frame = self._control(CLOSE)
        return Effects((), (frame,), self._end(ChannelClosed(reason)))

    def abandon(self, error: ChannelClosed) -> Effects:
        """End it without a word to the other side: the transport is gone, or nobody is there any more."""
        return _NOTHING if self.ended is not None else Effects(ended=self._end(error))

    def end_of_stream(self) -> Effects:
        """The stream below ended. Without an authenticated close before, that is a truncation."""
        return self.abandon(
            ChannelTruncated("the stream ended without its close", hint="its last payloads may be lost")
        )

    def _control(self, what: bytes) -> bytes:
        frame = self._sealer.seal_kind(CONTROL, what)
        self._controls += 1
        return frame

    def _controlled(self, what: bytes, seq: int) -> Effects:
        if what == PROBE:
            return Effects((), (self._control(HERE),))
        if what == CLOSE:
            # Numbers begin at 0, so the close's own is how many frames came before it.
            lost = seq + 1 - self._opener.received
            return Effects(ended=self._end(ChannelClosed("the other side closed it", lost=lost)))
        return _NOTHING if what in (CONFIRM, HERE) else self._refuse(FrameRefused(MALFORMED))

    def _refuse(self, refused: FrameRefused) -> Effects:
        self.refusals[refused.reason] = self.refusals.get(refused.reason, 0) + 1
        if self.agreed.ordering is Ordering.DATAGRAM:
            return Effects(refused=refused.reason)
        what = "tampered with" if refused.reason == FORGED else "broken"
        return Effects(
            (), (), self._end(ChannelClosed(f"the stream is {what}: a frame is {refused.reason}")), refused.reason
        )

    def _rekey_by_age(self, now_ns: int) -> tuple[bytes, ...]:
        epoch, last = self._sealer.epoch, self._sealer.last
        if self._epoch_began[0] != epoch:  # it turned by count meanwhile
            self._epoch_began, self._epoch_began_ns = (epoch, last), now_ns
        if now_ns - self._epoch_began_ns < self._policy.rekey_age_ns or last == self._epoch_began[1]:
            return ()  # too early, or nothing was sealed under this key
        frame = self.rekey()
        self._epoch_began, self._epoch_began_ns = (self._sealer.epoch, self._sealer.last), now_ns
        return (frame,)

    def _listen(self, now_ns: int) -> int | None:
        """Since when something of ours is unanswered. Control frames ask for no answer by themselves."""
        sent, received = self._sealer.last + 1 - self._controls, self._opener.received
        if received != self._counted_received:
            self._counted_received, self._waiting_since_ns = received, None
        if sent != self._counted_sent:
            self._counted_sent = sent
            if self._waiting_since_ns is None:
                self._waiting_since_ns = now_ns
        return self._waiting_since_ns

    def _end(self, why: ChannelClosed) -> ChannelClosed:
        self._sealer.erase()
        self._opener.erase()
        self.ended = why
        return why


def _split(batch: bytes) -> tuple[bytes, ...]:
    """The payloads of a batch; raises ``FrameRefused`` when the lengths do not add up."""
    found: list[bytes] = []
    at = 0
    while at < len(batch):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(batch[start - _LENGTH_BYTES : start])
        if at > len(batch) or start > len(batch):
            raise FrameRefused(MALFORMED)
        found.append(batch[start:at])
    return tuple(found)
