"""Pasqal: neutral atoms. Analog programs evolve exactly here, or go to the real machines of its cloud; circuits are
emulated pulse by pulse with the maker's own library (the extra ``pasqal``).

Rotations are Raman pulses on one atom, CZ is a π pulse on one atom and a 2π pulse on the other while the first is in
the Rydberg state and blocks it; turns about Z are changes of phase. All atoms lie within each other's blockade. Pulses
have their real lengths and shapes, atoms three levels; reading errors are published figures. Atoms that are lost, and
the temperature of those that are not, are left out. Real machines take no circuits.
"""

import math
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from phalanx.adapters.providers._machines import named_in
from phalanx.adapters.providers._pasqal_cloud import PASQAL, PasqalCloud, answered
from phalanx.adapters.providers._pasqal_machine import PasqalAtoms, Shown
from phalanx.core import Circuit, InvalidInput, NotFound, Offload, Origin, Overloaded, Rng, Unavailable
from phalanx.devices import (
    DeviceModel,
    EmulatedAtoms,
    Modality,
    Operation,
    Provided,
    ProviderContext,
    SessionLimits,
    ShotResult,
    Status,
    all_pairs,
    check_fits,
    check_runs,
    provenance_of,
    published_machines,
    uniform_calibration,
)
from phalanx.quantum import Op, parse
from phalanx.quantum.mapping import map_circuit

# Machines that the cloud has had for long, and how its emulators' names begin.
_KNOWN, _EMULATORS = ("FRESNEL", "FRESNEL_CAN1"), "EMU"
# Micrometres: a rhombus whose longest diagonal lies well within the blockade.
_PLACES = ((0.0, 0.0), (4.0, 0.0), (2.0, 3.4642), (6.0, 3.4642))
_RAMAN_NS, _RYDBERG_RAD_PER_US = 200, 12.0
_CZ_NS = 2_400.0
# The chance that an atom in the ground state is read as excited, and the other way round.
_FALSE_ONE, _FALSE_ZERO = 0.01, 0.05
_AS_OF_NS = 1_735_689_600_000_000_000
_EXTRA = "pip install 'phalanx[pasqal]'"
_SOURCE = "Pulser's DigitalAnalogDevice; reading errors as its documentation gives them, 2025-01-01"


def pasqal_provider(context: ProviderContext) -> Provided:
    """The entry point ``pasqal``. Real machines are those that the cloud shows to anybody; option ``pasqal.machines``
    names others, or fewer, between commas, and then nothing is asked of the cloud when a node starts."""
    circuits = PulserEmulator(context.offload)
    if PASQAL not in context.hardware:
        atoms = [EmulatedAtoms(one.device, context.offload) for one in published_machines(PASQAL)]
        return Provided(PASQAL, [*atoms, circuits])
    cloud = PasqalCloud(context)
    names = named_in(context.options, "pasqal.machines") or shown_machines(cloud)
    if any(one.startswith(_EMULATORS) for one in names):
        told = f"{', '.join(names)}: emulators of the cloud would pass for machines"
        raise InvalidInput("devices.options.pasqal.machines", told)
    return Provided(PASQAL, [*(PasqalAtoms(one, cloud, context) for one in names), circuits])


def shown_machines(cloud: PasqalCloud) -> Sequence[str]:
    """What the cloud calls its machines; those that are long known while it does not answer.

    A node that starts meanwhile has them all the same, and collects what it had sent there.
    """
    try:
        rows = answered(cloud.public_specs(), list[Shown])
    except (Unavailable, Overloaded, NotFound):
        return _KNOWN
    return [one.device_type for one in rows if not one.device_type.startswith(_EMULATORS)]


class PulserEmulator:
    """Circuits as sequences of pulses on a few atoms."""

    def __init__(self, offload: Offload) -> None:
        self._offload, self._device = offload, _device()

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        check_fits(self._device, circuit, shots)
        counts = await self._offload.run(self._counts, circuit, shots, seed)
        return ShotResult(counts, provenance_of(self._device, circuit, shots, seed))

    def _counts(self, circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
        check_runs(self._device, circuit)
        n = circuit.n_qubits
        mapped = parse(map_circuit(circuit, all_pairs(n), n, basis="cz", trials=1).circuit)
        weights = populations(n, tuple(mapped.ops))
        rng = Rng(seed).child("pasqal").numpy()
        drawn = rng.choice(len(weights), size=shots, p=weights)
        bits = (drawn[:, None] >> np.arange(n - 1, -1, -1)) & 1
        wrong = np.where(bits == 0, _FALSE_ONE, _FALSE_ZERO) > rng.random(bits.shape)
        read = (bits ^ wrong)[:, list(mapped.measured)]
        rows, counts = np.unique(read, axis=0, return_counts=True)
        return {"".join(map(str, row)): int(k) for row, k in zip(rows.tolist(), counts.tolist(), strict=True)}


def populations(n_qubits: int, ops: tuple[Op, ...]) -> np.ndarray:
    """How likely each outcome is after the pulses, atom 0 first; an atom left in the Rydberg state is lost to 0."""
    try:
        from pulser_simulation import QutipEmulator
    except ImportError as error:
        raise Unavailable("emulation of Pasqal", str(error), hint=_EXTRA) from error
    with warnings.catch_warnings():
        # It says so whenever it rounds the length of a pulse to its clock.
        warnings.simplefilter("ignore")
        state = QutipEmulator.from_sequence(_sequence(n_qubits, ops)).run().get_final_state()
    amplitudes = np.asarray(state.full()).reshape(-1)
    levels = round(len(amplitudes) ** (1 / n_qubits))
    cube = (np.abs(amplitudes) ** 2).reshape((levels,) * n_qubits)
    hyperfine = levels - 1
    for axis in range(n_qubits):
        one = np.take(cube, [hyperfine], axis=axis)
        cube = np.concatenate([cube.sum(axis=axis, keepdims=True) - one, one], axis=axis)
    weights = np.clip(cube.reshape(-1), 0, None)
    return np.asarray(weights / weights.sum())


def _sequence(n_qubits: int, ops: tuple[Op, ...]) -> Any:
    pulser, device = _pulser()
    register = pulser.Register({f"q{at}": _PLACES[at] for at in range(n_qubits)})
    sequence = pulser.Sequence(register, device)
    sequence.declare_channel("raman", "raman_local", initial_target="q0")
    sequence.declare_channel("rydberg", "rydberg_local", initial_target="q0")
    blackman = pulser.waveforms.BlackmanWaveform

    def raman(qubit: int, area: float) -> None:
        sequence.target(f"q{qubit}", "raman")
        sequence.add(pulser.Pulse.ConstantDetuning(blackman(_RAMAN_NS, area), 0, 0), "raman", "wait-for-all")

    def rydberg(qubit: int, area: float) -> None:
        sequence.target(f"q{qubit}", "rydberg")
        shape = blackman.from_max_val(_RYDBERG_RAD_PER_US, area)
        sequence.add(pulser.Pulse.ConstantDetuning(shape, 0, 0), "rydberg", "wait-for-all")

    for op in ops:
        if op.name == "rz":
            sequence.phase_shift(op.params[0], f"q{op.qubits[0]}", basis="digital")
        elif op.name in ("sx", "x"):
            raman(op.qubits[0], math.pi / 2 if op.name == "sx" else math.pi)
        elif op.name == "cz":
            control, target = op.qubits
            rydberg(control, math.pi)
            rydberg(target, 2 * math.pi)
            rydberg(control, math.pi)
        else:
            assert op.name == "id", op.name
    if not any(op.name in ("sx", "x", "cz") for op in ops):
        sequence.delay(_RAMAN_NS, "raman")
    sequence.measure("digital")
    return sequence


@cache
def _pulser() -> tuple[Any, Any]:
    import pulser

    return pulser, pulser.devices.DigitalAnalogDevice


def _device() -> DeviceModel:
    n, there = len(_PLACES), find_spec("pulser_simulation") is not None
    # What the pulses themselves lose, as measured on this emulation; the emulation does not read these numbers.
    numbers = {
        "readout_error": (_FALSE_ONE + _FALSE_ZERO) / 2, "one_qubit_error": 0.0001, "two_qubit_error": 0.01,
        "one_qubit_ns": float(_RAMAN_NS), "two_qubit_ns": _CZ_NS,
    }  # fmt: skip
    return DeviceModel(
        name=f"{PASQAL}.digital", provider=PASQAL, kind=Modality.NEUTRAL_ATOM, origin=Origin.EMULATED,
        title="Pulser's DigitalAnalogDevice" + ("" if there else f": {_EXTRA}"), n_qubits=n, all_to_all=True,
        status=Status.ONLINE if there else Status.OFFLINE, limits=SessionLimits(max_shots=10_000),
        calibration=uniform_calibration(n, all_pairs(n), numbers, calibrated_at_ns=_AS_OF_NS, source=_SOURCE),
        operations=(Operation("raman", 1), Operation("phase", 1), Operation("rydberg-cz", 2), Operation("measure", 0)),
    )  # fmt: skip
