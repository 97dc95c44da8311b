"""The demo without a server: the whole way of the intrusion on virtual time, as one value.

The node is the real one; its clock, disk and random source are simulated, so that one seed
gives one result, to the byte. Keys come from the operating system even here, so nothing that
depends on them (signatures, checkpoints, agents' identities) is in the result.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from phalanx.agents import MISSIONS, Mission
from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    Assessment,
    BatchId,
    Decision,
    Finding,
    Record,
    Table,
    Waypoint,
    decode,
    event_id,
    iso_from_ns,
    split_event_id,
)
from phalanx.deception import CAPTURES, Capture
from phalanx.demo._attack import Deed
from phalanx.demo._cast import VICTIM
from phalanx.demo._company import address_book
from phalanx.demo._intrusion import DEFAULT_START_NS, Intrusion
from phalanx.demo._lure import Intruder, began, leave_bait, lures, take_the_bait
from phalanx.demo._replay import ReplayReport, happening_now, replay
from phalanx.demo._scoring import Grouped, Tally, tally, whose
from phalanx.incidents import (
    CORRELATIONS,
    DECISIONS,
    INCIDENTS,
    PROPOSALS,
    REHEARSALS,
    SCORES,
    ActionProposal,
    Correlation,
    Incident,
    IncidentScore,
    Rehearsal,
)
from phalanx.intel import FINDINGS, HUNTS, Hunt
from phalanx.ledger import LedgerEntry
from phalanx.node import Node, Settings, build_node, roles
from phalanx.telemetry import WAYPOINTS, in_order
from phalanx.testing import SimWorld
from phalanx.workflows import ASSESSMENTS, STEP_RESULTS, StepResult

R = TypeVar("R", bound=Record)

_RECORDS: tuple[tuple[str, Table, type[Record]], ...] = (
    ("findings", FINDINGS, Finding),
    ("missions", MISSIONS, Mission),
    ("steps", STEP_RESULTS, StepResult),
    ("assessments", ASSESSMENTS, Assessment),
    ("proposals", PROPOSALS, ActionProposal),
    ("decisions", DECISIONS, Decision),
    ("hunts", HUNTS, Hunt),
    ("correlations", CORRELATIONS, Correlation),
    ("incidents", INCIDENTS, Incident),
    ("scores", SCORES, IncidentScore),
    ("rehearsals", REHEARSALS, Rehearsal),
    ("captures", CAPTURES, Capture),
)
_FOLDER = "demo"
_AFTERWARDS_S = 90.0


async def deliver(
    intrusion: Intrusion, node: Node, *, speed: float, intruder: Intruder | None = None, folder: str = ""
) -> str:
    """Replay the intrusion into a node and wait until it is dealt with; says what came of it.

    What is replayed is dated so that it ends now: a node takes it for what it is shown as, and not for old logs. With
    an ``intruder``, it takes the bait in ``folder`` meanwhile, and what was begun there keeps its dates.
    """
    intrusion = happening_now(intrusion, node.clock.wall_ns(), speed=speed)
    if intruder is not None:
        intrusion = replace(intrusion, start_ns=await began(intruder, folder, intrusion))
    async with asyncio.TaskGroup() as both:
        fed = both.create_task(feed(intrusion, node, speed=speed))
        if intruder is not None:
            both.create_task(take_the_bait(node, intruder, folder))
    await node.settled()
    scores = await judged(node, intrusion, fed.result()[1])
    findings = await node.findings.list(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
    decisions = await node.responses.decisions(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
    return (
        f"all {intrusion.n_events} events are in, {len(intrusion.truth)} of them the intrusion's: "
        f"{len(findings)} findings, {len(decisions)} decisions, {node.ledger.size} ledger entries"
        + "".join(f"; {_in_words(score, len(intrusion.truth))}" for score in scores)
    )


def _in_words(score: IncidentScore, n_truth: int) -> str:
    """An incident has more than rules matched, so its recall is told apart from that of rules."""
    rates = score.rates
    return (
        f"its incident has {rates['recall of findings']:.0%} of the intrusion's findings and "
        f"{rates['recall of events']:.0%} of its {n_truth} events, matched by rules or added by hunts, and of what it "
        f"has {rates['precision of events']:.0%} is the intrusion's"
    )


def run_headless(seed: int) -> dict[str, Any]:
    """The way of the intrusion of ``seed``, ready to be printed as JSON."""
    return SimWorld(seed, start_wall_ns=DEFAULT_START_NS).run(lambda world: _way(world, seed))


async def _way(world: SimWorld, seed: int) -> dict[str, Any]:
    intrusion, intruder = Intrusion(seed), _SimIntruder(world)
    await leave_bait(intruder, _FOLDER)
    settings = Settings.model_validate(lures(_FOLDER))
    async with build_node(settings, world.ports("demo"), host_names=address_book()) as node:
        taking = asyncio.create_task(take_the_bait(node, intruder, _FOLDER))
        fed, batches = await feed(intrusion, node, speed=1.0)
        await taking
        # Until it is noticed that nothing comes any more, and what agents did is put on record.
        await node.clock.sleep(_AFTERWARDS_S)
        await node.settled()
        await judged(node, intrusion, batches)
        return await _story(node, intrusion, fed)


class _SimIntruder:
    """At the victim's machine, in the simulation."""

    def __init__(self, world: SimWorld) -> None:
        self._machine = world.node("demo")
        self._port = 49_152

    async def knock(self, port: int, data: bytes) -> None:
        self._port += 1
        visitor = self._machine.listeners.connect(port, peer=(VICTIM.ip, self._port))
        visitor.send(data)
        await visitor.ended.wait()

    async def read(self, path: str) -> bytes:
        return self._machine.files.look_into(path)

    async def write(self, path: str, data: bytes) -> None:
        self._machine.files.put(path, data)


async def feed(intrusion: Intrusion, node: Node, *, speed: float) -> tuple[ReplayReport, list[BatchId]]:
    """Deliver the stream; also returns the batch of each of its chunks."""
    batches: list[BatchId] = []

    async def accept(data: bytes, *, reader: str, idempotency_key: str) -> Any:
        taken = await node.intake.accept(data, tenant=DEFAULT_TENANT, reader=reader, idempotency_key=idempotency_key)
        batches.append(taken.batch)
        return taken

    report = await replay(intrusion, accept, node.clock, speed=speed)
    return report, batches


async def judged(node: Node, intrusion: Intrusion, batches: Sequence[BatchId]) -> list[IncidentScore]:
    """Put findings together, hold the incidents against the truth, and leave a score for each that is of a deed."""
    truth, streamed, groups = await put_together(node, intrusion, batches)
    scores = []
    for incident, group in groups.items():
        of = {whose(streamed[one], truth) for one in group.findings if one in streamed} - {None}
        seen = {ident: one for ident, one in streamed.items() if whose(one, truth) in of or ident in group.findings}
        deeds = {event: deed for event, deed in truth.items() if deed.intrusion in of}
        if of:
            found = await node.incidents.get(DEFAULT_TENANT, incident)
            rates = _rates(tally(deeds, seen, [group]))
            scores.append(await node.incidents.score(found, rates, by="the demo's ground truth"))
    return scores


async def put_together(
    node: Node, intrusion: Intrusion, batches: Sequence[BatchId]
) -> tuple[dict[str, Deed], dict[str, Finding], dict[str, Grouped]]:
    """The truth by event, the findings of the stream, and the incidents of a node as groups."""
    await node.incidents.regroup(DEFAULT_TENANT)
    truth: dict[str, Deed] = {event_id(batches[line.chunk], line.row): deed for line, deed in intrusion.truth.items()}
    own = set(batches)
    streamed = {
        one.id: one
        for one in await _all(node, FINDINGS, Finding)
        if any(split_event_id(event)[0] in own for event in one.evidence)
    }
    groups = {
        one.id: Grouped(one.findings, tuple(added.event for added in one.expanded))
        for one in await node.incidents.newest(DEFAULT_TENANT)
        if one.members
    }
    return truth, streamed, groups


def _rates(counted: Tally) -> dict[str, float]:
    return {
        "precision of findings": counted.in_case / counted.case_findings,
        "recall of findings": counted.in_case / counted.true_findings,
        "precision of events": counted.events_in_case / counted.case_events,
        "recall of events": counted.events_in_case / counted.true_events,
    }


async def _story(node: Node, intrusion: Intrusion, fed: ReplayReport) -> dict[str, Any]:
    way = in_order(await _all(node, WAYPOINTS, Waypoint))
    ledger: list[LedgerEntry] = []
    while len(ledger) < node.ledger.size:
        ledger += await node.ledger.entries(len(ledger) - 1, MAX_PAGE_ROWS)
    # Keys come from the operating system: what the ledger says of identities is another in every run.
    ledger = [found for found in ledger if not found.entry.action.startswith("identity.")]
    return {
        "seed": intrusion.seed,
        "time": "virtual",
        "quantum": "simulated",
        "events": {"delivered": fed.events, "of_the_intrusion": len(intrusion.truth)},
        "totals": _totals(way),
        "roles": _plain(await roles(node, DEFAULT_TENANT)),
        **{name: [_plain(record) for record in await _all(node, table, kind)] for name, table, kind in _RECORDS},
        "ledger": [_plain(entry) for entry in ledger],
        "way": [
            {
                "at": iso_from_ns(waypoint.at_ns),
                "trace": waypoint.trace,
                "room": waypoint.room,
                "stage": waypoint.stage,
                "subject": waypoint.subject,
                "summary": waypoint.summary,
                "detail": waypoint.detail,
            }
            for waypoint in way
        ],
    }


async def _all(node: Node, table: Table, kind: type[R]) -> list[R]:
    """All records of a table, page by page."""
    records: list[R] = []
    after = ""
    while page := await node.store.scan(table, DEFAULT_TENANT, after=after, limit=MAX_PAGE_ROWS):
        records += [decode(row.value, kind) for row in page]
        after = page[-1].key
    return records


def _totals(way: list[Waypoint]) -> dict[str, int]:
    """How many of each stage there were, in the order in which the stages first came."""
    totals: dict[str, int] = {}
    for waypoint in way:
        totals[waypoint.stage] = totals.get(waypoint.stage, 0) + 1
    return totals


def _plain(record: Any) -> Any:
    plain = msgspec.to_builtins(record)
    if isinstance(record, Mission):
        del plain["identity"]
    return plain
