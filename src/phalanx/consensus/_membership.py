"""How an epoch comes to be fixed: who gets in, who sees to it, and why nobody can be filtered out unseen.

Before a vote, the members of a roster are filtered: whoever is not authentic, does not respond, or was
last heard more than 30 seconds ago does not take part; nor does whoever was convicted by evidence. The
filter must not become a weapon, so:

- the epoch names everybody it leaves out, with the reason; together, participants and those left out
  are the whole roster (``review`` refuses anything else);
- participants must weigh more than two thirds of the roster, the convicted aside: an attack that
  silences a third stops epochs, and never makes a quorum of fewer (``draft``);
- members of more than two thirds of that weight must accept the epoch. Each compares it with whom it
  heard itself, and objects by name to whoever is left out though heard, or taken in though not. With
  at most a third of traitors, a proposer that filters out somebody whom the others hear gets no
  epoch, and the signed objections tell on it (``fix``).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from phalanx.consensus._epoch import Epoch, LeftOut, Participant
from phalanx.consensus._errors import EpochRefused
from phalanx.consensus._limits import HEARTBEAT_MAX_AGE_NS
from phalanx.crypto import InvalidSignature, VerifyingKey

_ACCEPTS = b"phalanx epoch accepted\x00"
_OBJECTS = b"phalanx epoch objected\x00"


class Absence(Enum):
    """Why a member is left out."""

    NOT_AUTHENTIC = "not authentic"
    UNRESPONSIVE = "unresponsive"
    STALE = "heartbeat too old"
    CONVICTED = "convicted by evidence"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one observer knows of a member: when it last heard it, and whether it answers as who it is."""

    at_ns: int
    authentic: bool = True
    responsive: bool = True


def absence(name: str, heard: Mapping[str, Heard], now_ns: int, convicted: Collection[str]) -> Absence | None:
    """Why ``name`` may not take part; None when it may."""
    if name in convicted:
        return Absence.CONVICTED
    last = heard.get(name)
    if last is None or now_ns - last.at_ns > HEARTBEAT_MAX_AGE_NS:
        return Absence.STALE
    if not last.authentic:
        return Absence.NOT_AUTHENTIC
    return None if last.responsive else Absence.UNRESPONSIVE


def draft(
    roster: Sequence[Participant],
    heard: Mapping[str, Heard],
    *,
    number: int,
    votes: str,
    fixed_by: str,
    now_ns: int,
    convicted: Collection[str] = (),
) -> Epoch:
    """The epoch that follows from what its proposer heard. Raises ``EpochRefused`` and ``TooFewParticipants``."""
    reasons = {one.name: absence(one.name, heard, now_ns, convicted) for one in roster}
    epoch = Epoch(
        number=number,
        votes=votes,
        participants=tuple(one for one in roster if reasons[one.name] is None),
        left_out=tuple(LeftOut(name, reason.value) for name, reason in reasons.items() if reason is not None),
        fixed_by=fixed_by,
        at_ns=now_ns,
    )
    epoch.check()
    _enough(epoch.total, _standing(roster, convicted), "participants")
    return epoch


def review(
    epoch: Epoch,
    roster: Sequence[Participant],
    heard: Mapping[str, Heard],
    *,
    now_ns: int,
    convicted: Collection[str] = (),
) -> list[str]:
    """Members about whom ``epoch`` is wrong, as far as this observer heard. Raises ``EpochRefused`` for a wrong roster.

    Somebody who has fallen silent since, or has come back, is nobody's fault: only who is left out
    though heard at the time, and who is taken in without ever having been heard, is objected to.
    """
    epoch.check()
    known = {one.name: one for one in roster}
    taken, left = {one.name: one for one in epoch.participants}, {one.name for one in epoch.left_out}
    if taken.keys() & left or taken.keys() | left != known.keys():
        raise EpochRefused("it does not account for everybody on the roster")
    for name, one in taken.items():
        if one != known[name]:
            raise EpochRefused(f"{name!r} stands there with another root, identity or weight")
    _enough(epoch.total, _standing(roster, convicted), "participants")
    wrongly_out = [name for name in sorted(left) if absence(name, heard, epoch.at_ns, convicted) is None]
    wrongly_in = [
        name
        for name in sorted(taken)
        if absence(name, heard, now_ns, convicted) in (Absence.CONVICTED, Absence.NOT_AUTHENTIC)
    ]
    return [*wrongly_out, *wrongly_in]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """``member`` takes part in the epoch as it is. Signed with the key of its identity."""

    member: str
    signature: bytes

    @staticmethod
    def statement(epoch: Epoch) -> bytes:
        return _ACCEPTS + epoch.id


@dataclass(frozen=True, slots=True)
class Objection:
    """``member`` says that ``about`` was left out or taken in wrongly. Signed, so that it can be shown."""

    member: str
    about: str
    signature: bytes

    @staticmethod
    def statement(epoch: Epoch, about: str) -> bytes:
        return _OBJECTS + epoch.id + about.encode()


def fix(
    epoch: Epoch,
    roster: Sequence[Participant],
    keys: Mapping[str, VerifyingKey],
    acceptances: Sequence[Acceptance],
    *,
    convicted: Collection[str] = (),
) -> int:
    """The weight that accepts ``epoch``, if it is enough; raises ``EpochRefused``. ``keys`` are the members' own."""
    weights = {one.name: one.weight for one in roster if one.name not in convicted}
    accepted: dict[str, int] = {}
    for one in acceptances:
        key = keys.get(one.member)
        if key is None or one.member not in weights:
            raise EpochRefused(f"{one.member!r} accepts it and is no member")
        try:
            key.verify(Acceptance.statement(epoch), one.signature)
        except InvalidSignature as error:
            raise EpochRefused(f"the acceptance of {one.member!r} is not signed by it") from error
        accepted[one.member] = weights[one.member]
    _enough(sum(accepted.values()), sum(weights.values()), "members that accept it")
    return sum(accepted.values())


def _standing(roster: Sequence[Participant], convicted: Collection[str]) -> int:
    return sum(one.weight for one in roster if one.name not in convicted)


def _enough(weight: int, total: int, what: str) -> None:
    if 3 * weight <= 2 * total:
        raise EpochRefused(
            f"its {what} weigh {weight} of {total}, not more than two thirds",
            hint="wait until more members are heard again, or have them removed from the roster by a person",
        )
