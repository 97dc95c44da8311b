"""Quantum routines, simulated, each beside its classical answer on the same input in the same run.

The largest instance is the largest of a doubling (or growing) series that ends within the time given, on one core.
Scaling exponents are fitted over the whole series: of questions over values for Grover (0.5 is the claim), of calls
over 1/ε for amplitude estimation (1 is the claim, 2 is Monte Carlo's), each with its 95 % interval; ``bars`` has the
figures that a bar stands beside. Seconds of instances are of CPU, so that a busy machine has no say. Kernels are
compared with gates one by one, by this package's simulator, by Qiskit's statevectors and PennyLane's Lightning where
these are installed; the same entries are computed.
"""

import asyncio
import importlib.util
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.analyses._quantum_models import cuts, models, on_devices
from phalanx.bench.analyses._quantum_rows import bar, ideal, row, series, slope, told
from phalanx.core import Rng
from phalanx.quantum import AttackModel, Gates, Stage, estimate_probability, resources, simulate
from phalanx.quantum.routines import (
    Action,
    PhaseKernel,
    choose_responses,
    factor,
    search_indicators,
    walk_paths,
)

_KERNEL_FEATURES, _KERNEL_ROWS, _GATE_ROWS = 8, 400, 12
_EPSILONS = (0.08, 0.04, 0.02, 0.01, 0.005)


async def quantum_bench(options: BenchOptions) -> BenchResult:
    """Every routine up to the largest instance that ends in time."""
    seconds, repeats = (1.0, 3) if options.quick else (10.0, 12)
    tell, seed = options.tell, options.seed
    tell("searching indicators")
    search = series(lambda bits: _searched(1 << bits, seed, repeats), range(6, 21), seconds)
    tell("choosing responses")
    respond = series(lambda n: _responded(n, seed), range(4, 19, 2), seconds)
    tell("walking")
    walk = series(_walked, (16, 32, 64, 128, 256, 512, 1_024, 2_048), seconds)
    tell("factoring")
    shor = series(lambda bits: _factored(bits, seed), range(5, 21), seconds)
    tell("estimating probabilities")
    estimate = await _estimated(seed, repeats)
    tell("kernels")
    kernels = _kernels(seed)
    tell("segments, synthetic rows, novelties, classes")
    learned, peers = await asyncio.to_thread(models, seed, seconds)
    tell("cutting, and devices")
    cut, devices = await cuts(seed, seconds), await on_devices(seed)
    grover = slope([each["size"] for each in search], [each["quantum_cost"] for each in search])
    return BenchResult(
        load={
            "seconds_for_the_largest": seconds, "searches_each": repeats, "epsilons": list(_EPSILONS),
            "kernel": {"features": _KERNEL_FEATURES, "rows": _KERNEL_ROWS, "gate_rows": _GATE_ROWS},
            "what_is_simulated": "ideal machines, by amplitudes; nothing here is a time on a quantum computer",
            "what_is_emulated": "devices, by their published calibrations",
        },
        figures={
            "indicator_search": told(search) | grover,
            "response_choice": told(respond), "attack_paths": told(walk), "key_exposure": told(shor),
            "probability": estimate["quantum"], "kernels": kernels["ours"],
            **learned, "cutting": cut, "on_devices": devices,
            "bars": {
                "grover_exponent": bar(grover["exponent"], 0.4, 0.6),
                "estimate_exponent": bar(estimate["quantum"]["exponent"], 0.8, 1.2),
                "kernels_over_library": bar(
                    min(kernels["ours"]["few_rows_entries_per_s"] / rate for rate in kernels["baselines"].values()),
                    1.0,
                ),
            },
            "rsa_2048": resources.to_break("RSA", 2048).told(), "ec_256": resources.to_break("EC", 256).told(),
        },
        baselines={
            "indicator_search": {"scan": [row["classical"][0] for row in search]},
            "response_choice": {
                "annealing_share_of_best": [row["classical"][1] for row in respond],
                "greedy_share_of_best": [row["classical"][2] for row in respond],
            },
            "attack_paths": {"classical_walk_chance_then": walk[-1]["classical"][1]},
            "probability": estimate["monte_carlo"],
            "kernels": kernels["baselines"], **peers,
        },
        ratios={
            f"kernels.{name}": kernels["ours"]["few_rows_entries_per_s"] / rate
            for name, rate in kernels["baselines"].items()
        },
    )  # fmt: skip


def _searched(n: int, seed: int, repeats: int) -> dict[str, Any]:
    values = [f"host-{j}.example" for j in range(n)]
    draws = Rng(seed).child(f"search/{n}")
    answers = [search_indicators(values, [values[draws.integer(0, n)]], seed=seed + j) for j in range(repeats)]
    return row(n, answers, [float(answers[0].classical[0].cost)])


def _responded(n: int, seed: int) -> dict[str, Any]:
    draws = Rng(seed).child(f"respond/{n}")
    actions = [Action(name=f"a{j}", worth=draws.uniform(1, 10), cost=draws.uniform(1, 6)) for j in range(n)]
    pairs = [(f"a{j}", f"a{j + 1}", draws.uniform(0, 4)) for j in range(n - 1)]
    answer = choose_responses(actions, budget=1.5 * n, conflicts=pairs, layers=6, seed=seed)
    best = answer.found["best_possible"]
    return row(n, [answer], [one.value / best for one in answer.classical])


def _walked(n: int) -> dict[str, Any]:
    edges = [(f"n{j}", f"n{j + 1}") for j in range(n - 1)]
    answer = walk_paths(edges, source="n0", goal=f"n{n - 1}")
    return row(n, [answer], [one.value for one in answer.classical])


def _factored(bits: int, seed: int) -> dict[str, Any]:
    number = _semiprime(bits)
    answer = factor(number, seed=seed)
    return row(bits, [answer], [float(answer.classical[0].cost)])


def _semiprime(bits: int) -> int:
    """The largest product of two neighbouring odd primes with so many bits."""
    primes = [p for p in range(3, 1 << (bits // 2 + 1)) if all(p % d for d in range(2, int(p**0.5) + 1))]
    return max(p * q for p, q in itertools.pairwise(primes) if p * q < 1 << bits)


async def _estimated(seed: int, repeats: int) -> dict[str, Any]:
    """Calls of the model over the accuracy asked for, beside what Monte Carlo needs for the same interval."""
    model = AttackModel(
        stages=(Stage("a", (0.3,)), Stage("b", (0.5, 0.2)), Stage("c", (0.4,))), paths=(("a", "b"), ("b", "c"))
    )
    rows = []
    for epsilon in _EPSILONS:
        found = [await estimate_probability(model, run=ideal, seed=seed + j, epsilon=epsilon) for j in range(repeats)]
        rows.append(
            {
                "per_epsilon": 1 / epsilon, "calls": float(np.mean([one.calls for one in found])),
                "samples": float(np.mean([one.monte_carlo_calls for one in found])),
                "agreed": sum(one.agrees for one in found), "error": float(
                    np.mean([abs(one.estimate - model.exact()) for one in found])
                ),
            }
        )  # fmt: skip
    return {
        "quantum": {
            "calls": [row["calls"] for row in rows], "mean_error": [row["error"] for row in rows],
            "agreed_share": sum(row["agreed"] for row in rows) / (repeats * len(rows)),
            **slope([row["per_epsilon"] for row in rows], [row["calls"] for row in rows]),
            "error_over_calls": slope([row["calls"] for row in rows], [row["error"] for row in rows]),
        },
        "monte_carlo": {
            "samples": [row["samples"] for row in rows],
            **slope([row["per_epsilon"] for row in rows], [row["samples"] for row in rows]),
        },
    }  # fmt: skip


def _kernels(seed: int) -> dict[str, Any]:
    """Entries a second: a whole matrix of ours, and the same few rows by everybody."""
    rows = Rng(seed).child("kernel").numpy().uniform(0, np.pi, (_KERNEL_ROWS, _KERNEL_FEATURES))
    kernel = PhaseKernel(_KERNEL_FEATURES)
    few = rows[:_GATE_ROWS]
    matrix, rate = _rate(kernel.matrix, rows)
    _, few_rate = _rate(kernel.matrix, few)
    baselines, differences = {}, {}
    peers = {"gates_one_by_one": _by_gates}
    if importlib.util.find_spec("qiskit") is not None:
        peers["qiskit_statevectors"] = _by_qiskit
    if importlib.util.find_spec("pennylane") is not None:
        peers["pennylane_states"] = _by_pennylane
    for name, peer in peers.items():
        theirs, baselines[name] = _rate(peer, few)
        differences[name] = float(np.abs(theirs - matrix[:_GATE_ROWS, :_GATE_ROWS]).max())
    ours = {"entries_per_s": rate, "few_rows_entries_per_s": few_rate, "largest_difference": differences}
    return {"ours": ours, "baselines": baselines}


def _rate(
    matrix: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]], rows: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float]:
    """A kernel matrix, and how many of its entries were made in a second; what is loaded first is not counted."""
    matrix(rows[:2])
    started_s = time.perf_counter()
    made = matrix(rows)
    return made, made.size / (time.perf_counter() - started_s)


def _by_gates(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    states = [_state(row) for row in rows]
    return np.array([[abs(np.vdot(one, other)) ** 2 for other in states] for one in states])


def _state(row: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
    n = len(row)
    gates = Gates(n)
    for _ in range(2):
        for q in range(n):
            gates.h(q)
        for q in range(n):
            gates.p(float(2 * row[q]), q)
        for j in range(n):
            for k in range(j + 1, n):
                gates.cx(j, k)
                gates.p(float(2 * (np.pi - row[j]) * (np.pi - row[k])), k)
                gates.cx(j, k)
    return simulate.statevector(gates)


def _by_qiskit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from qiskit.circuit.library import zz_feature_map
    from qiskit.quantum_info import Statevector

    circuit = zz_feature_map(rows.shape[1], reps=2, entanglement="full")
    states = [Statevector(circuit.assign_parameters(list(row))).data for row in rows]
    return np.array([[abs(np.vdot(one, other)) ** 2 for other in states] for one in states])


def _by_pennylane(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    import pennylane as qml

    n = rows.shape[1]

    def gates(row: npt.NDArray[np.float64]) -> Any:
        for _ in range(2):
            for q in range(n):
                qml.Hadamard(q)
                qml.PhaseShift(2 * row[q], q)
            for j in range(n):
                for k in range(j + 1, n):
                    qml.CNOT((j, k))
                    qml.PhaseShift(2 * (np.pi - row[j]) * (np.pi - row[k]), k)
                    qml.CNOT((j, k))
        return qml.state()

    mapped = qml.QNode(gates, qml.device("lightning.qubit", wires=n))
    states = [np.asarray(mapped(row)) for row in rows]
    return np.array([[abs(np.vdot(one, other)) ** 2 for other in states] for one in states])
