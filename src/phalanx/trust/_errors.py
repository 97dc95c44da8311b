"""What this room raises."""

from phalanx.core import PhalanxError


class TrustError(PhalanxError):
    """Root of this room's errors."""

    code = "trust"


class NotAuthenticated(TrustError):
    """The caller is not known. The message never says how close a guess was. Attribute: ``reason``."""

    code = "not-authenticated"
    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"not authenticated: {reason}",
            hint="send a valid token as `Authorization: Bearer phx_…`; `phalanx tokens create` makes one",
            reason=reason,
        )


class NotAllowed(TrustError):
    """The caller is known, but lacks the right. Attributes: ``role``, ``needed``."""

    code = "not-allowed"
    role: str
    needed: str

    def __init__(self, name: str, *, role: str, needed: str) -> None:
        super().__init__(
            f"{name} has the role {role}, and this needs {needed}",
            hint=f"use a token with the role {needed}",
            role=role,
            needed=needed,
        )
