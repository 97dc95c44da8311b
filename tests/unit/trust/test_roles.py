import pytest

from phalanx.core import DEFAULT_TENANT
from phalanx.trust import NotAllowed, Principal, Role, TrustError

ADMIN, OPERATOR, VIEWER, INGEST, PARTNER = Role.ADMIN, Role.OPERATOR, Role.VIEWER, Role.INGEST, Role.PARTNER


@pytest.mark.requirement("API-3")
@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (ADMIN, {ADMIN, OPERATOR, VIEWER, INGEST}),
        (OPERATOR, {OPERATOR, VIEWER, INGEST}),
        (VIEWER, {VIEWER}),
        (INGEST, {INGEST}),
        (PARTNER, {PARTNER}),
    ],
)
def test_what_each_role_may(role, allowed):
    principal = Principal("somebody", DEFAULT_TENANT, role)
    for needed in Role:
        if needed in allowed:
            principal.require(needed)
            continue
        with pytest.raises(NotAllowed) as caught:
            principal.require(needed)
        assert isinstance(caught.value, TrustError)
        assert (caught.value.role, caught.value.needed) == (role.value, needed.value)
        assert "somebody" in caught.value.message
