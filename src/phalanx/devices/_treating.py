"""Circuits treated against the noise of an emulated machine: a coherence strategy, and mitigation of outcomes.

The cost is stated beforehand (``treatment_cost``), the gain afterwards: the same shots are also run untreated, and
both are compared with the ideal outcomes where those can be computed. That second run is emulated here and costs
only time, so it is not charged. A real machine's vendor mitigates by its own options.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec
import numpy as np

from phalanx.core import Circuit, InvalidInput, Origin, PhalanxError
from phalanx.devices._backend import Backend
from phalanx.devices._limits import MAX_COMPARED_QUBITS
from phalanx.devices._model import DeviceModel
from phalanx.devices._noise import working_noise
from phalanx.quantum import ShotResult, parse, simulate

if TYPE_CHECKING:
    from phalanx.quantum import Observable
    from phalanx.quantum.emulation import Machine
    from phalanx.quantum.mitigation import Cost, Mitigation


class Treated(msgspec.Struct, frozen=True, kw_only=True):
    """What was done against noise, what it took, and how near outcomes are to the ideal ones with it and without.

    Fidelities are those of distributions, none where the circuit is too wide or decides while it runs. ``benefit`` is
    their difference: below zero, it harmed. Where the mean of an ``observable`` was asked for, it and its standard
    error are there instead, ``plain_mean`` without mitigation and ``exact`` on an ideal machine; ``benefit`` is how
    much nearer mitigation came to that.
    """

    mitigation: str
    coherence: str
    circuits: int
    shots: int
    times: float
    fidelity: float | None = None
    plain_fidelity: float | None = None
    observable: str = ""
    mean: float | None = None
    error: float = 0.0
    plain_mean: float = 0.0
    plain_error: float = 0.0
    exact: float | None = None

    @property
    def benefit(self) -> float | None:
        if self.mean is not None:
            return None if self.exact is None else abs(self.plain_mean - self.exact) - abs(self.mean - self.exact)
        if self.fidelity is None or self.plain_fidelity is None:
            return None
        return self.fidelity - self.plain_fidelity


@dataclass(frozen=True, slots=True)
class TreatedResult(ShotResult):
    """Outcomes, and what was done to them."""

    treated: Treated | None = None


@runtime_checkable
class TreatingBackend(Backend, Protocol):
    """A backend that can treat circuits. ``run_treated`` takes what ``check_treatable`` let through."""

    async def run_treated(
        self, circuit: Circuit, /, *, shots: int, seed: int, mitigate: str, coherence: str, observable: str = ""
    ) -> TreatedResult: ...


def check_treatment(mitigate: str, coherence: str, *, means: bool = False) -> None:
    """Raises ``InvalidInput``, which names the field; empty is right. ``means`` are asked for, and not outcomes."""
    if coherence:
        from phalanx.quantum.coherence import NAMES

        if coherence not in NAMES:
            raise InvalidInput("coherence", f"{coherence!r} is none of {', '.join(NAMES)}")
    if mitigate:
        wanted = _read(mitigate)
        if (wanted.zne or wanted.cancelling) and not means:
            raise InvalidInput("mitigate", "zne and pec give a mean, not outcomes: ask for one, of an observable")
        if wanted.decoupling and coherence.startswith("decoupling"):
            raise InvalidInput("mitigate", f"dd is what coherence {coherence} does: ask for one of them")


def check_treatable(backend: Backend, mitigate: str, coherence: str, observable: str = "") -> None:
    """Raises ``InvalidInput`` where the device cannot do it."""
    check_treatment(mitigate, coherence, means=bool(observable))
    if observable:
        _observable(observable)
        if not mitigate:
            raise InvalidInput("observable", "a mean is worked out where it is mitigated: say how")
    if not (mitigate or coherence) or isinstance(backend, TreatingBackend):
        return
    device, field = backend.device, "mitigate" if mitigate else "coherence"
    if device.origin is Origin.SIMULATED:
        why, hint = "simulates without noise: there is nothing to treat", "ask for emulated results, or name a machine"
        raise InvalidInput(field, f"{device.name} {why}", hint=hint)
    raise InvalidInput(field, f"{device.name} is not emulated here: its vendor treats by options of its own")


def treatment_cost(mitigate: str, shots: int, observable: str = "") -> "Cost":
    """What outcomes, or the mean of ``observable``, take with it. A strategy of coherence takes no more shots."""
    from phalanx.quantum.mitigation import cost_of

    groups = len(_observable(observable).groups()) if observable else 1
    return cost_of(_read(mitigate), groups=groups, shots=shots)


def treated(
    device: DeviceModel, circuit: Circuit, *, shots: int, seed: int, mitigate: str, coherence: str
) -> TreatedResult:
    """Seconds of work at most: not for the event loop."""
    from phalanx.quantum.coherence import applied
    from phalanx.quantum.mitigation import mitigated_counts

    plain = emulated_machine(device)
    machine = applied(coherence, plain) if coherence else plain
    found = mitigated_counts(machine, circuit, _read(mitigate), shots=shots, seed=seed)
    cost, ideal = treatment_cost(mitigate, shots), _ideal(circuit)
    near = None if ideal is None else _near(found.counts, ideal)
    without = None if ideal is None else _near(plain.outcomes(circuit, shots=shots, seed=seed), ideal)
    told = Treated(
        mitigation=found.provenance.mitigation, coherence=coherence, circuits=cost.circuits, shots=cost.shots,
        times=cost.times, fidelity=near, plain_fidelity=without,
    )  # fmt: skip
    return TreatedResult(found.counts, found.provenance, found.used_s, told)


def treated_mean(
    device: DeviceModel, circuit: Circuit, *, shots: int, seed: int, mitigate: str, coherence: str, observable: str
) -> TreatedResult:
    """The mean of ``observable`` instead of outcomes. Seconds of work at most: not for the event loop."""
    from phalanx.quantum.coherence import applied
    from phalanx.quantum.mitigation import estimate

    plain = emulated_machine(device)
    machine = applied(coherence, plain) if coherence else plain
    found = estimate(circuit, _observable(observable), machine, _read(mitigate), shots=shots, seed=seed)
    told = Treated(
        mitigation=found.provenance.mitigation, coherence=coherence, circuits=found.cost.circuits,
        shots=found.cost.shots, times=found.cost.shots / shots, observable=observable, mean=found.value,
        error=found.error, plain_mean=found.plain, plain_error=found.plain_error, exact=found.exact,
    )  # fmt: skip
    return TreatedResult({}, found.provenance, None, told)


def _observable(text: str) -> "Observable":
    from phalanx.quantum import Observable

    return Observable.read(text)


def emulated_machine(device: DeviceModel) -> "Machine":
    """The machine of ``device`` by its calibration, on the qubits that work and are connected."""
    from phalanx.quantum.emulation import Machine

    return Machine(
        name=device.name, noise=working_noise(device), basis=device.two_qubit_basis,
        calibrated_at_ns=device.calibration.calibrated_at_ns,
    )  # fmt: skip


def _read(mitigate: str) -> "Mitigation":
    from phalanx.quantum.mitigation import Mitigation

    try:
        return Mitigation.read(mitigate)
    except InvalidInput as error:
        raise InvalidInput("mitigate", error.message.removeprefix(f"{error.field}: ")) from error


def _ideal(circuit: Circuit) -> np.ndarray | None:
    """How likely each outcome is without noise; nothing where it is too wide, or measures within."""
    if circuit.n_qubits > MAX_COMPARED_QUBITS:
        return None
    try:
        return np.asarray(simulate.probabilities(parse(circuit)))
    except PhalanxError:
        return None


def _near(counts: dict[str, int], ideal: np.ndarray) -> float | None:
    """The fidelity of two distributions of outcomes; keys spell the places of ``ideal`` in binary."""
    shots = sum(counts.values())
    if any(len(key) != ideal.size.bit_length() - 1 for key in counts):
        return None
    return float(sum(np.sqrt(n / shots * ideal[int(key, 2)]) for key, n in counts.items()) ** 2)
