"""Annealers, and neutral atoms pulse by pulse, against their suites."""

import asyncio

import numpy as np
import pytest

from phalanx.adapters.providers import dwave_provider, pasqal_provider, pegasus_snapshot
from phalanx.core import InvalidInput, Origin, Unavailable
from phalanx.devices import (
    Annealer,
    Modality,
    ProviderContext,
    local_provider,
    read_problem,
    shipped_snapshots,
)
from phalanx.quantum import Gates
from phalanx.testing import InlineOffload, SimWorld
from phalanx.testing.contracts import ANNEALER_CHECKS, DEVICE_CHECKS, check_provider

pytestmark = pytest.mark.vendor


def context(*hardware):
    return ProviderContext(InlineOffload(), SimWorld(1).clock, frozenset(hardware))


ANNEALING = pytest.mark.parametrize("check", ANNEALER_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))


@pytest.mark.requirement("QRM-8")
@ANNEALING
def test_classical_annealing_on_a_topology(check):
    pytest.importorskip("dwave.samplers", reason="the extra annealing is not installed")
    (backend,) = dwave_provider(context()).backends()
    assert isinstance(backend, Annealer)
    assert (backend.device.kind, backend.device.origin) == (Modality.ANNEALER, Origin.SIMULATED)
    asyncio.run(check(backend))


@pytest.mark.requirement("QRM-8")
@ANNEALING
def test_the_annealer_that_is_always_there(check):
    (backend,) = [one for one in local_provider(context()).backends() if one.device.name == "local.annealer"]
    assert isinstance(backend, Annealer)
    assert (backend.device.kind, backend.device.origin) == (Modality.ANNEALER, Origin.SIMULATED)
    asyncio.run(check(backend))


def test_a_topology_without_its_sampler_is_offline_and_says_what_to_install(monkeypatch):
    from phalanx.adapters.providers import _dwave

    monkeypatch.setattr(_dwave, "find_spec", lambda _: None)
    (backend,) = dwave_provider(context()).backends()
    assert not backend.device.status.takes_work
    assert "phalanx[annealing]" in backend.device.title


def test_pegasus_is_as_large_as_published():
    (shipped,) = shipped_snapshots("dwave")
    made = pegasus_snapshot()
    assert (made.head.n_qubits, made.head.n_couplers) == (5_640, 40_484)
    assert np.array_equal(shipped.calibration.pair, made.calibration.pair)
    degrees = np.bincount(made.calibration.pair.reshape(-1))
    assert degrees.max() == 15


def test_problems_are_read_from_json():
    problem = read_problem(b'{"fields": [0.5, -1], "couplings": [[0, 1, 2.0], [1, 0, 0.5]]}')
    assert problem.couplings.tolist() == [2.5]
    spins = np.array([[1, -1]], np.int8)
    assert problem.energies(spins).tolist() == [0.5 + 1 - 2.5]
    assert read_problem(b'{"qubo": [[0, 0, -1], [0, 1, 2]]}').n_spins == 2
    for wrong in (b"{}", b"[]", b'{"fields": [1], "couplings": [[0, 5, 1.0]]}', b'{"qubo": []}'):
        with pytest.raises(InvalidInput):
            read_problem(wrong)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_neutral_atoms(check):
    pytest.importorskip("pulser_simulation", reason="the extra pasqal is not installed")
    provider = pasqal_provider(context())
    check_provider(provider)
    (backend,) = [one for one in provider.backends() if one.device.features.gates]
    assert (backend.device.kind, backend.device.origin) == (Modality.NEUTRAL_ATOM, Origin.EMULATED)
    asyncio.run(check(backend))


@pytest.mark.requirement("QRM-8")
def test_pulses_entangle_atoms():
    pytest.importorskip("pulser_simulation", reason="the extra pasqal is not installed")
    (backend,) = [one for one in pasqal_provider(context()).backends() if one.device.features.gates]
    ghz = Gates(3).h(0).cx(0, 1).cx(1, 2).h(0).h(1).h(2).measure(0, 1, 2).circuit()
    counts = asyncio.run(backend.run(ghz, shots=2_000, seed=1)).counts
    # A GHZ state measured along x has an even number of ones, a mixture of its two parts as often an odd one.
    even = sum(n for bits, n in counts.items() if bits.count("1") % 2 == 0)
    assert even > 1_700


def test_without_an_account_there_is_no_hardware():
    with pytest.raises(InvalidInput):
        pasqal_provider(context("pasqal"))
    with pytest.raises(Unavailable, match=r"the secret dwave\.token"):
        dwave_provider(context("dwave"))
