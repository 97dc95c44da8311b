"""The envelope: what travels, in one process as an object and between processes as MessagePack.

A struct and not a dataclass: building one costs a quarter. ``origin`` is the incarnation of the process that it came
from and ``number`` counts there, so that both together are the envelope's identity, wherever it comes by. Readers are
upgraded before writers: a newer version is refused, and so is a field too many.
"""

import msgspec

from phalanx.core import NO_TRACE, FutureVersion, TenantId, TraceId, WireError
from phalanx.messaging._errors import Malformed
from phalanx.messaging._kinds import Kind
from phalanx.messaging._limits import (
    MAX_ADDRESS_CHARS,
    MAX_AUDIENCE,
    MAX_BODY_BYTES,
    MAX_PROOF_BYTES,
    MAX_RECIPIENTS,
    MAX_WHOLE_BYTES,
)
from phalanx.messaging._marking import Marking

VERSION = 1


class Envelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """See the module. ``deadline_ns`` is wall time, 0 for none; ``reply_to`` the id of what it answers.

    ``epoch`` is that of the instance or membership it is said in, 0 where that means nothing; ``hops`` how many
    processes may still pass it on, and ``proof`` what convinces those that do not get it from its sender's process.
    """

    v: int
    kind: Kind
    origin: str
    number: int
    sender: str
    to: tuple[str, ...]
    body: bytes
    at_ns: int
    deadline_ns: int
    tenant: TenantId
    marking: Marking
    audience: tuple[str, ...] = ()
    organisation: str = ""
    trace: TraceId = NO_TRACE
    reply_to: str = ""
    epoch: int = 0
    hops: int = 0
    proof: bytes = b""

    @property
    def id(self) -> str:
        """Unlike any other envelope's."""
        return f"{self.origin}.{self.number}"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)


class _Header(msgspec.Struct, array_like=True):
    v: int


_header = msgspec.msgpack.Decoder(_Header)


def is_small(envelope: Envelope) -> bool:
    """Whether it is for one, with nothing besides, and short: what nearly all are."""
    return (
        len(envelope.body) <= MAX_WHOLE_BYTES
        and len(envelope.to) == 1
        and not envelope.audience
        and not envelope.proof
        and len(envelope.to[0]) <= MAX_ADDRESS_CHARS
        and len(envelope.reply_to) <= MAX_ADDRESS_CHARS
    )


def encode_envelope(envelope: Envelope) -> bytes:
    """MessagePack, an array in the order of the fields."""
    return _encoder.encode(envelope)


def proved_bytes(envelope: Envelope) -> bytes:
    """What a proof is about: all of the envelope but the proof, and how far it may still go."""
    return _encoder.encode(msgspec.structs.replace(envelope, hops=0, proof=b""))


def decode_envelope(data: bytes) -> Envelope:
    """Raises ``Malformed``, ``FutureVersion``."""
    try:
        envelope = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _told(data, str(error)) from error
    if envelope.v != VERSION:
        raise _told(data, f"version {envelope.v}")
    check_envelope(envelope)
    return envelope


def check_envelope(envelope: Envelope) -> None:
    """For what was read as part of something else. Raises ``Malformed``, ``FutureVersion``."""
    if envelope.v != VERSION:
        known = envelope.v <= VERSION
        raise Malformed(f"version {envelope.v}") if known else FutureVersion("envelope", seen=envelope.v, known=VERSION)
    if problem := _problem(envelope):
        raise Malformed(problem)


def _problem(envelope: Envelope) -> str:
    """What no sender of ours would have written."""
    if is_plain(envelope):
        return ""
    names = (envelope.sender, envelope.origin, envelope.organisation, *envelope.to, *envelope.audience)
    checks = (
        (len(envelope.body) > MAX_BODY_BYTES, "its body is too large"),
        (not 1 <= len(envelope.to) <= MAX_RECIPIENTS, "it has no recipient, or too many"),
        (len(envelope.proof) > MAX_PROOF_BYTES, "its proof is too long"),
        (len(envelope.audience) > MAX_AUDIENCE, "its audience is too long"),
        (any(len(name) > MAX_ADDRESS_CHARS for name in names), "a name is too long"),
        (not envelope.sender or not envelope.origin, "it says not who sends it"),
        (min(envelope.number, envelope.at_ns, envelope.deadline_ns, envelope.hops, envelope.epoch) < 0, "below zero"),
    )
    return next((text for bad, text in checks if bad), "")


def is_plain(envelope: Envelope) -> bool:
    """Whether it is what nearly all are: for one, with nothing besides. The other checks cost several times as much."""
    return (
        len(envelope.to) == 1
        and not envelope.audience
        and not envelope.proof
        and len(envelope.body) <= MAX_BODY_BYTES
        and 0 < len(envelope.sender) <= MAX_ADDRESS_CHARS
        and 0 < len(envelope.origin) <= MAX_ADDRESS_CHARS
        and len(envelope.to[0]) <= MAX_ADDRESS_CHARS
        and len(envelope.organisation) <= MAX_ADDRESS_CHARS
        and envelope.number >= 0
        and envelope.at_ns >= 0
        and envelope.deadline_ns >= 0
        and envelope.hops >= 0
        and envelope.epoch >= 0
    )


def _told(data: bytes, reason: str) -> WireError:
    try:
        seen = _header.decode(data).v
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Malformed(reason)
    return FutureVersion("envelope", seen=seen, known=VERSION) if seen > VERSION else Malformed(reason)
