"""Heartbeats that nobody else can send. Sans I/O.

Invariants:

- a beat answers the challenge of one round and is valid for that round alone: a recorded one is worth nothing;
- it is authenticated with keyed BLAKE2s (RFC 7693) under the agent's key of the epoch: a signature for each beat of
  a thousand agents would take a whole core, a MAC takes two microseconds;
- a key is trusted because of its enrolment: the agent's name, its identity, the epoch and the key's hash, signed
  with the key of the identity. An agent no longer admitted under that identity is not authentic, whatever it knows.
"""

import hashlib
import hmac

import msgspec

from phalanx.agents._errors import Unauthentic

_DOMAIN = b"phalanx heartbeat key v1\x00"
TAG_BYTES = 32
KEY_BYTES = 32
CHALLENGE_BYTES = 16


class Beat(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an agent says of itself: the challenge it answers, the missions it has ended, the one it has in hand."""

    agent: str
    epoch: int
    challenge: bytes
    done: int
    mission: str = ""


def statement(agent: str, fingerprint: str, epoch: int, key: bytes) -> bytes:
    """What an agent signs to enrol ``key`` for ``epoch``. Names have no zero byte, so no two frame alike."""
    digest = hashlib.sha256(key).digest()
    return b"".join((_DOMAIN, agent.encode(), b"\x00", fingerprint.encode(), b"\x00", epoch.to_bytes(8), digest))


def seal_beat(beat: Beat, key: bytes) -> bytes:
    """The beat as it is sent: its tag, then itself."""
    body = msgspec.msgpack.encode(beat)
    return hashlib.blake2s(body, key=key, digest_size=TAG_BYTES).digest() + body


def name_of(message: bytes) -> str:
    """Whose beat this claims to be. Raises ``Unauthentic`` for what is none."""
    return _read(message).agent


def open_beat(message: bytes, key: bytes, *, agent: str, epoch: int, challenge: bytes) -> Beat:
    """The beat of ``agent`` for this round; raises ``Unauthentic``."""
    tag, body = message[:TAG_BYTES], message[TAG_BYTES:]
    if not hmac.compare_digest(tag, hashlib.blake2s(body, key=key, digest_size=TAG_BYTES).digest()):
        raise Unauthentic(agent, "its tag is not the one of this agent's key")
    beat = _read(message)
    if beat.agent != agent:
        raise Unauthentic(agent, f"it speaks for {beat.agent[:80]}")
    if beat.epoch != epoch:
        raise Unauthentic(agent, f"it is of epoch {beat.epoch}, not {epoch}")
    if beat.challenge != challenge:
        raise Unauthentic(agent, "it answers another challenge")
    return beat


def _read(message: bytes) -> Beat:
    try:
        return msgspec.msgpack.decode(message[TAG_BYTES:], type=Beat)
    except msgspec.DecodeError as error:
        raise Unauthentic("", f"it is no heartbeat: {error}") from error
