"""Datagrams over a real NATS server: delivery, bounds, its death, partitions, TLS and keys."""

import asyncio
import contextlib
import os
import signal
import ssl

import pytest

from phalanx.adapters import OsEntropy, SystemClock
from phalanx.adapters.nats import NatsAccess, NatsServer, NatsServerPlan, NatsTransport, Nkey
from phalanx.adapters.nats import _client as client_module
from phalanx.adapters.nats import _transport as transport_module
from phalanx.adapters.tls import self_signed_files
from phalanx.core import InvalidInput, LimitExceeded, Rng, Unavailable
from phalanx.telemetry import Telemetry
from phalanx.testing import TcpProxy, wait_until

pytest.importorskip("nats", reason="the extra `cluster` is not installed")

AWKWARD = "org.a/node 7*>é"


class Rig:
    """A server and transports on it, all closed at the end."""

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack
        self.clock = SystemClock()
        self.telemetry = Telemetry(self.clock)
        self.server = None
        self.watching = None

    async def serve(self, **plan):
        self.plan = NatsServerPlan(self.folder, **plan)
        self.server = await NatsServer.start(self.plan, clock=self.clock, telemetry=self.telemetry)
        self.watching = asyncio.create_task(self.server.watch())
        self.stack.push_async_callback(self.stop)

    async def stop(self):
        await self.server.stop()
        self.watching.cancel()
        await asyncio.gather(self.watching, return_exceptions=True)

    async def transport(self, address, *, url=None, tls=None, user=None, path="primary", must_connect=True):
        access = NatsAccess((url or self.server.url,), tls, user)
        made = await NatsTransport.open(
            access, address, clock=self.clock, rng=Rng(7), telemetry=self.telemetry, path=path,
            must_connect=must_connect,
        )  # fmt: skip
        self.stack.push_async_callback(made.close)
        return made

    def count(self, name, **labels):
        samples = self.telemetry.metrics.snapshot()[name]["samples"]
        return sum(one["value"] for one in samples if labels.items() <= one["labels"].items())


def with_server(folder, test, **plan):
    async def run():
        async with contextlib.AsyncExitStack() as stack:
            rig = Rig(folder, stack)
            await rig.serve(**plan)
            await test(rig)

    asyncio.run(run())


async def arrives(sender, receiver, datagram):
    """Send until it is there: datagrams may be lost while a connection comes back."""

    async def ask():
        while True:
            sender.send(receiver.address, datagram)
            await asyncio.wait([getting], timeout=0.2)

    getting = asyncio.create_task(receiver.receive())
    asking = asyncio.create_task(ask())
    try:
        async with asyncio.timeout(120):
            return await asyncio.shield(getting)
    finally:
        asking.cancel()


@pytest.mark.requirement("MSG-7")
def test_datagrams_arrive_with_their_senders(tmp_path):
    async def check(rig):
        one, two = await rig.transport("acme/hq"), await rig.transport(AWKWARD)
        one.send(AWKWARD, b"to you")
        assert await two.receive() == ("acme/hq", b"to you")
        two.send("acme/hq", b"x" * one.max_datagram)
        assert await one.receive() == (AWKWARD, b"x" * two.max_datagram)
        one.send("acme/hq", b"to myself")
        assert await one.receive() == ("acme/hq", b"to myself")
        with pytest.raises(LimitExceeded):
            one.send(AWKWARD, b"x" * (one.max_datagram + 1))
        with pytest.raises(InvalidInput):
            one.send("é" * 200, b"")

    with_server(tmp_path, check)


@pytest.mark.requirement("MSG-4")
def test_a_second_path_shares_nothing_with_the_first(tmp_path):
    async def check(rig):
        first, second = [await rig.transport("a", path=path) for path in ("primary", "backup")]
        peer, peer_second = [await rig.transport("b", path=path) for path in ("primary", "backup")]
        await first.close()
        second.send("b", b"still here")
        assert await peer_second.receive() == ("a", b"still here")
        assert len(peer._inbox) == 0

    with_server(tmp_path, check)


def test_closing_sends_what_waits_and_ends_who_receives(tmp_path):
    async def check(rig):
        one, two = await rig.transport("a"), await rig.transport("b")
        waiting = asyncio.create_task(one.receive())
        await asyncio.sleep(0)
        one.send("b", b"last words")
        await one.close()
        await one.close()
        with pytest.raises(Unavailable, match="closed"):
            await waiting
        assert await two.receive() == ("a", b"last words")
        one.send("b", b"nobody hears this")
        two.send("b", b"mark")
        assert await two.receive() == ("b", b"mark")

    with_server(tmp_path, check)


@pytest.mark.requirement("MSG-7")
def test_a_killed_server_is_started_again_and_found_again(tmp_path):
    async def check(rig):
        one, two = await rig.transport("a"), await rig.transport("b")
        for n in (1, 2):
            before = rig.server.pid
            os.kill(before, signal.SIGKILL)
            await wait_until(lambda n=n: rig.count("phalanx_nats_connects_total") >= 2 * (n + 1))
            assert rig.server.pid != before
            assert await arrives(one, two, b"again %d" % n) == ("a", b"again %d" % n)
            while two._inbox:
                await two.receive()

    with_server(tmp_path, check)


def test_what_is_sent_without_a_connection_waits_for_one(tmp_path):
    async def check(rig):
        two = await rig.transport("b")
        host, port = "127.0.0.1", rig.server.port
        async with TcpProxy(host, port) as proxy:
            one = await rig.transport("a", url=f"nats://{host}:{proxy.port}")
            proxy.cut()
            await wait_until(lambda: not one.is_connected)
            assert one.told
            one.send("b", b"patience")
            proxy.heal()
            assert await two.receive() == ("a", b"patience")
            await one.close()

    with_server(tmp_path, check)


def test_a_connection_that_falls_silent_is_given_up_and_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "NATS_PING_S", 1)

    async def check(rig):
        two = await rig.transport("b")
        async with TcpProxy("127.0.0.1", rig.server.port) as proxy:
            one = await rig.transport("a", url=f"nats://127.0.0.1:{proxy.port}")
            proxy.stall()
            await wait_until(lambda: not one.is_connected)
            proxy.heal()
            await one.wait_connected()
            assert (await arrives(one, two, b"back"))[1] == b"back"
            assert (await arrives(two, one, b"and forth"))[1] == b"and forth"
            await one.close()

    with_server(tmp_path, check)


def test_a_slow_receiver_loses_the_newest_and_says_how_many(tmp_path, monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_NATS_WAITING", 10)

    async def check(rig):
        one, two = await rig.transport("a"), await rig.transport("b")
        for n in range(25):
            one.send("b", b"%d" % n)
            await wait_until(lambda n=n: rig.count("phalanx_nats_received_total") == n + 1)
        assert [(await two.receive())[1] for _ in range(10)] == [b"%d" % n for n in range(10)]
        assert two.dropped == 15 == rig.count("phalanx_nats_dropped_total", where="inbox")
        assert "15 datagrams were dropped" in two.told
        one.send("b", b"room again")
        assert await two.receive() == ("a", b"room again")

    with_server(tmp_path, check)


def test_a_long_outage_drops_the_oldest_and_says_how_many(tmp_path, monkeypatch):
    monkeypatch.setattr(transport_module, "MAX_NATS_WAITING", 10)

    async def check(rig):
        two = await rig.transport("b")
        async with TcpProxy("127.0.0.1", rig.server.port) as proxy:
            one = await rig.transport("a", url=f"nats://127.0.0.1:{proxy.port}")
            proxy.cut()
            await wait_until(lambda: not one.is_connected)
            for n in range(25):
                one.send("b", b"%d" % n)
            assert one.dropped == 15 == rig.count("phalanx_nats_dropped_total", where="outbox")
            proxy.heal()
            assert [(await two.receive())[1] for _ in range(10)] == [b"%d" % n for n in range(15, 25)]
            await one.close()

    with_server(tmp_path, check)


def test_a_server_that_is_not_there(tmp_path):
    async def check(rig):
        async with TcpProxy("127.0.0.1", rig.server.port) as proxy:
            url = f"nats://127.0.0.1:{proxy.port}"
            proxy.cut()
            with pytest.raises(Unavailable) as caught:
                await rig.transport("a", url=url)
            assert caught.value.what == url
            late = await rig.transport("a", url=url, must_connect=False)
            assert not late.is_connected
            assert late.told
            proxy.heal()
            await late.wait_connected()
            await late.close()

    with_server(tmp_path, check)


@pytest.mark.requirement("MSG-7")
def test_only_known_keys_are_let_in_and_removed_ones_are_cut_off(tmp_path):
    ours, theirs = Nkey.generate(OsEntropy()), Nkey.generate(OsEntropy())

    async def check(rig):
        one = await rig.transport("a", user=ours)
        for user in (None, theirs):
            with pytest.raises(Unavailable) as caught:
                await rig.transport("b", user=user, must_connect=False)
            assert "join-token" in caught.value.hint
        await rig.server.set_users(NatsServerPlan(tmp_path, users={"ours": ours.public, "theirs": theirs.public}))
        rig.joined = await rig.transport("b", user=theirs)
        one.send("b", b"welcome")
        assert await rig.joined.receive() == ("a", b"welcome")
        await rig.server.set_users(NatsServerPlan(tmp_path, users={"ours": ours.public}))
        await wait_until(lambda: not rig.joined.is_connected)

    with_server(tmp_path, check, users={"ours": ours.public})


def test_tls_is_spoken_where_it_is_asked_for_and_never_given_up(tmp_path):
    certificate, key = self_signed_files(tmp_path / "keys", [])
    trusting = ssl.create_default_context(cafile=certificate)

    async def check(rig):
        assert rig.server.url.startswith("tls://")
        one, two = [await rig.transport(name, tls=trusting) for name in "ab"]
        one.send("b", b"hidden")
        assert await two.receive() == ("a", b"hidden")
        with pytest.raises(Unavailable) as caught:
            await rig.transport("c", tls=ssl.create_default_context())
        assert "cluster.ca" in caught.value.hint
        with pytest.raises(InvalidInput):
            NatsAccess((rig.server.url,))

    async def stripped(rig):
        with pytest.raises(Unavailable, match="does not speak TLS"):
            await rig.transport("c", tls=trusting)

    with_server(tmp_path / "secure", check, tls_files=(certificate, key))
    with_server(tmp_path / "clear", stripped)


def test_the_port_is_kept_over_restarts_and_an_orphan_is_ended(tmp_path):
    async def check(rig):
        port, orphan = rig.server.port, rig.server.pid
        # What the next start of a killed owner finds: the server runs on, and nobody watches it.
        rig.watching.cancel()
        again = await NatsServer.start(rig.plan, clock=rig.clock, telemetry=rig.telemetry)
        try:
            assert again.port == port
            assert again.pid != orphan
            assert rig.server._process.returncode is not None or await rig.server._process.wait() is not None
            assert (await rig.transport("a", url=again.url)).is_connected
        finally:
            await again.stop()

    with_server(tmp_path, check)


def test_a_port_that_is_taken_is_said_to_be(tmp_path):
    async def check(rig):
        with pytest.raises(Unavailable) as caught:
            await NatsServer.start(
                NatsServerPlan(tmp_path / "other", port=rig.server.port), clock=rig.clock, telemetry=rig.telemetry
            )
        assert "address already in use" in caught.value.reason
        assert "cluster.port" in caught.value.hint

    with_server(tmp_path, check)


@pytest.mark.parametrize("url", ["http://a:1", "127.0.0.1:4222", "nats://"])
def test_what_is_no_address_of_a_server(url):
    with pytest.raises(InvalidInput) as caught:
        NatsAccess((url,))
    assert caught.value.field == "cluster.url"
