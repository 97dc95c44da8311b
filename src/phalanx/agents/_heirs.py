"""What the owner of missions says to their heirs, and what follows from their answers.

Letters to one heir go one after another, each with a higher stamp: what comes late is discarded there. A silent
heir is dropped by permission of the umpires: they rule that it may take nothing of what it has.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from phalanx.agents._bequest_line import Bequeathed, Line
from phalanx.agents._estate import Estate
from phalanx.agents._limits import LETTER_AGAIN_S, MAX_NOTE_CHARS, OUTCOME_AGAIN_S, STORAGE_PAUSE_S
from phalanx.agents._model import MISSIONS, OPEN, Mission, MissionStatus, mission_put, mission_waypoint
from phalanx.agents._succession_mail import SuccessionMail
from phalanx.agents._succession_words import BEQUESTS, Fate, Ruled, Said, Told, Verdict, Void, Where
from phalanx.core import NS_PER_S, Clock, Conflict, Delete, Expect, NotFound, StorageError, Store, Write, decode
from phalanx.telemetry import Telemetry, waypoint_put


class Heirs:
    """See the module. ``run`` must be running."""

    def __init__(
        self, estate: Estate, store: Store, mail: SuccessionMail, *, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._estate, self._store, self._mail, self._clock = estate, store, mail, clock
        self._feed = telemetry.feed
        self._log = telemetry.log.bind(room="agents", service="succession")
        self._number = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._lost = telemetry.metrics.counter(
            "phalanx_missions_taken_from_here_total", "Missions of this node that another node took over."
        )

    def run(self, tasks: asyncio.TaskGroup) -> None:
        """Talk to all heirs, and to those that come."""
        self._tasks = tasks
        for heir in self._estate.lines:
            self.meet(heir)

    def meet(self, heir: str) -> None:
        """Talk to an heir from now on."""
        if self._tasks is not None:
            self._tasks.create_task(self._talk(heir), name=f"agents: missions at {heir}")

    async def _talk(self, heir: str) -> None:
        line = self._estate.line(heir)
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
        for heir, line in self._estate.lines.items():
            is_due = now_ns - line.said_ns > OUTCOME_AGAIN_S * NS_PER_S
            if line.missions and (is_due or self._mail.is_silent(heir)):
                line.stirred.set()

    async def _say(self, heir: str, line: Line) -> bool:
        """One letter with all that there is to say, and what follows from the answer; false when there was none."""
        now_ns = self._clock.monotonic_ns()
        # Now and then also a letter that says nothing: the heir may have given something up.
        is_due = bool(line.missions) and now_ns - line.said_ns > OUTCOME_AGAIN_S * NS_PER_S
        word = Said(
            (self._estate.term, self._number + 1), line.offers(), line.releases(), line.asks(now_ns),
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
            if one.kept and one.record.term == self._estate.term:
                await self._estate.begin_term()
            if one.ending is None:
                await self._store.commit([Delete(BEQUESTS, one.record.tenant, one.record.id)])
            self._estate.release(one)
        else:
            one.kept, one.offer = True, None
            if not one.ours:
                one.ours = True
                self._estate.wake()
        self._estate.count()

    async def _let_go(self, one: Bequeathed, outcome: bytes) -> None:
        """The heir took it: it is not done here, and ends here as soon as it has ended there."""
        first, one.taken, one.offer = not one.taken, True, None
        if one.ending is not None and not one.ending.done():
            one.ending.set_result(False)
        ended = decode(outcome, Mission) if outcome else None
        await self._write_taken(one, ended)
        if first:
            if one.record.term == self._estate.term:
                # The umpire will not rule on this term again.
                await self._estate.begin_term()
            self._lost.inc()
            self._log.warning("a mission was taken over", mission=one.record.id, by=one.record.heir)
        if ended is not None:
            self._estate.forget(one.record.id)

    async def _write_taken(self, one: Bequeathed, ended: Mission | None) -> None:
        tenant, heir = one.record.tenant, one.record.heir
        while self._estate.known.get(one.record.id) is one:
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
            if mission.status in (*OPEN, MissionStatus.TAKEN) and changed != mission:
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
            one = self._estate.known.get(mission)
            if one is not None and one.record.heir == node and not one.taken:
                await self._let_go(one, b"")

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
            if term == self._estate.term:
                await self._estate.begin_term()
            free = [
                one for one in line.missions.values()
                if (one.record.umpire, one.record.term) == (umpire, term) and not one.taken
            ]  # fmt: skip
            await self._store.commit([Delete(BEQUESTS, one.record.tenant, one.record.id) for one in free])
            for one in free:
                self._estate.release(one)
            self._log.warning("an heir was left out", heir=heir, missions=len(free), umpire=umpire)
        self._estate.count()

    async def disown(self, heir: str) -> int:
        """Leave an heir out on a person's word that it will never come back; returns how many missions that frees.

        Should it come back all the same, it may do again what it had a copy of. Raises ``NotFound``.
        """
        line = self._estate.lines.get(heir)
        if line is None:
            raise NotFound("heir", heir, hint="`phalanx agents succession` shows those that there are")
        free = list(line.missions.values())
        await self._store.commit([Delete(BEQUESTS, one.record.tenant, one.record.id) for one in free])
        line.voided.update(one.record.term for one in free)
        await self._estate.begin_term()
        for one in free:
            self._estate.release(one)
        self._estate.count()
        return len(free)
