"""The demo asks an emulated machine once more, and says which, why, and what noise makes of the answer."""

import pytest

from phalanx.core import DEFAULT_TENANT, Origin
from phalanx.demo import Intrusion, address_book, ask_a_machine, deliver
from phalanx.node import Settings, build_node
from phalanx.testing import SimWorld


@pytest.mark.requirement("QRM-2")
def test_the_gravest_case_is_asked_about_on_a_machine_that_is_named_with_the_reason():
    async def main(world):
        async with build_node(Settings(), world.ports("n"), host_names=address_book()) as node:
            assert await ask_a_machine(node) is None, "nothing was assessed yet"
            await deliver(Intrusion(7, length_s=60, events_per_s=5), node, speed=1e6)
            asked = await ask_a_machine(node)
            jobs = await node.jobs.newest(DEFAULT_TENANT, limit=10)
        assert asked is not None
        assert [job.id for job in jobs] == [asked.job.id]
        assert asked.job.provenance.origin is Origin.EMULATED
        assert abs(asked.seen - asked.ideal) < 0.15, "noise moves the answer and does not drown it"
        assert asked.job.device in str(asked)
        assert asked.job.reason in str(asked)

    SimWorld(5).run(main)
