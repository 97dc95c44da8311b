"""What this room raises."""

from phalanx.crypto import CryptoError


class EntropyError(CryptoError):
    """Root of this room's errors."""

    code = "entropy"


class SourceFailed(EntropyError):
    """A source gave no samples, or samples that contradict what it claims to be.

    Attributes: ``source``, ``test`` (which health test, or ``reading``), ``reason``.
    """

    code = "entropy-source-failed"
    source: str
    test: str
    reason: str

    def __init__(self, source: str, test: str, reason: str) -> None:
        super().__init__(
            f"entropy source {source} failed its {test} test: {reason}",
            hint="fix the device, then readmit it: `phalanx keys entropy readmit`",
            source=source,
            test=test,
            reason=reason,
        )
