"""The demo without a server: the whole way of the intrusion on virtual time, as one value.

The node is the real one; its clock, disk and random source are simulated, so that one seed
gives one result, to the byte. Keys come from the operating system even here, so nothing that
depends on them (signatures, checkpoints) is in the result.
"""

from typing import Any

import msgspec

from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS, Table, Waypoint, decode, iso_from_ns
from phalanx.demo._company import address_book
from phalanx.demo._intrusion import Intrusion
from phalanx.demo._replay import ReplayReport, replay
from phalanx.node import Node, Settings, build_node
from phalanx.telemetry import WAYPOINTS, in_order
from phalanx.testing import SimWorld
from phalanx.workflows import STEP_RESULTS, StepResult


async def deliver(intrusion: Intrusion, node: Node, *, speed: float) -> str:
    """Replay the intrusion into a node and wait until it is dealt with; says what came of it."""
    await _feed(intrusion, node, speed=speed)
    await node.settled()
    findings = await node.findings.list(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
    decisions = await node.responses.decisions(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
    return (
        f"all {intrusion.n_events} events are in, {len(intrusion.truth)} of them the intrusion's: "
        f"{len(findings)} findings, {len(decisions)} decisions, {node.ledger.size} ledger entries"
    )


def run_headless(seed: int) -> dict[str, Any]:
    """The way of the intrusion of ``seed``, ready to be printed as JSON."""
    return SimWorld(seed).run(lambda world: _way(world, seed))


async def _way(world: SimWorld, seed: int) -> dict[str, Any]:
    intrusion = Intrusion(seed)
    async with build_node(Settings(), world.ports("demo"), host_names=address_book()) as node:
        fed = await _feed(intrusion, node, speed=1.0)
        await node.settled()
        return await _story(node, intrusion, fed)


async def _feed(intrusion: Intrusion, node: Node, *, speed: float) -> ReplayReport:
    async def accept(data: bytes, *, reader: str, idempotency_key: str) -> Any:
        return await node.intake.accept(data, tenant=DEFAULT_TENANT, reader=reader, idempotency_key=idempotency_key)

    return await replay(intrusion, accept, node.clock, speed=speed)


async def _story(node: Node, intrusion: Intrusion, fed: ReplayReport) -> dict[str, Any]:
    tenant = DEFAULT_TENANT
    findings = await node.findings.list(tenant, limit=MAX_PAGE_ROWS)
    assessments = await node.assessments.list(tenant, limit=MAX_PAGE_ROWS)
    proposals = await node.responses.proposals(tenant, limit=MAX_PAGE_ROWS)
    decisions = await node.responses.decisions(tenant, limit=MAX_PAGE_ROWS)
    steps = [decode(value, StepResult) for value in await _values(node, STEP_RESULTS)]
    way = in_order(decode(value, Waypoint) for value in await _values(node, WAYPOINTS))
    ledger = await node.ledger.entries(-1, MAX_PAGE_ROWS)
    return {
        "seed": intrusion.seed,
        "time": "virtual",
        "quantum": "simulated",
        "events": {"delivered": fed.events, "of_the_intrusion": len(intrusion.truth)},
        "totals": _totals(way),
        "findings": [_plain(finding) for finding in findings],
        "steps": [_plain(step) for step in steps],
        "assessments": [_plain(assessment) for assessment in assessments],
        "proposals": [_plain(proposal) for proposal in proposals],
        "decisions": [_plain(decision) for decision in decisions],
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


async def _values(node: Node, table: Table) -> list[bytes]:
    """All rows of a table, page by page."""
    values: list[bytes] = []
    after = ""
    while page := await node.store.scan(table, DEFAULT_TENANT, after=after, limit=MAX_PAGE_ROWS):
        values += [row.value for row in page]
        after = page[-1].key
    return values


def _totals(way: list[Waypoint]) -> dict[str, int]:
    """How many of each stage there were, in the order in which the stages first came."""
    totals: dict[str, int] = {}
    for waypoint in way:
        totals[waypoint.stage] = totals.get(waypoint.stage, 0) + 1
    return totals


def _plain(record: Any) -> Any:
    return msgspec.to_builtins(record)
