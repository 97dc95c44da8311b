"""One trace id leads through every room that an event passes."""

import asyncio

from phalanx.core import DEFAULT_TENANT
from phalanx.demo import Intrusion, address_book, deliver
from phalanx.node import Settings, build_node
from phalanx.testing import SimWorld


def test_the_spans_of_one_trace_name_every_room_on_the_way():
    async def main(world: SimWorld) -> list[set[str]]:
        async with build_node(Settings(), world.ports("node"), host_names=address_book()) as node:
            await deliver(Intrusion(3, length_s=30, events_per_s=2), node, speed=1.0)
            decided = await node.responses.decisions(DEFAULT_TENANT)
            await asyncio.sleep(0)
            return [{span.room for span in node.telemetry.tracer.spans(one.trace)} for one in decided]

    # A commit of several findings is a span of the first one's trace.
    whole = {"intel", "agents", "workflows", "incidents", "ledger"}
    assert any(rooms >= whole for rooms in SimWorld(3).run(main))
