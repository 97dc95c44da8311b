"""The node dies at every single durable write in turn; each consequence still happens exactly once."""

import asyncio
from collections import Counter

import pytest

from phalanx.agents import MissionStatus
from phalanx.core import DEFAULT_TENANT, Outcome, Severity
from phalanx.incidents import ContainmentPolicy
from phalanx.testing import SimWorld

GRAVE = {"tactics": ("credential-access",), "severity": Severity.CRITICAL, "confidence": 0.9}
MIDDLING = {"tactics": ("lateral-movement",), "severity": Severity.HIGH, "confidence": 0.8}
LENIENT = ContainmentPolicy(min_probability=0.5)


class Fate:
    """Counts durable writes of one life; the n-th never returns, before or after it took place."""

    def __init__(self, fatal: int, *, after: bool) -> None:
        self.writes = 0
        self.reached = asyncio.Event()
        self._fatal = fatal
        self._after = after

    async def write(self, act):
        self.writes += 1
        if self.writes != self._fatal:
            return await act()
        if self._after:
            await act()
        self.reached.set()
        return await asyncio.Event().wait()


class Fateful:
    """A store or a journal whose writes meet their fate."""

    def __init__(self, inner, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def commit(self, writes, *, expect=()):
        return await self._fate.write(lambda: self._inner.commit(writes, expect=expect))

    async def append(self, records):
        return await self._fate.write(lambda: self._inner.append(records))


def lives(desk, findings, fatal, *, after, power_loss=True, seed=1):
    """Two lives of one node, the first ended at its ``fatal``-th write; whether that was reached."""

    async def main(world):
        node = world.node("n")

        async def find(node):
            this = await desk.open(node.ports())
            await this.find(*findings)

        await node.start(find)
        fate = Fate(fatal, after=after)

        async def first(node):
            ports = node.ports()
            journal = Fateful(await ports.journals.open("ledger"), fate)
            this = await desk.open(ports, policy=LENIENT, store=Fateful(ports.store, fate), journal=journal)
            async with this.swarm:
                await this.swarm.settled()

        life = node.start(first)
        reached = asyncio.ensure_future(fate.reached.wait())
        await asyncio.wait((life, reached), return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        if fate.reached.is_set():
            await node.crash(power_loss=power_loss)

        async def second(node):
            this = await desk.open(node.ports(), policy=LENIENT)
            async with this.swarm:
                await this.swarm.settled()
            await check(this, findings)

        await node.start(second)
        return fate.reached.is_set()

    return SimWorld(seed).run(main)


async def check(desk, findings):
    """Independent of how it came about: what must be true of the store and the ledger now."""
    missions, assessments = await desk.missions(), await desk.assessments()
    proposals = await desk.responses.proposals(DEFAULT_TENANT)
    decisions = await desk.responses.decisions(DEFAULT_TENANT)
    assert [m.status for m in missions] == [MissionStatus.DONE] * len(findings)
    assert Counter(a.finding for a in assessments) == {f.id: 1 for f in findings}
    hosts = {f.entities[0].value for f in findings}
    approved = [d for d in decisions if d.outcome is Outcome.APPROVED]
    assert len(approved) == len(hosts)
    assert Counter(d.about for d in decisions) == {p.id: 1 for p in proposals}
    recorded = Counter(
        e.entry.subject + e.entry.action + e.entry.body["sha256"] for e in await desk.ledger.entries(-1, 1_000)
    )
    assert set(recorded.values()) == {1}
    assert sum(recorded.values()) == len(assessments) + len(proposals) + len(decisions)
    actions = await desk.ledger_actions()
    assert actions["assess"] == len(assessments)
    assert actions["propose isolate-host"] == len(proposals)
    assert actions["approved isolate-host"] == len(approved)
    assert (await desk.ledger.verify()).size == sum(recorded.values())
    for finding in findings:
        story = Counter(w.stage for w in await desk.story(finding.trace))
        assert story["mission"] == story["assessment"] == story["mission-done"] == 1
        assert story["step"] == 3
        assert story["proposal"] == story["decision"] <= 1


@pytest.mark.requirement("HWF-4")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_write_ends_in_one_assessment_proposal_decision_and_entry_each(desk, finding, after):
    fatal = 1
    while lives(desk, [finding(1, **GRAVE)], fatal, after=after):
        fatal += 1
    # Assigned, run begun, three steps, a decision, three ledger entries with their rows, done.
    assert fatal > 12


@pytest.mark.slow
@pytest.mark.requirement("HWF-4")
def test_crashes_with_several_cases_under_way_double_nothing_and_lose_nothing(desk, finding):
    findings = [
        finding(1, host="ws-1", **GRAVE),
        finding(2, host="ws-2", **MIDDLING),
        finding(3, host="ws-2", **GRAVE),
        finding(4, host="ws-3", **GRAVE),
    ]
    for seed in range(60):
        lives(desk, findings, 1 + seed % 48, after=seed % 2 == 0, power_loss=seed % 3 != 0, seed=seed)


@pytest.mark.parametrize("room_bytes", range(0, 14_000, 1_000))
def test_a_disk_that_fills_up_in_the_middle_is_waited_for(desk, finding, room_bytes):
    async def scenario(world):
        async def life(node):
            disk = world.disk(node.name)
            this = await desk.open(node.ports(), policy=LENIENT)
            findings = [finding(1, **GRAVE)]
            await this.find(*findings)
            disk.capacity_bytes = disk.used_bytes + room_bytes
            async with this.swarm:
                await world.clock.sleep(60.0)
                disk.capacity_bytes = 1 << 30
                await this.swarm.settled()
                [mission] = await this.missions()
                assert mission.attempts == 1
                await check(this, findings)

        await world.node("n").start(life)

    SimWorld(2).run(scenario)


def test_the_same_seed_gives_the_same_records(desk, finding):
    async def scenario(world):
        async def life(node):
            this = await desk.open(node.ports(), policy=LENIENT)
            async with this.swarm:
                await this.find(finding(1, **MIDDLING), finding(2, **GRAVE), finding(3, host="ws-2", **GRAVE))
                await this.swarm.settled()
                responses = this.responses
                return (
                    await this.missions(),
                    await this.assessments(),
                    await responses.proposals(DEFAULT_TENANT),
                    await responses.decisions(DEFAULT_TENANT),
                    [entry.leaf_hash for entry in await this.ledger.entries(-1, 100)],
                )

        return await world.node("n").start(life)

    once, again = SimWorld(9).run(scenario), SimWorld(9).run(scenario)
    assert once == again
    assert all(once)
