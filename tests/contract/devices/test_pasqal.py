"""Machines of Pasqal through its cloud, by a server that behaves as published; the maker's own SDK judges both."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from phalanx.adapters.providers import pasqal_provider
from phalanx.adapters.providers._pasqal_cloud import PasqalCloud
from phalanx.adapters.providers._pasqal_sequences import pasqal_text
from phalanx.core import DEFAULT_TENANT, InvalidInput, LimitExceeded, Origin, Overloaded, Unavailable
from phalanx.devices import (
    Fleet,
    Jobs,
    JobState,
    LiveBackend,
    Program,
    ProviderContext,
    QueuedAnalog,
    Stage,
    StagedBackend,
    Status,
)
from phalanx.quantum.analog import AnalogProgram, probabilities, read_program
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld, job_ended, running_jobs
from phalanx.testing.contracts import ANALOG_CHECKS, STAGED_CHECKS
from phalanx.testing.delivery import Given, PeerServer
from phalanx.testing.vendors import PASQAL_PROJECT, PasqalApi, pasqal_specs

pytestmark = pytest.mark.vendor
pytest.importorskip("pulser", reason="the extra of this vendor is not installed")

USER, PASSWORD = "ada@example.org", "hunter2"
SECRETS = {"pasqal.user": USER, "pasqal.password": PASSWORD}
SWEEP = AnalogProgram(
    atoms_um=((0.0, 0.0), (5.5, 0.0), (0.0, 9.0)), amplitude=((0, 0), (0.4, 12), (3.6, 12), (4, 0)),
    detuning=((0, -30), (0.4, -30), (3.6, 20), (4, 20)), phase=((0, 0), (2, 0.7), (4, 0.7)),
)  # fmt: skip


def context(world, server, *, secrets=SECRETS, **options):
    base = {"pasqal.url": server.url, "pasqal.auth_url": f"{server.url}/oauth/token", "pasqal.project": PASQAL_PROJECT}

    def secret(name, variable):
        if name not in secrets:
            raise Unavailable(name, f"{variable} is not set")
        return secrets[name]

    return ProviderContext(world.offload, world.clock, frozenset({"pasqal"}), base | options, secret)


def machines(world, server, **more):
    found = pasqal_provider(context(world, server, **more)).backends()
    return {one.device.name: one for one in found}


async def fresnel(world, server, **more):
    machine = machines(world, server, **more)["pasqal.fresnel"]
    await machine.look()
    return machine


def on(main, product=None):
    with PeerServer(product or PasqalApi(USER, PASSWORD)) as server:
        return SimWorld(1).run(lambda world: main(world, server))


def deserialized(specs):
    from pulser.json.abstract_repr.deserializer import deserialize_device

    return deserialize_device(json.dumps(specs))


def sdk(server, batch):
    program = [sys.executable, str(Path(__file__).with_name("_pasqal_sdk.py")), server.url]
    done = subprocess.run(
        [*program, PASQAL_PROJECT, USER, PASSWORD, batch], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def posted(server):
    return [json.loads(one.body) for one in server.requests if (one.method, one.path[-8:]) == ("POST", "/batches")]


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", ANALOG_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_a_real_machine(check):
    async def main(world, server):
        machine = await fresnel(world, server)
        assert machine.device.origin is Origin.HARDWARE
        assert isinstance(machine, QueuedAnalog)
        await check(machine)

    on(main)


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("check", STAGED_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_it_says_how_far_a_job_is(check):
    async def main(world, server):
        machine = await fresnel(world, server)
        assert isinstance(machine, StagedBackend)
        await check(machine)

    on(main)


@pytest.mark.requirement("QRM-4")
def test_a_machine_is_what_its_cloud_says():
    product = PasqalApi(USER, PASSWORD, states={"FRESNEL": "DOWN"})

    async def main(world, server):
        known = machines(world, server)
        assert set(known) == {"pasqal.fresnel", "pasqal.digital"}
        assert known["pasqal.digital"].device.origin is Origin.EMULATED
        machine = known["pasqal.fresnel"]
        assert isinstance(machine, LiveBackend)
        assert machine.device.status is Status.OFFLINE, "nobody knows yet how it is"
        seen = await machine.look()
        assert seen.status is Status.MAINTENANCE, "what is down queues work, and does none"
        assert (seen.n_qubits, seen.max_shots, seen.title) == (25, 1_000, "FRESNEL")
        assert (seen.analog.duration_us, seen.analog.distance_um) == (6.0, 5.0)
        assert seen.queue.wait_ns_p50 == 1_800 * 10**9
        assert (seen.price.currency, seen.price.per_second) == ("EUR", pytest.approx(3_000 / 3_600))
        product.states.clear()
        again = await machine.look()
        assert again.status is Status.ONLINE
        assert again.calibration.id == seen.calibration.id, "what has not changed is no new calibration"
        product.machines["FRESNEL"]["max_runs"] = 500
        assert (await machine.look()).max_shots == 500
        product.machines["FRESNEL_CAN1"] = product.machines.pop("FRESNEL")
        with pytest.raises(Unavailable, match=r"no FRESNEL .*FRESNEL_CAN1"):
            await machine.look()
        assert machine.device.status is Status.OFFLINE

    on(main, product)


def test_machines_are_those_that_are_shown_or_named_or_long_known():
    product = PasqalApi(
        USER, PASSWORD, machines={name: pasqal_specs(name) for name in ("FRESNEL", "EMU_FREE", "ORION")}
    )

    async def main(world, server):
        assert set(machines(world, server)) == {"pasqal.fresnel", "pasqal.orion", "pasqal.digital"}
        asked = len(server.requests)
        named = machines(world, server, **{"pasqal.machines": "FRESNEL_SA1, ORION"})
        assert set(named) == {"pasqal.fresnel-sa1", "pasqal.orion", "pasqal.digital"}
        assert len(server.requests) == asked, "named machines are not asked for"
        server.trouble.append("silent")
        assert set(machines(world, server)) == {"pasqal.fresnel", "pasqal.fresnel-can1", "pasqal.digital"}

    on(main, product)


def test_an_emulator_of_the_cloud_does_not_pass_for_a_machine():
    product = PasqalApi(USER, PASSWORD, emulators=frozenset({"FRESNEL"}))

    async def main(world, server):
        with pytest.raises(InvalidInput, match="EMU_MPS: emulators"):
            machines(world, server, **{"pasqal.machines": "EMU_MPS"})
        machine = machines(world, server)["pasqal.fresnel"]
        with pytest.raises(Unavailable, match="would pass for a machine"):
            await machine.submit_program(SWEEP, shots=10, seed=1, key="k")
        assert not posted(server)

    on(main, product)


@pytest.mark.requirement("QRM-8")
def test_what_is_sent_is_what_pulser_makes_of_it():
    import pulser

    product = PasqalApi(USER, PASSWORD)

    async def main(world, server):
        machine = await fresnel(world, server)
        await machine.submit_program(SWEEP, shots=100, seed=1, key="ours")
        (batch,) = posted(server)
        assert {key: batch[key] for key in ("device_type", "jobs", "open", "project_id", "tags")} == {
            "device_type": "FRESNEL", "jobs": [{"runs": 100}], "open": False, "project_id": PASQAL_PROJECT,
            "tags": ["phalanx-ours"],
        }  # fmt: skip
        return batch["sequence_builder"]

    text = on(main, product)
    assert read_program(text).atoms_um == SWEEP.atoms_um
    sent = pulser.Sequence.from_abstract_repr(text)
    device = deserialized(product.machines["FRESNEL"])
    assert sent.device == device
    register = pulser.Register({f"q{at}": place for at, place in enumerate(SWEEP.atoms_um)})
    assert sent.register == register.with_automatic_layout(device)
    own = pulser.Sequence(sent.register, device)
    own.declare_channel("rydberg_global", "rydberg_global")
    ramp, flat, join = (getattr(pulser.waveforms, f"{name}Waveform") for name in ("Ramp", "Constant", "Composite"))
    first = join(ramp(400, 0, 12 * 399 / 400), flat(1_600, 12)), join(flat(400, -30), ramp(1_600, -30, -5 - 50 / 3_200))
    last = join(flat(1_600, 12), ramp(400, 12, 12 / 400)), join(ramp(1_600, -5, 20 - 50 / 3_200), flat(400, 20))
    for waves, phase in ((first, 0.0), (last, 0.7)):
        own.add(pulser.Pulse(*waves, phase), "rydberg_global", protocol="no-delay")
    own.measure("ground-rydberg")
    assert _plain(own.to_abstract_repr()) == _plain(text)


@pytest.mark.requirement("QRM-8")
def test_the_makers_sdk_reads_what_we_sent_and_the_server_is_right():
    pytest.importorskip("pasqal_cloud", reason="the maker's SDK is not installed")
    pytest.importorskip("pulser_simulation", reason="the extra of this vendor is not installed")
    product = PasqalApi(USER, PASSWORD)

    async def main(world, server):
        machine = await fresnel(world, server)
        handle = await machine.submit_program(SWEEP, shots=1_000, seed=1, key="ours")
        result = await machine.collect_program(handle, SWEEP, shots=1_000, seed=1)
        product.after = 0
        theirs = json.loads(sdk(server, product.jobs[handle].batch["id"]))
        first, second = posted(server)
        assert json.loads(first.pop("sequence_builder")) == json.loads(second.pop("sequence_builder"))
        # Ours carries a tag and says which machine is meant; theirs has a place for a web hook.
        assert {**second, "webhook": 0, "device_type": 0, "jobs": 0} == {
            **{key: one for key, one in first.items() if key != "tags"}, "webhook": 0, "device_type": 0, "jobs": 0,
        }  # fmt: skip
        return result.counts, theirs

    counts, theirs = on(main, product)
    assert (theirs["machines"], theirs["status"], theirs["tags"]) == (["FRESNEL"], "DONE", ["phalanx-ours"])
    assert (theirs["atoms"], theirs["counts"]) == (["q0", "q1", "q2"], counts)
    assert sum(theirs["again"].values()) == 200
    # Which way outcomes are spelt, and how likely each is, by the maker's own emulator.
    exact = probabilities(SWEEP, 865_723.02)
    for outcome, n in theirs["computed"].items():
        assert n / 4_000 == pytest.approx(float(exact[int(outcome, 2)]), abs=0.03)
        assert counts.get(outcome, 0) / 1_000 == pytest.approx(n / 4_000, abs=0.06)


@pytest.mark.requirement("QRM-7", "QRM-8")
def test_a_job_is_sent_once_though_its_node_dies_and_is_paid_by_the_second():
    product = PasqalApi(USER, PASSWORD)

    async def main(world, server):
        store, lives = world.store("node"), []

        async def life():
            fleet = Fleet([await fresnel(world, server)])
            lives.append(Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock)))
            return lives[-1]

        first = await life()
        async with running_jobs(first):
            # Looked for, its specification read, the answer lost, and then nobody answers.
            server.trouble.extend(["", "", "after-effect", *["silent"] * 4])
            job = await first.submit(DEFAULT_TENANT, Program.of_analog(SWEEP), shots=500)
            while not product.jobs:
                await world.clock.sleep(0.1)
        assert (await first.get(DEFAULT_TENANT, job.id)).handle == "", "the node died before it knew"
        second = await life()
        async with running_jobs(second):
            found = await job_ended(world, second, job)
        assert (found.state, len(product.jobs), len(posted(server))) == (JobState.COMPLETED, 1, 1)
        assert (found.handle, found.used_s) == (next(iter(product.jobs)), 90.0)
        assert found.provenance.origin is Origin.HARDWARE
        assert found.provenance.baselines[0].cost_unit == "outcomes"

    on(main, product)


def test_a_batch_whose_answer_was_lost_is_found_before_its_job_goes_elsewhere():
    class Odd(PasqalApi):
        def answer(self, asked):
            found = super().answer(asked)
            return Given(201, b"{}") if asked.method == "POST" and asked.path.endswith("/batches") else found

    async def main(world, server):
        machine = await fresnel(world, server)
        handle = await machine.submit_program(SWEEP, shots=10, seed=1, key="ours")
        assert list(server.product.jobs) == [handle]
        assert len(posted(server)) == 1

    on(main, Odd(USER, PASSWORD))


def test_a_busy_cloud_is_asked_again_and_a_program_is_sent_once():
    product = PasqalApi(USER, PASSWORD)

    async def main(world, server):
        machine = await fresnel(world, server)
        handle = await machine.submit_program(SWEEP, shots=100, seed=1, key="ours")
        # More often than one question is asked: it has the job, and is waited for.
        server.trouble.extend(["busy", "error", "silent", "cut"] * 5)
        result = await machine.collect_program(handle, SWEEP, shots=100, seed=1)
        assert sum(result.counts.values()) == 100
        server.trouble.extend(["", "", "error"])
        with pytest.raises(Unavailable, match="503"):
            await machine.submit_program(SWEEP, shots=100, seed=1, key="another")
        server.trouble.extend(["busy"] * 20)
        with pytest.raises((Overloaded, Unavailable)):
            await machine.submit_program(SWEEP, shots=100, seed=1, key="another")
        server.trouble.clear()
        assert product.kept == ["phalanx-ours"], "nothing was sent while the cloud was busy"
        assert await machine.submit_program(SWEEP, shots=100, seed=1, key="ours") == handle

    on(main, product)


def test_it_signs_in_again_when_its_token_has_ended_and_not_when_it_may_not():
    product = PasqalApi(USER, PASSWORD, lasts=3)

    async def main(world, server):
        machine = await fresnel(world, server)
        await asyncio.gather(*(machine.stage(f"none-{at}") for at in range(3)), return_exceptions=True)
        assert product.signed_in == 2, "all who wait share one sign-in"
        result = await machine.evolve(SWEEP, shots=50, seed=1)
        assert sum(result.counts.values()) == 50
        product.lasts = 1_000
        other = await fresnel(world, server, **{"pasqal.project": "another"})
        before = product.signed_in
        with pytest.raises(Unavailable, match="not a member of the project"):
            await other.evolve(SWEEP, shots=50, seed=1)
        assert product.signed_in == before

    on(main, product)


def test_refused_credentials_are_said_without_saying_them():
    async def main(world, server):
        wrong = machines(world, server, secrets=dict.fromkeys(SECRETS, "wr0ng"))["pasqal.fresnel"]
        with pytest.raises(Unavailable, match="Wrong email or password") as told:
            await wrong.look()
        assert "wr0ng" not in str(told.value)
        with pytest.raises(InvalidInput, match="https"):
            machines(world, server, **{"pasqal.url": "http://localhost.example.org"})
        with pytest.raises(InvalidInput, match=r"set pasqal\.project"):
            machines(world, server, secrets=SECRETS, **{"pasqal.project": ""})
        with pytest.raises(InvalidInput, match="none of fr, sa"):
            machines(world, server, **{"pasqal.region": "mars"})

    on(main)


def test_a_service_account_signs_in_with_its_secret():
    async def main(world, server):
        account = {"pasqal.client_id": "machine-1"}
        machine = await fresnel(world, server, secrets={"pasqal.client_secret": PASSWORD}, **account)
        assert machine.device.status is Status.ONLINE
        (asked,) = [one for one in server.requests if one.path == "/oauth/token"]
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
        form = parse_qs(asked.body.decode())
        assert (form["grant_type"], form["audience"]) == (
            ["client_credentials"], ["https://apis.pasqal.cloud/account/api/v1"],
        )  # fmt: skip

    on(main, PasqalApi("machine-1", PASSWORD))


def test_a_token_that_somebody_else_renews_is_read_again():
    product = PasqalApi(USER, PASSWORD, signed_in=7, _left=2)
    given = {"pasqal.token": "token-7"}

    async def main(world, server):
        machine = await fresnel(world, server, secrets=given, **{"pasqal.token_file": "token"})
        product.signed_in, product._left, given["pasqal.token"] = 8, 100, "token-8"
        assert (await machine.look()).status is Status.ONLINE
        product.signed_in = 9
        with pytest.raises(Unavailable, match="refuses the credentials"):
            await machine.look()
        assert not [one for one in server.requests if one.path == "/oauth/token"]

    on(main, product)


def test_a_job_can_be_recalled_and_a_failure_says_why():
    product = PasqalApi(USER, PASSWORD)

    async def main(world, server):
        machine = await fresnel(world, server)
        handle = await machine.submit_program(SWEEP, shots=10, seed=1, key="k")
        await machine.recall(handle)
        assert await machine.stage(handle) is Stage.NOTHING
        with pytest.raises(Unavailable, match="ended as canceled"):
            await machine.collect_program(handle, SWEEP, shots=10, seed=1)
        with pytest.raises(InvalidInput, match="Cannot cancel what is CANCELED"):
            await machine.recall(handle)
        product.fail_next = "a laser is out"
        with pytest.raises(Unavailable, match="a laser is out"):
            await machine.evolve(SWEEP, shots=10, seed=1)
        with pytest.raises(LimitExceeded):
            await machine.submit_program(SWEEP, shots=10**9, seed=1, key="k2")

    on(main, product)


@pytest.mark.parametrize("answer", [
    {"counter": {"01": 100}}, {"counter": {"012": 3}}, {"counter": {"010": 101}}, {"counter": {"010": -1}},
    {"counter": ["010"]}, {"raw": "010"}, [], None, "out of order",
])  # fmt: skip
def test_what_is_no_result_is_told_and_not_taken_for_one(answer):
    product = PasqalApi(USER, PASSWORD)
    product._result = lambda asked: Given(200, json.dumps(answer).encode())

    async def main(world, server):
        machine = await fresnel(world, server)
        with pytest.raises(Unavailable, match=r"published|outcomes are not 100 shots of 3 atoms"):
            await machine.evolve(SWEEP, shots=100, seed=1)
        assert len(product.jobs) == 1

    on(main, product)


def test_shots_that_are_missing_are_left_out_and_a_result_may_be_late_or_raw():
    product = PasqalApi(USER, PASSWORD)
    late = [None, None]
    product._result = lambda asked: Given(200, json.dumps({"raw": ["010", "010", "100"]}).encode())
    usual = product._of_job

    def of_job(path, asked):
        return (
            Given(200, b'{"data": {"results_link": null}}')
            if path.endswith("link") and late and not late.pop()
            else usual(path, asked)
        )

    product._of_job = of_job

    async def main(world, server):
        machine = await fresnel(world, server)
        found = await machine.evolve(SWEEP, shots=100, seed=1)
        assert (found.counts, found.provenance.shots, found.used_s) == ({"010": 2, "100": 1}, 3, 90.0)
        product._result = lambda asked: Given(200, b'{"counter": {}}')
        with pytest.raises(InvalidInput, match=r"none of the 100 on pasqal\.fresnel began with all 3 atoms"):
            await machine.evolve(SWEEP, shots=100, seed=1)

    on(main, product)


def test_results_of_the_cloud_do_not_lie_on_this_machine():
    async def main(world, server):
        options = {"pasqal.url": "https://pasqal.invalid", "pasqal.project": "p"}
        context = ProviderContext(
            world.offload, world.clock, frozenset({"pasqal"}), options, lambda name, variable: "known"
        )
        with pytest.raises(Unavailable, match="in the clear"):
            await PasqalCloud(context).fetch(f"{server.url}/v1/kv/secrets")
        assert server.requests == [], "nobody here is asked for what a vendor names"

    on(main, PasqalApi(USER, PASSWORD))


def test_results_are_fetched_in_private_and_without_our_token():
    product = PasqalApi(USER, PASSWORD)

    async def main(world, server):
        machine = await fresnel(world, server)
        await machine.evolve(SWEEP, shots=10, seed=1)
        (fetched,) = [one for one in server.requests if one.path.startswith("/results/")]
        assert "authorization" not in fetched.headers
        usual = product._of_job
        product._of_job = lambda path, asked: (
            Given(200, b'{"data": {"results_link": "http://example.org/results/1"}}') if path.endswith("link")
            else usual(path, asked)
        )  # fmt: skip
        with pytest.raises(Unavailable, match="in the clear"):
            await machine.evolve(SWEEP, shots=10, seed=1)

    on(main, product)


def test_a_layout_that_is_calibrated_is_better_than_a_new_one():
    import pulser

    square = [[5.0 * x, 5.0 * y] for x in range(-2, 3) for y in range(-2, 3)]
    specs = json.dumps(pasqal_specs("FRESNEL", layout=square) | {"accepts_new_layouts": True})

    def layout_of(*atoms_um):
        program = AnalogProgram(atoms_um=atoms_um, amplitude=SWEEP.amplitude, detuning=SWEEP.detuning)
        return pulser.Sequence.from_abstract_repr(pasqal_text(program, specs)).register.layout.slug

    assert layout_of((0, 0), (5, 5)) == layout_of((12, 12), (12, 17)) == "FRESNEL's own"
    assert layout_of((0, 0), (6, 0)) != "FRESNEL's own"
    assert layout_of(*square[:13]) != "FRESNEL's own", "half of 25 traps are filled at most"


def test_atoms_are_put_into_traps_that_the_machine_has_calibrated():
    square = [[5.0 * x, 5.0 * y] for x in range(-2, 3) for y in range(-2, 3)]
    product = PasqalApi(USER, PASSWORD, machines={"ORION": pasqal_specs("ORION", layout=square)})
    fits = AnalogProgram(atoms_um=((15, 0), (0, 5), (5, 0)), amplitude=SWEEP.amplitude, detuning=SWEEP.detuning)

    async def main(world, server):
        machine = machines(world, server)["pasqal.orion"]
        assert (await machine.look()).n_qubits == 12, "half of 25 traps are filled at most"
        handle = await machine.submit_program(fits, shots=200, seed=1, key="k")
        assert sum((await machine.collect_program(handle, fits, shots=200, seed=1)).counts.values()) == 200
        placed = read_program(posted(server)[0]["sequence_builder"])
        assert placed.distances_um == pytest.approx(fits.distances_um), "moved as a whole, in the same order"
        with pytest.raises(InvalidInput, match=r"no.* traps of any layout that ORION has calibrated \(ORION's own\)"):
            await machine.submit_program(SWEEP, shots=200, seed=1, key="k2")
        assert len(product.jobs) == 1

    on(main, product)


@pytest.mark.requirement("QRM-8")
@given(
    shape=st.lists(
        st.tuples(st.integers(1, 900), st.floats(0, 12), st.floats(0, 12), st.floats(-100, 100), st.floats(-100, 100)),
        min_size=1, max_size=6,
    ),
    phase=st.floats(0, 6),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_what_pulser_plays(shape, phase):
    import pulser

    lines, at = ([], []), 0
    for length, *ends in shape:
        for line, (first, last) in zip(lines, (ends[:2], ends[2:]), strict=True):
            line += [(at / 1e3, first), ((at + 4 * length) / 1e3, last)]
        at += 4 * length
    assume(16 <= at <= 6_000)
    held = ((0.0, phase), (at / 1e3, phase)) if phase else ()
    program = AnalogProgram(atoms_um=((0, 0), (6, 0)), amplitude=tuple(lines[0]), detuning=tuple(lines[1]), phase=held)
    text = pasqal_text(program, json.dumps(pasqal_specs("FRESNEL")))
    assert read_program(text).atoms_um == program.atoms_um
    assert [value for _, value in read_program(text).phase[:1]] == [pytest.approx(phase)] * bool(phase)
    sent = samples_of(pulser.Sequence.from_abstract_repr(text))
    # What a line is just after a nanosecond has begun, where it may have jumped.
    times = (np.arange(at) + 1e-6) / 1e3
    for name, line in (("amp", program.amplitude), ("det", program.detuning)):
        assert np.abs(sent[name] - np.interp(times, *np.array(line).T)).max() < 1e-4


def samples_of(sequence):
    import pulser

    (samples,) = pulser.sampler.sample(sequence).channel_samples.values()
    return {name: np.asarray(getattr(samples, name)) for name in ("amp", "det", "phase")}


def test_a_sequence_of_pulser_comes_back_sample_by_sample():
    import pulser

    device = deserialized(pasqal_specs("FRESNEL"))
    own = pulser.Sequence(pulser.Register({"a": (0, 0), "b": (7, 0)}).with_automatic_layout(device), device)
    own.declare_channel("ch", "rydberg_global")
    waves = pulser.waveforms
    own.add(pulser.Pulse(waves.BlackmanWaveform(1_000, 3.1), waves.RampWaveform(1_000, -20, 20), 0), "ch")
    own.add(pulser.Pulse(waves.InterpolatedWaveform(600, [0, 9, 0]), waves.ConstantWaveform(600, 20), 0), "ch")
    own.measure("ground-rydberg")
    text = pasqal_text(read_program(own.to_abstract_repr()), json.dumps(pasqal_specs("FRESNEL")))
    assert len(text) < 60_000
    theirs, ours = (samples_of(one) for one in (own, pulser.Sequence.from_abstract_repr(text)))
    assert all(np.abs(theirs[name] - ours[name]).max() < 1e-6 for name in theirs)


def test_what_pulser_refuses_is_refused_before_anything_is_sent():
    quick = AnalogProgram(
        atoms_um=((0, 0),), amplitude=((0, 1), (1, 1)), detuning=((0, 0), (1, 0)), phase=((0, 0), (0.008, 1), (1, 1))
    )

    async def main(world, server):
        machine = await fresnel(world, server)
        with pytest.raises(InvalidInput, match="nothing that FRESNEL takes: duration"):
            await machine.submit_program(quick, shots=10, seed=1, key="k")
        assert not posted(server)

    on(main)
    with pytest.raises(Unavailable, match="does not understand its specification"):
        pasqal_text(quick, '{"name": "FRESNEL"}')


def _plain(text):
    """Its numbers to nine places."""
    return json.loads(text, parse_float=lambda one: round(float(one), 9))
