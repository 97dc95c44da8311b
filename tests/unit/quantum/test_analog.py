"""Analog programs: closed forms, energies, and what is refused."""

import json
import math

import msgspec
import numpy as np
import pytest

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum.analog import AnalogProgram, blockade_radius_um, lowest_energy, probabilities, read_program

C6 = 5.42e6


def held(atoms, amplitude, for_us, detuning=0.0, **others):
    return AnalogProgram(
        atoms_um=tuple(atoms), amplitude=((0, amplitude), (for_us, amplitude)),
        detuning=((0, detuning), (for_us, detuning)), **others,
    )  # fmt: skip


@pytest.mark.parametrize("detuning", [0.0, 3.0, -7.0])
def test_one_atom_turns_as_rabi_says(detuning):
    strength, for_us = 5.0, 0.83
    whole = math.hypot(strength, detuning)
    excited = (strength / whole) ** 2 * math.sin(whole * for_us / 2) ** 2
    assert probabilities(held([(0, 0)], strength, for_us, detuning), C6)[1] == pytest.approx(excited, abs=1e-9)


def test_neighbours_turn_together_and_faster():
    near = held([(0, 0), (2, 0)], 2.0, math.pi / 2 / math.sqrt(2))
    weights = probabilities(near, C6)
    assert weights[1] == pytest.approx(0.5, abs=1e-3)
    assert weights[2] == pytest.approx(0.5, abs=1e-3)
    assert weights[3] < 1e-4
    assert blockade_radius_um(near, C6) == pytest.approx((C6 / 2) ** (1 / 6))


def test_a_jump_of_the_phase_by_pi_undoes_what_was_done():
    echo = held([(0, 0), (11, 0)], 4.0, 1.0, phase=((0, 0.3), (0.5, 0.3 + math.pi), (1, 0)))
    far = msgspec.structs.replace(echo, atoms_um=((0, 0), (90, 0)))
    assert probabilities(far, C6)[0] == pytest.approx(1.0, abs=1e-6)
    assert probabilities(echo, C6)[0] < 0.99, "what feels each other does not come back"


def test_every_atom_feels_its_own_detuning():
    local = held([(0, 0), (90, 0)], 5.0, 0.6, local_detuning=((0, 40), (0.6, 40)), pattern=(0.0, 1.0))
    weights = probabilities(local, C6)
    assert weights[2] + weights[3] == pytest.approx(math.sin(1.5) ** 2, abs=1e-4)
    assert weights[1] + weights[3] < 0.02


def test_the_lowest_energy_is_that_of_all_outcomes():
    rng = np.random.default_rng(3)
    for n in (1, 4, 7):
        program = held(rng.uniform(0, 25, (n, 2)).tolist(), 1.0, 1.0, 20.0)
        every = ((np.arange(1 << n)[:, None] >> np.arange(n - 1, -1, -1)) & 1).astype(np.int8)
        costs = program.energies(every, C6)
        lowest, outcome = lowest_energy(program, C6)
        assert lowest == pytest.approx(costs.min())
        assert costs[int(outcome, 2)] == pytest.approx(costs.min())


def test_the_canonical_text_is_read_back():
    program = held([(0, 0), (6, 1)], 2.0, 1.0, phase=((0, 0), (1, 0.5)))
    again = read_program(program.text)
    assert (again, again.digest) == (program, program.digest)
    assert held([(0.0, 0.0), (6.0, 1.0)], 2.0, 1.0, phase=((0.0, 0.0), (1.0, 0.5))).digest == program.digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amplitude": [[0, 0], [1, -1]]}, "negative"),
        ({"amplitude": [[0, 0]]}, "points"),
        ({"amplitude": [[0.5, 0], [1, 1]]}, "begins"),
        ({"amplitude": [[0, 0], [1, 1], [0.5, 1]]}, "back in time"),
        ({"detuning": [[0, 0], [2, 0]]}, "ends at 2"),
        ({"pattern": [1.0]}, "pattern"),
        ({"local_detuning": [[0, 0], [1, 0]], "pattern": [2.0]}, "between 0 and 1"),
        ({"what": 1}, "what"),
        ({"atoms_um": "x"}, "atoms_um"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, said):
    given = {"atoms_um": [[0, 0]], "amplitude": [[0, 0], [1, 0]], "detuning": [[0, 0], [1, 0]]} | changes
    with pytest.raises(InvalidInput, match=said):
        read_program(json.dumps(given))


def test_bounds():
    with pytest.raises(LimitExceeded):
        probabilities(held([(9 * at, 0) for at in range(13)], 1.0, 1.0), C6)
    with pytest.raises(InvalidInput, match="one place"):
        probabilities(held([(0, 0), (0, 0)], 1.0, 1.0), C6)
    for text in ("", "[]", '{"hamiltonian": 1}', '{"operations": [], "channels": {}}'):
        with pytest.raises(InvalidInput):
            read_program(text)


def sequence(*operations, channels=None, variables=None):
    return json.dumps({
        "version": "1", "register": [{"name": "q0", "x": 0.0, "y": 0.0}],
        "channels": channels or {"c": "rydberg_global"}, "variables": variables or {}, "operations": list(operations),
    })  # fmt: skip


def wave(value, length=100):
    return {"kind": "constant", "duration": length, "value": value}


def pulse(phase, protocol="min-delay", amplitude=None):
    return {"op": "pulse", "channel": "c", "protocol": protocol, "amplitude": amplitude or wave(2.0),
            "detuning": wave(0.0), "phase": phase, "post_phase_shift": 0.0}  # fmt: skip


def test_what_pulser_can_say_and_this_cannot_is_refused_by_name():
    for text, said in (
        (sequence(pulse(0.0), pulse(1.0)), "different phase"),
        (sequence(pulse(0.0), channels={"c": "raman_local"}), "raman_local"),
        (sequence(pulse(0.0), variables={"t": {}}), "variables"),
        (sequence(pulse({"variable": "t"})), "stands for a number"),
        (sequence({"op": "add_eom_pulse"}), "add_eom_pulse"),
        (sequence(pulse(0.0, amplitude={"kind": "kaiser", "duration": 100, "area": 1, "beta": 1})), "kaiser"),
        (sequence(pulse(0.0, amplitude=wave(1.0, 50))), "equally long"),
    ):
        with pytest.raises(InvalidInput, match=said):
            read_program(text)
    joined = read_program(sequence(pulse(0.0), pulse(1.0, "no-delay")))
    assert joined.phase == ((0.0, 0.0), (0.1, 1.0), (0.2, 1.0))
    assert joined.duration_us == pytest.approx(0.2)
