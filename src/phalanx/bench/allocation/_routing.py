"""Quantum or classical: what choosing is worth, on circuits that nobody learned from.

Circuits are public ones (QASMBench, beside the checkout). Quantum ways are IBM devices by their published calibrations,
each with its own real queue: public lengths, once a minute for six days, at a random minute for each task.
The classical way is the simulator that this package chooses for a circuit, in this process.

Truth is never what the router knows. Noise has drifted by a day (``_placement_world``); circuits of up to seven qubits
are run exactly under it, wider ones are given the success that is estimated for them under the drifted noise. A queue
drains at a rate that differs from device to device and from task to task (sd of the logarithm 0.5 each, ten seconds a
job in the middle), and 250 µs pass between shots. Simulations are really run and their CPU time is taken. Circuits
that would take longer than a few seconds here are left out; those that cannot be simulated at all stay.

A task wants a right answer that is worth something, by when, above which fidelity and for how much, all drawn. What is
too late or too bad is worth nothing. ``loss`` is money, waiting and what a right answer would have been worth more;
``regret`` is that less the oracle's, which knows the truth and may also give a task up. Half of the circuits, by name,
are learned from; only the others are judged.
"""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from phalanx.allocation import Layouts, noise_of, published_devices, warm_decisions
from phalanx.allocation.money import run_seconds
from phalanx.allocation.routing import Aims, Expectations, Kind, Way, judge, loss_of, ways_of
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.allocation._placement_world import drifted, fidelity, ideal_outcome
from phalanx.bench.allocation._utilisation import QUEUE_LENGTHS
from phalanx.bench.public import public_data
from phalanx.core import Circuit, PhalanxError, Rng, Unavailable
from phalanx.devices import DeviceModel, QueueState, ideal_device, price_per_second
from phalanx.learning import bootstrap
from phalanx.quantum import CircuitFeatures, features
from phalanx.quantum.circuits import read
from phalanx.quantum.mapping import Noise, estimated_success
from phalanx.quantum.simulators import plan, probabilities, run, warm_simulators

SHOTS = 1_000
MAX_FILE_BYTES, MAX_GATES = 150_000, 3_000
LONGEST_S = 2.0
JOB_S, RATE_SD, SHOT_GAP_S = 10.0, 0.5, 250e-6
PRICE = price_per_second(1.60, as_of_ns=1_735_689_600_000_000_000, source="IBM Quantum, pay-as-you-go")
SIMULATOR = "local.simulator"
RULES = ("router", "untrained", "always_quantum", "always_classical", "neither")


@dataclass(frozen=True, slots=True)
class Known:
    """A circuit, what simulating it really took (``None``: it cannot be), and its realised fidelity on each device."""

    name: str
    circuit: Circuit
    counts: CircuitFeatures
    simulated_s: float | None
    fidelity: dict[str, float]


@dataclass(frozen=True, slots=True)
class Task:
    """A circuit at some time: what is wanted, the ways as they are expected, and what each would really be."""

    known: Known
    aims: Aims
    models: tuple[DeviceModel, ...]
    truth: dict[str, tuple[float, float, float]]

    def loss(self, name: str) -> float:
        """Of the way called ``name``; giving the task up costs what the answer is worth."""
        if not name:
            return self.aims.worth
        seconds, money, fidelity = self.truth[name]
        lost = loss_of(self.aims, seconds=seconds, money=money, fidelity=fidelity)
        # Beyond what it may cost nobody pays.
        return lost if not self.aims.budget or money <= self.aims.budget else self.aims.worth + money


async def routing_bench(options: BenchOptions) -> BenchResult:
    """Every rule on the same held-out tasks."""
    warm_decisions()
    warm_simulators()
    models, queues = read_machines()
    known, left_out = measured(options, models)
    learn, judged = known[::2], known[1::2]
    n = 200 if options.quick else 1_000
    expectations, layouts = Expectations(), Layouts()
    for task in make_tasks(learn, models, queues, n, options.rng.child("learned from")):
        taught(expectations, task, ways(task, Expectations(), layouts))
    tasks = make_tasks(judged, models, queues, n, options.rng.child("judged"))
    options.tell(f"{len(tasks)} held-out tasks")
    losses: dict[str, list[float]] = {rule: [] for rule in (*RULES, "oracle")}
    chosen: dict[str, int] = {}
    best: dict[str, int] = {}
    for task in tasks:
        trained, plain = ways(task, expectations, layouts), ways(task, Expectations(), layouts)
        names = {
            "router": judge(task.aims, trained).name,
            "untrained": judge(task.aims, plain).name,
            "always_quantum": judge(task.aims, only(trained, Kind.QUANTUM)).name,
            "always_classical": judge(task.aims, only(trained, Kind.CLASSICAL)).name,
            "neither": "",
        }
        names["oracle"] = min(["", *task.truth], key=lambda name, task=task: task.loss(name))  # type: ignore[misc]
        for rule, name in names.items():
            losses[rule].append(task.loss(name))
        for counted, name in ((chosen, names["router"]), (best, names["oracle"])):
            kind = "neither" if not name else "classical" if name == SIMULATOR else "quantum"
            counted[kind] = counted.get(kind, 0) + 1
    figures = {rule: _figures(losses[rule], losses["oracle"], options.rng.child(rule)) for rule in RULES[:1]}
    return BenchResult(
        load={
            "circuits_learned_from": [one.name for one in learn], "circuits_judged": [one.name for one in judged],
            "left_out_for_time": left_out, "tasks": len(tasks), "devices": [one.name for one in models],
            "shots": SHOTS, "price_per_second_usd": PRICE.per_second, "oracle_share": _shares(best),
            "worth": "log-uniform 0.5-50 USD; an hour 0.01-10; half with a deadline of 1 s-1 day; floors 0-0.9",
        },
        figures={**figures, "router_share": _shares(chosen)},
        baselines={rule: _figures(losses[rule], losses["oracle"], options.rng.child(rule)) for rule in RULES[1:]},
        ratios=_ratios(losses),
    )  # fmt: skip


def read_machines() -> tuple[list[DeviceModel], dict[str, list[int]]]:
    """IBM devices whose queues are public, priced as pay-as-you-go, and those queues. Raises ``Unavailable``."""
    file = public_data("queues") / QUEUE_LENGTHS
    lengths: dict[str, list[int]] = {}
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            lengths.setdefault(f"ibm.fake_{row['backend'].partition('_')[2]}", []).append(int(row["pending_jobs"]))
    machines = [replace(one, price=PRICE) for one in published_devices() if one.name in lengths]
    return machines, {one.name: lengths[one.name] for one in machines}


def measured(options: BenchOptions, models: Sequence[DeviceModel]) -> tuple[list[Known], int]:
    """Every usable circuit with what simulating it took and what devices make of it; how many were left out."""
    found: list[Known] = []
    left_out = 0
    layouts = Layouts()
    truths = {
        one.name: drifted(noise_of(one.calibration), options.rng.child(f"drift {one.name}").numpy()) for one in models
    }
    for file in _files(options):
        try:
            circuit = read(file.read_text())
        except PhalanxError:
            continue  # Some files of the collection are not complete OpenQASM.
        counts = features(circuit)
        odd = counts.has_mid_circuit or counts.has_feed_forward or not counts.n_measured or not counts.n_two
        if odd or counts.n_one + counts.n_two > MAX_GATES:
            continue
        options.tell(file.stem)
        try:
            simulated_s = _simulated_s(circuit, options.rng.child(file.stem))
        except _TooLong:
            left_out += 1
            continue
        fidelity = {}
        for model in models:
            try:
                mapped = layouts.layout(circuit, model).mapped.circuit
            except PhalanxError:
                continue  # It does not fit.
            fidelity[model.name] = _realised(circuit, mapped, truths[model.name])
        found.append(Known(file.stem, circuit, counts, simulated_s, fidelity))
    if len(found) < 8:
        raise Unavailable("the public circuits", "too few of them are usable")
    return found, left_out


class _TooLong(Exception):
    """It can be simulated, and would take longer here than a benchmark may."""


def _files(options: BenchOptions) -> list[Path]:
    circuits = public_data("qasmbench")
    sizes = ("small", "medium") if options.quick else ("small", "medium", "large")
    files = [
        one
        for size in sizes
        for one in sorted((circuits / size).glob("*/*.qasm"))
        if not one.stem.endswith("_transpiled") and one.stat().st_size <= MAX_FILE_BYTES
    ]
    return sorted(files[:: 3 if options.quick else 1], key=lambda one: one.stem)


def _simulated_s(circuit: Circuit, rng: Rng) -> float | None:
    try:
        wanted = plan(circuit, shots=SHOTS)
    except PhalanxError:
        return None
    if wanted.seconds > LONGEST_S:
        raise _TooLong
    began = time.process_time()
    run(circuit, shots=SHOTS, rng=rng)
    return time.process_time() - began


def _realised(circuit: Circuit, mapped: Any, truth: Noise) -> float:
    if circuit.n_qubits > 7:
        return float(np.exp(estimated_success(mapped, truth).log_probability))
    ideal = ideal_outcome(circuit, circuit.n_qubits)
    guessed = fidelity(ideal, np.full(ideal.size, 1.0 / ideal.size))
    if guessed > 0.8:
        return float(np.exp(estimated_success(mapped, truth).log_probability))
    return max(0.0, (fidelity(probabilities(mapped, truth), ideal) - guessed) / (1.0 - guessed))


def make_tasks(
    known: Sequence[Known], models: Sequence[DeviceModel], queues: dict[str, list[int]], n: int, rng: Rng
) -> list[Task]:
    """``n`` tasks over circuits, with the queues of a minute that is drawn."""
    draw = rng.numpy()
    pace = {one.name: JOB_S * float(np.exp(rng.child(one.name).numpy().normal(0.0, RATE_SD))) for one in models}
    tasks = []
    for _ in range(n):
        one, minute = known[int(draw.integers(len(known)))], float(draw.random())
        aims = Aims(
            fidelity=float(draw.choice([0.0, 0.3, 0.6, 0.9])),
            within_s=float(10.0 ** draw.uniform(0, 4.94)) if draw.random() < 0.5 else 0.0,
            budget=float(10.0 ** draw.uniform(-0.3, 2)) if draw.random() < 0.5 else 0.0,
            worth=float(0.5 * 10.0 ** draw.uniform(0, 2)), hour=float(0.01 * 10.0 ** draw.uniform(0, 3)),
        )  # fmt: skip
        there, truth = [], {}
        for model in models:
            lengths = queues[model.name]
            depth = lengths[int(minute * len(lengths))]
            there.append(replace(model, queue=QueueState(depth=depth, as_of_ns=1)))
            if model.name in one.fidelity:
                ran = run_seconds(model, one.counts, SHOTS) + SHOTS * SHOT_GAP_S
                waited = depth * pace[model.name] * float(np.exp(draw.normal(0.0, RATE_SD)))
                cost = PRICE.cost(SHOTS, one.counts.n_one, one.counts.n_two, one.counts.n_measured, ran).amount
                truth[model.name] = (waited + ran, cost, one.fidelity[model.name])
        if one.simulated_s is not None:
            truth[SIMULATOR] = (one.simulated_s, 0.0, 1.0)
        tasks.append(Task(one, aims, (ideal_device(SIMULATOR, 1_024, max_shots=100_000), *there), truth))
    return tasks


def ways(task: Task, learned: Expectations, layouts: Layouts) -> list[Way]:
    return ways_of(task.known.circuit, SHOTS, task.aims, task.models, learned, layouts)


def only(found: Sequence[Way], kind: Kind) -> list[Way]:
    return [one for one in found if one.kind is kind]


def taught(learned: Expectations, task: Task, found: Sequence[Way]) -> None:
    """What became of every way that was expected: as if each had been tried once."""
    for way in found:
        if way.expected_s and way.name in task.truth:
            seconds, _, fidelity = task.truth[way.name]
            learned.took(way.name, way.expected_s, seconds)
            if way.kind is Kind.QUANTUM:
                learned.reached(way.fidelity, fidelity)


def _ratios(losses: dict[str, list[float]]) -> dict[str, float | None]:
    """``None``, not infinity, where the router has no regret: as few tasks of few circuits may have it."""
    router = _regret(losses, "router")
    return {f"regret_{rule}_over_router": _regret(losses, rule) / router if router else None for rule in RULES[1:]}


def _regret(losses: dict[str, list[float]], rule: str) -> float:
    return float((np.array(losses[rule]) - losses["oracle"]).sum())


def _figures(losses: Sequence[float], oracle: Sequence[float], rng: Rng) -> dict[str, Any]:
    lost, least = np.array(losses), np.array(oracle)
    regret = bootstrap(lambda at: float((lost[at] - least[at]).mean()), len(lost), rng=rng.child("regret"), rounds=500)
    return {
        "loss_usd_mean": float(lost.mean()), "regret_usd_mean": regret.value,
        "regret_usd_interval": [regret.low, regret.high],
        "regret_of_oracle_loss": float(lost.sum() / least.sum() - 1.0) if least.any() else None,
    }  # fmt: skip


def _shares(counted: dict[str, int]) -> dict[str, float]:
    total = sum(counted.values())
    return {kind: counted.get(kind, 0) / total for kind in ("quantum", "classical", "neither")}
