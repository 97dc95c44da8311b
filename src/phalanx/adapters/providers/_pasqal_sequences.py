"""Sequences for a machine of Pasqal, made by the maker's own library on the specification that its cloud gives.

Pulser says what its form means, and what a machine takes: what it refuses is refused here before anything is sent. A
machine holds atoms only in the traps of a layout: one that it has calibrated, where the atoms fit into one, else one
that Pulser lays around them, where it takes such. Times are rounded to a nanosecond, the end and changes of phase to
the machine's clock.
"""

import itertools
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from phalanx.core import InvalidInput, Unavailable
from phalanx.devices import AnalogLimits
from phalanx.quantum.analog import AnalogProgram, Line

_NS = 1e3
_APART_UM = 1e-5
# A line that bends as often as every so many nanoseconds is sent as samples.
_BENDS_NS = 5
_CHANNEL = "rydberg_global"


@dataclass(frozen=True, slots=True)
class PasqalFigures:
    """What the specification of a machine says; ``max_runs`` where it does."""

    name: str
    n_atoms: int
    max_runs: int | None
    limits: AnalogLimits


def pasqal_figures(specs: str) -> PasqalFigures:
    """Raises ``Unavailable`` where the specification is not understood, or no machine for analog programs."""
    device, key = _machine(specs)
    channel = device.channels[key]
    noise = json.loads(specs)
    noise = noise.get("noise_model") or noise.get("default_noise_model") or {}
    longest_ns = min(device.max_sequence_duration or math.inf, channel.max_duration or math.inf)
    return PasqalFigures(
        str(device.name), _most_atoms(device), device.max_runs,
        AnalogLimits(
            c6=float(device.interaction_coeff), distance_um=float(device.min_atom_distance),
            radius_um=float(device.max_radial_distance or math.inf), amplitude=float(channel.max_amp or math.inf),
            detuning=float(channel.max_abs_detuning or math.inf), duration_us=longest_ns / _NS,
            false_one=float(noise.get("p_false_pos") or 0.0), false_zero=float(noise.get("p_false_neg") or 0.0),
        ),
    )  # fmt: skip


def pasqal_text(program: AnalogProgram, specs: str) -> str:
    """The sequence, in Pulser's abstract representation; its atoms are in the program's order.

    Raises ``InvalidInput`` for what Pulser says that the machine does not take.
    """
    device, key = _machine(specs)
    pulser = _pulser()
    try:
        sequence = pulser.Sequence(_register(program, device), device)
        sequence.declare_channel(_CHANNEL, key)
        for phase, start, end, points in _pieces(program, device.channels[key]):
            strength, detuning = (_wave(line, start, end) for line in points)
            sequence.add(pulser.Pulse(strength, detuning, phase), _CHANNEL, protocol="no-delay")
        sequence.measure("ground-rydberg")
        return str(sequence.to_abstract_repr())
    except (ValueError, TypeError, RuntimeError) as error:
        raise InvalidInput("program", f"is nothing that {device.name} takes: {error}") from error


def _pulser() -> Any:
    try:
        import pulser
    except ImportError as error:
        raise Unavailable("Pasqal's machines", str(error), hint="pip install 'phalanx[pasqal]'") from error
    return pulser


@lru_cache(maxsize=16)
def _machine(specs: str) -> tuple[Any, str]:
    """Pulser's device, and what it calls the channel that drives all atoms into their Rydberg states."""
    _pulser()
    from pulser.json.abstract_repr.deserializer import deserialize_device

    try:
        device = deserialize_device(specs)
    except Exception as error:
        told = f"Pulser does not understand its specification: {str(error.__cause__ or error)[:300]}"
        raise Unavailable("a machine of Pasqal", told, hint="a newer pulser-core may") from error
    for key, one in device.channels.items():
        if (one.basis, one.addressing) == ("ground-rydberg", "Global"):
            return device, str(key)
    raise Unavailable("a machine of Pasqal", f"{device.name} has no drive for all its atoms")


def _most_atoms(device: Any) -> int:
    most = int(device.max_atom_num)
    if device.requires_layout and not device.accepts_new_layouts:
        traps = max((one.number_of_traps for one in device.calibrated_register_layouts.values()), default=0)
        most = min(most, int(traps * device.max_layout_filling))
    return max(1, most)


def _register(program: AnalogProgram, device: Any) -> Any:
    names = [f"q{at}" for at in range(program.n_atoms)]
    register = _pulser().Register(dict(zip(names, program.atoms_um, strict=True)))
    if not device.requires_layout:
        return register
    for layout in device.calibrated_register_layouts.values():
        least, most = (layout.number_of_traps * part for part in (device.min_layout_filling, device.max_layout_filling))
        traps = _traps(program, np.asarray(layout.sorted_coords)) if least <= program.n_atoms <= most else None
        if traps is not None:
            return layout.define_register(*traps, qubit_ids=names)
    if device.accepts_new_layouts:
        return register.with_automatic_layout(device)
    known = ", ".join(str(one.slug or one) for one in device.calibrated_register_layouts.values())
    raise InvalidInput(
        "program.atoms_um", f"are not the places of traps of any layout that {device.name} has calibrated ({known})"
    )


def _traps(program: AnalogProgram, places: np.ndarray) -> list[int] | None:
    """Which trap each atom is in, the program as it is or else moved as a whole; ``None`` where it fits nowhere."""
    atoms = np.asarray(program.atoms_um)
    for moved in (np.zeros(2), *(places - atoms[0])):
        apart = np.linalg.norm((atoms + moved)[:, None] - places[None], axis=2)
        nearest = apart.argmin(axis=1)
        if (apart[np.arange(len(atoms)), nearest] < _APART_UM).all():
            return [int(one) for one in nearest]
    return None


def _pieces(program: AnalogProgram, channel: Any) -> list[tuple[float, int, int, tuple[Line, Line]]]:
    """(phase, from ns, to ns, amplitude and detuning in ns), each of one phase, without gaps."""
    clock = int(channel.clock_period or 1)
    least = math.ceil((channel.min_duration or 1) / clock)
    end = clock * max(least, round(program.duration_us * _NS / clock))
    lines = tuple(_in_ns(line, end) for line in (program.amplitude, program.detuning))
    phases = {0: 0.0} | {min(end, clock * round(at * _NS / clock)): float(value) for at, value in program.phase}
    starts = [at for at in sorted(phases) if at < end]
    kept = [at for number, at in enumerate(starts) if not number or phases[at] != phases[starts[number - 1]]]
    return [(phases[at], at, later, (lines[0], lines[1])) for at, later in itertools.pairwise([*kept, end])]


def _in_ns(line: Line, end: int) -> Line:
    found = [(float(min(end, round(at * _NS))), float(value)) for at, value in line]
    return (*found[:-1], (float(end), found[-1][1]))


def _wave(line: Line, start: int, end: int) -> Any:
    """The part of a line from ``start`` to ``end``. Pulser's samples are at the beginnings of their nanoseconds."""
    waves = _pulser().waveforms
    runs: list[tuple[int, float, float]] = []
    for (at, value), (later, after) in itertools.pairwise(line):
        first, last = max(start, int(at)), min(end, int(later))
        if last > first:
            slope = (after - value) / (later - at)
            runs.append((last - first, value + slope * (first - at), value + slope * (last - at)))
    if len(runs) * _BENDS_NS > end - start:
        return waves.CustomWaveform(np.concatenate([_samples(*one) for one in runs]))
    parts = [_run(waves, *one) for one in runs]
    return parts[0] if len(parts) == 1 else waves.CompositeWaveform(*parts)


def _samples(length: int, first: float, last: float) -> np.ndarray:
    return np.linspace(first, last, length, endpoint=False)


def _run(waves: Any, length: int, first: float, last: float) -> Any:
    if first == last or length == 1:
        return waves.ConstantWaveform(length, first)
    return waves.RampWaveform(length, first, first + (last - first) * (length - 1) / length)
