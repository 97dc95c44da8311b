"""A channel in place: what it delivers, when its keys turn, how it ends."""

import pytest

from phalanx.core import NS_PER_S, LimitExceeded
from phalanx.crypto.channel import (
    FRAME_OVERHEAD_BYTES,
    MAX_PAYLOAD_BYTES,
    ChannelClosed,
    ChannelTruncated,
    Ordering,
    PeerSilent,
)

DATAGRAM, STREAM = Ordering.DATAGRAM, Ordering.STREAM


@pytest.mark.parametrize("ordering", Ordering)
def test_many_small_payloads_share_frames_and_arrive_one_by_one(lab, ordering):
    ours, theirs = lab.sessions(ordering)
    payloads = [b"", b"x" * 256, *(b"%d" % n for n in range(600)), b"y" * (MAX_PAYLOAD_BYTES - 4), b"z" * 300]
    frames = ours.seal_many(payloads)
    assert len(frames) == 3
    assert max(map(len, frames)) <= MAX_PAYLOAD_BYTES + FRAME_OVERHEAD_BYTES
    assert [payload for frame in frames for payload in theirs.receive(frame, 0).payloads] == payloads
    assert ours.seal_many([]) == []
    largest = bytes(MAX_PAYLOAD_BYTES)
    assert theirs.receive(ours.seal_many([largest])[0], 0).payloads == (largest,)
    with pytest.raises(LimitExceeded):
        ours.seal_many([b"x", largest + b"!"])


def test_lengths_that_do_not_add_up_are_refused(lab):
    ours, theirs = lab.sessions(DATAGRAM)
    for batch in (b"\x00", b"\x00\x00\x00\x02x", b"\x00\x00\x00\x01x\x00\x00\x00", b"\xff\xff\xff\xffx"):
        assert theirs.receive(ours._sealer.seal_kind(17, batch), 0).refused == "malformed"
    assert theirs.receive(ours._sealer.seal_kind(18, b"what?"), 0).refused == "malformed"
    assert theirs.refusals == {"malformed": 5}


@pytest.mark.requirement("MSG-2")
def test_a_close_is_told_and_believed_and_leaves_no_keys(lab):
    ours, theirs = lab.sessions(DATAGRAM)
    lost = ours.seal(b"never arrives")
    theirs.receive(ours.seal(b"arrives"), 0)
    told = theirs.receive(ours.close().frames[0], 0)
    assert told.ended.lost == 1
    assert type(ours.ended) is type(theirs.ended) is ChannelClosed
    for session in (ours, theirs):
        with pytest.raises(ChannelClosed):
            session.seal(b"x")
        with pytest.raises(ChannelClosed):
            session.seal_many([b"x", b"y"])
        assert session.close() == session.receive(lost, 0) == session.on_time(0) == session.end_of_stream()
        assert session.close().frames == ()


def test_a_stream_that_ends_without_a_close_is_truncated(lab):
    ours, theirs = lab.sessions()
    assert theirs.receive(ours.seal(b"x"), 0).payloads == (b"x",)
    assert isinstance(theirs.end_of_stream().ended, ChannelTruncated)
    ours, theirs = lab.sessions()
    theirs.receive(ours.close().frames[0], 0)
    theirs.end_of_stream()
    assert (type(theirs.ended), theirs.ended.lost) == (ChannelClosed, 0)


def test_a_close_that_is_not_authentic_closes_nothing(lab):
    ours, theirs = lab.sessions(DATAGRAM)
    frame = ours.seal(b"x")
    close = ours.close().frames[0]
    for forged in (bytes((18,)) + frame[1:], close[:-1] + bytes((close[-1] ^ 1,)), close[:21] + bytes(17)):
        assert theirs.receive(forged, 0).refused == "not authentic"
    assert theirs.ended is None
    assert theirs.receive(frame, 0).payloads == (b"x",)


def test_in_a_stream_anything_wrong_is_the_end(lab):
    for wrong in (lambda frame: frame[:-1] + bytes((frame[-1] ^ 1,)), lambda frame: frame[:20], lambda frame: b""):
        ours, theirs = lab.sessions()
        effects = theirs.receive(wrong(ours.seal(b"x")), 0)
        assert effects.ended is theirs.ended
        assert effects.refused
        assert not effects.payloads


def test_reflected_frames_are_refused(lab):
    ours, _ = lab.sessions(DATAGRAM)
    ours.seal(b"a number that the other side has used, too")
    frame = ours.seal(b"x")
    assert ours.receive(frame, 0).refused == "of another channel"
    assert ours.receive(frame[:1] + ours.agreed.local_id + frame[9:], 0).refused == "not authentic"


def test_a_channel_under_forgeries_without_end_is_given_up(lab, monkeypatch):
    monkeypatch.setattr("phalanx.crypto.channel._frames.MAX_FORGERIES", 5)
    ours, theirs = lab.sessions(DATAGRAM)
    frame = ours.seal(b"x")
    forged = frame[:-1] + bytes((frame[-1] ^ 1,))
    for _ in range(4):
        assert theirs.receive(forged, 0).ended is None
    assert "forged" in theirs.receive(forged, 0).ended.reason


# Keys that turn


@pytest.mark.parametrize("ordering", Ordering)
def test_both_sides_may_turn_their_keys_at_once(lab, ordering):
    ours, theirs = lab.sessions(ordering)
    first, second = ours.rekey(), theirs.rekey()
    assert theirs.receive(first, 0).frames == ours.receive(second, 0).frames == ()
    assert ours.epochs == theirs.epochs == (1, 1)
    assert theirs.receive(ours.seal(b"x"), 0).payloads == (b"x",)
    assert ours.receive(theirs.seal(b"y"), 0).payloads == (b"y",)


def test_a_key_turns_by_age_once_it_sealed_something(lab):
    ours, theirs = lab.sessions(STREAM, rekey_age_s=60)
    assert ours.on_time(61 * NS_PER_S).frames == ()
    theirs.receive(ours.seal(b"x"), 0)
    assert ours.on_time(61 * NS_PER_S).frames != ()
    assert ours.epochs[0] == 1
    assert ours.on_time(62 * NS_PER_S).frames == ()
    ours.seal(b"y")
    assert ours.on_time(120 * NS_PER_S).frames == ()
    assert ours.on_time(121 * NS_PER_S).frames != ()


def test_the_age_of_a_key_counts_from_its_last_turn(lab):
    ours, _ = lab.sessions(DATAGRAM, rekey_age_s=10, rekey_frames=3)
    for _ in range(4):
        ours.seal(b"x")  # the fourth turns it by count
    ours.on_time(5 * NS_PER_S)
    ours.seal(b"x")
    ours.on_time(14 * NS_PER_S)
    assert ours.epochs[0] == 1
    ours.on_time(15 * NS_PER_S)
    assert ours.epochs[0] == 2


def test_an_overtaken_key_is_dropped_after_a_while(lab):
    ours, theirs = lab.sessions(DATAGRAM)
    late = ours.seal(b"late")
    theirs.receive(ours.rekey(), 5 * NS_PER_S)
    theirs.on_time(14 * NS_PER_S)
    assert theirs._opener.keeps_overtaken
    theirs.on_time(15 * NS_PER_S)
    assert not theirs._opener.keeps_overtaken
    assert theirs.receive(late, 15 * NS_PER_S).refused == "of a stale epoch"


def test_a_channel_ends_at_its_age_and_says_so(lab):
    ours, theirs = lab.sessions(STREAM, channel_age_s=100)
    assert ours.on_time(99 * NS_PER_S).ended is None
    effects = ours.on_time(100 * NS_PER_S)
    assert "age" in effects.ended.reason
    assert theirs.receive(effects.frames[0], 0).ended.lost == 0


# Silence


def listen(session, until_s, from_s=0):
    """(second, frames, ended) of every second in which something happened."""
    found = []
    for second in range(from_s, until_s + 1):
        effects = session.on_time(second * NS_PER_S)
        if effects.frames or effects.ended:
            found.append((second, len(effects.frames), effects.ended))
    return found


def test_a_peer_that_answers_nothing_is_asked_and_then_given_up(lab):
    ours, _ = lab.sessions(DATAGRAM)
    assert listen(ours, 60) == []  # who says nothing expects nothing
    ours.seal(b"anybody?")
    found = listen(ours, 200, 61)
    assert [second for second, _, _ in found] == [66, 71, 76, 81]
    assert isinstance(found[-1][2], PeerSilent)


def test_a_peer_that_answers_is_there_and_the_asking_ends(lab):
    ours, theirs = lab.sessions(DATAGRAM)
    theirs.receive(ours.seal(b"anybody?"), 0)
    (second, _, _), *_ = listen(ours, 6)
    assert second == 5
    ours2, theirs = lab.sessions(DATAGRAM)
    theirs.receive(ours2.seal(b"anybody?"), 0)
    ours2.on_time(0)
    probe = ours2.on_time(5 * NS_PER_S).frames[0]
    ours2.receive(theirs.receive(probe, 0).frames[0], 0)
    assert listen(ours2, 100, 6) == []
    assert listen(theirs, 100, 6) == []  # an answer asks for no answer


def test_a_stream_needs_no_asking(lab):
    ours, _ = lab.sessions(STREAM)
    ours.seal(b"x")
    assert listen(ours, 100) == []
