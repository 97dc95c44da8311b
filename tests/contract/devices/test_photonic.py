"""Machines of photons against their suite, where photonic programs go, and what stands beside their results."""

import asyncio

import pytest

from phalanx.adapters.providers import quandela_provider
from phalanx.core import Origin
from phalanx.devices import (
    EXACT,
    Fleet,
    Modality,
    NoDeviceFits,
    PhotonicBackend,
    Program,
    ProviderContext,
    local_provider,
    perform,
)
from phalanx.quantum import Gates, InvalidCircuit
from phalanx.quantum.photonic import BeamSplitter, PhotonicProgram
from phalanx.testing import InlineOffload, SimWorld
from phalanx.testing.contracts import PHOTONIC_CHECKS

NAMES = ("local.photons", "quandela.ascella", "quandela.belenos")
DIP = PhotonicProgram(modes=2, photons=(1, 1), circuit=(BeamSplitter(modes=(0, 1)),), detectors="threshold")


def backends():
    context = ProviderContext(InlineOffload(), SimWorld(1).clock)
    return [one for make in (local_provider, quandela_provider) for one in make(context).backends()]


def backend(name):
    return next(one for one in backends() if one.device.name == name)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", PHOTONIC_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", NAMES)
def test_photons(name, check):
    found = backend(name)
    assert isinstance(found, PhotonicBackend)
    asyncio.run(check(found))


@pytest.mark.requirement("QRM-8")
def test_results_say_what_they_are_and_of_which_day_the_figures_are():
    ideal, machine = (asyncio.run(backend(name).interfere(DIP, shots=10, seed=1)) for name in NAMES[:2])
    assert (ideal.provenance.origin, ideal.provenance.calibrated_at_ns) == (Origin.SIMULATED, None)
    ascella = backend("quandela.ascella").device
    assert (ascella.kind, machine.provenance.origin) == (Modality.PHOTONIC, Origin.EMULATED)
    assert machine.provenance.calibrated_at_ns == ascella.photonic.as_of_ns != ascella.calibration.calibrated_at_ns


@pytest.mark.requirement("QRM-8")
def test_programs_go_to_photons_and_to_nothing_else():
    fleet = Fleet(backends())
    program = Program.of_photonic(DIP)
    placed = fleet.place_program(program, shots=100)
    assert placed.backend.device.name == "local.photons"
    assert "2 modes and 100 shots" in placed.reason
    reasons = {one.device.name: one.reason for one in placed.considered}
    assert "takes no photonic programs" in reasons["local.statevector"]
    emulated = fleet.place_program(program, shots=100, origin=Origin.EMULATED)
    assert emulated.backend.device.name == "quandela.ascella", "it is smaller than Belenos"
    wide = Program.of_photonic(PhotonicProgram(modes=13, photons=(1,) * 2 + (0,) * 11, detectors="threshold"))
    assert fleet.place_program(wide, origin=Origin.EMULATED).backend.device.name == "quandela.belenos"
    counting = Program.of_photonic(PhotonicProgram(modes=2, photons=(1, 1)))
    with pytest.raises(NoDeviceFits, match='is to be "threshold" on quandela'):
        fleet.place_program(counting, origin=Origin.EMULATED)
    with pytest.raises(NoDeviceFits, match="takes no analog programs"):
        fleet.place_program(Program.read('{"atoms_um":[[0,0]],"amplitude":[[0,0],[1,0]],"detuning":[[0,0],[1,0]]}'))


def test_circuits_never_go_to_photons_without_gates():
    placed = Fleet(backends()).place(12)
    assert placed.backend.device.name == "local.statevector"
    with pytest.raises(InvalidCircuit, match="phalanx circuits photons"):
        asyncio.run(backend("quandela.belenos").run(Gates(1).h(0).measure(0).circuit(), shots=1, seed=1))


@pytest.mark.requirement("QRM-8")
def test_beside_a_result_stands_what_photons_do_that_do_not_interfere():
    program = Program.of_photonic(PhotonicProgram(modes=2, photons=(1, 1), circuit=DIP.circuit, min_detected=2))
    result = asyncio.run(perform(backend("local.photons"), program, shots=1_000, seed=1, offload=InlineOffload()))
    assert set(result.counts) == {"2,0", "0,2"}
    exact, balls = result.provenance.baselines
    assert (exact.value, balls.value) == pytest.approx((0.5, 0.25))
    assert "do not interfere" in balls.method
    assert all("among what is kept, exactly" in one.method and one.cost > 0 for one in (exact, balls))
    assert EXACT not in exact.method


def test_beside_a_lossy_result_the_losses_are_the_same():
    program = Program.of_photonic(PhotonicProgram(modes=2, photons=(1, 1), circuit=DIP.circuit, detectors="threshold"))
    belenos = backend("quandela.belenos")
    result = asyncio.run(perform(belenos, program, shots=100_000, seed=1, offload=InlineOffload()))
    assert sum(result.counts.values()) == 100_000
    outcome = max(result.counts, key=lambda one: (result.counts[one], one))
    exact, _ = result.provenance.baselines
    assert exact.value == pytest.approx(result.counts[outcome] / 100_000, abs=0.006)
    assert exact.value == pytest.approx(0.5, abs=0.01), "one click here or there, photons that met or that came alone"


def test_nothing_stands_beside_what_is_too_much_or_not_there():
    wide = PhotonicProgram(modes=24, photons=(1,) * 12 + (0,) * 12, detectors="threshold")
    result = asyncio.run(perform(backend("quandela.belenos"), Program.of_photonic(wide), shots=10, seed=1,
                                 offload=InlineOffload()))  # fmt: skip
    assert result.provenance.baselines == ()
    none = PhotonicProgram(modes=2, photons=(1, 1), circuit=DIP.circuit, detectors="threshold", min_detected=2)
    result = asyncio.run(perform(backend("local.photons"), Program.of_photonic(none), shots=10, seed=1,
                                 offload=InlineOffload()))  # fmt: skip
    assert (result.counts, result.provenance.shots, result.provenance.baselines) == ({}, 10, ())
