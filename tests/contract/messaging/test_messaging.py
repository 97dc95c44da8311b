"""One suite for whatever carries frames: simulated links, good and bad, and a real NATS server."""

import asyncio
import contextlib

import pytest

from phalanx.adapters import (
    NatsAccess,
    NatsServer,
    NatsServerPlan,
    NatsTransport,
    OsEntropy,
    OsFiles,
    SegmentJournals,
    SystemClock,
    ThreadOffload,
)
from phalanx.core import Rng, Uuid7Source
from phalanx.messaging import ClearPeers
from phalanx.telemetry import Telemetry
from phalanx.testing import ROUGH_NETWORK, Faults, NetworkFaults, SimWorld
from phalanx.testing.contracts import MESSAGING_CHECKS, Line

checks = pytest.mark.parametrize("check", MESSAGING_CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))


@checks
@pytest.mark.parametrize("network", [NetworkFaults(), ROUGH_NETWORK], ids=["good", "rough"])
@pytest.mark.requirement("MSG-7")
def test_in_memory(check, network):
    async def main(world):
        async def open_peers(name):
            return ClearPeers([world.transport(name)])

        async def open_journal(name):
            return await world.journals(name).open("outbox")

        await check(Line(open_peers, open_journal, world.clock, world.ids, world.rng.child("line")))

    SimWorld(5, faults=Faults(network=network)).run(main)


@checks
@pytest.mark.requirement("MSG-7")
def test_over_nats(check, tmp_path):
    pytest.importorskip("nats", reason="the extra `cluster` is not installed")

    async def main():
        clock, rng = SystemClock(), Rng(5)
        telemetry = Telemetry(clock)
        async with contextlib.AsyncExitStack() as stack:
            plan = NatsServerPlan(tmp_path / "server")
            server = await NatsServer.start(plan, clock=clock, telemetry=telemetry)
            watching = asyncio.create_task(server.watch())
            stack.push_async_callback(server.stop)
            stack.callback(watching.cancel)

            async def open_peers(name):
                access = NatsAccess((server.url,), None, None)
                return ClearPeers(
                    [
                        await NatsTransport.open(access, name, clock=clock, rng=rng, telemetry=telemetry, path=path)
                        for path in ("primary", "backup")
                    ]
                )

            offload = stack.enter_context(contextlib.closing(ThreadOffload(2)))
            opened = {}

            async def open_journal(name):
                if name in opened:
                    opened[name].close()
                files = opened[name] = OsFiles(tmp_path / name)
                stack.callback(files.close)
                return await SegmentJournals(files, "journals", entropy=OsEntropy(), offload=offload).open("outbox")

            async with asyncio.timeout(300):
                await check(Line(open_peers, open_journal, clock, Uuid7Source(clock, rng.bits), rng.child("line")))

    asyncio.run(main())
