"""A thousand agents in one node: alive, at work on findings in all eight roles, and replaced when they fall.

One node in this process, on SQLite, with identities, heartbeats and a sealed store, as ``phalanx up`` would run it:

- at work: after some minutes of the demo's events, so that there is something to hunt in, findings are written with one
  mission for each skill that takes them, as detection writes them: serious ones, some of touched decoys and of keys
  that were taken stock of, and probes' findings for the canaries; what is approved because of them becomes missions of
  guardians. The clock stops when the last mission is done. What duties did besides is listed. Busy is the
  time that agents have a mission in hand, useful the part in which the skill ran to its end; the rest is waiting for
  its outcome to be durable, or lost to a failure;
- replacement: at a steady load of stand-ins, a share of the missions per second just reached, agents with a mission in
  hand are killed, one after another, and others fail by an error of their own. Measured is until the successor has done
  the first mission that was handed to it: from the kill (which is noticed at once), and from the failure. Then every
  mission is looked up in the store. How long the same disk takes to flush is measured meanwhile.

The baseline is the same skills in plain tasks: one finding after another per skill, no agents and no missions.
"""

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from phalanx.adapters.tls import self_signed_files
from phalanx.agents import (
    Role,
    Skill,
    Toolbox,
    new_mission,
)
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import settled_in
from phalanx.bench.agents._assignment import assignment_figures
from phalanx.bench.agents._replacement import FAILING_PART, KILLED_PART, LOAD_SHARE, replacement_figures
from phalanx.bench.agents._succession import succession_figures
from phalanx.bench.agents._work import (
    Meter,
    StandIn,
    agent_seconds,
    findings,
    on_findings,
    on_kind,
    skills_for_all,
    write_findings,
)
from phalanx.core import (
    DEFAULT_TENANT,
    PROBE_TENANT,
    AuditSink,
    Clock,
    EventId,
    Finding,
    FindingReader,
    Offload,
    Rng,
    Store,
    Trail,
    event_id,
)
from phalanx.deception import TOUCH, TOUCH_RULES
from phalanx.demo import Intrusion
from phalanx.intel import StoredTrail, finding_put
from phalanx.posture import STOCK_RULES, VULNERABLE_CRYPTO

_PER_ROLE = 125
_EVENTS_S = 120.0
_TOUCHES = 20
# Of so many findings one is of a touch, and one of keys.
_RARE = 4
_PORT = re.compile(r"\d+")
_IDLE_S = 6.0


async def agents_bench(options: BenchOptions) -> BenchResult:
    """All of it; with the suite ``assignment``, how missions are assigned; with ``succession``, between nodes."""
    if options.suite == "assignment":
        return assignment_figures(options)
    if options.suite == "succession":
        return await succession_figures(options)
    n_findings = 150 if options.quick else 600
    kills = 100 if options.quick else 1_000
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        before_mib = rss_mib()
        async with contextlib.AsyncExitStack() as stack, _node(Path(folder), meter) as (node, able, stand_ins):
            skills = on_findings(able)
            few_mib, few = rss_mib(), len(node.swarm.roster())
            began = time.perf_counter()
            await node.swarm.complete()
            stack.enter_context(settled_in())
            seated_s = time.perf_counter() - began
            await asyncio.sleep(_IDLE_S)
            n_agents, memory_mib = len(node.swarm.roster()), rss_mib()
            figures: dict[str, Any] = {
                "agents": n_agents,
                "agents_heard": sum(one.responsive for one in node.swarm.last_heard().values()),
                "seated_in_background_s": seated_s,
                "memory_per_agent_kib": (memory_mib - few_mib) * 1024 / max(1, n_agents - few),
                "node_rss_mib": memory_mib,
                "idle_cpu_share": await _idle_share(),
            }
            events = await _events(node, options.seed)
            await _touch_decoys(node)
            load = _load(options.rng, n_findings, events, able)
            figures["work"] = await _at_work(node, meter, load)
            figures["duties"] = {
                one.duty: {"role": one.role.value, "state": one.state.value, "done": one.done, "note": one.note}
                for one in node.swarm.duties()
            }
            figures["replacement"] = await replacement_figures(
                options, node, meter, kills, stand_ins, figures["work"]["missions_per_s"]
            )
            baselines = {
                "plain_tasks": await _plain(
                    node, skills, findings(options.rng.child("plain"), n_findings // 4, "plain", events=events)
                )
            }
    figures["node_rss_before_mib"] = before_mib
    return BenchResult(
        load={
            "agents": n_agents, "per_role": _PER_ROLE, "findings": n_findings, "missions_per_finding": len(skills),
            "findings_of_touches": n_findings // _RARE, "findings_of_keys": n_findings // _RARE,
            "skills": [skill.manifest.name for skill in able],
            "kills": kills, "kill_load_share_of_missions_per_s": LOAD_SHARE,
            "killed_part": KILLED_PART, "failing_part": FAILING_PART,
        },
        figures=figures,
        baselines=baselines,
        ratios={
            "missions_per_s_over_plain_tasks": figures["work"]["missions_per_s"]
            / baselines["plain_tasks"]["missions_per_s"],
            "seed_replacement_67_3_ms_over_p99_from_failure": 67.3
            / figures["replacement"]["from_failure_ms_p99"],
        },
    )  # fmt: skip


@contextlib.asynccontextmanager
async def _node(folder: Path, meter: Meter) -> AsyncIterator[tuple[Any, list[Skill], list[StandIn]]]:
    """A node with so many agents of every role, and the skills that handle findings in it."""
    from phalanx.node import Settings, build_node, load_work, open_ports
    from phalanx.telemetry import Alerts, Telemetry

    stock = folder / "stock"
    stock.mkdir()
    settings = Settings.model_validate(
        {
            "node": {"data_dir": folder}, "agents": {"per_role": _PER_ROLE}, "log": {"level": "error"},
            # So that what looks compromised is approved however much of it there is, and guardians have work.
            "response": {"max_hosts": 1_000}, "deception": {"tcp": [0]}, "posture": {"paths": [str(stock)]},
        }
    )  # fmt: skip
    self_signed_files(stock, ("bench.example",))
    async with open_ports(settings) as ports:
        installed, _ = load_work(Alerts(Telemetry(ports.clock)))
        able, stand_ins = skills_for_all(installed, meter)
        # Given besides, a measured skill takes the name of its own, and the plug-in is left out.
        async with build_node(settings, ports, besides=[*able, *stand_ins]) as node:
            yield node, able, stand_ins


async def _events(node: Any, seed: int) -> list[EventId]:
    """What hunters look through; what follows from it is done before anything is measured."""
    events: list[EventId] = []
    stream = Intrusion(seed, start_ns=node.clock.wall_ns(), length_s=_EVENTS_S, events_per_s=5.0)
    for chunk in stream.chunks():
        accepted = await node.intake.accept(chunk.data, tenant=DEFAULT_TENANT, reader=chunk.reader_hint)
        events += [event_id(accepted.batch, row) for row in range(len(chunk.lines))]
    await node.settled()
    return events


async def _touch_decoys(node: Any) -> None:
    """As an intruder would: connect, say something, and go."""
    [post] = [one for one in node.swarm.duties() if one.duty == "decoys"]
    port = int(_PORT.findall(post.note)[-1])
    for _ in range(_TOUCHES):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.close()
    await asyncio.sleep(1.0)
    await node.settled()


def _load(rng: Rng, n: int, events: list[EventId], able: list[Skill]) -> list[tuple[list[Finding], list[Skill]]]:
    """Findings, and the skills that each becomes a mission for."""
    peer = "127.0.0.1"
    touches = findings(rng.child("touches"), n // _RARE, "touch", events=events, rule=TOUCH_RULES[0], address=peer)
    keys = findings(rng.child("keys"), n // _RARE, "keys", events=events, rule=STOCK_RULES[0])
    return [
        (findings(rng, n, "work", events=events), on_findings(able)),
        (touches, on_kind(able, TOUCH)),
        (keys, on_kind(able, VULNERABLE_CRYPTO)),
        (findings(rng.child("probes"), n, "probe", tenant=PROBE_TENANT), on_kind(able, "probe")),
    ]


async def _at_work(node: Any, meter: Meter, load: list[tuple[list[Finding], list[Skill]]]) -> dict[str, Any]:
    meter.reset()
    before, cpu_before, began = agent_seconds(node), time.process_time(), time.perf_counter()
    for found, skills in load:
        await write_findings(node.store, found, skills)
    node.swarm.wake()
    await node.swarm.settled()
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_before
    after = agent_seconds(node)
    busy = {role: after["busy"][role] - before["busy"].get(role, 0.0) for role in after["busy"]}
    useful = {role: after["useful"][role] - before["useful"].get(role, 0.0) for role in after["useful"]}
    views = node.swarm.roster()
    n_missions = sum(meter.calls.values())
    return {
        "missions": n_missions,
        "missions_per_s": n_missions / took_s,
        "cpu_ms_per_mission": cpu_s * 1e3 / n_missions,
        "agents_that_did_something": sum(view.done > 0 for view in views),
        "roles_that_did_something": len({view.role for view in views if view.done}),
        "operational_efficiency": sum(useful.values()) / sum(busy.values()),
        "by_skill": dict(sorted(meter.by_skill.items())),
        "by_role": {
            role.value: {
                "missions": meter.calls[role],
                "skill_cpu_ms": meter.cpu_s[role] * 1e3 / max(1, meter.calls[role]),
                "busy_s": busy.get(role.value, 0.0),
                "efficiency": useful.get(role.value, 0.0) / busy[role.value] if busy.get(role.value) else 0.0,
            }
            for role in Role
        },
    }


async def _plain(node: Any, skills: Sequence[Skill], found: list[Finding]) -> dict[str, float]:
    """The same work without agents and missions: plain tasks, one per skill, one finding after another."""
    tools = Toolbox()
    for tool in (
        node.engine, node.findings, node.responses, node.sentinel, node.events, node.hunts, node.swarm,
    ):  # fmt: skip
        tools.provide(type(tool), tool)
    by_port: dict[type, object] = {
        Store: node.store, AuditSink: node.ledger, Offload: node.offload, Clock: node.clock,
        FindingReader: node.findings, Trail: StoredTrail(node.events, node.offload),
    }  # fmt: skip
    for kind, port in by_port.items():
        tools.provide(kind, port)
    await node.store.commit([finding_put(one) for one in found])
    began = time.perf_counter()

    async def one_after_another(skill: Skill) -> None:
        limited = tools.limited(skill.manifest)
        for one in found:
            await skill.perform(new_mission(one, at_ns=0, skill=skill.manifest.name), limited)

    await asyncio.gather(*map(one_after_another, skills))
    return {"missions_per_s": len(found) * len(skills) / (time.perf_counter() - began)}


async def _idle_share() -> float:
    """The part of one core that a thousand agents take while they have nothing to do."""
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.sleep(_IDLE_S)
    return (time.process_time() - cpu) / (time.perf_counter() - began)


def rss_mib() -> float:
    """Resident memory of this process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0
