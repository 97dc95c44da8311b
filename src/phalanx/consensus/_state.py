"""What a participant must not forget, and what its machine asks of the shell around it.

``VoterState`` is durable before anything that depends on it is sent: a participant that comes back
with the last state it made durable never contradicts what it said. Effects are carried out in order.
"""

import msgspec

from phalanx.consensus._evidence import Evidence
from phalanx.consensus._messages import Certificate, Message
from phalanx.core import WireError


class VoterState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The view a participant is in, what it last proposed and voted, and the certificates it holds.

    A pair is a view and an option, (0, 0) for none.
    """

    view: int = 0
    proposed: int = 0
    prepared: tuple[int, int] = (0, 0)
    committed: tuple[int, int] = (0, 0)
    high: Certificate | None = None
    decision: Certificate | None = None

    def to_bytes(self) -> bytes:
        return _encoder.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "VoterState":
        """Raises ``WireError``."""
        try:
            return _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError("voter's state", str(error)) from error


class Send(msgspec.Struct, frozen=True, gc=False):
    """To one participant."""

    to: int
    message: Message


class Broadcast(msgspec.Struct, frozen=True, gc=False):
    """To every other participant."""

    message: Message


class Persist(msgspec.Struct, frozen=True, gc=False):
    """Must be durable before any later effect is carried out."""

    state: VoterState


class Wake(msgspec.Struct, frozen=True, gc=False):
    """Call ``tick`` at this time or a little later; the last one counts."""

    at_ns: int


class Decided(msgspec.Struct, frozen=True, gc=False):
    """This participant knows the decision."""

    certificate: Certificate


class GaveUp(msgspec.Struct, frozen=True, gc=False):
    """This participant votes no more. Somebody may hold a certificate, or may yet show one."""


class Accuse(msgspec.Struct, frozen=True, gc=False):
    """Somebody was caught."""

    evidence: Evidence


Effect = Send | Broadcast | Persist | Wake | Decided | GaveUp | Accuse

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(VoterState)
