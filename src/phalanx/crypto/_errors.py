"""What this room raises."""

from phalanx.core import PhalanxError


class CryptoError(PhalanxError):
    """Root of this room's errors."""

    code = "crypto"


class InvalidSignature(CryptoError):
    """A signature does not belong to the message and the key. Attribute: ``algorithm``."""

    code = "invalid-signature"
    algorithm: str

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"the {algorithm} signature does not belong to this message and key", algorithm=algorithm)


class InvalidKey(CryptoError):
    """Bytes are not a key or a signature in our format. Attributes: ``what``, ``reason``."""

    code = "invalid-key"
    what: str
    reason: str

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"not a valid {what}: {reason}", what=what, reason=reason)


class NotAuthentic(CryptoError):
    """Sealed bytes were changed, or sealed under another key or for another use. Attribute: ``what``."""

    code = "not-authentic"
    what: str

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was changed, or was not sealed under this key for this use", what=what)


class AlgorithmForbidden(CryptoError):
    """The policy in force does not allow an algorithm. Attributes: ``algorithm``, ``reason``."""

    code = "algorithm-forbidden"
    algorithm: str
    reason: str

    def __init__(self, algorithm: str, reason: str) -> None:
        super().__init__(
            f"{algorithm} may not be used: {reason}",
            hint="`phalanx keys algorithms` lists the algorithms and what the policy says about them",
            algorithm=algorithm,
            reason=reason,
        )
