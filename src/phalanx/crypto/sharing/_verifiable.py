"""Verifiable sharing: a dealer commits to the polynomial, and every share can be held against it.

What holds against whom:

=========  =====================================  =============================================
scheme     the secret stays hidden                no share can be exchanged
=========  =====================================  =============================================
Feldman    from classical computers only          against any computer
           (g^secret is public)
Pedersen   from any computer, for ever            against classical computers
hash       from quantum computers                 against quantum computers
           (SHA-256 as a random oracle)           (SHA-256 as a random oracle)
=========  =====================================  =============================================

So a transcript of Pedersen's kept until quantum computers come tells nothing; a dealer who has
one while it deals can open a commitment in two ways. ``HashScheme`` has no such weakness, but
its commitments do not add up, so that its shares cannot be redistributed to a new committee.

Feldman (1987) and Pedersen (1991): the commitments to the coefficients, evaluated at i in the
exponent, are the commitment to share i. The hash scheme follows Atapoor, Baghery, Cozzo and
Pedersen (2023): besides f the dealer draws a masking polynomial r of the same degree, publishes
cᵢ = H(i, f(i), r(i), saltᵢ), takes d from a hash of them all, and publishes z = r + d·f. Who
holds f(i) and saltᵢ checks cᵢ = H(i, f(i), z(i) - d·f(i), saltᵢ). If the shares of those who
checked are not on one polynomial below degree k, then at most one d lets z be one: a dealer
who tries q hashes gets away with it with probability q/2^256 (q²/2^256 for quantum computers).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from phalanx.core import EntropySource
from phalanx.crypto.sharing._errors import InvalidDealing, InvalidShare, NotEnoughShares
from phalanx.crypto.sharing._field import GF256, Field
from phalanx.crypto.sharing._groups import Group, ffdhe3072
from phalanx.crypto.sharing._limits import DIGEST_BYTES, EXTRA_DRAW_BYTES
from phalanx.crypto.sharing._shares import require_committee


@dataclass(frozen=True, slots=True)
class Terms:
    """What dealer and holders agree on beforehand. ``context`` names the run, so that no dealing serves twice."""

    threshold: int
    indexes: tuple[int, ...]
    context: bytes

    def __post_init__(self) -> None:
        require_committee(self.threshold, len(self.indexes))
        assert sorted(set(self.indexes)) == list(self.indexes), "indexes are distinct and in order"
        assert self.indexes[0] > 0, "index 0 is the secret"


@dataclass(frozen=True, slots=True)
class VerifiableShare:
    """A share and the blinding that opens its commitment (Pedersen) or its digest (hash); 0 with Feldman."""

    index: int
    value: int = field(repr=False)
    blind: int = field(repr=False)


class Commitment(Protocol):
    """What a dealer publishes."""

    def check(self, share: VerifiableShare) -> None:
        """Returns when the share is the one committed to; raises ``InvalidShare`` when it is not."""
        ...

    def to_bytes(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Dealing:
    """The public commitment, and each holder's share by index."""

    commitment: Commitment
    shares: dict[int, VerifiableShare] = field(repr=False)


class Scheme(Protocol):
    """A way to share verifiably. ``read`` raises ``InvalidDealing`` for what no dealer of it would publish."""

    @property
    def name(self) -> str: ...

    @property
    def field(self) -> Field: ...

    def deal(self, secret: int, terms: Terms, entropy: EntropySource) -> Dealing: ...

    def read(self, data: bytes, terms: Terms) -> Commitment: ...


@dataclass(frozen=True, slots=True)
class GroupCommitment:
    """Commitments to the coefficients, constant first."""

    group: Group
    points: tuple[int, ...]
    blinded: bool

    def at(self, index: int) -> int:
        """The commitment to share ``index``; index 0 is the secret."""
        found = 1
        for point in reversed(self.points):
            found = self.group.multiply(self.group.power(found, index), point)
        return found

    def check(self, share: VerifiableShare) -> None:
        group, order = self.group, self.group.field.modulus
        if not (0 <= share.value < order and 0 <= share.blind < order):
            raise InvalidShare(share.index, "it is out of range")
        opened = group.power(group.g, share.value)
        if self.blinded:
            opened = group.multiply(opened, group.power(group.h, share.blind))
        elif share.blind:
            raise InvalidShare(share.index, "it has a blinding where there is none")
        if opened != self.at(share.index):
            raise InvalidShare(share.index, "it is not what the dealer committed to")

    def to_bytes(self) -> bytes:
        return b"".join(map(self.group.to_bytes, self.points))


@dataclass(frozen=True, slots=True)
class GroupScheme:
    """Pedersen's sharing over a group of prime order, or Feldman's when not ``blinded``."""

    group: Group
    blinded: bool

    @property
    def name(self) -> str:
        return f"{'pedersen' if self.blinded else 'feldman'}/{self.group.name}"

    @property
    def field(self) -> Field:
        return self.group.field

    def deal(self, secret: int, terms: Terms, entropy: EntropySource, *, blind: int | None = None) -> Dealing:
        """``blind`` fixes the secret's own blinding, for a dealer bound to a commitment made before."""
        numbers, group = self.field, self.group
        if blind is None:
            blind = numbers.draw(entropy)
        values = numbers.draw_polynomial(secret, terms.threshold, entropy)
        blinds = numbers.draw_polynomial(blind, terms.threshold, entropy) if self.blinded else [0] * terms.threshold
        points = tuple(
            group.multiply(group.power(group.g, value), group.power(group.h, mask) if self.blinded else 1)
            for value, mask in zip(values, blinds, strict=True)
        )
        shares = {
            i: VerifiableShare(i, numbers.evaluate(values, i), numbers.evaluate(blinds, i)) for i in terms.indexes
        }
        return Dealing(GroupCommitment(group, points, self.blinded), shares)

    def read(self, data: bytes, terms: Terms) -> GroupCommitment:
        width = self.group.element_bytes
        if len(data) != width * terms.threshold:
            raise InvalidDealing(0, f"it has {len(data)} bytes, not {width} for each of {terms.threshold} coefficients")
        points = tuple(int.from_bytes(data[at : at + width]) for at in range(0, len(data), width))
        if not all(map(self.group.contains, points)):
            raise InvalidDealing(0, f"a commitment is not in {self.group.name}")
        return GroupCommitment(self.group, points, self.blinded)


class _HashWire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    digests: tuple[bytes, ...]
    opened: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class HashCommitment:
    """A digest per share, and the polynomial z = r + d·f that shows them to be on one."""

    terms: Terms
    digests: dict[int, bytes]
    opened: tuple[int, ...]
    challenge: int

    def check(self, share: VerifiableShare) -> None:
        if share.index not in self.digests:
            raise InvalidShare(share.index, "it has no place in the committee")
        if not (0 <= share.value < GF256.modulus and 0 <= share.blind < GF256.modulus):
            raise InvalidShare(share.index, "it is out of range")
        mask = (GF256.evaluate(self.opened, share.index) - self.challenge * share.value) % GF256.modulus
        if _digest(self.terms, share, mask) != self.digests[share.index]:
            raise InvalidShare(share.index, "it is not what the dealer committed to")

    def to_bytes(self) -> bytes:
        digests = tuple(self.digests[index] for index in self.terms.indexes)
        return msgspec.msgpack.encode(_HashWire(digests, tuple(map(GF256.to_bytes, self.opened))))


@dataclass(frozen=True, slots=True)
class HashScheme:
    """Verifiable sharing that rests on SHA-256 and nothing else."""

    name: str = f"hash/sha256/{GF256.name}"
    field: Field = GF256

    def deal(self, secret: int, terms: Terms, entropy: EntropySource) -> Dealing:
        values = GF256.draw_polynomial(secret, terms.threshold, entropy)
        masks = GF256.draw_polynomial(GF256.draw(entropy), terms.threshold, entropy)
        shares = {i: VerifiableShare(i, GF256.evaluate(values, i), GF256.draw(entropy)) for i in terms.indexes}
        digests = {i: _digest(terms, share, GF256.evaluate(masks, i)) for i, share in shares.items()}
        challenge = _challenge(terms, digests)
        opened = tuple((m + challenge * v) % GF256.modulus for v, m in zip(values, masks, strict=True))
        return Dealing(HashCommitment(terms, digests, opened, challenge), shares)

    def read(self, data: bytes, terms: Terms) -> HashCommitment:
        try:
            wire = msgspec.msgpack.decode(data, type=_HashWire)
            opened = tuple(map(GF256.from_bytes, wire.opened))
        except (ValueError, msgspec.DecodeError) as error:
            raise InvalidDealing(0, str(error)) from error
        if [len(digest) for digest in wire.digests] != [DIGEST_BYTES] * len(terms.indexes):
            raise InvalidDealing(0, f"it has not one digest of {DIGEST_BYTES} bytes for each share")
        if len(opened) != terms.threshold:
            raise InvalidDealing(0, f"its polynomial has {len(opened)} coefficients, not {terms.threshold}")
        digests = dict(zip(terms.indexes, wire.digests, strict=True))
        return HashCommitment(terms, digests, opened, _challenge(terms, digests))


FELDMAN, PEDERSEN, HASH = GroupScheme(ffdhe3072(), blinded=False), GroupScheme(ffdhe3072(), blinded=True), HashScheme()


def recover_verified(
    numbers: Field, commitment: Commitment, threshold: int, shares: Sequence[VerifiableShare]
) -> tuple[int, tuple[int, ...]]:
    """The secret from any ``threshold`` shares that hold, and the indexes of those that do not.

    With commitments to hold them against, any number of wrong shares is named.
    """
    sound: dict[int, int] = {}
    refuted: set[int] = set()
    for share in shares:
        try:
            commitment.check(share)
        except InvalidShare:
            refuted.add(share.index)
        else:
            sound[share.index] = share.value
    if len(sound) < threshold:
        raise NotEnoughShares(needed=threshold, seen=len(sound))
    chosen = sorted(sound)[:threshold]
    weights = numbers.weights(chosen)
    return sum(weights[i] * sound[i] for i in chosen) % numbers.modulus, tuple(sorted(refuted))


def _digest(terms: Terms, share: VerifiableShare, mask: int) -> bytes:
    parts = (share.value, mask, share.blind)
    body = share.index.to_bytes(2) + b"".join(map(GF256.to_bytes, parts))
    return hashlib.sha256(b"phalanx share digest v1\x00" + _bound(terms) + body).digest()


def _challenge(terms: Terms, digests: dict[int, bytes]) -> int:
    body = b"".join(digests[index] for index in terms.indexes)
    wide = hashlib.shake_256(b"phalanx sharing challenge v1\x00" + _bound(terms) + body)
    return GF256.reduced(wide.digest(GF256.element_bytes + EXTRA_DRAW_BYTES))


def _bound(terms: Terms) -> bytes:
    """The terms as a prefix of fixed width, so that no two terms and bodies hash the same bytes."""
    return hashlib.sha256(msgspec.msgpack.encode((terms.threshold, terms.indexes, terms.context))).digest()
