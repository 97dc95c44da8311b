"""Which responses to take together: the quantum approximate optimisation algorithm beside the exact answer.

Each action has a worth and a cost, some disturb each other, and there is a budget. A choice is worth what its actions
are, less what they spoil together, and less than nothing when it is over the budget. QAOA (Farhi, Goldstone, Gutmann
2014) alternates phases by that value with mixing; its angles are tuned by Adam on exact gradients, which are taken
backwards through the layers in two passes, whatever their number. At these sizes all choices can be looked at, so the
exact answer stands beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import Baseline, InvalidInput, LimitExceeded, Rng
from phalanx.quantum.routines._annealing import annealed
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._limits import MAX_ACTIONS, MAX_LAYERS, MAX_STEPS
from phalanx.quantum.routines._transforms import Amplitudes, Weights, bits_of, rotate_all, sum_of_flips

_UNIT = "choices weighed"
_CLAIM = (
    "a heuristic: no speed-up over classical search is proved or seen at these sizes; annealing with as many "
    "weighings does as well or better, and looking at every choice is exact"
)
_RATE, _DECAY_1, _DECAY_2, _TINY = 0.05, 0.9, 0.999, 1e-9
_RAMP = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that could be done. ``worth`` and ``cost`` are in the same made-up unit as the budget."""

    name: str
    worth: float
    cost: float


def choose_responses(
    actions: Sequence[Action],
    *,
    budget: float,
    conflicts: Sequence[tuple[str, str, float]] = (),
    layers: int = 4,
    steps: int = 120,
    shots: int = 256,
    seed: int,
) -> Answer:
    """The best of ``shots`` measured choices, simulated; exact search, annealing and a greedy rule beside it.

    ``conflicts`` names pairs and what taking both spoils. Raises ``InvalidInput``.
    """
    worth = _worth_of(actions, budget, conflicts)
    _check("layers", layers, MAX_LAYERS)
    _check("steps", steps, MAX_STEPS)
    _check("shots", shots, MAX_STEPS)
    n = len(actions)
    scale = float(worth.std()) or 1.0
    values = (worth - worth.mean()) / scale
    angles, expected = _tuned(values, layers, steps)
    state = _prepared(values, angles)
    rng = Rng(seed).child("qaoa")
    drawn = rng.numpy().choice(worth.size, size=shots, p=_chances(state))
    best = int(drawn[np.argmax(worth[drawn])])
    exact = int(np.argmax(worth))
    evaluations = steps + shots
    tried, weighed = annealed(worth, n, evaluations, rng)
    greedy = _greedy(actions, worth, n)
    classical = (
        Baseline(method="every choice", value=float(worth[exact]), error=0.0, cost=worth.size, cost_unit=_UNIT),
        Baseline(method="annealing", value=float(worth[tried]), error=0.0, cost=weighed, cost_unit=_UNIT),
        Baseline(method="greedy by worth per cost", value=float(worth[greedy]), error=0.0, cost=n, cost_unit=_UNIT),
    )
    return Answer(
        routine="response-choice",
        found={
            "actions": _named(actions, best), "worth": float(worth[best]), "best_possible": float(worth[exact]),
            "mean_measured": float(worth[drawn].mean()), "mean_of_all": float(worth.mean()),
            "chance_of_best": float(_chances(state)[worth >= worth[exact] - _TINY].sum()),
            "expected": expected * scale + float(worth.mean()), "angles": angles.tolist(),
        },
        quantum=Baseline(
            method=f"qaoa, {layers} layers", value=float(worth[best]), error=0.0, cost=evaluations, cost_unit=_UNIT
        ),
        classical=classical, agrees=bool(worth[best] >= worth[exact] - _TINY), claim=_CLAIM,
        provenance=simulated(seed, classical, shots=shots),
    )  # fmt: skip


def expectation_and_gradient(values: Weights, angles: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
    """The mean value of a measured choice, and how it changes with each angle; (layers, 2): phase, then mixing.

    Backwards: with |ψ⟩ the end state and |λ⟩ = values·|ψ⟩, both are taken back through each gate, and the derivative
    by its angle is 2·Im⟨λ|generator|ψ⟩ there.
    """
    state = _prepared(values, angles)
    adjoint = values * state
    expected = float(np.real(np.vdot(state, adjoint)))
    gradient = np.zeros_like(angles)
    for layer in range(len(angles) - 1, -1, -1):
        phase, mixing = angles[layer]
        gradient[layer, 1] = 2 * np.imag(np.vdot(adjoint, sum_of_flips(state)))
        rotate_all(state, -mixing)
        rotate_all(adjoint, -mixing)
        gradient[layer, 0] = 2 * np.imag(np.vdot(adjoint, values * state))
        back = np.exp(1j * phase * values)
        state *= back
        adjoint *= back
    return expected, gradient


def _prepared(values: Weights, angles: npt.NDArray[np.float64]) -> Amplitudes:
    state = np.full(values.size, 1 / math.sqrt(values.size), dtype=np.complex128)
    for phase, mixing in angles:
        state *= np.exp(-1j * phase * values)
        rotate_all(state, mixing)
    return state


def _tuned(values: Weights, layers: int, steps: int) -> tuple[npt.NDArray[np.float64], float]:
    """Angles by Adam (Kingma and Ba 2015), from the ramp of slow annealing; the best that was seen."""
    at = (np.arange(layers) + 0.5) / layers
    # Values spread by one, so do phases; both angles of one sign lead to what is largest.
    angles = np.stack([_RAMP * at, _RAMP * (1 - at)], axis=1)
    first, second = np.zeros_like(angles), np.zeros_like(angles)
    best, best_expected = angles.copy(), -math.inf
    for step in range(1, steps + 1):
        expected, gradient = expectation_and_gradient(values, angles)
        if expected > best_expected:
            best, best_expected = angles.copy(), expected
        first = _DECAY_1 * first + (1 - _DECAY_1) * gradient
        second = _DECAY_2 * second + (1 - _DECAY_2) * gradient**2
        rise = first / (1 - _DECAY_1**step) / (np.sqrt(second / (1 - _DECAY_2**step)) + _TINY)
        angles = angles + _RATE * rise
    return best, best_expected


def _chances(state: Amplitudes) -> Weights:
    weights = np.abs(state) ** 2
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _worth_of(actions: Sequence[Action], budget: float, conflicts: Sequence[tuple[str, str, float]]) -> Weights:
    """What each of the 2^n choices is worth."""
    if not 1 <= len(actions) <= MAX_ACTIONS:
        raise LimitExceeded("actions weighed against each other", maximum=MAX_ACTIONS, seen=len(actions))
    names = {action.name: j for j, action in enumerate(actions)}
    if len(names) != len(actions):
        raise InvalidInput("actions", "two have the same name")
    for action in actions:
        if not (math.isfinite(action.worth) and 0 <= action.cost < math.inf):
            raise InvalidInput("actions", f"{action.name!r} has a worth or a cost that is none")
    if not 0 < budget < math.inf:
        raise InvalidInput("budget", f"is above zero, got {budget}")
    chosen = bits_of(len(actions)).astype(np.float64)
    worth = chosen @ np.array([action.worth for action in actions])
    over = np.maximum(0.0, chosen @ np.array([action.cost for action in actions]) - budget)
    # Over the budget everything is worse than doing nothing, and the more the further over.
    total = sum(max(action.worth, 0.0) for action in actions) or 1.0
    worth = np.where(over > 0, -total * np.minimum(1.0, over / budget), worth)
    for one, other, spoilt in conflicts:
        if one not in names or other not in names:
            raise InvalidInput("conflicts", f"{one!r} or {other!r} is no action")
        worth = worth - spoilt * chosen[:, names[one]] * chosen[:, names[other]]
    return np.asarray(worth, dtype=np.float64)


def _greedy(actions: Sequence[Action], worth: Weights, n: int) -> int:
    order = sorted(range(n), key=lambda j: -actions[j].worth / (actions[j].cost or _TINY))
    choice = 0
    for j in order:
        taken = choice | 1 << (n - 1 - j)
        if worth[taken] > worth[choice]:
            choice = taken
    return choice


def _named(actions: Sequence[Action], choice: int) -> list[str]:
    n = len(actions)
    return [action.name for j, action in enumerate(actions) if choice >> (n - 1 - j) & 1]


def _check(field: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise InvalidInput(field, f"lies in [1, {most}], got {value}")
