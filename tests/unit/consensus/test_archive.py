"""What is kept of decisions: once, in the order in which they were made."""

import pytest

from phalanx.consensus import COMMIT, Agreement, Archive, Certificate, Instance, Question
from phalanx.core import DEFAULT_TENANT, NO_TRACE
from phalanx.testing import MemoryAudit, SimWorld
from phalanx.testing.consensus import ideal_epoch

EPOCH, SIGNERS, _ = ideal_epoch(4)


def agreement(number):
    instance = Instance(EPOCH, Question(("a", "b"), bytes([number]) * 32))
    statement = instance.vote_statement(1, COMMIT, 0)
    signatures = tuple(signer.sign(statement) for signer in SIGNERS[:3])
    return Agreement(instance, Certificate(instance.slot, 1, COMMIT, 0, (0, 1, 2), signatures))


@pytest.mark.requirement("CON-4")
def test_decisions_of_one_epoch_are_listed_in_the_order_in_which_they_were_made():
    async def main(world):
        archive = Archive(world.store("disk"), MemoryAudit(), world.clock)
        kept = []
        for number in range(12):
            await world.clock.sleep(0.01)
            kept.append((await archive.keep(DEFAULT_TENANT, NO_TRACE, agreement(number))).id)
        assert [one.id for one in await archive.list(DEFAULT_TENANT)] == kept
        assert [one.id for one in await archive.newest(DEFAULT_TENANT, limit=3)] == kept[:-4:-1]

    SimWorld(1).run(main)


@pytest.mark.requirement("CON-4")
def test_a_decision_is_kept_once_however_often_it_is_told():
    async def main(world):
        told = MemoryAudit()
        archive = Archive(world.store("disk"), told, world.clock)
        first = await archive.keep(DEFAULT_TENANT, NO_TRACE, agreement(1))
        await world.clock.sleep(1)
        assert await archive.keep(DEFAULT_TENANT, NO_TRACE, agreement(1)) == first
        assert await archive.list(DEFAULT_TENANT) == [first]
        assert len({entry.id for entry in told.entries}) == 1

    SimWorld(1).run(main)
