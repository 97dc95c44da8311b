"""How an epoch comes to be fixed: who gets in, who sees to it, and why nobody can be filtered out unseen.

Before a vote, the members of a roster are filtered: whoever is not authentic, does not respond, or was
last heard more than 30 seconds ago does not take part; nor does whoever was convicted by evidence. The
filter must not become a weapon, so:

- the epoch names everybody it leaves out, with the reason; together, participants and those left out
  are the whole roster (``review`` refuses anything else);
- whoever is left out counts on as silent, the convicted aside: a quorum is more than two thirds of the
  roster, whoever takes part. Filtering can stop epochs; it never makes a quorum of fewer (``Epoch``);
- members of more than two thirds of that weight must accept the epoch. Each compares it with whom it
  heard itself, and objects with its signature to whoever is left out though heard, or taken in or not
  counted wrongly. Who is left out is a member still, and may object (``answer``);
- objections are verified and kept, whatever comes of the epoch. If those about one member weigh more
  than all traitors do, an honest member is among them: the filter is unjust, and who proposed it is
  told on by signatures that anybody can check (``fix``).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec

from phalanx.consensus._epoch import Epoch, LeftOut, Participant
from phalanx.consensus._errors import EpochRefused, UnjustFilter
from phalanx.consensus._limits import HEARTBEAT_MAX_AGE_NS
from phalanx.consensus._question import quorum_of
from phalanx.crypto import InvalidSignature, SigningKey, VerifyingKey

_ACCEPTS = b"phalanx epoch accepted\x00"
_OBJECTS = b"phalanx epoch objected\x00"


class Absence(Enum):
    """Why a member is left out."""

    NOT_AUTHENTIC = "not authentic"
    UNRESPONSIVE = "unresponsive"
    STALE = "heartbeat too old"
    CONVICTED = "convicted by evidence"


class Wrong(Enum):
    """What an epoch does with a member that it should not do."""

    LEFT_OUT = "left out though heard"
    TAKEN_IN = "taken in though not authentic or convicted"
    NOT_COUNTED = "not counted, without evidence against it"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one observer knows of a member: when it last heard it, and whether it answers as who it is."""

    at_ns: int
    authentic: bool = True
    responsive: bool = True


@dataclass(frozen=True, slots=True)
class Acceptance:
    """``member`` takes part in the epoch as it is. Signed with the key of its identity."""

    member: str
    signature: bytes

    @staticmethod
    def statement(epoch: Epoch) -> bytes:
        return _ACCEPTS + epoch.id


class Objection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``member`` says what is wrong about ``about``. Signed with the key of its identity, so that it can be shown."""

    member: str
    about: str
    wrong: Wrong
    signature: bytes

    @staticmethod
    def statement(epoch: Epoch, about: str, wrong: Wrong) -> bytes:
        return _OBJECTS + epoch.id + wrong.name.encode() + b"\x00" + about.encode()


@dataclass(frozen=True, slots=True)
class Assent:
    """An epoch is fixed: the weight that accepts it, and what some members object to all the same."""

    weight: int
    objections: tuple[Objection, ...]


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
    left_out = [
        LeftOut(one.name, reason.value, 0 if reason is Absence.CONVICTED else one.weight)
        for one in roster
        if (reason := reasons[one.name]) is not None
    ]
    epoch = Epoch(
        number=number,
        votes=votes,
        participants=tuple(one for one in roster if reasons[one.name] is None),
        left_out=tuple(left_out),
        fixed_by=fixed_by,
        at_ns=now_ns,
    )
    epoch.check()
    return epoch


def review(
    epoch: Epoch,
    roster: Sequence[Participant],
    heard: Mapping[str, Heard],
    *,
    now_ns: int,
    convicted: Collection[str] = (),
) -> list[tuple[str, Wrong]]:
    """To whom ``epoch`` does wrong as far as this observer heard. Raises ``EpochRefused`` for a wrong roster.

    Somebody who has fallen silent since, or has come back, is nobody's fault: only who is left out
    though heard at the time, and who is taken in without ever having been heard, is objected to.
    """
    epoch.check()
    known = {one.name: one for one in roster}
    taken, left = {one.name: one for one in epoch.participants}, {one.name: one for one in epoch.left_out}
    if taken.keys() | left.keys() != known.keys():
        raise EpochRefused("it does not account for everybody on the roster")
    for name, one in taken.items():
        if one != known[name]:
            raise EpochRefused(f"{name!r} stands there with another root, identity or weight")
    wrong = []
    for name in sorted(left):
        if name not in convicted and left[name].weight != known[name].weight:
            wrong.append((name, Wrong.NOT_COUNTED))
        if absence(name, heard, epoch.at_ns, convicted) is None:
            wrong.append((name, Wrong.LEFT_OUT))
    out_of_place = (Absence.CONVICTED, Absence.NOT_AUTHENTIC)
    wrongly_in = [name for name in sorted(taken) if absence(name, heard, now_ns, convicted) in out_of_place]
    return [*wrong, *((name, Wrong.TAKEN_IN) for name in wrongly_in)]


def answer(
    epoch: Epoch,
    roster: Sequence[Participant],
    heard: Mapping[str, Heard],
    *,
    member: str,
    key: SigningKey,
    now_ns: int,
    convicted: Collection[str] = (),
) -> Acceptance | list[Objection]:
    """What ``member`` says to ``epoch``, signed: that it accepts it, or each thing that is wrong about it.

    Of itself a member knows that it is there. Raises ``EpochRefused`` for a wrong roster.
    """
    known = {**heard, member: Heard(max(epoch.at_ns, now_ns))}
    wrong = review(epoch, roster, known, now_ns=now_ns, convicted=convicted)
    if not wrong:
        return Acceptance(member, key.sign(Acceptance.statement(epoch)))
    return [Objection(member, about, what, key.sign(Objection.statement(epoch, about, what))) for about, what in wrong]


def fix(
    epoch: Epoch,
    roster: Sequence[Participant],
    keys: Mapping[str, VerifyingKey],
    acceptances: Sequence[Acceptance],
    objections: Sequence[Objection] = (),
    *,
    convicted: Collection[str] = (),
) -> Assent:
    """Whether enough weight accepts ``epoch``. ``keys`` are the members' own.

    Raises ``EpochRefused``, and of its kinds ``UnjustFilter`` if too many object to the same.
    """
    weights = {one.name: one.weight for one in roster if one.name not in convicted}
    for accepted in acceptances:
        _check_said(accepted.member, Acceptance.statement(epoch), accepted.signature, keys, weights)
    for one in objections:
        statement = Objection.statement(epoch, one.about, one.wrong)
        _check_said(one.member, statement, one.signature, keys, weights)
    objectors: dict[str, set[str]] = {}
    for one in objections:
        objectors.setdefault(one.about, set()).add(one.member)
    total = sum(weights.values())
    tolerated = total - quorum_of(total, (2, 3))
    unjust = {about: who for about, who in objectors.items() if sum(weights[one] for one in who) > tolerated}
    if unjust:
        raise UnjustFilter(tuple(sorted(unjust)), tuple(sorted(set().union(*unjust.values()))))
    accepting = {one.member for one in acceptances} - {one.member for one in objections}
    weight = sum(weights[member] for member in accepting)
    if 3 * weight <= 2 * total:
        raise EpochRefused(
            f"its members that accept it weigh {weight} of {total}, not more than two thirds",
            hint="wait until more members are heard again, or have them removed from the roster by a person",
        )
    return Assent(weight, tuple(objections))


def _check_said(
    member: str, statement: bytes, signature: bytes, keys: Mapping[str, VerifyingKey], weights: Mapping[str, int]
) -> None:
    """Whether ``member`` is one and signed this. Raises ``EpochRefused``."""
    key = keys.get(member)
    if key is None or member not in weights:
        raise EpochRefused(f"{member!r} speaks to it and is no member")
    try:
        key.verify(statement, signature)
    except InvalidSignature as error:
        raise EpochRefused(f"what {member!r} says to it is not signed by it") from error
