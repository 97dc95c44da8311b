"""What every machine for analog programs must keep to. Each check is an async function of one backend."""

import math
from collections.abc import Awaitable, Callable

import msgspec

from phalanx.core import InvalidInput, LimitExceeded, Origin
from phalanx.devices import AnalogBackend, AnalogLimits, ShotResult
from phalanx.quantum import Gates, InvalidCircuit
from phalanx.quantum.analog import AnalogProgram

_SHOTS, _SEED = 500, 20_260_101
_FAR = 2.6


async def check_is_no_gate_machine(backend: AnalogBackend) -> None:
    assert backend.device.features.analog
    assert not backend.device.features.gates
    assert backend.device.analog is not None
    try:
        await backend.run(Gates(1).h(0).measure(0).circuit(), shots=1, seed=_SEED)
    except InvalidCircuit:
        return
    raise AssertionError("a machine without gates refuses circuits")


async def check_counts_and_provenance(backend: AnalogBackend) -> None:
    program = _pulse(backend, math.pi / 2, n_atoms=3)
    found = await backend.evolve(program, shots=_SHOTS, seed=_SEED)
    drawn = sum(found.counts.values())
    if backend.device.origin is Origin.HARDWARE:
        assert 0 < drawn <= _SHOTS, "a shot that began without an atom is left out, and none is added"
    else:
        assert drawn == _SHOTS
    assert all(n > 0 for n in found.counts.values()), "an outcome that never came up is absent"
    assert all(len(key) == 3 and set(key) <= {"0", "1"} for key in found.counts), found.counts
    made = found.provenance
    assert (made.device, made.origin) == (backend.device.name, backend.device.origin)
    assert (made.circuits, made.shots, made.seed) == ((program.digest,), drawn, _SEED)


async def check_nothing_happens_in_the_dark(backend: AnalogBackend) -> None:
    found = await backend.evolve(_pulse(backend, 0.0, n_atoms=2), shots=_SHOTS, seed=_SEED)
    assert found.counts["00"] > _drawn(found) / 2, found.counts


async def check_a_pulse_of_pi_excites_what_is_far_apart(backend: AnalogBackend) -> None:
    found = await backend.evolve(_pulse(backend, math.pi, n_atoms=2), shots=_SHOTS, seed=_SEED)
    assert found.counts.get("11", 0) > _drawn(found) / 2, found.counts


async def check_neighbours_block_each_other(backend: AnalogBackend) -> None:
    near = max(_limits(backend).distance_um, 1.0)
    program = _pulse(backend, math.pi / math.sqrt(2), n_atoms=2, apart_um=near)
    found = await backend.evolve(program, shots=_SHOTS, seed=_SEED)
    assert found.counts.get("11", 0) < _drawn(found) / 10, found.counts
    assert found.counts.get("01", 0) + found.counts.get("10", 0) > _drawn(found) / 2, found.counts


async def check_one_seed_one_result(backend: AnalogBackend) -> None:
    if backend.device.origin is Origin.HARDWARE:
        return
    program = _pulse(backend, math.pi / 2, n_atoms=4)
    first, again, other = [await backend.evolve(program, shots=_SHOTS, seed=_SEED + at) for at in (0, 0, 1)]
    assert first == again
    assert first.counts != other.counts, "another seed draws anew"


async def check_bounds(backend: AnalogBackend) -> None:
    limits, fits = _limits(backend), _pulse(backend, math.pi, n_atoms=2)
    end = fits.duration_us
    long = limits.duration_us * 1.5
    wrong = [
        msgspec.structs.replace(fits, atoms_um=((0.0, 0.0), (limits.distance_um / 2, 0.0))),
        msgspec.structs.replace(fits, detuning=((0.0, 0.0), (end / 2, limits.detuning * 1.5), (end, 0.0))),
        AnalogProgram(
            atoms_um=fits.atoms_um, amplitude=((0.0, 0.0), (long / 2, limits.amplitude), (long, 0.0)),
            detuning=((0.0, 0.0), (long, 0.0)),
        ),
    ]  # fmt: skip
    for program, shots in ((fits, 0), (fits, backend.device.max_shots + 1), *((one, 1) for one in wrong)):
        try:
            await backend.evolve(program, shots=shots, seed=_SEED)
        except (InvalidInput, LimitExceeded):
            continue
        raise AssertionError(f"{program} with {shots} shots goes beyond the machine, and is refused")


ANALOG_CHECKS: tuple[Callable[[AnalogBackend], Awaitable[None]], ...] = (
    check_is_no_gate_machine,
    check_counts_and_provenance,
    check_nothing_happens_in_the_dark,
    check_a_pulse_of_pi_excites_what_is_far_apart,
    check_neighbours_block_each_other,
    check_one_seed_one_result,
    check_bounds,
)


def _drawn(found: ShotResult) -> int:
    return sum(found.counts.values())


def _limits(backend: AnalogBackend) -> AnalogLimits:
    assert backend.device.analog is not None
    return backend.device.analog


def _pulse(backend: AnalogBackend, area: float, *, n_atoms: int, apart_um: float | None = None) -> AnalogProgram:
    """A triangle of the given area, on a row of atoms that do not feel each other, unless they are to."""
    limits = _limits(backend)
    if apart_um is None:
        apart_um = max(limits.distance_um, _FAR * (limits.c6 / limits.amplitude) ** (1 / 6))
    height = limits.amplitude / 4
    end = max(2 * area / height, 0.2)
    top = 2 * area / end
    middle = (n_atoms - 1) * apart_um / 2
    return AnalogProgram(
        atoms_um=tuple((apart_um * at - middle, 0.0) for at in range(n_atoms)),
        amplitude=((0.0, 0.0), (end / 2, top), (end, 0.0)), detuning=((0.0, 0.0), (end, 0.0)),
    )  # fmt: skip
