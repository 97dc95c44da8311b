"""Who is asking: a bearer token, or for reading also the dashboard's session.

A session travels in a cookie, which a browser attaches by itself. It is therefore good only for methods that change
nothing: whatever changes state needs a token in a header that no other site can make a browser send.
"""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request

from phalanx.core import DEFAULT_TENANT, InvalidInput, TenantId
from phalanx.trust import SESSION_COOKIE, NotAllowed, NotAuthenticated, Principal, Role, Tokens

_SAFE_METHODS = ("GET", "HEAD")


class Gate:
    """Finds out who is asking and whether their role suffices."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def identify(self, request: Request) -> Principal:
        """The principal of a request; raises ``NotAuthenticated``."""
        header = request.headers.get("authorization", "")
        if header:
            scheme, _, secret = header.partition(" ")
            if scheme.lower() != "bearer":
                raise NotAuthenticated("the Authorization header is not `Bearer <token>`")
            return await self._tokens.authenticate(secret.strip())
        session = request.cookies.get(SESSION_COOKIE, "")
        if session and request.method in _SAFE_METHODS:
            return await self._tokens.session(session)
        raise NotAuthenticated("no token was given")

    def needs(self, role: Role) -> Callable[[Request], Awaitable[Principal]]:
        """A dependency that returns the principal, if it has at least ``role``."""

        async def allowed(request: Request) -> Principal:
            principal = await self.identify(request)
            principal.require(role)
            return principal

        return allowed


def keeper(gate: Gate, role: Role = Role.ADMIN) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency that returns the principal, if it may change what belongs to the node itself: only the default
    tenant's may.
    """
    needs = gate.needs(role)

    async def allowed(request: Request) -> Principal:
        principal = await needs(request)
        if principal.tenant != DEFAULT_TENANT:
            needed = f"{role.value} of the default tenant"
            raise NotAllowed(principal.name, role=f"{principal.role.value} of tenant {principal.tenant}", needed=needed)
        return principal

    return allowed


def tenant_in_sight(principal: Principal, tenant: str) -> TenantId:
    """The tenant that is asked about: the principal's own, or any other for an admin of the default tenant."""
    if tenant and tenant != principal.tenant:
        _require_keeper(principal)
    return TenantId(tenant) if tenant else principal.tenant


async def tenants_in_sight(
    principal: Principal, tenant: str, known: Callable[[], Awaitable[Iterable[TenantId]]], *, everybody: bool
) -> list[TenantId]:
    """The same, or all that are ``known``, by name, for whoever asks about ``everybody`` and may."""
    if not everybody:
        return [tenant_in_sight(principal, tenant)]
    if tenant:
        raise InvalidInput("everybody", "of one tenant, or of everybody")
    _require_keeper(principal)
    return sorted(await known())


def _require_keeper(principal: Principal) -> None:
    principal.require(Role.ADMIN)
    if principal.tenant != DEFAULT_TENANT:
        raise NotAllowed(
            principal.name, role=f"admin of tenant {principal.tenant}", needed="admin of the default tenant"
        )
