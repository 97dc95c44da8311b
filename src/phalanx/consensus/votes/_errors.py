"""What this package raises."""

from phalanx.consensus._errors import ConsensusError, InvalidVote


class VoteError(ConsensusError):
    """Root of this package's errors."""

    code = "vote"


class LeavesExhausted(VoteError):
    """Every leaf of a vote key was used; the next epoch brings a new key. Attribute: ``leaves``."""

    code = "leaves-exhausted"
    leaves: int

    def __init__(self, leaves: int) -> None:
        super().__init__(
            f"all {leaves} votes of this key were cast",
            hint="a new epoch brings a new key; a taller tree holds more votes",
            leaves=leaves,
        )


class LeavesNotReserved(VoteError):
    """No leaf is durably reserved yet: call ``reserve`` before voting."""

    code = "leaves-not-reserved"

    def __init__(self) -> None:
        super().__init__("no leaf of this vote key is durably taken yet", hint="wait for `reserve` before voting")


__all__ = ["InvalidVote", "LeavesExhausted", "LeavesNotReserved", "VoteError"]
