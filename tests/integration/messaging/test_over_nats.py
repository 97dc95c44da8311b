"""Buses over a real NATS server whose network is cut, falls silent, or brings more than is taken: nothing is lost."""

import asyncio
import contextlib

import pytest

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.nats import NatsAccess, NatsServer, NatsServerPlan, NatsTransport
from phalanx.adapters.nats import _client as client_module
from phalanx.adapters.nats import _transport as transport_module
from phalanx.adapters.storage import OsFiles, SegmentJournals
from phalanx.core import Rng, Uuid7Source
from phalanx.crypto import ED25519_ML_DSA_65, SigningKey, VerifyingKey
from phalanx.crypto.channel import Party
from phalanx.messaging import EVERYONE, Bus, Kind, Member, SealedPeers, running
from phalanx.telemetry import Telemetry
from phalanx.testing import TcpProxy, wait_until

pytest.importorskip("nats", reason="the extra `cluster` is not installed")

NAMES = ("hq.acme", "lab.acme")


class Line:
    """A bus at each end; what belongs to `hq.acme` passes a proxy."""

    def __init__(self, buses, transports, proxy, boxes):
        self.buses, self.transports, self.proxy = buses, transports, proxy
        self.sender, self.taker = boxes
        self.got = []

    async def take(self):
        async for envelope in self.taker:
            self.got.append(envelope.body)

    def send(self, *bodies):
        return [self.sender.send_nowait(Kind.ALERT, EVERYONE, body) for body in bodies]


def over_nats(folder, test):
    clock, entropy = SystemClock(), OsEntropy()
    keys = {name: SigningKey.generate(ED25519_ML_DSA_65) for name in NAMES}
    owners = {keys[name].public.fingerprint: name for name in NAMES}

    def party(name):
        key = keys[name]
        return Party(key, key.public.to_bytes(), VerifyingKey.from_bytes, lambda shown, _: owners[shown.fingerprint])

    async def run():
        async with contextlib.AsyncExitStack() as stack:
            server = await NatsServer.start(NatsServerPlan(folder / "server"), clock=clock, telemetry=Telemetry(clock))
            stack.push_async_callback(server.stop)
            proxy = await stack.enter_async_context(TcpProxy("127.0.0.1", server.port))
            offload = stack.enter_context(contextlib.closing(ThreadOffload(1)))
            files = stack.enter_context(contextlib.closing(OsFiles(folder)))
            opener = SegmentJournals(files, "journals", entropy=entropy, offload=offload)
            buses, transports = [], []
            for name, port in zip(NAMES, (proxy.port, server.port), strict=True):
                transport = await NatsTransport.open(
                    NatsAccess((f"nats://127.0.0.1:{port}",)), name, clock=clock, rng=Rng(1), telemetry=Telemetry(clock)
                )
                peers = SealedPeers(
                    [transport], party(name), clock=clock, entropy=entropy, telemetry=Telemetry(clock),
                    on_refused=lambda _: None, expects=lambda process: process,
                )  # fmt: skip
                await peers.open()
                stack.push_async_callback(peers.close)
                journal = await opener.open(name.replace(".", "-"))
                stack.push_async_callback(journal.close)
                bus = await Bus.open(
                    name, journal=journal, peers=peers, clock=clock, ids=Uuid7Source(clock, Rng(2).bits),
                    telemetry=Telemetry(clock), rng=Rng(3), organisation="acme",
                )  # fmt: skip
                buses.append(await stack.enter_async_context(running(bus)))
                transports.append(transport)
            for bus, other in zip(buses, reversed(NAMES), strict=True):
                bus.meet(other)
            boxes = [bus.join(Member(name)) for bus, name in zip(buses, ("sender", "taker"), strict=True)]
            await wait_until(lambda: buses[0].directory.find(boxes[1].address))
            line = Line(buses, transports, proxy, boxes)
            taking = asyncio.create_task(line.take())
            await test(line)
            taking.cancel()

    asyncio.run(run())


async def all_taken(line, said, receipts):
    await wait_until(lambda: all(receipt.is_ended for receipt in receipts))
    assert [(receipt.taken, receipt.refusals) for receipt in receipts] == [(1, 0)] * len(receipts)
    assert sorted(line.got) == sorted(said)


@pytest.mark.requirement("MSG-5")
@pytest.mark.requirement("MSG-7")
@pytest.mark.parametrize("how", ["cut", "stall"])
def test_a_partition_loses_and_doubles_nothing(tmp_path, monkeypatch, how):
    monkeypatch.setattr(client_module, "NATS_PING_S", 1)

    async def check(line):
        said = [b"%d" % number for number in range(60)]
        receipts = line.send(*said[:20])
        getattr(line.proxy, how)()
        receipts += line.send(*said[20:40])
        await wait_until(lambda: not line.transports[0].is_connected)
        receipts += line.send(*said[40:])
        line.proxy.heal()
        await all_taken(line, said, receipts)

    over_nats(tmp_path, check)


@pytest.mark.requirement("MSG-5")
def test_what_a_slow_receiver_drops_is_sent_again(tmp_path, monkeypatch):
    async def check(line):
        monkeypatch.setattr(transport_module, "MAX_NATS_WAITING_BYTES", 100_000)
        said = [b"%d" % number + bytes(40_000) for number in range(50)]
        receipts = line.send(*said)
        await all_taken(line, said, receipts)
        assert line.transports[0].dropped, "two megabytes at once do not fit"

    over_nats(tmp_path, check)
