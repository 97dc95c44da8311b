"""Sealing and opening frames: one direction of one channel.

    frame = kind (1) ‖ receiver's id (8) ‖ epoch (4) ‖ sequence number (8) ‖ AEAD(payload)
    nonce = iv XOR sequence number          (RFC 8446 section 5.3); the header is authenticated

Invariants:

1. A sequence number is taken once and never given back, whatever fails after; it goes on over
   epochs. So no nonce is used twice under one key, also if two threads seal at once.
2. A key seals at most ``rekey_frames`` frames; then the ratchet turns and the old key is dropped.
3. Nothing that a forged frame says changes the receiver: not its window, not its epoch.
4. A frame is taken in at most once. In a stream it must be the very next one. Between datagrams
   it may be late by less than the window, and one epoch back for a while, if it was sealed
   before the first frame of the newer epoch.
5. After ``erase`` there is no key left to seal or open with.
"""

from collections.abc import Callable
from itertools import count
from struct import Struct
from typing import cast

from phalanx.core import LimitExceeded
from phalanx.crypto import TAG_BYTES, Aead, NotAuthentic
from phalanx.crypto.channel._errors import ChannelClosed, FrameRefused
from phalanx.crypto.channel._limits import (
    MAX_EPOCH,
    MAX_EPOCH_SKIP,
    MAX_FORGERIES,
    MAX_FRAMES,
    MAX_PAYLOAD_BYTES,
)
from phalanx.crypto.channel._messages import BATCH, CONTROL, DATA, prefix
from phalanx.crypto.channel._policy import Ordering
from phalanx.crypto.channel._schedule import frame_key, ratchet

_HEADER = Struct(">B8sIQ")
HEADER_BYTES = _HEADER.size
FRAME_OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES
_MAX_FRAME_BYTES = MAX_PAYLOAD_BYTES + FRAME_OVERHEAD_BYTES
# Longer frames are opened in place; for short ones a copy is cheaper than a view.
_COPY_BYTES = 4_096

FRAME_REFUSALS = (
    "malformed", "of another channel", "not authentic", "a repetition", "too late", "out of order", "of a stale epoch",
    "of an epoch too far ahead",
)  # fmt: skip
MALFORMED, FOREIGN, FORGED, REPEATED, LATE, DISORDERED, STALE, AHEAD = FRAME_REFUSALS

_Seal = Callable[[bytes, bytes, bytes], bytes]


class FrameSealer:
    """The sending half. Belongs to one event loop; ``peer_id`` is how the receiver knows the channel."""

    __slots__ = ("_aead", "_limit", "_next", "_peer_id", "_rekey_frames", "_secret", "_state", "epoch", "last")

    def __init__(self, aead: str, secret: bytes, peer_id: bytes, *, rekey_frames: int) -> None:
        self._aead = aead
        self._secret = secret
        self._peer_id = peer_id
        self._rekey_frames = rekey_frames
        self._next = count().__next__
        self.epoch = 0
        self.last = -1
        self._state = self._install()

    def seal(self, payload: bytes) -> bytes:
        """One payload as a frame. This is the hot path: taking a number is one atomic call."""
        if len(payload) > MAX_PAYLOAD_BYTES:  # before a number is taken: a stream has no gaps
            raise LimitExceeded("MAX_PAYLOAD_BYTES", maximum=MAX_PAYLOAD_BYTES, seen=len(payload))
        seq = self._next()
        seal, iv, header, limit = self._state
        if seq >= limit:
            return self._seal_slowly(DATA, payload, seq)
        self.last = seq
        header += seq.to_bytes(8)
        return header + seal((iv ^ seq).to_bytes(12), payload, header)

    def seal_kind(self, kind: int, payload: bytes) -> bytes:
        """The same for frames that are not plain data; whoever calls this keeps to the bound."""
        assert len(payload) <= MAX_PAYLOAD_BYTES, len(payload)
        return self._seal_slowly(kind, payload, self._next())

    def rekey(self) -> None:
        """Turn the ratchet: what was sealed so far cannot be opened with what is left here."""
        if self.is_erased:
            raise ChannelClosed("its keys are erased")
        if self.epoch >= MAX_EPOCH:
            raise ChannelClosed("its epochs are used up")
        self._secret = ratchet(self._secret)
        self.epoch += 1
        self._state = self._install()

    def erase(self) -> None:
        """Drop the keys. CPython frees them at once; that the memory is overwritten cannot be promised."""
        self._secret = b""
        self._state = (_no_key, 0, b"", 0)

    @property
    def is_erased(self) -> bool:
        return not self._secret

    def _install(self) -> tuple[_Seal, int, bytes, int]:
        cipher, iv = frame_key(self._aead, self._secret)
        header = prefix(DATA, self._peer_id) + self.epoch.to_bytes(4)
        return cipher.seal, iv, header, min(self.last + 1 + self._rekey_frames, MAX_FRAMES)

    def _seal_slowly(self, kind: int, payload: bytes, seq: int) -> bytes:
        if self.is_erased:
            raise ChannelClosed("its keys are erased")
        if seq >= MAX_FRAMES:
            raise ChannelClosed("its sequence numbers are used up")
        if seq >= self._state[3]:
            self.last = seq - 1
            self.rekey()
        seal, iv, header, _ = self._state
        self.last = seq
        header = bytes((kind,)) + header[1:] + seq.to_bytes(8)
        return header + seal((iv ^ seq).to_bytes(12), payload, header)


class FrameOpener:
    """The receiving half, with its replay window and its place in the epochs."""

    __slots__ = (
        "_aead", "_cipher", "_floor", "_iv", "_local_id", "_mask", "_overtaken", "_secret", "_seen", "_stream", "_top",
        "_window", "epoch", "forgeries", "received",
    )  # fmt: skip

    def __init__(self, aead: str, secret: bytes, local_id: bytes, ordering: Ordering, *, window: int) -> None:
        self._aead = aead
        self._secret = secret
        self._local_id = local_id
        self._stream = ordering is Ordering.STREAM
        self._window, self._mask = window, (1 << window) - 1
        self._cipher, self._iv = frame_key(aead, secret)
        self.epoch = 0
        self._top = 0  # one past the highest number taken in
        self._seen = 0  # bit n: number top-1-n was taken in
        self._overtaken: tuple[Aead, int] | None = None
        self._floor = 0  # the lowest number taken in under the current epoch
        self.received = 0
        self.forgeries = 0

    def open(self, frame: bytes) -> tuple[int, bytes, int]:
        """Kind, payload and sequence number; raises ``FrameRefused`` and changes nothing otherwise."""
        if not FRAME_OVERHEAD_BYTES <= len(frame) <= _MAX_FRAME_BYTES:
            raise FrameRefused(MALFORMED)
        kind, receiver, epoch, seq = _HEADER.unpack_from(frame)
        if kind != DATA and kind != BATCH and kind != CONTROL:
            raise FrameRefused(MALFORMED)
        if receiver != self._local_id:
            raise FrameRefused(FOREIGN)
        ahead = seq - self._top
        if self._stream:
            if ahead:
                raise FrameRefused(DISORDERED)
        elif ahead < 0:
            if ahead < -self._window:
                raise FrameRefused(LATE)
            if self._seen >> (-1 - ahead) & 1:
                raise FrameRefused(REPEATED)
        if epoch != self.epoch:
            return kind, self._open_other_epoch(frame, epoch, seq), seq
        payload = self._decrypt(self._cipher, self._iv, frame, seq)
        if self._overtaken is not None and seq < self._floor:
            self._floor = seq
        self._take_in(seq)
        return kind, payload, seq

    def forget_overtaken(self) -> None:
        """Drop the key of the epoch before this one: what is still under way in it is lost."""
        self._overtaken = None

    @property
    def keeps_overtaken(self) -> bool:
        return self._overtaken is not None

    def erase(self) -> None:
        """Drop the keys; see ``FrameSealer.erase``."""
        self._secret, self._local_id, self._overtaken = b"", b"", None
        del self._cipher, self._iv

    def _open_other_epoch(self, frame: bytes, epoch: int, seq: int) -> bytes:
        if epoch < self.epoch:
            # The sender's epochs never go back, so what was sealed earlier has a lower number.
            if self._overtaken is None or epoch != self.epoch - 1 or seq >= self._floor:
                raise FrameRefused(STALE)
            payload = self._decrypt(*self._overtaken, frame, seq)
            self._take_in(seq)
            return payload
        if epoch - self.epoch > (1 if self._stream else MAX_EPOCH_SKIP):
            raise FrameRefused(AHEAD)
        before, secret = (self._cipher, self._iv), ratchet(self._secret)
        for _ in range(epoch - self.epoch - 1):
            before, secret = frame_key(self._aead, secret), ratchet(secret)
        cipher, iv = frame_key(self._aead, secret)
        payload = self._decrypt(cipher, iv, frame, seq)
        # Only now is it known that the sender turned its ratchet: the old keys can go.
        self._secret, self._cipher, self._iv, self.epoch = secret, cipher, iv, epoch
        self._overtaken = None if self._stream else before
        self._floor = seq
        self._take_in(seq)
        return payload

    def _decrypt(self, cipher: Aead, iv: int, frame: bytes, seq: int) -> bytes:
        body = frame[HEADER_BYTES:] if len(frame) < _COPY_BYTES else cast("bytes", memoryview(frame)[HEADER_BYTES:])
        try:
            return cipher.open((iv ^ seq).to_bytes(12), body, frame[:HEADER_BYTES])
        except NotAuthentic:
            self.forgeries += 1
            if self.forgeries >= MAX_FORGERIES:
                raise ChannelClosed("too many frames were forged") from None
            raise FrameRefused(FORGED) from None

    def _take_in(self, seq: int) -> None:
        ahead = seq - self._top
        if ahead < 0:
            self._seen |= 1 << (-1 - ahead)
        else:
            self._seen = (self._seen << (ahead + 1) | 1) & self._mask if ahead < self._window else 1
            self._top = seq + 1
        self.received += 1


def _no_key(nonce: bytes, payload: bytes, header: bytes) -> bytes:  # noqa: ARG001 - stands where the cipher was
    raise ChannelClosed("its keys are erased")
