"""Messages in pieces over datagrams: whole again, within bounds, and from whom they say they are."""

import pytest

from phalanx.consensus import PREPARE, Certificate, Fetch, Vote, Wire
from phalanx.core import InvalidInput, LimitExceeded
from phalanx.testing import SimWorld

HOMES = {0: "a", 1: "a", 2: "b", 3: "b"}
LONG = Certificate(bytes(32), 1, PREPARE, 0, (0, 1, 2), (bytes(3_000),) * 3)


def both(work, *, max_datagram=1_000):
    async def main(world):
        a, b = (Wire(world.transport(name), HOMES, max_datagram=max_datagram) for name in "ab")
        return await work(world, a, b)

    return SimWorld(1).run(main)


@pytest.mark.parametrize("max_datagram", [26, 1_000, 100_000])
def test_what_is_sent_arrives_whole_and_once_for_a_host(max_datagram):
    async def work(world, a, b):
        a.send(0, None, LONG)
        assert await b.receive() == (0, None, LONG)
        a.send(1, 3, Fetch(bytes(32), 2))
        assert await b.receive() == (1, 3, Fetch(bytes(32), 2))

    both(work, max_datagram=max_datagram)


def test_who_does_not_live_at_the_source_is_not_heard():
    async def work(world, a, b):
        a.send(2, 3, Vote(bytes(32), 2, 1, PREPARE, 0, b""))
        a.send(0, 3, Vote(bytes(32), 0, 1, PREPARE, 0, b""))
        sender, *_ = await b.receive()
        assert (sender, b.refused) == (0, 1)

    both(work)


def test_junk_and_halves_are_dropped_and_hold_nobody_up():
    async def work(world, a, b):
        stranger = world.transport("stranger")
        for junk in (b"", b"PXC1", b"PXC1" + bytes(12), b"PXC1" + bytes(8) + b"\0\1\0\1", bytes(100)):
            stranger.send("b", junk)
        for number in range(50):
            stranger.send("b", b"PXC1" + number.to_bytes(8) + b"\0\0\0\2" + bytes(500))
        a.send(0, 2, Fetch(bytes(32), 1))
        assert (await b.receive())[2] == Fetch(bytes(32), 1)

    both(work)


@pytest.mark.parametrize("max_datagram", [17, 50, 1_000])
def test_no_datagram_is_longer_than_the_transport_takes(max_datagram):
    class Narrow:
        address, sent = "a", []

        def send(self, to, datagram):
            self.sent.append(len(datagram))

    narrow = Narrow()
    Wire(narrow, HOMES, max_datagram=max_datagram).send(0, None, LONG)
    assert len(narrow.sent) > 9
    assert max(narrow.sent) == max_datagram
    with pytest.raises(InvalidInput, match="head"):
        Wire(narrow, HOMES, max_datagram=16)


def test_what_is_too_long_is_not_sent(monkeypatch):
    monkeypatch.setattr("phalanx.consensus._wire.MAX_MESSAGE_BYTES", 5_000)

    async def work(world, a, b):
        with pytest.raises(LimitExceeded):
            a.send(0, None, LONG)

    both(work)
