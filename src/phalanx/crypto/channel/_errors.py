"""What channels raise; the tree is drawn in the package."""

from phalanx.crypto import CryptoError


class ChannelError(CryptoError):
    """Root of the errors of channels."""

    code = "channel"


class HandshakeFailed(ChannelError):
    """No channel was established. Attributes: ``reason``, and ``refusal`` where the other side sent one."""

    code = "handshake-failed"
    reason: str
    refusal: str

    def __init__(self, reason: str, *, refusal: str = "", hint: str = "") -> None:
        told = f" (the other side says, unauthenticated: {refusal})" if refusal else ""
        super().__init__(f"no channel: {reason}{told}", hint=hint, reason=reason, refusal=refusal)


class HandshakeTampered(HandshakeFailed):
    """A message of the handshake is malformed, was changed on its way, or belongs to another handshake."""

    code = "handshake-tampered"


class NoCommonAlgorithm(HandshakeFailed):
    """Nothing that one side offers is acceptable to the other."""

    code = "no-common-algorithm"


class PeerRefused(HandshakeFailed):
    """The other side proved who it is, and it is not one we talk to."""

    code = "peer-refused"


class PresharedKeyRefused(HandshakeFailed):
    """A required pre-shared key is absent, or the two sides hold different ones under the same id."""

    code = "preshared-key-refused"


class HandshakeTimeout(HandshakeFailed):
    """The other side did not answer in time."""

    code = "handshake-timeout"


class FrameRefused(ChannelError):
    """A frame was not accepted. Attribute: ``reason``, one of ``FRAME_REFUSALS``."""

    code = "frame-refused"
    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(f"the frame is {reason}", reason=reason)


class ChannelClosed(ChannelError):
    """The channel is over and its keys are gone. Attributes: ``reason``, ``lost``.

    ``lost`` is how many of the other side's frames never arrived, where it said how many there
    were, and None where it did not.
    """

    code = "channel-closed"
    reason: str
    lost: int | None

    def __init__(self, reason: str, *, lost: int | None = None, hint: str = "ask for the channel again") -> None:
        super().__init__(f"the channel is closed: {reason}", hint=hint, reason=reason, lost=lost)


class ChannelTruncated(ChannelClosed):
    """The stream ended without the other side's authenticated close, so its end may be missing."""

    code = "channel-truncated"


class PeerSilent(ChannelClosed):
    """Nothing authentic came back for too long; the other side may have lost its state."""

    code = "peer-silent"
