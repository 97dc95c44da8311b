"""Identities of a node's agents: made ahead, seated in microseconds, and never used twice.

Invariants:

- a spare is handed out once; it was never seated before and is not put back;
- spares are made under the node's present key: those of an earlier one are thrown away, and so
  are those that have waited until they would soon expire;
- an agent is admitted while no link of its chain is revoked, expired or of a passed epoch. That is looked up in
  memory, and looked up again once anything was put in force, so a revocation counts from the same step on.

A seat that finds no spare makes its identity on the spot, which takes milliseconds and is counted.
An agent's private key lives in memory only: whoever starts again is somebody new.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from phalanx.core import Clock, NotFound, Offload
from phalanx.crypto.identity._errors import BrokenChain
from phalanx.crypto.identity._identity import Identity, require_signature
from phalanx.crypto.identity._issuer import Issuer
from phalanx.crypto.identity._limits import MAX_SPARES, MAX_UNRECORDED, RENEW_AT_PART_LEFT, SPARE_BATCH
from phalanx.crypto.identity._model import LIFETIME_NS, Subject, SubjectKind
from phalanx.crypto.identity._path import Verified
from phalanx.crypto.identity._register import Register
from phalanx.telemetry import Telemetry

_VOUCHING = "what an agent says of itself"


class Spares:
    """A bounded pool of identities that nobody has yet."""

    def __init__(
        self,
        issuer: Issuer,
        node: Callable[[], Identity],
        algorithm: str,
        *,
        size: int,
        clock: Clock,
        offload: Offload,
    ) -> None:
        self._clock = clock
        self._issuer = issuer
        self._node = node
        self._algorithm = algorithm
        self.size = min(size, MAX_SPARES)
        self._offload = offload
        self._ready: deque[Identity] = deque()

    @property
    def ready(self) -> int:
        return len(self._ready)

    def take(self) -> Identity | None:
        """A spare that still stands under the node's present key, if there is one."""
        while self._ready:
            spare = self._ready.popleft()
            if self._is_fresh(spare):
                return spare
        return None

    async def fill(self, n: int = 0) -> None:
        """Make spares off the event loop until there are ``n``, or as many as the pool holds by itself."""
        wanted = min(n or self.size, MAX_SPARES)
        # The oldest stand first.
        while self._ready and not self._is_fresh(self._ready[0]):
            self._ready.popleft()
        while len(self._ready) < wanted:
            batch = min(SPARE_BATCH, wanted - len(self._ready))
            self._ready.extend(await self._offload.run(self._issuer.agents(self._node(), self._algorithm, batch)))

    def _is_fresh(self, spare: Identity) -> bool:
        """Whether it stands under the node's present key, and is not about to be renewed at once."""
        left_ns = spare.chain.leaf.not_after_ns - self._clock.wall_ns()
        fresh = left_ns > RENEW_AT_PART_LEFT * LIFETIME_NS[SubjectKind.AGENT]
        return fresh and spare.chain.certificates[1].key_fingerprint == self._node().fingerprint

    def make_now(self) -> Identity:
        return self._issuer.agents(self._node(), self._algorithm, 1)()[0]

    def clear(self) -> None:
        self._ready.clear()


class Seats:
    """Who sits where: the identity of each agent, by the agent's name in the swarm."""

    def __init__(self, spares: Spares, register: Register, *, clock: Clock, telemetry: Telemetry) -> None:
        self.spares = spares
        self._register = register
        self._clock = clock
        self._taken: dict[str, tuple[Identity, Verified]] = {}
        # Who was found to stand: at which change of the register, and from when until when that holds.
        self._stood: dict[str, tuple[int, int, int]] = {}
        # Seated, and not in the store yet; the newest go unrecorded when storage is away for long.
        self.unrecorded: deque[Identity] = deque(maxlen=MAX_UNRECORDED)
        self.news = asyncio.Event()
        metrics = telemetry.metrics
        self._seated = metrics.counter("phalanx_identities_seated_total", "Agents given an identity.", ("from",))
        self._ready = metrics.gauge(
            "phalanx_identity_spares", "Identities generated ahead and not yet given to anybody."
        )

    async def prepare(self, n: int) -> None:
        """Have ``n`` spares ready, made off the event loop."""
        await self.spares.fill(n)

    def vouch(self, agent: str, statement: bytes) -> bytes:
        """The agent's signature under a statement of its own. Raises ``NotFound`` for one without a seat."""
        identity = self.identity(agent)
        if identity is None:
            raise NotFound("agent", agent)
        return identity.sign(statement, purpose=_VOUCHING)

    def check(self, agent: str, statement: bytes, signature: bytes) -> None:
        """Raises ``InvalidSignature`` unless the agent signed it, ``NotFound`` for one without a seat."""
        found = self._taken.get(agent)
        if found is None:
            raise NotFound("agent", agent)
        require_signature(found[1], statement, signature, purpose=_VOUCHING)

    def seat(self, agent: str) -> Identity:
        """A new identity for ``agent``, for the rest of its life."""
        assert agent not in self._taken, agent
        spare = self.spares.take()
        self._seated.labels("spare" if spare else "made on the spot").inc()
        self._ready.set(self.spares.ready)
        identity = spare or self.spares.make_now()
        self._put(agent, identity)
        return identity

    def leave(self, agent: str) -> None:
        """The agent is gone, and its private key with it."""
        self._taken.pop(agent, None)
        self._stood.pop(agent, None)

    def replace(self, agent: str, identity: Identity) -> None:
        """Another certificate for the agent's key."""
        if agent in self._taken:
            self._put(agent, identity)

    def identity(self, agent: str) -> Identity | None:
        found = self._taken.get(agent)
        return found[0] if found else None

    def fingerprint(self, agent: str) -> str:
        found = self._taken.get(agent)
        return found[0].fingerprint if found else ""

    def admitted(self, agent: str) -> bool:
        """Whether the agent has an identity that still stands."""
        found = self._taken.get(agent)
        if found is None:
            return False
        now_ns = self._clock.wall_ns()
        changes, since_ns, until_ns = self._stood.get(agent, (-1, 0, 0))
        if changes == self._register.changes and since_ns <= now_ns < until_ns:
            return True
        try:
            self._register.require(found[1], now_ns)
        except BrokenChain:
            return False
        until_ns = min(found[1].until_ns, self._register.unchanged_until_ns(now_ns))
        self._stood[agent] = self._register.changes, now_ns, until_ns
        return now_ns < until_ns

    def agents(self) -> list[tuple[str, Identity]]:
        return [(agent, identity) for agent, (identity, _) in self._taken.items()]

    def holder(self, subject: Subject) -> str:
        """The agent that sits under ``subject``; empty when none does."""
        return next((agent for agent, identity in self.agents() if identity.subject == subject), "")

    def _put(self, agent: str, identity: Identity) -> None:
        # This node has just made it under its own chain, or could not have.
        verified = Verified.of(identity.chain, self._clock.wall_ns())
        self._taken[agent] = (identity, verified)
        self._stood.pop(agent, None)
        self.unrecorded.append(identity)
        self.news.set()
