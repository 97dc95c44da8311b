"""What nodes say to each other about missions that one continues should the other die, and what they store of it.

The owner of a mission names an heir, which keeps a copy, and an umpire, a third node. The fate of a mission takes
two of the three: owner and heir, or one of them with the umpire's word that the other is out. See ``_succession``.
"""

import struct
from collections.abc import Mapping
from enum import Enum
from typing import ClassVar

import msgspec

from phalanx.core import Record, Table, WireError

MEMBER = "succession"

# By the owner: which missions others may have a copy of. The row of a mission is there before its copy leaves.
BEQUESTS = Table("mission_bequests", indexes=("heir",))
# By the heir: copies, under ``mission/owner``.
COPIES = Table("mission_copies", indexes=("owner", "state"), sealed=True)
# By the umpire: what it said, once and for all, under ``owner/heir/term``.
VERDICTS = Table("mission_verdicts")
# By everybody: its own term, under ``own``, and how far it has read each owner, under ``from/owner``.
TERMS = Table("mission_terms")


class Bequest(Record, frozen=True, kw_only=True, tag="bequest"):
    """A mission that ``heir`` may have a copy of. ``id`` is the mission's."""

    heir: str
    umpire: str
    term: int


class CopyState(Enum):
    """``HELD``: for the owner to do. ``TAKEN``: the heir's to do, for good."""

    HELD = "held"
    TAKEN = "taken"


class Copy(Record, frozen=True, kw_only=True, tag="mission-copy"):
    """A mission of another node, as it was when it came. ``luggage`` is what has to be there to do it."""

    VERSION: ClassVar[int] = 1

    owner: str
    umpire: str
    term: int
    state: CopyState
    mission: bytes
    luggage: bytes


class Verdict(Enum):
    """What an umpire says. ``GRANTED``: the heir may take what it has of that term. ``VOIDED``: it may not, ever.

    ``OPEN``: neither was said, because whom it is about was heard a moment ago.
    """

    GRANTED = "granted"
    VOIDED = "voided"
    OPEN = "open"


class Where(Enum):
    """Where a mission stands by the word of its heir. ``GONE``: it has no copy, and takes none that is older."""

    HELD = "held"
    GONE = "gone"
    TAKEN = "taken"


class _Word(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag_field="w"):
    pass


class Copied(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One copy on its way to the heir."""

    tenant: str
    mission: str
    umpire: str
    term: int
    record: bytes
    luggage: bytes


class Here(_Word, frozen=True, tag="here"):
    """A node is there."""


class Said(_Word, frozen=True, tag="said"):
    """An owner to an heir. Whatever has a lower ``stamp`` than something that was read before comes too late.

    ``releases`` came to their end and are not to be taken, ``asks`` are asked after, and copies of ``voided`` terms
    may be thrown away.
    """

    stamp: tuple[int, int]
    offers: tuple[Copied, ...] = ()
    releases: tuple[tuple[str, str], ...] = ()
    asks: tuple[tuple[str, str], ...] = ()
    voided: tuple[int, ...] = ()


class Fate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where one mission stands; ``outcome`` is the record of one that the heir took and has ended."""

    mission: str
    where: Where
    outcome: bytes = b""


class Told(_Word, frozen=True, tag="told"):
    """The heir's answer."""

    fates: tuple[Fate, ...]


class Claim(_Word, frozen=True, tag="claim"):
    """An heir to an umpire: may I take what I have of that owner's term?"""

    owner: str
    term: int


class Void(_Word, frozen=True, tag="void"):
    """An owner to an umpire: may that heir be left out of it from now on?"""

    heir: str
    term: int


class Ruled(_Word, frozen=True, tag="ruled"):
    """The umpire's answer."""

    verdict: Verdict


Word = Here | Said | Told | Claim | Void | Ruled


class Letter(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A word with its number; ``answers`` is the number of what it is the answer to, 0 for none."""

    number: int
    answers: int
    word: Word


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Letter)
_TWO = struct.Struct(">QQ")


def encode_letter(letter: Letter) -> bytes:
    return _encoder.encode(letter)


def decode_letter(data: bytes) -> Letter:
    """Raises ``WireError``."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("a word about missions", str(error)) from error


def pack_stamp(stamp: tuple[int, int]) -> bytes:
    return _TWO.pack(*stamp)


def unpack_stamp(data: bytes) -> tuple[int, int]:
    first, second = _TWO.unpack(data)
    return first, second


def copy_key(mission: str, owner: str) -> str:
    return f"{mission}/{owner}"


def verdict_key(owner: str, heir: str, term: int) -> str:
    return f"{owner}/{heir}/{term:016d}"


def index_of_copy(copy: Copy) -> Mapping[str, tuple[str, ...]]:
    # One that was taken is looked up by its key alone.
    return {"owner": (f"{copy.owner}/{copy.state.value}",), "state": (copy.state.value,)}
