"""Every built-in duty passes the suite that a third party's would."""

import pytest

from phalanx.agents import Missions, Swarm, Toolbox, overview_duty
from phalanx.core import (
    AlertSink,
    AuditSink,
    Clock,
    EntropySource,
    EventId,
    EventSink,
    FileWatch,
    IdSource,
    Listeners,
    Offload,
    Store,
)
from phalanx.deception import Decoys, canary_file_duty, decoy_duty
from phalanx.intel import quiet_sources_duty
from phalanx.node import Probes, probe_duty, tripwire_duty
from phalanx.node.canaries._watching import Watching
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import MemoryAudit, SimWorld
from phalanx.testing.contracts import DUTY_CHECKS


class Events:
    async def submit(self, kind, fields, *, tenant, at_ns, key):
        return EventId("00000000-0000-7000-8000-000000000000")


@pytest.mark.requirement("AGT-7")
@pytest.mark.parametrize("check", DUTY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "duty",
    [canary_file_duty, decoy_duty, overview_duty, probe_duty, quiet_sources_duty, tripwire_duty],
    ids=lambda duty: duty.manifest.name,
)
def test_a_builtin_duty_is_a_duty(check, duty):
    world = SimWorld(3)

    async def tools_over(store):
        machine, tools, telemetry = world.node("one"), Toolbox(), Telemetry(world.clock)
        given = {
            AlertSink: Alerts(telemetry), AuditSink: MemoryAudit(), Clock: world.clock, EntropySource: world.entropy,
            EventSink: Events(), FileWatch: machine.files, IdSource: world.ids, Listeners: machine.listeners,
            Offload: world.offload, Store: store, Missions: Missions(store),
            Decoys: Decoys(ssh=(22,), users=("svc-archive",), files=("/bait",)),
            Watching: Watching("one", ("/etc/passwd",), "", "", {}),
            Probes: Probes(telemetry, every_s=1.0, late_s=0.5),
            Swarm: Swarm(
                store, clock=world.clock, telemetry=telemetry, rng=world.rng, toolbox=tools, skills=[], duties=[],
            ),
        }  # fmt: skip
        for kind, tool in given.items():
            tools.provide(kind, tool)
        return tools

    world.run(lambda world: check(world, duty, tools_over))
