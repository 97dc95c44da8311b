"""What a neutral-atom machine allows in an analog program, and where a program exceeds that. Pure."""

import itertools
import math
from dataclasses import dataclass

from phalanx.quantum.analog import AnalogProgram, Line

_SLACK = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalogLimits:
    """Distances in µm, rates in rad/µs, slews in rad/µs²; what nobody bounds is infinite, or 0 where it is a minimum.

    ``c6`` is in rad/µs·µm⁶. ``row_um`` is how far apart rows of atoms are at least, ``radius_um`` how far from the
    origin an atom may be. ``step_us`` is the least time between two points of a line. ``dark_ends``: the amplitude
    begins and ends at 0. ``false_one`` and ``false_zero`` are how likely an atom in the ground state is read as
    excited, and the other way round.
    """

    c6: float
    distance_um: float
    duration_us: float
    amplitude: float
    detuning: float
    row_um: float = 0.0
    width_um: float = math.inf
    height_um: float = math.inf
    radius_um: float = math.inf
    amplitude_slew: float = math.inf
    detuning_slew: float = math.inf
    step_us: float = 0.0
    dark_ends: bool = False
    local_detuning: bool = False
    false_one: float = 0.0
    false_zero: float = 0.0


def beyond(limits: AnalogLimits, program: AnalogProgram) -> list[tuple[str, str]]:
    """(field of the program, what is wrong with it), all of it; empty when the machine takes the program."""
    return [*_places(limits, program), *_lines(limits, program)]


def _places(limits: AnalogLimits, program: AnalogProgram) -> list[tuple[str, str]]:
    found: list[str] = []
    xs, ys = (sorted(values) for values in zip(*program.atoms_um, strict=True))
    nearest = float(program.distances_um.min())
    if nearest < limits.distance_um - _SLACK:
        found.append(f"has atoms {nearest:.3g} µm apart, and {limits.distance_um:g} µm are the least")
    rows = [high - low for low, high in itertools.pairwise(ys) if high - low > _SLACK]
    if rows and min(rows) < limits.row_um - _SLACK:
        found.append(f"has rows {min(rows):.3g} µm apart, and {limits.row_um:g} µm are the least")
    for what, spread, most in (("wide", xs[-1] - xs[0], limits.width_um), ("high", ys[-1] - ys[0], limits.height_um)):
        if spread > most + _SLACK:
            found.append(f"is {spread:.4g} µm {what}, and {most:g} µm are there")
    farthest = max(math.hypot(x, y) for x, y in program.atoms_um)
    if farthest > limits.radius_um + _SLACK:
        found.append(f"has an atom {farthest:.4g} µm from the middle, and {limits.radius_um:g} µm are the most")
    return [("program.atoms_um", one) for one in found]


def _lines(limits: AnalogLimits, program: AnalogProgram) -> list[tuple[str, str]]:
    found = []
    if program.duration_us > limits.duration_us + _SLACK:
        lasts = f"lasts {program.duration_us:.4g} µs, and {limits.duration_us:g} µs are the most"
        found.append(("program.amplitude", lasts))
    if limits.dark_ends and max(program.amplitude[0][1], program.amplitude[-1][1]) > _SLACK:
        found.append(("program.amplitude", "does not begin and end at 0"))
    if program.local_detuning and not limits.local_detuning:
        found.append(("program.local_detuning", "is nothing that this machine has"))
    for name, line, most, slew in (
        ("amplitude", program.amplitude, limits.amplitude, limits.amplitude_slew),
        ("detuning", program.detuning, limits.detuning, limits.detuning_slew),
    ):
        found += [(f"program.{name}", one) for one in _line(line, most, slew, limits.step_us)]
    return found


def _line(line: Line, most: float, slew: float, step_us: float) -> list[str]:
    found = []
    greatest = max(abs(value) for _, value in line)
    if greatest > most * (1 + _SLACK):
        found.append(f"reaches {greatest:.4g} rad/µs, and {most:.4g} are the most")
    steps = [(later - at, abs(after - value)) for (at, value), (later, after) in itertools.pairwise(line)]
    jumps = slew < math.inf and any(took <= _SLACK and change > _SLACK for took, change in steps)
    steepest = max((change / took for took, change in steps if took > _SLACK), default=0.0)
    if jumps:
        found.append(f"jumps, and {slew:.4g} rad/µs² are the steepest")
    elif steepest > slew * (1 + _SLACK):
        found.append(f"changes by {steepest:.4g} rad/µs², and {slew:.4g} are the steepest")
    shortest = min(took for took, _ in steps)
    if shortest < step_us - _SLACK:
        found.append(f"has points {1e3 * shortest:.3g} ns apart, and {1e3 * step_us:g} ns are the least")
    return found
