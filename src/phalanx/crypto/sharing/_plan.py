"""What the members of a run agree on before it, and the messages they exchange.

Every message names its run, round and sender and is signed over the plan's digest: a message
of another run, of another committee, or of a plan that differs in anything does not verify.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgspec

from phalanx.core import InvalidInput, WireError
from phalanx.crypto import EncapsulationKey, SigningKey, VerifyingKey
from phalanx.crypto.sharing._joint import Joint
from phalanx.crypto.sharing._limits import MAX_MESSAGE_BYTES
from phalanx.crypto.sharing._shares import require_committee
from phalanx.crypto.sharing._verifiable import GroupScheme, Scheme


class Round(IntEnum):
    """The rounds of a run, in order."""

    COMMIT = 1
    DEAL = 2
    COMPLAIN = 3
    ANSWER = 4
    CONFIRM = 5
    DONE = 6


OF_DEALERS = (Round.COMMIT, Round.DEAL, Round.ANSWER)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a committee, by the keys that everybody knows."""

    verify: VerifyingKey
    seal: EncapsulationKey


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: who deals, who receives, under which scheme.

    Without ``previous`` the members make a new secret, and dealers and receivers are the same.
    With it, its holders deal their shares of the secret it describes to the receivers, who may
    be the same people (a refresh) or others, with another threshold (a redistribution).
    """

    run: str
    scheme: Scheme
    threshold: int
    dealers: Mapping[int, Member]
    receivers: Mapping[int, Member]
    previous: Joint | None = None

    def __post_init__(self) -> None:
        require_committee(self.threshold, len(self.receivers))
        n = len(self.receivers)
        if 2 * self.threshold > n + 1:
            raise InvalidInput(
                "threshold",
                f"{self.threshold} of {n} lets {n - self.threshold + 1} silent members lose the secret for ever, "
                f"though fewer than {self.threshold} may be at fault",
                hint=f"at most {(n + 1) // 2} of {n}",
            )
        if isinstance(self.scheme, GroupScheme) and not self.scheme.blinded:
            raise InvalidInput(
                "scheme", "Feldman's commitments show enough of the dealings that the last dealer can bend the secret",
                hint="use pedersen or hash",
            )  # fmt: skip
        if self.previous is None:
            if dict(self.dealers) != dict(self.receivers):
                raise InvalidInput("dealers", "a new secret is made by those who will hold it")
        elif not isinstance(self.scheme, GroupScheme) or self.previous.scheme != self.scheme:
            raise InvalidInput(
                "scheme", "only commitments in a group can be passed on, and only under the same scheme",
                hint="make the secret under pedersen, or make a new one",
            )  # fmt: skip
        elif not set(self.dealers) <= set(self.previous.indexes) or len(self.dealers) < self.previous.threshold:
            raise InvalidInput("dealers", "are not enough holders of the secret that is passed on")

    @property
    def epoch(self) -> int:
        return 0 if self.previous is None else self.previous.epoch + 1

    @property
    def max_faulty(self) -> int:
        """How many receivers may be at fault: fewer than the threshold."""
        return self.threshold - 1

    @property
    def enough_dealers(self) -> int:
        """How many dealings must count for the result to be sound."""
        return len(self.dealers) - self.max_faulty if self.previous is None else self.previous.threshold

    @property
    def confirmations(self) -> int:
        return len(self.receivers) - self.max_faulty

    def digest(self) -> bytes:
        """Everything agreed on, hashed."""

        def keys(members: Mapping[int, Member]) -> list[Any]:
            return [(i, members[i].verify.to_bytes(), members[i].seal.to_bytes()) for i in sorted(members)]

        before = b"" if self.previous is None else self.previous.commitment().to_bytes()
        agreed = (self.run, self.scheme.name, self.threshold, self.epoch)
        return hashlib.sha256(
            b"phalanx sharing plan v1\x00"
            + msgspec.msgpack.encode((agreed, keys(self.dealers), keys(self.receivers), before))
        ).digest()


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One member's word in one round. ``body`` is what the round says, in MessagePack."""

    run: str
    round: int
    sender: int
    body: bytes
    signature: bytes

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Message":
        if len(data) > MAX_MESSAGE_BYTES:
            raise WireError("sharing message", f"it has {len(data)} bytes, more than {MAX_MESSAGE_BYTES}")
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError("sharing message", str(error)) from error


def signed(plan: Plan, digest: bytes, at: Round, sender: int, body: bytes, key: SigningKey) -> Message:
    return Message(plan.run, at, sender, body, key.sign(_statement(digest, at, sender, body)))


def verify_message(plan: Plan, digest: bytes, message: Message) -> Round:
    """The round of a message that a member of the run signed; raises ``WireError`` or ``InvalidSignature``."""
    if message.run != plan.run:
        raise WireError("sharing message", f"it is of run {message.run[:36]!r}")
    try:
        at = Round(message.round)
    except ValueError as error:
        raise WireError("sharing message", str(error)) from error
    members = plan.dealers if at in OF_DEALERS else plan.receivers
    if at is Round.DONE or message.sender not in members:
        raise WireError("sharing message", f"nobody is {message.sender} in round {at.name.lower()}")
    members[message.sender].verify.verify(_statement(digest, at, message.sender, message.body), message.signature)
    return at


def _statement(digest: bytes, at: Round, sender: int, body: bytes) -> bytes:
    return b"phalanx sharing message v1\x00" + digest + bytes([at]) + sender.to_bytes(2) + body
