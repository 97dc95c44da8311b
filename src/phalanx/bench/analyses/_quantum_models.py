"""Variational routines, cutting, and routines under the noise of devices: parts of `phalanx bench quantum`.

Rows are drawn, so that no data set is needed: two clouds whose columns depend on each other. What the models are worth
on public intrusion data is told by `phalanx bench assessment`. Results on devices are emulated from published
calibrations, everything else is simulated.
"""

import asyncio
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.allocation import published_machine
from phalanx.bench.analyses._quantum_rows import ideal, row, series, told
from phalanx.core import Rng
from phalanx.quantum import AttackModel, Gates, Observable, ShotRunner, Stage, estimate_probability, simulate
from phalanx.quantum.cutting import cut_mean, find_cuts
from phalanx.quantum.mitigation import Mitigating, Mitigation
from phalanx.quantum.routines import (
    classify,
    classify_by_kernel,
    density_novelties,
    find_novelties,
    forecast,
    generate,
    search_circuit,
    segment_hosts,
    spread_threat,
)

DEVICES = ("fake_lagos", "fake_brisbane", "fake_torino")
_ROWS, _COLUMNS = 400, 12
_CUT_SHOTS, _PIECE = 2_000, 4
_MARKED, _SEARCH_BITS = 5, 3


def models(seed: int, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures and baselines of the variational routines, each up to the largest instance that ends in time."""
    segment = series(lambda n: _segmented(n, seed), range(4, 15, 2), seconds)
    generated = series(lambda bits: _generated(bits, seed), range(4, 13, 2), seconds)
    novel = series(lambda bits: _novel(bits, seed), (4, 6, 8), seconds)
    classified = series(lambda qubits: _classified(qubits, seed), (2, 4, 6, 8, 10), seconds)
    adversarial = series(lambda bits: _generated(bits, seed, method="adversarial"), range(4, 13, 2), seconds)
    forecasts = series(lambda n: _forecast(n, seed), (200, 500, 1_000, 2_000, 5_000, 10_000, 20_000), seconds)
    by_kernel = series(lambda n: _by_kernel(n, seed), (100, 200, 400, 800, 1_600), seconds)
    density = series(lambda n: _density(n, seed), (100, 200, 400, 800, 1_600), seconds)
    spread = series(lambda n: _spread(n, seed), range(2, 13, 2), seconds)
    figures = {
        "adversarial_traffic": told(adversarial) | {"distance": adversarial[-1]["ours"]},
        "forecast": told(forecasts) | {"mean_off": forecasts[-1]["ours"]},
        "kernel_classification": told(by_kernel) | {"accuracy": by_kernel[-1]["ours"]},
        "density_novelty": told(density) | {"roc_area": density[-1]["ours"]},
        "threat_spread": told(spread) | {"monte_carlo_samples": spread[-1]["classical"][0]},
        "segmentation": told(segment), "synthetic_traffic": told(generated) | {"distance": generated[-1]["ours"]},
        "novelty": told(novel) | {"roc_area": novel[-1]["ours"]},
        "classification": told(classified) | {"accuracy": classified[-1]["ours"]},
    }  # fmt: skip
    baselines = {
        "forecast": {"as_it_was": forecasts[-1]["classical"][0], "autoregression": forecasts[-1]["classical"][1],
                     "echo_state_network": forecasts[-1]["classical"][2]},
        "kernel_classification": {"gaussian_kernel": by_kernel[-1]["classical"][0],
                                  "boosted_stumps": by_kernel[-1]["classical"][1]},
        "density_novelty": {"gaussian_kernel": density[-1]["classical"][0],
                            "isolation_forest": density[-1]["classical"][1]},
        "segmentation": {"annealing_over_lowest": [one["classical"][1] for one in segment]},
        "synthetic_traffic": {"tree_distance": generated[-1]["classical"][0],
                              "independent_distance": generated[-1]["classical"][1]},
        "novelty": {"classical_machine": novel[-1]["classical"][0], "isolation_forest": novel[-1]["classical"][1]},
        "classification": {"boosted_stumps": classified[-1]["classical"][0],
                           "logistic_regression": classified[-1]["classical"][1]},
    }  # fmt: skip
    return figures, baselines


async def cuts(seed: int, seconds: float) -> dict[str, Any]:
    """A chain of qubits in pieces of four: how wide within the time, and whether the error that is told holds."""

    def run(n: int) -> dict[str, Any]:
        return asyncio.run(_cut(n, seed))

    rows = await asyncio.to_thread(series, run, (5, 6, 8, 10, 12, 14), seconds)
    return {
        "largest_qubits": rows[-1]["size"], "largest_s": rows[-1]["seconds"], "piece_qubits": _PIECE,
        "overheads": [one["overhead"] for one in rows], "circuits": [one["circuits"] for one in rows],
        "off_over_error": [one["off"] for one in rows], "error": [one["error"] for one in rows],
    }  # fmt: skip


async def on_devices(seed: int) -> dict[str, Any]:
    """A search and an estimate under the noise of devices: ideal, as they come, and mitigated."""
    circuit = search_circuit([_MARKED], n_bits=_SEARCH_BITS, iterations=2)
    key = f"{_MARKED:0{_SEARCH_BITS}b}"
    model = AttackModel((Stage("foothold", (0.4,)), Stage("credentials", (0.5,))), (("foothold", "credentials"),))
    found: dict[str, Any] = {}
    for name in DEVICES:
        machine = published_machine(name)
        runners: dict[str, ShotRunner] = {
            "ideal": ideal, "as_it_is": machine.run, "mitigated": Mitigating(machine, Mitigation.read("readout,dd"))
        }  # fmt: skip
        for how, run in runners.items():
            answer = await run(circuit, shots=4_000, seed=seed)
            estimate = await estimate_probability(model, run=run, seed=seed, epsilon=0.05)
            found.setdefault(name, {})[how] = {
                "found_share": answer.counts.get(key, 0) / 4_000,
                "estimate_off": abs(estimate.estimate - model.exact()),
                "interval_holds": estimate.agrees, "results_are": answer.provenance.origin.value,
            }  # fmt: skip
    return found


async def _cut(n: int, seed: int) -> dict[str, Any]:
    gates = Gates(n)
    angles = Rng(seed).child(f"cut/{n}")
    for _ in range(2):
        for q in range(n):
            gates.ry(angles.uniform(-1.5, 1.5), q)
        for q in range(n - 1):
            if q % _PIECE != _PIECE - 1 or _ == 0:
                gates.cx(q, q + 1)
    asked = Observable.read("Z0 + " + " + ".join(f"Z{q} Z{q + 1}" for q in range(0, n - 1, 2)))
    plan = find_cuts(gates.circuit(), _PIECE, seed=seed, force=True)
    found = await cut_mean(plan, asked, run=ideal, shots=_CUT_SHOTS, seed=seed)
    off = abs(found.value - asked.exact(simulate.statevector(gates)))
    return {"size": n, "overhead": plan.overhead, "circuits": found.circuits, "off": off / max(found.error, 1e-12),
            "error": found.error}  # fmt: skip


def _segmented(n: int, seed: int) -> dict[str, Any]:
    draws = Rng(seed).child(f"segment/{n}")
    links = [
        (f"h{a}", f"h{b}", draws.uniform(0.5, 5))
        for a in range(n)
        for b in range(a + 1, n)
        if b == a + 1 or draws.chance(0.4)
    ]
    answer = asyncio.run(segment_hosts(links, seed=seed, layers=2, steps=60))
    lowest = answer.found["lowest_possible"]
    return row(n, [answer], [one.value / lowest for one in answer.classical])


def _generated(bits: int, seed: int, *, method: str = "born") -> dict[str, Any]:
    answer = generate(
        _cloud(seed, 1.0), others=_cloud(seed + 1, 0.0), seed=seed, columns=bits // 2, draws=500, method=method
    )
    made = row(bits, [answer], [one.value for one in answer.classical])
    return made | {"ours": answer.quantum.value}


def _novel(bits: int, seed: int) -> dict[str, Any]:
    rows = np.concatenate([_cloud(seed + 1, 0.0), 2 * _cloud(seed + 2, 0.7)])
    labels = (np.arange(len(rows)) >= _ROWS).tolist()
    answer = find_novelties(_cloud(seed, 0.0), rows, seed=seed, columns=bits // 2, labels=labels)
    return row(bits, [answer], [one.value for one in answer.classical]) | {"ours": answer.quantum.value}


def _classified(qubits: int, seed: int) -> dict[str, Any]:
    rows = np.concatenate([_cloud(seed, 0.0), _cloud(seed + 1, 0.6)])
    asked = np.concatenate([_cloud(seed + 2, 0.0), _cloud(seed + 3, 0.6)])
    labels = (np.arange(len(rows)) >= _ROWS).tolist()
    answer = classify(rows, labels, asked, truth=labels, seed=seed, qubits=qubits, steps=100)
    return row(qubits, [answer], [one.value for one in answer.classical]) | {"ours": answer.quantum.value}


def _forecast(n: int, seed: int) -> dict[str, Any]:
    """Counts with a rhythm of days, and noise."""
    draws = Rng(seed).child(f"forecast/{n}").numpy()
    answer = forecast(draws.poisson(8 + 5 * np.sin(np.arange(n) * np.pi / 12)).astype(float).tolist(), seed=seed)
    return row(n, [answer], [one.value for one in answer.classical]) | {"ours": answer.quantum.value}


def _by_kernel(n: int, seed: int) -> dict[str, Any]:
    rows, asked = (
        np.concatenate([_cloud(first, 0.0, n // 2), _cloud(first + 1, 0.6, n // 2)]) for first in (seed, seed + 2)
    )
    labels = (np.arange(len(rows)) >= n // 2).tolist()
    answer = classify_by_kernel(rows, labels, asked, truth=labels, seed=seed)
    return row(n, [answer], [one.value for one in answer.classical]) | {"ours": answer.quantum.value}


def _density(n: int, seed: int) -> dict[str, Any]:
    rows = np.concatenate([_cloud(seed + 1, 0.0, n // 2), 2 * _cloud(seed + 2, 0.7, n // 2)])
    labels = (np.arange(len(rows)) >= n // 2).tolist()
    answer = density_novelties(_cloud(seed, 0.0, n), rows, seed=seed, labels=labels)
    return row(n, [answer], [one.value for one in answer.classical]) | {"ours": answer.quantum.value}


def _spread(n: int, seed: int) -> dict[str, Any]:
    """A ladder of links: two ways that meet at every rung."""
    draws = Rng(seed).child(f"spread/{n}")
    links = [
        (f"h{at // 2}", f"h{at // 2 + 1}" if at % 2 else f"m{at // 2}", draws.uniform(0.3, 0.7)) for at in range(n)
    ]
    links += [(f"m{at}", f"h{at + 1}", draws.uniform(0.3, 0.7)) for at in range(n // 2)]
    answer = asyncio.run(spread_threat(links[:n], source="h0", goal=f"h{n // 2}", run=ideal, seed=seed, epsilon=0.02))
    assert answer is not None, "there is a way"
    return row(n, [answer], [float(answer.classical[1].cost)])


def _cloud(seed: int, shift: float, rows: int = _ROWS) -> npt.NDArray[np.float64]:
    draw = Rng(seed).child("cloud").numpy()
    hidden = draw.normal(size=(rows, 3))
    mixed = np.random.default_rng(0).normal(size=(3, _COLUMNS))
    return np.asarray(hidden @ mixed + 0.5 * draw.normal(size=(rows, _COLUMNS)) + shift)
