"""Signing and verifying keys of any signature algorithm in the catalogue, hybrids included.

Fresh keys come from the operating system's generator inside the library. A private key is kept
in its shortest form: a seed where the standard has one.
"""

import hashlib

from phalanx.core import InvalidInput
from phalanx.crypto._catalogue import Kind, algorithm, sized
from phalanx.crypto._errors import InvalidKey
from phalanx.crypto._named import pack_named, unpack_named
from phalanx.crypto._signatures import MAX_CONTEXT_BYTES, Signer, Verifier, scheme


class VerifyingKey:
    """A public key of one algorithm."""

    __slots__ = ("_verifier", "algorithm", "raw")

    def __init__(self, name: str, raw: bytes, *, verifier: Verifier | None = None) -> None:
        """``verifier`` is the same key as the library holds it already, when somebody has it."""
        known = algorithm(name, Kind.SIGNATURE)
        sized(f"{name} public key", raw, known.public_bytes)
        try:
            self._verifier = verifier or scheme(name).verifier(raw)
        except ValueError as error:
            raise InvalidKey(f"{name} public key", str(error)) from error
        self.algorithm = name
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyingKey) and (self.algorithm, self.raw) == (other.algorithm, other.raw)

    def __hash__(self) -> int:
        return hash((self.algorithm, self.raw))

    def __repr__(self) -> str:
        return f"VerifyingKey({self.algorithm}, {self.fingerprint[:16]}…)"

    def verify(self, message: bytes, signature: bytes, context: bytes = b"") -> None:
        """Returns when the signature holds and raises ``InvalidSignature`` when it does not."""
        _check_context(context)
        self._verifier.verify(message, signature, context)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's named bytes, in hex: what people compare."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        return pack_named("public-key", self.algorithm, self.raw)

    @classmethod
    def from_bytes(cls, data: bytes) -> "VerifyingKey":
        return cls(*unpack_named("public-key", data))


class SigningKey:
    """A private key of one algorithm. Its representation shows nothing secret."""

    __slots__ = ("_seed", "_signer", "algorithm", "public")

    def __init__(self, name: str, seed: bytes, *, signer: Signer | None = None) -> None:
        """``signer`` is the same key as the library holds it already, when somebody has it."""
        known = algorithm(name, Kind.SIGNATURE)
        sized(f"{name} private key", seed, known.private_bytes)
        try:
            self._signer = signer or scheme(name).signer(seed)
        except ValueError as error:
            raise InvalidKey(f"{name} private key", str(error)) from error
        self._seed = seed
        self.algorithm = name
        self.public = VerifyingKey(name, self._signer.public, verifier=self._signer.verifier())

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm}, {self.public.fingerprint[:16]}…)"

    @classmethod
    def generate(cls, name: str) -> "SigningKey":
        algorithm(name, Kind.SIGNATURE)
        seed, signer = scheme(name).generate()
        return cls(name, seed, signer=signer)

    @property
    def seed(self) -> bytes:
        """The secret itself; it leaves the process only sealed, or into a key file."""
        return self._seed

    def sign(self, message: bytes, context: bytes = b"") -> bytes:
        """``context`` separates uses of one key; at most 255 bytes, and none for plain Ed25519."""
        _check_context(context)
        return self._signer.sign(message, context)

    def to_bytes(self) -> bytes:
        """The secret itself, named. Keep it where only its owner can read it."""
        return pack_named("private-key", self.algorithm, self._seed)

    @classmethod
    def from_bytes(cls, data: bytes) -> "SigningKey":
        return cls(*unpack_named("private-key", data))


def _check_context(context: bytes) -> None:
    if len(context) > MAX_CONTEXT_BYTES:
        raise InvalidInput("context", f"it has {len(context)} bytes, more than {MAX_CONTEXT_BYTES}")
