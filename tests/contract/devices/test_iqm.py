"""Machines of IQM through their server's API, by a server that behaves as its description says."""

import asyncio
import json
import math
import runpy
import threading
from pathlib import Path

import numpy as np
import pytest

from phalanx.adapters import SystemClock, ThreadOffload
from phalanx.adapters.providers import iqm_provider
from phalanx.core import DEFAULT_TENANT, InvalidInput, LimitExceeded, Origin, Overloaded, Unavailable
from phalanx.devices import (
    Fleet,
    Jobs,
    JobState,
    LiveBackend,
    MaybeSent,
    ProviderContext,
    Stage,
    StagedBackend,
    Status,
    shipped_snapshots,
)
from phalanx.quantum import Gates, InvalidCircuit, simulate
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld, job_ended, line_of_three, running_jobs
from phalanx.testing.contracts import DEVICE_CHECKS, STAGED_CHECKS, check_provider
from phalanx.testing.delivery import Given, PeerServer
from phalanx.testing.vendors import IqmApi

TOKEN = "t0ken"
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "place_and_run.py"
BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
CHECKS = pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))


def provider(world, server, *, token=TOKEN, **options):
    given = {"iqm.url": server.url, **{f"iqm.{name}": value for name, value in options.items()}}
    made = ProviderContext(world.offload, world.clock, frozenset({"iqm"}), given, lambda name, variable: token)
    return iqm_provider(made)


def garnet(world, server, **options):
    (machine,) = provider(world, server, **options).backends()
    return machine


def on(work, product=None):
    with PeerServer(product or IqmApi(TOKEN)) as server:
        return SimWorld(1).run(lambda world: work(world, server))


@pytest.mark.requirement("QRM-8")
@CHECKS
def test_a_real_machine_of_iqm(check):
    on(lambda world, server: check(garnet(world, server)))


@pytest.mark.requirement("QRM-7")
def test_the_example_pulls_cables_of_emulated_machines_alone():
    cabled = runpy.run_path(str(EXAMPLE))["cabled"]

    async def main(world, server):
        real = garnet(world, server)
        emulated = iqm_provider(ProviderContext(world.offload, world.clock)).backends()[0]
        assert cabled(real) is real, "what it is sent is collected after a restart"
        assert cabled(emulated).device is emulated.device
        assert cabled(emulated) is not emulated

    on(main)


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("check", STAGED_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_iqm_says_how_far_a_job_is(check):
    on(lambda world, server: check(garnet(world, server)))


@pytest.mark.requirement("QRM-4")
def test_its_figures_are_those_that_the_server_gives():
    shipped = next(one for one in shipped_snapshots("iqm") if one.head.name == "garnet").calibration

    async def main(world, server):
        made = provider(world, server)
        check_provider(made)
        (machine,) = made.backends()
        assert isinstance(machine, StagedBackend)
        assert isinstance(machine, LiveBackend)
        device = await machine.look()
        known = device.calibration
        assert (device.name, device.title, device.origin) == ("iqm.garnet", "IQM Garnet", Origin.HARDWARE)
        assert (device.queue.depth, device.max_shots, device.n_qubits) == (3, 20_000, 20)
        assert known.source.startswith("IQM Garnet, calibration set 0f0a")
        assert known.calibrated_at_ns == 1_790_565_000 * 10**9, "when the metrics were finished"
        assert known.faulty_qubit.tolist() == [False] * 19 + [True]
        assert known.pair.tolist() == shipped.pair.tolist(), "qubits are in the order of their numbers"
        assert known.faulty_coupler[0], "what is not calibrated is masked"
        for name in ("t1_ns", "t2_ns", "one_qubit_error", "readout_error"):
            np.testing.assert_allclose(getattr(known, name)[:-1], getattr(shipped, name)[:-1], rtol=1e-6, err_msg=name)
        np.testing.assert_allclose(known.two_qubit_error, shipped.two_qubit_error, rtol=1e-6)
        assert set(known.two_qubit_error_se.tolist()) == {2e-3}
        assert known.median("one_qubit_ns") == pytest.approx(20)
        assert known.median("two_qubit_ns") == pytest.approx(40)
        assert math.isnan(known.median("readout_ns")), "what nobody says is not known"
        server.product.healthy = False
        assert (await machine.look()).status is Status.OFFLINE

    on(main)


def test_without_metrics_nothing_is_made_up():
    async def main(world, server):
        server.product.metrics = False
        machine = garnet(world, server)
        assert machine.device.reach == 1
        with pytest.raises(LimitExceeded, match="connected qubits"):
            await machine.run(BELL, shots=10, seed=1)
        counts = (await machine.run(Gates(1).x(0).measure(0).circuit(), shots=10, seed=1)).counts
        assert counts == {"1": 10}

    on(main)


def test_circuits_come_to_what_quantum_mechanics_says():
    gates = Gates(4).h(0).rx(0.7, 1).ccx(0, 1, 2).p(1.1, 2).cx(2, 3).ry(0.4, 3).cz(0, 3).h(2).measure(3, 1, 2)
    expected = simulate.probabilities(gates)

    async def main(world, server):
        counts = (await garnet(world, server).run(gates.circuit(), shots=20_000, seed=1)).counts
        seen = np.array([counts.get(f"{at:03b}", 0) for at in range(8)]) / 20_000
        assert np.abs(seen - expected).sum() / 2 < 0.02

    on(main)


def test_the_wire_is_as_published():
    async def main(world, server):
        machine = garnet(world, server)
        await machine.submit(BELL, shots=10, seed=1, key="ours")
        (asked,) = [one for one in server.requests if one.method == "POST"]
        assert (asked.path, asked.query) == ("/api/v1/jobs/garnet/circuit", {"tag": "ours"})
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"
        assert asked.headers["user-agent"].startswith("phalanx/")
        body = json.loads(asked.body)
        assert set(body) == {"circuits", "shots"}, "clients send nothing that the server does not know"
        steps = body["circuits"][0]["instructions"]
        assert [one["name"] for one in steps[-2:]] == ["barrier", "measure"], "all bits are read at once"
        assert {one["name"] for one in steps[:-2]} == {"prx", "cz"}
        assert sum(one["name"] == "prx" for one in steps) <= 4, "one pulse where there were several gates"

    on(main)


def test_a_busy_server_is_left_alone_for_as_long_as_it_says():
    async def main(world, server):
        machine = garnet(world, server)
        handle = await machine.submit(BELL, shots=100, seed=1, key="ours")
        server.product.throttled = 2
        before_ns = world.clock.wall_ns()
        await machine.stage(handle)
        assert world.clock.wall_ns() - before_ns >= 2 * 7 * 10**9
        server.trouble.extend(["busy", "error", "silent", "cut"])
        result = await machine.collect(handle, BELL, shots=100, seed=1)
        assert sum(result.counts.values()) == 100
        assert result.provenance.origin is Origin.HARDWARE
        server.product.throttled = 1
        with pytest.raises(Overloaded):
            await machine.submit(BELL, shots=100, seed=1, key="another")
        server.trouble.append("error")
        with pytest.raises(Unavailable, match="503"):
            await machine.submit(BELL, shots=100, seed=1, key="another")
        assert server.product.kept == ["ours"], "what starts a job is sent once"
        await machine.submit(BELL, shots=100, seed=1, key="another")
        assert server.product.kept == ["ours", "another"], "what was refused may be sent again"

    on(main)


def test_a_job_outlives_a_server_that_is_away_for_a_while():
    async def main(world, server):
        machine = garnet(world, server)
        handle = await machine.submit(BELL, shots=100, seed=1, key="ours")
        server.trouble.extend(["error", "silent"] * 20)
        assert sum((await machine.collect(handle, BELL, shots=100, seed=1)).counts.values()) == 100
        handle = await machine.submit(BELL, shots=100, seed=1, key="another")
        server.trouble.extend(["error"] * 10_000)
        with pytest.raises(Unavailable, match="503"):
            await machine.collect(handle, BELL, shots=100, seed=1)
        assert len(server.trouble) > 9_000, "it is not asked much meanwhile"

    on(main)


@pytest.mark.parametrize("trouble", ["after-effect", "silent"])
def test_a_job_whose_answer_was_lost_is_not_sent_again(trouble):
    async def main(world, server):
        machine = garnet(world, server)
        server.trouble.append(trouble)
        for _ in range(2):
            with pytest.raises(MaybeSent, match="did not say whether it took the job") as told:
                await machine.submit(BELL, shots=100, seed=1, key="ours")
            assert "named ours" in told.value.hint
        assert server.product.kept == (["ours"] if trouble == "after-effect" else [])

    on(main)


class OddlyAnswering(IqmApi):
    """It takes a job, and says something else than what it calls it."""

    says = Given(200, b"")

    def _create(self, alias, asked):
        super()._create(alias, asked)
        return self.says


@pytest.mark.parametrize(
    ("status", "body"), [(201, b"{}"), (201, b"[]"), (201, b"<html>a proxy</html>"), (201, b'{"id": null}'), (500, b"")]
)
def test_a_job_that_was_taken_with_an_odd_answer_is_not_sent_again(status, body):
    product = OddlyAnswering(TOKEN)
    product.says = Given(status, body)

    async def main(world, server):
        machine = garnet(world, server)
        for _ in range(2):
            with pytest.raises(MaybeSent):
                await machine.submit(BELL, shots=100, seed=1, key="ours")
        assert product.kept == ["ours"]

    on(main, product)


class Other:
    """A machine that could do the job as well."""

    device = line_of_three("vendor.other", 1e-3)

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("the job came here")


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("pinned", [True, False])
def test_a_job_of_which_nobody_knows_whether_it_is_there_goes_nowhere_else_and_is_paid_for(pinned):
    async def main(world, server):
        machine = garnet(world, server)
        jobs = Jobs(world.store("n"), world.clock, world.ids, Fleet([machine, Other()]), Telemetry(world.clock))
        server.trouble.append("after-effect")
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=100, device="iqm.garnet", movable=not pinned)
            ended = await job_ended(world, jobs, job)
        assert (ended.state, ended.device, ended.moves) == (JobState.FAILED, "iqm.garnet", ())
        assert f"look for a job named {job.id} there" in ended.error
        assert [(one.device, one.handle, one.charged) for one in ended.losses] == [("iqm.garnet", job.id, True)]
        assert server.product.kept == [job.id]

    on(main)


def test_a_submission_that_is_left_on_its_way_is_not_sent_again():
    class Slow(IqmApi):
        def _create(self, alias, asked):
            made = super()._create(alias, asked)
            left.set()
            goes_on.wait(10)
            return made

    product, left, goes_on = Slow(TOKEN), threading.Event(), threading.Event()

    async def main(server):
        clock, offload = SystemClock(), ThreadOffload(2)
        given = {"iqm.url": server.url}
        made = ProviderContext(offload, clock, frozenset({"iqm"}), given, lambda name, variable: TOKEN)
        (machine,) = iqm_provider(made).backends()
        sending = asyncio.create_task(machine.submit(BELL, shots=10, seed=1, key="ours"))
        await asyncio.to_thread(left.wait, 10)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        goes_on.set()
        with pytest.raises(MaybeSent):
            await machine.submit(BELL, shots=10, seed=1, key="ours")
        assert product.kept == ["ours"]

    with PeerServer(product) as server:
        asyncio.run(main(server))


def test_a_token_that_is_renewed_while_a_job_is_there_loses_nothing():
    async def main(world, server):
        machine = garnet(world, server)
        handle = await machine.submit(BELL, shots=10, seed=1, key="ours")
        server.product.token = "renewed"

        async def renew():
            await world.clock.sleep(600)
            tokens.append("renewed")

        tokens.append("not yet")
        renewing = asyncio.create_task(renew())
        assert sum((await machine.collect(handle, BELL, shots=10, seed=1)).counts.values()) == 10
        await renewing
        server.product.token = "another"
        with pytest.raises(Unavailable, match="refuses the credentials"):
            await machine.submit(BELL, shots=10, seed=1, key="next")

    tokens = [TOKEN]

    def garnet(world, server):
        given = {"iqm.url": server.url}
        made = ProviderContext(world.offload, world.clock, frozenset({"iqm"}), given, lambda name, _: tokens[-1])
        return iqm_provider(made).backends()[0]

    on(main)


def test_what_iqm_refuses_is_said_in_our_words():
    async def main(world, server):
        with pytest.raises(Unavailable, match="refuses the credentials") as told:
            garnet(world, server, token="wr0ng")
        assert "wr0ng" not in str(told.value)
        machine = garnet(world, server)
        server.product.credits_left = False
        with pytest.raises(Unavailable, match="no credits left"):
            await machine.submit(BELL, shots=10, seed=1, key="k")
        server.product.credits_left = True
        with pytest.raises(InvalidCircuit, match="measures"):
            await machine.submit(Gates(1).h(0).circuit(), shots=10, seed=1, key="k")
        server.product.fail_next = True
        with pytest.raises(Unavailable, match="the cryostat is warm"):
            await machine.run(BELL, shots=10, seed=1)

    on(main)


def test_a_job_can_be_recalled_until_it_has_ended():
    async def main(world, server):
        machine = garnet(world, server)
        handle = await machine.submit(BELL, shots=10, seed=1, key="k")
        assert await machine.stage(handle) is Stage.WAITING
        await machine.recall(handle)
        assert await machine.stage(handle) is Stage.NOTHING
        with pytest.raises(Unavailable, match="cancelled"):
            await machine.collect(handle, BELL, shots=10, seed=1)
        with pytest.raises(Unavailable, match="the job is cancelled"):
            await machine.recall(handle)

    on(main)


def test_machines_are_those_that_the_settings_name():
    async def main(world, server):
        assert garnet(world, server, computers="garnet").device.name == "iqm.garnet"
        assert garnet(world, server).device.status is Status.ONLINE, "it was looked at when it was made"
        with pytest.raises(InvalidInput, match=r"emerald is no machine there; there are garnet, sirius"):
            provider(world, server, computers="garnet,emerald")
        with pytest.raises(InvalidInput, match="no machine there"):
            provider(world, server, computers="garnet:mock")
        with pytest.raises(InvalidInput, match="resonator"):
            provider(world, server, computers="sirius")

    on(main)


def test_a_machine_that_cannot_be_asked_at_the_start_is_there_offline():
    async def main(world, server):
        handle = await garnet(world, server).submit(BELL, shots=10, seed=1, key="k")
        server.trouble.append("error")
        with pytest.raises(Unavailable, match="503"):
            provider(world, server)
        server.trouble.append("error")
        machine = garnet(world, server, computers="garnet")
        assert (machine.device.status, machine.device.calibration.source) == (Status.OFFLINE, "not seen yet")
        assert sum((await machine.collect(handle, BELL, shots=10, seed=1)).counts.values()) == 10
        server.trouble.extend(["error"] * 6)
        with pytest.raises(Unavailable, match="503"):
            # Not that it has one qubit: then the job would be at fault.
            await machine.submit(BELL, shots=10, seed=1, key="next")
        await machine.submit(BELL, shots=10, seed=1, key="next")
        seen = await machine.look()
        assert (seen.status, seen.n_qubits) == (Status.ONLINE, 20)
        with pytest.raises(Unavailable, match="credentials"):
            garnet(world, server, computers="garnet", token="wr0ng")

    on(main)


def test_the_token_travels_over_https_only():
    async def main(world):
        options = {"iqm.url": "http://iqm.example.org"}
        made = ProviderContext(world.offload, world.clock, frozenset({"iqm"}), options, lambda name, variable: TOKEN)
        with pytest.raises(InvalidInput, match="https"):
            iqm_provider(made)

    SimWorld(1).run(main)
