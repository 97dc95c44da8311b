"""Channels between two parties: hybrid post-quantum handshake, sealed frames, rekeying, an authenticated close.

A channel is established by a handshake whose invariants are in ``_handshake``: ephemeral keys of
X25519 and ML-KEM-768 together, both sides signed with Ed25519 and ML-DSA-65 together, and a
pre-shared key mixed in where there is one. Frames (``_frames``) are sealed with AES-256-GCM or
ChaCha20-Poly1305 under counted nonces, their keys are replaced by count and by age, and closing
drops them. All of it is logic without I/O (``Initiator``, ``Responder``, ``Session``, ``Endpoint``);
``Channels`` puts it on datagrams, ``connect_stream`` and ``accept_stream`` on byte streams.
What each secret protects: docs/explanation/channels.md.

Errors::

    CryptoError
    └── ChannelError
        ├── HandshakeFailed             no channel was established
        │   ├── HandshakeTampered       a message was changed, or belongs to another handshake
        │   ├── NoCommonAlgorithm       nothing offered is acceptable
        │   ├── PeerRefused             the peer is not one we talk to
        │   ├── PresharedKeyRefused     a required pre-shared key is absent, or two differ
        │   └── HandshakeTimeout        no answer in time
        ├── FrameRefused                a frame was not accepted
        └── ChannelClosed               the channel is over, and its keys are gone
            ├── ChannelTruncated        the stream ended without an authenticated close
            └── PeerSilent              nothing authentic came back for too long
"""

from phalanx.crypto.channel._channels import Channel, Channels
from phalanx.crypto.channel._endpoint import Delivered, Effect, Ended, Endpoint, Failed, Opened, Transmit
from phalanx.crypto.channel._errors import (
    ChannelClosed,
    ChannelError,
    ChannelTruncated,
    FrameRefused,
    HandshakeFailed,
    HandshakeTampered,
    HandshakeTimeout,
    NoCommonAlgorithm,
    PeerRefused,
    PeerSilent,
    PresharedKeyRefused,
)
from phalanx.crypto.channel._frames import FRAME_OVERHEAD_BYTES, FRAME_REFUSALS, FrameOpener, FrameSealer
from phalanx.crypto.channel._handshake import FindPsk, Progress
from phalanx.crypto.channel._identified import identity_party
from phalanx.crypto.channel._initiator import Initiator
from phalanx.crypto.channel._limits import MAX_CHANNELS, MAX_HANDSHAKE_BYTES, MAX_PAYLOAD_BYTES
from phalanx.crypto.channel._policy import (
    DEFAULT_SUITES,
    ChannelPolicy,
    NamePeer,
    Ordering,
    Party,
    Psk,
    PskMode,
    Suite,
    VerifyPeer,
)
from phalanx.crypto.channel._responder import Responder
from phalanx.crypto.channel._session import Agreed, Effects, Session
from phalanx.crypto.channel._streams import StreamChannel, accept_stream, connect_stream

__all__ = [
    "DEFAULT_SUITES",
    "FRAME_OVERHEAD_BYTES",
    "FRAME_REFUSALS",
    "MAX_CHANNELS",
    "MAX_HANDSHAKE_BYTES",
    "MAX_PAYLOAD_BYTES",
    "Agreed",
    "Channel",
    "ChannelClosed",
    "ChannelError",
    "ChannelPolicy",
    "ChannelTruncated",
    "Channels",
    "Delivered",
    "Effect",
    "Effects",
    "Ended",
    "Endpoint",
    "Failed",
    "FindPsk",
    "FrameOpener",
    "FrameRefused",
    "FrameSealer",
    "HandshakeFailed",
    "HandshakeTampered",
    "HandshakeTimeout",
    "Initiator",
    "NamePeer",
    "NoCommonAlgorithm",
    "Opened",
    "Ordering",
    "Party",
    "PeerRefused",
    "PeerSilent",
    "PresharedKeyRefused",
    "Progress",
    "Psk",
    "PskMode",
    "Responder",
    "Session",
    "StreamChannel",
    "Suite",
    "Transmit",
    "VerifyPeer",
    "accept_stream",
    "connect_stream",
    "identity_party",
]
