"""What this room raises."""

from phalanx.core import InvalidInput, PhalanxError


class ConsensusError(PhalanxError):
    """Root of this room's errors."""

    code = "consensus"


class TooFewParticipants(InvalidInput):
    """Fewer than three cannot agree against the will of one of them."""

    code = "too-few-participants"


class ThresholdTooLow(InvalidInput):
    """Below two thirds, two quorums need not have an honest participant in common."""

    code = "threshold-too-low"


class UnknownOption(InvalidInput):
    """The named option is not among those of the question."""

    code = "unknown-option"


class DeadlinePassed(InvalidInput):
    """The time by which an answer is wanted is not in the future."""

    code = "deadline-passed"


class CertificateRefused(ConsensusError):
    """A certificate proves nothing. Attribute: ``reason``."""

    code = "certificate-refused"
    reason: str

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(f"the certificate is refused: {reason}", hint=hint, reason=reason)


class WrongEpoch(CertificateRefused):
    """It belongs to other participants than those it was checked against."""

    code = "wrong-epoch"


class WrongContext(CertificateRefused):
    """It answers another question, or the same question about something else."""

    code = "wrong-context"


class NoQuorum(CertificateRefused):
    """Too few of the participants signed it."""

    code = "no-quorum"


class InvalidVote(ConsensusError):
    """A signature does not belong to the statement and the root. Attribute: ``reason``."""

    code = "invalid-vote"
    reason: str

    def __init__(self, reason: str = "it does not belong to this statement and root") -> None:
        super().__init__(f"the vote's signature is refused: {reason}", reason=reason)


class Unjustified(ConsensusError):
    """A proposal does not follow from its justification. Attribute: ``reason``."""

    code = "unjustified"
    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(f"the proposal is not justified: {reason}", reason=reason)


class EpochRefused(ConsensusError):
    """An epoch may not be used. Attribute: ``reason``."""

    code = "epoch-refused"
    reason: str

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(f"the epoch is refused: {reason}", hint=hint, reason=reason)


class UnjustFilter(EpochRefused):
    """So many members object to one being excluded or included that an honest one is among them.

    Attributes: ``about``, the members it is about; ``objectors``, who objected.
    """

    code = "unjust-filter"
    about: tuple[str, ...]
    objectors: tuple[str, ...]

    def __init__(self, about: tuple[str, ...], objectors: tuple[str, ...]) -> None:
        super().__init__(
            f"more than a third of its members object to what it does with {', '.join(about)}",
            hint="whoever proposed it may be subverted; the objections are signed and stored",
        )
        self.about = about
        self.objectors = objectors


class EvidenceRefused(ConsensusError):
    """What is shown as evidence convicts nobody. Attribute: ``reason``."""

    code = "evidence-refused"
    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(f"the evidence is refused: {reason}", reason=reason)
