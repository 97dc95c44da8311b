"""Machines of D-Wave through their solver API, by a server that behaves as the vendor's own client expects."""

import base64

import numpy as np
import pytest

from phalanx.adapters.providers import dwave_provider
from phalanx.adapters.providers._dwave_documents import answer_of, problem_data, solver_of
from phalanx.core import InvalidInput, LimitExceeded, Origin, Overloaded, Unavailable
from phalanx.devices import (
    LiveBackend,
    ProviderContext,
    QueuedAnnealer,
    Stage,
    StagedBackend,
    Status,
    ising,
    samples_of,
    spins_result,
)
from phalanx.quantum import Gates, InvalidCircuit
from phalanx.testing import SimWorld
from phalanx.testing.contracts import ANNEALER_CHECKS, STAGED_CHECKS, check_provider
from phalanx.testing.delivery import PeerServer
from phalanx.testing.vendors import DWaveApi

pytest.importorskip("minorminer", reason="the extra annealing is not installed")
TOKEN, NAME = "t0ken", "dwave.advantage-system9.9"
# A chain of three is native nowhere in particular; a triangle through the two qubits that are not joined is embedded.
CHAIN = ising({0: 0.5}, {(0, 1): 1.0, (1, 2): -1.0}, 3)


def provider(world, server, *, token=TOKEN, **options):
    given = {"dwave.url": f"{server.url}/sapi/v2"} | {f"dwave.{name}": value for name, value in options.items()}
    made = ProviderContext(world.offload, world.clock, frozenset({"dwave"}), given, lambda name, variable: token)
    return dwave_provider(made)


def machine(world, server, **options):
    (found,) = provider(world, server, **options).backends()
    return found


def on(work, product=None):
    with PeerServer(product or DWaveApi(TOKEN)) as server:
        return SimWorld(1).run(lambda world: work(world, server))


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", ANNEALER_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_a_real_machine_of_dwave(check):
    on(lambda world, server: check(machine(world, server)))


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("check", STAGED_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_dwave_says_how_far_a_job_is(check):
    on(lambda world, server: check(machine(world, server)))


def test_an_account_brings_its_annealers_and_no_hybrids():
    async def main(world, server):
        found = provider(world, server)
        check_provider(found)
        (backend,) = found.backends()
        assert isinstance(backend, QueuedAnnealer)
        assert isinstance(backend, LiveBackend)
        assert isinstance(backend, StagedBackend)
        device = backend.device
        assert (device.name, device.origin, device.status) == (NAME, Origin.HARDWARE, Status.ONLINE)
        assert (device.n_qubits, len(device.calibration.pair), device.max_shots) == (40, 40 * 39 // 2 - 1, 10_000)
        server.product.status = "OFFLINE"
        assert (await backend.look()).status is Status.OFFLINE
        with pytest.raises(InvalidInput, match=r"Advantage_system9\.9"):
            machine(world, server, solvers="Advantage_system1.1")
        with pytest.raises(InvalidCircuit, match="takes Ising programs"):
            await backend.run(Gates(1).x(0).measure(0).circuit(), shots=1, seed=1)

    on(main)


@pytest.mark.requirement("QRM-8")
def test_what_comes_back_is_the_problems_own_energy_and_what_the_machine_took():
    async def main(world, server):
        backend = machine(world, server)
        handle = await backend.submit_program(CHAIN, shots=200, seed=3, key="one")
        result = await backend.collect_program(handle, CHAIN, shots=200, seed=3)
        assert sum(result.counts.values()) == 200
        assert max(result.counts, key=result.counts.get) == "011"
        assert result.used_s == pytest.approx(0.039)
        assert (result.provenance.origin, result.provenance.device) == (Origin.HARDWARE, NAME)
        assert server.product.kept == ["one"]

    on(main)


@pytest.mark.requirement("QRM-8")
def test_a_problem_that_is_wired_otherwise_is_embedded_and_read_by_the_same_chains_in_a_later_life():
    """Qubits 100 and 101 are not joined: a spin of this problem becomes a chain, or sits elsewhere."""
    n = 12
    dense = ising({0: 0.1}, {(a, b): -1.0 for a in range(n) for b in range(a + 1, n)}, n)

    async def main(world, server):
        handle = await machine(world, server).submit_program(dense, shots=50, seed=5, key="dense")
        later = machine(world, server)
        result = await later.collect_program(handle, dense, shots=50, seed=5)
        assert result.counts["0" * n] + result.counts["1" * n] == 50, "all are alike"
        data = server.product.problems[handle].data
        lin = np.frombuffer(base64.b64decode(data["lin"]), "<f8")
        assert np.isnan(lin).sum() >= 40 - n - 1

    on(main)


def test_an_answer_for_another_wiring_is_refused_and_not_misread():
    async def main(world, server):
        backend = machine(world, server)
        handle = await backend.submit_program(CHAIN, shots=10, seed=1, key="one")
        server.product.graph = "ffff"
        later = machine(world, server)
        with pytest.raises(Unavailable, match="another wiring"):
            await later.collect_program(handle, CHAIN, shots=10, seed=1)
        again = await later.submit_program(CHAIN, shots=10, seed=1, key="two")
        assert sum((await later.collect_program(again, CHAIN, shots=10, seed=1)).counts.values()) == 10

    on(main)


def test_answers_that_come_apart_from_their_problem_are_asked_for():
    async def main(world, server):
        server.product.answers_at_once = False
        samples = await machine(world, server).sample(CHAIN, shots=10, seed=1)
        assert samples.counts.sum() == 10

    on(main)


@pytest.mark.requirement("QRM-7")
def test_a_second_submission_under_a_key_finds_the_first():
    async def main(world, server):
        backend = machine(world, server)
        await backend.submit_program(CHAIN, shots=10, seed=1, key="job-2")
        first = await backend.submit_program(CHAIN, shots=10, seed=1, key="job")
        assert await machine(world, server).submit_program(CHAIN, shots=10, seed=1, key="job") == first
        assert server.product.kept == ["job-2", "job"]

    on(main)


def test_why_it_refuses_or_fails_is_said():
    async def main(world, server):
        backend, api = machine(world, server), server.product
        api.time_left = False
        with pytest.raises(InvalidInput, match="no remaining solver access time"):
            await backend.sample(CHAIN, shots=10, seed=1)
        api.time_left, api.fail_next = True, True
        with pytest.raises(Unavailable, match="ended as FAILED: the refrigerator is warm"):
            await backend.sample(CHAIN, shots=10, seed=1)
        api.throttled = 1
        with pytest.raises(Overloaded):
            await backend.submit_program(CHAIN, shots=10, seed=1, key="")
        assert (await backend.sample(CHAIN, shots=10, seed=1)).counts.sum() == 10
        handle = await backend.submit_program(CHAIN, shots=10, seed=1, key="dropped")
        await backend.recall(handle)
        assert await backend.stage(handle) is Stage.NOTHING
        with pytest.raises(Unavailable, match="ended as CANCELLED"):
            await backend.collect_program(handle, CHAIN, shots=10, seed=1)
        with pytest.raises(Unavailable, match="refuses the credentials"):
            machine(world, server, token="wrong")

    on(main)


def test_what_does_not_fit_is_refused_before_it_is_sent():
    async def main(world, server):
        too_dense = ising({}, {(a, b): 1.0 for a in range(40) for b in range(a + 1, 40)}, 40)
        with pytest.raises(LimitExceeded, match="couplings that fit"):
            await machine(world, server).sample(too_dense, shots=1, seed=1)
        assert server.product.kept == []

    on(main)


def description(**changes):
    properties = {"qubits": [9, 3, 5], "couplers": [[9, 3], [3, 5]], "supported_problem_types": ["ising"]} | changes
    return {"identity": {"name": "x", "version": {"graph_id": "g"}}, "status": "ONLINE", "properties": properties}


def test_numbers_travel_in_the_order_of_the_solver():
    """By hand: qubits 9, 3 and 5 are places 2, 0 and 1; 5 takes no part."""
    solver = solver_of(description(), "x")
    placed = ising({2: 0.5, 0: -1.0}, {(0, 2): 2.0}, 3)
    data = problem_data(placed, [0, 2], solver)
    lin = np.frombuffer(base64.b64decode(data["lin"]), "<f8")
    assert lin[:2].tolist() == [0.5, -1.0]
    assert np.isnan(lin[2])
    assert np.frombuffer(base64.b64decode(data["quad"]), "<f8").tolist() == [2.0]


def answer(**changes):
    def text(numbers, kind):
        return base64.b64encode(np.array(numbers, kind).tobytes()).decode()

    return {
        "active_variables": text([3, 9], "<i4"), "energies": text([-3.5, 0.0], "<f8"),
        "solutions": base64.b64encode(bytes([0b01000000, 0b11000000])).decode(), "num_occurrences": text([2, 1], "<i4"),
        "timing": {"qpu_access_time": 250},
    } | changes  # fmt: skip


def test_an_answer_is_read_and_one_that_is_none_is_refused():
    solver = solver_of(description(), "x")
    found = answer_of(answer(), solver, 3, "x")
    assert (found.taking_part, found.spins.tolist(), found.counts.tolist()) == ((0, 2), [[-1, 1], [1, 1]], [2, 1])
    assert found.used_s == pytest.approx(250e-6)
    for wrong in (
        {"solutions": "AA=="},
        {"num_occurrences": "AAAA"},
        {"active_variables": "BwAAAA=="},
        {"energies": 1},
    ):
        with pytest.raises(Unavailable, match="not that of 3 shots"):
            answer_of(answer(**wrong), solver, 3, "x")
    with pytest.raises(Unavailable, match="4 shots"):
        answer_of(answer(), solver, 4, "x")
    for wrong in ({"qubits": None}, {"couplers": [[1, 2]]}, {"num_reads_range": []}):
        with pytest.raises(Unavailable, match="cannot be read"):
            solver_of(description(**wrong), "x")


@pytest.mark.requirement("QRM-8")
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_the_server_is_one_that_the_vendors_own_client_speaks_to():
    """What our adapter is tested against is held to the vendor's client: solver, problem, answer, label."""
    cloud = pytest.importorskip("dwave.cloud", reason="the vendor's client is not installed")
    fields, pairs = {100: 0.5, 102: 0.0, 103: 0.0}, {(100, 102): 1.0, (103, 102): -1.0}
    with (
        PeerServer(DWaveApi(TOKEN)) as server,
        cloud.Client(endpoint=f"{server.url}/sapi/v2/", token=TOKEN, config_file=False) as client,
    ):
        solver = client.get_solver(name="Advantage_system9.9", refresh=True)
        future = solver.sample_ising(fields, pairs, num_reads=200, label="theirs")
        samples, counts = np.array(future.samples), np.array(future.num_occurrences)
        assert server.product.kept == ["theirs"]
        ours = SimWorld(1).run(lambda world: _drawn_here(world, server))
    best = samples[int(np.argmin(future.energies))]
    assert [int(best[at]) for at in (100, 102, 103)] == [-1, 1, 1]
    assert counts.sum() == sum(ours.values()) == 200
    assert max(ours, key=ours.get) == "011"


async def _drawn_here(world, server):
    samples = await machine(world, server).sample(CHAIN, shots=200, seed=1)
    return spins_result(samples_of(CHAIN, np.repeat(samples.spins, samples.counts, axis=0), samples.provenance)).counts
