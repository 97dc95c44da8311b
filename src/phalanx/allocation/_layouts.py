"""The second tier: the few devices of a shortlist, each with the circuit laid out on it.

What a device is worth to a circuit depends on which of its qubits the circuit would use. So the circuit is mapped onto
each device of the shortlist, and the logarithms of what its gates, readouts and waiting keep are added up. That is kept
by circuit, device and calibration: a new calibration is a new key, and load is not part of it.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from phalanx.allocation._board import Standing
from phalanx.allocation._limits import MAX_EXPECTED_QUBITS, MAX_LAYOUTS
from phalanx.allocation._outcomes import Ideal, ideal_of
from phalanx.allocation._requirement import FEED_FORWARD, MID_CIRCUIT, Counts
from phalanx.core import NS_PER_S, Circuit, PhalanxError
from phalanx.devices import Calibration, DeviceModel, Modality, noise_of
from phalanx.quantum.mapping import Mapped, Noise, estimated_success, map_circuit
from phalanx.quantum.simulators import probabilities


@dataclass(frozen=True, slots=True)
class Layout:
    """A circuit on a device: how it was mapped, and its log success and length by one calibration."""

    device: str
    mapped: Mapped
    log_success: float
    duration_ns: float


@dataclass(frozen=True)
class Target:
    """A device as circuits are mapped onto it, by one calibration."""

    model: DeviceModel

    @cached_property
    def noise(self) -> Noise:
        """Without what is masked; a number that nobody knows is the median of those that are known."""
        return noise_of(self.model.calibration)


class Layouts:
    """Maps circuits, once for each circuit, device and calibration."""

    def __init__(self, *, trials: int = 16) -> None:
        self._trials = trials
        self._kept: OrderedDict[tuple[str, str, str], Layout] = OrderedDict()
        self._targets: dict[str, Target] = {}
        self._ideals: OrderedDict[str, Ideal | None] = OrderedDict()
        self._expected: OrderedDict[tuple[str, str, str], float | None] = OrderedDict()

    def expected(self, circuit: Circuit, model: DeviceModel) -> float | None:
        """What a run there would be worth, were the noise as it is known: the layout simulated under it.

        Nothing where the circuit is too wide, or any guess is nearly as good. Raises as ``layout`` does.
        """
        key = (circuit.digest, model.name, model.calibration.id)
        if key in self._expected:
            self._expected.move_to_end(key)
            return self._expected[key]
        laid = self.layout(circuit, model)
        found = self._simulated(circuit, laid, self._targets[model.name].noise)
        self._expected[key] = found
        if len(self._expected) > MAX_LAYOUTS:
            self._expected.popitem(last=False)
        return found

    def _simulated(self, circuit: Circuit, laid: Layout, noise: Noise) -> float | None:
        if circuit.digest not in self._ideals:
            self._ideals[circuit.digest] = ideal_of(circuit, widest=MAX_EXPECTED_QUBITS)
            if len(self._ideals) > MAX_LAYOUTS:
                self._ideals.popitem(last=False)
        ideal = self._ideals[circuit.digest]
        if ideal is None:
            return None
        try:
            return ideal.worth(probabilities(laid.mapped.circuit, noise))
        except PhalanxError:
            return None

    def layout(self, circuit: Circuit, model: DeviceModel) -> Layout:
        """Raises what mapping raises where the circuit does not fit the device's working qubits."""
        key = (circuit.digest, model.name, model.calibration.id)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        target = self._targets.get(model.name)
        if target is None or target.model.calibration.id != model.calibration.id:
            target = self._targets[model.name] = Target(model)
        noise = target.noise
        mapped = map_circuit(
            circuit, noise.pairs, noise.n_qubits, basis=model.two_qubit_basis, noise=noise, trials=self._trials
        )
        success = estimated_success(mapped.circuit, noise)
        made = Layout(model.name, mapped, success.log_probability, success.duration_ns)
        self._kept[key] = made
        if len(self._kept) > MAX_LAYOUTS:
            self._kept.popitem(last=False)
        return made


def joined_qubits(calibration: Calibration) -> int:
    """How many qubits the widest part has that working couplers join: the widest circuit that fits."""
    part = np.arange(calibration.n_qubits)
    pairs = calibration.pair[~calibration.faulty_coupler]
    while True:
        least = np.minimum(part[pairs[:, 0]], part[pairs[:, 1]])
        before = part.copy()
        np.minimum.at(part, pairs[:, 0], least)
        np.minimum.at(part, pairs[:, 1], least)
        if np.array_equal(before, part):
            return int(np.bincount(part).max())


# What gates of one and of two qubits and a readout usually take, in nanoseconds, where a machine's maker does not say:
# as IBM publishes of its machines, IonQ of Aria, and Pulser of a device of Pasqal, with the picture of its atoms. To
# count what is unknown as nothing would make the slowest machines the quickest.
USUAL_NS: Mapping[Modality, tuple[float, float, float]] = {
    Modality.SUPERCONDUCTING: (40.0, 150.0, 1_000.0),
    Modality.TRAPPED_ION: (135_000.0, 600_000.0, 300_000.0),
    Modality.NEUTRAL_ATOM: (200.0, 2_400.0, 10_000_000.0),
}
_TIMES = ("one_qubit_ns", "two_qubit_ns", "readout_ns")


def times_of(model: DeviceModel) -> tuple[float, ...]:
    """What gates of one and of two qubits and a readout take: as known of it, else as is usual for its kind."""
    usual = USUAL_NS.get(model.kind, (math.nan,) * len(_TIMES))
    known = [model.calibration.median(name) for name in _TIMES]
    return tuple(other if math.isnan(own) else own for own, other in zip(known, usual, strict=True))


# Gates of one and of two qubits and a readout, where neither calibration nor kind of machine says what they take.
_UNKNOWN_NS = (50.0, 400.0, 1_000.0)


def run_seconds(model: DeviceModel, counts: Counts, shots: int) -> float:
    """Time on the machine: gates one after another as deep as the circuit is, and measurement, for each shot.

    Without the pauses and the loading that vendors put in between: those are known when the job has ended.
    """
    one_ns, two_ns, readout_ns = (
        other if math.isnan(known) else known for known, other in zip(times_of(model), _UNKNOWN_NS, strict=True)
    )
    took_ns = max(0, counts.depth - counts.two_qubit_depth) * one_ns + counts.two_qubit_depth * two_ns
    return shots * (took_ns + readout_ns) / NS_PER_S


def standing_of(model: DeviceModel, *, load: float = 0.0, wait_s: float | None = None) -> Standing:
    """A device as the board keeps it: medians over what works, its queue and its prices."""
    known, price = model.calibration, model.price
    n_joined = model.usable_qubits if model.all_to_all else joined_qubits(known)
    degree = np.inf if model.all_to_all else 2.0 * int((~known.faulty_coupler).sum()) / max(1, model.usable_qubits)
    waits = (model.queue.wait_ns_p50 or 0) / 1e9
    one_ns, two_ns, readout_ns = times_of(model)
    features = (MID_CIRCUIT if model.features.mid_circuit else 0) | (FEED_FORWARD if model.features.feed_forward else 0)
    return Standing(
        name=model.name,
        n_qubits=n_joined,
        one_qubit_error=known.median("one_qubit_error"),
        two_qubit_error=known.median("two_qubit_error"),
        readout_error=known.median("readout_error"),
        one_qubit_ns=one_ns,
        two_qubit_ns=two_ns,
        readout_ns=readout_ns,
        t1_ns=known.median("t1_ns"),
        t2_ns=known.median("t2_ns"),
        degree=float(degree),
        load=load,
        wait_s=waits if wait_s is None else wait_s,
        is_open=model.status.takes_work and model.features.gates and not model.only_by_name,
        price_fixed=max(price.fixed, price.minimum),
        price_shot=price.per_shot,
        price_one=price.per_one,
        price_two=price.per_two,
        price_second=price.per_second,
        max_shots=model.max_shots,
        features=features,
        region=model.region,
    )
