"""Two ends of a link over anything that loses, doubles and reorders: each envelope once, each with its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import NS_PER_MS, NS_PER_S, Rng
from phalanx.messaging import Kind, Outcome
from phalanx.messaging._frames import Frame, Item, Settled, decode_frame
from phalanx.messaging._incoming import Incoming
from phalanx.messaging._limits import MAX_ATTEMPTS, MAX_WINDOW
from phalanx.messaging._link import Link

LATE_NS = 10_000 * NS_PER_S


def link(peer, origin, *, paths=1):
    return Link(peer, origin, Rng(3).child(origin), paths=paths, max_frame_bytes=4_096)


class Pair:
    """Two links and what is on the way between them; ``fate`` says what becomes of each frame."""

    def __init__(self, fate):
        self.ends = {"a": link("b", "1"), "b": link("a", "2")}
        self.now_ns, self.fate = 0, fate
        self.arrived, self.ended = [], []

    def exchange(self):
        for source, target in (("a", "b"), ("b", "a")):
            frames, ended = self.ends[source].flush(self.now_ns)
            self.ended += ended
            for _, frame in frames:
                for _ in range(self.fate()):
                    heard = self.ends[target].hear(decode_frame(frame), self.now_ns)
                    self.ended += heard.ended
                    for one in heard.arrived:
                        self.arrived.append(one.data)
                        self.ends[target].settle(self.ends[source]._origin, one.number, 1, ())
        self.now_ns += 20 * NS_PER_MS


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=30), st.integers(0, 2**32))
def test_every_envelope_arrives_once_and_has_its_end(sizes, seed):
    rng = Rng(seed)
    pair = Pair(lambda: rng.weighted((0, 1, 2), (30, 60, 10)))
    bodies = [b"%d " % j + bytes(size) for j, size in enumerate(sizes)]
    for body in bodies:
        assert pair.ends["a"].offer(body, Kind.COORDINATION, body, LATE_NS)
    for _ in range(3_000):
        pair.exchange()
        if pair.ends["a"].outgoing.is_idle:
            break
    assert sorted(pair.arrived) == sorted(bodies)
    assert sorted(one.key for one in pair.ended) == sorted(bodies)
    assert all((one.taken, one.outcome) == (1, Outcome.TAKEN) for one in pair.ended)
    outgoing = pair.ends["a"].outgoing
    assert (outgoing.on_the_way, outgoing.waiting, outgoing.is_idle) == (0, 0, True)


@given(st.lists(st.integers(1, 40), max_size=120), st.data())
def test_no_number_is_handed_on_twice(numbers, data):
    incoming, handed, floor = Incoming("o"), [], 1
    for number in numbers:
        floor = max(floor, data.draw(st.integers(1, 10)))
        handed += [one.number for one in incoming.take_in(floor, [Item(number, b"")], ())]
        told = incoming.tell(10_000)
        known = {*range(1, told.complete + 1), *(n for low, high in told.ranges for n in range(low, high + 1))}
        assert number in known
    assert len(handed) == len(set(handed))
    assert not any(one.number for one in incoming.take_in(floor, [Item(MAX_WINDOW * 3, b"")], ()))


NUMBERS = st.integers(0, 12) | st.integers(0, 2**63)
PARTS = st.integers(1, 4).flatmap(lambda total: st.tuples(st.integers(0, total - 1), st.just(total)))
ITEMS = st.builds(lambda number, parts, again: Item(number, b"x", *parts, again), NUMBERS, PARTS, st.booleans())
ENDS = st.builds(Settled, st.integers(1, 12) | st.integers(1, 2**63), st.integers(0, 3))
RANGES = st.tuples(st.integers(1, 12), st.integers(0, 2**62)).map(lambda pair: (pair[0], pair[0] + pair[1]))
LIES = st.builds(
    Frame, v=st.just(1), origin=st.sampled_from(("2", "3")), floor=NUMBERS, items=st.lists(ITEMS).map(tuple),
    asked=st.lists(NUMBERS).map(tuple), stream=st.sampled_from(("", "1", "9")), complete=NUMBERS,
    ranges=st.lists(RANGES).map(tuple), settled=st.lists(ENDS).map(tuple),
    taken=st.lists(RANGES).map(tuple),
)  # fmt: skip


@given(st.lists(LIES, max_size=12))
def test_no_frame_whatever_it_claims_breaks_a_link(lies):
    victim = link("b", "1")
    for n in range(5):
        victim.offer(b"body", Kind.COORDINATION, n, LATE_NS)
    ended, now_ns = [], 0
    for lie in lies:
        frames, over = victim.flush(now_ns)
        ended += [*over, *victim.hear(lie, now_ns).ended]
        assert all(len(frame) <= 4_096 for _, frame in frames)
        now_ns += NS_PER_S
    keys = [one.key for one in ended]
    assert len(keys) == len(set(keys))
    assert len(keys) + victim.outgoing.on_the_way + victim.outgoing.waiting == 5


def test_parts_that_contradict_each_other_are_not_put_together():
    incoming = Incoming("o")
    assert not incoming.take_in(1, [Item(10, b"", 0, 4), Item(13, b"", 3, 4), Item(11, b"", 1, 3)], ())
    assert not incoming.take_in(1, [Item(1, b"", 1, 2)], ())
    (whole,) = incoming.take_in(1, [Item(11, b"b", 1, 4), Item(12, b"c", 2, 4)], ())
    assert whole.data == b"bc"


def test_what_nobody_answers_ends_after_a_bounded_number_of_attempts():
    alone = link("b", "1")
    assert alone.offer(b"x", Kind.CONSENSUS, "key", LATE_NS)
    sent, now_ns, ended = 0, 0, []
    while not ended:
        frames, ended = alone.flush(now_ns)
        sent += len(frames)
        now_ns = alone.next_wake_ns() or now_ns
    assert (sent, ended[0].outcome) == (MAX_ATTEMPTS, Outcome.UNREACHABLE)


def test_a_deadline_ends_what_is_on_the_way_and_what_still_waits():
    alone = link("b", "1")
    for n in range(600):
        assert alone.offer(b"x", Kind.COORDINATION, n, NS_PER_S)
    alone.flush(0)
    assert alone.outgoing.waiting > 0
    _, ended = alone.flush(NS_PER_S)
    assert sorted(one.key for one in ended) == list(range(600))
    assert {one.outcome for one in ended} == {Outcome.DEADLINE_PASSED}
    assert alone.outgoing.is_idle


def test_a_path_that_loses_is_left_for_the_other_and_both_carry_an_alert():
    both = link("b", "1", paths=2)
    assert both.offer(b"x", Kind.COORDINATION, 1, LATE_NS)
    assert both.offer(b"y", Kind.ALERT, 2, LATE_NS)
    assert sorted(path for path, _ in both.flush(0)[0]) == [0, 1]
    wake_ns = both.next_wake_ns()
    later = {path for path, _ in both.flush(wake_ns + NS_PER_S)[0]}
    assert 1 in later
    assert both.outgoing.pace.best_path(wake_ns + NS_PER_S) == 1
    assert both.outgoing.pace.best_path(wake_ns + 60 * NS_PER_S) == 0  # it is given another chance


@pytest.mark.requirement("MSG-4")
def test_what_came_by_the_backup_alone_is_answered_there():
    sender, receiver = link("a", "1", paths=2), link("b", "2", paths=2)
    for dead, expected in (((), 0), ((0,), 1), ((1,), 0)):
        sender.offer(b"fire", Kind.ALERT, "key", LATE_NS)
        frames = sender.flush(0)[0]
        assert {path for path, _ in frames} == {0, 1}
        for path, frame in frames:
            if path not in dead:
                for one in receiver.hear(decode_frame(frame), 0, path).arrived:
                    receiver.settle("1", one.number, 1, ())
                break
        answers = receiver.flush(0)[0]
        assert [path for path, _ in answers] == [expected]
        assert sender.hear(decode_frame(answers[0][1]), 0, expected).ended


def test_an_incarnation_that_is_over_is_not_listened_to():
    receiver = link("a", "2")
    old, new = link("b", "1"), link("b", "3")
    for one in (old, new):
        one.offer(b"x", Kind.COORDINATION, 1, LATE_NS)
    (_, first), (_, second) = old.flush(0)[0][0], new.flush(0)[0][0]
    assert receiver.hear(decode_frame(first), 0).is_new
    assert receiver.hear(decode_frame(second), 0).is_new
    assert receiver.hear(decode_frame(first), 0).is_stale
    # A clock that stepped back does not lock a process out: after a silence whoever is unheard of counts.
    stepped_back = link("b", "2")
    stepped_back.offer(b"x", Kind.COORDINATION, 1, LATE_NS)
    ((_, third),) = stepped_back.flush(0)[0]
    assert receiver.hear(decode_frame(third), NS_PER_S).is_stale
    assert receiver.hear(decode_frame(third), 60 * NS_PER_S).is_new
    assert receiver.hear(decode_frame(first), 120 * NS_PER_S).is_stale


def test_a_receiver_that_starts_anew_is_sent_all_that_has_no_end():
    sender, first, second = link("b", "1"), link("a", "2"), link("a", "3")
    sender.offer(b"x", Kind.CONSENSUS, "key", LATE_NS)
    ((_, frame),) = sender.flush(0)[0]
    assert first.hear(decode_frame(frame), 0).arrived
    ((_, answer),) = first.flush(NS_PER_S)[0]
    assert not sender.hear(decode_frame(answer), NS_PER_S).ended  # received, not settled
    second.offer(b"hello", Kind.CONSENSUS, None, LATE_NS)
    ((_, hello),) = second.flush(2 * NS_PER_S)[0]
    assert sender.hear(decode_frame(hello), 2 * NS_PER_S).is_new
    frames = [frame for _, frame in sender.flush(2 * NS_PER_S)[0]]
    assert any(one.data == b"x" for frame in frames for one in second.hear(decode_frame(frame), 0).arrived)
