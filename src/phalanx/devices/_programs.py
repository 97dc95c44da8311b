"""What runs without gates: analog programs on neutral atoms, Ising problems on annealers, photons; as one value.

A ``Program`` takes the place that a ``Circuit`` has with other machines: canonical text, width, digest. Its energy
is what an outcome costs: under the Hamiltonian at the end of an analog program, or of the Ising problem; for small
ones the lowest energy there is is found classically, and shown beside the result. Outcomes of photons cost nothing:
beside them stands the exact probability of the most frequent one, with and without interference.
"""

from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np

from phalanx.core import Baseline, Circuit, InvalidInput, LimitExceeded, Offload, Origin, Rng
from phalanx.devices._analog import beyond
from phalanx.devices._annealing import Annealer, IsingProblem, Samples, read_problem, written
from phalanx.devices._backend import Backend
from phalanx.devices._emulated import provenance_of
from phalanx.devices._limits import MAX_EMULATED_ATOMS, MAX_KEPT_SPINS, MAX_TRIED_ATOMS, MAX_TRIED_SPINS
from phalanx.devices._model import DeviceModel
from phalanx.devices._photonic import beyond_photonic, photons_beside, too_much_to_draw
from phalanx.quantum import InvalidCircuit, ShotResult
from phalanx.quantum.analog import AnalogProgram, drawn, lowest_energy, probabilities, read_program
from phalanx.quantum.photonic import PhotonicProgram, read_photonic

EXACT = "every outcome tried"


class ProgramKind(StrEnum):
    """What sort of machine takes it."""

    ANALOG = "analog"
    ISING = "ising"
    PHOTONIC = "photonic"

    @property
    def width_in(self) -> str:
        """What ``n_qubits`` counts."""
        return {"analog": "atoms", "ising": "spins", "photonic": "modes"}[self.value]


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """``n_qubits`` are atoms, spins or modes; ``text`` is canonical JSON, ``digest`` names it in provenance."""

    kind: ProgramKind
    text: str
    n_qubits: int
    digest: str

    @classmethod
    def read(cls, text: str | bytes) -> "Program":
        """Out of JSON: our own, Pulser's or Braket's for atoms, fields and couplings or a QUBO for spins, ours for
        photons."""
        try:
            names = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).keys()
        except msgspec.MsgspecError as error:
            hint = "circuits are run by phalanx circuits run, and submitted as circuits"
            raise InvalidInput("program", f"is no object in JSON: {error}", hint=hint) from error
        if names & {"fields", "couplings", "qubo"}:
            return cls.of_ising(read_problem(text.encode() if isinstance(text, str) else text))
        if names & {"modes", "photons"}:
            return cls.of_photonic(read_photonic(text))
        return cls.of_analog(read_program(text))

    @classmethod
    def of_analog(cls, program: AnalogProgram) -> "Program":
        return cls(kind=ProgramKind.ANALOG, text=program.text, n_qubits=program.n_atoms, digest=program.digest)

    @classmethod
    def of_ising(cls, problem: IsingProblem) -> "Program":
        text = written(problem)
        # The same problem with its terms in another order is the same program.
        return cls(
            kind=ProgramKind.ISING, text=text, n_qubits=problem.n_spins, digest=read_problem(text.encode()).digest
        )

    @classmethod
    def of_photonic(cls, program: PhotonicProgram) -> "Program":
        return cls(kind=ProgramKind.PHOTONIC, text=program.text, n_qubits=program.modes, digest=program.digest)

    @property
    def analog(self) -> AnalogProgram:
        assert self.kind is ProgramKind.ANALOG, self.kind
        return read_program(self.text)

    @property
    def ising(self) -> IsingProblem:
        assert self.kind is ProgramKind.ISING, self.kind
        return read_problem(self.text.encode())

    @property
    def photonic(self) -> PhotonicProgram:
        assert self.kind is ProgramKind.PHOTONIC, self.kind
        return read_photonic(self.text)


@runtime_checkable
class AnalogBackend(Backend, Protocol):
    """A backend that takes analog programs. Contract (``ANALOG_CHECKS``): counts add up to ``shots``, or to fewer on a
    real machine, whose atoms are not always loaded, and provenance says to how many; they spell the atoms in their
    order, 1 for excited; what goes beyond the machine raises before anything is spent; a simulator answers one seed
    with one result."""

    async def evolve(self, program: AnalogProgram, /, *, shots: int, seed: int) -> ShotResult: ...


@runtime_checkable
class QueuedAnalog(AnalogBackend, Protocol):
    """An analog machine at a vendor: programs wait there and outlive this process, as with ``QueuedBackend``."""

    async def submit_program(self, program: AnalogProgram, /, *, shots: int, seed: int, key: str) -> str: ...

    async def collect_program(self, handle: str, program: AnalogProgram, /, *, shots: int, seed: int) -> ShotResult: ...


@runtime_checkable
class QueuedAnnealer(Annealer, Protocol):
    """An annealer at a vendor: problems wait there and outlive this process, as with ``QueuedBackend``."""

    async def submit_program(self, program: IsingProblem, /, *, shots: int, seed: int, key: str) -> str: ...

    async def collect_program(self, handle: str, program: IsingProblem, /, *, shots: int, seed: int) -> ShotResult: ...


@runtime_checkable
class PhotonicBackend(Backend, Protocol):
    """A backend that takes photonic programs. Contract (``PHOTONIC_CHECKS``): counts hold the shots that the conditions
    of the program kept, so they add up to ``shots`` at most, and none may be left; provenance says ``shots``, of which
    each is a run in which something was detected. Outcomes are text, what each mode showed: ``1,0,2``. What goes beyond
    the machine raises before anything is spent; a simulator answers one seed with one result."""

    async def interfere(self, program: PhotonicProgram, /, *, shots: int, seed: int) -> ShotResult: ...


@runtime_checkable
class QueuedPhotonic(PhotonicBackend, Protocol):
    """A machine of photons at a vendor: programs wait there and outlive this process, as with ``QueuedBackend``."""

    async def submit_program(self, program: PhotonicProgram, /, *, shots: int, seed: int, key: str) -> str: ...

    async def collect_program(
        self, handle: str, program: PhotonicProgram, /, *, shots: int, seed: int
    ) -> ShotResult: ...


class EmulatedAtoms:
    """An ``AnalogBackend`` that stands in for the machine of ``device``: exact evolution, and atoms that are misread.

    Left out: decay and dephasing, atoms that move or are lost, a drive that is not as it was asked for.
    """

    def __init__(self, device: DeviceModel, offload: Offload) -> None:
        assert device.analog is not None, device.name
        self._device, self._offload = device, offload

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        del circuit, shots, seed
        raise InvalidCircuit(f"{self._device.name} runs no gates: it takes analog programs")

    async def evolve(self, program: AnalogProgram, /, *, shots: int, seed: int) -> ShotResult:
        check_takes(self._device, Program.of_analog(program), shots)
        counts = await self._offload.run(self._counts, program, shots, seed)
        return ShotResult(counts, provenance_of(self._device, program, shots, seed))

    def _counts(self, program: AnalogProgram, shots: int, seed: int) -> dict[str, int]:
        limits = self._device.analog
        assert limits is not None, self._device.name
        return drawn(
            probabilities(program, limits.c6), program.n_atoms, shots, Rng(seed).child("atoms"),
            false_one=limits.false_one, false_zero=limits.false_zero,
        )  # fmt: skip


def unlike(device: DeviceModel, program: Program) -> str:
    """Why it is no machine for such programs at all; empty when it is one."""
    takes = {
        ProgramKind.ANALOG: device.analog is not None, ProgramKind.PHOTONIC: device.photonic is not None,
        ProgramKind.ISING: device.samples_ising,
    }  # fmt: skip
    if takes[program.kind]:
        return ""
    return "samples no Ising problems" if program.kind is ProgramKind.ISING else f"takes no {program.kind} programs"


def refusals(device: DeviceModel, program: Program, shots: int) -> list[Exception]:
    """Why ``device`` does not take it, each as it would be raised; empty when it does."""
    if why := unlike(device, program):
        return [InvalidInput("device", f"{device.name} {why}")]
    found: list[Exception] = []
    if device.photonic is not None and program.kind is ProgramKind.PHOTONIC:
        found += beyond_photonic(device.photonic, program.photonic, device.name)
        if device.origin is not Origin.HARDWARE:
            found += too_much_to_draw(program.photonic, shots)
    elif device.analog is not None and program.kind is ProgramKind.ANALOG:
        asked = program.analog
        if program.n_qubits > device.n_qubits:
            found.append(LimitExceeded(f"atoms on {device.name}", maximum=device.n_qubits, seen=program.n_qubits))
        if device.origin is Origin.EMULATED and program.n_qubits > MAX_EMULATED_ATOMS:
            what = f"atoms that the emulation of {device.name} holds"
            found.append(LimitExceeded(what, maximum=MAX_EMULATED_ATOMS, seen=program.n_qubits))
        found += [InvalidInput(field, f"{why} on {device.name}") for field, why in beyond(device.analog, asked)]
    else:
        if program.n_qubits > device.usable_qubits:
            found.append(LimitExceeded(f"spins on {device.name}", maximum=device.usable_qubits, seen=program.n_qubits))
        if program.n_qubits * shots > MAX_KEPT_SPINS:
            found.append(
                LimitExceeded("spins of all shots of one job", maximum=MAX_KEPT_SPINS, seen=program.n_qubits * shots)
            )
    if not device.limits.min_shots <= shots <= device.max_shots:
        found.append(LimitExceeded(f"shots of one run on {device.name}", maximum=device.max_shots, seen=shots))
    return found


def check_takes(device: DeviceModel, program: Program, shots: int) -> None:
    """Raises ``InvalidInput`` or ``LimitExceeded`` for the first thing that ``device`` does not take."""
    for one in refusals(device, program, shots):
        raise one


async def perform(backend: Backend, program: Program, *, shots: int, seed: int, offload: Offload) -> ShotResult:
    """Run it there; where it is small, what is classically known stands beside. Spins are 1 for +1, 0 for −1."""
    if program.kind is ProgramKind.ANALOG:
        if not isinstance(backend, AnalogBackend):
            raise InvalidInput("device", f"{backend.device.name} takes no analog programs")
        result = await backend.evolve(program.analog, shots=shots, seed=seed)
    elif program.kind is ProgramKind.PHOTONIC:
        if not isinstance(backend, PhotonicBackend):
            raise InvalidInput("device", f"{backend.device.name} takes no photonic programs")
        result = await backend.interfere(program.photonic, shots=shots, seed=seed)
    else:
        if not isinstance(backend, Annealer):
            raise InvalidInput("device", f"{backend.device.name} samples no Ising problems")
        samples = await backend.sample(program.ising, shots=shots, seed=seed)
        result = spins_result(samples)
    return await with_best(backend.device, program, result, offload)


def spins_result(samples: Samples, used_s: float | None = None) -> ShotResult:
    """What was drawn as outcomes of a program."""
    keys = ("".join(map(str, row)) for row in ((samples.spins + 1) // 2).tolist())
    return ShotResult(dict(zip(keys, samples.counts.tolist(), strict=True)), samples.provenance, used_s)


async def with_best(device: DeviceModel, program: Program, result: ShotResult, offload: Offload) -> ShotResult:
    """The result with what is classically known of it beside, where that is small enough."""
    try:
        beside = await offload.run(known_beside, device, program, result.counts)
    except Exception:  # noqa: BLE001 - the result was given and is paid for: it is not lost for what stands beside it
        return result
    if not beside:
        return result
    provenance = msgspec.structs.replace(result.provenance, baselines=(*result.provenance.baselines, *beside))
    return ShotResult(result.counts, provenance, result.used_s)


def known_beside(device: DeviceModel, program: Program, counts: dict[str, int]) -> tuple[Baseline, ...]:
    """The lowest energy that exists; of photons how probable what came up most is, exactly and without interference."""
    if program.kind is ProgramKind.PHOTONIC:
        return photons_beside(device.photonic, program.photonic, counts) if device.photonic is not None else ()
    best = best_beside(device, program)
    return () if best is None else (best,)


def energies(program: Program, outcomes: list[str], c6: float = 0.0) -> list[float]:
    """What each outcome costs: under the final Hamiltonian of an analog program on a machine of ``c6``, or as Ising."""
    rows = np.array([[int(bit) for bit in one] for one in outcomes], np.int8).reshape(len(outcomes), program.n_qubits)
    if program.kind is ProgramKind.ISING:
        found = program.ising.energies(2 * rows - 1)
    else:
        found = program.analog.energies(rows, c6)
    return [float(one) for one in found]


def best_beside(device: DeviceModel, program: Program) -> Baseline | None:
    """The lowest energy that exists, by trying every outcome; nothing where those are too many."""
    if program.kind is ProgramKind.ANALOG:
        if device.analog is None or program.n_qubits > MAX_TRIED_ATOMS:
            return None
        lowest, _ = lowest_energy(program.analog, device.analog.c6)
    else:
        if program.n_qubits > MAX_TRIED_SPINS:
            return None
        lowest = program.ising.lowest()
    return Baseline(method=EXACT, value=lowest, error=0.0, cost=1 << program.n_qubits, cost_unit="outcomes")
