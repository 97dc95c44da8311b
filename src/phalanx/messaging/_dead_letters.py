"""Dead letters: acknowledged envelopes that a recipient did not get, kept to be looked at and sent again."""

import asyncio
from collections import deque

from phalanx.core import (
    Clock,
    Delete,
    NotFound,
    PhalanxError,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    Write,
    decode,
    derive_id,
    encode,
)
from phalanx.messaging._envelope import Envelope, decode_envelope, encode_envelope
from phalanx.messaging._kinds import Outcome
from phalanx.messaging._limits import MAX_DEAD_LETTERS, MAX_UNBURIED
from phalanx.telemetry import Telemetry

DEAD_LETTERS = Table("messaging-dead-letters", indexes=("recipient",), sealed=True)


class DeadLetter(Record, frozen=True, kw_only=True, tag="dead-letter"):
    """``recipient`` did not get ``envelope`` (its bytes), for the reason ``outcome``."""

    recipient: str
    outcome: str
    sender: str
    about: str
    body_bytes: int
    envelope: bytes

    def opened(self) -> Envelope:
        """What was to be delivered."""
        return decode_envelope(self.envelope)


class DeadLetters:
    """See the module. Bounded per tenant: of more, the oldest go, counted."""

    def __init__(self, store: Store, clock: Clock, telemetry: Telemetry) -> None:
        self._store, self._clock = store, clock
        self._log = telemetry.log.bind(room="messaging")
        self._queue: deque[DeadLetter] = deque()
        self._counts: dict[TenantId, int] = {}
        self._flushing = asyncio.Lock()
        self._buried = telemetry.metrics.counter(
            "phalanx_messaging_dead_letters_total",
            "Envelopes stored because a recipient did not get them.",
            ("outcome",),
        )
        self._lost = telemetry.metrics.counter(
            "phalanx_messaging_dead_letters_lost_total", "Dead letters dropped because there were too many."
        )

    def bury(self, envelope: Envelope, recipient: str, outcome: Outcome) -> None:
        """Keep an envelope. It is stored with the next ``flush``."""
        if len(self._queue) >= MAX_UNBURIED:
            self._lost.inc()
            return
        self._queue.append(
            DeadLetter(
                id=derive_id(envelope.at_ns, "dead-letter", envelope.id, recipient),
                tenant=envelope.tenant, trace=envelope.trace, at_ns=self._clock.wall_ns(), recipient=recipient,
                outcome=outcome.name.lower().replace("_", "-"), sender=envelope.sender,
                about=envelope.kind.name.lower(), body_bytes=len(envelope.body), envelope=encode_envelope(envelope),
            )
        )  # fmt: skip
        self._buried.labels(outcome.name.lower().replace("_", "-")).inc()

    async def flush(self) -> None:
        """Store what waits; what cannot be stored now is tried again."""
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        while self._queue:
            letter = self._queue[0]
            writes: list[Write] = [
                Put(DEAD_LETTERS, letter.tenant, letter.id, encode(letter), {"recipient": (letter.recipient,)})
            ]
            try:
                writes += await self._oldest_of(letter.tenant)
                await self._store.commit(writes)
            except PhalanxError as error:
                self._log.warning("a dead letter cannot be stored", error=str(error))
                return
            self._counts[letter.tenant] += 2 - len(writes)
            self._queue.popleft()

    async def listed(self, tenant: TenantId, *, after: str = "", limit: int = 100) -> list[DeadLetter]:
        """Dead letters of a tenant, oldest first, past the id ``after``."""
        rows = await self._store.scan(DEAD_LETTERS, tenant, after=after, limit=limit)
        return [decode(row.value, DeadLetter) for row in rows]

    async def newest(self, tenant: TenantId, *, limit: int) -> list[DeadLetter]:
        """The newest of a tenant, newest first."""
        rows = await self._store.scan(DEAD_LETTERS, tenant, limit=limit, reverse=True)
        return [decode(row.value, DeadLetter) for row in rows]

    async def get(self, tenant: TenantId, letter: str) -> DeadLetter:
        """Raises ``NotFound``."""
        row = await self._store.get(DEAD_LETTERS, tenant, letter)
        if row is None:
            raise NotFound("dead letter", letter, hint="`phalanx messages dead-letters` lists those that are kept")
        return decode(row.value, DeadLetter)

    async def forget(self, letter: DeadLetter) -> None:
        """It was delivered after all, or is not wanted any more."""
        await self._store.commit([Delete(DEAD_LETTERS, letter.tenant, letter.id)])
        self._counts[letter.tenant] = max(0, self._counts.get(letter.tenant, 1) - 1)

    async def _oldest_of(self, tenant: TenantId) -> list[Write]:
        if tenant not in self._counts:
            # Counted once; from then on it is kept up to date.
            count, after = 0, ""
            while rows := await self._store.scan(DEAD_LETTERS, tenant, after=after):
                count, after = count + len(rows), rows[-1].key
            self._counts[tenant] = count
        if self._counts[tenant] < MAX_DEAD_LETTERS:
            return []
        self._lost.inc()
        return [Delete(DEAD_LETTERS, tenant, row.key) for row in await self._store.scan(DEAD_LETTERS, tenant, limit=1)]
