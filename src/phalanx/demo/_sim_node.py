"""Simulation ``node``: the whole way of an intrusion, in a node whose power keeps failing.

A sender delivers the intrusion chunk by chunk, sends again what was not acknowledged, and
starts from the beginning after every crash, as a collector without memory would. What must
hold in the end, whatever happened in between:

- every line was taken in once, and every match and every rejected line counted once;
- what was acknowledged before a crash is a duplicate after it;
- every serious finding has one mission for each skill that takes it, done; every triage one assessment
  and each of its steps once; every proposal one decision or more, none without a proposal; every
  approved one a rehearsal;
- the ledger verifies, and holds every assessment, proposal, decision, hunt and rehearsal once;
- what a crash interrupted, the restart did not change: records once seen stay as they were.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from phalanx.agents import MISSIONS, REPORTS, Mission, MissionStatus
from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    BatchId,
    Outcome,
    Rng,
    Severity,
    Store,
    Table,
    decode,
)
from phalanx.demo._company import address_book
from phalanx.demo._intrusion import DEFAULT_START_NS, Intrusion
from phalanx.incidents import CORRELATIONS, DECISIONS, PROPOSALS, REHEARSALS
from phalanx.intel import BATCHES, HUNTS, QUARANTINE, load_rules, read_chunk
from phalanx.node import Node, Settings, build_node
from phalanx.testing import Checker, DiskFaults, Faults, SimNode, SimReport, Simulation, SimWorld, judged_in
from phalanx.workflows import ASSESSMENTS, STEP_RESULTS

NAME = "node"
_LIVES = 3
_LIFE_MEAN_S = 6.0
_SPEED = 10.0
_SEEDS_OF_INTRUSIONS = 8
_STEPS_PER_RUN = 3
_DURABLE = (MISSIONS, ASSESSMENTS, STEP_RESULTS, PROPOSALS, DECISIONS, HUNTS, CORRELATIONS, REHEARSALS, REPORTS)


@dataclass(frozen=True, slots=True)
class _Expected:
    """What reading and matching alone say of an intrusion, without a node."""

    events: int
    hits: int
    rejected: int


@lru_cache(maxsize=_SEEDS_OF_INTRUSIONS)
def _intrusion(seed: int) -> tuple[Intrusion, _Expected]:
    intrusion, rules = Intrusion(seed, length_s=60.0, events_per_s=2.0, chunk_s=3.0), load_rules()
    hits = rejected = 0
    for chunk in intrusion.chunks():
        out = read_chunk(
            chunk.data, reader=chunk.reader_hint, tenant=DEFAULT_TENANT, batch=BatchId("0" * 36), accepted_at_ns=0
        )
        hits += sum(len(rules.evaluate(batch)) for batch in out.batches)
        rejected += len(out.rejected)
    return intrusion, _Expected(intrusion.n_events, hits, rejected)


@dataclass(slots=True)
class _Run:
    seed: int
    checker: Checker
    acknowledged: dict[str, int] = field(default_factory=dict)
    seen: dict[tuple[str, str], bytes] = field(default_factory=dict)

    async def main(self, world: SimWorld) -> None:
        machine, rng = world.node("machine"), world.rng.child("plan")
        for _ in range(_LIVES):
            machine.start(self._life)
            await world.clock.sleep(rng.exponential(_LIFE_MEAN_S))
            await machine.crash(power_loss=rng.chance(0.7))
            self.checker.count("crashes")
        await machine.start(self._last_life)

    async def _life(self, machine: SimNode) -> None:
        async with build_node(Settings(), machine.ports(), host_names=address_book()) as node:
            await self._check_unchanged(node.store)
            await self._deliver(node)
            await node.settled()
            await self._check_unchanged(node.store)
            await asyncio.Event().wait()

    async def _last_life(self, machine: SimNode) -> None:
        async with build_node(Settings(), machine.ports(), host_names=address_book()) as node:
            await self._check_unchanged(node.store)
            await self._deliver(node)
            await node.settled()
            await self._check_end(node)

    async def _deliver(self, node: Node) -> None:
        intrusion, _ = _intrusion(self.seed % _SEEDS_OF_INTRUSIONS)
        delivered_s = 0.0
        for chunk in intrusion.chunks():
            await node.clock.sleep((chunk.at_offset_s - delivered_s) / _SPEED)
            delivered_s, key = chunk.at_offset_s, f"chunk-{chunk.number}"
            accepted = await node.intake.accept(
                chunk.data, tenant=DEFAULT_TENANT, reader=chunk.reader_hint, idempotency_key=key
            )
            known = key in self.acknowledged
            self.checker.require(accepted.duplicate or not known, "an acknowledged chunk was forgotten", key)
            self.acknowledged[key] = accepted.events

    async def _check_unchanged(self, store: Store) -> None:
        """Finished records are for good; a mission may still move until it is done."""
        now: dict[tuple[str, str], bytes] = {}
        for table in _DURABLE:
            now |= {(table.name, key): value for key, value in (await _rows(store, table)).items()}
        for name, value in self.seen.items():
            self.checker.require(now.get(name) == value, "a record was lost or changed", name)
        self.seen = {
            name: value
            for name, value in now.items()
            if name[0] != MISSIONS.name or decode(value, Mission).status is MissionStatus.DONE
        }

    async def _check_end(self, node: Node) -> None:
        require, store = self.checker.require, node.store
        _, expected = _intrusion(self.seed % _SEEDS_OF_INTRUSIONS)
        batches = [value for value in (await _rows(store, BATCHES)).values() if _field(value, "reader") != "own"]
        taken = sum(_field(value, "events") for value in batches)
        require(taken == expected.events, "lines were lost or doubled", taken, expected.events)
        rejected = sum(_field(value, "rejected") for value in (await _rows(store, QUARANTINE)).values())
        require(rejected == expected.rejected, "rejected lines were lost or doubled", rejected, expected.rejected)
        findings = {f.id: f for f in await node.findings.list(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)}
        hits = sum(finding.hits for finding in findings.values())
        require(hits == expected.hits, "matches were lost or doubled", hits, expected.hits)

        missions = [decode(value, Mission) for value in (await _rows(store, MISSIONS)).values()]
        for kind, least in (("finding", Severity.MEDIUM), ("serious-finding", Severity.HIGH)):
            serious = sorted(f.id for f in findings.values() if f.severity >= least)
            for skill in [one.name for one in node.swarm.skills() if kind in one.inputs]:
                given = sorted(m.subject for m in missions if m.skill == skill)
                require(given == serious, "not one mission for each serious finding", skill)
        require(all(m.status is MissionStatus.DONE for m in missions), "a mission was not done")
        await self._check_consequences(node, missions)
        self.checker.count("missions done")

    async def _check_consequences(self, node: Node, missions: list[Mission]) -> None:
        require, store = self.checker.require, node.store
        assessments = await node.assessments.list(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
        require(
            sorted(a.finding for a in assessments) == sorted(m.subject for m in missions if m.skill == "triage"),
            "not one assessment for each mission",
        )
        steps = Counter(_field(value, "run") for value in (await _rows(store, STEP_RESULTS)).values())
        require(steps == {a.run: _STEPS_PER_RUN for a in assessments}, "a step was lost or doubled", dict(steps))
        proposals = await _rows(store, PROPOSALS)
        decisions = await node.responses.decisions(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
        require({d.about for d in decisions} == set(proposals), "a proposal without decision, or one too many")

        approved = sum(d.outcome is Outcome.APPROVED for d in decisions)
        rehearsals, hunts = await _rows(store, REHEARSALS), await _rows(store, HUNTS)
        require(len(rehearsals) == approved, "not one rehearsal for each approved action", len(rehearsals), approved)
        correlations = await _rows(store, CORRELATIONS)

        report = await node.ledger.verify()
        entries = [found.entry for found in await node.ledger.entries(-1, MAX_PAGE_ROWS)]
        # Probes and reviews come by the clock, and follow from nothing.
        told = [entry.action for entry in entries if entry.actor not in ("canary", "admin", "specialist")]
        consequences = len(assessments) + len(proposals) + len(decisions)
        consequences += len(rehearsals) + len(hunts) + len(correlations)
        require(len(entries) == report.size, "the ledger does not show all that it has", len(entries), report.size)
        # Findings are put together by the clock too.
        recorded = sum(not action.startswith(("identity.", "incident.", "report.")) for action in told)
        reported = sorted(entry.body["report"] for entry in entries if entry.action.startswith("report."))
        require(reported == sorted(await _rows(store, REPORTS)), "not one entry for each report", len(reported))
        require(recorded == consequences, "the ledger lacks or repeats something", recorded, consequences)


async def _rows(store: Store, table: Table) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    while page := await store.scan(table, DEFAULT_TENANT, after=max(found, default=""), limit=MAX_PAGE_ROWS):
        found |= {row.key: row.value for row in page}
    return found


def _field(value: bytes, name: str) -> Any:

    return msgspec.msgpack.decode(value)[name]


def node_simulation(*, sabotage: Callable[[DiskFaults], DiskFaults] | None = None) -> Simulation:
    """The simulation; ``sabotage`` changes the disk into one that the checkers must complain of."""

    def run(seed: int) -> SimReport:
        rng = Rng(seed).child("faults")
        faults = DiskFaults(
            tail_lost=rng.random(), tail_torn=rng.random(), tail_garbage=rng.random(), tail_kept=rng.random()
        )
        # The world begins with the stream: on old evidence nothing would be approved.
        disk = sabotage(faults) if sabotage else faults
        world = SimWorld(seed, faults=Faults(disk=disk), start_wall_ns=DEFAULT_START_NS)
        checker = Checker()
        return judged_in(world, _Run(seed, checker).main, checker, simulation=NAME)

    return Simulation(NAME, "an intrusion on its way through a node whose power keeps failing", run)
