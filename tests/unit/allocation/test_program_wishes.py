"""What is wished of a program without gates is granted or refused, where a machine is named and where one is chosen."""

from dataclasses import replace

import pytest

from phalanx.allocation import NothingFits, Placements, built_in_policies
from phalanx.core import DEFAULT_TENANT, InvalidInput, NotFound, Origin, Unavailable
from phalanx.devices import (
    DrawnAnnealer,
    Fleet,
    Jobs,
    JobWishes,
    Program,
    ProviderContext,
    QueueState,
    ising,
    local_provider,
    price_per_second,
    price_per_shot,
)
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld

SPINS = Program.of_ising(ising({0: 0.5}, {(0, 1): 1.0}, 2))
S = 10**9


def node(world, **machines):
    """Jobs over annealers that differ from the local one in what is given."""
    local = local_provider(ProviderContext(world.offload, world.clock)).backends()
    (own,) = [one for one in local if one.device.name == "local.annealer"]
    others = [
        DrawnAnnealer(replace(own.device, name=f"x.{name}", provider="x", **changes), world.offload, None)
        for name, changes in machines.items()
    ]
    fleet = Fleet(others)
    placements = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="success_probability")
    jobs = Jobs(world.store("n"), world.clock, world.ids, fleet, Telemetry(world.clock), placements)

    async def submit(device="", **wishes):
        asked = JobWishes(**wishes)
        return await jobs.submit(DEFAULT_TENANT, SPINS, shots=100, device=device, wishes=asked)

    return jobs, submit


def on(main):
    SimWorld(1).run(main)


DEAR = {"price": price_per_shot(0.3, 0.01, as_of_ns=1, source="a list"), "origin": Origin.HARDWARE}
BUSY = {"queue": QueueState(depth=3, wait_ns_p50=600 * S, as_of_ns=1), "origin": Origin.HARDWARE}


@pytest.mark.requirement("QRM-8", "QRM-10")
def test_a_machine_that_is_named_has_to_grant_what_is_wished_of_a_program():
    async def main(world):
        jobs, submit = node(world, dear=DEAR, busy=BUSY)
        with pytest.raises(InvalidInput, match=r"x\.dear was asked for, but it would cost 1\.3 USD, more than 1"):
            await submit("x.dear", budget=1.0)
        with pytest.raises(InvalidInput, match=r"x\.busy was asked for, but it would be done in 601 s, and 60 s"):
            await submit("x.busy", deadline_at_ns=world.clock.wall_ns() + 60 * S)
        with pytest.raises(InvalidInput, match="is in local, not in eu"):
            await submit("x.dear", regions=("eu",))
        assert await jobs.newest(DEFAULT_TENANT, limit=9) == [], "nothing is written"
        assert (await submit("x.dear", budget=2.0, deadline_at_ns=world.clock.wall_ns() + 60 * S)).device == "x.dear"

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-10")
def test_a_program_goes_to_a_machine_that_grants_what_is_wished():
    async def main(world):
        by_time = {"price": price_per_second(0.5, as_of_ns=1, source="a list"), "origin": Origin.HARDWARE}
        _, submit = node(world, a_dear=DEAR, b_busy=BUSY, c_by_time=by_time)
        assert (await submit()).device == "x.a_dear", "by the fleet's own rule"
        assert (await submit(budget=1.0)).device == "x.b_busy"
        soon = world.clock.wall_ns() + 60 * S
        assert (await submit(budget=1.0, deadline_at_ns=soon)).device == "x.c_by_time"
        with pytest.raises(Unavailable) as refused:
            await submit(budget=0.1, deadline_at_ns=soon)
        for told in ("would cost 1.3 USD, more than 0.1", "would be done in 601 s", "would cost 0.5 USD"):
            assert told in str(refused.value)
        assert not isinstance(refused.value, NothingFits | NotFound)

    on(main)


def test_what_nobody_foretells_of_a_program_is_refused():
    async def main(world):
        _, submit = node(world, one={})
        for device in ("", "x.one"):
            with pytest.raises(InvalidInput, match="without gates") as refused:
                await submit(device, fidelity=0.5)
            assert refused.value.field == "fidelity"

    on(main)
