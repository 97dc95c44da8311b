"""Circuits, devices, and what becomes of one on the other: what `phalanx bench placement` measures policies by.

Circuits are public ones: QASMBench, and MQT Bench where it is installed (extra ``bench``). Devices
are IBM's and Google's published calibrations. A circuit is mapped by the calibration that policies see; it runs under
one that has drifted from it by a day, each number for itself: sd of the logarithm 0.55 for T1, 0.36 for T2, 0.29 for
reading and gates, as 181 daily calibrations of one device did. Scorer and truth so never share a number. What a run is
worth is the fidelity of its exact outcome distribution with the ideal one, less what guessing would reach:
(F - F_uniform) / (1 - F_uniform), at least 0.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from phalanx.allocation import (
    Board,
    Decider,
    Layouts,
    Requirement,
    noise_of,
    published_devices,
    requirement_of,
    standing_of,
)
from phalanx.bench._model import BenchOptions
from phalanx.bench.public import public_data
from phalanx.core import Circuit, PhalanxError
from phalanx.devices import DeviceModel, all_pairs
from phalanx.quantum import features
from phalanx.quantum.circuits import read
from phalanx.quantum.mapping import Noise, map_circuit
from phalanx.quantum.simulators import probabilities

Matrix = npt.NDArray[np.float64]

MAX_WIDTH, MAX_TWO = 7, 120
MAX_GUESSED = 0.8
MQT_SIZES = (4, 5, 6)
T1_SD, T2_SD, ERROR_SD = 0.55, 0.36, 0.29
# Above this median a snapshot is of a device that does not work (one has 1.0).
MAX_USABLE_ERROR = 0.2


@dataclass(frozen=True, slots=True)
class Job:
    """A circuit with its ideal outcome and what it asks for. ``family`` is its name without its size."""

    name: str
    family: str
    circuit: Circuit
    ideal: Matrix
    guessed: float
    wanted: Requirement


@dataclass(frozen=True, slots=True)
class World:
    """Circuits by devices. ``log_success`` by layout, NaN where a circuit does not fit; ``realised`` by draw.

    ``expected`` is what a run would be worth were the noise as policies know it, ``mapping_s`` what a layout took.
    """

    jobs: tuple[Job, ...]
    devices: tuple[str, ...]
    log_success: Matrix
    shortlist: Matrix
    composite: Matrix
    two_qubit_error: Matrix
    expected: Matrix
    mapping_s: Matrix
    realised: Matrix

    def fits(self, job: int) -> npt.NDArray[np.int64]:
        return np.flatnonzero(~np.isnan(self.log_success[job]))


def read_jobs(limit: int) -> list[Job]:
    """Public circuits of 3 to 7 qubits whose ideal outcome is far from uniform, by name. Raises ``Unavailable``."""
    made = (_job(name, circuit) for name, circuit in (*_qasmbench(), *mqt_circuits()))
    found = sorted((job for job in made if job is not None), key=lambda job: job.name)
    return found[:: max(1, len(found) // limit)][:limit] if limit else found


def _job(name: str, circuit: Circuit) -> Job | None:
    """The circuit with its ideal outcome, where it is one that a comparison can be made with."""
    seen = features(circuit)
    wide = not 3 <= seen.n_qubits <= MAX_WIDTH or not 0 < seen.n_two <= MAX_TWO
    if wide or seen.has_mid_circuit or seen.has_feed_forward or not seen.n_measured:
        return None
    ideal = ideal_outcome(circuit, seen.n_qubits)
    guessed = fidelity(ideal, np.full(ideal.size, 1.0 / ideal.size))
    if guessed > MAX_GUESSED:
        return None
    wanted = requirement_of(seen, shots=4_000, fidelity=0.9)
    return Job(name, name.rpartition("_")[0], circuit, ideal, guessed, wanted)


def _qasmbench() -> Iterator[tuple[str, Circuit]]:
    for file in sorted((public_data("qasmbench") / "small").glob("*/*.qasm")):
        if file.stem.endswith("_transpiled"):
            continue
        try:
            yield file.stem, read(file.read_text())
        except PhalanxError:
            continue  # Some files of the collection are not complete OpenQASM.


def mqt_circuits() -> Iterator[tuple[str, Circuit]]:
    """Of each family of MQT Bench the circuits of 4 to 6 qubits that are read; none where it is not installed."""
    try:
        from mqt.bench import BenchmarkLevel, get_benchmark
        from mqt.bench.benchmarks import get_available_benchmark_names
    except ImportError:
        return
    for family in sorted(get_available_benchmark_names()):
        for size in MQT_SIZES:
            try:
                made = get_benchmark(family, BenchmarkLevel.ALG, size)
                if not made.num_clbits:
                    made.measure_all()
                yield f"mqt-{family}_n{size}", read(made)
            except (PhalanxError, ValueError):
                continue  # A family has circuits of some sizes only, or of gates that are not read.


def read_devices() -> list[DeviceModel]:
    """Published calibrations of devices that work, by name."""
    return [one for one in published_devices() if one.calibration.median("two_qubit_error") < MAX_USABLE_ERROR]


def make_world(options: BenchOptions, *, n_jobs: int, draws: int, widest: int) -> World:
    """Lay out every circuit on every device and run it under drifted noise, ``draws`` times."""
    jobs = read_jobs(n_jobs)
    models = [one for one in read_devices() if one.n_qubits <= widest]
    known = [noise_of(one.calibration) for one in models]
    truths = [
        [
            drifted(noise, options.rng.child(f"drift {draw} {model.name}").numpy())
            for model, noise in zip(models, known, strict=True)
        ]
        for draw in range(draws)
    ]
    layouts, joined = Layouts(), [standing_of(model).n_qubits for model in models]
    shape = (len(jobs), len(models))
    log_success, expected, mapping_s = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    realised = np.full((draws, *shape), np.nan)
    for at, job in enumerate(jobs):
        options.tell(f"{job.name} on {len(models)} devices")
        for place, model in enumerate(models):
            if job.wanted.width > joined[place]:
                continue  # No connected part of its working qubits is wide enough.
            begun = time.perf_counter()
            layout = layouts.layout(job.circuit, model)
            mapping_s[at, place] = time.perf_counter() - begun
            log_success[at, place] = layout.log_success
            expected[at, place] = worth(job, layout.mapped.circuit, known[place])
            for draw in range(draws):
                realised[draw, at, place] = worth(job, layout.mapped.circuit, truths[draw][place])
    board = Board([standing_of(model) for model in models])
    errors = np.array([model.calibration.median("two_qubit_error") for model in models])
    return World(
        tuple(jobs), tuple(one.name for one in models), log_success, _scores(board, "shortlist", jobs),
        _scores(board, "composite", jobs), errors, expected, mapping_s, realised,
    )  # fmt: skip


def drifted(noise: Noise, rng: np.random.Generator) -> Noise:
    """The same device a day later."""

    def moved(values: Matrix, sd: float, most: float) -> Matrix:
        return np.minimum(most, values * np.exp(rng.normal(0.0, sd, values.shape)))

    t1 = moved(noise.t1_ns, T1_SD, np.inf)
    return replace(
        noise,
        t1_ns=t1,
        t2_ns=np.minimum(2.0 * t1, moved(noise.t2_ns, T2_SD, np.inf)),
        readout_error=moved(noise.readout_error, ERROR_SD, 0.5),
        one_qubit_error=moved(noise.one_qubit_error, ERROR_SD, 0.5),
        two_qubit_error=moved(noise.two_qubit_error, ERROR_SD, 0.75),
    )


def _scores(board: Board, policy: str, jobs: Sequence[Job]) -> Matrix:
    decider = Decider(board, policy)
    decisions = [decider.decide(job.wanted) for job in jobs]
    return np.array([[decision.score(name) for name in board.names] for decision in decisions])


def worth(job: Job, mapped: Circuit, noise: Noise) -> float:
    """Of one run, from 0 for guessing to 1."""
    reached = fidelity(probabilities(mapped, noise), job.ideal)
    return max(0.0, (reached - job.guessed) / (1.0 - job.guessed))


def fidelity(one: Matrix, other: Matrix) -> float:
    """Of two distributions, classical: the squared sum of the roots of their products."""
    return float(np.sqrt(np.maximum(one, 0.0) * np.maximum(other, 0.0)).sum() ** 2)


def ideal_outcome(circuit: Circuit, n: int) -> Matrix:
    pairs = all_pairs(n)
    none, forever, zero = np.zeros(n), np.full(n, np.inf), np.zeros(len(pairs))
    silent = Noise(
        t1_ns=forever, t2_ns=forever, readout_error=none, one_qubit_error=none, one_qubit_ns=none, readout_ns=none,
        pairs=pairs, two_qubit_error=zero, two_qubit_ns=zero,
    )  # fmt: skip
    return probabilities(map_circuit(circuit, pairs, n).circuit, silent)
