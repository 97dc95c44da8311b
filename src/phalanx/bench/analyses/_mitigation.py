"""What mitigation brings and what it costs, on emulated devices whose noise has drifted from what is known of it.

Each circuit runs on each device with each method, under two kinds of truth: the calibration after a day's drift, and
that with errors besides that no calibration tells (a slow drift of frequency, gates that turn frames; both assumed).
What counts is the distance from the exact mean. ``shots_times`` is what a method takes; no number of shots brings the
circuit as it is nearer, because its distance is a bias. Intervals are over circuits and devices. ``harmed_share`` is
how often a method was further off than no mitigation, by more than both standard errors.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from phalanx.allocation import published_machine
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.allocation._placement_world import drifted
from phalanx.core import Circuit, Rng
from phalanx.learning import bootstrap
from phalanx.quantum import Gates, Observable, Op
from phalanx.quantum.emulation import Disturbance, Machine
from phalanx.quantum.mitigation import Mitigated, Mitigation, estimate

DEVICES = ("fake_lagos", "fake_manila", "fake_guadalupe", "fake_mumbai", "fake_brisbane", "fake_torino")
METHODS = (
    "readout", "readout:observed", "dd", "twirl", "zne", "zne:richardson", "zne:exponential", "zne,readout",
    "zne:richardson,readout", "zne:exponential,readout", "pec:128,readout", "dd,readout", "twirl,readout",
    "zne:exponential,readout,dd,twirl",
)  # fmt: skip
_SHOTS, _WIDTH = 8_000, 5
_SLOW_T2, _SHIFT_RAD = 0.5, 0.03
_TRUTHS = {"drifted": Disturbance(), "drifted_and_disturbed": Disturbance(slow_t2=_SLOW_T2, shift_rad=_SHIFT_RAD)}


async def mitigation_bench(options: BenchOptions) -> BenchResult:
    """Every method on every circuit and device."""
    devices = DEVICES[:2] if options.quick else DEVICES
    methods = METHODS[:1] + METHODS[7:8] if options.quick else METHODS
    circuits = _circuits(options.rng.child("circuits"))
    figures: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    for truth, disturbance in _TRUTHS.items():
        plain: list[float] = []
        for method in methods:
            options.tell(f"{truth}: {method}")
            wanted = Mitigation.read(method)
            found = [
                estimate(circuit, asked, _machine(name, disturbance, options.rng), wanted, shots=_SHOTS,
                         seed=options.seed + at, force=True)
                for name in devices
                for at, (_, circuit, asked) in enumerate(circuits)
            ]  # fmt: skip
            figures.setdefault(truth, {})[method] = _told(found, options.rng.child(method))
            plain += [abs(one.plain - one.exact) for one in found if one.exact is not None]
        baselines[truth] = {"no_mitigation": {"error": _interval(plain, options.rng.child("plain"))}}
    ratios = {
        truth: {name: round(one["error"]["value"] / baselines[truth]["no_mitigation"]["error"]["value"], 3)
                for name, one in each.items()}
        for truth, each in figures.items()
    }  # fmt: skip
    return BenchResult(
        load={
            "devices": list(devices), "circuits": [name for name, *_ in circuits], "qubits": _WIDTH, "shots": _SHOTS,
            "truth": "the calibration drifted by a day (see the benchmark of placement); and with errors besides",
            "assumed_errors": {"slow_t2_over_t2": _SLOW_T2, "frame_shift_rad": _SHIFT_RAD},
            "results_are": "emulated",
        },
        figures=figures, baselines=baselines, ratios=ratios,
    )  # fmt: skip


def _machine(name: str, disturbance: Disturbance, rng: Rng) -> Machine:
    machine = published_machine(name, disturbance=disturbance)
    return replace(machine, truth=drifted(machine.noise, rng.child(f"drift/{name}").numpy()))


def _told(found: list[Mitigated], rng: Rng) -> dict[str, Any]:
    errors = [abs(one.value - one.exact) for one in found if one.exact is not None]
    gains = [one.benefit for one in found if one.benefit is not None]
    harmed = [one.benefit < -np.hypot(one.error, one.plain_error) for one in found if one.benefit is not None]
    return {
        "error": _interval(errors, rng), "gain": _interval(gains, rng),
        "harmed_share": round(float(np.mean(harmed)), 3),
        "circuits": float(np.mean([one.cost.circuits for one in found])),
        "shots_times": round(float(np.mean([one.cost.times for one in found])), 2),
        "variance_times_p50": round(float(np.median([one.cost.variance for one in found])), 2),
    }  # fmt: skip


def _interval(values: list[float], rng: Rng) -> dict[str, float]:
    each = np.array(values)
    value, low, high = bootstrap(lambda places: float(each[places].mean()), len(each), rng=rng)
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}


def _circuits(rng: Rng) -> list[tuple[str, Circuit, Observable]]:
    """Circuits of the routines' kinds, five qubits each: a state of agreement, spins, phases and mixing, a mirror."""
    n = _WIDTH
    neighbours = Observable.read(" + ".join(f"{1 / (n - 1)}*Z{q} Z{q + 1}" for q in range(n - 1)))
    field = Observable.read(" + ".join(f"{1 / n}*Z{q}" for q in range(n)))
    agreement = Gates(n).h(0).extend(Op("cx", (q, q + 1)) for q in range(n - 1))
    return [
        ("agreement", agreement.circuit(), Observable.read(" ".join(f"X{q}" for q in range(n)))),
        ("spins", _spins(n).circuit(), neighbours),
        ("phases_and_mixing", _phases(n).circuit(), neighbours),
        ("mirror", _mirror(n, rng).circuit(), field),
    ]


def _spins(n: int) -> Gates:
    gates = Gates(n)
    for _ in range(4):
        gates.extend(Op("rx", (q,), (0.4,)) for q in range(n))
        gates.extend(Op("rzz", (q, q + 1), (0.5,)) for q in range(n - 1))
    return gates


def _phases(n: int) -> Gates:
    gates = Gates(n).extend(Op("h", (q,)) for q in range(n))
    for phase, mixing in ((0.5, 0.9), (0.8, 0.4)):
        gates.extend(Op("rzz", (q, (q + 1) % n), (2 * phase,)) for q in range(n))
        gates.extend(Op("rx", (q,), (2 * mixing,)) for q in range(n))
    return gates


def _mirror(n: int, rng: Rng) -> Gates:
    """There and back again, but for a rest of the first turns."""
    turns = [rng.uniform(-1.5, 1.5) for _ in range(n)]
    phases = [rng.uniform(-1.5, 1.5) for _ in range(n)]
    there = [Op("cx", (q, q + 1)) for q in range(n - 1)]
    gates = Gates(n).extend(Op("ry", (q,), (turns[q],)) for q in range(n))
    gates.extend([*there, *(Op("rz", (q,), (phases[q],)) for q in range(n))])
    gates.extend([*(Op("rz", (q,), (-phases[q],)) for q in range(n)), *reversed(there)])
    return gates.extend(Op("ry", (q,), (-0.8 * turns[q],)) for q in range(n))
