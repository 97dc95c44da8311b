"""A quantum generative adversarial network: a circuit that draws, and a judge that learns to tell drawn from real.

The generator is the circuit of the Born machine. The judge is logistic regression over bits, pairs and triples of bits
(Zoufal, Lucchi, Woerner 2019 have a classical judge as well). Both are trained in turns: the judge by
gradient on exact frequencies, the generator by parameter shifts of the mean log-odds that the judge gives to what it
draws. What is kept is the circuit that came nearest to the frequencies that were trained on, since such games cycle.
"""

import itertools

import numpy as np

from phalanx.core import Rng
from phalanx.quantum.routines._ansatz import Adam, Floats, Layers, shifted
from phalanx.quantum.routines._transforms import bits_of

_JUDGE_STEPS, _JUDGE_RATE, _RIDGE = 5, 0.1, 1e-3
_FAR = 30.0


def adversarial_angles(circuit: Layers, target: Floats, *, steps: int, rng: Rng) -> Floats:
    """Angles of ``circuit`` whose draws the judge tells worst from numbers with frequencies ``target`` (2^n,)."""
    n = circuit.n_qubits
    spins = 1.0 - 2.0 * bits_of(n).astype(np.float64)
    looked_at = [np.ones(len(spins))] + [
        np.prod(spins[:, list(some)], axis=1)
        for size in (1, 2, 3) for some in itertools.combinations(range(n), size)
    ]  # fmt: skip
    features = np.stack(looked_at, axis=1)
    angles = rng.numpy().normal(scale=0.4, size=circuit.n_angles)
    angles[-n:] += np.pi / 2
    judge = np.zeros(features.shape[1])
    judging, drawing = Adam(judge.size, rate=_JUDGE_RATE), Adam(angles.size)
    best, nearest = angles, np.inf
    for _ in range(steps):
        drawn = circuit.states(angles[None])[0] ** 2
        away = float(np.abs(drawn - target).sum())
        if away < nearest:
            best, nearest = angles, away
        for _ in range(_JUDGE_STEPS):
            real = 1.0 / (1.0 + np.exp(-np.clip(features @ judge, -_FAR, _FAR)))
            slope = features.T @ (drawn * real - target * (1.0 - real)) + _RIDGE * judge
            judge = judge - judging.step(slope)
        odds = np.clip(features @ judge, -_FAR, _FAR)
        moved = circuit.states(np.concatenate(shifted(angles))) ** 2
        half = angles.size
        angles = angles - drawing.step(-((moved[:half] - moved[half:]) @ odds) / 2)
    return best
