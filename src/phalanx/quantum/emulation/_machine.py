"""A machine from its noise: fits circuits to its qubits and says what would be measured, without an SDK."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit, LimitExceeded, Origin, Provenance, Rng
from phalanx.quantum import simulate
from phalanx.quantum._arrays import steps_of
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, is_static
from phalanx.quantum._limits import MAX_DENSITY_QUBITS, MAX_SHOTS
from phalanx.quantum._shots import ShotResult
from phalanx.quantum.emulation._timing import Timed, decoupled, detuned, timed
from phalanx.quantum.mapping import FRAME_GATES, Noise, map_circuit

# Draws of a slow drift: one for so many shots, within bounds.
_SHOTS_EACH, _SLOW_DRAWS = 64, 12
_NATIVE_ONES = frozenset({"sx", "x", *FRAME_GATES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """Errors that no calibration tells, because they are not random: what decoupling and twirling are for.

    ``slow_t2`` is the time constant of a drift of frequency that stays the same during a shot, as a multiple of T2; 0
    for none. ``shift_rad`` is how far each two-qubit gate turns its qubits' frames, the standard deviation over
    couplers. Both are assumptions of whoever sets them.
    """

    slow_t2: float = 0.0
    shift_rad: float = 0.0

    def __bool__(self) -> bool:
        return self.slow_t2 > 0 or self.shift_rad > 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Machine:
    """A machine emulated from ``noise``. ``decoupling`` names a sequence of ``SEQUENCES``, or is empty.

    ``truth`` is what its noise really is, where that is not what is known of it: a calibration grows old.
    """

    name: str
    noise: Noise
    basis: str
    calibrated_at_ns: int
    disturbance: Disturbance = Disturbance()
    decoupling: str = ""
    trials: int = 8
    truth: Noise | None = None

    def fitted(self, circuit: Circuit) -> Circuit:
        """The circuit on this machine's qubits in its own gates; as it is when it is there already."""
        if self.is_native(circuit):
            return circuit
        noise = self.noise
        return map_circuit(
            circuit, noise.pairs, noise.n_qubits, basis=self.basis, noise=noise, trials=self.trials
        ).circuit  # fmt: skip

    def is_native(self, circuit: Circuit) -> bool:
        """Whether it has this machine's gates only, between qubits that are joined."""
        if circuit.n_qubits != self.noise.n_qubits:
            return False
        joined = {frozenset(pair) for pair in self.noise.pairs.tolist()}
        for step in steps_of(circuit).steps:
            if step.name in _NATIVE_ONES or step.name in (MEASURE, RESET, BARRIER):
                continue
            if step.name != self.basis or frozenset(step.qubits) not in joined:
                return False
        return True

    def chances(self, circuit: Circuit, *, seed: int, draws: int = _SLOW_DRAWS) -> npt.NDArray[np.float64]:
        """How likely each outcome is, in order of keys. ``seed`` draws what drifts slowly, and nothing else."""
        from phalanx.quantum.simulators import probabilities

        schedules = self._schedules(circuit, seed, draws)
        if schedules is None:
            return probabilities(self.fitted(circuit), self._real)
        each = [probabilities(one.circuit, self._real, waits=one.waits) for one in schedules]
        return np.asarray(np.mean(each, axis=0))

    def outcomes(self, circuit: Circuit, *, shots: int, seed: int) -> dict[str, int]:
        """What ``shots`` runs give, by key."""
        from phalanx.quantum.simulators import run

        if not 1 <= shots <= MAX_SHOTS:
            raise LimitExceeded("shots of one run", maximum=MAX_SHOTS, seen=shots)
        rng = Rng(seed).child("machine")
        fitted = self.fitted(circuit)
        steps = steps_of(fitted)
        draws = min(max(2, shots // _SHOTS_EACH), _SLOW_DRAWS)
        active = {qubit for step in steps.steps if step.name != BARRIER for qubit in step.qubits}
        if is_static(steps.steps) and len(active) <= MAX_DENSITY_QUBITS:
            return simulate.sample(self.chances(fitted, seed=seed, draws=draws), shots, rng)
        schedules = self._schedules(fitted, seed, draws)
        if schedules is None:
            return run(fitted, shots=shots, rng=rng, noise=self._real).counts
        counts: dict[str, int] = {}
        for at, one in enumerate(schedules):
            part = shots // len(schedules) + (at < shots % len(schedules))
            if part:
                found = run(one.circuit, shots=part, rng=rng.child(str(at)), noise=self._real,
                            waits=one.waits).counts  # fmt: skip
                for key, count in found.items():
                    counts[key] = counts.get(key, 0) + count
        return dict(sorted(counts.items()))

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        """A ``ShotRunner``."""
        return self.told(circuit, self.outcomes(circuit, shots=shots, seed=seed), shots=shots, seed=seed)

    def told(
        self, circuit: Circuit, counts: dict[str, int], *, shots: int, seed: int, mitigation: str = ""
    ) -> ShotResult:
        """Counts with where they come from."""
        done = [f"decoupling {self.decoupling}"] if self.decoupling else []
        made = Provenance(
            origin=Origin.EMULATED, device=self.name, circuits=(circuit.digest,), shots=shots, seed=seed,
            mitigation=", ".join([*done, *([mitigation] if mitigation else [])]),
            calibrated_at_ns=self.calibrated_at_ns,
        )  # fmt: skip
        return ShotResult(counts, made)

    @property
    def _real(self) -> Noise:
        return self.noise if self.truth is None else self.truth

    def _schedules(self, circuit: Circuit, seed: int, n_draws: int) -> list[Timed] | None:
        """The circuit under each draw of what drifts; none where the plain noise says it all."""
        if not self.disturbance and not self.decoupling:
            return None
        schedule = timed(steps_of(self.fitted(circuit)), self.noise)
        if self.decoupling:
            schedule = decoupled(schedule, self.noise, self.decoupling)
        if not self.disturbance:
            return [schedule]
        # How a gate is off belongs to the machine, not to a run.
        shift = Rng(0).child(f"shift/{self.name}").numpy().normal(size=(len(self.noise.pairs), 2))
        shift *= self.disturbance.shift_rad
        slow = self.disturbance.slow_t2
        if slow <= 0:
            return [detuned(schedule, self.noise, np.zeros(self.noise.n_qubits), shift)]
        rate = np.sqrt(2.0) / (slow * self._real.t2_ns)
        draws = Rng(seed).child("slow").numpy().normal(size=(n_draws, self.noise.n_qubits))
        return [detuned(schedule, self.noise, draw * rate, shift) for draw in draws]
