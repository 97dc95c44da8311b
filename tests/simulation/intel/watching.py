"""An intake and a sentinel that watch over one simulated disk, and lines for them to read."""

import asyncio

import msgspec

from phalanx.agents import MISSIONS, Mission
from phalanx.core import (
    DEFAULT_TENANT,
    Waypoint,
    decode,
    iso_from_ns,
)
from phalanx.intel import (
    EventLog,
    Findings,
    Intake,
    Sentinel,
    load_rules,
)
from phalanx.telemetry import WAYPOINTS, Telemetry
from phalanx.testing import WORLD_START_NS, SimWorld

RULES = load_rules()


def windows(**fields):
    stamp = iso_from_ns(fields.pop("at_ns", WORLD_START_NS))
    head = {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": "ws-07", "UtcTime": stamp}
    return msgspec.json.encode(head | fields)


BENIGN = windows(Image="C:\\Windows\\notepad.exe", CommandLine="notepad", ParentImage="C:\\Windows\\explorer.exe")
DUMP = windows(Image="C:\\Windows\\System32\\rundll32.exe", CommandLine="rundll32 comsvcs.dll, MiniDump 1 x full")
PSEXEC = windows(Image="C:\\a.exe", CommandLine="a", ParentImage="C:\\Windows\\PSEXESVC.exe")
GUESS = b"<38>1 2026-01-01T00:00:00Z web-01 sshd 1 - - Failed password for root from 203.0.113.9 port 4 ssh2"


class Watch:
    """A running intake and sentinel on one simulated disk."""

    def __init__(self, world, *, rules=RULES, disk="disk", store=None, **options):
        self.world = world
        self.rules = rules
        self.disk = disk
        self.options = options
        self.store = store or world.store(disk)
        self.logged = []
        self.telemetry = Telemetry(world.clock, log_sink=self.logged.append)
        self.woken = 0

    async def __aenter__(self):
        clock = self.world.clock
        self.journal = await self.world.journals(self.disk).open("intake")
        self.intake = await Intake.open(
            self.journal, self.store, clock=clock, ids=self.world.ids, telemetry=self.telemetry
        )
        self.sentinel = Sentinel(
            self.intake,
            self.store,
            self.rules,
            clock=clock,
            telemetry=self.telemetry,
            on_missions=self._wake,
            **self.options,
        )
        self.task = asyncio.create_task(self.sentinel.run())
        self.findings = Findings(self.store)
        self.events = EventLog(self.journal, self.store)
        return self

    def _wake(self):
        self.woken += 1

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.wait((self.task,))
        await self.intake.close()

    async def accept(self, *lines, tenant=DEFAULT_TENANT, key=""):
        return await self.intake.accept(b"\n".join(lines), tenant=tenant, idempotency_key=key)

    async def waypoints(self, stage, tenant=DEFAULT_TENANT):
        rows = [decode(row.value, Waypoint) for row in await self.store.scan(WAYPOINTS, tenant)]
        return [waypoint for waypoint in rows if waypoint.stage == stage]

    async def missions(self, tenant=DEFAULT_TENANT):
        return [decode(row.value, Mission) for row in await self.store.scan(MISSIONS, tenant)]


def simulate(main, seed=1, **options):
    async def inside(world):
        async with Watch(world, **options) as watch:
            return await main(watch)

    return SimWorld(seed).run(inside)
