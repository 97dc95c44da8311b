"""What a link makes of a way that becomes slower than its retries."""

from collections import deque

import msgspec
import pytest

from phalanx.core import NS_PER_MS, NS_PER_S, Rng
from phalanx.messaging import Bus, ClearPeers, Kind, Member
from phalanx.messaging._outgoing import Outgoing
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld

FAST_MS, SLOW_MS = 2, 150


def retries(delays_ms):
    """One envelope a millisecond, each heard of after the delay of its first sending; how many were sent again."""
    outgoing, answers = Outgoing(Rng(1), paths=1), deque()
    before = []
    for at_ms, delay_ms in enumerate(delays_ms):
        now_ns = NS_PER_S + at_ms * NS_PER_MS
        while answers and answers[0][0] <= at_ms:
            # The receiver has everything up to here.
            outgoing.hear(answers.popleft()[1], (), (), (), now_ns)
        outgoing.offer(b"x", Kind.CONSENSUS, None, now_ns + 1_000 * NS_PER_S)
        turn = outgoing.take_turn(now_ns, 1 << 20)
        newest = max((flight.number for flights in turn.flights.values() for flight in flights), default=0)
        due_ms = at_ms + delay_ms
        if newest and (not answers or newest > answers[-1][1]):
            answers.append((max(due_ms, answers[-1][0] if answers else 0), newest))
        before.append(outgoing.retries)
    return before


@pytest.mark.requirement("MSG-5")
def test_a_way_that_becomes_slower_than_the_retries_is_learned_and_not_flooded():
    counted = retries([FAST_MS] * 1_000 + [SLOW_MS] * 5_000)
    assert counted[999] == 0
    assert counted[-1] < SLOW_MS * 4, "what was under way while the link learned, and not everything"
    assert counted[-1] == counted[-3_000], "nothing any more once it has learned"


def test_an_announcement_that_comes_late_does_not_undo_a_later_one():
    async def run(world):
        buses = {
            name: Bus(
                name, clock=world.clock, ids=world.ids, telemetry=Telemetry(world.clock), rng=Rng(1),
                peers=ClearPeers([world.transport(name)]),
            )
            for name in ("p", "q")
        }  # fmt: skip
        said = []
        buses["q"].abroad.links.post = lambda process, envelope, *_: said.append(envelope) or True
        for name in ("early", "late"):
            buses["q"].join(Member(name))
            buses["q"].abroad._announce_to("p")
        first, second = said
        for envelope in (second, first):
            buses["p"].abroad._hear("q", envelope)
        assert buses["p"].directory.find("q/late") is not None
        # Who starts again counts from the beginning, and is believed.
        again = msgspec.structs.replace(first, origin=world.ids.new(), number=1)
        buses["p"].abroad._hear("q", again)
        assert buses["p"].directory.find("q/late") is None

    SimWorld(1).run(run)
