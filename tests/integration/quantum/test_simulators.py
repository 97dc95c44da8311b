"""Outcomes that two simulators of other people's give, too."""

import math

import pytest

from phalanx.core import Rng
from phalanx.quantum.circuits import convert, read
from phalanx.quantum.simulators import run

pytestmark = [pytest.mark.vendor, pytest.mark.requirement("QRM-8")]

SHOTS = 8_000
GATES = ("h q[{a}];", "s q[{a}];", "sx q[{a}];", "cx q[{a}], q[{b}];", "cz q[{a}], q[{b}];", "swap q[{a}], q[{b}];")


def circuit(seed, *, clifford):
    rng = Rng(seed).child("theirs")
    names = GATES if clifford else (*GATES, "ry(0.7) q[{a}];", "t q[{a}];", "cp(0.4) q[{a}], q[{b}];")
    lines = ['OPENQASM 3.0; include "stdgates.inc"; qubit[4] q; bit[5] c;']
    for half in range(2):
        for _ in range(15):
            a, b = rng.sample(range(4), 2)
            lines.append(rng.choice(names).format(a=a, b=b))
        lines.append("c[4] = measure q[0]; reset q[1]; if (c[4]) { x q[2]; }" if not half else "c[0:3] = measure q;")
    return read("\n".join(lines))


@pytest.mark.parametrize("method", ["stabiliser", "statevector"])
@pytest.mark.parametrize("seed", range(3))
def test_measurements_in_between_resets_and_decisions(seed, method):
    import cirq
    from qiskit_aer import AerSimulator

    ours = circuit(seed, clifford=method == "stabiliser")
    mine = run(ours, shots=SHOTS, rng=Rng(seed), method=method).counts
    result = AerSimulator().run(convert(ours, "qiskit"), shots=SHOTS, seed_simulator=3).result()
    aers = {key[::-1]: count for key, count in result.get_counts().items()}
    sampled = cirq.Simulator(seed=5).run(convert(ours, "cirq"), repetitions=500)
    cirqs: dict[str, int] = {}
    for row in zip(*(sampled.measurements[f"c{bit}"][:, 0] for bit in range(5)), strict=True):
        key = "".join(map(str, row))
        cirqs[key] = cirqs.get(key, 0) + 1
    for theirs, shots in ((aers, SHOTS), (cirqs, 500)):
        keys = set(mine) | set(theirs)
        distance = sum(abs(mine.get(key, 0) / SHOTS - theirs.get(key, 0) / shots) for key in keys) / 2
        assert distance < 1.2 * math.sqrt(len(keys) / shots)
