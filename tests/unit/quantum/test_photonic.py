"""Photonic programs: closed forms, ladder operators, permanents from their definition, draws, and what is refused."""

import itertools
import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import InvalidInput, LimitExceeded, Rng
from phalanx.quantum.photonic import (
    BeamSplitter,
    Condition,
    Herald,
    Permutation,
    PhaseShifter,
    PhotonicProgram,
    Source,
    amplitude_weights,
    drawn,
    expected,
    interferometer,
    read_photonic,
    shown,
)
from phalanx.quantum.photonic._drawing import one_by_one

DIP = PhotonicProgram(modes=2, photons=(1, 1), circuit=(BeamSplitter(modes=(0, 1)),), min_detected=2)


def random_unitary(n_modes, seed):
    rng = np.random.default_rng(seed)
    q, r = np.linalg.qr(rng.normal(size=(n_modes, n_modes)) + 1j * rng.normal(size=(n_modes, n_modes)))
    return q * (np.diag(r) / np.abs(np.diag(r)))


def through(matrix, photons, **others):
    whole = interferometer(tuple(range(len(photons))), np.asarray(matrix))
    return PhotonicProgram(modes=len(photons), photons=tuple(photons), circuit=(whole,), **others)


def permanent(matrix):
    n = len(matrix)
    return sum(np.prod([matrix[at, to[at]] for at in range(n)]) for to in itertools.permutations(range(n)))


def repeated(counts):
    return [mode for mode, n in enumerate(counts) for _ in range(n)]


def apart(counts, weights):
    """Total variation distance."""
    shots, whole = sum(counts.values()), sum(weights.values())
    keys = {*counts, *weights}
    return sum(abs(counts.get(key, 0) / shots - weights.get(key, 0.0) / whole) for key in keys) / 2


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("visibility", [0.0, 0.5, 0.934, 1.0])
@pytest.mark.parametrize("transmittance", [1.0, 0.0532])
def test_two_photons_on_a_beam_splitter_dip_as_their_visibility_says(visibility, transmittance):
    found = expected(DIP, Source(indistinguishability=visibility, transmittance=transmittance))
    assert found.among_kept("1,1") == pytest.approx((1 - visibility) / 2)
    assert found.kept == pytest.approx(transmittance**2 / (1 - (1 - transmittance) ** 2))


@pytest.mark.parametrize("theta", [0.3, math.pi / 2, 2.5])
@pytest.mark.parametrize("convention", ["rx", "ry", "h"])
def test_a_beam_splitter_of_any_convention_interferes_by_its_angle(theta, convention):
    both = PhotonicProgram(
        modes=2, photons=(1, 1), circuit=(BeamSplitter(modes=(1, 0), theta=theta, convention=convention),)
    )
    assert expected(both).weights.get("1,1", 0.0) == pytest.approx(math.cos(theta) ** 2, abs=1e-12)
    one = PhotonicProgram(modes=2, photons=(1, 0), circuit=both.circuit)
    assert expected(one).weights["1,0"] == pytest.approx(math.cos(theta / 2) ** 2)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_a_fourier_interferometer_suppresses_what_the_law_says(n):
    """Tichy et al., Phys. Rev. Lett. 104, 220405: one photon in each mode, and Σ k·sₖ is no multiple of n."""
    fourier = np.exp(2j * np.pi * np.outer(range(n), range(n)) / n) / math.sqrt(n)
    states, weights = amplitude_weights(through(fourier, (1,) * n))
    forbidden = (states * np.arange(n)).sum(axis=1) % n != 0
    assert forbidden.any()
    assert weights[forbidden].max() < 1e-12
    assert weights.sum() == pytest.approx(1.0)
    alone = expected(through(fourier, (1,) * n), Source(indistinguishability=0.0))
    assert alone.weights[shown((1,) * n)] == pytest.approx(math.factorial(n) / n**n), "balls know no such law"


@pytest.mark.parametrize("photons", [(1, 1, 0), (2, 0, 1, 0), (1, 1, 1, 1), (0, 3), (4,), (1, 0, 1, 1, 0)])
def test_weights_are_permanents(photons):
    unitary = random_unitary(len(photons), 5)
    states, weights = amplitude_weights(through(unitary, photons))
    assert len(states) == math.comb(len(photons) + sum(photons) - 1, sum(photons))
    for state, weight in zip(states.tolist(), weights, strict=True):
        whole = permanent(unitary[np.ix_(repeated(state), repeated(photons))])
        repeats = math.prod(math.factorial(n) for n in (*state, *photons))
        assert weight == pytest.approx(abs(whole) ** 2 / repeats, abs=1e-12)


def test_states_evolve_as_under_ladder_operators():
    """A Hamiltonian of creators and annihilators, exponentiated in a space that holds every photon."""
    n_modes, photons = 3, (1, 2, 0)
    size = sum(photons) + 1
    lower = np.diag(np.sqrt(np.arange(1, size)), 1)
    ladders = [
        np.kron(np.kron(np.eye(size**mode), lower), np.eye(size ** (n_modes - mode - 1))) for mode in range(n_modes)
    ]
    circuit = (
        BeamSplitter(modes=(0, 1), theta=1.1), PhaseShifter(mode=1, phi=0.7),
        BeamSplitter(modes=(2, 1), theta=0.9, convention="h"), Permutation(modes=(0, 2), to=(2, 0)),
        BeamSplitter(modes=(0, 1), theta=2.0, convention="ry"),
    )  # fmt: skip
    program = PhotonicProgram(modes=n_modes, photons=photons, circuit=circuit)
    phases, vectors = np.linalg.eig(program.unitary)
    generator = vectors @ np.diag(np.log(phases)) @ np.linalg.inv(vectors)
    whole = sum(generator[i, j] * ladders[i].T @ ladders[j] for i in range(n_modes) for j in range(n_modes))
    start = np.zeros(size**n_modes, complex)
    start[np.ravel_multi_index(photons, (size,) * n_modes)] = 1.0
    energies, states = np.linalg.eigh(1j * whole)
    theirs = np.abs(states @ (np.exp(-1j * energies) * (states.conj().T @ start))) ** 2
    states, weights = amplitude_weights(program)
    ours = theirs[np.ravel_multi_index(tuple(states.T), (size,) * n_modes)]
    np.testing.assert_allclose(weights, ours, atol=1e-9)
    assert weights.max() < 0.9, "the example tells a wrong evolution from a right one"


@pytest.mark.parametrize("g2", [0.001, 0.018, 0.2, 0.5])
@pytest.mark.parametrize("brightness", [1.0, 0.3])
def test_double_emissions_correlate_as_g2_says(g2, brightness):
    """What two detectors behind an even beam splitter would see: ⟨n(n−1)⟩ / ⟨n⟩², whatever is lost."""
    source = Source(g2=g2, brightness=brightness, transmittance=0.4)
    none, photon, extra, both = source.arriving
    assert none + photon + extra + both == pytest.approx(1.0)
    assert min(none, photon, extra, both) >= 0
    assert 2 * both / (photon + extra + 2 * both) ** 2 == pytest.approx(g2)


def test_a_source_of_doubles_sends_two_photons_that_do_not_interfere():
    source = Source(g2=0.2, indistinguishability=1.0)
    one = PhotonicProgram(modes=2, photons=(1, 0), circuit=DIP.circuit)
    found = expected(one, source)
    assert found.weights["1,1"] == pytest.approx(source.doubles / 2), (
        "two photons of different kinds part half the time"
    )
    assert found.kept == pytest.approx(1.0)


@given(st.integers(0, 2**32), st.lists(st.integers(0, 2), min_size=1, max_size=4).filter(any))
def test_probabilities_add_up_to_one(seed, photons):
    program = through(random_unitary(len(photons), seed), photons)
    for source in (Source(), Source(indistinguishability=0.3), Source(transmittance=0.2, g2=0.1)):
        assert expected(program, source).kept == pytest.approx(1.0)


def test_losses_leave_a_binomial_number_of_photons():
    program = through(random_unitary(4, 2), (1, 1, 1, 0))
    found = expected(program, Source(transmittance=0.6, indistinguishability=0.8))
    for k in range(1, 4):
        seen = sum(weight for key, weight in found.weights.items() if sum(map(int, key.split(","))) == k)
        assert seen == pytest.approx(math.comb(3, k) * 0.6**k * 0.4 ** (3 - k) / (1 - 0.4**3))


@pytest.mark.parametrize("detectors", ["number", "threshold"])
@pytest.mark.parametrize(
    "source",
    [Source(), Source(indistinguishability=0.7), Source(transmittance=0.3, indistinguishability=0.8, g2=0.1),
     Source(indistinguishability=0.0, brightness=0.5)],
)  # fmt: skip
def test_draws_follow_the_exact_distribution(detectors, source):
    program = through(random_unitary(4, 8), (1, 1, 0, 1), detectors=detectors)
    shots = 100_000
    counts = drawn(program, shots, Rng(4), source)
    assert sum(counts.values()) == shots
    weights = expected(program, source).weights
    # The mean of the distance is below √(outcomes / shots) / 2.
    assert apart(counts, weights) < 0.6 * math.sqrt(len(weights) / shots) + 0.001


def test_photons_drawn_one_by_one_follow_the_exact_distribution():
    unitary = random_unitary(4, 3)
    runs, columns = 100_000, [0, 1, 1, 3]
    rows, times = np.unique(one_by_one(unitary[:, columns], runs, np.random.default_rng(5)), axis=0, return_counts=True)
    counts = {shown(row): n for row, n in zip(rows.tolist(), times.tolist(), strict=True)}
    states, weights = amplitude_weights(through(unitary, (1, 2, 0, 1)))
    exact = {shown(row): weight for row, weight in zip(states.tolist(), weights.tolist(), strict=True)}
    assert apart(counts, exact) < 0.6 * math.sqrt(len(exact) / runs) + 0.001


def test_many_photons_are_drawn_without_a_list_of_their_outcomes():
    wide = through(random_unitary(24, 1), (1,) * 12 + (0,) * 12)
    with pytest.raises(LimitExceeded, match="weights of an exact distribution"):
        expected(wide)
    counts = drawn(wide, 20, Rng(1))
    assert sum(counts.values()) == 20
    assert all(sum(map(int, key.split(","))) == 12 for key in counts)
    with pytest.raises(LimitExceeded, match="1,000,000 shots of 12 photons in 24 modes"):
        drawn(wide, 1_000_000, Rng(1))


def test_one_seed_is_one_draw():
    program = through(random_unitary(4, 8), (1, 1, 0, 1))
    assert drawn(program, 1_000, Rng(4)) == drawn(program, 1_000, Rng(4)) != drawn(program, 1_000, Rng(5))


def test_heralds_conditions_and_clicks_say_what_is_kept():
    through_three = through(random_unitary(3, 4), (1, 1, 1))
    every = expected(through_three).weights
    kept = msgspec.structs.replace(
        through_three, heralds=(Herald(mode=2),), postselect=(Condition(modes=(0, 1), photons=(0, 2)),)
    )
    found = expected(kept)
    assert found.heralded == pytest.approx(sum(w for key, w in every.items() if key.endswith(",1")))
    assert set(found.weights) == {"2,0,1", "1,1,1", "0,2,1"}
    assert found.kept == pytest.approx(sum(every[key] for key in found.weights))
    counts = drawn(kept, 20_000, Rng(2))
    assert set(counts) == set(found.weights)
    assert sum(counts.values()) / 20_000 == pytest.approx(found.kept, abs=0.02)
    clicks = expected(msgspec.structs.replace(DIP, detectors="threshold", min_detected=0))
    assert clicks.weights == pytest.approx({"1,0": 0.5, "0,1": 0.5})
    assert drawn(msgspec.structs.replace(DIP, detectors="threshold"), 100, Rng(1)) == {}, "what bunches clicks once"


def test_a_program_is_its_text():
    program = PhotonicProgram(
        modes=4, photons=(1, 0, 1, 0), detectors="threshold", rails=((0, 1), (2, 3)),
        circuit=(*DIP.circuit, PhaseShifter(mode=3, phi=0.25), Permutation(modes=(0, 1, 2), to=(1, 2, 0)),
                 interferometer((3, 1), random_unitary(2, 1))),
        heralds=(Herald(mode=1, photons=0),), postselect=(Condition(modes=(2, 3), photons=(1,)),), min_detected=1,
    )  # fmt: skip
    again = read_photonic(program.text)
    assert again == program
    assert (again.text, again.digest) == (program.text, program.digest)
    np.testing.assert_allclose(again.unitary.conj().T @ again.unitary, np.eye(4), atol=1e-12)
    assert program.bits("1,0,0,1") == "01"
    assert program.bits("1,1,0,0") == "--"
    whole, fraction = '{"modes":1,"photons":[1],"circuit":[{"kind":"phase","mode":0,"phi":%s}]}', ("1", "1.0")
    assert len({read_photonic(whole % one).digest for one in fraction}) == 1


ANGLES = st.floats(-7, 7, allow_nan=False)


@st.composite
def programs(draw):
    n = draw(st.integers(2, 5))
    photons = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n).filter(any))
    pair = st.permutations(range(n)).map(lambda order: tuple(order[:2]))
    component = st.one_of(
        st.builds(BeamSplitter, modes=pair, theta=ANGLES, convention=st.sampled_from(["rx", "ry", "h"])),
        st.builds(PhaseShifter, mode=st.integers(0, n - 1), phi=ANGLES),
        st.permutations(range(n)).map(lambda to: Permutation(modes=tuple(range(n)), to=tuple(to))),
        pair.map(lambda modes: interferometer(modes, random_unitary(2, sum(modes)))),
    )
    circuit = tuple(draw(st.lists(component, max_size=6)))
    return PhotonicProgram(
        modes=n,
        photons=tuple(photons),
        circuit=circuit,
        detectors=draw(st.sampled_from(["number", "threshold"])),
        min_detected=draw(st.integers(0, sum(photons))),
        rails=((0, 1),),
        heralds=(Herald(mode=n - 1, photons=1),),
    )


@given(programs())
def test_any_program_comes_back_from_its_text_and_loses_no_light(program):
    again = read_photonic(program.text)
    assert (again, again.digest) == (program, program.digest)
    np.testing.assert_allclose(program.unitary.conj().T @ program.unitary, np.eye(program.modes), atol=1e-9)
    _, weights = amplitude_weights(program)
    assert weights.sum() == pytest.approx(1.0)


def test_light_goes_where_a_permutation_says():
    moved = PhotonicProgram(modes=3, photons=(1, 0, 0), circuit=(Permutation(modes=(0, 1, 2), to=(2, 0, 1)),))
    assert expected(moved).weights == pytest.approx({"0,0,1": 1.0})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"photons": [1]}, "program.photons"),
        ({"photons": [1, -1]}, "program.photons"),
        ({"photons": [0, 0]}, "no photon"),
        ({"circuit": [{"kind": "beam-splitter", "modes": [0, 0]}]}, r"program.circuit\[0\].modes"),
        ({"circuit": [{"kind": "beam-splitter", "modes": [0, 2]}]}, r"program.circuit\[0\].modes"),
        ({"circuit": [{"kind": "beam-splitter", "modes": [0, 1], "convention": "x"}]}, "convention"),
        ({"circuit": [{"kind": "phase", "mode": 2, "phi": 0}]}, r"program.circuit\[0\].mode"),
        ({"circuit": [{"kind": "permutation", "modes": [0, 1], "to": [0, 0]}]}, r"program.circuit\[0\].to"),
        ({"circuit": [{"kind": "unitary", "modes": [0], "matrix": [[[0.9, 0]]]}]}, "is not unitary"),
        ({"circuit": [{"kind": "unitary", "modes": [0, 1], "matrix": [[[1, 0]]]}]}, r"program.circuit\[0\].matrix"),
        ({"circuit": [{"kind": "squeezer", "mode": 0}]}, "squeezer"),
        ({"heralds": [{"mode": 5}]}, "program.heralds"),
        ({"heralds": [{"mode": 0, "photons": 3}]}, r"program.heralds\[0\].photons"),
        ({"heralds": [{"mode": 0, "photons": 2}], "detectors": "threshold"}, r"program.heralds\[0\].photons"),
        ({"postselect": [{"modes": [0, 0], "photons": [1]}]}, r"program.postselect\[0\].modes"),
        ({"postselect": [{"modes": [0], "photons": []}]}, r"program.postselect\[0\].photons"),
        ({"min_detected": 3}, "program.min_detected"),
        ({"rails": [[0, 1], [1, 0]]}, "program.rails"),
        ({"detectors": "none"}, "detectors"),
        ({"mirrors": 2}, "mirrors"),
    ],
)
def test_what_is_wrong_is_told_by_field(change, field):
    with pytest.raises(InvalidInput, match=field):
        read_photonic(json.dumps({"modes": 2, "photons": [1, 1]} | change))


@pytest.mark.parametrize("given", [{"modes": 65, "photons": [1] * 65}, {"modes": 2, "photons": [9, 9]}])
def test_what_is_too_much_is_told_with_its_bound(given):
    with pytest.raises(LimitExceeded):
        read_photonic(json.dumps(given))


@pytest.mark.parametrize("wrong", [{"transmittance": 0.0}, {"brightness": 1.5}, {"indistinguishability": -0.1},
                                   {"g2": 0.7}])  # fmt: skip
def test_what_no_source_is_is_refused(wrong):
    with pytest.raises(InvalidInput, match=f"source.{next(iter(wrong))}"):
        Source(**wrong)
