"""What has to be done for as long as a node runs, so that nobody has to think of it.

Every turn: seated agents are written down, debts to the ledger are paid, spares are made, what
the node owns is rotated before it expires or when another algorithm is wanted, what stands under
an earlier key of its issuer is signed again, agents get new certificates before theirs expire,
and what is long over is forgotten. Each part is complete in itself: a turn that is cut off is
taken up by the next one, or by the next start. That is also how a migration to another algorithm
survives an interruption: there is no list of what remains but the certificates themselves.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from phalanx.core import Clock, Offload, StorageError
from phalanx.crypto import SigningKey
from phalanx.crypto.identity._book import Book
from phalanx.crypto.identity._certificate import Certificate
from phalanx.crypto.identity._changes import Changes
from phalanx.crypto.identity._identity import Identity
from phalanx.crypto.identity._issuer import Issuer
from phalanx.crypto.identity._limits import (
    KEEP_EXPIRED_NS,
    PAGE_ROWS,
    REISSUE_BATCH,
    RENEW_AT_PART_LEFT,
    RENEW_EVERY_S,
    STORAGE_PAUSE_S,
)
from phalanx.crypto.identity._model import LIFETIME_NS, Subject, SubjectKind
from phalanx.crypto.identity._own import Own
from phalanx.crypto.identity._records import identity_put, record_of
from phalanx.crypto.identity._register import Register
from phalanx.crypto.identity._seated import endings, seated_put, seated_set
from phalanx.crypto.identity._seats import Seats
from phalanx.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the re-signing is: of ``total`` certificates under the node's issuers, ``done`` are up to date."""

    done: int
    total: int


class Upkeep:
    """``run`` and ``follow`` are services of the node; ``reissue`` can be asked for by itself."""

    def __init__(
        self,
        own: Own,
        book: Book,
        changes: Changes,
        register: Register,
        issuer: Issuer,
        seats: Seats,
        *,
        clock: Clock,
        offload: Offload,
        telemetry: Telemetry,
    ) -> None:
        self._own = own
        self._book = book
        self._changes = changes
        self._register = register
        self._issuer = issuer
        self._seats = seats
        self._clock = clock
        self._offload = offload
        self._log = telemetry.log.bind(room="crypto")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            pause_s = RENEW_EVERY_S
            try:
                await self.turn()
            except StorageError as error:
                self._log.warning("the upkeep of identities waits for storage", reason=error.message)
                pause_s = STORAGE_PAUSE_S
            await self._clock.sleep(pause_s)

    async def follow(self) -> None:
        """Write down who was seated, and make up for the spares that it took. Until cancelled."""
        while True:
            await self._seats.news.wait()
            self._seats.news.clear()
            try:
                await self.record()
            except StorageError as error:
                self._log.warning("seated agents wait for storage", reason=error.message)
                self._seats.news.set()
                await self._clock.sleep(STORAGE_PAUSE_S)
            await self._seats.spares.fill()

    async def turn(self) -> None:
        """Everything once."""
        await self._book.settle()
        await self.renew()
        await self.reissue()
        await self._renew_agents()
        await self._seats.spares.fill()
        await self.record()
        await self._forget()

    async def renew(self) -> None:
        """Rotate what the node owns, where it is due."""
        for own in (self._own.root, self._own.node):
            if own is None or not (reason := self._own.due(own)) or not self._possible(own):
                continue
            async with self._changes.turn:
                after = await self._own.rotate(own, self._own.names.algorithm, actor="node")
            self._log.info("identity rotated", subject=str(own.subject), reason=reason, epoch=after.chain.leaf.epoch)

    async def reissue(
        self, go_on: Callable[[Progress], Awaitable[bool]] | None = None, *, actor: str = "node"
    ) -> Progress:
        """Sign again what stands under an earlier key of an issuer that is here.

        ``go_on`` is asked before the first batch and after each. Can be broken off at any time:
        what was signed is committed, and the next call goes on. What cannot be signed, because
        the policy forbids the algorithm of its key, stays as it is.
        """
        if self._own.stale():
            async with self._changes.turn:
                await self._own.resign(actor=actor)
        stale, total = await self._stale()
        done = total - len(stale)
        if go_on and not await go_on(Progress(done, total)):
            return Progress(done, total)
        stale = [one for one in stale if not self._issuer.policy.verdict(one.key.algorithm)]
        for start in range(0, len(stale), REISSUE_BATCH):
            batch = stale[start : start + REISSUE_BATCH]
            async with self._changes.turn:
                await self._changes.resign(self._own.above(batch[0].subject), batch, actor=actor)
            done += len(batch)
            if go_on and not await go_on(Progress(done, total)):
                return Progress(done, total)
        await self._resign_agents()
        return Progress(done, total)

    async def end_earlier(self) -> int:
        """End the agents that starts of this node before have seated; how many. Before anybody is seated."""
        sets = await self._book.seated()
        if not sets:
            return 0
        node = self._own.node
        ended, forgets, left = endings(sets, self._register.known_list(node.subject), self._clock.wall_ns())
        if ended:
            async with self._changes.turn:
                await self._changes.end_agents(node, ended, forgets)
        else:
            await self._book.commit(forgets, then=lambda: None)
        self._log.info("agents of earlier starts ended", agents=len(ended), left_to_expire=left)
        return len(ended)

    async def record(self) -> None:
        """Write down who was seated since the last time: one commit for all of them, and one entry in the ledger."""
        waiting = self._seats.unrecorded
        while waiting:
            batch = [waiting.popleft() for _ in range(min(len(waiting), PAGE_ROWS))]
            now_ns = self._clock.wall_ns()
            writes = [
                identity_put(record_of(one.chain.leaf, one.chain.certificates[1].serial, now_ns)) for one in batch
            ]
            seated = seated_set(batch, now_ns)
            owed = self._book.owe(
                "node", "identity.agents-seated", self._own.node.subject, agents=str(len(batch)), digest=seated.id
            )
            try:
                await self._book.commit([*writes, seated_put(seated)], owed=[owed], then=lambda: None)
            except StorageError:
                waiting.extendleft(reversed(batch))
                raise

    def _possible(self, own: Identity) -> bool:
        """A node's own certificate can only be renewed where its organisation's key is."""
        return own is self._own.root or self._own.root is not None

    async def _stale(self) -> tuple[list[Certificate], int]:
        """Present certificates of persons and other nodes that another key than the root's present one signed."""
        root, stale, total = self._own.root, [], 0
        if root is None:
            return [], 0
        now_ns = self._clock.wall_ns()
        for standing in await self._book.standings():
            subject = Subject.parse(standing.id)
            if subject.issuer != root.subject or subject == root.subject:
                continue
            total += 1
            certificate = Certificate.from_bytes((await self._book.get(standing.serial)).certificate)
            over = certificate.not_after_ns <= now_ns or self._register.revoked(subject, certificate.serial, now_ns)
            if certificate.body.issuer_key != root.fingerprint and not over:
                stale.append(certificate)
        return stale, total

    async def _resign_agents(self) -> None:
        """Bring seated agents under the node's present certificate, in the offload."""
        node = self._own.node
        for agent, identity in self._seats.agents():
            if identity.chain.certificates[1].serial != node.chain.leaf.serial:
                leaf = await self._offload.run(self._issuer.sign, self._issuer.again(identity.chain.leaf), node.key)
                self._seats.replace(agent, Identity(identity.key, node.chain.below(leaf)))

    async def _renew_agents(self) -> None:
        """New keys, like new agents', for those whose certificate expires soon."""
        node, algorithm = self._own.node, self._own.names.algorithm
        soon_ns = self._clock.wall_ns() + int(RENEW_AT_PART_LEFT * LIFETIME_NS[SubjectKind.AGENT])
        for agent, identity in self._seats.agents():
            leaf = identity.chain.leaf
            if leaf.not_after_ns < soon_ns or identity.key.algorithm != algorithm:
                key = await self._offload.run(SigningKey.generate, algorithm)
                request = self._issuer.request(leaf.subject, key.public, epoch=leaf.epoch + 1)
                made = await self._offload.run(self._issuer.sign, request, node.key, earlier=identity.key)
                self._seats.replace(agent, Identity(key, node.chain.below(made)))

    async def _forget(self) -> None:
        """Forget agents whose certificates expired long ago."""
        before_ns, after = self._clock.wall_ns() - KEEP_EXPIRED_NS, ""
        while page := await self._book.page(kind=SubjectKind.AGENT, after=after):
            over = [one.id for one in page if one.not_after_ns < before_ns]
            if over:
                await self._book.forget(over)
            after = page[-1].id
            if len(page) < PAGE_ROWS:
                return
