"""What the nodes of an assembly say to each other, besides the messages of agreement itself.

All of it goes over the bus as the kind ``consensus``: the channel proves which process the sender speaks from. The
first byte distinguishes the two.
"""

import msgspec

from phalanx.consensus import Objection, Participant, Question
from phalanx.core import WireError

_WORD, _DATAGRAM = b"\x00", b"\x01"
_EPOCH_BYTES = 32


class Voice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="voice"):
    """A node's vote key for an epoch to come. ``signature`` is by the node's identity, of which ``chain`` is proof."""

    participant: Participant
    chain: bytes
    signature: bytes


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="answer"):
    """What a node says to a draft: its signed acceptance, its signed objections, or why it can say nothing to it."""

    chain: bytes = b""
    acceptance: bytes = b""
    objections: tuple[Objection, ...] = ()
    refused: str = ""


class Ping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ping"):
    """Are you there? Answered by ``Pong``."""


class Pong(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="pong"):
    """Yes; or, for what needs no other answer, that it was heard."""


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="call"):
    """Take part in an epoch that is about to be proposed. Answered by ``Voice``."""


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="draft"):
    """An epoch as it is proposed, with the voices of those who are in it. Answered by ``Answer``."""

    epoch: bytes
    voices: tuple[Voice, ...]


class Settled(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="fixed"):
    """An epoch is fixed: with its seal, and what everybody said to it. Answered by ``Pong`` by who sits in it now."""

    epoch: bytes
    voices: tuple[Voice, ...]
    chain: bytes
    seal: bytes
    answers: dict[str, Answer]


class Matter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="matter"):
    """What a question that follows is about: its context is the SHA-256 of these bytes. Answered by ``Pong``."""

    proposal: bytes


class Caught(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="caught"):
    """Evidence against a member of the epoch of this digest. Whoever hears it checks it."""

    epoch: bytes
    question: Question
    evidence: bytes


Word = Voice | Answer | Ping | Pong | Call | Draft | Settled | Matter | Caught

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)
_sittings = msgspec.msgpack.Decoder(tuple[bytes, ...])


def encode_word(word: Word) -> bytes:
    return _WORD + _encoder.encode(word)


def decode_word(body: bytes) -> Word:
    """Raises ``WireError``."""
    try:
        return _decoder.decode(body[1:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("word of an assembly", str(error)) from error


def framed(epoch: bytes, datagram: bytes) -> bytes:
    """A datagram of the agreement in an epoch."""
    return _DATAGRAM + epoch + datagram


def unframed(body: bytes) -> tuple[bytes, bytes] | None:
    """The epoch and the datagram; None when it is a word."""
    if body[:1] != _DATAGRAM:
        return None
    return body[1 : 1 + _EPOCH_BYTES], body[1 + _EPOCH_BYTES :]


def encode_beat(sittings: tuple[bytes, ...]) -> bytes:
    """What a node says of itself every few seconds: in which epochs it sits."""
    return _encoder.encode(sittings)


def decode_beat(body: bytes) -> tuple[bytes, ...]:
    """Raises ``WireError``."""
    try:
        return _sittings.decode(body)
    except msgspec.DecodeError as error:
        raise WireError("beat of an assembly", str(error)) from error
