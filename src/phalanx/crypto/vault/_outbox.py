"""Changes of the vault on their way to the ledger.

The vault stands below the ledger and cannot call it. So a change leaves an event in the commit
that makes it; whoever holds both tells the ledger, then confirms. An event is told at least
once, always under its own id, and the ledger records an id once.
"""

from collections.abc import Callable, Mapping

from phalanx.core import NO_TRACE, Clock, Delete, IdSource, Put, encode
from phalanx.crypto.vault._model import REGISTER, VAULT_EVENTS, VaultEvent
from phalanx.crypto.vault._shelf import Shelf
from phalanx.telemetry import Telemetry

Body = Mapping[str, str | int | float | bool]


class Outbox:
    """Writes events and hands them out. ``on_event`` is called when one is durable."""

    def __init__(self, shelf: Shelf, clock: Clock, ids: IdSource, telemetry: Telemetry) -> None:
        self._shelf = shelf
        self._clock = clock
        self._ids = ids
        self._total = telemetry.metrics.counter(
            "phalanx_vault_changes_total", "Changes of the vault's keys, and shreddings.", ("action",)
        )
        self.on_event: Callable[[], None] = _nobody

    def put(self, action: str, subject: str, actor: str, body: Body) -> Put:
        """The write that belongs in the commit of the change."""
        self._total.labels(action).inc()
        event = VaultEvent(
            id=self._ids.new(),
            tenant=REGISTER,
            trace=NO_TRACE,
            at_ns=self._clock.wall_ns(),
            actor=actor,
            action=action,
            subject=subject,
            body=dict(body),
        )
        return Put(VAULT_EVENTS, REGISTER, event.id, encode(event))

    async def pending(self) -> list[VaultEvent]:
        """Events that nobody has confirmed yet, the oldest first, at most a page."""
        return await self._shelf.events()

    async def confirm(self, event: VaultEvent) -> None:
        """The event is where it has to be and need not be kept."""
        await self._shelf.store.commit([Delete(VAULT_EVENTS, REGISTER, event.id)])

    async def note(self, action: str, subject: str, *, actor: str, body: Body) -> None:
        """Leave an event of other work with keys, e.g. of a migration."""
        await self._shelf.store.commit([self.put(action, subject, actor, body)])
        self.on_event()


def _nobody() -> None:
    """Nobody waits for events."""
