"""The simulated transport: each fault does what its name says, and nothing else happens."""

import asyncio
from collections import Counter

import pytest

from phalanx.core import LimitExceeded, Unavailable
from phalanx.testing import Faults, NetworkFaults, SimWorld

GOOD = NetworkFaults(delay_min_ms=1, delay_mean_ms=0)


def deliver(faults, n=300, seed=0, act=None):
    """Send ``n`` datagrams from a to b; what b received and when each was delivered, in ms."""

    async def main(world):
        source, target = world.transport("a"), world.transport("b")
        got = []

        async def receive():
            while True:
                sender, datagram = await target.receive()
                assert sender == "a"
                got.append((int(datagram), world.loop.time() * 1e3))

        receiver = asyncio.create_task(receive())
        for i in range(n):
            if act:
                act(world.network, i)
            source.send("b", b"%d" % i)
            await world.clock.sleep(0.001)
        await world.clock.sleep(1)
        receiver.cancel()
        return got

    return SimWorld(seed, faults=Faults(network=faults)).run(main)


def test_without_faults_all_arrive_once_in_order_after_the_delay():
    got = deliver(GOOD)
    assert [n for n, _ in got] == list(range(300))
    assert all(at == pytest.approx(n + 1) for n, at in got)


def test_loss_loses_about_as_many_as_it_says():
    got = deliver(NetworkFaults(loss=0.3))
    assert 60 < 300 - len(got) < 120
    assert len(Counter(n for n, _ in got)) == len(got)


def test_duplication_doubles():
    counts = Counter(n for n, _ in deliver(NetworkFaults(duplication=0.3)))
    assert len(counts) == 300
    assert 60 < sum(count == 2 for count in counts.values()) < 120


def test_delay_is_spread_and_bounded_but_keeps_the_order():
    faults = NetworkFaults(delay_min_ms=2, delay_mean_ms=10, delay_max_ms=25)
    delays = [at - n for n, at in deliver(faults)]
    assert min(delays) >= 2
    assert max(delays) <= 25 + 1e-6
    assert len({round(delay, 3) for delay in delays}) > 100
    assert [n for n, _ in deliver(faults)] == list(range(300))


def test_reordering_lets_datagrams_overtake():
    order = [n for n, _ in deliver(NetworkFaults(reordering=0.5, delay_mean_ms=10))]
    assert sorted(order) == list(range(300))
    assert order != sorted(order)


def test_a_cut_is_one_way_and_heals():
    async def main(world):
        a, b = world.transport("a"), world.transport("b")

        async def ask(source, target):
            source.send(target.address, b"?")
            try:
                async with asyncio.timeout(1):
                    return await target.receive()
            except TimeoutError:
                return None

        world.network.cut(["a"], ["b"])
        assert await ask(a, b) is None
        assert await ask(b, a) == ("b", b"?")
        world.network.partition(["a"], ["b"])
        assert await ask(b, a) is None
        world.network.heal()
        assert await ask(a, b) == ("a", b"?")
        assert [entry.what for entry in world.trace.of(where="b") if entry.what == "cut-off"]

    SimWorld(0, faults=Faults(network=GOOD)).run(main)


def test_what_is_under_way_when_the_link_is_cut_is_lost():
    slow = NetworkFaults(delay_min_ms=1.5, delay_mean_ms=0)
    got = deliver(slow, n=10, act=lambda network, i: network.cut(["a"], ["b"]) if i == 5 else None)
    assert [n for n, _ in got] == [0, 1, 2, 3]


def test_one_link_can_be_worse_than_the_rest():
    def act(network, i):
        if i == 0:
            network.set_faults(NetworkFaults(loss=1), source="a", target="b")

    assert deliver(GOOD, n=10, act=act) == []


def test_links_draw_independently():
    def on_the_link(*, chatty):
        async def main(world):
            a = world.transport("a")
            for n in range(100):
                a.send("b", b"%d" % n)
                if chatty:
                    a.send("c", b"noise")
            await world.clock.sleep(1)
            return [entry for entry in world.trace if entry.where == "b" or entry.detail[:1] == ("b",)]

        return SimWorld(3, faults=Faults(network=NetworkFaults(loss=0.5))).run(main)

    alone = on_the_link(chatty=False)
    assert alone == on_the_link(chatty=True)
    assert {entry.what for entry in alone} == {"send", "lost", "nobody-there"}


def test_closing_wakes_who_waits_and_frees_the_address():
    async def main(world):
        a = world.transport("a")
        waiting = [asyncio.create_task(a.receive()) for _ in range(2)]
        await world.clock.sleep(1)
        with pytest.raises(ValueError, match="a is in use"):
            world.transport("a")
        await a.close()
        for task in waiting:
            with pytest.raises(Unavailable):
                await task
        with pytest.raises(Unavailable):
            await a.receive()
        a.send("a", b"ignored")
        again = world.transport("a")
        again.send("a", b"to myself")
        assert await again.receive() == ("a", b"to myself")

    SimWorld(0).run(main)


def test_a_datagram_is_bounded():
    async def main(world):
        with pytest.raises(LimitExceeded):
            world.transport("a").send("b", bytes(1 << 21))

    SimWorld(0).run(main)
