"""Which of many values are on a list of indicators: Grover's search without knowing how many there are.

Boyer, Brassard, Høyer, Tapp (Fortschritte der Physik 46, 1998): a number of iterations is drawn below a bound that
grows by 6/5 while nothing is found; about (9/2)·√(N/t) uses of the oracle find one of t. Each that is found is taken
out of the oracle, until a search that would have found one with probability ``1 − alpha`` finds none.

The oracle marks the places whose value is on the list. Synthesised as a circuit (``search_circuit``) it is one
multi-controlled Z per marked place, so writing it costs as much as looking at every value once: Grover helps where
asking whether a value counts is what is dear, and the values are not indexed.
"""

import math
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from phalanx.core import Baseline, Circuit, InvalidInput, LimitExceeded, Rng
from phalanx.quantum._circuits import assemble, mcz_ops, op_lines
from phalanx.quantum._gates import Op
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._limits import MAX_SEARCH_CIRCUIT_BITS, MAX_SEARCHED

_GROWTH = 6 / 5
_UNIT = "questions whether a value is on the list"
_CLAIM = (
    "about √(N·t) questions instead of N, where values are not indexed; an index answers in one, "
    "and writing the oracle down looks at every value: no advantage for a list that is at hand"
)


def search_indicators(values: Sequence[str], wanted: Collection[str], *, seed: int, alpha: float = 0.01) -> Answer:
    """The places of ``values`` that are ``wanted``, found with few questions, simulated. Raises ``InvalidInput``.

    With probability ``alpha`` at most one that is there is missed.
    """
    if not values:
        raise InvalidInput("values", "there are none")
    if len(values) > MAX_SEARCHED:
        raise LimitExceeded("values of a search", maximum=MAX_SEARCHED, seen=len(values))
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"lies between 0 and 1, got {alpha}")
    on_list = frozenset(wanted)
    marked = np.zeros(1 << max(1, math.ceil(math.log2(len(values)))), dtype=bool)
    marked[: len(values)] = [value in on_list for value in values]
    truth = np.flatnonzero(marked).tolist()
    rng, places, questions = Rng(seed).child("grover"), [], 0
    while True:
        place, asked = _find_one(marked, rng, alpha)
        questions += asked
        if place is None:
            break
        places.append(place)
        marked[place] = False
    scanned = Baseline(method="scan", value=float(len(truth)), error=0.0, cost=len(values), cost_unit=_UNIT)
    indexed = Baseline(method="hash table, already built", value=float(len(truth)), error=0.0, cost=1, cost_unit=_UNIT)
    return Answer(
        routine="indicator-search",
        found={"places": sorted(places), "values": [values[place] for place in sorted(places)]},
        quantum=Baseline(method="grover", value=float(len(places)), error=0.0, cost=questions, cost_unit=_UNIT),
        classical=(scanned, indexed), agrees=sorted(places) == truth, claim=_CLAIM,
        provenance=simulated(seed, (scanned, indexed), shots=max(1, questions)),
    )  # fmt: skip


def chance_of_marked(n_values: int, n_marked: int, iterations: int) -> float:
    """The probability of measuring a marked place after so many iterations: sin²((2k+1)·θ), sin²θ = t/N."""
    return math.sin((2 * iterations + 1) * math.asin(math.sqrt(n_marked / n_values))) ** 2


def amplified(marked: npt.NDArray[np.bool_], iterations: int) -> npt.NDArray[np.float64]:
    """Amplitudes after so many iterations: a sign on what is marked, then a reflection about the mean."""
    state = np.full(marked.size, 1 / math.sqrt(marked.size))
    if not marked.any():
        return state  # it is its own mean
    for _ in range(iterations):
        state[marked] *= -1
        np.subtract(2 * state.mean(), state, out=state)
    return state


def search_circuit(marked: Sequence[int], n_bits: int, iterations: int) -> Circuit:
    """The same as a circuit that any device may run: ``n_bits`` measured qubits and the helpers of wide gates."""
    if not 1 <= n_bits <= MAX_SEARCH_CIRCUIT_BITS:
        raise LimitExceeded("bits of a search circuit", maximum=MAX_SEARCH_CIRCUIT_BITS, seen=n_bits)
    if any(not 0 <= place < 1 << n_bits for place in marked):
        raise InvalidInput("marked", f"a place lies between 0 and {(1 << n_bits) - 1}")
    qubits = range(n_bits)
    n_qubits = n_bits + max(0, n_bits - 3)
    helpers = range(n_bits, n_qubits)
    oracle: list[Op] = []
    for place in marked:
        zeros = [Op("x", (q,)) for q in qubits if not place >> (n_bits - 1 - q) & 1]
        oracle += [*zeros, *mcz_ops(qubits, helpers), *zeros]
    spread = [Op("h", (q,)) for q in qubits]
    flips = [Op("x", (q,)) for q in qubits]
    about_mean = [*spread, *flips, *mcz_ops(qubits, helpers), *flips, *spread]
    return assemble(n_qubits, op_lines(spread) + iterations * op_lines([*oracle, *about_mean]), qubits)


def _find_one(marked: npt.NDArray[np.bool_], rng: Rng, alpha: float) -> tuple[int | None, int]:
    """One marked place, or none once the chance that one was overlooked is below ``alpha``; the questions it took."""
    bound, asked, missed = 1.0, 0, 1.0
    most = math.sqrt(marked.size)
    while missed > alpha:
        iterations = rng.integer(0, math.ceil(bound))
        chances = np.cumsum(amplified(marked, iterations) ** 2)
        place = min(int(np.searchsorted(chances, rng.uniform(0, chances[-1]), side="right")), marked.size - 1)
        asked += iterations + 1
        if marked[place]:
            return place, asked
        if bound >= most:
            # From here on each round finds one with probability 1/4 at least (lemma 2 of the paper).
            missed *= 3 / 4
        bound = min(_GROWTH * bound, most)
    return None, asked
