"""Who somebody is and what their role lets them do."""

from dataclasses import dataclass
from enum import Enum

from phalanx.core import TenantId
from phalanx.trust._errors import NotAllowed


class Role(Enum):
    """admin > operator > viewer; ``ingest`` may post events and do nothing else.

    ``partner`` is somebody of another organisation: the collections that name its token, and nothing else.
    """

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"
    INGEST = "ingest"
    PARTNER = "partner"

    def allows(self, needed: "Role") -> bool:
        return needed in _ALLOWED[self]


# Written out rather than ranked: a viewer must not post events, and a sensor must not look.
_ALLOWED = {
    # A partner is no lesser person of this organisation: nobody else has what only a partner has.
    Role.ADMIN: frozenset(Role) - {Role.PARTNER},
    Role.OPERATOR: frozenset((Role.OPERATOR, Role.VIEWER, Role.INGEST)),
    Role.VIEWER: frozenset((Role.VIEWER,)),
    Role.INGEST: frozenset((Role.INGEST,)),
    Role.PARTNER: frozenset((Role.PARTNER,)),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks. ``token`` is the id of the token they came with; empty for the local operator."""

    name: str
    tenant: TenantId
    role: Role
    token: str = ""

    def require(self, role: Role) -> None:
        """Returns when this role includes ``role``; raises ``NotAllowed`` when it does not."""
        if not self.role.allows(role):
            raise NotAllowed(self.name, role=self.role.value, needed=role.value)
