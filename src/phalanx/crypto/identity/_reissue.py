"""Signing again, as a job: what stands under an earlier key of an issuer that is here.

There is no list of what remains but the certificates themselves, so an interruption costs
nothing: the job goes on at the next start with what is still under an earlier key. Its record
says whether somebody wants it to, and how far it is. Between two batches it rests as long as the
batch took, so that others get their turn.

What rests on an algorithm that the policy forbids is listed besides. Signing again cannot help it
where the subject's own key is of that algorithm: it needs a new key, from whoever has the old one.
"""

import asyncio
from enum import Enum

import msgspec

from phalanx.core import DEFAULT_TENANT, NO_TRACE, NS_PER_S, Clock, Record, Table
from phalanx.crypto import CryptoPolicy
from phalanx.crypto.identity._book import Book
from phalanx.crypto.identity._certificate import Certificate
from phalanx.crypto.identity._limits import MAX_FORBIDDEN, REISSUE_REST_MAX_S
from phalanx.crypto.identity._records import put
from phalanx.crypto.identity._register import Register
from phalanx.crypto.identity._seats import Seats
from phalanx.crypto.identity._upkeep import Progress, Upkeep
from phalanx.telemetry import Telemetry

PROGRESS = Table("identity_progress")
_KEY = "reissue"


class ReissueState(Enum):
    """Never asked for, at work, stopped by somebody, or through."""

    IDLE = "idle"
    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


class Reissue(Record, frozen=True, kw_only=True, tag="identity-reissue"):
    """A run of the job; ``at_ns`` is when it was asked for.

    Of ``total`` certificates under the node's issuers ``done`` stand under their present key.
    """

    state: ReissueState
    actor: str
    done: int = 0
    total: int = 0
    ended_at_ns: int = 0


class Forbidden(msgspec.Struct, frozen=True):
    """A standing certificate that rests on a forbidden algorithm: that of its own key, or of a signature above it."""

    subject: str
    serial: str
    algorithm: str
    own_key: bool


class ReissueJob:
    """Runs beside the node; ``run`` it as a task."""

    def __init__(
        self,
        upkeep: Upkeep,
        book: Book,
        register: Register,
        seats: Seats,
        *,
        clock: Clock,
        policy: CryptoPolicy,
        telemetry: Telemetry,
    ) -> None:
        self._upkeep = upkeep
        self._book = book
        self._register = register
        self._seats = seats
        self._clock = clock
        self._policy = policy
        self._log = telemetry.log.bind(room="crypto")
        self._wanted = asyncio.Event()
        self._record: Reissue | None = None

    async def status(self) -> Reissue:
        """The run under way, or the last one."""
        if self._record is None:
            found = await self._book.read(PROGRESS, _KEY, Reissue)
            self._record = found or Reissue(
                id=_KEY, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=0, state=ReissueState.IDLE, actor=""
            )
        return self._record

    async def start(self, *, actor: str) -> Reissue:
        """Begin, or go on where it was stopped; one under way goes on."""
        last = await self.status()
        if last.state is not ReissueState.RUNNING:
            begun = Reissue(
                id=_KEY, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=self._clock.wall_ns(),
                state=ReissueState.RUNNING, actor=actor,
            )  # fmt: skip
            await self._turn(begun, "identity.reissue-started", actor)
        self._wanted.set()
        return await self.status()

    async def stop(self, *, actor: str) -> Reissue:
        """Stop after the batch under way; what was signed stays signed."""
        last = await self.status()
        if last.state is ReissueState.RUNNING:
            stopped = msgspec.structs.replace(last, state=ReissueState.STOPPED)
            await self._turn(stopped, "identity.reissue-stopped", actor)
        return await self.status()

    async def run(self) -> None:
        """Take up what a start before this one left, and wait for more, until cancelled."""
        if (await self.status()).state is ReissueState.RUNNING:
            self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if (await self.status()).state is ReissueState.RUNNING:
                await self._work()

    async def forbidden(self) -> list[Forbidden]:
        """What stands and rests on what the policy forbids; at most so many as fit an answer."""
        found: list[Forbidden] = []
        now_ns = self._clock.wall_ns()
        standing = [await self._book.get(one.serial) for one in await self._book.standings()]
        present = [Certificate.from_bytes(one.certificate) for one in standing]
        present += [identity.chain.leaf for _, identity in self._seats.agents()]
        for one in present:
            if one.not_after_ns <= now_ns or self._register.revoked(one.subject, one.serial, now_ns):
                continue
            for algorithm, own_key in ((one.key.algorithm, True), (one.body.signature_algorithm, False)):
                if self._policy.verdict(algorithm):
                    found.append(Forbidden(str(one.subject), one.serial, algorithm, own_key))
                    break
            if len(found) == MAX_FORBIDDEN:
                break
        return sorted(found, key=lambda one: (one.subject.count("/"), one.subject))

    async def _work(self) -> None:
        begun_ns = self._clock.monotonic_ns()

        async def step(progress: Progress) -> bool:
            nonlocal begun_ns
            self._record = msgspec.structs.replace(await self.status(), done=progress.done, total=progress.total)
            worked_s = (self._clock.monotonic_ns() - begun_ns) / NS_PER_S
            await self._clock.sleep(min(worked_s, REISSUE_REST_MAX_S))
            begun_ns = self._clock.monotonic_ns()
            return self._record.state is ReissueState.RUNNING

        actor = (await self.status()).actor
        end = await self._upkeep.reissue(step, actor=actor)
        last = msgspec.structs.replace(await self.status(), done=end.done, total=end.total)
        if last.state is not ReissueState.RUNNING:
            self._record = last
            return
        done = msgspec.structs.replace(last, state=ReissueState.DONE, ended_at_ns=self._clock.wall_ns())
        await self._turn(done, "identity.reissue-finished", actor)

    async def _turn(self, record: Reissue, action: str, actor: str) -> None:
        """Into another state, and into the ledger."""

        def then() -> None:
            self._record = record

        body = {"done": str(record.done), "total": str(record.total), "state": record.state.value}
        owed = [self._book.owe(actor, action, "identities", **body)]
        await self._book.commit([put(PROGRESS, record)], owed=owed, then=then)
        self._log.info(action, done=record.done, total=record.total, actor=actor)
