"""An escrow: a secret that only a quorum of custodians can give back, as one document.

The secret is sealed under a fresh 256-bit key; that key is shared under the hash scheme, so
that any share can be held against the commitment in the document, whoever hands it in and with
whatever computer; each share is sealed for its custodian. The document holds nothing that fewer
custodians than the threshold could use, and may be kept anywhere.

AES-GCM alone does not commit to its key. ``check`` does: it is derived from the shared key
beside the sealing key, so that nobody can make a document that opens to two secrets.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from phalanx.core import (
    NO_TRACE,
    EntropySource,
    InvalidInput,
    LimitExceeded,
    Record,
    TenantId,
    decode_json,
    encode_json,
)
from phalanx.crypto import AES_256_GCM, SHA2_256, Aead, NotAuthentic, PublicKey, hkdf
from phalanx.crypto.sharing._custody import CUSTODIAN_ALGORITHMS, Card, Keyholder
from phalanx.crypto.sharing._errors import InvalidDealing, InvalidEscrow, InvalidShare
from phalanx.crypto.sharing._limits import MAX_DOCUMENT_BYTES, MAX_SEALED_SECRET_BYTES, SECRET_BYTES
from phalanx.crypto.sharing._sealed import open_sealed, seal_for
from phalanx.crypto.sharing._shares import require_committee
from phalanx.crypto.sharing._verifiable import HASH, Commitment, Terms, VerifiableShare

_NONCE = bytes(12)
# What every escrow rests on: the two halves of the custodians' keys, the cipher, and the hash of the commitment.
ESCROW_ALGORITHMS = (*CUSTODIAN_ALGORITHMS, AES_256_GCM, SHA2_256)

_KEY = b"phalanx escrow v1: sealing key"
_CHECK = b"phalanx escrow v1: key commitment"

S = TypeVar("S", bound="Signed")


class Signed(Record, frozen=True, kw_only=True):
    """A document that its maker signs as a whole."""

    signature: bytes = b""

    def signed_bytes(self) -> bytes:
        return b"phalanx escrow document v1\x00" + encode_json(msgspec.structs.replace(self, signature=b""))


class Escrow(Signed, frozen=True, kw_only=True, tag="escrow"):
    """The escrow of one secret. Custodian ``i`` of the list, counted from 1, holds share ``i``.

    ``registrar`` is the public key of the node in whose ledger ceremonies are recorded.
    """

    label: str
    threshold: int
    custodians: tuple[Card, ...]
    made_by: Card
    registrar: bytes
    scheme: str
    commitment: bytes
    shares: tuple[bytes, ...]
    check: bytes
    sealed: bytes

    def digest(self) -> str:
        """SHA-256 of the whole document: what a ceremony names."""
        return hashlib.sha256(encode_json(self)).hexdigest()

    def read_commitment(self) -> Commitment:
        return HASH.read(self.commitment, _terms(self.id, self.threshold, len(self.custodians)))

    def index_of(self, card: Card) -> int:
        """The place of a custodian; raises ``InvalidInput`` when the person is none."""
        for index, one in enumerate(self.custodians, 1):
            if one.fingerprint == card.fingerprint:
                return index
        raise InvalidInput("custodian", f"{card.name} holds no share of escrow {self.id}")

    def verify(self) -> None:
        """Returns when the document is whole, signed and could be opened; raises ``CryptoError`` kinds when not."""
        if self.scheme != HASH.name:
            raise InvalidEscrow(self.id, f"its scheme is {self.scheme!r}, not {HASH.name!r}")
        self.made_by.verifying_key.verify(self.signed_bytes(), self.signature)
        PublicKey.from_bytes(self.registrar)
        if len({card.fingerprint for card in self.custodians}) != len(self.custodians):
            raise InvalidEscrow(self.id, "a custodian is in it twice")
        if len(self.shares) != len(self.custodians):
            raise InvalidEscrow(self.id, "it has not one share for each custodian")
        try:
            require_committee(self.threshold, len(self.custodians))
            self.read_commitment()
        except (InvalidInput, InvalidDealing) as error:
            raise InvalidEscrow(self.id, error.message) from error


def make_escrow(
    secret: bytes,
    *,
    escrow_id: str,
    tenant: TenantId,
    at_ns: int,
    label: str,
    threshold: int,
    custodians: Sequence[Card],
    registrar: PublicKey,
    maker: Keyholder,
    entropy: EntropySource,
) -> Escrow:
    """Put ``secret`` into the hands of ``custodians``, any ``threshold`` of whom give it back together."""
    require_committee(threshold, len(custodians))
    if not secret:
        raise InvalidInput("secret", "is empty")
    if len(secret) > MAX_SEALED_SECRET_BYTES:
        raise LimitExceeded("a secret in escrow", maximum=MAX_SEALED_SECRET_BYTES, seen=len(secret))
    if len({card.fingerprint for card in custodians}) != len(custodians):
        raise InvalidInput("custodians", "one is named twice", hint="each custodian holds one share")
    key = entropy.token(SECRET_BYTES)
    dealing = HASH.deal(int.from_bytes(key), _terms(escrow_id, threshold, len(custodians)), entropy)
    shares = tuple(
        seal_for(card.sealing_key, pack_share(dealing.shares[index]), _held_by(escrow_id, index))
        for index, card in enumerate(custodians, 1)
    )
    unsigned = Escrow(
        id=escrow_id, tenant=tenant, trace=NO_TRACE, at_ns=at_ns, label=label, threshold=threshold,
        custodians=tuple(custodians), made_by=maker.card, registrar=registrar.to_bytes(),
        scheme=HASH.name, commitment=dealing.commitment.to_bytes(), shares=shares,
        check=hkdf(key, salt=b"", info=_CHECK, length=32),
        sealed=_aead(key).seal(_NONCE, secret, _aad(escrow_id)),
    )  # fmt: skip
    return signed_by(maker, unsigned)


def own_share(escrow: Escrow, holder: Keyholder) -> VerifiableShare:
    """The share that ``holder`` keeps, opened and held against the commitment.

    Raises ``InvalidShare`` when the escrow's maker dealt this custodian something else.
    """
    index = escrow.index_of(holder.card)
    try:
        share = unpack_share(index, open_sealed(holder.opener, escrow.shares[index - 1], _held_by(escrow.id, index)))
    except NotAuthentic as error:
        raise InvalidShare(index, "it was not sealed for this key") from error
    escrow.read_commitment().check(share)
    return share


def unseal(escrow: Escrow, key: int) -> bytes:
    """The secret, once its key is known. Raises ``InvalidEscrow`` when the document opens to nothing."""
    raw = key.to_bytes(SECRET_BYTES) if key >> (8 * SECRET_BYTES) == 0 else b""
    if not raw or not hmac.compare_digest(hkdf(raw, salt=b"", info=_CHECK, length=32), escrow.check):
        raise InvalidEscrow(escrow.id, "its shares lead to another key than the one that it was sealed under")
    try:
        return _aead(raw).open(_NONCE, escrow.sealed, _aad(escrow.id))
    except NotAuthentic as error:
        raise InvalidEscrow(escrow.id, "the sealed secret was changed") from error


def signed_by(signer: Keyholder, document: S) -> S:
    return msgspec.structs.replace(document, signature=signer.signer.sign(document.signed_bytes()))


def read_signed(data: bytes, kind: type[S]) -> S:
    """A document from its JSON; raises ``WireError`` kinds and ``LimitExceeded``. It is not verified yet."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise LimitExceeded("an escrow document", maximum=MAX_DOCUMENT_BYTES, seen=len(data))
    return decode_json(data, kind)


def pack_share(share: VerifiableShare) -> bytes:
    return HASH.field.to_bytes(share.value) + HASH.field.to_bytes(share.blind)


def unpack_share(index: int, raw: bytes) -> VerifiableShare:
    width = HASH.field.element_bytes
    try:
        return VerifiableShare(index, HASH.field.from_bytes(raw[:width]), HASH.field.from_bytes(raw[width:]))
    except ValueError as error:
        raise InvalidShare(index, str(error)) from error


def _terms(escrow_id: str, threshold: int, n_custodians: int) -> Terms:
    return Terms(threshold, tuple(range(1, n_custodians + 1)), b"phalanx escrow v1\x00" + escrow_id.encode())


def _held_by(escrow_id: str, index: int) -> bytes:
    return b"phalanx escrow v1: share\x00" + index.to_bytes(2) + escrow_id.encode()


def _aead(key: bytes) -> Aead:
    # The key is made for this one message, so a constant nonce is used once.
    return Aead(AES_256_GCM, hkdf(key, salt=b"", info=_KEY, length=32))


def _aad(escrow_id: str) -> bytes:
    return b"phalanx escrow v1\x00" + escrow_id.encode()
