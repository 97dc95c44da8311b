"""Service tokens: made once, shown once, kept as their SHA-256.

A secret is ``phx_`` and 256 random bits, so a plain hash is as good as a slow one. A token's id
is the first half of the hash; looking it up by something derived from the secret tells an
attacker nothing, and the whole hash is then compared in constant time.

A request comes before anybody knows its tenant, so all tokens stand in one register, under the
default tenant, each row naming the tenant it is for. Each request reads its row: revoking works
from the next request on, also from another process.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass

import msgspec

from phalanx.core import (
    DEFAULT_TENANT,
    MAX_NAME_CHARS,
    MAX_PAGE_ROWS,
    NO_TRACE,
    Clock,
    EntropySource,
    Expect,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    decode,
    encode,
    ns_from_s,
)
from phalanx.trust._errors import NotAuthenticated
from phalanx.trust._limits import MAX_LIFETIME_S, MAX_SECRET_CHARS, MAX_TOKENS, SECRET_BYTES
from phalanx.trust._roles import Principal, Role
from phalanx.trust._sessions import Sessions

TOKENS = Table("trust_tokens", indexes=("tenant",))

# The name under which a browser keeps its session.
SESSION_COOKIE = "phalanx_session"

_PREFIX = "phx_"
_REGISTER = DEFAULT_TENANT


class TokenRecord(Record, frozen=True, kw_only=True, tag="token"):
    """A token without its secret. ``expires_at_ns`` and ``revoked_at_ns`` are None when they do not apply."""

    name: str
    role: Role
    secret_sha256: str
    expires_at_ns: int | None = None
    revoked_at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token; the only place its secret is ever in."""

    secret: str
    record: TokenRecord


class Tokens:
    """Issues, checks and revokes tokens, and lets a token's holder into the dashboard."""

    def __init__(self, store: Store, entropy: EntropySource, clock: Clock) -> None:
        self._store = store
        self._entropy = entropy
        self._clock = clock
        self._sessions = Sessions(entropy, clock)

    async def issue(self, tenant: TenantId, name: str, role: Role, expires_in_s: float | None = None) -> IssuedToken:
        """Make a token. Raises ``InvalidInput`` for what is wrong in it, ``LimitExceeded`` when there are too many."""
        for field, text in (("name", name), ("tenant", tenant)):
            if not 0 < len(text) <= MAX_NAME_CHARS or not text.isprintable():
                raise InvalidInput(field, f"has to be 1 to {MAX_NAME_CHARS} printable characters")
        # Written so that a life that is not a number is refused.
        if expires_in_s is not None and not 0 < expires_in_s <= MAX_LIFETIME_S:
            raise InvalidInput("expires_in_s", f"has to be more than 0 and at most {MAX_LIFETIME_S}")
        n_tokens = len(await self._store.find(TOKENS, _REGISTER, "tenant", tenant, limit=MAX_TOKENS))
        if n_tokens >= MAX_TOKENS:
            raise LimitExceeded(f"tokens of tenant {tenant}", maximum=MAX_TOKENS, seen=n_tokens + 1)
        secret = _PREFIX + base64.urlsafe_b64encode(self._entropy.token(SECRET_BYTES)).rstrip(b"=").decode()
        digest, now_ns = _digest(secret), self._clock.wall_ns()
        record = TokenRecord(
            id=_id(digest),
            tenant=tenant,
            trace=NO_TRACE,
            at_ns=now_ns,
            name=name,
            role=role,
            secret_sha256=digest,
            expires_at_ns=None if expires_in_s is None else now_ns + ns_from_s(expires_in_s),
        )
        await self._store.commit([_put(record)], expect=[Expect(TOKENS, _REGISTER, record.id, 0)])
        return IssuedToken(secret, record)

    async def bootstrap(self) -> IssuedToken | None:
        """The default tenant's admin token on a node that has no token yet, else None."""
        if await self._store.scan(TOKENS, _REGISTER, limit=1):
            return None
        return await self.issue(DEFAULT_TENANT, "bootstrap", Role.ADMIN)

    async def authenticate(self, secret: str) -> Principal:
        """Whose token it is. Raises ``NotAuthenticated`` for an unknown, revoked or expired one."""
        if not secret.startswith(_PREFIX) or len(secret) > MAX_SECRET_CHARS or not secret.isascii():
            raise NotAuthenticated("the token is not valid")
        digest = _digest(secret)
        record = await self._record(_id(digest))
        if record is None or not hmac.compare_digest(record.secret_sha256, digest):
            raise NotAuthenticated("the token is not valid")
        return self._principal(record)

    async def list(self, tenant: TenantId) -> list[TokenRecord]:
        """A tenant's tokens, the oldest first, those included that no longer work."""
        rows = await self._store.find(TOKENS, _REGISTER, "tenant", tenant, limit=min(MAX_TOKENS, MAX_PAGE_ROWS))
        return sorted((decode(row.value, TokenRecord) for row in rows), key=lambda record: (record.at_ns, record.id))

    async def holders(self, tenant: TenantId, role: Role) -> frozenset[str]:
        """Names of those whose tokens work now and allow what ``role`` does."""
        now_ns = self._clock.wall_ns()
        return frozenset(
            one.name for one in await self.list(tenant)
            if one.revoked_at_ns is None and (one.expires_at_ns is None or one.expires_at_ns > now_ns)
            and one.role.allows(role)
        )  # fmt: skip

    async def revoke(self, token_id: str, *, tenant: TenantId | None = None) -> TokenRecord:
        """End a token for good; again is not an error. A token of another tenant than the given is not found."""
        row = await self._store.get(TOKENS, _REGISTER, token_id)
        record = None if row is None else decode(row.value, TokenRecord)
        if row is None or record is None or tenant not in (None, record.tenant):
            raise NotFound("token", token_id)
        if record.revoked_at_ns is not None:
            return record
        revoked = msgspec.structs.replace(record, revoked_at_ns=self._clock.wall_ns())
        await self._store.commit([_put(revoked)], expect=[Expect(TOKENS, _REGISTER, token_id, row.version)])
        return revoked

    def login_code(self, principal: Principal) -> str:
        """A code that opens one dashboard session for ``principal``, once and soon."""
        return self._sessions.login_code(principal)

    def redeem(self, code: str) -> str:
        """The secret of a new session, for its cookie. Raises ``NotAuthenticated``."""
        return self._sessions.redeem(code)

    async def session(self, secret: str) -> Principal:
        """Whose session it is; ends with the token that opened it. Raises ``NotAuthenticated``."""
        principal = self._sessions.principal(secret)
        if principal.token:
            record = await self._record(principal.token)
            if record is None:
                raise NotAuthenticated("the token is not valid")
            return self._principal(record)
        return principal

    def end_session(self, secret: str) -> None:
        """Log out; an unknown session is not an error."""
        self._sessions.end(secret)

    async def _record(self, token_id: str) -> TokenRecord | None:
        row = await self._store.get(TOKENS, _REGISTER, token_id)
        return None if row is None else decode(row.value, TokenRecord)

    def _principal(self, record: TokenRecord) -> Principal:
        if record.revoked_at_ns is not None:
            raise NotAuthenticated("the token was revoked")
        if record.expires_at_ns is not None and record.expires_at_ns <= self._clock.wall_ns():
            raise NotAuthenticated("the token has expired")
        return Principal(record.name, record.tenant, record.role, record.id)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _id(digest: str) -> str:
    return digest[:32]


def _put(record: TokenRecord) -> Put:
    return Put(TOKENS, _REGISTER, record.id, encode(record), {"tenant": (record.tenant,)})
