"""A secret that nobody dealt alone: the weighted sum of several dealings.

Every holder keeps its part of each dealing. Its share of the secret is their weighted sum, and
can be held against the dealers' commitments one by one; with commitments in a group the sum has
a commitment of its own, which is what the next committee starts from.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phalanx.crypto.sharing._errors import InvalidShare, NotEnoughShares
from phalanx.crypto.sharing._verifiable import Commitment, GroupCommitment, Scheme, Terms, VerifiableShare


@dataclass(frozen=True, slots=True)
class KeyShare:
    """What one holder of a jointly made secret keeps: its part of each dealing that counts."""

    run: str
    epoch: int
    index: int
    parts: dict[int, VerifiableShare] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Joint:
    """The public side of a jointly made secret. ``weights`` says how much of each dealing it holds."""

    run: str
    epoch: int
    scheme: Scheme
    threshold: int
    indexes: tuple[int, ...]
    commitments: Mapping[int, Commitment]
    weights: Mapping[int, int]

    def check(self, share: KeyShare) -> None:
        """Returns when ``share`` is its holder's share of this secret at this epoch; raises ``InvalidShare``."""
        if (share.run, share.epoch) != (self.run, self.epoch):
            raise InvalidShare(
                share.index,
                f"it is of epoch {share.epoch}, run {share.run[:8]}, not of epoch {self.epoch}, run {self.run[:8]}",
                hint="shares of an earlier epoch are worth nothing; use those of the last refresh",
            )
        if share.index not in self.indexes or set(share.parts) != set(self.commitments):
            raise InvalidShare(share.index, "its parts are not those of the dealings that count")
        for dealer, part in share.parts.items():
            if part.index != share.index:
                raise InvalidShare(share.index, f"its part of dealing {dealer} is that of {part.index}")
            self.commitments[dealer].check(part)

    def total(self, share: KeyShare) -> VerifiableShare:
        """The holder's share of the secret itself. The blinding is meaningful in a group only."""
        q = self.scheme.field.modulus
        value = sum(self.weights[dealer] * part.value for dealer, part in share.parts.items()) % q
        blind = sum(self.weights[dealer] * part.blind for dealer, part in share.parts.items()) % q
        return VerifiableShare(share.index, value, blind)

    def commitment(self) -> GroupCommitment:
        """The commitment to the sum; only commitments in a group add up."""
        members = [(self.weights[dealer], one) for dealer, one in self.commitments.items()]
        groups = [(weight, one) for weight, one in members if isinstance(one, GroupCommitment)]
        assert len(groups) == len(members), "hash commitments do not add up"
        group, blinded = groups[0][1].group, groups[0][1].blinded
        points = tuple(
            group.multiply(*(group.power(one.points[at], weight) for weight, one in groups))
            for at in range(self.threshold)
        )
        return GroupCommitment(group, points, blinded)

    def recover(self, shares: Sequence[KeyShare]) -> tuple[bytes, tuple[int, ...]]:
        """A 32-byte key made of the secret, from any ``threshold`` shares that hold; and whose do not."""
        sound: dict[int, int] = {}
        refuted: set[int] = set()
        for share in shares:
            try:
                self.check(share)
            except InvalidShare:
                refuted.add(share.index)
            else:
                sound[share.index] = self.total(share).value
        if len(sound) < self.threshold:
            raise NotEnoughShares(needed=self.threshold, seen=len(sound))
        numbers = self.scheme.field
        chosen = sorted(sound)[: self.threshold]
        weights = numbers.weights(chosen)
        secret = sum(weights[i] * sound[i] for i in chosen) % numbers.modulus
        # The field is wider than a key and its elements are uniform in it: hashing takes the key out.
        label = b"phalanx jointly made key v1\x00" + self.scheme.name.encode() + b"\x00"
        return hashlib.sha256(label + numbers.to_bytes(secret)).digest(), tuple(sorted(refuted))


def terms_of(threshold: int, indexes: Sequence[int], plan: bytes, dealer: int) -> Terms:
    """What dealer ``dealer`` of a run must keep to."""
    return Terms(threshold, tuple(indexes), plan + dealer.to_bytes(2))
