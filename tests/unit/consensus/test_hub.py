"""Participants of one process, played to the end by hand."""

import gc
import weakref

from phalanx.consensus import Checks, Fixed, Hub, Instance, Machine, Question
from phalanx.testing.consensus import ideal_epoch


def decided(n):
    """A hub whose participants have all decided."""
    epoch, signers, verifier = ideal_epoch(n)
    instance = Instance(epoch, Question(("approve", "refuse"), bytes(32)))
    checks = Checks(instance, verifier)
    machines = {
        place: Machine(checks, place, signer=signer, judge=Fixed(0, 1), view_ns=1_000, deadline_ns=1 << 62)
        for place, signer in enumerate(signers)
    }
    hub = Hub(instance, machines)
    hub.start(0)
    hub.flush()
    while not hub.settled:
        hub.step(0, 1_000)
        hub.flush()
    assert hub.decision is not None
    return hub, machines


def test_machines_that_are_done_with_leave_nothing_to_a_full_collection():
    gc.disable()
    try:
        hub, machines = decided(7)
        left = [weakref.ref(machine) for machine in machines.values()]
        del hub, machines
        assert [one for one in left if one() is not None] == []
    finally:
        gc.enable()
