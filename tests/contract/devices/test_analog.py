"""Machines for analog programs against their suite, and our evolution against the emulators of others."""

import asyncio
import warnings

import numpy as np
import pytest

from phalanx.adapters.providers import braket_provider, pasqal_provider
from phalanx.core import Origin
from phalanx.devices import AnalogBackend, Fleet, Modality, NoDeviceFits, Program, ProviderContext
from phalanx.quantum.analog import AnalogProgram, probabilities, read_program
from phalanx.testing import InlineOffload, SimWorld
from phalanx.testing.contracts import ANALOG_CHECKS

MAKERS = {"braket.quera-aquila": braket_provider, "pasqal.analog": pasqal_provider}
SWEEP = AnalogProgram(
    atoms_um=((0.0, 0.0), (5.5, 0.0), (11.0, 0.0)), amplitude=((0, 0), (0.4, 12), (3.6, 12), (4, 0)),
    detuning=((0, -30), (0.4, -30), (3.6, 30), (4, 30)),
)  # fmt: skip


def backends():
    context = ProviderContext(InlineOffload(), SimWorld(1).clock)
    return [one for make in MAKERS.values() for one in make(context).backends()]


def backend(name):
    return next(one for one in backends() if one.device.name == name)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", ANALOG_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", MAKERS)
def test_emulated_atoms(name, check):
    found = backend(name)
    assert isinstance(found, AnalogBackend)
    assert (found.device.kind, found.device.origin) == (Modality.NEUTRAL_ATOM, Origin.EMULATED)
    asyncio.run(check(found))


@pytest.mark.requirement("QRM-8")
def test_programs_go_to_machines_that_allow_them_and_to_no_others():
    fleet = Fleet(backends())
    assert fleet.place_program(Program.of_analog(SWEEP), shots=100).backend.device.name == "pasqal.analog"
    bright = AnalogProgram(atoms_um=SWEEP.atoms_um, amplitude=((0, 0), (2, 15), (4, 0)), detuning=SWEEP.detuning)
    placed = fleet.place_program(Program.of_analog(bright), shots=100)
    assert placed.backend.device.name == "braket.quera-aquila"
    reasons = {one.device.name: one.reason for one in placed.considered}
    assert "reaches 15 rad/µs, and 12.57 are the most" in reasons["pasqal.analog"]
    assert "takes no analog programs" in reasons["braket.ionq-forte-1"]
    too_near = AnalogProgram(atoms_um=((0, 0), (2, 0)), amplitude=SWEEP.amplitude, detuning=SWEEP.detuning)
    with pytest.raises(NoDeviceFits, match="2 µm apart"):
        fleet.place_program(Program.of_analog(too_near), shots=100)
    with pytest.raises(NoDeviceFits, match="samples no Ising"):
        fleet.place_program(Program.read('{"fields": [1.0], "couplings": []}'), shots=100)


def smooth(pulser, add):
    waves, pulse = pulser.waveforms, pulser.Pulse
    add(pulse(waves.InterpolatedWaveform(1_200, [0.0, 8.0, 6.0, 0.0]), waves.RampWaveform(1_200, -9.0, 9.0), 0.0))
    add(pulse(waves.BlackmanWaveform(400, 1.2), waves.ConstantWaveform(400, 9.0), 0.0))


def with_jumps(pulser, add):
    waves, pulse = pulser.waveforms, pulser.Pulse
    rise = waves.BlackmanWaveform.from_max_val(9.0, 1.7)
    add(pulse(rise, waves.ConstantWaveform(rise.duration, -3.0), 0.0, post_phase_shift=0.4))
    add(pulse(waves.RampWaveform(600, 8.0, 2.0), waves.RampWaveform(600, -9.0, 9.0), 0.7))
    add(pulse(waves.BlackmanWaveform(400, 1.2), waves.ConstantWaveform(400, 4.0), 0.7))


# Pulser's emulator draws a curve through samples a nanosecond apart, across jumps too.
@pytest.mark.parametrize(("build", "within"), [(smooth, 1e-4), (with_jumps, 1e-2)])
def test_pulsers_sequences_evolve_as_in_pulser(build, within):
    pulser = pytest.importorskip("pulser", reason="the extra pasqal is not installed")
    emulator = pytest.importorskip("pulser_simulation", reason="the extra pasqal is not installed").QutipEmulator
    device = pulser.devices.MockDevice
    sequence = pulser.Sequence(pulser.Register.rectangle(2, 2, spacing=6.5, prefix="q"), device)
    sequence.declare_channel("drive", "rydberg_global")
    build(pulser, lambda pulse: sequence.add(pulse, "drive", "no-delay"))
    sequence.measure()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = emulator.from_sequence(sequence, sampling_rate=1.0).run().get_final_state()
    # Pulser counts from the excited state.
    theirs = np.abs(np.asarray(state.full()).reshape(-1)[::-1]) ** 2
    ours = probabilities(read_program(sequence.to_abstract_repr()), device.interaction_coeff)
    assert np.abs(ours - theirs).sum() / 2 < within
    assert theirs.max() < 0.9, "the example tells a wrong evolution from a right one"


def test_brakets_programs_evolve_as_in_braket():
    pytest.importorskip("braket.analog_hamiltonian_simulator", reason="the extra braket is not installed")
    from braket.ahs import AnalogHamiltonianSimulation, AtomArrangement, DrivingField, Field, LocalDetuning, Pattern
    from braket.devices import LocalSimulator
    from braket.timings import TimeSeries

    def series(*points):
        made = TimeSeries()
        for at_us, value in points:
            made.put(at_us * 1e-6, value * 1e6)
        return made

    register = AtomArrangement()
    for x, y in ((0, 0), (6, 0), (6, 6)):
        register.add((x * 1e-6, y * 1e-6))
    phase = TimeSeries().put(0.0, 0.0).put(1e-6, 1.0).put(2e-6, 1.0)
    drive = DrivingField(
        amplitude=series((0, 0), (0.3, 12), (1.7, 12), (2, 0)), phase=phase,
        detuning=series((0, -20), (0.3, -20), (1.7, 25), (2, 25)),
    )  # fmt: skip
    local = LocalDetuning(Field(series((0, 0), (2, 15)), Pattern([0.2, 1.0, 0.0])))
    program = AnalogHamiltonianSimulation(register=register, hamiltonian=drive + local)
    shots = 100_000
    counts = LocalSimulator("braket_ahs").run(program, shots=shots, steps=1_000).result().get_counts()
    theirs = [counts.get(f"{n:03b}".replace("0", "g").replace("1", "r"), 0) / shots for n in range(8)]
    ours = probabilities(read_program(program.to_ir().json()), 5.42e6)
    assert np.abs(ours - np.array(theirs)).sum() / 2 < 0.01
    assert max(theirs) < 0.9, "the example tells a wrong evolution from a right one"
