"""A committee's documents: its plan, the public side of what it holds, a holder's share, and a seat in a run.

The plan and the public side are for everybody; people compare the plan's digest before they
join. A share and a seat are secret. A seat is a member's place in a run between two of its
rounds: what a ``Participant`` is made of again, its own dealing and the messages it has taken in.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from phalanx.core import InvalidInput, WireError
from phalanx.crypto.sharing._custody import Card, Keyholder, read_document
from phalanx.crypto.sharing._errors import InvalidShare
from phalanx.crypto.sharing._joint import Joint, KeyShare, terms_of
from phalanx.crypto.sharing._participant import OwnDealing
from phalanx.crypto.sharing._plan import Member, Message, Plan
from phalanx.crypto.sharing._verifiable import HASH, PEDERSEN, Scheme, VerifiableShare

SCHEMES: Mapping[str, Scheme] = {PEDERSEN.name: PEDERSEN, HASH.name: HASH}
D = TypeVar("D")


class CommitteeKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form", tag="committee-key"):  # fmt: skip  # noqa: E501
    """The public side of a secret that a committee holds: who, how many of them, and what their shares must fit."""

    run: str
    epoch: int
    scheme: str
    threshold: int
    holders: dict[int, Card]
    commitments: dict[int, bytes]
    weights: dict[int, str]
    plan: bytes

    def joint(self) -> Joint:
        """Raises ``WireError`` and ``InvalidDealing`` when it is not what a run writes."""
        scheme, indexes = scheme_of(self.scheme), tuple(sorted(self.holders))
        if set(self.weights) != set(self.commitments) or not self.commitments:
            raise WireError("committee key", "its weights are not those of its commitments")
        try:
            weights = {dealer: int(weight, 16) for dealer, weight in self.weights.items()}
        except ValueError as error:
            raise WireError("committee key", str(error)) from error
        commitments = {
            dealer: scheme.read(raw, terms_of(self.threshold, indexes, self.plan, dealer))
            for dealer, raw in self.commitments.items()
        }
        return Joint(self.run, self.epoch, scheme, self.threshold, indexes, commitments, weights)

    def index_of(self, card: Card) -> int | None:
        return _index_of(self.holders, card)


class CommitteePlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form", tag="committee-plan"):  # fmt: skip  # noqa: E501
    """What the members of a run agree on. With ``previous`` its holders pass its secret on to ``receivers``."""

    run: str
    scheme: str
    threshold: int
    receivers: dict[int, Card]
    previous: CommitteeKey | None = None

    @property
    def dealers(self) -> dict[int, Card]:
        return self.receivers if self.previous is None else self.previous.holders

    def plan(self) -> Plan:
        """Raises ``InvalidInput`` for a plan that no run can follow."""
        before = None if self.previous is None else self.previous.joint()
        return Plan(
            self.run, scheme_of(self.scheme), self.threshold, _members(self.dealers), _members(self.receivers), before
        )

    def digest(self) -> str:
        """What members compare, by voice, before they join."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    def name_of(self, index: int, *, dealer: bool) -> str:
        found = (self.dealers if dealer else self.receivers).get(index)
        return found.name if found else str(index)


class CommitteeShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form", tag="committee-share"):  # fmt: skip  # noqa: E501
    """One holder's share. Secret; those of an earlier epoch are worth nothing and should be erased."""

    run: str
    epoch: int
    scheme: str
    index: int
    parts: dict[int, tuple[bytes, bytes]]

    @classmethod
    def of(cls, share: KeyShare, scheme: Scheme) -> "CommitteeShare":
        write = scheme.field.to_bytes
        parts = {dealer: (write(part.value), write(part.blind)) for dealer, part in share.parts.items()}
        return cls(run=share.run, epoch=share.epoch, scheme=scheme.name, index=share.index, parts=parts)

    def share(self) -> KeyShare:
        """Raises ``InvalidShare``."""
        read = scheme_of(self.scheme).field.from_bytes
        try:
            parts = {
                dealer: VerifiableShare(self.index, read(value), read(blind))
                for dealer, (value, blind) in self.parts.items()
            }
        except ValueError as error:
            raise InvalidShare(self.index, str(error)) from error
        return KeyShare(self.run, self.epoch, self.index, parts)


class CommitteeSeat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form", tag="committee-seat"):  # fmt: skip  # noqa: E501
    """A member's place in a run between two steps. Secret until its dealing is over, and signed for by nobody."""

    plan: CommitteePlan
    dealer: int | None
    receiver: int | None
    round: int
    body: bytes
    shares: dict[int, tuple[bytes, bytes]]
    messages: tuple[bytes, ...]

    def own(self) -> OwnDealing | None:
        if not self.body:
            return None
        read = scheme_of(self.plan.scheme).field.from_bytes
        shares = {index: VerifiableShare(index, read(a), read(b)) for index, (a, b) in self.shares.items()}
        return OwnDealing(self.body, shares)

    def taken(self) -> list[Message]:
        return [Message.from_bytes(raw) for raw in self.messages]


def plan_committee(
    cards: Sequence[Card],
    threshold: int,
    *,
    run: str,
    scheme: str = PEDERSEN.name,
    previous: CommitteeKey | None = None,
) -> CommitteePlan:
    """A plan for a new secret of these people, or for passing one on to them. Raises ``InvalidInput``."""
    if len({card.fingerprint for card in cards}) != len(cards):
        raise InvalidInput("members", "one is named twice", hint="each member holds one share")
    plan = CommitteePlan(
        run=run, scheme=previous.scheme if previous else scheme, threshold=threshold,
        receivers=dict(enumerate(cards, 1)), previous=previous,
    )  # fmt: skip
    plan.plan()
    return plan


def read_committee(data: bytes, kind: type[D]) -> D:
    """One of this module's documents; raises ``WireError``."""
    return read_document(data, kind, "committee document")


def seat_indexes(plan: CommitteePlan, holder: Keyholder) -> tuple[int | None, int | None]:
    """As whom somebody deals and receives; raises ``InvalidInput`` for whoever does neither."""
    dealer, receiver = _index_of(plan.dealers, holder.card), _index_of(plan.receivers, holder.card)
    if dealer is None and receiver is None:
        raise InvalidInput("key", f"{holder.card.name} is no member of this run")
    return dealer, receiver


def scheme_of(name: str) -> Scheme:
    if name not in SCHEMES:
        raise WireError("committee document", f"scheme {name[:40]!r} is none of {', '.join(SCHEMES)}")
    return SCHEMES[name]


def _index_of(cards: Mapping[int, Card], card: Card) -> int | None:
    return next((index for index, one in cards.items() if one.fingerprint == card.fingerprint), None)


def _members(cards: Mapping[int, Card]) -> dict[int, Member]:
    return {index: Member(card.verifying_key, card.sealing_key) for index, card in cards.items()}
