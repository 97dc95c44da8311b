"""The owner's side: which of its missions have an heir, and by whose leave one comes to its end.

A mission with an heir ends only when its heir gave up the copy, or the umpire ruled that it may never take it. Letters
to one heir go one after another, each with a higher stamp: what comes late is thrown away there.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from phalanx.agents._bequest_line import Bequeathed, Line, heir_and_umpire
from phalanx.agents._errors import Fenced
from phalanx.agents._limits import (
    BEQUEATH_TURNS,
    LETTER_AGAIN_S,
    MAX_BEQUESTS,
    MAX_LUGGAGE_BYTES,
    MAX_NOTE_CHARS,
    OUTCOME_AGAIN_S,
    SCAN_ROWS,
    STORAGE_PAUSE_S,
)
from phalanx.agents._luggage import Carrier
from phalanx.agents._model import MISSIONS, Mission, MissionStatus, mission_put, mission_waypoint
from phalanx.agents._succession_mail import SuccessionMail
from phalanx.agents._succession_words import (
    BEQUESTS,
    TERMS,
    Bequest,
    Copied,
    Fate,
    Ruled,
    Said,
    Told,
    Verdict,
    Void,
    Where,
)
from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    NS_PER_S,
    Clock,
    Conflict,
    Delete,
    Expect,
    NotFound,
    Put,
    StorageError,
    Store,
    Write,
    decode,
    encode,
)
from phalanx.telemetry import Telemetry, waypoint_put

_OWN_TERM = "own"
_OPEN = (MissionStatus.PENDING, MissionStatus.ASSIGNED)


class Bequests:
    """See the module. ``open`` comes first; ``run`` must be running."""

    def __init__(
        self, store: Store, mail: SuccessionMail, carrier: Carrier, *, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._store, self._mail, self._carrier = store, mail, carrier
        self._clock = clock
        self._feed = telemetry.feed
        self._log = telemetry.log.bind(room="agents", service="succession")
        self._lines: dict[str, Line] = {}
        self._known: dict[str, Bequeathed] = {}
        # Missions whose end is being written; the same one twice where a late attempt does not know that it is late.
        self._ending: Counter[str] = Counter()
        self._term = 0
        self._number = 0
        self._tasks: asyncio.TaskGroup | None = None
        # There may be missions that have no heir yet.
        self.news = True
        self._present: tuple[str, ...] = ()
        self._turns = 0
        self.wake: Callable[[], None] = _nobody
        metrics = telemetry.metrics
        self._kept_gauge = metrics.gauge("phalanx_missions_with_heir", "Missions that another node would continue.")
        self._lost = metrics.counter(
            "phalanx_missions_taken_from_here_total", "Missions of this node that another node took over."
        )

    def counts(self) -> dict[str, int]:
        """How many missions each heir has a copy of, by its word."""
        return {
            heir: sum(one.kept and not one.taken for one in line.missions.values())
            for heir, line in self._lines.items()
        }

    async def open(self) -> None:
        """Begin a new term, and find what earlier ones left."""
        row = await self._store.get(TERMS, DEFAULT_TENANT, _OWN_TERM)
        await self._begin_term(int(row.value) if row else 0)
        for tenant in await self._store.tenants(BEQUESTS):
            after = ""
            while rows := await self._store.scan(BEQUESTS, tenant, after=after, limit=MAX_PAGE_ROWS):
                for one in rows:
                    self._add(Bequeathed(decode(one.value, Bequest), ours=False, kept=True))
                after = rows[-1].key

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Until cancelled: give heirs what has none yet."""
        self._tasks = tasks
        for heir in self._lines:
            tasks.create_task(self._talk(heir), name=f"agents: missions at {heir}")

    def may_begin(self, mission: str) -> bool:
        """Whether a mission may be worked on here, as far as is known."""
        one = self._known.get(mission)
        return one is None or (one.ours and not one.taken)

    def has_heir(self, mission: str) -> bool:
        return mission in self._known

    # The end of a mission

    async def settle(self, mission: Mission, version: int) -> Sequence[Write]:
        """Have the mission's end agreed to; returns what belongs into the commit of it.

        Takes as long as it takes to hear of the heir or of the umpire. Raises ``Fenced`` when the mission is not this
        node's any more, or not the one's who asks. ``over`` must follow, whatever comes of it.
        """
        self._ending[mission.id] += 1
        one = self._known.get(mission.id)
        if one is None:
            return ()
        row = await self._store.get(MISSIONS, mission.tenant, mission.id)
        found = row.version if row else 0
        if one.taken or found != version:
            raise Fenced(MISSIONS.name, mission.id, expected=version, found=found)
        if not one.released:
            if one.ending is None:
                one.ending = asyncio.get_running_loop().create_future()
            self._line(one.record.heir).stirred.set()
            if not await asyncio.shield(one.ending):
                raise Fenced(MISSIONS.name, mission.id, expected=version, found=found)
        return (Delete(BEQUESTS, mission.tenant, mission.id),)

    def over(self, mission: str, *, durable: bool) -> None:
        """Its end was written, or was not."""
        self._ending[mission] -= 1
        if not self._ending[mission]:
            del self._ending[mission]
        if durable:
            self._forget(mission)

    @contextlib.contextmanager
    def returning(self, mission: str) -> Iterator[None]:
        """Around the commit by which a mission that another node took comes back: what that one says of it is over."""
        one = self._known.pop(mission, None)
        if one is not None:
            self._lines[one.record.heir].missions.pop(mission, None)
        try:
            yield
        except BaseException:
            if one is not None:
                self._add(one)
            raise
        self._count()

    # Giving missions heirs

    async def bequeath(self) -> None:
        """Give heirs to open missions that have none, as far as nodes are there.

        All open ones are gone through when there was news or somebody came or went, and now and then all the same.
        """
        present, self._turns = self._mail.present, self._turns + 1
        if not present or not (self.news or present != self._present or self._turns >= BEQUEATH_TURNS):
            return
        self.news, self._present, self._turns = False, present, 0
        for tenant in await self._store.tenants(MISSIONS):
            for status in _OPEN:
                after = ""
                while len(self._known) < MAX_BEQUESTS:
                    rows = await self._store.find(
                        MISSIONS, tenant, "status", status.value, after=after, limit=SCAN_ROWS
                    )
                    for row in rows:
                        if row.key not in self._known and row.key not in self._ending:
                            await self._give(decode(row.value, Mission), row.version, present)
                    if len(rows) < SCAN_ROWS:
                        break
                    after = rows[-1].key

    async def _give(self, mission: Mission, version: int, present: Sequence[str]) -> None:
        luggage = await self._carrier.pack(mission)
        if luggage is None or len(luggage) > MAX_LUGGAGE_BYTES or mission.id in self._ending:
            return
        heir, umpire = heir_and_umpire(mission.id, present)
        now_ns = self._clock.wall_ns()
        record = Bequest(
            id=mission.id, tenant=mission.tenant, trace=mission.trace, at_ns=now_ns, heir=heir, umpire=umpire,
            term=self._term,
        )  # fmt: skip
        offer = Copied(mission.tenant, mission.id, umpire, self._term, encode(mission), luggage)
        one = Bequeathed(record, offer=offer, durable=False)
        self._add(one)
        try:
            # It may have gone on, or come to its end, since it was read.
            await self._store.commit(
                [Put(BEQUESTS, mission.tenant, mission.id, encode(record), {"heir": (heir,)})],
                expect=[Expect(MISSIONS, mission.tenant, mission.id, version)],
            )
        except Conflict:
            self._release(one)
            self.news = True
        except BaseException:
            # Whether it was written or not: nothing has left, and the next start asks.
            self._release(one)
            raise
        else:
            one.durable = True
            self._line(heir).stirred.set()

    # Talking to one heir

    async def _talk(self, heir: str) -> None:
        line = self._line(heir)
        while True:
            await line.stirred.wait()
            line.stirred.clear()
            answered = False
            try:
                if self._mail.is_silent(heir):
                    await self._leave_out(heir, line)
                answered = await self._say(heir, line)
            except StorageError as error:
                self._log.warning("missions at an heir wait for storage", heir=heir, reason=error.message)
                await self._clock.sleep(STORAGE_PAUSE_S)
            if line.has_more:
                line.stirred.set()
                if not answered:
                    await self._clock.sleep(LETTER_AGAIN_S)

    async def look_around(self) -> None:
        """Heirs that are silent are to be left out, and those that took something asked what came of it."""
        now_ns = self._clock.monotonic_ns()
        for heir, line in self._lines.items():
            is_due = now_ns - line.said_ns > OUTCOME_AGAIN_S * NS_PER_S
            if line.missions and (is_due or self._mail.is_silent(heir)):
                line.stirred.set()

    async def _say(self, heir: str, line: Line) -> bool:
        """One letter with all that there is to say, and what follows from the answer; false when there was none."""
        now_ns = self._clock.monotonic_ns()
        # Now and then also a letter that says nothing: the heir may have given something up.
        is_due = bool(line.missions) and now_ns - line.said_ns > OUTCOME_AGAIN_S * NS_PER_S
        word = Said(
            (self._term, self._number + 1), line.offers(), line.releases(), line.asks(now_ns),
            tuple(sorted(line.voided)),
        )  # fmt: skip
        if not (word.offers or word.releases or word.asks or word.voided or is_due):
            return True
        line.said_ns = now_ns
        if word.asks:
            line.asked_ns = now_ns
        self._number += 1
        told = await self._mail.ask(heir, word, Told)
        if told is None:
            return False
        line.voided.difference_update(word.voided)
        for fate in told.fates:
            found = line.missions.get(fate.mission)
            if found is not None:
                await self._learn(found, fate)
        return True

    async def _learn(self, one: Bequeathed, fate: Fate) -> None:
        """The heir said where a mission stands."""
        if fate.where is Where.TAKEN:
            await self._let_go(one, fate.outcome)
        elif fate.where is Where.GONE:
            # It has no copy and takes no older one: the mission is here, and here alone.
            if one.kept and one.record.term == self._term:
                await self._begin_term(self._term)
            if one.ending is None:
                await self._store.commit([Delete(BEQUESTS, one.record.tenant, one.record.id)])
            self._release(one)
        else:
            one.kept, one.offer = True, None
            if not one.ours:
                one.ours = True
                self.wake()
        self._count()

    async def _let_go(self, one: Bequeathed, outcome: bytes) -> None:
        """The heir took it: it is not done here, and ends here as soon as it has ended there."""
        first, one.taken, one.offer = not one.taken, True, None
        if one.ending is not None and not one.ending.done():
            one.ending.set_result(False)
        ended = decode(outcome, Mission) if outcome else None
        await self._write_taken(one, ended)
        if first:
            if one.record.term == self._term:
                # The umpire will not rule on this term again.
                await self._begin_term(self._term)
            self._lost.inc()
            self._log.warning("a mission was taken over", mission=one.record.id, by=one.record.heir)
        if ended is not None:
            self._forget(one.record.id)

    async def _write_taken(self, one: Bequeathed, ended: Mission | None) -> None:
        tenant, heir = one.record.tenant, one.record.heir
        while self._known.get(one.record.id) is one:
            row = await self._store.get(MISSIONS, tenant, one.record.id)
            writes: list[Write] = [] if ended is None else [Delete(BEQUESTS, tenant, one.record.id)]
            mission = decode(row.value, Mission) if row is not None else None
            if row is None or mission is None:
                await self._store.commit(writes)
                return
            note = f"taken over by {heir}"
            if ended is not None:
                note = f"{ended.status.value} by {ended.agent or 'an agent'} of {heir}: {ended.note}"
            changed = msgspec.structs.replace(
                mission, status=MissionStatus.TAKEN, taken_by=heir, note=note[:MAX_NOTE_CHARS],
                ended_ns=ended.ended_ns if ended is not None else 0,
            )  # fmt: skip
            told = mission_waypoint(changed, "taken-over", at_ns=self._clock.wall_ns(), summary=changed.note)
            if mission.status in (*_OPEN, MissionStatus.TAKEN) and changed != mission:
                writes += [mission_put(changed), waypoint_put(told)]
            try:
                await self._store.commit(writes, expect=[Expect(MISSIONS, tenant, mission.id, row.version)])
            except Conflict:
                continue
            if changed != mission:
                self._feed.publish(told)
            return

    async def shown(self, node: str, missions: Sequence[str]) -> None:
        """A node gives missions away: those that it is the heir of here it must have taken."""
        for mission in missions:
            one = self._known.get(mission)
            if one is not None and one.record.heir == node and not one.taken:
                await self._let_go(one, b"")

    # An heir that is silent

    async def _leave_out(self, heir: str, line: Line) -> None:
        """Ask the umpires to rule that the heir may take nothing of what it has; then that is here alone."""
        wanted = sorted({(one.record.umpire, one.record.term) for one in line.missions.values() if not one.taken})
        for umpire, term in wanted:
            if not umpire:
                continue  # of two nodes neither can know whether the other took something
            ruled = await self._mail.ask(umpire, Void(heir, term), Ruled)
            if ruled is None or ruled.verdict is not Verdict.VOIDED:
                continue
            line.voided.add(term)
            if term == self._term:
                await self._begin_term(self._term)
            free = [
                one for one in line.missions.values()
                if (one.record.umpire, one.record.term) == (umpire, term) and not one.taken
            ]  # fmt: skip
            await self._store.commit([Delete(BEQUESTS, one.record.tenant, one.record.id) for one in free])
            for one in free:
                self._release(one)
            self._log.warning("an heir was left out", heir=heir, missions=len(free), umpire=umpire)
        self._count()

    async def disown(self, heir: str) -> int:
        """Leave an heir out on a person's word that it will never come back; returns how many missions that frees.

        Should it come back all the same, it may do again what it had a copy of. Raises ``NotFound``.
        """
        line = self._lines.get(heir)
        if line is None:
            raise NotFound("heir", heir, hint="`phalanx agents succession` shows those that there are")
        free = list(line.missions.values())
        await self._store.commit([Delete(BEQUESTS, one.record.tenant, one.record.id) for one in free])
        line.voided.update(one.record.term for one in free)
        await self._begin_term(self._term)
        for one in free:
            self._release(one)
        self._count()
        return len(free)

    # Book-keeping

    async def _begin_term(self, last: int) -> None:
        term = max(last, self._term) + 1
        await self._store.commit([Put(TERMS, DEFAULT_TENANT, _OWN_TERM, str(term).encode())])
        self._term = term

    def _line(self, heir: str) -> Line:
        line = self._lines.get(heir)
        if line is None:
            line = self._lines[heir] = Line()
            if self._tasks is not None:
                self._tasks.create_task(self._talk(heir), name=f"agents: missions at {heir}")
        return line

    def _add(self, one: Bequeathed) -> None:
        self._known[one.record.id] = one
        line = self._line(one.record.heir)
        line.missions[one.record.id] = one
        line.stirred.set()

    def _release(self, one: Bequeathed) -> None:
        """The heir has no part in it any more."""
        was_ours, self.news = one.ours, True
        one.released, one.ours, one.kept, one.offer = True, True, False, None
        if one.ending is not None and not one.ending.done():
            one.ending.set_result(True)
        if one.ending is None:
            self._forget(one.record.id)
        else:
            self._lines[one.record.heir].missions.pop(one.record.id, None)
        if not was_ours:
            self.wake()

    def _forget(self, mission: str) -> None:
        one = self._known.pop(mission, None)
        if one is not None:
            self._lines[one.record.heir].missions.pop(mission, None)
        self._count()

    def _count(self) -> None:
        self._kept_gauge.set(sum(one.kept and not one.taken for one in self._known.values()))


def _nobody() -> None:
    """Where nobody waits."""
