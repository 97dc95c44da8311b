"""Words between a manager and the nodes that ask it, of one version and of another: told plainly, never taken for away.

Nodes of other versions are dictionaries here, as they come off the wire: what a struct of today would not write.
"""

import asyncio
import contextlib
import dataclasses

import msgspec
import pytest

from phalanx.allocation import Ask, Bookable, Placements, Reservations, built_in_policies
from phalanx.allocation.money import Budgets, Period
from phalanx.core import DEFAULT_TENANT, NS_PER_S, InvalidInput, NotFound, TenantId, encode
from phalanx.devices import Fleet, Job, Jobs, JobState, ideal_device
from phalanx.messaging import Bus, Kind, Marking, Member, running
from phalanx.node import WORDS_VERSION, ManagerAway, ManagerRefused, ManagerSpeaksOther, Work
from phalanx.node._limits import MANAGER
from phalanx.node.managers._desk import ManagerDesk
from phalanx.node.managers._managed import ManagedReservations, ManagedWork, ManagerLine
from phalanx.node.managers._serving import Manager
from phalanx.node.managers._words import Question, carried, question_bytes
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, SimWorld

GHZ = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
HQ = "hq.acme"
LAB = TenantId(f"{HQ}/{DEFAULT_TENANT}")  # One process asks itself here, so that it manages under its own name.


class Machine:
    device = dataclasses.replace(ideal_device("a.machine", 4, max_shots=1_000))

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("nothing is carried out here")


class Bench:
    """A manager and who asks it, on one bus."""

    def __init__(self, world):
        store, clock, telemetry = world.store("n"), world.clock, Telemetry(world.clock)
        fleet = Fleet([Machine()])
        self.bus = Bus(HQ, clock=clock, ids=world.ids, telemetry=telemetry)
        self.clock, self.telemetry = clock, telemetry
        self.budgets = Budgets(store, clock, fleet, world.offload)
        placements = Placements(fleet, clock, world.offload, built_in_policies(), policy="shortlist")
        self.jobs = Jobs(store, clock, world.ids, fleet, telemetry, purse=self.budgets, offload=world.offload)
        self.calendar = Reservations(store, clock, world.ids)
        self.desk = ManagerDesk(HQ, store, clock, world.offload, placements, self.calendar, self.jobs, self.budgets)
        self.line = ManagerLine(self.bus, HQ, clock)
        self.calls = ManagedReservations(self.line, world.ids)
        self.audit, self.asked = MemoryAudit(), 0
        self.work = ManagedWork(
            self.line, "lab.other", world.store("lab"), clock, world.ids, placements, self.jobs, self.audit
        )

    @contextlib.asynccontextmanager
    async def serving(self, manages=(HQ,), met=(HQ,)):
        await self.calendar.declare(Bookable(name="a.machine"))
        serving = asyncio.create_task(
            Manager(self.bus, self.calendar, self.desk, manages, lambda: met, self.telemetry).run()
        )
        try:
            yield
        finally:
            serving.cancel()

    @contextlib.asynccontextmanager
    async def answering(self, answer):
        """Somebody else is the manager, and says ``answer`` to everything; yields what it was asked."""
        box, heard = self.bus.join(Member(MANAGER)), []

        async def run():
            async for envelope in box:
                heard.append(msgspec.msgpack.decode(envelope.body))
                await box.reply(envelope, msgspec.msgpack.encode(answer))

        task = asyncio.create_task(run())
        try:
            yield heard
        finally:
            task.cancel()
            box.leave()

    async def raw(self, question):
        """What is answered to bytes that a node of another version may have sent."""
        self.asked += 1
        box = self.bus.join(Member(f"raw-{self.asked}"))
        deadline_ns = self.clock.wall_ns() + 5 * NS_PER_S
        reply = await box.ask(
            Kind.COORDINATION, f"{HQ}/{MANAGER}", msgspec.msgpack.encode(question), deadline_ns=deadline_ns,
            marking=Marking.GREEN,
        )  # fmt: skip
        return msgspec.msgpack.decode(reply.body)


def on_bench(work):
    async def main(world):
        bench = Bench(world)
        async with running(bench.bus):
            await work(bench)

    SimWorld(1).run(main)


@pytest.mark.requirement("QRM-11")
def test_a_node_of_the_first_version_which_says_none_is_answered():
    async def work(bench):
        async with bench.serving():
            said = await bench.raw({"what": "resources", "tenant": "", "id": "", "ask": None, "work": None})
            assert [one["name"] for one in said["resources"]] == ["a.machine"]
            assert said["error"] == ""
            ask = {"demands": {"a.machine": 1}, "duration_ns": NS_PER_S, "earliest_ns": 0}
            booked = await bench.raw({"what": "book", "tenant": "default", "id": "b", "ask": ask, "work": None})
            assert booked["bookings"][0]["state"] == "booked"
            assert said["version"] == WORDS_VERSION

    on_bench(work)


@pytest.mark.requirement("QRM-11")
def test_a_newer_node_is_told_that_the_manager_is_older():
    async def work(bench):
        async with bench.serving():
            said = await bench.raw({"what": "dream", "version": WORDS_VERSION + 1, "tenant": ["another", "shape"]})
            assert said["error"] == ManagerSpeaksOther.code
            assert f"asks in version {WORDS_VERSION + 1}" in said["told"]
            assert said["hint"] == f"update {HQ}"

    on_bench(work)


@pytest.mark.requirement("QRM-11")
@pytest.mark.parametrize(
    "answer",
    [
        {"version": WORDS_VERSION + 1, "placed": "of another shape"},
        {"version": WORDS_VERSION, "placed": "of no shape that is known"},
        {"error": ManagerSpeaksOther.code, "told": "lab asks in version 9", "hint": "update hq", "version": 2},
    ],
)
def test_who_cannot_be_understood_is_not_away_and_nobody_decides_instead(answer):
    async def work(bench):
        async with bench.answering(answer):
            with pytest.raises(ManagerSpeaksOther) as told:
                await bench.work.place(DEFAULT_TENANT, Work(circuit=GHZ))
            assert told.value.manager == HQ
            assert "update" in told.value.hint
            assert bench.audit.entries == [], "nothing was decided here"

    on_bench(work)


@pytest.mark.requirement("QRM-11")
def test_a_manager_of_the_first_version_is_used_for_what_it_knows():
    async def work(bench):
        job = Job(
            id="j", tenant=LAB, trace="0" * 32, at_ns=1, device="a.machine", circuit=GHZ, shots=1, seed=1, reason="r",
            key="k",
        )  # fmt: skip
        old = {"bookings": [], "resources": [], "budgets": [], "job": msgspec.Raw(encode(job)), "error": ""}
        async with bench.answering(old) as heard:
            assert await bench.calls.bookings("default") == []
            assert heard[0]["version"] == WORDS_VERSION
            said = await bench.line.ask(Question(what="job", id="k"), "job")
            assert (said.record(HQ), said.version, said.waits) == (job, 1, None)
            assert (await bench.work.granted(DEFAULT_TENANT)).words == 1
        refused = {"error": InvalidInput.code, "told": "what: 'jobs' is nothing that a manager does"}
        async with bench.answering(refused):
            with pytest.raises(ManagerSpeaksOther, match="speaks version 1") as told:
                await bench.work.jobs(DEFAULT_TENANT)
            assert told.value.hint == f"update {HQ}"

    on_bench(work)


def test_a_job_of_a_newer_record_is_told_and_one_of_today_comes_as_it_is():
    async def work(bench):
        job = Job(
            id="j", tenant=LAB, trace="0" * 32, at_ns=1, device="a.machine", circuit=GHZ, shots=1, seed=1, reason="r"
        )
        newer = msgspec.msgpack.decode(encode(job)) | {"v": Job.VERSION + 1, "new": 1}
        async with bench.answering({"job": newer, "version": WORDS_VERSION}):
            said = await bench.line.ask(Question(what="job", id="k"), "job")
            with pytest.raises(ManagerSpeaksOther, match="cannot be read here"):
                said.record(HQ)
        assert msgspec.msgpack.decode(carried(None)) is None
        assert msgspec.msgpack.decode(question_bytes(Question(what="x")))["version"] == WORDS_VERSION

    on_bench(work)


def test_what_nobody_manages_is_told_so_and_whom_nobody_has_met_waits():
    async def work(bench):
        async with bench.serving(manages=("somebody.else",)):
            with pytest.raises(ManagerRefused, match=f"{HQ} is no manager for {HQ}") as told:
                await bench.calls.bookings("default")
            assert told.value.refusal == "not-managed"
            assert "cluster.manages" in told.value.hint

    async def unmet(bench):
        async with bench.serving(met=()):
            with pytest.raises(ManagerAway, match="no answer came within 8 s"):
                await bench.calls.bookings("default")

    async def nobody(bench):
        with pytest.raises(ManagerAway, match=r"cluster\.manages is empty"):
            await bench.calls.bookings("default")

    for one in (work, unmet, nobody):
        on_bench(one)


@pytest.mark.requirement("QRM-3", "QRM-11")
def test_what_was_only_placed_can_be_given_back_and_jobs_are_listed_with_what_they_wait_for_and_cost():
    async def work(bench):
        await bench.budgets.put(LAB, "grant", unit="jobs", limit=5, period=Period.ONCE)
        async with bench.serving():
            placed = await bench.work.place(DEFAULT_TENANT, Work(circuit=GHZ, shots=10), key="held")
            assert placed.window.is_live
            gone = await bench.work.cancel(DEFAULT_TENANT, "held")
            assert gone.job is None
            assert "given back" in gone.why
            (window,) = await bench.calls.bookings(DEFAULT_TENANT)
            assert (window.state.value, window.reason) == ("cancelled", "given up by who held it")
            with pytest.raises(NotFound, match=r"there is no work at hq\.acme 'nothing'"):
                await bench.work.cancel(DEFAULT_TENANT, "nothing")

            busy = Ask(demands={"a.machine": 1}, duration_ns=60 * NS_PER_S, earliest_ns=0)
            await bench.calendar.book("somebody", busy)
            made = await bench.work.submit(DEFAULT_TENANT, Work(circuit=GHZ, shots=10), key="k")
            assert made.waits.own, "its window opens when that of somebody has ended"
            assert made.cost.held["jobs"] == 1.0
            (line,) = await bench.work.jobs(DEFAULT_TENANT)
            assert (line.key, line.at, line.state, line.device) == ("k", HQ, "Queued", "a.machine")
            ended = await bench.work.cancel(DEFAULT_TENANT, "k")
            assert ended.job.state is JobState.CANCELLED
            assert ended.waits is None

    on_bench(work)
