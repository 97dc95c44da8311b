"""Segments by a variational eigensolver: energies against plain sums, gradients and metric against differences."""

import asyncio

import numpy as np
import pytest

from phalanx.core import InvalidInput, LimitExceeded, Origin, Provenance, Rng
from phalanx.quantum import Observable, ShotResult, simulate
from phalanx.quantum.routines import Layers, lowest_energy, metric, segment_energy, segment_hosts

LINKS = [("web", "db", 5.0), ("web", "cache", 4.0), ("dc", "files", 6.0), ("db", "dc", 0.5), ("cache", "files", 0.4)]
RISKS = {"web": 2.0, "dc": 1.5}


async def ideal(circuit, /, *, shots, seed):
    counts = simulate.counts(_parsed(circuit), shots, Rng(seed))
    made = Provenance(origin=Origin.SIMULATED, device="ideal", circuits=(circuit.digest,), shots=shots, seed=seed)
    return ShotResult(counts, made)


def _parsed(circuit):
    from phalanx.quantum import parse

    return parse(circuit)


def by_hand(side, balance):
    crossing = sum(traffic for one, other, traffic in LINKS if side[one] != side[other])
    shares = {host: RISKS.get(host, 1.0) for host in side}
    total = sum(shares.values())
    apart = sum(share / total * (1 if side[host] else -1) for host, share in shares.items())
    return crossing + balance * sum(traffic for *_, traffic in LINKS) * apart**2


@pytest.mark.requirement("QML-1")
def test_the_energy_of_each_segmentation_is_its_cost_and_the_lowest_is_found():
    hosts, energy = segment_energy(LINKS, RISKS, 0.7)
    costs = np.real(np.diag(energy.matrix(len(hosts))))
    for at in range(1 << len(hosts)):
        side = {host: at >> (len(hosts) - 1 - place) & 1 for place, host in enumerate(hosts)}
        assert costs[at] == pytest.approx(by_hand(side, 0.7))
    answer = asyncio.run(segment_hosts(LINKS, risks=RISKS, balance=0.7, seed=1, steps=60))
    assert answer.agrees
    assert answer.found["cost"] == pytest.approx(costs.min()) == answer.classical[0].value
    assert sorted(map(tuple, answer.found["segments"])) == [("cache", "db", "web"), ("dc", "files")]
    assert answer.provenance.origin is Origin.SIMULATED
    again = asyncio.run(segment_hosts(LINKS, risks=RISKS, balance=0.7, seed=1, steps=60))
    assert again == answer


@pytest.mark.requirement("QML-1")
def test_states_are_those_of_the_circuit_and_the_metric_that_of_differences():
    layers = Layers(3, 2)
    angles = np.random.default_rng(4).normal(size=layers.n_angles)
    state = layers.states(angles[None])[0]
    assert np.allclose(state, simulate.statevector(layers.gates(angles)))
    step = 1e-3
    for a, b in ((0, 1), (2, 2), (4, 7)):
        moved = angles.copy()
        moved[a] += step
        moved[b] += step if b != a else 0
        apart = 1 - np.dot(state, layers.states(moved[None])[0]) ** 2
        found = metric(layers, angles)
        wanted = found[a, a] if a == b else found[a, a] + found[b, b] + 2 * found[a, b]
        assert apart / step**2 == pytest.approx(wanted, abs=1e-4)


@pytest.mark.requirement("QML-1")
@pytest.mark.parametrize("natural", [False, True])
def test_the_eigensolver_reaches_the_ground_state_of_spins_in_a_field(natural):
    energy = Observable.read("-1*Z0 Z1 - 1*Z1 Z2 - 0.7*X0 - 0.7*X1 - 0.7*X2")
    exact = np.linalg.eigvalsh(energy.matrix(3))[0]
    found = asyncio.run(lowest_energy(energy, 3, seed=2, layers=2, steps=120, natural=natural))
    assert exact - 1e-9 <= found.energy < exact + 0.02 * abs(exact)
    assert found.energies == 120 * (2 * 9 + 1)
    assert len(found.history) == 120


def test_energies_are_measured_where_a_device_is_given():
    answer = asyncio.run(segment_hosts(LINKS[:3], seed=1, layers=1, steps=6, run=ideal, shots=200))
    assert answer.provenance.device == "ideal"
    assert answer.provenance.shots == 200 * 6 * (2 * 10 + 1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"links": [("a", "a", 1.0), *LINKS]}, "links"), ({"risks": {"nobody": 1.0}}, "risks"),
        ({"balance": -1.0}, "balance"), ({"steps": 0}, "steps"), ({"layers": 99}, "layers"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_its_field(change, field):
    given = {"links": LINKS, "seed": 1} | change
    with pytest.raises(InvalidInput, match=field):
        asyncio.run(segment_hosts(given.pop("links"), **given))


def test_more_hosts_than_fit_are_refused():
    with pytest.raises(LimitExceeded):
        segment_energy([(f"h{at}", f"h{at + 1}", 1.0) for at in range(20)], {}, 1.0)
