"""What comes of a question: an agreement with its certificate, or that none can be shown yet."""

from dataclasses import dataclass

from phalanx.consensus._messages import Certificate
from phalanx.consensus._question import Instance


@dataclass(frozen=True, slots=True)
class Agreement:
    """A quorum decided for ``option``, and ``certificate`` proves it to anybody who knows the epoch."""

    instance: Instance
    certificate: Certificate

    @property
    def option(self) -> str:
        return self.instance.question.options[self.certificate.option]

    @property
    def voters(self) -> tuple[str, ...]:
        participants = self.instance.epoch.participants
        return tuple(participants[voter].name for voter in self.certificate.voters)

    @property
    def weight(self) -> int:
        """What the votes weigh together."""
        weights = self.instance.weights
        return sum(weights[voter] for voter in self.certificate.voters)


@dataclass(frozen=True, slots=True)
class Indeterminate:
    """Nobody here knows a decision. It is never a refusal: a certificate may exist, and may still turn up.

    ``reason`` says why waiting ended.
    """

    instance: Instance
    reason: str
