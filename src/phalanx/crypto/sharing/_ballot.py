"""What a run has shown in public so far, and what everybody must conclude from it.

All of it follows from the messages alone, so that whoever read the same messages, in whatever
order, comes to the same conclusions. A sender that says two things in one round has said
nothing. A dealer is out when it

- did not commit, or dealt something else than it committed to, or nothing readable;
- was complained about by more receivers than may be at fault;
- did not answer a complaint with the share that holds.

A complaint answered with the right share changes nothing: either side may be at fault, so the
share is public from then on and nobody is put out for it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from phalanx.crypto.sharing._errors import InvalidDealing, InvalidShare
from phalanx.crypto.sharing._joint import terms_of
from phalanx.crypto.sharing._limits import DIGEST_BYTES, MAX_VERSIONS
from phalanx.crypto.sharing._plan import Message, Plan, Round
from phalanx.crypto.sharing._verifiable import Commitment, GroupCommitment, VerifiableShare

T = TypeVar("T")


class DealBody(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The commitment in public, a share for each receiver sealed."""

    commitment: bytes
    sealed: dict[int, bytes]


class AnswerBody(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The shares of those who complained, in the open: value and blinding."""

    shown: dict[int, tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Dealt:
    """A dealing that is readable and is what was committed to."""

    commitment: Commitment
    sealed: Mapping[int, bytes]


class Ballot:
    """The messages of a run, and the conclusions that follow from them."""

    def __init__(self, plan: Plan, digest: bytes) -> None:
        self._plan = plan
        self._digest = digest
        self._said: dict[tuple[Round, int], list[bytes]] = defaultdict(list)
        self.out: dict[int, str] = {}
        self.dealt: dict[int, Dealt] = {}
        self.shown: dict[tuple[int, int], VerifiableShare] = {}
        self._passed_on = None if plan.previous is None else plan.previous.commitment()

    def add(self, at: Round, message: Message) -> None:
        versions = self._said[at, message.sender]
        if message.body not in versions and len(versions) < MAX_VERSIONS:
            versions.append(message.body)

    def body(self, at: Round, sender: int) -> bytes | None:
        """What ``sender`` said in that round, if it said one thing."""
        versions = self._said.get((at, sender), [])
        return versions[0] if len(versions) == 1 else None

    def equivocators(self, at: Round) -> set[int]:
        return {sender for (when, sender), versions in self._said.items() if when is at and len(versions) > 1}

    def read_dealings(self) -> None:
        """After round DEAL: who dealt what it had committed to."""
        for dealer in sorted(self._plan.dealers):
            try:
                self.dealt[dealer] = self._dealing(dealer)
            except InvalidDealing as refused:
                self.out[dealer] = refused.reason

    def complaints(self) -> dict[int, set[int]]:
        """After round COMPLAIN: who complained of each dealer that is still in."""
        found: dict[int, set[int]] = {dealer: set() for dealer in self.dealt if dealer not in self.out}
        for receiver in self._plan.receivers:
            body = self.body(Round.COMPLAIN, receiver)
            for dealer in _decoded(body, list[int]) or ():
                if dealer in found:
                    found[dealer].add(receiver)
        return found

    def judge_complaints(self) -> None:
        """More complaints than there may be liars: at least one is true."""
        for dealer, receivers in self.complaints().items():
            if len(receivers) > self._plan.max_faulty:
                self.out[dealer] = f"{len(receivers)} receivers complained, more than may be at fault"

    def judge_answers(self) -> None:
        """After round ANSWER: every complaint must have been met with the share that holds."""
        for dealer, receivers in self.complaints().items():
            answer = _decoded(self.body(Round.ANSWER, dealer), AnswerBody)
            for receiver in sorted(receivers):
                try:
                    if answer is None or receiver not in answer.shown:
                        raise InvalidShare(receiver, "it was not shown")
                    share = share_from(self._plan, receiver, answer.shown[receiver])
                    self.dealt[dealer].commitment.check(share)
                except InvalidShare as missing:
                    self.out[dealer] = f"the complaint of {receiver} was not answered: {missing.reason}"
                    break
                self.shown[dealer, receiver] = share

    def qualified(self) -> list[int]:
        return [dealer for dealer in sorted(self.dealt) if dealer not in self.out]

    def transcript(self) -> bytes:
        """A hash of everything said before CONFIRM, whatever order it came in."""
        whole = hashlib.sha256(b"phalanx sharing transcript v1\x00" + self._digest)
        for at, sender in sorted(key for key in self._said if key[0] < Round.CONFIRM):
            digests = sorted(hashlib.sha256(body).digest() for body in self._said[at, sender])
            whole.update(msgspec.msgpack.encode((int(at), sender, digests)))
        return whole.digest()

    def _dealing(self, dealer: int) -> Dealt:
        plan = self._plan
        promise, said = self.body(Round.COMMIT, dealer), self.body(Round.DEAL, dealer)
        for at in (Round.COMMIT, Round.DEAL):
            if dealer in self.equivocators(at):
                raise InvalidDealing(dealer, f"it said two things in round {at.name.lower()}")
        if promise is None or said is None:
            raise InvalidDealing(dealer, f"it was silent in round {'commit' if promise is None else 'deal'}")
        if promise != promise_of(said):
            raise InvalidDealing(dealer, "it dealt something else than it had committed to")
        body = _decoded(said, DealBody)
        if body is None or set(body.sealed) != set(plan.receivers):
            raise InvalidDealing(dealer, "its dealing has not one share for each receiver")
        commitment = plan.scheme.read(
            body.commitment, terms_of(plan.threshold, sorted(plan.receivers), self._digest, dealer)
        )
        if self._passed_on is not None:
            assert isinstance(commitment, GroupCommitment)
            # Passing a share on means dealing exactly that share, and its commitment is known.
            if commitment.at(0) != self._passed_on.at(dealer):
                raise InvalidDealing(dealer, "it deals something else than its share of the secret")
        return Dealt(commitment, body.sealed)


def promise_of(deal_body: bytes) -> bytes:
    promise = hashlib.sha256(b"phalanx sharing promise v1\x00" + deal_body).digest()
    assert len(promise) == DIGEST_BYTES
    return promise


def share_to(plan: Plan, share: VerifiableShare) -> tuple[bytes, bytes]:
    numbers = plan.scheme.field
    return numbers.to_bytes(share.value), numbers.to_bytes(share.blind)


def share_from(plan: Plan, index: int, pair: tuple[bytes, bytes]) -> VerifiableShare:
    numbers = plan.scheme.field
    try:
        return VerifiableShare(index, numbers.from_bytes(pair[0]), numbers.from_bytes(pair[1]))
    except ValueError as error:
        raise InvalidShare(index, str(error)) from error


def _decoded(body: bytes | None, kind: type[T]) -> T | None:
    """The body as its round wants it; None for whatever is not that, which counts as silence."""
    if body is None:
        return None
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
