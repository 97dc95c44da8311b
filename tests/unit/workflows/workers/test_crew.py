"""Who does a piece, and whose answer counts: on virtual time, with a queue in memory."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, InvalidInput, Rng, TenantId, Unavailable
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld, WorkQueue
from phalanx.workflows.workers import (
    Ask,
    Beat,
    Crew,
    Done,
    Functions,
    Granted,
    Hand,
    HandPlan,
    PieceAsked,
    Refused,
    WorkFailed,
    function_named,
)


def added(one: int, other: int) -> int:
    return one + other


def refusing(one: int) -> int:
    raise InvalidInput("one", f"{one} is not liked")


def breaking(one: int) -> int:
    return 1 // one


ADDED = function_named("added", added)
FUNCTIONS = Functions([ADDED, function_named("refusing", refusing), function_named("breaking", breaking)])


class Processes:
    """An offload whose pieces take as long as it is told; ``begun`` counts them."""

    def __init__(self, clock, *times_s):
        self.clock, self.times_s, self.begun = clock, list(times_s), 0

    async def run(self, work, /, *args):
        self.begun += 1
        await self.clock.sleep(self.times_s.pop(0) if len(self.times_s) > 1 else self.times_s[0])
        return work(*args)


def asked(n=0, *, name="added", args=(1, 2), tenant=DEFAULT_TENANT, again=False):
    function = FUNCTIONS.named(name)
    return PieceAsked(id=f"piece-{n}", tenant=tenant, function=function, arguments=args, again=again)


class Bench:
    """A crew with a queue in memory, and workers by name."""

    def __init__(self, world, *, local_s=(1.0,), slots=1, hedge=0.95):
        self.world, self.clock = world, world.clock
        self.queue = WorkQueue(world.clock, Rng(1))
        self.local = Processes(world.clock, *local_s)
        self.crew = Crew(
            FUNCTIONS, self.local, world.clock, Telemetry(world.clock), slots=slots, release="r",
            line=self.queue.crew_line(), hedge=hedge,
        )  # fmt: skip
        self.tasks = [asyncio.ensure_future(self.crew.serve())]

    def worker(self, name, *times_s, slots=1, release="r"):
        plan = HandPlan(slots=slots, machine=name, release=release, drain_s=5.0)
        processes = Processes(self.clock, *times_s)
        hand = Hand(FUNCTIONS, self.queue.hand_line(name), processes, self.clock, Telemetry(self.clock), plan)
        task = asyncio.ensure_future(hand.serve())
        self.tasks.append(task)
        return hand, task, processes

    async def left_by_w1(self):
        """A piece that worker w1 had begun when it fell silent, on its way to be done by another."""
        _, first, _ = self.worker("w1", 100.0)
        await self.clock.sleep(0.5)
        waiting = asyncio.ensure_future(self.crew.run(asked()))
        await self.clock.sleep(0.5)
        first.cancel()
        return waiting

    def answered_late_by_w1(self):
        old = self.queue.tickets[0]
        self.crew.done("w1", Done(old.piece, old.fence, 0, ADDED.packed_result(99)))

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def run(scenario, **how):
    async def main(world):
        bench = Bench(world, **how)
        try:
            return await scenario(bench)
        finally:
            await bench.stop()

    return SimWorld(1).run(main)


@pytest.mark.requirement("HWF-3")
def test_workers_do_what_they_have_room_for_and_the_node_the_rest():
    async def scenario(bench):
        bench.worker("w", 2.0)
        await bench.clock.sleep(0.5)
        found = await asyncio.gather(*(bench.crew.run(asked(n)) for n in range(3)))
        assert [value for value, _ in found] == [3, 3, 3]
        assert sorted(done.place for _, done in found) == ["this node", "this node", "w"]
        assert {done.reason for _, done in found} == {"a worker has room", "the workers have no room"}

    run(scenario)


def test_without_workers_everything_is_done_here_and_says_so():
    async def scenario(bench):
        value, done = await bench.crew.run(asked())
        assert (value, done.place, done.reason) == (3, "this node", "no worker is here")

    run(scenario)


def test_what_a_silent_worker_had_is_done_by_another_and_its_late_answer_does_not_count():
    async def scenario(bench):
        waiting = await bench.left_by_w1()
        bench.worker("w2", 1.0)
        value, done = await waiting
        assert (value, done.place, done.reason, done.given_out) == (3, "w2", "w1 fell silent", 2)
        bench.answered_late_by_w1()
        shown = {one.name: one for one in bench.crew.workers()}
        assert (shown["w1"].stage, shown["w1"].lost, shown["w1"].fenced) == ("silent", 1, 1)

    run(scenario)


def test_a_late_answer_while_another_works_on_it_does_not_count():
    async def scenario(bench):
        waiting = await bench.left_by_w1()
        bench.worker("w2", 10.0)
        await bench.clock.sleep(9.0)
        bench.answered_late_by_w1()
        assert not waiting.done()
        assert (await waiting)[0] == 3

    run(scenario)


def test_a_ticket_that_is_handed_out_twice_is_granted_once():
    async def scenario(bench):
        for name in ("w1", "w2"):
            beat = Beat(1, 1, 1, "here", name, "r", dict(FUNCTIONS.digests))
            bench.crew.heard(name, beat)
        bench.tasks.append(asyncio.ensure_future(bench.crew.run(asked())))
        await bench.clock.sleep(0.1)
        (ticket,) = bench.queue.tickets
        ask = Ask(ticket.piece, ticket.fence, 1)
        assert isinstance(bench.crew.asked("w1", ask), Granted)
        assert bench.crew.asked("w2", ask) == Refused()
        assert isinstance(bench.crew.asked("w1", ask), Granted), "it may not have heard the first time"
        assert bench.crew.asked("w3", ask) == Refused(others_may=True)
        assert bench.crew.asked("w1", Ask("another", 1, 1)) == Refused()

    run(scenario)


def test_a_worker_of_another_release_gets_nothing():
    async def scenario(bench):
        bench.worker("w", 1.0, release="old")
        await bench.clock.sleep(0.5)
        _, done = await bench.crew.run(asked())
        assert done.place == "this node"
        assert bench.crew.workers()[0].stage == "other release"

    run(scenario)


def test_what_a_function_raises_is_told_and_ends_the_piece():
    async def scenario(bench):
        bench.worker("w", 1.0)
        await bench.clock.sleep(0.5)
        with pytest.raises(InvalidInput, match="not liked") as caught:
            await bench.crew.run(asked(1, name="refusing", args=(7,)))
        assert caught.value.field == "one"
        with pytest.raises(WorkFailed, match="ZeroDivisionError") as failed:
            await bench.crew.run(asked(2, name="breaking", args=(0,)))
        assert failed.value.worker == "w"

    run(scenario)


def test_a_worker_that_leaves_ends_what_it_has_and_takes_no_more():
    async def scenario(bench):
        hand, task, processes = bench.worker("w", 2.0)
        await bench.clock.sleep(0.5)
        waiting = asyncio.ensure_future(bench.crew.run(asked()))
        await bench.clock.sleep(0.5)
        hand.leave()
        assert (await waiting)[1].place == "w"
        await task
        assert (await bench.crew.run(asked(2)))[1].place == "this node"
        assert processes.begun == 1
        assert bench.crew.workers()[0].stage == "left"

    run(scenario)


def test_what_was_done_in_an_earlier_life_is_taken_and_not_done_again():
    async def scenario(bench):
        bench.queue.results["piece-0"] = "w", Done("piece-0", 5, 1, ADDED.packed_result(3))
        value, done = await bench.crew.run(asked(again=True))
        assert (value, done.place, bench.local.begun) == (3, "w", 0)
        bench.queue.results["piece-1"] = "w", Done("piece-1", 1 << 62, 1, ADDED.packed_result(99))
        assert (await bench.crew.run(asked(1, again=True)))[0] == 3, "of this life: it was given up"

    run(scenario)


def test_a_line_that_breaks_is_not_a_worker_that_died():
    async def scenario(bench):
        bench.worker("w", 3.0)
        await bench.clock.sleep(0.5)
        waiting = asyncio.ensure_future(bench.crew.run(asked()))
        await bench.clock.sleep(1.0)
        bench.queue.cut()
        await bench.clock.sleep(3.0)
        bench.queue.mend()
        assert (await waiting)[1].place == "w"
        bench.queue.cut()
        _, done = await bench.crew.run(asked(2))
        assert (done.place, done.reason) == ("this node", "the workers cannot be reached")

    run(scenario)


def test_what_is_done_here_goes_on_when_the_line_fails_for_good():
    async def scenario(bench):
        class Refusing:
            is_connected = False

            async def serve(self, crew, /):
                await bench.clock.sleep(1.5)
                raise Unavailable("the server", "authorization violation")

        crew = Crew(
            FUNCTIONS, Processes(bench.clock, 3.0), bench.clock, Telemetry(bench.clock), slots=1, release="r",
            line=Refusing(),
        )  # fmt: skip
        serving = asyncio.ensure_future(crew.serve())
        value, done = await crew.run(asked())
        assert (value, done.reason) == (3, "the workers cannot be reached")
        (failed,) = await asyncio.gather(serving, return_exceptions=True)
        assert isinstance(failed, ExceptionGroup)

    run(scenario)


def test_tenants_take_turns():
    async def scenario(bench):
        order = []

        async def one(n, tenant):
            await bench.crew.run(asked(n, tenant=TenantId(tenant)))
            order.append(tenant)

        await asyncio.gather(*(one(n, "many") for n in range(6)), one(99, "few"))
        assert order.index("few") <= 2

    run(scenario)


@pytest.mark.requirement("HWF-3")
def test_a_late_piece_is_begun_a_second_time_and_the_first_answer_counts():
    async def scenario(bench):
        bench.worker("w", *[0.4] * 20, 60.0, 0.4)
        await bench.clock.sleep(0.5)
        for n in range(20):
            assert (await bench.crew.run(asked(n)))[1].hedge == ""
        begun_s = bench.world.loop.time()
        value, done = await bench.crew.run(asked(20))
        assert (value, done.place, done.hedge, done.given_out) == (3, "this node", "second", 2)
        assert bench.world.loop.time() - begun_s < 5.0
        assert done.reason.startswith("w takes longer than 0.4")

    run(scenario, local_s=(0.5,))


def test_nothing_is_hedged_without_room_or_when_it_is_off():
    async def busy(bench):
        bench.worker("w", *[0.5] * 20, 6.0)
        await bench.clock.sleep(0.5)
        for n in range(20):
            await bench.crew.run(asked(n))
        straggler = asyncio.ensure_future(bench.crew.run(asked(20)))
        await bench.clock.sleep(0.1)
        others = [asyncio.ensure_future(bench.crew.run(asked(n))) for n in range(21, 24)]
        assert (await straggler)[1].hedge == ""
        await asyncio.gather(*others)

    async def off(bench):
        bench.worker("w", *[0.5] * 20, 6.0)
        await bench.clock.sleep(0.5)
        found = [(await bench.crew.run(asked(n)))[1].hedge for n in range(21)]
        assert set(found) == {""}

    run(busy, local_s=(9.0,))
    run(off, hedge=0.0)


def test_a_process_that_died_does_not_end_what_another_try_is_at():
    async def scenario(bench):
        bench.worker("w", 0.5)

        class Dying(Processes):
            async def run(self, work, /, *args):
                await super().run(work, *args)
                raise Unavailable("the processes", "one died")

        bench.crew.local = Dying(bench.clock, 0.1)
        await bench.clock.sleep(0.5)
        first = asyncio.ensure_future(bench.crew.run(asked(1)))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await bench.crew.run(asked(2))
        assert (await first)[1].place == "w"

    run(scenario)
