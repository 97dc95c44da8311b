"""What this room raises. Everything about a chain names the broken link: its place and its subject."""

from phalanx.crypto import CryptoError


class IdentityError(CryptoError):
    """Root of this room's errors."""

    code = "identity"


class InvalidCertificate(IdentityError):
    """Bytes are not a certificate, chain or list in our format. Attributes: ``what``, ``reason``."""

    code = "invalid-certificate"
    what: str
    reason: str

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"not a valid {what}: {reason}", what=what, reason=reason)


class BrokenChain(IdentityError):
    """A chain is not valid. ``link`` counts from the identity itself (0) to its root; ``subject`` is that link's."""

    code = "broken-chain"
    link: int
    subject: str
    reason: str

    def __init__(self, link: int, subject: str, reason: str, *, hint: str = "") -> None:
        super().__init__(
            f"the chain breaks at link {link}, {subject}: {reason}",
            hint=hint,
            link=link,
            subject=subject,
            reason=reason,
        )


class WrongIssuer(BrokenChain):
    """The next certificate is not the one that issued this one."""

    code = "wrong-issuer"


class KindNotAllowed(BrokenChain):
    """This kind of subject does not issue certificates for that kind."""

    code = "kind-not-allowed"


class NameNotAllowed(BrokenChain):
    """The name is not directly below the issuer's."""

    code = "name-not-allowed"


class UseNotAllowed(BrokenChain):
    """The certificate was not issued for this use."""

    code = "use-not-allowed"


class OutsideValidity(BrokenChain):
    """Not yet valid, or no longer valid, at the time in question."""

    code = "outside-validity"


class EpochPassed(BrokenChain):
    """The subject has rotated to a later epoch since."""

    code = "epoch-passed"


class Revoked(BrokenChain):
    """Its issuer, or the organisation, has revoked it."""

    code = "revoked"


class NotSigned(BrokenChain):
    """The issuer's signature is not valid."""

    code = "not-signed"


class ForbiddenInChain(BrokenChain):
    """The policy in force forbids an algorithm that this link rests on."""

    code = "forbidden-in-chain"


class UntrustedRoot(BrokenChain):
    """The chain ends at an organisation that is not trusted here."""

    code = "untrusted-root"


class RevocationRefused(IdentityError):
    """A list of revocations is not accepted. Attributes: ``issuer``, ``number``, ``reason``."""

    code = "revocation-refused"
    issuer: str
    number: int
    reason: str

    def __init__(self, issuer: str, number: int, reason: str) -> None:
        super().__init__(
            f"revocation list {number} of {issuer} is refused: {reason}", issuer=issuer, number=number, reason=reason
        )


class ListRolledBack(RevocationRefused):
    """An older list than the one already known: somebody is hiding revocations."""

    code = "revocation-rolled-back"


class ListForked(RevocationRefused):
    """Another list with the same number, or one that withdraws revocations: its issuer contradicts itself."""

    code = "revocation-forked"
