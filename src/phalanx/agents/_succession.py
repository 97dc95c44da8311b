"""Succession: missions of a node that dies are continued by another, each once.

Nodes have their own storage. The **owner** of a mission gives a copy to an **heir**, another node, and names an
**umpire**, a third. Three rules make an end of a mission happen once, whoever is cut off or comes back:

1. what has an heir ends at its owner only when the heir gave its copy up, or the umpire ruled that it may not take
   it;
2. an heir takes a copy over only when the umpire ruled that it may, and tells its owner so from then on;
3. an umpire rules once for each term of an owner and an heir, and keeps to it.

So two of the three decide, and one of them may be away. Wrongly presuming a node dead costs an attempt and nothing
else. With only two nodes the heir decides by itself; if the heir is gone, its owner waits for it, or for a person
(``disown``). Which nodes take part is for the node to say (``nodes``).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phalanx.agents._bequests import Bequests
from phalanx.agents._heir import Heir, Umpire, answered
from phalanx.agents._limits import BEQUEATH_EVERY_S, MAX_TAKEN_SHOWN, STORAGE_PAUSE_S
from phalanx.agents._luggage import Carrier
from phalanx.agents._model import Mission
from phalanx.agents._succession_mail import SuccessionMail
from phalanx.agents._succession_words import Said, Word
from phalanx.core import (
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    Clock,
    StorageError,
    Store,
    Write,
    derive_id,
    id_time_ns,
)
from phalanx.messaging import Bus
from phalanx.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class SuccessionView:
    """How missions are looked after between nodes: ``heirs`` have so many of this node's, ``owners`` gave it so many.

    ``taken`` are missions that this node took over since it started, newest first, with whose they were.
    """

    process: str
    present: tuple[str, ...]
    heirs: dict[str, int]
    owners: dict[str, int]
    taken: tuple[tuple[str, str], ...]


class Succession:
    """See the module. ``open`` comes first, ``run`` must be running."""

    def __init__(
        self, bus: Bus, store: Store, nodes: Callable[[], frozenset[str]], carrier: Carrier, *, clock: Clock,
        telemetry: Telemetry, audit: AuditSink | None = None, alerts: AlertSink | None = None,
    ) -> None:  # fmt: skip
        self._clock, self._alerts, self._audit = clock, alerts, audit
        self._log = telemetry.log.bind(room="agents", service="succession")
        self.mail = SuccessionMail(bus, nodes, clock=clock, telemetry=telemetry)
        self.bequests = Bequests(store, self.mail, carrier, clock=clock, telemetry=telemetry)
        self.heir = Heir(
            store, self.mail, carrier, clock=clock, telemetry=telemetry, taking=self.bequests.returning,
            on_taken=self._on_taken,
        )  # fmt: skip
        self._umpire = Umpire(store, self.mail)
        self._wake: Callable[[], None] = _nobody
        self._taken: list[tuple[str, str]] = []
        self._to_tell: list[tuple[str, Mission]] = []

    def view(self) -> SuccessionView:
        """As it stands."""
        return SuccessionView(
            process=self.mail.process, present=self.mail.present, heirs=self.bequests.estate.counts(),
            owners=self.heir.held, taken=tuple(reversed(self._taken)),
        )  # fmt: skip

    async def open(self, wake: Callable[[], None]) -> None:
        """Find what is on record; ``wake`` is called when there may be missions to begin."""
        self._wake = self.bequests.estate.wake = wake
        await self.bequests.open()
        await self.heir.open()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self.bequests.heirs.run(tasks)
                tasks.create_task(self.mail.read(self._answer), name="agents: succession, mail")
                tasks.create_task(self.mail.beat(), name="agents: succession, beats")
                tasks.create_task(self._often(self.bequests.bequeath), name="agents: succession, giving")
                tasks.create_task(self._often(self.bequests.heirs.look_around), name="agents: succession, heirs")
                tasks.create_task(self._often(self.heir.look_around), name="agents: succession, owners")
                tasks.create_task(self._often(self._tell), name="agents: succession, record")
        finally:
            self.mail.leave()

    async def disown(self, node: str, *, by: str) -> int:
        """See ``Bequests.disown``; who said so is told."""
        freed = await self.bequests.heirs.disown(node)
        if self._alerts is not None:
            text = f"{freed} missions go on without {node}, which has copies of them"
            self._alerts.alert(AlertLevel.WARNING, "agents", text, by=by)
        return freed

    def stir(self) -> None:
        """Say that new missions were committed."""
        self.bequests.estate.news = True

    def may_begin(self, mission: str) -> bool:
        """Whether a mission may be worked on here, as far as is known."""
        return self.bequests.may_begin(mission)

    def may_take_long(self, mission: str) -> bool:
        """Whether somebody else has to be asked before it ends."""
        return self.bequests.has_heir(mission)

    async def settle(self, mission: Mission, version: int) -> Sequence[Write]:
        """See ``Bequests.settle``."""
        return await self.bequests.settle(mission, version)

    def over(self, mission: str, *, durable: bool) -> None:
        """See ``Bequests.over``."""
        self.bequests.over(mission, durable=durable)

    async def _answer(self, source: str, word: Word) -> Word | None:
        if isinstance(word, Said):
            await self.bequests.heirs.shown(source, [one.mission for one in word.offers])
        return await answered(self.heir, self._umpire, source, word)

    async def _often(self, look: Callable[[], "asyncio.Future[None] | object"]) -> None:
        while True:
            try:
                await look()  # type: ignore[misc]
            except StorageError as error:
                self._log.warning("succession waits for storage", reason=error.message)
                await self._clock.sleep(STORAGE_PAUSE_S)
            await self._clock.sleep(BEQUEATH_EVERY_S)

    def _on_taken(self, owner: str, missions: Sequence[Mission]) -> None:
        for mission in missions:
            self._to_tell.append((owner, mission))
            self._taken.append((mission.id, owner))
        del self._taken[:-MAX_TAKEN_SHOWN]
        if self._alerts is not None:
            text = f"{len(missions)} missions of {owner}, which is silent, are continued here"
            self._alerts.alert(AlertLevel.WARNING, "agents", text, owner=owner)
        self._wake()

    async def _tell(self) -> None:
        """Put on record what was taken over, once the ledger takes it."""
        while self._to_tell:
            owner, mission = self._to_tell[0]
            if self._audit is not None:
                await self._audit.record(
                    AuditEntry(
                        id=derive_id(id_time_ns(mission.id), "audit", "taken-over", mission.id, owner),
                        tenant=mission.tenant, trace=mission.trace, at_ns=mission.at_ns, actor=self.mail.process,
                        action="mission.take-over", subject=mission.id, case=mission.case,
                        body={"from": owner, "skill": mission.skill, "attempts": mission.attempts},
                    )
                )  # fmt: skip
            self._to_tell.pop(0)


def _nobody() -> None:
    """Where no swarm waits."""
