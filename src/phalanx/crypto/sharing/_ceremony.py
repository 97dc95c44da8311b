"""Opening an escrow: who asks and why, the custodians who agree, and what comes of it. No I/O.

Invariants:

- A release is signed by its custodian and bound, by digest, to one ceremony: to its purpose,
  its opener's key and its end. Under any other ceremony it neither verifies nor opens.
- A custodian's own software refuses to release for a ceremony that the escrow's registrar has
  not signed; the registrar signs what is in its ledger. So no quorum of such custodians opens
  an escrow unrecorded. The exception, for when the registrar is lost, is part of the release.
- Each released share is held against the escrow's commitment: a custodian that lies is named,
  and any threshold of true ones still open it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from phalanx.core import NO_TRACE, NS_PER_S, InvalidInput, derive_id, encode_json, iso_from_ns
from phalanx.crypto import HybridSigner, InvalidSignature, NotAuthentic, PublicKey, algorithm
from phalanx.crypto.sharing._custody import Card, Keyholder
from phalanx.crypto.sharing._errors import CeremonyClosed, InvalidShare, NotEnoughShares, NotRegistered, ReleaseRefused
from phalanx.crypto.sharing._escrow import Escrow, Signed, own_share, pack_share, signed_by, unpack_share, unseal
from phalanx.crypto.sharing._limits import MAX_CEREMONY_S, MAX_PURPOSE_CHARS, MAX_SKEW_NS
from phalanx.crypto.sharing._sealed import open_sealed, seal_for
from phalanx.crypto.sharing._verifiable import HASH, VerifiableShare, recover_verified


class Ceremony(Signed, frozen=True, kw_only=True, tag="escrow-ceremony"):
    """One opening: ``opener`` asks for it and signs. ``registration`` is the registrar's word that it is recorded."""

    escrow: str
    escrow_digest: str
    purpose: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_PURPOSE_CHARS)]
    opener: Card
    expires_at_ns: int
    registration: bytes = b""

    def digest(self) -> str:
        """What releases are bound to: everything but the registration, which comes later."""
        return hashlib.sha256(encode_json(msgspec.structs.replace(self, registration=b""))).hexdigest()

    def signed_bytes(self) -> bytes:
        bare = msgspec.structs.replace(self, signature=b"", registration=b"")
        return b"phalanx escrow document v1\x00" + encode_json(bare)

    def verify(self, escrow: Escrow) -> None:
        """Returns when the opener signed exactly this, for exactly this escrow."""
        if (self.escrow, self.escrow_digest, self.tenant) != (escrow.id, escrow.digest(), escrow.tenant):
            raise InvalidInput("ceremony", f"it is for another escrow than {escrow.id}, or for one that was changed")
        if not 0 < self.expires_at_ns - self.at_ns <= MAX_CEREMONY_S * NS_PER_S:
            raise InvalidInput("expires", f"a ceremony lasts at most {MAX_CEREMONY_S // 86_400} days")
        self.opener.verifying_key.verify(self.signed_bytes(), self.signature)

    def verify_registration(self, escrow: Escrow) -> None:
        """Returns when the escrow's registrar says that this ceremony is recorded; raises ``NotRegistered``."""
        registrar, statement = PublicKey.from_bytes(escrow.registrar), _registered(self)
        split = algorithm(registrar.classical.algorithm).output_bytes
        try:
            # Both halves must hold: a forger has to break a classical and a post-quantum algorithm.
            registrar.classical.verify(statement, self.registration[:split])
            registrar.post_quantum.verify(statement, self.registration[split:])
        except InvalidSignature as error:
            raise NotRegistered(self.id) from error

    def require_open(self, now_ns: int) -> None:
        if self.at_ns > now_ns + MAX_SKEW_NS:
            raise InvalidInput("ceremony", f"it begins in the future, {iso_from_ns(self.at_ns)}", hint="set the clock")
        if now_ns >= self.expires_at_ns:
            raise CeremonyClosed(self.id, f"it ended at {iso_from_ns(self.expires_at_ns)}")


class Release(Signed, frozen=True, kw_only=True, tag="escrow-release"):
    """A custodian's share, for one ceremony and its opener alone. ``unregistered`` says that nothing was recorded."""

    ceremony: str
    ceremony_digest: str
    custodian: int
    unregistered: bool
    sealed: bytes

    def verify(self, escrow: Escrow, ceremony: Ceremony) -> Card:
        """The custodian who signed this for ``ceremony``; raises ``ReleaseRefused``."""
        if not 1 <= self.custodian <= len(escrow.custodians):
            raise ReleaseRefused(str(self.custodian), "there is no such custodian")
        card = escrow.custodians[self.custodian - 1]
        if (self.ceremony, self.ceremony_digest) != (ceremony.id, ceremony.digest()):
            raise ReleaseRefused(card.name, f"it is for another ceremony, {self.ceremony}")
        # It cannot be older than the ceremony, whatever the custodian's clock said: it names its digest.
        if self.at_ns >= ceremony.expires_at_ns:
            raise ReleaseRefused(card.name, "it was signed after the ceremony's end")
        try:
            card.verifying_key.verify(self.signed_bytes(), self.signature)
        except InvalidSignature as error:
            raise ReleaseRefused(card.name, "its signature is not the custodian's") from error
        return card


@dataclass(frozen=True, slots=True)
class Opened:
    """What a ceremony came to. ``lying`` names custodians whose release does not hold."""

    secret: bytes = field(repr=False)
    used: tuple[str, ...] = ()
    lying: tuple[str, ...] = ()


def begin_ceremony(
    escrow: Escrow, opener: Keyholder, *, ceremony_id: str, purpose: str, now_ns: int, lasts_s: int
) -> Ceremony:
    """Ask for the escrow to be opened: the opener's signed request, not yet registered."""
    escrow.verify()
    if not 0 < len(purpose.strip()) <= MAX_PURPOSE_CHARS:
        raise InvalidInput("purpose", f"say why in 1 to {MAX_PURPOSE_CHARS} characters")
    ceremony = signed_by(opener, Ceremony(
        id=ceremony_id, tenant=escrow.tenant, trace=NO_TRACE, at_ns=now_ns, escrow=escrow.id,
        escrow_digest=escrow.digest(), purpose=purpose.strip(), opener=opener.card,
        expires_at_ns=now_ns + lasts_s * NS_PER_S,
    ))  # fmt: skip
    ceremony.verify(escrow)
    return ceremony


def registered(ceremony: Ceremony, registrar: HybridSigner) -> Ceremony:
    """The ceremony with the registrar's word for it. Sign only what the ledger already has."""
    statement = _registered(ceremony)
    word = registrar.classical.sign(statement) + registrar.post_quantum.sign(statement)
    return msgspec.structs.replace(ceremony, registration=word)


def release_share(
    escrow: Escrow, ceremony: Ceremony, holder: Keyholder, *, now_ns: int, even_unregistered: bool = False
) -> Release:
    """``holder``'s consent and share. Refuses ceremonies that are over, changed or not registered."""
    escrow.verify()
    ceremony.verify(escrow)
    ceremony.require_open(now_ns)
    unregistered = False
    try:
        ceremony.verify_registration(escrow)
    except NotRegistered:
        if not even_unregistered:
            raise
        unregistered = True
    share, index = own_share(escrow, holder), escrow.index_of(holder.card)
    context = _released(ceremony, index)
    return signed_by(holder, Release(
        id=derive_id(ceremony.at_ns, "escrow-release", ceremony.id, str(index)), tenant=ceremony.tenant,
        trace=ceremony.trace, at_ns=now_ns, ceremony=ceremony.id, ceremony_digest=ceremony.digest(), custodian=index,
        unregistered=unregistered, sealed=seal_for(ceremony.opener.sealing_key, pack_share(share), context),
    ))  # fmt: skip


def reconstruct(
    escrow: Escrow, ceremony: Ceremony, releases: Sequence[Release], opener: Keyholder, *, now_ns: int
) -> Opened:
    """The secret, from a quorum of releases for this ceremony, by its opener alone.

    Raises ``ReleaseRefused`` for a release that does not belong here, ``CeremonyClosed`` when it
    is too late, and ``NotEnoughShares`` when too few hold, naming whose do not.
    """
    escrow.verify()
    ceremony.verify(escrow)
    ceremony.require_open(now_ns)
    commitment = escrow.read_commitment()
    names: dict[int, str] = {}
    sound: list[VerifiableShare] = []
    for release in releases:
        card, index = release.verify(escrow, ceremony), release.custodian
        if index in names:
            raise ReleaseRefused(card.name, "it was handed in already")
        names[index] = card.name
        try:
            share = unpack_share(index, open_sealed(opener.opener, release.sealed, _released(ceremony, index)))
            commitment.check(share)
        except (NotAuthentic, InvalidShare):
            continue
        sound.append(share)
    true = {share.index for share in sound}
    lying = tuple(names[index] for index in sorted(names) if index not in true)
    if len(sound) < escrow.threshold:
        raise NotEnoughShares(needed=escrow.threshold, seen=len(sound), wrong=lying)
    key, _ = recover_verified(HASH.field, commitment, escrow.threshold, sound)
    return Opened(unseal(escrow, key), tuple(names[index] for index in sorted(true)), lying)


def _registered(ceremony: Ceremony) -> bytes:
    return b"phalanx escrow ceremony recorded v1\x00" + ceremony.digest().encode()


def _released(ceremony: Ceremony, index: int) -> bytes:
    return b"phalanx escrow release v1\x00" + index.to_bytes(2) + ceremony.digest().encode()
