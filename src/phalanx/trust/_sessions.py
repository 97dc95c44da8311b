"""One-time login codes and dashboard sessions: in memory, bounded, gone with the process.

Codes and session secrets are kept as their SHA-256, so a dump of memory or a log of keys opens
nothing; looking a digest up leaks no timing an attacker could steer. Time is monotonic.
"""

import hashlib
from dataclasses import dataclass

from phalanx.core import NS_PER_S, Clock, EntropySource, Overloaded
from phalanx.trust._errors import NotAuthenticated
from phalanx.trust._limits import (
    LOGIN_CODE_LIFETIME_S,
    MAX_LOGIN_CODES,
    MAX_SECRET_CHARS,
    MAX_SESSIONS,
    SECRET_BYTES,
    SESSION_LIFETIME_S,
)
from phalanx.trust._roles import Principal


@dataclass(frozen=True, slots=True)
class _Grant:
    principal: Principal
    until_ns: int


class Sessions:
    """Turns a principal into a code, a code into a session, and a session into its principal."""

    def __init__(self, entropy: EntropySource, clock: Clock) -> None:
        self._entropy = entropy
        self._clock = clock
        self._codes: dict[bytes, _Grant] = {}
        self._sessions: dict[bytes, _Grant] = {}

    def login_code(self, principal: Principal) -> str:
        """A code that ``redeem`` takes once, soon. Raises ``Overloaded`` when too many wait unused."""
        self._forget_expired(self._codes)
        if len(self._codes) >= MAX_LOGIN_CODES:
            raise Overloaded("the list of unused login codes", retry_after_s=LOGIN_CODE_LIFETIME_S)
        return self._grant(self._codes, principal, LOGIN_CODE_LIFETIME_S)

    def redeem(self, code: str) -> str:
        """A session secret for a code, which is spent by it. Raises ``NotAuthenticated``."""
        grant = self._codes.pop(_digest(code), None)
        if grant is None or grant.until_ns <= self._clock.monotonic_ns():
            raise NotAuthenticated("the login code is not known, was used, or has expired")
        if len(self._sessions) >= MAX_SESSIONS:
            self._forget_expired(self._sessions)
        if len(self._sessions) >= MAX_SESSIONS:
            # Dictionaries keep their order, so the first session is the oldest.
            del self._sessions[next(iter(self._sessions))]
        return self._grant(self._sessions, grant.principal, SESSION_LIFETIME_S)

    def principal(self, secret: str) -> Principal:
        """Whose session it is. Raises ``NotAuthenticated``."""
        digest = _digest(secret)
        grant = self._sessions.get(digest)
        if grant is None:
            raise NotAuthenticated("there is no such session")
        if grant.until_ns <= self._clock.monotonic_ns():
            del self._sessions[digest]
            raise NotAuthenticated("the session has expired")
        return grant.principal

    def end(self, secret: str) -> None:
        self._sessions.pop(_digest(secret), None)

    def _grant(self, grants: dict[bytes, _Grant], principal: Principal, lifetime_s: int) -> str:
        secret = self._entropy.token(SECRET_BYTES).hex()
        grants[_digest(secret)] = _Grant(principal, self._clock.monotonic_ns() + lifetime_s * NS_PER_S)
        return secret

    def _forget_expired(self, grants: dict[bytes, _Grant]) -> None:
        now_ns = self._clock.monotonic_ns()
        for digest in [digest for digest, grant in grants.items() if grant.until_ns <= now_ns]:
            del grants[digest]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret[:MAX_SECRET_CHARS].encode("utf-8", "surrogatepass")).digest()
