"""What the node holds private keys of: itself and, unless that is kept elsewhere, its organisation."""

from dataclasses import dataclass

from phalanx.core import AlertLevel, AlertSink, Clock, Conflict, NotFound, Unavailable
from phalanx.crypto import ED25519_ML_DSA_65, SigningKey
from phalanx.crypto.identity._book import Book
from phalanx.crypto.identity._certificate import Certificate
from phalanx.crypto.identity._chain import Chain
from phalanx.crypto.identity._changes import Changes
from phalanx.crypto.identity._identity import Identity, KeyCabinet
from phalanx.crypto.identity._limits import MAX_SUCCESSION, RENEW_AT_PART_LEFT
from phalanx.crypto.identity._model import LIFETIME_NS, Subject, SubjectKind


@dataclass(frozen=True, slots=True)
class Names:
    """Under which names a node has its identities, and of which algorithm its keys are."""

    organisation: str
    node: str
    algorithm: str = ED25519_ML_DSA_65

    @property
    def root_subject(self) -> Subject:
        return Subject(SubjectKind.ORGANISATION, self.organisation)

    @property
    def node_subject(self) -> Subject:
        return self.root_subject.below(SubjectKind.NODE, self.node)


class Own:
    """The root and the node. Both change only by a rotation, which ``Changes`` commits first."""

    def __init__(
        self,
        names: Names,
        book: Book,
        changes: Changes,
        keys: KeyCabinet,
        alerts: AlertSink,
        clock: Clock,
    ) -> None:
        self.names = names
        self._book = book
        self._changes = changes
        self._keys = keys
        self._alerts = alerts
        self._clock = clock
        self.root: Identity | None = None
        self._node: Identity | None = None

    @property
    def node(self) -> Identity:
        assert self._node is not None, "identities are opened before they are used"
        return self._node

    def of(self, subject: Subject) -> Identity | None:
        """The identity of ``subject``, if its private key is here."""
        return next((one for one in (self.root, self._node) if one is not None and one.subject == subject), None)

    def above(self, subject: Subject) -> Identity:
        """Who issues for ``subject``; raises ``Unavailable`` when that key is not here."""
        found = self.of(subject.issuer)
        if found is None:
            raise Unavailable(
                f"the private key of {subject.issuer}",
                "this node does not have it",
                hint=f"ask on the node that does; here are {self.node.subject} and what lies beneath it",
            )
        return found

    async def open(self) -> None:
        """Read both, and make what was never made. A key that is lost is replaced, as far as that can be."""
        names = self.names
        self.root = await self._read(names.root_subject)
        if self.root is None and (await self._book.standing(names.root_subject))[0] is None:
            self.root = await self._first(names.root_subject, None)
        self._node = await self._read(names.node_subject)
        if self._node is None:
            standing, _ = await self._book.standing(names.node_subject)
            epoch = standing.epoch + 1 if standing else 1
            if self.root is None:
                raise Unavailable(
                    f"the private key of {names.node_subject}",
                    "it is not in the node's keys, and neither is the organisation's that could issue another",
                    hint="restore the folder of keys from a backup",
                )
            self._node = await self._first(names.node_subject, self.root, epoch=epoch)

    async def rotate(self, own: Identity, algorithm: str, *, actor: str) -> Identity:
        """The next epoch of what is ours, under a fresh key; the one before is erased."""
        fresh = await self._changes.fresh(algorithm)
        above = None if own is self.root else self.above(own.subject)
        chain = await self._changes.rotate(above, own.chain, fresh, actor=actor, earlier=own.key)
        return await self._now(own, Identity(fresh, chain))

    async def resign(self, *, actor: str) -> None:
        """Bring the node's certificate under the root's present key."""
        above = self.above(self.node.subject)
        (chain,) = await self._changes.resign(above, [self.node.chain.leaf], actor=actor)
        self._node = Identity(self.node.key, chain)

    def due(self, own: Identity) -> str:
        """Why ``own`` has to be rotated; empty when it has not."""
        leaf, now_ns = own.chain.leaf, self._clock.wall_ns()
        if leaf.not_after_ns - now_ns < RENEW_AT_PART_LEFT * LIFETIME_NS[leaf.subject.kind]:
            return "it expires soon"
        if own.key.algorithm != self.names.algorithm:
            return f"its algorithm is {own.key.algorithm}, and {self.names.algorithm} is wanted"
        return ""

    def stale(self) -> bool:
        """Whether the node's certificate stands under an earlier root than the present one."""
        return self.root is not None and self.node.chain.leaf.body.issuer_key != self.root.fingerprint

    async def roots(self) -> list[Certificate]:
        """Every root of the organisation, the newest first."""
        found = await self._book.certificates_of(self.names.root_subject)
        return sorted(found, key=lambda one: -one.epoch)

    async def chain(self, serial: str) -> Chain:
        """The chain of a certificate, with the roots before its own."""
        found = await self._book.chain(await self._book.get(serial))
        roots = await self.roots()
        return Chain(found.certificates, tuple(one for one in roots if one.epoch < found.root.epoch)[:MAX_SUCCESSION])

    async def _first(self, subject: Subject, above: Identity | None, *, epoch: int = 1) -> Identity:
        if epoch > 1:
            self._alerts.alert(
                AlertLevel.WARNING, "crypto", "a private key is lost; a new identity takes its place",
                subject=str(subject), epoch=epoch,
            )  # fmt: skip
        try:
            return await self._changes.first(subject, self.names.algorithm, above, epoch=epoch)
        except Conflict:
            # Another process that shares the store was first; its key is in the same cabinet.
            found = await self._read(subject)
            if found is None:
                raise
            return found

    async def _read(self, subject: Subject) -> Identity | None:
        standing, _ = await self._book.standing(subject)
        if standing is None:
            return None
        try:
            chain = await self.chain(standing.serial)
        except NotFound:
            return None
        secret = await self._keys.load(chain.leaf.key_fingerprint)
        return Identity(SigningKey.from_bytes(secret), chain) if secret is not None else None

    async def _now(self, before: Identity, after: Identity) -> Identity:
        if before is self.root:
            self.root = after
        else:
            self._node = after
        await self._keys.erase(before.fingerprint)
        return after
