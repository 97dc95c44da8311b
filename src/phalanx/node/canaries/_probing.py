"""Canaries probe the whole path: a marked event goes in, and the time until it is in the ledger is measured.

A probe takes the path of every event: intake, journal, detection, finding, mission, an agent, the ledger. It lives
in a separate tenant (``PROBE_TENANT``), so no finding, case or figure of anybody contains a probe.
"""

import asyncio
from dataclasses import dataclass

from phalanx.agents import (
    MISSIONS,
    Capability,
    DutyManifest,
    Mission,
    MissionStatus,
    Restart,
    Role,
    SkillManifest,
    Toolbox,
    Watch,
)
from phalanx.core import (
    MAX_PAGE_ROWS,
    NS_PER_MS,
    NS_PER_S,
    PROBE_TENANT,
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    Delete,
    EventSink,
    Store,
    Table,
    decode,
    derive_id,
    id_time_ns,
)
from phalanx.intel import FINDINGS, Findings
from phalanx.node._limits import LATE_PROBES_TO_WORRY
from phalanx.telemetry import WAYPOINTS, Telemetry

KIND = "probe"


@dataclass(frozen=True, slots=True)
class Probed:
    """How one probe fared. The times are in seconds since it was sent; ``ledger_s`` is None when it was late."""

    at_ns: int
    accepted_s: float
    found_s: float
    ledger_s: float | None


class Probes:
    """Where the skill that answers probes meets the duty that sends them. A tool of the node."""

    def __init__(self, telemetry: Telemetry, *, every_s: float, late_s: float) -> None:
        self.every_s = every_s
        self.late_s = late_s
        self.last: Probed | None = None
        self.late_in_a_row = 0
        # Hosts whose clocks were ahead when they were weighed last.
        self.clocks_ahead: set[str] = set()
        self._out: dict[str, asyncio.Future[tuple[int, int]]] = {}
        metrics = telemetry.metrics
        self._count = metrics.counter("phalanx_probes_total", "Probes of the node itself, by outcome.", ("outcome",))
        self._seconds = metrics.histogram(
            "phalanx_probe_freshness_seconds", "From sending a probe to its entry in the ledger."
        )

    @property
    def sound(self) -> bool:
        """Whether probes arrive: one that is late may be a busy moment, several are not."""
        return self.late_in_a_row < LATE_PROBES_TO_WORRY

    def told(self) -> str:
        """How probes fare, for people."""
        if self.every_s == 0:
            return "off (canary.probe_every_s is 0)"
        if self.late_in_a_row:
            return f"{self.late_in_a_row} probes in a row took longer than {self.late_s:g} s to the ledger"
        if self.last is None or self.last.ledger_s is None:
            return "no probe yet"
        return f"the last probe took {self.last.ledger_s:.3f} s from intake to ledger"

    def expect(self, name: str) -> "asyncio.Future[tuple[int, int]]":
        """The times at which the probe was accepted and found, once it is in the ledger."""
        self._out[name] = asyncio.get_running_loop().create_future()
        return self._out[name]

    def arrived(self, name: str, accepted_ns: int, found_ns: int) -> None:
        """It is in the ledger. One that nobody waits for any more was late."""
        waiting = self._out.pop(name, None)
        if waiting is not None and not waiting.done():
            waiting.set_result((accepted_ns, found_ns))

    def ended(self, name: str, probed: Probed) -> None:
        """Remember how it fared."""
        self._out.pop(name, None)
        self.last = probed
        if probed.ledger_s is None:
            self.late_in_a_row += 1
            self._count.labels("late").inc()
        else:
            self.late_in_a_row = 0
            self._count.labels("arrived").inc()
            self._seconds.observe(probed.ledger_s)


class AnswerProbe:
    """What a canary does with the finding of a probe: put it into the ledger, and say that it is there."""

    manifest = SkillManifest(
        name="answer-probe",
        role=Role.CANARY,
        capabilities=(Capability.DETECTION,),
        inputs=("probe",),
        outputs=(),
        cost=0.1,
        permissions=("AuditSink", "Findings", "Probes"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        finding = await tools.get(Findings).get(mission.tenant, mission.subject)
        name = finding.case.rpartition("@")[0]
        entry = AuditEntry(
            id=derive_id(id_time_ns(mission.id), "audit", mission.id), tenant=mission.tenant, trace=mission.trace,
            at_ns=finding.found_at_ns, actor="canary", action="canary.probe", subject=name, case="",
        )  # fmt: skip
        await tools.get(AuditSink).record(entry)
        tools.get(Probes).arrived(name, finding.accepted_at_ns, finding.found_at_ns)
        return f"{name} is in the ledger"


class ProbeDuty:
    """Sends a probe now and then, waits for it, and says when it is late."""

    manifest = DutyManifest(
        name="pipeline-probe",
        role=Role.CANARY,
        capabilities=(Capability.DETECTION, Capability.PREDICTION),
        inputs=(),
        outputs=("canary-probe",),
        cost=0.2,
        permissions=("AlertSink", "Clock", "EventSink", "Probes", "Store"),
        restart=Restart.ON_FAILURE,
    )

    async def keep(self, watch: Watch, /) -> None:
        probes = watch.tools.get(Probes)
        if probes.every_s == 0:
            watch.progress(probes.told())
            return
        async for beat in watch.beats(probes.every_s):
            # A node that has just started has other things to do.
            if beat:
                await self._probe(watch, probes)
                watch.progress(probes.told(), done=1)

    async def _probe(self, watch: Watch, probes: Probes) -> None:
        clock, sent_ns = watch.clock, watch.clock.wall_ns()
        await self._sweep(watch.tools.get(Store))
        name = f"probe-{sent_ns // NS_PER_MS}"
        arrived, timer = probes.expect(name), asyncio.ensure_future(clock.sleep(probes.late_s))
        sending = asyncio.ensure_future(
            watch.tools.get(EventSink).submit(
                KIND, {"probe": name, "host": name}, tenant=PROBE_TENANT, at_ns=sent_ns, key=name
            )
        )
        try:
            with watch.waiting():
                await asyncio.wait((arrived, timer), return_when=asyncio.FIRST_COMPLETED)
            ledger_ns = clock.wall_ns()
        finally:
            timer.cancel()
            sending.cancel()
        if arrived.done():
            accepted_ns, found_ns = arrived.result()
            accepted_s, found_s, ledger_s = (
                max(0, at_ns - sent_ns) / NS_PER_S for at_ns in (accepted_ns, found_ns, ledger_ns)
            )
            probes.ended(name, Probed(sent_ns, accepted_s, found_s, ledger_s))
            return
        probes.ended(name, Probed(sent_ns, 0.0, 0.0, None))
        watch.tools.get(AlertSink).alert(
            AlertLevel.URGENT, "node", f"a probe took longer than {probes.late_s:g} s to the ledger",
            probe=name, in_a_row=probes.late_in_a_row,
        )  # fmt: skip

    async def _sweep(self, store: Store) -> None:
        """What earlier probes left in the store, but for the ledger's entry; not while one is under way."""
        missions = await store.scan(MISSIONS, PROBE_TENANT, limit=MAX_PAGE_ROWS)
        ended = {MissionStatus.DONE, MissionStatus.FAILED}
        if any(decode(row.value, Mission).status not in ended for row in missions):
            return
        tables: tuple[Table, ...] = (FINDINGS, MISSIONS, WAYPOINTS)
        for table in tables:
            rows = await store.scan(table, PROBE_TENANT, limit=MAX_PAGE_ROWS)
            if rows:
                await store.commit([Delete(table, PROBE_TENANT, row.key) for row in rows])


answer_probe = AnswerProbe()
probe_duty = ProbeDuty()
