"""Analog programs as Amazon Braket takes them: ``braket.ir.ahs.program`` version 1, in SI units.

Everything is written at the resolution that Aquila publishes (0.1 µm, 1 ns, 400 rad/s, 0.2 rad/s, 5·10⁻⁷ rad), since a
finer one is refused there; Braket's own SDK rounds alike (``discretize``).
"""

import json
from decimal import Decimal

from phalanx.quantum.analog._program import AnalogProgram, Line

_GRID_UM = Decimal("0.1")
_MICRO, _MEGA = Decimal("1e-6"), Decimal("1e6")
_AMPLITUDE, _DETUNING, _PHASE, _TIME_US = Decimal(400), Decimal("0.2"), Decimal("5e-7"), Decimal("1e-3")


def braket_text(program: AnalogProgram) -> str:
    """The document, as JSON; ``read_program`` reads it."""
    sites = [[_placed(x), _placed(y)] for x, y in program.atoms_um]
    still: Line = ((0.0, 0.0), (program.duration_us, 0.0))
    drive = {
        "amplitude": _field(program.amplitude, _MEGA, _AMPLITUDE),
        "phase": _field(program.phase or still, Decimal(1), _PHASE),
        "detuning": _field(program.detuning, _MEGA, _DETUNING),
    }
    local = []
    if program.local_detuning:
        pattern = [str(Decimal(repr(float(part)))) for part in program.pattern]
        local = [{"magnitude": _field(program.local_detuning, _MEGA, _DETUNING) | {"pattern": pattern}}]
    return json.dumps(
        {
            "braketSchemaHeader": {"name": "braket.ir.ahs.program", "version": "1"},
            "setup": {"ahs_register": {"sites": sites, "filling": [1] * len(sites)}},
            "hamiltonian": {"drivingFields": [drive], "localDetuning": local},
        }
    )


def _placed(um: float) -> str:
    return str(_rounded(Decimal(repr(float(um))), _GRID_UM) * _MICRO)


def _field(line: Line, unit: Decimal, resolution: Decimal) -> dict[str, object]:
    times = [str(_rounded(Decimal(repr(float(at))), _TIME_US) * _MICRO) for at, _ in line]
    values = [str(_rounded(Decimal(repr(float(value))) * unit, resolution)) for _, value in line]
    return {"time_series": {"times": times, "values": values}, "pattern": "uniform"}


def _rounded(value: Decimal, resolution: Decimal) -> Decimal:
    return (value / resolution).to_integral_value() * resolution
