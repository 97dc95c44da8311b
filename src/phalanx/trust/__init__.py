"""Who asks, and what they may do: service tokens, roles, and the dashboard's sessions.

Errors::

    PhalanxError
    └── TrustError
        ├── NotAuthenticated    nobody we know
        └── NotAllowed          known, but the role does not include it
"""

from phalanx.trust._errors import NotAllowed, NotAuthenticated, TrustError
from phalanx.trust._limits import SESSION_LIFETIME_S
from phalanx.trust._roles import Principal, Role
from phalanx.trust._tokens import SESSION_COOKIE, TOKENS, IssuedToken, TokenRecord, Tokens

__all__ = [
    "SESSION_COOKIE",
    "SESSION_LIFETIME_S",
    "TOKENS",
    "IssuedToken",
    "NotAllowed",
    "NotAuthenticated",
    "Principal",
    "Role",
    "TokenRecord",
    "Tokens",
    "TrustError",
]
