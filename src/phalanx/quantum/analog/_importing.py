"""Reads analog programs that others wrote: our own JSON, Amazon Braket's AHS programs, Pulser's abstract sequences.

Formats: ``braket.ir.ahs.program`` version 1 (SI units); Pulser's abstract representation, as versions 0.x and 1.x of
the library write it (micrometres, radians per microsecond, nanoseconds). What a program needs that this cannot say is
refused by name, never left out.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum._limits import MAX_SOURCE_BYTES
from phalanx.quantum.analog._program import AnalogProgram, Line
from phalanx.quantum.analog._waves import Samples, as_line, sampled

_M, _S = 1e6, 1e6


def read_program(text: str | bytes) -> AnalogProgram:
    """The program of a JSON text in any of the formats. Raises ``InvalidInput``."""
    if len(text) > MAX_SOURCE_BYTES:
        raise LimitExceeded("bytes of one program", maximum=MAX_SOURCE_BYTES, seen=len(text))
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidInput("program", f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput("program", "is JSON, but no object")
    try:
        if "hamiltonian" in found:
            return _from_braket(found)
        if "operations" in found and "channels" in found:
            return _from_pulser(found)
        return msgspec.convert(found, AnalogProgram)
    except msgspec.ValidationError as error:
        raise InvalidInput("program", str(error)) from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InvalidInput("program", f"is not understood: {error!r}") from error


def _from_braket(found: Mapping[str, Any]) -> AnalogProgram:
    register = found["setup"]["ahs_register"]
    kept = [at for at, filled in enumerate(register["filling"]) if int(filled)]
    drives, locals_ = found["hamiltonian"]["drivingFields"], found["hamiltonian"].get("localDetuning") or []
    if len(drives) != 1 or len(locals_) > 1:
        raise InvalidInput("program.hamiltonian", "has one driving field, and at most one local detuning")
    drive = drives[0]
    for name in ("amplitude", "phase", "detuning"):
        if drive[name]["pattern"] != "uniform":
            raise InvalidInput(f"program.{name}", "is not the same for all atoms")
    local = locals_[0]["magnitude"] if locals_ else None
    return AnalogProgram(
        atoms_um=tuple((float(register["sites"][at][0]) * _M, float(register["sites"][at][1]) * _M) for at in kept),
        amplitude=_series(drive["amplitude"]), detuning=_series(drive["detuning"]),
        phase=_series(drive["phase"], unit=1.0), local_detuning=_series(local) if local else (),
        pattern=tuple(float(local["pattern"][at]) for at in kept) if local else (),
    )  # fmt: skip


def _series(field: Mapping[str, Any], *, unit: float = 1 / _S) -> Line:
    series = field["time_series"]
    return tuple(
        (round(float(at) * _S, 9), float(value) * unit)
        for at, value in zip(series["times"], series["values"], strict=True)
    )


def _from_pulser(found: Mapping[str, Any]) -> AnalogProgram:
    if found.get("variables"):
        raise InvalidInput("program.variables", "stand for nothing yet: build the sequence with their values")
    if list(found["channels"].values()) != ["rydberg_global"]:
        raise InvalidInput(
            "program.channels", f"{sorted(found['channels'].values())}: one rydberg_global is understood"
        )
    if found.get("slm_mask_targets") or found.get("magnetic_field"):
        raise InvalidInput("program", "has a mask or a magnetic field, which are not understood")
    amplitude, detuning = Samples(), Samples()
    phases: list[tuple[int, float]] = []
    reference = 0.0
    for step in found["operations"]:
        match step["op"]:
            case "pulse":
                phase = (_number(step["phase"]) + reference) % math.tau
                if phases and not math.isclose(phases[-1][1], phase, abs_tol=1e-12) and step["protocol"] != "no-delay":
                    raise InvalidInput(
                        "program.operations", "pulses of different phase: Pulser lets time pass in between, how much "
                        "depends on its device; add that as a delay and give the pulse the protocol no-delay",
                    )  # fmt: skip
                phases.append((amplitude.length_ns, phase))
                amplitude.add(sampled(step["amplitude"]))
                detuning.add(sampled(step["detuning"]))
                reference += _number(step.get("post_phase_shift", 0.0))
            case "delay":
                for line in (amplitude, detuning):
                    line.pause(int(_number(step["time"])))
            case "phase_shift":
                reference += _number(step["phi"])
            case "target" | "align":
                continue
            case other:
                raise InvalidInput("program.operations", f"{other} is not understood")
        if amplitude.length_ns != detuning.length_ns:
            raise InvalidInput("program.operations", "amplitude and detuning of a pulse are not equally long")
    end_us = amplitude.length_ns / 1e3
    jumps = [one for at, one in enumerate(phases) if not at or one[1] != phases[at - 1][1]]
    held = tuple((at / 1e3 if number else 0.0, phase) for number, (at, phase) in enumerate(jumps))
    return AnalogProgram(
        atoms_um=tuple((_number(one["x"]), _number(one["y"])) for one in _flat(found["register"])),
        amplitude=as_line(amplitude), detuning=as_line(detuning),
        phase=(*held, (end_us, held[-1][1])) if any(phase for _, phase in held) else (),
    )  # fmt: skip


def _flat(register: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    if any("z" in one for one in register):
        raise InvalidInput("program.register", "has three dimensions: two are understood")
    return register


def _number(value: Any) -> float:
    if isinstance(value, Mapping):
        raise InvalidInput("program", f"{json.dumps(value)[:80]} stands for a number that is not there yet")
    return float(value)
