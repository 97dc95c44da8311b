"""One suite for a bus in one process and for buses with a network, or a NATS server, between them."""

import asyncio
import contextlib
import functools

import pytest

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.nats import ClusterAccess, NatsServer, NatsServerPlan, NatsTransport, Nkey
from phalanx.adapters.storage import OsFiles, SegmentJournals
from phalanx.adapters.tls import self_signed_files
from phalanx.core import Rng, Uuid7Source
from phalanx.crypto import ED25519_ML_DSA_65, SigningKey, VerifyingKey
from phalanx.crypto.channel import Party
from phalanx.messaging import Bus, ClearPeers, SealedPeers, SignedProofs, running
from phalanx.telemetry import Telemetry
from phalanx.testing import ROUGH_NETWORK, Faults, SimWorld
from phalanx.testing.contracts import BUS_CHECKS

NAMES = ("hq.acme", "lab.acme")


def bus(name, clock, ids, **more):
    return Bus(name, clock=clock, ids=ids, telemetry=Telemetry(clock), organisation="acme", **more)


@contextlib.asynccontextmanager
async def one_bus(clock, ids):
    async with running(bus("here", clock, ids)) as made:
        yield made, made


@contextlib.asynccontextmanager
async def two_buses(clock, ids, rng, journals, peers, proofs):
    async with contextlib.AsyncExitStack() as stack:
        buses = []
        for name in NAMES:
            made = await Bus.open(
                name, journal=journals[name], peers=peers[name], clock=clock, ids=ids, telemetry=Telemetry(clock),
                rng=rng.child(name), organisation="acme", proofs=proofs[name],
            )  # fmt: skip
            stack.push_async_callback(peers[name].close)
            buses.append(await stack.enter_async_context(running(made)))
        for made, other in zip(buses, reversed(NAMES), strict=True):
            made.meet(other)
        yield tuple(buses)


@pytest.mark.requirement("MSG-7")
@pytest.mark.parametrize("check", BUS_CHECKS)
def test_in_one_process(check):
    SimWorld(1).run(lambda world: check(functools.partial(one_bus, world.clock, world.ids)))


@pytest.mark.requirement("MSG-5")
@pytest.mark.parametrize("check", BUS_CHECKS)
def test_over_a_network_that_loses_and_doubles(check):
    async def run(world):
        keys = {name: SigningKey.generate(ED25519_ML_DSA_65) for name in NAMES}
        await check(
            functools.partial(
                two_buses, world.clock, world.ids, world.rng,
                {name: await world.journals(name).open("outbox") for name in NAMES},
                {name: ClearPeers([world.transport(name)]) for name in NAMES},
                {name: SignedProofs(keys[name], lambda who: keys[who].public) for name in NAMES},
            )
        )  # fmt: skip

    SimWorld(1, faults=Faults(network=ROUGH_NETWORK)).run(run)


@pytest.mark.requirement("MSG-2")
@pytest.mark.requirement("MSG-7")
@pytest.mark.parametrize("check", BUS_CHECKS)
def test_sealed_over_a_nats_server(tmp_path, check):
    pytest.importorskip("nats", reason="the extra `cluster` is not installed")
    clock, entropy = SystemClock(), OsEntropy()
    keys = {name: SigningKey.generate(ED25519_ML_DSA_65) for name in NAMES}
    owners = {keys[name].public.fingerprint: name for name in NAMES}

    def party(name):
        # A credential is a bare key here; whose it is, everybody knows.
        return Party(
            keys[name], keys[name].public.to_bytes(), VerifyingKey.from_bytes, lambda key, _: owners[key.fingerprint]
        )

    async def run():
        async with contextlib.AsyncExitStack() as stack:
            files, user = self_signed_files(tmp_path / "keys", []), Nkey.generate(entropy)
            plan = NatsServerPlan(tmp_path / "server", users={"us": user.public}, tls_files=files)
            server = await NatsServer.start(plan, clock=clock, telemetry=Telemetry(clock))
            stack.push_async_callback(server.stop)
            access = ClusterAccess((server.url,), files[0].read_text(), user.seed).nats(pinned=True)
            peers = {}
            for name in NAMES:
                transports = [
                    await NatsTransport.open(
                        access, name, clock=clock, rng=Rng(1), telemetry=Telemetry(clock), path=path
                    )
                    for path in ("primary", "backup")
                ]
                peers[name] = SealedPeers(
                    transports, party(name), clock=clock, entropy=entropy, telemetry=Telemetry(clock),
                    on_refused=lambda _: None, expects=lambda process: process,
                )  # fmt: skip
                await peers[name].open()
            offload = stack.enter_context(contextlib.closing(ThreadOffload(1)))
            files = stack.enter_context(contextlib.closing(OsFiles(tmp_path)))
            opener = SegmentJournals(files, "journals", entropy=entropy, offload=offload)
            journals = {}
            for name in NAMES:
                journals[name] = await opener.open(name.replace(".", "-"))
                stack.push_async_callback(journals[name].close)
            ids = Uuid7Source(clock, Rng(1).bits)
            await check(
                functools.partial(
                    two_buses, clock, ids, Rng(1), journals, peers,
                    {name: SignedProofs(keys[name], peers[name].key_of) for name in NAMES},
                )
            )  # fmt: skip

    asyncio.run(asyncio.wait_for(run(), 240))
