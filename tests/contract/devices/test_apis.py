"""Machines of IonQ and Quantinuum through their APIs, by servers that behave as published; and their emulation."""

import json

import pytest

from phalanx.adapters.providers import (
    braket_provider,
    ionq_provider,
    iqm_provider,
    quandela_provider,
    quantinuum_provider,
)
from phalanx.core import InvalidInput, LimitExceeded, Origin, Overloaded, Unavailable
from phalanx.devices import LiveBackend, MaybeSent, Modality, ProviderContext, QueuedBackend, Status
from phalanx.quantum import Gates, InvalidCircuit
from phalanx.quantum.circuits import read
from phalanx.testing import InlineOffload, SimWorld
from phalanx.testing.contracts import DEVICE_CHECKS, STAGED_CHECKS, check_provider
from phalanx.testing.delivery import PeerServer
from phalanx.testing.vendors import IonqApi, QuantinuumApi

KEY, USER, PASSWORD = "s3cret", "ada@example.org", "hunter2"
SECRETS = {"ionq.key": KEY, "quantinuum.user": USER, "quantinuum.password": PASSWORD}
BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
FEED_FORWARD = """OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; c[0] = measure q[0];
if (c[0]) { x q[1]; } c[1] = measure q[1];"""


def context(world, url, *hardware, secrets=SECRETS):
    options = {"ionq.url": url, "quantinuum.url": url}
    return ProviderContext(world.offload, world.clock, frozenset(hardware), options, lambda name, _: secrets[name])


def ionq(world, server, version="v0.4", **more):
    backends = ionq_provider(context(world, f"{server.url}/{version}", "ionq", **more)).backends()
    return next(one for one in backends if one.device.name == "ionq.aria-1")


def quantinuum(world, server, **more):
    backends = quantinuum_provider(context(world, f"{server.url}/v1", "quantinuum", **more)).backends()
    return next(one for one in backends if one.device.name == "quantinuum.h2-1")


def on(world_run, product):
    with PeerServer(product) as server:
        return SimWorld(1).run(lambda world: world_run(world, server))


CHECKS = pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))


@pytest.mark.requirement("QRM-8")
@CHECKS
@pytest.mark.parametrize("version", ["v0.4", "v0.3"])
def test_a_real_machine_of_ionq(check, version):
    on(lambda world, server: check(ionq(world, server, version)), IonqApi(KEY, old=version == "v0.3"))


@pytest.mark.requirement("QRM-8")
@CHECKS
def test_a_real_machine_of_quantinuum(check):
    on(lambda world, server: check(quantinuum(world, server)), QuantinuumApi(USER, PASSWORD))


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("check", STAGED_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_vendors_say_how_far_a_job_is(check):
    for version in ("v0.4", "v0.3"):
        on(lambda world, server, at=version: check(ionq(world, server, at)), IonqApi(KEY, old=version == "v0.3"))
    on(lambda world, server: check(quantinuum(world, server)), QuantinuumApi(USER, PASSWORD))


@pytest.mark.requirement("QRM-8")
@CHECKS
@pytest.mark.parametrize(
    ("make", "name"),
    [(ionq_provider, "ionq.forte-1"), (quantinuum_provider, "quantinuum.helios-1"),
     (quandela_provider, "quandela.ascella"), (iqm_provider, "iqm.garnet"), (iqm_provider, "iqm.aphrodite"),
     (braket_provider, "braket.rigetti-ankaa-3"), (braket_provider, "braket.iqm-garnet")],
)  # fmt: skip
def test_emulated_machines(check, make, name):
    async def main(world):
        provider = make(ProviderContext(InlineOffload(), world.clock))
        check_provider(provider)
        backend = next(one for one in provider.backends() if one.device.name == name)
        assert backend.device.origin is Origin.EMULATED
        assert backend.device.calibration.source
        await check(backend)

    SimWorld(1).run(main)


def test_what_a_machine_can_do_is_told_by_its_figures():
    async def main(world):
        plain = ProviderContext(InlineOffload(), world.clock)
        machines = {one.device.name: one for make in (quantinuum_provider, braket_provider, quandela_provider)
                    for one in make(plain).backends()}  # fmt: skip
        circuit = read(FEED_FORWARD)
        counts = (await machines["quantinuum.h2-1"].run(circuit, shots=1_000, seed=1)).counts
        assert counts["00"] + counts["11"] > 985
        aquila = machines["braket.quera-aquila"].device
        assert (aquila.kind, aquila.features.gates, aquila.features.analog) == (Modality.NEUTRAL_ATOM, False, True)
        with pytest.raises(InvalidCircuit, match="runs no gates"):
            await machines["braket.quera-aquila"].run(Gates(1).h(0).measure(0).circuit(), shots=10, seed=1)
        assert machines["quandela.ascella"].device.kind is Modality.PHOTONIC
        noisy = (await machines["quandela.ascella"].run(BELL, shots=4_000, seed=1)).counts
        better = (await machines["quantinuum.h2-1"].run(BELL, shots=4_000, seed=1)).counts
        assert noisy.get("01", 0) + noisy.get("10", 0) > 5 * (better.get("01", 0) + better.get("10", 0))

    SimWorld(1).run(main)


@pytest.mark.parametrize(("make", "product"), [(ionq, IonqApi(KEY)), (quantinuum, QuantinuumApi(USER, PASSWORD))])
def test_a_busy_vendor_is_asked_again_and_a_job_is_sent_once(make, product):
    async def main(world, server):
        machine = make(world, server)
        handle = await machine.submit(BELL, shots=100, seed=1, key="ours")
        server.trouble.extend(["busy", "error", "silent", "cut"])
        result = await machine.collect(handle, BELL, shots=100, seed=1)
        assert sum(result.counts.values()) == 100
        assert result.provenance.origin is Origin.HARDWARE
        kept = list(product.kept)
        server.trouble.extend(["busy"] * 20)
        with pytest.raises((Overloaded, Unavailable)):
            await machine.submit(BELL, shots=100, seed=1, key="another")
        server.trouble.clear()
        assert product.kept == kept, "nothing was sent while the vendor was busy"

    on(main, product)


def test_a_job_whose_answer_was_lost_is_found_under_its_key():
    async def main(world, server):
        machine = ionq(world, server)
        assert isinstance(machine, QueuedBackend)
        server.trouble.extend(["", "after-effect", "error", "silent"])
        handle = await machine.submit(BELL, shots=100, seed=1, key="ours")
        assert handle in server.product.jobs
        assert await ionq(world, server).submit(BELL, shots=100, seed=1, key="ours") == handle
        assert server.product.kept == ["ours"]
        server.trouble.extend(["", "silent"])
        with pytest.raises(Unavailable, match="has no such job") as told:
            await machine.submit(BELL, shots=100, seed=1, key="another")
        assert not isinstance(told.value, MaybeSent), "it may go elsewhere"
        server.trouble.extend(["", "after-effect", *["error"] * 10_000])
        with pytest.raises(MaybeSent):
            await machine.submit(BELL, shots=100, seed=1, key="a third")
        server.trouble.clear()
        await machine.submit(BELL, shots=100, seed=1, key="a third")
        assert server.product.kept == ["ours", "a third"]

    on(main, IonqApi(KEY))


def test_a_job_whose_answer_was_lost_is_not_sent_again_where_nobody_can_be_asked():
    async def main(world, server):
        machine = quantinuum(world, server)
        server.trouble.extend(["silent"] * 6)
        with pytest.raises(Unavailable):
            await machine.submit(BELL, shots=100, seed=1, key="ours")
        server.trouble.extend(["", "after-effect"])
        for _ in range(2):
            with pytest.raises(MaybeSent, match="not sent a second time"):
                await machine.submit(BELL, shots=100, seed=1, key="ours")
        assert server.product.kept == ["ours"], "while it could not sign in, nothing was sent"

    on(main, QuantinuumApi(USER, PASSWORD))


@pytest.mark.parametrize("make", [ionq, quantinuum])
def test_refused_credentials_are_said_without_saying_them(make):
    async def main(world, server):
        wrong = dict.fromkeys(SECRETS, "wr0ng")
        with pytest.raises(Unavailable, match="refuses the credentials") as told:
            await make(world, server, secrets=wrong).submit(BELL, shots=10, seed=1, key="")
        assert "wr0ng" not in str(told.value)

    on(main, IonqApi(KEY) if make is ionq else QuantinuumApi(USER, PASSWORD))


@pytest.mark.parametrize("refresh_works", [True, False])
def test_quantinuum_signs_in_again_when_its_token_has_ended(refresh_works):
    product = QuantinuumApi(USER, PASSWORD, lasts=2, refresh_works=refresh_works)

    async def main(world, server):
        result = await quantinuum(world, server).run(BELL, shots=50, seed=1)
        assert sum(result.counts.values()) == 50

    on(main, product)
    assert product.signed_in == ["password", "refresh" if refresh_works else "password"]
    assert len(product.kept) == 1


def test_quantinuum_gets_decisions_as_registers_of_one_bit():
    async def main(world, server):
        result = await quantinuum(world, server).run(read(FEED_FORWARD), shots=200, seed=1)
        assert set(result.counts) == {"00", "11"}

    on(main, QuantinuumApi(USER, PASSWORD))


@pytest.mark.parametrize("make", [ionq, quantinuum])
def test_a_job_can_be_recalled_and_a_failure_says_why(make):
    product = IonqApi(KEY) if make is ionq else QuantinuumApi(USER, PASSWORD)

    async def main(world, server):
        machine = make(world, server)
        handle = await machine.submit(BELL, shots=10, seed=1, key="k")
        await machine.recall(handle)
        with pytest.raises(Unavailable, match="cancel"):
            await machine.collect(handle, BELL, shots=10, seed=1)
        if make is ionq:
            product.fail_next = True
            with pytest.raises(Unavailable, match="a laser is out"):
                await machine.run(BELL, shots=10, seed=1)
        with pytest.raises(LimitExceeded):
            await machine.submit(BELL, shots=10**9, seed=1, key="k2")

    on(main, product)


@pytest.mark.requirement("QRM-4")
@pytest.mark.parametrize("version", ["v0.4", "v0.3"])
def test_ionq_says_how_its_machine_is(version):
    async def main(world, server):
        machine = ionq(world, server, version)
        assert isinstance(machine, LiveBackend)
        before = machine.device
        seen = await machine.look()
        assert seen.status is Status.DEGRADED
        assert seen.queue.wait_ns_p50 == 60_000_000_000
        assert abs(seen.calibration.median("two_qubit_error") - 0.013) < 1e-9
        assert seen.calibration.median("t1_ns") == 100e9
        assert seen.calibration.id != before.calibration.id
        assert machine.device is seen

    on(main, IonqApi(KEY, old=version == "v0.3"))


def test_credentials_travel_over_https_only():
    async def main(world):
        with pytest.raises(InvalidInput, match="https"):
            ionq_provider(context(world, "http://api.example.org/v0.4", "ionq"))

    SimWorld(1).run(main)


def test_the_wire_of_ionq_is_as_published():
    async def main(world, server):
        await ionq(world, server).submit(BELL, shots=10, seed=1, key="ours")
        (asked,) = [one for one in server.requests if one.method == "POST"]
        body = json.loads(asked.body)
        assert asked.path == "/v0.4/jobs"
        assert asked.headers["authorization"] == f"apiKey {KEY}"
        assert (body["type"], body["backend"], body["shots"], body["name"]) == (
            "ionq.circuit.v1", "qpu.aria-1", 10, "ours",
        )  # fmt: skip
        assert body["settings"] == {"error_mitigation": {"debiasing": False}}
        assert body["input"]["gateset"] == "qis"
        assert {gate["gate"] for gate in body["input"]["circuit"]} <= {"rz", "v", "x", "cnot"}

    on(main, IonqApi(KEY))
