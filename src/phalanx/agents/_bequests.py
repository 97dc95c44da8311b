"""The owner's side: which of its missions have an heir, and by whose permission one comes to its end.

A mission with an heir ends only when its heir gave up the copy, or the umpire ruled that it may never take it.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence

from phalanx.agents._bequest_line import Bequeathed, heir_and_umpire
from phalanx.agents._errors import Fenced
from phalanx.agents._estate import Estate
from phalanx.agents._heirs import Heirs
from phalanx.agents._limits import BEQUEATH_TURNS, MAX_BEQUESTS, MAX_LUGGAGE_BYTES, SCAN_ROWS
from phalanx.agents._luggage import Carrier
from phalanx.agents._model import MISSIONS, OPEN, Mission
from phalanx.agents._succession_mail import SuccessionMail
from phalanx.agents._succession_words import BEQUESTS, Bequest, Copied
from phalanx.core import Clock, Conflict, Delete, Expect, Put, Store, Write, decode, encode
from phalanx.telemetry import Telemetry


class Bequests:
    """See the module. ``open`` comes first; ``heirs`` must be running."""

    def __init__(
        self, store: Store, mail: SuccessionMail, carrier: Carrier, *, clock: Clock, telemetry: Telemetry
    ) -> None:
        self._store, self._mail, self._carrier = store, mail, carrier
        self._clock = clock
        self.estate = Estate(store, telemetry, self._meet)
        self.heirs = Heirs(self.estate, store, mail, clock=clock, telemetry=telemetry)
        # Missions whose end is being written; the same one twice where a late attempt does not know that it is late.
        self._ending: Counter[str] = Counter()
        self._present: tuple[str, ...] = ()
        self._turns = 0

    async def open(self) -> None:
        """Begin a new term, and find what earlier ones left."""
        await self.estate.open()

    def _meet(self, heir: str) -> None:
        self.heirs.meet(heir)

    def may_begin(self, mission: str) -> bool:
        """Whether a mission may be worked on here, as far as is known."""
        one = self.estate.known.get(mission)
        return one is None or (one.ours and not one.taken)

    def has_heir(self, mission: str) -> bool:
        return mission in self.estate.known

    async def settle(self, mission: Mission, version: int) -> Sequence[Write]:
        """Have the mission's end agreed to; returns what belongs into the commit of it.

        Takes as long as it takes to hear of the heir or of the umpire. Raises ``Fenced`` when the mission is not this
        node's any more, or not the one's who asks. ``over`` must follow, whatever comes of it.
        """
        self._ending[mission.id] += 1
        one = self.estate.known.get(mission.id)
        if one is None:
            return ()
        row = await self._store.get(MISSIONS, mission.tenant, mission.id)
        found = row.version if row else 0
        if one.taken or found != version:
            raise Fenced(MISSIONS.name, mission.id, expected=version, found=found)
        if not one.released:
            if one.ending is None:
                one.ending = asyncio.get_running_loop().create_future()
            self.estate.line(one.record.heir).stirred.set()
            if not await asyncio.shield(one.ending):
                raise Fenced(MISSIONS.name, mission.id, expected=version, found=found)
        return (Delete(BEQUESTS, mission.tenant, mission.id),)

    def over(self, mission: str, *, durable: bool) -> None:
        """Its end was written, or was not."""
        self._ending[mission] -= 1
        if not self._ending[mission]:
            del self._ending[mission]
        if durable:
            self.estate.forget(mission)

    @contextlib.contextmanager
    def returning(self, mission: str) -> Iterator[None]:
        """Around the commit by which a mission that another node took comes back: what that one says of it is over."""
        one = self.estate.forget(mission)
        try:
            yield
        except BaseException:
            if one is not None:
                self.estate.add(one)
            raise

    async def bequeath(self) -> None:
        """Give heirs to open missions that have none, as far as nodes are there.

        All open ones are gone through when there was news or somebody came or went, and now and then all the same.
        """
        present, self._turns = self._mail.present, self._turns + 1
        if not present or not (self.estate.news or present != self._present or self._turns >= BEQUEATH_TURNS):
            return
        self.estate.news, self._present, self._turns = False, present, 0
        for tenant in await self._store.tenants(MISSIONS):
            for status in OPEN:
                after = ""
                while len(self.estate.known) < MAX_BEQUESTS:
                    rows = await self._store.find(
                        MISSIONS, tenant, "status", status.value, after=after, limit=SCAN_ROWS
                    )
                    found = [
                        (decode(row.value, Mission), row.version) for row in rows
                        if row.key not in self.estate.known and row.key not in self._ending
                    ]  # fmt: skip
                    await self._give(found, present)
                    if len(rows) < SCAN_ROWS:
                        break
                    after = rows[-1].key

    async def _give(self, missions: Sequence[tuple[Mission, int]], present: Sequence[str]) -> None:
        """Give heirs to missions of one tenant, as they stood at these versions, in one commit.

        A mission may have gone on, or come to its end, since it was read: the others are then written without it, and
        without those whose heir was left out meanwhile.
        """
        packed = [(mission, version, await self._carrier.pack(mission)) for mission, version in missions]
        given: list[tuple[Bequeathed, int]] = []
        for mission, version, luggage in packed:
            if luggage is None or len(luggage) > MAX_LUGGAGE_BYTES:
                continue
            if mission.id not in self._ending and mission.id not in self.estate.known:
                given.append((self._offered(mission, luggage, present), version))
        while given:
            try:
                await self._store.commit(
                    [_bequest_put(one.record) for one, _ in given],
                    expect=[Expect(MISSIONS, one.record.tenant, one.record.id, version) for one, version in given],
                )
            except Conflict as error:
                gone = [one for one in given if one[0].record.id == error.key] or given
                self._withdraw(gone)
                given = [one for one in given if not one[0].released]
            except BaseException:
                # Whether they were written or not: nothing has left, and the next start asks.
                self._withdraw(given)
                raise
            else:
                await self._given([one for one, _ in given])
                return

    async def _given(self, given: Sequence[Bequeathed]) -> None:
        """They were written; of an heir that was left out just then the rows are to go again."""
        for one in given:
            if not one.released:
                one.durable = True
                self.estate.line(one.record.heir).stirred.set()
        late = [Delete(BEQUESTS, one.record.tenant, one.record.id) for one in given if one.released]
        if late:
            await self._store.commit(late)

    def _offered(self, mission: Mission, luggage: bytes, present: Sequence[str]) -> Bequeathed:
        heir, umpire = heir_and_umpire(mission.id, present)
        term = self.estate.term
        record = Bequest(
            id=mission.id, tenant=mission.tenant, trace=mission.trace, at_ns=self._clock.wall_ns(), heir=heir,
            umpire=umpire, term=term,
        )  # fmt: skip
        offer = Copied(mission.tenant, mission.id, umpire, term, encode(mission), luggage)
        one = Bequeathed(record, offer=offer, durable=False)
        self.estate.add(one)
        return one

    def _withdraw(self, given: Sequence[tuple[Bequeathed, int]]) -> None:
        for one, _ in given:
            self.estate.release(one)


def _bequest_put(record: Bequest) -> Put:
    return Put(BEQUESTS, record.tenant, record.id, encode(record), {"heir": (record.heir,)})
