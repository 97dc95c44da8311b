"""A node's log key: Ed25519 and ML-DSA-44 side by side, for a format that has a place for each.

A checkpoint of the ledger is a note that two keys sign, each in a line and a form of its own
(C2SP signed-note and tlog-cosignature), so here the halves are used one by one. Where one
signature is wanted that only holds as a whole, use ``SigningKey`` with a hybrid algorithm.

On disk both are ``{"use", "algorithms", "parts"}`` in MessagePack, algorithm names and bytes in
the same order.
"""

import hashlib
from dataclasses import dataclass

import msgspec

from phalanx.crypto._catalogue import ED25519, ML_DSA_44
from phalanx.crypto._errors import InvalidKey
from phalanx.crypto._signing import SigningKey, VerifyingKey

_ALGORITHMS = (ED25519, ML_DSA_44)


class _Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    use: str
    algorithms: tuple[str, ...]
    parts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Both public keys."""

    classical: VerifyingKey
    post_quantum: VerifyingKey

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's bytes, in hex: what people compare."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        return _pack("public-key", self.classical.raw, self.post_quantum.raw)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PublicKey":
        classical, post_quantum = _unpack("public-key", data)
        return cls(VerifyingKey(ED25519, classical), VerifyingKey(ML_DSA_44, post_quantum))


class HybridSigner:
    """Both private keys."""

    __slots__ = ("classical", "post_quantum", "public")

    def __init__(self, classical: SigningKey, post_quantum: SigningKey) -> None:
        if (classical.algorithm, post_quantum.algorithm) != _ALGORITHMS:
            raise InvalidKey("hybrid key", f"its halves are {classical.algorithm} and {post_quantum.algorithm}")
        self.classical = classical
        self.post_quantum = post_quantum
        self.public = PublicKey(classical.public, post_quantum.public)

    @classmethod
    def generate(cls) -> "HybridSigner":
        """A fresh key from the operating system's entropy, never from a seed."""
        return cls(SigningKey.generate(ED25519), SigningKey.generate(ML_DSA_44))

    def to_bytes(self) -> bytes:
        """The secret itself. Keep it where only the node can read it."""
        return _pack("private-key", self.classical.seed, self.post_quantum.seed)

    @classmethod
    def from_bytes(cls, data: bytes) -> "HybridSigner":
        classical, post_quantum = _unpack("private-key", data)
        return cls(SigningKey(ED25519, classical), SigningKey(ML_DSA_44, post_quantum))


def _pack(use: str, *parts: bytes) -> bytes:
    return msgspec.msgpack.encode(_Parts(use, _ALGORITHMS, parts))


def _unpack(use: str, data: bytes) -> tuple[bytes, bytes]:
    try:
        found = msgspec.msgpack.decode(data, type=_Parts)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidKey(f"hybrid {use}", str(error)) from error
    if found.use != use:
        raise InvalidKey(f"hybrid {use}", f"it is a {found.use!r}")
    if found.algorithms != _ALGORITHMS or len(found.parts) != len(_ALGORITHMS):
        raise InvalidKey(f"hybrid {use}", f"its algorithms are {list(found.algorithms)}, not {list(_ALGORITHMS)}")
    return found.parts[0], found.parts[1]
