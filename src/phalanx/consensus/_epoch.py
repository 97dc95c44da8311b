"""Who takes part: an epoch is a fixed list of participants with the public roots of their vote keys.

Everything that is signed names the epoch by its digest, so a vote counts among exactly these
participants, and nobody can be added or left out afterwards. How a list comes to be fixed is in
``_membership``.
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property

import msgspec

from phalanx.consensus._errors import EpochRefused, TooFewParticipants
from phalanx.consensus._limits import (
    MAX_EPOCH_BYTES,
    MAX_NAME_CHARS,
    MAX_PARTICIPANTS,
    MAX_ROOT_BYTES,
    MAX_WEIGHT,
    MIN_PARTICIPANTS,
)

_DOMAIN = b"phalanx consensus epoch v1\x00"


class Participant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One voice: its name, the fingerprint of its identity's key, and the root its votes verify under."""

    name: str
    identity: str
    root: bytes
    weight: int = 1


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member that was not taken into the epoch, and why.

    Its ``weight`` counts on, as that of a participant who is silent: leaving somebody out never makes a quorum
    smaller. Whoever was convicted by evidence counts nothing.
    """

    name: str
    reason: str
    weight: int = 1


class Epoch(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True, tag_field="form", tag="epoch"):
    """A fixed list of participants. ``votes`` names the kind of their vote keys; ``left_out`` hides nobody."""

    number: int
    votes: str
    participants: tuple[Participant, ...]
    left_out: tuple[LeftOut, ...] = ()
    fixed_by: str = ""
    at_ns: int = 0

    def check(self) -> None:
        """Raises ``TooFewParticipants`` and ``EpochRefused``."""
        n = len(self.participants)
        if n < MIN_PARTICIPANTS:
            raise TooFewParticipants(
                "participants",
                f"{n} cannot agree against one of them, it takes {MIN_PARTICIPANTS}",
                hint="three decide and tolerate no traitor; four tolerate one",
            )
        if n > MAX_PARTICIPANTS:
            raise EpochRefused(f"it has {n} participants, more than {MAX_PARTICIPANTS}")
        names = {one.name for one in self.participants}
        if len(names) < n:
            raise EpochRefused("one name stands there twice")
        if len({one.root for one in self.participants}) < n:
            raise EpochRefused("two participants have the same root: whoever holds its key would vote twice")
        left = {one.name for one in self.left_out}
        if len(left - names) < len(self.left_out) or len(left) > MAX_PARTICIPANTS:
            raise EpochRefused(f"somebody left out stands there twice, or there are more than {MAX_PARTICIPANTS}")
        if not all(0 <= one.weight <= MAX_WEIGHT and 0 < len(one.name) <= MAX_NAME_CHARS for one in self.left_out):
            raise EpochRefused("the name or weight of somebody left out is out of bounds")
        if 3 * sum(self.weights) <= 2 * self.total:
            raise EpochRefused(
                f"its participants weigh {sum(self.weights)} of {self.total}, not more than two thirds",
                hint="wait until more members are heard again, or have them removed from the roster by a person",
            )
        for one in self.participants:
            if not 1 <= one.weight <= MAX_WEIGHT:
                raise EpochRefused(f"the weight of {one.name!r} is not within 1 and {MAX_WEIGHT}")
            if not 0 < len(one.name) <= MAX_NAME_CHARS or not 0 < len(one.root) <= MAX_ROOT_BYTES:
                raise EpochRefused(f"the name or root of {one.name[:MAX_NAME_CHARS]!r} is empty or too long")

    @cached_property
    def id(self) -> bytes:
        """SHA-256 of the epoch's bytes: what everything signed in it names."""
        return hashlib.sha256(_DOMAIN + self.to_bytes()).digest()

    @cached_property
    def weights(self) -> tuple[int, ...]:
        return tuple(one.weight for one in self.participants)

    @cached_property
    def total(self) -> int:
        """The weight of all participants together, and of those left out who count on."""
        return sum(self.weights) + sum(one.weight for one in self.left_out)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each participant stands in the list, by name."""
        return {one.name: place for place, one in enumerate(self.participants)}

    def to_bytes(self) -> bytes:
        return _encoder.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Epoch":
        """Raises ``EpochRefused``; what it returns has been checked."""
        if len(data) > MAX_EPOCH_BYTES:
            raise EpochRefused(f"it has {len(data)} bytes, more than {MAX_EPOCH_BYTES}")
        try:
            epoch = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise EpochRefused(f"it cannot be read: {error}") from error
        epoch.check()
        return epoch


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Epoch)
