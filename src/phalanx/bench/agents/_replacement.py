"""Agents of one node that fall at work: how soon the successor is at it, and what became of every mission."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from phalanx.agents import MISSIONS, Mission, MissionStatus, Skill, new_mission
from phalanx.bench._model import BenchOptions
from phalanx.bench._timing import flushed_ms, quantile
from phalanx.bench.agents._work import Meter, StandIn, agent_seconds, findings, write_findings
from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS, Finding, Store, Waypoint, decode
from phalanx.telemetry import WAYPOINTS

# Of the missions per second that this machine was just measured to reach, so that on a slow one it is no flood.
LOAD_SHARE = 0.3
KILLED_PART = 0.3
# Few enough that no role is degraded by it: there a successor rests, and not its replacement would be measured.
FAILING_PART = 0.05
_FLUSH_EVERY_S = 0.2


async def replacement_figures(
    options: BenchOptions, node: Any, meter: Meter, kills: int, skills: Sequence[StandIn], reached_per_s: float
) -> dict[str, Any]:
    """Kill agents at work, and have some fail, under a steady load of stand-ins."""
    rng = options.rng.child("kills")
    found = findings(options.rng.child("steady"), int(kills / KILLED_PART / len(skills)) + 1, "steady")
    missions = [new_mission(one, at_ns=0, skill=skill.manifest.name) for one in found for skill in skills]
    drawn = {one.id: rng.random() for one in missions}
    meter.killing = {one for one, draw in drawn.items() if draw < KILLED_PART}
    meter.failing = {one for one, draw in drawn.items() if KILLED_PART <= draw < KILLED_PART + FAILING_PART}
    meter.ended_ns.clear()
    meter.performed.clear()
    busy_before = agent_seconds(node)
    meter.kill = node.swarm.kill
    flushes_ms: list[float] = []
    with (Path(node.settings.node.data_dir) / "flushed").open("wb") as file:
        flushing = asyncio.create_task(_flush(file, flushes_ms))
        fed_per_s = await _feed(node, found, skills, reached_per_s * LOAD_SHARE)
        await node.swarm.settled()
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
    after = agent_seconds(node)
    killed_ms = _took_ms(meter, meter.killed_ns)
    failed_ms = _took_ms(meter, meter.failed_ns)
    outcome = await _outcome(node.store, missions)
    useful = sum(after["useful"].values()) - sum(busy_before["useful"].values())
    busy = sum(after["busy"].values()) - sum(busy_before["busy"].values())
    swarm_ms = node.telemetry.metrics.snapshot()["phalanx_agent_replacement_seconds"]["samples"][0]
    return {
        "load_missions_per_s": fed_per_s,
        "kills": len(meter.killed_ns),
        "kills_measured": len(killed_ms),
        "from_detection_ms_p50": quantile(killed_ms, 0.5),
        "from_detection_ms_p99": quantile(killed_ms, 0.99),
        "failures": len(meter.failed_ns),
        "failures_measured": len(failed_ms),
        "from_failure_ms_p50": quantile(failed_ms, 0.5),
        "from_failure_ms_p99": quantile(failed_ms, 0.99),
        "successor_has_its_missions_ms": {
            "p50": swarm_ms["quantiles"]["0.5"] * 1e3, "p99": swarm_ms["quantiles"]["0.99"] * 1e3
        },
        "flush_of_4_kib_meanwhile_ms": {"p50": quantile(flushes_ms, 0.5), "p99": quantile(flushes_ms, 0.99)},
        "operational_efficiency_while_killed": useful / busy,
        "begun_again": sum(times > 1 for times in meter.performed.values()),
        **outcome,
    }  # fmt: skip


async def _flush(file: BinaryIO, times_ms: list[float]) -> None:
    """What the same disk takes meanwhile to have four kilobytes on it, as each of a mission's commits must."""
    while True:
        await asyncio.sleep(_FLUSH_EVERY_S)
        times_ms.append(await asyncio.to_thread(flushed_ms, file))


def _took_ms(meter: Meter, fell: dict[str, tuple[str, int]]) -> list[float]:
    """From each fall until the successor had done the mission; those that another fall came between are left out."""
    return [
        (meter.ended_ns[mission][1] - at_ns) / 1e6
        for mission, (successor, at_ns) in fell.items()
        if mission in meter.ended_ns and meter.ended_ns[mission][0] == successor
    ]


async def _feed(node: Any, found: list[Finding], skills: Sequence[Skill], per_s: float) -> float:
    """One finding after another, each for all skills; returns how many missions a second that came to."""
    began_s = time.perf_counter()
    for fed, one in enumerate(found, 1):
        await write_findings(node.store, [one], skills)
        node.swarm.wake()
        due_s = began_s + fed * len(skills) / per_s
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
    return len(found) * len(skills) / (time.perf_counter() - began_s)


async def _outcome(store: Store, missions: list[Mission]) -> dict[str, int]:
    """What became of the missions, by the store alone: each must be done, and be told as done once."""
    wanted = {one.id for one in missions}
    standing: Counter[str] = Counter()
    for mission in wanted:
        row = await store.get(MISSIONS, DEFAULT_TENANT, mission)
        standing["lost" if row is None else decode(row.value, Mission).status.value] += 1
    told: Counter[str] = Counter()
    after = ""
    while page := await store.scan(WAYPOINTS, DEFAULT_TENANT, after=after, limit=MAX_PAGE_ROWS):
        for row in page:
            point = decode(row.value, Waypoint)
            if point.stage == "mission-done" and point.subject in wanted:
                told[point.subject] += 1
        after = page[-1].key
    return {
        "missions": len(wanted),
        "done": standing[MissionStatus.DONE.value],
        "lost": len(wanted) - standing[MissionStatus.DONE.value],
        "doubled": sum(times > 1 for times in told.values()),
    }
