"""Who takes part in an escrow: the public card of a person, and the key file that stays with them.

A person signs with Ed25519 and ML-DSA-65 together and is sent shares under X25519 and ML-KEM-768
together, so that neither kind of computer alone gets at a share or speaks for a custodian.
"""

import hashlib
from typing import Annotated, TypeVar

import msgspec

from phalanx.core import WireError
from phalanx.crypto import (
    ED25519_ML_DSA_65,
    X25519_ML_KEM_768,
    CryptoPolicy,
    DecapsulationKey,
    EncapsulationKey,
    InvalidKey,
    SigningKey,
    VerifyingKey,
)
from phalanx.crypto.sharing._limits import MAX_CUSTODIAN_NAME_CHARS, MAX_DOCUMENT_BYTES

# A person's two keys.
CUSTODIAN_ALGORITHMS = (ED25519_ML_DSA_65, X25519_ML_KEM_768)

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CUSTODIAN_NAME_CHARS)]
T = TypeVar("T")


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="custodian-card"):
    """What everybody may know of a person: a name and two public keys. People compare its fingerprint."""

    name: Name
    verify: bytes
    seal: bytes

    @property
    def verifying_key(self) -> VerifyingKey:
        key = VerifyingKey.from_bytes(self.verify)
        if key.algorithm != ED25519_ML_DSA_65:
            raise InvalidKey("custodian's card", f"it signs with {key.algorithm}, not {ED25519_ML_DSA_65}")
        return key

    @property
    def sealing_key(self) -> EncapsulationKey:
        key = EncapsulationKey.from_bytes(self.seal)
        if key.algorithm != X25519_ML_KEM_768:
            raise InvalidKey("custodian's card", f"it is sealed for with {key.algorithm}, not {X25519_ML_KEM_768}")
        return key

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(
            b"phalanx custodian v1\x00" + msgspec.msgpack.encode((self.verify, self.seal))
        ).hexdigest()


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="custodian-key"):
    name: Name
    sign: bytes
    open: bytes


class Keyholder:
    """A person with both private keys. The representation shows nothing secret."""

    __slots__ = ("card", "opener", "signer")

    def __init__(self, name: str, signer: SigningKey, opener: DecapsulationKey) -> None:
        self.signer, self.opener = signer, opener
        self.card = Card(name, signer.public.to_bytes(), opener.public.to_bytes())

    def __repr__(self) -> str:
        return f"Keyholder({self.card.name!r}, {self.card.fingerprint[:16]}…)"

    @classmethod
    def generate(cls, name: str, *, policy: CryptoPolicy | None = None) -> "Keyholder":
        """Fresh keys from the operating system's entropy. Raises ``AlgorithmForbidden``."""
        for algorithm in CUSTODIAN_ALGORITHMS:
            (policy or CryptoPolicy()).require(algorithm)
        return cls(name, SigningKey.generate(ED25519_ML_DSA_65), DecapsulationKey.generate(X25519_ML_KEM_768))

    def to_bytes(self) -> bytes:
        """The secret itself, as a JSON document. Keep it where only its owner can read it."""
        return msgspec.json.encode(_KeyFile(self.card.name, self.signer.to_bytes(), self.opener.to_bytes()))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Keyholder":
        file = read_document(data, _KeyFile, "custodian-key")
        return cls(file.name, SigningKey.from_bytes(file.sign), DecapsulationKey.from_bytes(file.open))


def read_card(data: bytes) -> Card:
    """A person's card; raises ``WireError`` or ``InvalidKey`` for anything else."""
    card = read_document(data, Card, "custodian-card")
    assert card.verifying_key
    assert card.sealing_key
    return card


def read_document(data: bytes, kind: type[T], name: str) -> T:
    if len(data) > MAX_DOCUMENT_BYTES:
        raise WireError(name, f"it has {len(data)} bytes, more than {MAX_DOCUMENT_BYTES}")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(name, str(error)) from error
