"""What a node owes its ledger while it runs and when it stops, and whether it says that it is ill."""

from phalanx.core import DEFAULT_TENANT, NO_TRACE, AuditEntry, derive_id
from phalanx.node import Settings, build_node
from phalanx.testing import SimWorld


def entry(world, name):
    now_ns = world.clock.wall_ns()
    return AuditEntry(
        id=derive_id(now_ns, "entry", name), tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=now_ns,
        actor="a test", action="recorded", subject=name, case="",
    )  # fmt: skip


def test_what_was_recorded_is_signed_within_a_minute_and_at_an_orderly_stop():
    async def main(world):
        ports = world.ports("one")
        async with build_node(Settings(), ports) as node:
            assert (await node.ledger.verify()).checkpoints == 0
            await node.ledger.record(entry(world, "first"))
            await world.clock.sleep(61)
            size = node.ledger.size
            assert (await node.ledger.verify()).signed_size == size
            await world.clock.sleep(61)
            assert (await node.ledger.verify()).checkpoints == 1
            await node.ledger.record(entry(world, "second"))
        async with build_node(Settings(), ports) as node:
            report = await node.ledger.verify()
            assert (report.signed_size, report.checkpoints) == (size + 1, 2)

    SimWorld(1).run(main)


def test_a_node_whose_swarm_has_ended_is_not_ready():
    async def main(world):
        async with build_node(Settings(), world.ports("one")) as node:
            assert node.ready
            assert node.health()["swarm"].ok
            await node.swarm.stop()
            assert not node.health()["swarm"].ok
            assert not node.ready

    SimWorld(1).run(main)
