"""Simulators that are chosen by circuit, against the plain statevector, each other, and closed forms."""

import math

import numpy as np
import pytest

from phalanx.core import InvalidInput, LimitExceeded, Rng
from phalanx.quantum import GATE_NAMES, Gates, InvalidCircuit, Op, TooWide, simulate
from phalanx.quantum._clifford import clifford_word
from phalanx.quantum._gates import shape_of
from phalanx.quantum._unitary import overlap, unitary
from phalanx.quantum.circuits import read
from phalanx.quantum.mapping import Noise
from phalanx.quantum.simulators import plan, probabilities, run

pytestmark = pytest.mark.requirement("QRM-8")

SHOTS = 20_000
CLIFFORD = (
    "x",
    "y",
    "z",
    "h",
    "s",
    "sdg",
    "sx",
    "rz",
    "rx",
    "ry",
    "p",
    "cx",
    "cz",
    "cy",
    "swap",
    "iswap",
    "ecr",
    "rzz",
)


def random_circuit(seed, n, names):
    rng = Rng(seed).child("simulators")
    gates = Gates(n)
    while len(gates.ops) < 40:
        name = rng.choice(names)
        n_qubits, n_params = shape_of(name)
        if n_qubits > n:
            continue
        params = [
            rng.integer(-4, 5) * math.pi / 2 if names is CLIFFORD else rng.uniform(-4, 4) for _ in range(n_params)
        ]
        gates.add(Op(name, tuple(rng.sample(range(n), n_qubits)), tuple(params)))
    return gates.measure(*rng.sample(range(n), n - 1))


def distance(counts, weights):
    width = weights.size.bit_length() - 1
    seen = np.zeros(weights.size)
    for key, count in counts.items():
        assert len(key) == width
        seen[int(key, 2)] = count
    return float(np.abs(seen / seen.sum() - weights).sum() / 2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("method", "names"),
    [("stabiliser", CLIFFORD), ("statevector", CLIFFORD), ("statevector", GATE_NAMES), ("mps", GATE_NAMES)],
)
def test_each_draws_from_the_distribution(method, names, seed):
    gates = random_circuit(seed, 4 + seed, names)
    weights = simulate.probabilities(gates)
    found = run(gates, shots=SHOTS, rng=Rng(seed), method=method)
    # The mean distance of a sample from its own distribution is below sqrt(outcomes / shots) / 2.
    assert distance(found.counts, weights) < 1.5 * math.sqrt(weights.size / SHOTS)
    assert found.truncation_error < 1e-9


def test_what_is_chosen_is_explained():
    assert plan(Gates(300).h(0).cx(0, 299).measure(299)).reason == "stabiliser: only Clifford gates"
    assert plan(Gates(3).h(0).rx(0.1, 1).measure(1)).method == "statevector"
    chain = Gates(60)
    for q in range(59):
        chain.ry(0.3, q).cx(q, q + 1)
    assert plan(chain.measure(0)).method == "mps"
    assert "exact" in plan(chain).reason


def test_what_fits_nowhere_is_refused_with_what_would():
    wide = Gates(40)
    for step in range(1, 20):
        for q in range(40 - step):
            wide.ry(0.3, q).cx(q, q + step)
    with pytest.raises(TooWide) as caught:
        run(wide.measure(0), shots=1, rng=Rng(0))
    assert caught.value.maximum == 26
    assert "up to 26 qubits fit" in caught.value.hint
    found = run(Gates(2).h(0).cx(0, 1).measure(0), shots=5, rng=Rng(0), method="mps", bond=2)
    assert found.truncation_error == 0
    deep = Gates(26)
    deep.ops = [Op("rx", (q % 26,), (0.1,)) for q in range(20_000)]
    with pytest.raises(LimitExceeded, match="time"):
        plan(deep)
    with pytest.raises(InvalidInput, match="Clifford"):
        plan(Gates(1).rx(0.1, 0), method="stabiliser")
    with pytest.raises(InvalidCircuit, match="nothing is measured"):
        run(Gates(1).h(0), shots=1, rng=Rng(0))


def test_a_bond_that_is_too_small_says_what_it_lost():
    gates = random_circuit(1, 8, GATE_NAMES)
    found = run(gates, shots=10, rng=Rng(0), method="mps", bond=2)
    assert found.truncation_error > 0.01


TELEPORT = """OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; bit[3] c;
ry(1.2) q[0]; h q[1]; cx q[1], q[2]; cx q[0], q[1]; h q[0]; c[0] = measure q[0]; c[1] = measure q[1];
if (c[1]) { x q[2]; } if (c[0]) { z q[2]; } c[2] = measure q[2];"""


@pytest.mark.parametrize("method", ["stabiliser", "statevector"])
def test_decisions_teleport_a_state(method):
    text = TELEPORT.replace("ry(1.2)", "ry(pi)") if method == "stabiliser" else TELEPORT
    found = run(read(text), shots=SHOTS, rng=Rng(2), method=method)
    ones = sum(count for key, count in found.counts.items() if key[2] == "1") / SHOTS
    expected = 1.0 if method == "stabiliser" else math.sin(0.6) ** 2
    assert ones == pytest.approx(expected, abs=4 * math.sqrt(0.25 / SHOTS))
    assert len({key[:2] for key in found.counts}) == 4


@pytest.mark.parametrize(
    "body", ["if (c[0]) { h q[1]; }", "if (c[0]) { x q[1]; }", "if (!c[0]) { reset q[0]; h q[0]; }"]
)
def test_clifford_decisions_agree_with_the_statevector(body):
    text = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[3] c; h q[0]; cx q[0], q[1]; h q[1]; '
    text += f"c[0] = measure q[0]; {body} c[1] = measure q[1]; h q[0]; c[2] = measure q[0];"
    first, second = (run(read(text), shots=SHOTS, rng=Rng(3), method=m).counts for m in ("stabiliser", "statevector"))
    for key in set(first) | set(second):
        assert abs(first.get(key, 0) - second.get(key, 0)) < 6 * math.sqrt(SHOTS / 4)


def test_runs_repeat_with_the_seed():
    for method in ("stabiliser", "statevector", "mps"):
        first, again, other = (
            run(Gates(3).h(0).h(1).h(2).measure(0, 1, 2), shots=100, rng=Rng(seed), method=method).counts
            for seed in (1, 1, 2)
        )
        assert first == again != other
        assert list(first) == sorted(first)


def test_a_wide_ghz_state():
    gates = Gates(600).h(0)
    for q in range(599):
        gates.cx(q, q + 1)
    counts = run(gates.measure(*range(600)), shots=1000, rng=Rng(1)).counts
    assert set(counts) == {"0" * 600, "1" * 600}
    assert 400 < counts["0" * 600] < 600


@pytest.mark.parametrize("name", GATE_NAMES)
def test_clifford_words_are_their_gates(name):
    n_qubits, n_params = shape_of(name)
    rng = Rng(3).child(name)
    for _ in range(20):
        params = tuple(rng.integer(-8, 9) * math.pi / 2 for _ in range(n_params))
        word = clifford_word(name, params)
        if word is not None:
            ours = unitary(n_qubits, [(gate, on, ()) for gate, on in word])
            assert overlap(ours, unitary(n_qubits, [(name, tuple(range(n_qubits)), params)])) > 1 - 1e-9


def noise(n, **changed):
    pairs = np.array([(q, q + 1) for q in range(n - 1)], dtype=np.int32).reshape(-1, 2)
    values = {
        "t1_ns": np.full(n, 5e4), "t2_ns": np.full(n, 4e4), "readout_error": np.full(n, 0.03),
        "one_qubit_error": np.full(n, 2e-3), "one_qubit_ns": np.full(n, 50.0), "readout_ns": np.full(n, 800.0),
        "pairs": pairs, "two_qubit_error": np.full(n - 1, 0.02), "two_qubit_ns": np.full(n - 1, 400.0),
    }  # fmt: skip
    return Noise(**(values | changed))


def test_relaxation_and_reading_errors_by_their_formulas():
    quiet = {"one_qubit_error": np.zeros(2), "two_qubit_error": np.zeros(1), "readout_error": np.zeros(2)}
    # A qubit in 1 waits for 10 gates of its neighbour between two cx that do nothing to it.
    gates = Gates(2).x(0).cx(0, 1).x(1)
    for _ in range(9):
        gates.x(1)
    weights = probabilities(gates.cx(0, 1).measure(0), noise(2, **quiet))
    alive = 50 + 400 + 500 + 400
    assert weights[1] == pytest.approx(math.exp(-alive / 5e4), abs=1e-9)
    assert probabilities(Gates(1).measure(0), noise(1))[1] == pytest.approx(0.03)
    # Depolarisation fills what relaxation leaves of the error: the average infidelity of the gate is the error.
    still = {"t1_ns": np.full(1, np.inf), "t2_ns": np.full(1, np.inf), "readout_error": np.zeros(1)}
    assert probabilities(Gates(1).x(0).measure(0), noise(1, **still))[0] == pytest.approx(2e-3)


@pytest.mark.parametrize("seed", range(2))
def test_trajectories_agree_with_the_density_matrix(seed):
    rng = Rng(seed).child("noisy")
    gates = Gates(4)
    for _ in range(25):
        q = rng.integer(0, 3)
        gates.ry(rng.uniform(-3, 3), q).cx(q, q + 1)
    gates.measure(0, 1, 2, 3)
    weights = probabilities(gates, noise(4))
    assert weights.sum() == pytest.approx(1)
    for method in ("density", "trajectories"):
        found = run(gates, shots=SHOTS, rng=Rng(seed), noise=noise(4), method=method)
        assert distance(found.counts, weights) < 1.5 * math.sqrt(16 / SHOTS)
    assert np.abs(weights - simulate.probabilities(gates)).sum() > 0.1


def test_only_active_qubits_are_simulated():
    found = plan(Gates(100).rx(0.1, 3).cx(3, 4).measure(3, 4), shots=100, noise=noise(100))
    assert found.n_bytes < 10_000
