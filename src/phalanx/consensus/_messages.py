"""What participants say to each other, as values and as bytes.

Every message names its slot. A certificate is votes of a quorum for one option in one phase of one
view: of *prepare* it lets the option go on, of *commit* it is the decision. ``Justification`` is why
a later view may propose what it proposes: what a quorum said when it left the view before, and the
highest certificate any of it knew. Messages are frozen and hold nothing that can be changed, so one
object can be handed to any number of participants in a process.
"""

import hashlib
from functools import cached_property

import msgspec

from phalanx.consensus._limits import MAX_MESSAGE_BYTES
from phalanx.consensus._question import Question
from phalanx.core import WireError


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    slot: bytes


class Vote(_Message, frozen=True, array_like=True, tag="vote", gc=False):
    """``voter`` is for ``option`` in this view and phase. To the view's leader."""

    voter: int
    view: int
    phase: int
    option: int
    signature: bytes


class Certificate(_Message, frozen=True, array_like=True, tag="certificate", gc=True, dict=True):
    """Votes of a quorum, in order of the voters. From the leader to all; to whoever asks."""

    view: int
    phase: int
    option: int
    voters: tuple[int, ...]
    signatures: tuple[bytes, ...]

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(encode_message(self)).digest()


class Timeout(_Message, frozen=True, array_like=True, tag="timeout", gc=False):
    """``voter`` left ``view``: it votes there no more. To the leader of the next view.

    ``high_view`` and ``high_option`` are those of the highest *prepare* certificate it knows, 0 for
    none; ``accepts`` has a bit for each option that it would vote for.
    """

    voter: int
    view: int
    high_view: int
    high_option: int
    accepts: int
    signature: bytes


class Justification(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, dict=True):
    """Timeouts of a quorum for the view before, and the highest certificate among them if there is one."""

    timeouts: tuple[Timeout, ...]
    high: Certificate | None

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(_encoder.encode(self)).digest()


class Proposal(_Message, frozen=True, array_like=True, tag="proposal", gc=False):
    """The leader of ``view`` puts ``option`` to the vote. The first view needs no justification."""

    leader: int
    view: int
    option: int
    justification: Justification | None
    signature: bytes


class Fetch(_Message, frozen=True, array_like=True, tag="fetch", gc=False):
    """Asks for the *prepare* certificate of ``view``, or, for 0, for the decision."""

    view: int


class Nudge(_Message, frozen=True, array_like=True, tag="nudge", gc=False):
    """From a leader that lacks timeouts: so many left that an honest one is among them; come along."""

    timeouts: tuple[Timeout, ...]


class Opening(_Message, frozen=True, array_like=True, tag="opening", gc=False):
    """Puts ``question`` to the participants of an epoch. Not signed: the slot follows from it."""

    epoch: bytes
    question: Question
    deadline_ns: int


class Asking(_Message, frozen=True, array_like=True, tag="asking", gc=False):
    """Who heard of a slot it does not know asks what was opened there."""


Message = Vote | Certificate | Timeout | Proposal | Fetch | Nudge | Opening | Asking

NO_JUSTIFICATION = bytes(32)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)
_certificate_decoder = msgspec.msgpack.Decoder(Certificate)


def encode_message(message: Message) -> bytes:
    return _encoder.encode(message)


def decode_message(data: bytes) -> Message:
    """Raises ``WireError``. Nothing is verified yet."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise WireError("consensus message", f"it has {len(data)} bytes, more than {MAX_MESSAGE_BYTES}")
    try:
        found: Message = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("consensus message", str(error)) from error
    return found


def decode_certificate(data: bytes) -> Certificate:
    """Raises ``WireError``. Nothing is verified yet."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise WireError("certificate", f"it has {len(data)} bytes, more than {MAX_MESSAGE_BYTES}")
    try:
        return _certificate_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError("certificate", str(error)) from error


def justification_digest(justification: Justification | None) -> bytes:
    """What a proposal's signature binds of its reason."""
    return justification.digest if justification is not None else NO_JUSTIFICATION
