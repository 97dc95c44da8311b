"""Machines of Quandela through their cloud, by a server that behaves as its description says."""

import base64
import json
import zlib

import numpy as np
import pytest

from phalanx.adapters.providers import quandela_provider
from phalanx.adapters.providers._quandela_documents import Wiring, counts, experiment, fields, least, packed, unpacked
from phalanx.core import DEFAULT_TENANT, InvalidInput, Origin, Overloaded, Unavailable
from phalanx.devices import (
    Fleet,
    Jobs,
    JobState,
    LiveBackend,
    MaybeSent,
    Program,
    ProviderContext,
    QueuedPhotonic,
    Stage,
    StagedBackend,
    Status,
)
from phalanx.quantum import Gates, InvalidCircuit
from phalanx.quantum.photonic import (
    BeamSplitter,
    Condition,
    Herald,
    PhotonicProgram,
    Source,
    expected,
    interferometer,
    on_photons,
)
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld, job_ended, running_jobs
from phalanx.testing.contracts import PHOTONIC_CHECKS, STAGED_CHECKS, check_provider
from phalanx.testing.delivery import Given, PeerServer
from phalanx.testing.vendors import QuandelaApi

pytest.importorskip("google.protobuf", reason="the extra otlp is not installed: the server reads with its library")
TOKEN = "t0ken"
DIP = PhotonicProgram(modes=2, photons=(1, 1), circuit=(BeamSplitter(modes=(0, 1)),), detectors="threshold")


def provider(world, server, *, token=TOKEN):
    made = ProviderContext(
        world.offload, world.clock, frozenset({"quandela"}), {"quandela.url": server.url}, lambda name, variable: token
    )
    return quandela_provider(made)


def machine(world, server, name="quandela.ascella", **options):
    return next(one for one in provider(world, server, **options).backends() if one.device.name == name)


def on(work, product=None):
    with PeerServer(product or QuandelaApi(TOKEN)) as server:
        return SimWorld(1).run(lambda world: work(world, server))


def haar(n, seed):
    rng = np.random.default_rng(seed)
    q, r = np.linalg.qr(rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n)))
    return q * (np.diag(r) / np.abs(np.diag(r)))


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", PHOTONIC_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", ["quandela.ascella", "quandela.belenos"])
def test_a_real_machine_of_quandela(name, check):
    on(lambda world, server: check(machine(world, server, name)))


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("check", STAGED_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_quandela_says_how_far_a_job_is(check):
    on(lambda world, server: check(machine(world, server)))


@pytest.mark.requirement("QRM-4")
@pytest.mark.parametrize("old", [False, True])
def test_a_machine_is_as_the_cloud_tells(old):
    async def main(world, server):
        made = provider(world, server)
        check_provider(made)
        ascella, belenos = made.backends()
        assert {one.device.status for one in (ascella, belenos)} == {Status.OFFLINE}, "nobody has looked yet"
        assert isinstance(ascella, QueuedPhotonic)
        assert isinstance(ascella, StagedBackend)
        assert isinstance(ascella, LiveBackend)
        assert not ascella.device.features.gates, "the cloud runs photons"
        device = await belenos.look()
        assert (device.origin, device.status, device.queue.depth) == (Origin.HARDWARE, Status.ONLINE, 3)
        light = device.photonic
        assert (light.modes, light.photons, light.threshold) == (24, 12, True)
        assert (light.transmittance, light.indistinguishability, light.g2) == pytest.approx((0.05, 0.92, 0.015))
        assert light.source == "Quandela's cloud on qpu:belenos"
        server.product.status = "maintenance"
        assert (await belenos.look()).status is Status.MAINTENANCE
        server.product.commands = ("probs",)
        with pytest.raises(Unavailable, match="does not count outcomes"):
            await belenos.look()

    on(main, QuandelaApi(TOKEN, old=old))


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("photons", [(1, 0, 1, 0, 1), (0, 1, 1, 0, 0), (1, 1, 1, 0, 1), (0, 0, 0, 1, 0)])
def test_photons_come_in_where_they_can_and_do_what_they_should(photons):
    program = PhotonicProgram(
        modes=5, photons=photons, circuit=(interferometer(tuple(range(5)), haar(5, 3)),), detectors="threshold"
    )

    async def main(world, server):
        found = await machine(world, server).interfere(program, shots=20_000, seed=1)
        exact = expected(program).weights
        apart = sum(abs(found.counts.get(key, 0) / 20_000 - exact.get(key, 0.0)) for key in {*found.counts, *exact}) / 2
        assert apart < 0.02
        (job,) = server.product.jobs.values()
        assert {mode for mode, n in enumerate(job.program.photons) if n} <= {0, 2, 4, 6, 8, 10}

    on(main)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize(
    ("figure", "value", "ours"),
    [("HOM (%)", 100.4, "indistinguishability"), ("Transmittance (%)", 0, "transmittance"), ("g2 (%)", 60, "g2"),
     ("HOM (%)", "n/a", "indistinguishability"), ("g2 (%)", [1], "g2")],
)  # fmt: skip
def test_an_odd_figure_costs_no_result(figure, value, ours):
    async def main(world, server):
        ascella = machine(world, server)
        before = ascella.device.photonic
        light = (await ascella.look()).photonic
        assert getattr(light, ours) == getattr(before, ours)
        assert light.source == f"Quandela's cloud on qpu:ascella; {figure} {value!r} is not taken over"
        usual = {"transmittance": 0.05, "indistinguishability": 0.92, "g2": 0.015}
        for name in usual.keys() - {ours}:
            assert getattr(light, name) == pytest.approx(usual[name])
        jobs = Jobs(world.store("node"), world.clock, world.ids, Fleet([ascella]), Telemetry(world.clock))
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, Program.of_photonic(DIP), shots=1_000)
            found = await job_ended(world, jobs, job)
        assert (found.state, found.error) == (JobState.COMPLETED, "")
        assert len(found.provenance.baselines) == 2

    on(main, QuandelaApi(TOKEN, perfs={figure: value}))


@pytest.mark.requirement("QRM-8")
def test_more_photons_than_ways_in_are_refused_with_the_ways_named():
    three = PhotonicProgram(modes=4, photons=(1, 1, 1, 0), detectors="threshold")
    with pytest.raises(InvalidInput, match=r"are in 3 modes, and photons come in by 2 here: 0, 2"):
        experiment(three, Wiring((0, 2), 12))


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize(
    ("said", "why"), [(0, "of 0 shots"), (-1, "of -1 shots"), ("some", "of 'some' shots"), (100, "200 of them in 100")]
)
def test_outcomes_are_held_against_shots(said, why):
    class Odd(QuandelaApi):
        def _result(self, name, job):
            told = json.loads(super()._result(name, job).body)
            return Given(200, json.dumps(told | {"shots": said}).encode())

    async def main(world, server):
        with pytest.raises(Unavailable, match=why):
            await machine(world, server).interfere(DIP, shots=200, seed=1)

    on(main, Odd(TOKEN))


@pytest.mark.requirement("QRM-8")
def test_a_circuit_of_qubits_goes_the_whole_way():
    pair = on_photons(Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()).program

    async def main(world, server):
        found = await machine(world, server).interfere(pair, shots=9_000, seed=1)
        bits = {pair.bits(key): n for key, n in found.counts.items()}
        assert set(bits) == {"00", "11"}
        assert sum(bits.values()) == pytest.approx(1_000, abs=150)
        assert found.provenance.shots == 9_000
        (job,) = server.product.jobs.values()
        assert job.least == 2, "what shows less is not sent back"

    on(main)


def test_the_wire_is_as_published():
    async def main(world, server):
        ascella = machine(world, server)
        await ascella.submit_program(DIP, shots=10, seed=1, key="ours")
        (asked,) = [one for one in server.requests if one.method == "POST"]
        assert asked.path == "/api/jobs"
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"
        body = json.loads(asked.body)
        assert {name: body[name] for name in ("platform_name", "job_name", "pcvl_version")} == {
            "platform_name": "qpu:ascella", "job_name": "ours", "pcvl_version": "1.1.0",
        }  # fmt: skip
        payload = body["payload"]
        assert (payload["command"], payload["max_shots"], payload["max_samples"]) == ("sample_count", 10, 10)
        tag, text = unpacked(payload["experiment"])
        assert tag == "Experiment"
        known = dict(fields(base64.b64decode(text)))
        assert known[1] == b":PCVL:BasicState:|1,0,1>", "the second photon comes in by the next mode that can"
        assert known[8] == 3

    on(main)


def test_shots_that_are_kept_show_so_many_photons_at_least():
    four = PhotonicProgram(modes=4, photons=(1,) * 4, detectors="threshold", min_detected=1,
                           heralds=(Herald(mode=3),), postselect=(Condition(modes=(0, 1), photons=(1, 2)),
                                                                  Condition(modes=(1, 2), photons=(2,))))  # fmt: skip
    assert least(four) == 2, "modes that stand twice are counted once"
    assert least(DIP) == 0


def test_outcomes_are_read_packed_and_plain_and_nothing_else_is():
    kept = PhotonicProgram(modes=2, photons=(1, 1), detectors="threshold", heralds=(Herald(mode=0),))
    text = "{|1,0,0>=3;|0,1,0>=2;|1,1,0>=1;|1,0,0>=4}"
    for written in (packed("BSCount", text), f":PCVL:BSCount:{text}"):
        assert counts(kept, json.dumps({"results": written}), 10, "it") == {"1,0": 7, "1,1": 1}
    assert counts(kept, json.dumps({"results": ":PCVL:BSCount:{}"}), 10, "it") == {}
    bomb = ":PCVL:zip:" + base64.b64encode(zlib.compress(b":PCVL:BSCount:" + b"x" * 300_000_000)).decode()
    wrong = ["no json", "{}", json.dumps({"results": ":PCVL:BSSamples:|1,0>"}), json.dumps({"results": "?"}),
             json.dumps({"results": ":PCVL:BSCount:{|1,0>=x}"}), json.dumps({"results": ":PCVL:BSCount:{|1>=2}"}),
             json.dumps({"results": ":PCVL:BSCount:{|1,0,1>=2}"}), json.dumps({"results": bomb}),
             json.dumps({"results": ":PCVL:zip:AAAA"}), json.dumps({"results": ":PCVL:BSCount:{|1,0>=11}"}),
             json.dumps({"results": ":PCVL:BSCount:{|0,1>=6;|1,0>=5}"}),
             json.dumps({"results": ":PCVL:BSCount:{|1,0>=11;|1,1>=-3}"})]  # fmt: skip
    for results in wrong:
        with pytest.raises(Unavailable, match="its outcomes cannot be read"):
            counts(kept, results, 10, "it")
    for message in (b"\x80", b"\x09\x00", b"\x0a\x05ab", b"\x0b"):
        with pytest.raises(ValueError, match=r"."):
            list(fields(message))


def test_what_is_sent_is_small_and_the_same_each_time():
    wide = PhotonicProgram(modes=12, photons=(1, 0) * 6, circuit=(interferometer(tuple(range(12)), haar(12, 1)),),
                           detectors="threshold")  # fmt: skip
    wiring = Wiring((0, 2, 4, 6, 8, 10), 12)
    assert experiment(wide, wiring) == experiment(wide, wiring)
    assert len(experiment(wide, wiring)) < 10_000


def test_who_is_busy_is_asked_again_and_a_job_is_sent_once():
    async def main(world, server):
        ascella = machine(world, server)
        await ascella.look()
        server.product.throttled = 1
        before = world.clock.wall_ns()
        await ascella.look()
        assert world.clock.wall_ns() - before == 7 * 10**9, "as long as it said"
        server.product.broken = 2
        assert (await ascella.look()).status is Status.ONLINE
        server.product.throttled = 1
        with pytest.raises(Overloaded):
            await ascella.submit_program(DIP, shots=10, seed=1, key="ours")
        assert server.product.jobs == {}
        handle = await ascella.submit_program(DIP, shots=10, seed=1, key="ours")
        server.product.broken = 30  # Longer than one question is repeated: the job is there when it is back.
        assert sum((await ascella.collect_program(handle, DIP, shots=10, seed=1)).counts.values()) == 10
        assert server.product.kept == ["ours"]

    on(main)


def test_credentials_credits_and_failures_are_told_for_what_they_are():
    async def main(world, server):
        with pytest.raises(Unavailable, match="Invalid or expired job token"):
            await machine(world, server, token="wrong").look()
        ascella = machine(world, server)
        server.product.credits_left = False
        with pytest.raises(Unavailable, match="Not enough credits"):
            await ascella.submit_program(DIP, shots=10, seed=1, key="")
        server.product.credits_left = True
        server.product.fail_next = True
        with pytest.raises(Unavailable, match="ended as error: the laser is out"):
            await ascella.interfere(DIP, shots=10, seed=1)
        handle = await ascella.submit_program(DIP, shots=10, seed=1, key="")
        await ascella.recall(handle)
        assert await ascella.stage(handle) is Stage.NOTHING
        with pytest.raises(Unavailable, match="ended as canceled"):
            await ascella.collect_program(handle, DIP, shots=10, seed=1)
        with pytest.raises(InvalidInput, match="Can not cancel job"):
            await ascella.recall(handle)
        with pytest.raises(InvalidCircuit, match="runs no gates"):
            await ascella.run(Gates(1).h(0).measure(0).circuit(), shots=1, seed=1)

    on(main)


def test_a_job_whose_answer_was_lost_is_not_sent_again():
    class Losing(QuandelaApi):
        def answer(self, asked):
            found = super().answer(asked)
            return found if asked.method != "POST" else type(found)(504, b"gateway")

    async def main(world, server):
        ascella = machine(world, server)
        for _ in range(2):
            with pytest.raises(MaybeSent, match="not sent a second time"):
                await ascella.submit_program(DIP, shots=10, seed=1, key="ours")
        assert server.product.kept == ["ours"]

    on(main, Losing(TOKEN))


@pytest.mark.requirement("QRM-8")
def test_a_job_is_collected_by_the_next_life_of_the_node():
    async def main(world, server):
        server.product.source = Source(transmittance=0.5)
        store, program = world.store("node"), Program.of_photonic(DIP)

        def life(ascella):
            return Jobs(store, world.clock, world.ids, Fleet([ascella]), Telemetry(world.clock))

        ascella = machine(world, server)
        await ascella.look()
        first = life(ascella)
        async with running_jobs(first):
            job = await first.submit(DEFAULT_TENANT, program, shots=1_000)
            while not (await first.get(DEFAULT_TENANT, job.id)).handle:
                await world.clock.sleep(0.1)
        second = life(machine(world, server))
        async with running_jobs(second):
            found = await job_ended(world, second, job)
        assert (found.state, found.error) == (JobState.COMPLETED, "")
        assert found.provenance.origin is Origin.HARDWARE
        assert sum(found.counts.values()) == found.shots_given == 1_000
        assert server.product.kept == [job.id]
        assert "photons that do not interfere" in found.provenance.baselines[1].method

    on(main)
