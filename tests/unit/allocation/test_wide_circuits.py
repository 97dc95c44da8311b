"""Circuits too wide to be emulated: no machine that is emulated here is chosen, and one that is named says so."""

import pytest

from phalanx.core import DEFAULT_TENANT, LimitExceeded, Origin, Unavailable
from phalanx.devices import MAX_EMULATED_QUBITS, FleetChooser, Wish, beyond_emulation
from phalanx.node import Settings, build_node
from phalanx.quantum import Gates
from phalanx.testing import SimWorld

MACHINE = "ibm.fake_brisbane"


def chain(n, touched):
    gates = Gates(n).h(0)
    for qubit in range(touched - 1):
        gates.cx(qubit, qubit + 1)
    return gates.measure(0).circuit()


@pytest.mark.requirement("QRM-1")
def test_machines_that_are_emulated_take_what_can_be_emulated():
    async def main(world):
        async with build_node(Settings(), world.ports("n")) as node:
            wide, narrow = chain(40, MAX_EMULATED_QUBITS + 1), chain(40, MAX_EMULATED_QUBITS)
            assert beyond_emulation(node.fleet.devices(), narrow) == {}
            for chooser in (node.placements, FleetChooser(node.fleet)):
                with pytest.raises(Unavailable, match="emulated here, up to 22 qubits that gates touch"):
                    await chooser.choose(Wish(circuit=wide, shots=10, tenant=DEFAULT_TENANT))
            explained = await node.placements.explain(
                Wish(circuit=wide, shots=10, tenant=DEFAULT_TENANT, origin=Origin.EMULATED)
            )
            reasons = {one.device: one.reason for one in explained.devices}
            assert explained.device == ""
            assert reasons[MACHINE] == "is emulated here, up to 22 qubits that gates touch, and these are 23"
            with pytest.raises(LimitExceeded, match="which is emulated here"):
                await node.jobs.submit(DEFAULT_TENANT, wide, shots=10, device=MACHINE)
            assert (await node.jobs.submit(DEFAULT_TENANT, narrow, shots=10, device=MACHINE)).device == MACHINE

    SimWorld(1).run(main)
