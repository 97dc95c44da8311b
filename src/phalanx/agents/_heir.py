"""The heir's side: copies of other nodes' missions, and taking them over. And the umpire's: which of two is out.

Invariants, held by the store's conditional commits:

- a copy is given up or taken, never both;
- a copy is taken only after its umpire granted it, and an umpire that granted never voids, nor the other way round;
- what an owner said earlier than something already read is ignored.

What was granted is taken at once. If the owner is heard again before all of it is taken, the rest is given up: only
this node can still do anything about it, and it may be gone tomorrow.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import msgspec

from phalanx.agents._limits import MAX_COPIES, MAX_LETTER_COPIES, MAX_NOTE_CHARS, MAX_VERDICTS, SCAN_ROWS
from phalanx.agents._luggage import Carrier
from phalanx.agents._model import MISSIONS, Mission, MissionStatus, mission_put, mission_waypoint
from phalanx.agents._succession_mail import SuccessionMail
from phalanx.agents._succession_words import (
    BEQUESTS,
    COPIES,
    TERMS,
    VERDICTS,
    Claim,
    Copied,
    Copy,
    CopyState,
    Fate,
    Ruled,
    Said,
    Told,
    Verdict,
    Void,
    Where,
    copy_key,
    index_of_copy,
    pack_stamp,
    unpack_stamp,
    verdict_key,
)
from phalanx.core import (
    DEFAULT_TENANT,
    Clock,
    Conflict,
    Delete,
    Expect,
    InvalidInput,
    Put,
    Store,
    TenantId,
    WireError,
    Write,
    decode,
    encode,
)
from phalanx.telemetry import Telemetry, waypoint_put

_GRANTED = "granted/"
_ENDED = (MissionStatus.DONE, MissionStatus.FAILED)
Taken = Callable[[str, Sequence[Mission]], None]
# Around the commit in which a mission is taken: what this node once gave away of it is over if that succeeds.
Taking = Callable[[str], AbstractContextManager[None]]


class Umpire:
    """Says of an owner and an heir which one is out, once and for all."""

    def __init__(self, store: Store, mail: SuccessionMail) -> None:
        self._store, self._mail = store, mail

    async def grant(self, owner: str, heir: str, term: int) -> Verdict:
        """The heir says that the owner is dead."""
        return await self._rule(owner, heir, term, Verdict.GRANTED, accused=owner)

    async def void(self, owner: str, heir: str, term: int) -> Verdict:
        """The owner says that the heir is dead."""
        return await self._rule(owner, heir, term, Verdict.VOIDED, accused=heir)

    async def _rule(self, owner: str, heir: str, term: int, verdict: Verdict, *, accused: str) -> Verdict:
        key = verdict_key(owner, heir, term)
        while True:
            row = await self._store.get(VERDICTS, DEFAULT_TENANT, key)
            if row is not None:
                return Verdict(row.value.decode())
            if not self._mail.is_silent(accused):
                return Verdict.OPEN
            pair = f"{owner}/{heir}/"
            older = await self._store.scan(VERDICTS, DEFAULT_TENANT, prefix=pair, limit=2 * MAX_VERDICTS)
            drop = [Delete(VERDICTS, DEFAULT_TENANT, one.key) for one in older[: max(0, len(older) + 1 - MAX_VERDICTS)]]
            put = Put(VERDICTS, DEFAULT_TENANT, key, verdict.value.encode())
            try:
                await self._store.commit([put, *drop], expect=[Expect(VERDICTS, DEFAULT_TENANT, key, 0)])
            except Conflict:
                continue
            return verdict


class Heir:
    """See the module."""

    def __init__(
        self, store: Store, mail: SuccessionMail, carrier: Carrier, *, clock: Clock, telemetry: Telemetry,
        taking: Taking, on_taken: Taken,
    ) -> None:  # fmt: skip
        self._taking = taking
        self._store, self._mail, self._carrier = store, mail, carrier
        self._clock = clock
        self._feed = telemetry.feed
        self._log = telemetry.log.bind(room="agents", service="succession")
        self._on_taken = on_taken
        self._one_at_a_time = asyncio.Lock()
        self._held: dict[str, int] = {}
        self._granted: dict[str, set[tuple[str, int]]] = {}
        metrics = telemetry.metrics
        self._copies = metrics.gauge("phalanx_mission_copies", "Missions of other nodes that this one would continue.")
        self._taken = metrics.counter("phalanx_missions_taken_over_total", "Missions taken over from other nodes.")

    @property
    def held(self) -> dict[str, int]:
        """How many copies there are, by owner."""
        return {owner: n for owner, n in self._held.items() if n}

    async def open(self) -> None:
        for row in await self._store.scan(TERMS, DEFAULT_TENANT, prefix=_GRANTED):
            owner, umpire, term = row.key.removeprefix(_GRANTED).split("/")
            self._granted.setdefault(owner, set()).add((umpire, int(term)))
        for tenant in await self._store.tenants(COPIES):
            after = ""
            while rows := await self._store.find(
                COPIES, tenant, "state", CopyState.HELD.value, after=after, limit=SCAN_ROWS
            ):
                for row in rows:
                    self._count(decode(row.value, Copy).owner, 1)
                after = rows[-1].key

    async def said(self, owner: str, word: Said) -> Told | None:
        """What an owner says; None when it is too late to be listened to."""
        async with self._one_at_a_time:
            key = f"from/{owner}"
            row = await self._store.get(TERMS, DEFAULT_TENANT, key)
            if row is not None and unpack_stamp(row.value) >= word.stamp:
                return None
            writes: list[Write] = [Put(TERMS, DEFAULT_TENANT, key, pack_stamp(word.stamp))]
            fates: list[Fate] = []
            change = await self._given_up(owner, word.voided, writes, fates)
            for offer in word.offers[:MAX_LETTER_COPIES]:
                change += await self._offered(owner, offer, writes, fates)
            for tenant, mission in word.releases[:MAX_LETTER_COPIES]:
                change -= await self._released(owner, TenantId(tenant), mission, writes, fates)
            for tenant, mission in word.asks[:MAX_LETTER_COPIES]:
                fates.append(await self._fate(owner, TenantId(tenant), mission))
            await self._store.commit(writes)
            self._count(owner, change)
            return Told(tuple(fates))

    async def _offered(self, owner: str, offer: Copied, writes: list[Write], fates: list[Fate]) -> int:
        tenant, key = TenantId(offer.tenant), copy_key(offer.mission, owner)
        known = await self._copy(tenant, key)
        # What its owner gives away in a later term than the one it was taken in has come back to it meanwhile.
        if known is not None and known.state is CopyState.TAKEN and offer.term <= known.term:
            fates.append(await self._fate(owner, tenant, offer.mission))
            return 0
        if known is not None and known.state is CopyState.HELD:
            fates.append(Fate(offer.mission, Where.HELD))
            return 0
        mission = decode(offer.record, Mission)
        if (mission.id, mission.tenant) != (offer.mission, tenant) or sum(self._held.values()) >= MAX_COPIES:
            fates.append(Fate(offer.mission, Where.GONE))
            return 0
        copy = Copy(
            id=mission.id, tenant=tenant, trace=mission.trace, at_ns=self._clock.wall_ns(), owner=owner,
            umpire=offer.umpire, term=offer.term, state=CopyState.HELD, mission=offer.record, luggage=offer.luggage,
        )  # fmt: skip
        writes.append(Put(COPIES, tenant, key, encode(copy), index_of_copy(copy)))
        fates.append(Fate(offer.mission, Where.HELD))
        return 1

    async def _released(
        self, owner: str, tenant: TenantId, mission: str, writes: list[Write], fates: list[Fate]
    ) -> int:
        known = await self._copy(tenant, copy_key(mission, owner))
        if known is not None and known.state is CopyState.TAKEN:
            fates.append(await self._fate(owner, tenant, mission))
            return 0
        writes.append(Delete(COPIES, tenant, copy_key(mission, owner)))
        fates.append(Fate(mission, Where.GONE))
        return int(known is not None)

    async def _fate(self, owner: str, tenant: TenantId, mission: str) -> Fate:
        known = await self._copy(tenant, copy_key(mission, owner))
        if known is None:
            return Fate(mission, Where.GONE)
        if known.state is CopyState.HELD:
            return Fate(mission, Where.HELD)
        row = await self._store.get(MISSIONS, tenant, mission)
        ended = row is not None and decode(row.value, Mission).status in _ENDED
        return Fate(mission, Where.TAKEN, row.value if row is not None and ended else b"")

    async def _copy(self, tenant: TenantId, key: str) -> Copy | None:
        row = await self._store.get(COPIES, tenant, key)
        return decode(row.value, Copy) if row is not None else None

    async def _given_up(self, owner: str, voided: Sequence[int], writes: list[Write], fates: list[Fate]) -> int:
        """Give up what may not be taken any more, and what may be but need not: its owner is there."""
        granted = self._granted.get(owner, set())
        if not voided and not granted:
            return 0
        gone = [
            copy for copy in await self._held_of(owner)
            if copy.term in voided or (copy.umpire, copy.term) in granted
        ]  # fmt: skip
        writes.extend(Delete(COPIES, copy.tenant, copy_key(copy.id, owner)) for copy in gone)
        fates.extend(Fate(copy.id, Where.GONE) for copy in gone)
        return -len(gone)

    async def _held_of(self, owner: str) -> list[Copy]:
        found: list[Copy] = []
        for tenant in await self._store.tenants(COPIES):
            after = ""
            while rows := await self._store.find(
                COPIES, tenant, "owner", f"{owner}/{CopyState.HELD.value}", after=after, limit=SCAN_ROWS
            ):
                found.extend(decode(row.value, Copy) for row in rows)
                after = rows[-1].key
        return found

    async def look_around(self) -> None:
        """Take over what silent owners have left here, as far as the umpires grant it."""
        for owner in [one for one in self.held if self._mail.is_silent(one)]:
            copies = await self._held_of(owner)
            for umpire, term in sorted({(one.umpire, one.term) for one in copies}):
                verdict = await self._ruled(owner, umpire, term)
                if verdict is Verdict.GRANTED and umpire and (umpire, term) not in self._granted.get(owner, ()):
                    key = f"{_GRANTED}{owner}/{umpire}/{term}"
                    await self._store.commit([Put(TERMS, DEFAULT_TENANT, key, b"")])
                    self._granted.setdefault(owner, set()).add((umpire, term))
                mine = [one for one in copies if (one.umpire, one.term) == (umpire, term)]
                if verdict is Verdict.GRANTED:
                    await self._take_all(owner, mine)
                elif verdict is Verdict.VOIDED:
                    await self._throw_away(owner, mine)

    async def _ruled(self, owner: str, umpire: str, term: int) -> Verdict:
        if not umpire:
            return Verdict.GRANTED  # of two nodes the heir alone decides, and its owner waits for it
        ruled = await self._mail.ask(umpire, Claim(owner, term), Ruled)
        return ruled.verdict if ruled is not None else Verdict.OPEN

    async def _throw_away(self, owner: str, copies: Sequence[Copy]) -> None:
        async with self._one_at_a_time:
            for copy in copies:
                key = copy_key(copy.id, owner)
                row = await self._store.get(COPIES, copy.tenant, key)
                if row is not None and decode(row.value, Copy).state is CopyState.HELD:
                    await self._store.commit(
                        [Delete(COPIES, copy.tenant, key)], expect=[Expect(COPIES, copy.tenant, key, row.version)]
                    )
                    self._count(owner, -1)

    async def _take_all(self, owner: str, copies: Sequence[Copy]) -> None:
        taken: list[Mission] = []
        for copy in copies:
            if not self._mail.is_silent(owner):
                break
            async with self._one_at_a_time:
                try:
                    with self._taking(copy.id):
                        mission = await self._take(copy)
                except Conflict:
                    continue  # looked at again in the next round
            self._count(owner, -1)
            if mission is not None:
                taken.append(mission)
        if taken:
            self._taken.inc(len(taken))
            self._log.warning("missions taken over", owner=owner, missions=len(taken))
            self._on_taken(owner, taken)

    async def _take(self, copy: Copy) -> Mission | None:
        """One mission, in one commit: from here on it is this node's. None when it has ended one like it already."""
        key = copy_key(copy.id, copy.owner)
        row = await self._store.get(COPIES, copy.tenant, key)
        if row is None or (now := decode(row.value, Copy)).state is not CopyState.HELD or now.term != copy.term:
            raise Conflict(COPIES.name, key, expected=1, found=0)
        expect = [Expect(COPIES, copy.tenant, key, row.version)]
        taken = msgspec.structs.replace(now, state=CopyState.TAKEN, luggage=b"")
        writes: list[Write] = [Put(COPIES, copy.tenant, key, encode(taken), index_of_copy(taken))]
        own = await self._store.get(MISSIONS, copy.tenant, copy.id)
        expect.append(Expect(MISSIONS, copy.tenant, copy.id, own.version if own is not None else 0))
        mission, standing = None, decode(own.value, Mission).status if own is not None else MissionStatus.TAKEN
        if standing in (MissionStatus.PENDING, MissionStatus.ASSIGNED):
            # It had one like it; what becomes of that must be known first.
            raise Conflict(MISSIONS.name, copy.id, expected=0, found=expect[-1].version)
        if standing is MissionStatus.TAKEN:
            mission, more = await self._moved_in(now, expect)
            writes += [*more, Delete(BEQUESTS, copy.tenant, copy.id)]
        await self._store.commit(writes, expect=expect)
        return mission

    async def _moved_in(self, copy: Copy, expect: list[Expect]) -> tuple[Mission, list[Write]]:
        theirs = decode(copy.mission, Mission)
        note = f"taken over from {copy.owner}"
        mission = msgspec.structs.replace(
            theirs, status=MissionStatus.PENDING, agent="", identity="", origin=copy.owner, taken_by="", ended_ns=0,
            attempts=max(0, theirs.attempts - (theirs.status is MissionStatus.ASSIGNED)), note=note[:MAX_NOTE_CHARS],
        )  # fmt: skip
        writes: list[Write] = [mission_put(mission)]
        try:
            for put in self._carrier.unpack(mission, copy.luggage):
                if await self._store.get(put.table, put.tenant, put.key) is None:
                    expect.append(Expect(put.table, put.tenant, put.key, 0))
                    writes.append(put)
        except (InvalidInput, WireError) as error:
            # It is tried all the same: what it lacks, its skill will say.
            self._log.warning("what a mission is about did not come along", mission=mission.id, reason=error.message)
        told = mission_waypoint(mission, "taken-over", at_ns=self._clock.wall_ns(), summary=note)
        writes.append(waypoint_put(told))
        self._feed.publish(told)
        return mission, writes

    def _count(self, owner: str, change: int) -> None:
        self._held[owner] = max(0, self._held.get(owner, 0) + change)
        self._copies.set(sum(self._held.values()))


async def answered(heir: Heir, umpire: Umpire, source: str, word: object) -> Told | Ruled | None:
    """What is said to a word of another node."""
    match word:
        case Said():
            return await heir.said(source, word)
        case Claim(owner, term):
            return Ruled(await umpire.grant(owner, source, term))
        case Void(heir_name, term):
            return Ruled(await umpire.void(source, heir_name, term))
    return None
