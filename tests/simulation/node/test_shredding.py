"""A tenant is shredded while its events are on their way: it is gone, and the others do not notice."""

import pytest

from phalanx.agents import MISSIONS, Mission, MissionStatus
from phalanx.core import DEFAULT_TENANT, TenantId, decode
from phalanx.crypto.vault import Shredded
from phalanx.demo import Intrusion, address_book
from phalanx.node import Settings, build_node
from phalanx.testing import SimWorld

pytestmark = pytest.mark.requirement("CRY-4")

ACME = TenantId("acme")


@pytest.mark.parametrize("seed", range(4))
def test_at_any_moment(seed):
    intrusion = Intrusion(3, length_s=60.0, events_per_s=2.0, chunk_s=6.0)
    chunks = list(intrusion.chunks())

    async def life(machine):
        async with build_node(Settings(), machine.ports(), host_names=address_book()) as node:
            at = node.clock.monotonic_ns()
            rng = machine.world.rng.child("plan")
            shred_at, gone = rng.integer(3, len(chunks)), False
            for n, chunk in enumerate(chunks):
                if n == shred_at:
                    await node.clock.sleep(rng.exponential(0.05))
                    await node.vault.shred(ACME, actor="ada")
                    gone = True
                for tenant in (ACME, DEFAULT_TENANT):
                    try:
                        await node.intake.accept(chunk.data, tenant=tenant, reader=chunk.reader_hint)
                    except Shredded:
                        assert gone
                        assert tenant == ACME
                await node.clock.sleep(0.2)
            await node.settled()
            rows = await node.store.scan(MISSIONS, DEFAULT_TENANT)
            missions = [decode(row.value, Mission) for row in rows]
            assert missions
            assert {mission.status for mission in missions} == {MissionStatus.DONE}
            await node.ledger.verify()
            assert node.clock.monotonic_ns() - at < 120 * 10**9, "nothing waited for the shredded one"
            assert node.ready, node.health()

    async def main(world):
        await world.node("machine").start(life)

    SimWorld(seed).run(main)
