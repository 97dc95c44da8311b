"""Circuits of workflows go where the node's policy says, and elsewhere only among results of the same kind."""

import asyncio

import pytest

from phalanx.allocation import Placements, built_in_policies
from phalanx.core import DEFAULT_TENANT, NO_TRACE, NS_PER_S, InvalidInput, Origin, Provenance, Unavailable
from phalanx.devices import DeviceModel, Fleet, Modality, Numbers, SessionLimits, ShotResult, calibration, ideal_device
from phalanx.quantum import Gates
from phalanx.testing import SimWorld
from phalanx.workflows._circuits import Circuits
from phalanx.workflows._limits import WAIT_FOR_ROOM_S
from phalanx.workflows._stays import Circumstances

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


def noisy(name, error):
    numbers = Numbers(two_qubit_error=error, one_qubit_error=1e-4, readout_error=0.01)
    return DeviceModel(
        name=f"x.{name}", provider="x", kind=Modality.SUPERCONDUCTING, origin=Origin.EMULATED, n_qubits=3,
        limits=SessionLimits(max_shots=100),
        calibration=calibration(3, [(0, 1), (1, 2)], numbers, calibrated_at_ns=1, source="made"),
    )  # fmt: skip


class Backend:
    def __init__(self, device, *, fails=False):
        self.device, self.fails, self.runs = device, fails, 0

    async def run(self, circuit, /, *, shots, seed):
        self.runs += 1
        if self.fails:
            raise Unavailable(self.device.name, "it is away")
        emulated = self.device.origin is Origin.EMULATED
        came_from = Provenance(
            origin=self.device.origin, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed,
            calibrated_at_ns=1 if emulated else None,
        )  # fmt: skip
        return ShotResult({"00": shots}, came_from)


def ran(*backends):
    found = []

    async def main(world):
        fleet = Fleet(backends)
        chooser = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="success_probability")
        run = Circuits(fleet, world.clock, chooser).runner("step", DEFAULT_TENANT)
        found.append((await run(BELL, shots=10, seed=1)).provenance.device)

    SimWorld(1).run(main)
    return found


@pytest.mark.requirement("QRM-5", "QRM-7")
def test_a_circuit_goes_where_the_policy_says_and_on_when_that_fails():
    good, poor = noisy("good", 0.002), noisy("poor", 0.1)
    assert ran(Backend(poor), Backend(good)) == ["x.good"]
    away = Backend(good, fails=True)
    assert ran(Backend(poor), away) == ["x.poor"]
    assert away.runs == 1


def test_ideal_results_do_not_become_noisy_ones():
    ideal = ideal_device("local.ideal", 3, max_shots=100)
    assert ran(Backend(ideal), Backend(noisy("good", 0.002))) == ["local.ideal"]
    with pytest.raises(Unavailable):
        ran(Backend(ideal, fails=True), Backend(noisy("good", 0.002)))


@pytest.mark.requirement("HWF-2")
def test_where_circuits_were_and_why_is_told_in_windows():
    good, poor = noisy("good", 0.002), noisy("poor", 0.1)
    away = Backend(good)

    async def main(world):
        fleet = Fleet([Backend(poor), away])
        chooser = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="success_probability")
        run = Circuits(fleet, world.clock, chooser).runner("step", DEFAULT_TENANT)
        await run(BELL, shots=10, seed=1)
        await run(BELL, shots=10, seed=2)
        away.fails = True
        await run(BELL, shots=10, seed=3)
        return run.windows

    first, second = SimWorld(1).run(main)
    assert (first.device, first.circuits) == ("x.good", 2)
    assert "likeliest to succeed" in first.reason
    assert (second.device, second.circuits, second.reason) == ("x.poor", 1, "x.good failed")
    assert first.begun_ns <= first.ended_ns <= second.begun_ns <= second.ended_ns


class Slow(Backend):
    """Takes its time over each circuit; the first few may go wrong."""

    def __init__(self, device, *, takes_s, wrong=()):
        super().__init__(device)
        self.takes_s, self.wrong, self.clock = takes_s, list(wrong), None

    async def run(self, circuit, /, *, shots, seed):
        await self.clock.sleep(self.takes_s)
        if self.wrong:
            raise self.wrong.pop()
        return await super().run(circuit, shots=shots, seed=seed)


def crowd(backend, scenario):
    """``scenario`` with a way to run one circuit of a step of its own."""

    async def main(world):
        backend.clock = world.clock
        circuits = Circuits(Fleet([backend]), world.clock)

        async def one(n):
            return await circuits.runner(f"step-{n}", DEFAULT_TENANT)(BELL, shots=10, seed=n)

        return await scenario(one, circuits, world)

    return SimWorld(1).run(main)


async def ended(*tasks):
    return await asyncio.gather(*tasks, return_exceptions=True)


def kinds(results):
    return [type(one).__name__ for one in results if isinstance(one, BaseException)]


@pytest.mark.requirement("QRM-5")
def test_circuits_that_nobody_wants_any_more_say_nothing_against_the_device():
    async def scenario(one, circuits, world):
        gone = [asyncio.create_task(one(n)) for n in range(8)]
        await world.clock.sleep(0.1)
        for task in gone:
            task.cancel()
        assert kinds(await ended(*gone)) == ["CancelledError"] * 8
        [seat] = circuits.pool.seats
        assert (seat.failures, seat.failed) == (0, 0)
        begun_ns = world.clock.monotonic_ns()
        assert kinds(await ended(*(one(n) for n in range(64)))) == []
        return (world.clock.monotonic_ns() - begun_ns) / 1e9

    # Two at a time, half a second each: nobody waited for a device that was thought to be unwell.
    assert crowd(Slow(ideal_device("local.ideal", 3, max_shots=100), takes_s=0.5), scenario) == pytest.approx(16.0)


def test_circuits_that_are_wrong_say_nothing_against_the_device():
    wrong = [InvalidInput("circuit", "it is wrong")] * 5

    async def scenario(one, circuits, world):
        assert kinds([(await ended(one(n)))[0] for n in range(5)]) == ["InvalidInput"] * 5
        assert kinds(await ended(*(one(n) for n in range(64)))) == []

    crowd(Slow(ideal_device("local.ideal", 3, max_shots=100), takes_s=0.5, wrong=wrong), scenario)


@pytest.mark.requirement("QRM-5")
def test_where_every_queue_is_full_circuits_wait_for_room():
    away = [Unavailable("local.ideal", "it is away")] * 3

    async def scenario(one, circuits, world):
        for n in range(3):
            assert kinds(await ended(one(n))) == ["NoDeviceLeft"]
            await world.clock.sleep(120.0)  # Whatever the breaker's pause is, it is over.
        assert (await one(3)).counts
        # The device is back and begins slowly: it holds four now.
        assert kinds(await ended(*(one(n) for n in range(4, 68)))) == []
        assert not circuits.pool.tickets

    crowd(Slow(ideal_device("local.ideal", 3, max_shots=100), takes_s=0.5, wrong=away), scenario)


def test_who_waits_longer_for_room_than_is_any_use_is_told_so():
    async def scenario(one, circuits, world):
        circuits.pool.open("local.ideal")
        held = [asyncio.create_task(one(n)) for n in range(2)]
        await world.clock.sleep(0.1)
        begun_ns = world.clock.monotonic_ns()
        with pytest.raises(Unavailable, match=r"every queue that fits was full for 30 s"):
            await one(2)
        assert (world.clock.monotonic_ns() - begun_ns) / 1e9 == pytest.approx(WAIT_FOR_ROOM_S)
        assert kinds(await ended(*held)) == []
        assert (await one(2)).counts

    crowd(Slow(ideal_device("local.ideal", 3, max_shots=100), takes_s=100.0), scenario)


def test_of_the_time_to_a_deadline_half_is_left_for_an_answer_without_a_device():
    async def scenario(one, circuits, world):
        circuits.pool.open("local.ideal")
        held = [asyncio.create_task(one(n)) for n in range(2)]
        await world.clock.sleep(0.1)
        of = Circumstances(
            tenant=DEFAULT_TENANT, trace=NO_TRACE, template="", run="", step="",
            deadline_ns=world.clock.wall_ns() + 8 * NS_PER_S,
        )  # fmt: skip
        with pytest.raises(Unavailable, match="every queue that fits was full for 4 s"):
            await circuits.runner("step-2", DEFAULT_TENANT, of)(BELL, shots=10, seed=2)
        assert kinds(await ended(*held)) == []

    crowd(Slow(ideal_device("local.ideal", 3, max_shots=100), takes_s=100.0), scenario)
