"""Every backend of this package against the suite for devices."""

import asyncio

import pytest

from phalanx.core import Origin
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.quantum import Gates, InvalidCircuit
from phalanx.quantum.circuits import read
from phalanx.testing import InlineOffload, SimWorld
from phalanx.testing.contracts import DEVICE_CHECKS, check_provider


@pytest.fixture
def provider():
    return local_provider(ProviderContext(InlineOffload(), SimWorld(1).clock))


def test_the_provider(provider):
    check_provider(provider)


NAMES = ("statevector", "simulator", "stabiliser", "tensor-network", "density-matrix")


@pytest.mark.parametrize("check", DEVICE_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.requirement("QRM-8")
def test_the_local_simulators(check, name, provider):
    backend = next(one for one in provider.backends() if one.device.name == f"local.{name}")
    assert backend.device.origin is Origin.SIMULATED
    asyncio.run(check(backend))


def test_the_fleet_chooses_none_that_wants_to_be_named(provider):
    assert {one.device.name for one in provider.backends()} == {
        f"local.{name}" for name in (*NAMES, "photons", "annealer")
    }
    placement = Fleet(provider.backends()).place(2, shots=10)
    assert placement.backend.device.name == "local.statevector"
    reasons = {one.device.name: one.reason for one in placement.considered}
    assert "names it" in reasons["local.density-matrix"]
    assert "runs no gates" in reasons["local.photons"]


def test_a_thousand_qubits_of_clifford_gates(provider):
    stabiliser = next(one for one in provider.backends() if one.device.name == "local.stabiliser")
    ghz = Gates(1_000).h(0)
    for qubit in range(999):
        ghz.cx(qubit, qubit + 1)
    result = asyncio.run(stabiliser.run(ghz.measure(*range(1_000)).circuit(), shots=200, seed=1))
    assert set(result.counts) == {"0" * 1_000, "1" * 1_000}


@pytest.mark.parametrize("name", ["simulator", "stabiliser"])
def test_what_is_decided_while_it_runs(name, provider):
    text = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; c[0] = measure q[0];'
    circuit = read(text + "if (c[0]) { x q[1]; } c[1] = measure q[1];")
    backend = next(one for one in provider.backends() if one.device.name == f"local.{name}")
    result = asyncio.run(backend.run(circuit, shots=400, seed=1))
    assert set(result.counts) == {"00", "11"}
    other = next(one for one in provider.backends() if one.device.name == "local.tensor-network")
    with pytest.raises(InvalidCircuit, match="decides nothing"):
        asyncio.run(other.run(circuit, shots=10, seed=1))
