"""What a side brings into a handshake: who it is, what it accepts, which keys it shares already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from phalanx.core import NS_PER_S, InvalidInput
from phalanx.crypto import (
    AES_256_GCM,
    CHACHA20_POLY1305,
    ED25519_ML_DSA_65,
    X25519_ML_KEM_768,
    CryptoPolicy,
    Kind,
    SigningKey,
    VerifyingKey,
    algorithm,
)
from phalanx.crypto.channel._limits import (
    MAX_CHANNEL_AGE_S,
    MAX_CREDENTIAL_BYTES,
    MAX_OFFERED,
    MAX_PSK_BYTES,
    MAX_PSK_ID_BYTES,
    MAX_REKEY_AGE_S,
    MAX_REKEY_FRAMES,
    MAX_REPLAY_WINDOW,
    MIN_PSK_BYTES,
)

VERSION = 1
VERSIONS = (VERSION,)


class Ordering(Enum):
    """What the transport below promises, which decides what a missing or repeated frame means."""

    STREAM = "stream"  # in order and complete: anything else is an attack, and ends the channel
    DATAGRAM = "datagram"  # lost, late, doubled: the replay window sorts it out


class PskMode(Enum):
    """How a pre-shared key takes part."""

    NONE = "none"
    OPTIONAL = "optional"  # mixed in where both have it; the session says whether it was
    REQUIRED = "required"  # without it there is no channel


@dataclass(frozen=True, slots=True)
class Suite:
    """Key encapsulation and cipher of a channel; its hash is SHA-256 in version 1."""

    kem: str
    aead: str

    @property
    def name(self) -> str:
        return f"{self.kem} {self.aead}"


DEFAULT_SUITES = (Suite(X25519_ML_KEM_768, AES_256_GCM), Suite(X25519_ML_KEM_768, CHACHA20_POLY1305))


@dataclass(frozen=True, slots=True)
class Psk:
    """A secret that both sides hold already, for example a key from a QKD link, under its public id."""

    id: bytes
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.id) <= MAX_PSK_ID_BYTES:
            raise InvalidInput("psk.id", f"it has {len(self.id)} bytes, not 1 to {MAX_PSK_ID_BYTES}")
        if not MIN_PSK_BYTES <= len(self.secret) <= MAX_PSK_BYTES:
            raise InvalidInput("psk.secret", f"it has {len(self.secret)} bytes, not {MIN_PSK_BYTES} to {MAX_PSK_BYTES}")


VerifyPeer = Callable[[bytes], VerifyingKey]
NamePeer = Callable[[VerifyingKey, bytes], str]


def by_fingerprint(key: VerifyingKey, credential: bytes) -> str:  # noqa: ARG001 - the key says enough
    """Peers are called by their keys' fingerprints, where nothing better is known of them."""
    return key.fingerprint


@dataclass(frozen=True, slots=True)
class Party:
    """Who speaks here, and how the other side's credential is judged.

    ``credential`` is opaque to the channel. ``verify_peer`` gives the key that a credential stands
    for, and raises a ``PhalanxError`` when the credential is not good, or no longer. ``name_peer`` says
    whose it is then: channels are asked for, kept and revoked by that name.
    """

    signing_key: SigningKey
    credential: bytes
    verify_peer: VerifyPeer
    name_peer: NamePeer = by_fingerprint

    def __post_init__(self) -> None:
        if len(self.credential) > MAX_CREDENTIAL_BYTES:
            raise InvalidInput("credential", f"it has {len(self.credential)} bytes, more than {MAX_CREDENTIAL_BYTES}")


@dataclass(frozen=True, slots=True)
class ChannelPolicy:
    """What is acceptable, in order of preference, and when keys turn.

    ``replay_window`` is how many frames one may come late by, where the transport is unordered.
    """

    suites: Sequence[Suite] = DEFAULT_SUITES
    signatures: Sequence[str] = (ED25519_ML_DSA_65,)
    psk: PskMode = PskMode.NONE
    rekey_frames: int = MAX_REKEY_FRAMES
    rekey_age_s: float = MAX_REKEY_AGE_S
    channel_age_s: float = MAX_CHANNEL_AGE_S
    replay_window: int = MAX_REPLAY_WINDOW
    crypto: CryptoPolicy = field(default_factory=CryptoPolicy)

    def __post_init__(self) -> None:
        for suite in self.suites:
            algorithm(suite.kem, Kind.KEM)
            algorithm(suite.aead, Kind.AEAD)
        for name in self.signatures:
            algorithm(name, Kind.SIGNATURE)
        for what, names in (("suites", self.allowed_suites), ("signatures", self.allowed_signatures)):
            if not 1 <= len(names) <= MAX_OFFERED:
                raise InvalidInput(what, f"{len(names)} of them are allowed by the policy, not 1 to {MAX_OFFERED}")
        for name, value, most in (
            ("rekey_frames", self.rekey_frames, MAX_REKEY_FRAMES),
            ("rekey_age_s", self.rekey_age_s, MAX_REKEY_AGE_S),
            ("channel_age_s", self.channel_age_s, MAX_CHANNEL_AGE_S),
            ("replay_window", self.replay_window, MAX_REPLAY_WINDOW),
        ):
            if not 0 < value <= most:
                raise InvalidInput(name, f"it is {value}, not above 0 and at most {most}")

    @property
    def allowed_suites(self) -> tuple[Suite, ...]:
        """The suites whose algorithms the policy of the house allows."""
        return tuple(s for s in self.suites if not self.crypto.verdict(s.kem) and not self.crypto.verdict(s.aead))

    @property
    def allowed_signatures(self) -> tuple[str, ...]:
        return tuple(name for name in self.signatures if not self.crypto.verdict(name))

    @property
    def rekey_age_ns(self) -> int:
        return round(self.rekey_age_s * NS_PER_S)

    @property
    def channel_age_ns(self) -> int:
        return round(self.channel_age_s * NS_PER_S)
