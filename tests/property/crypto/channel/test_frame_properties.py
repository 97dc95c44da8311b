"""Frames under reordering, repetition, truncation, bit flips and rekeying, against a model that only counts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import NS_PER_S
from phalanx.crypto import AES_256_GCM, CHACHA20_POLY1305
from phalanx.crypto.channel import ChannelClosed, FrameOpener, FrameRefused, FrameSealer, Ordering
from phalanx.testing import ChannelLab

SECRET, ID = bytes(32), b"receiver"


def halves(ordering, *, aead=AES_256_GCM, rekey_frames=1_000, window=16):
    return FrameSealer(aead, SECRET, ID, rekey_frames=rekey_frames), FrameOpener(
        aead, SECRET, ID, ordering, window=window
    )


@pytest.mark.requirement("MSG-2")
@pytest.mark.parametrize("aead", [AES_256_GCM, CHACHA20_POLY1305])
@pytest.mark.parametrize("ordering", Ordering)
def test_every_bit_of_a_frame_counts(ordering, aead):
    sealer, opener = halves(ordering, aead=aead)
    opener.open(sealer.seal(b"first"))
    frame = sealer.seal(b"payload")
    for bit in range(8 * len(frame)):
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FrameRefused):
            opener.open(bytes(changed))
    for end in range(len(frame)):
        for cut in (frame[:end], frame + frame[:end] if end else frame + b"\x00"):
            with pytest.raises(FrameRefused):
                opener.open(cut)
    assert (opener.received, opener.epoch) == (1, 0)
    assert opener.open(frame)[1] == b"payload"


@given(payload=st.binary(max_size=300), junk=st.binary(max_size=100), at=st.integers(0, 400), n=st.integers(0, 40))
def test_a_frame_into_which_something_was_spliced_is_refused(payload, junk, at, n):
    sealer, opener = halves(Ordering.DATAGRAM)
    frame = sealer.seal(payload)
    changed = frame[:at] + junk + frame[at + n :]
    if changed != frame:
        with pytest.raises(FrameRefused):
            opener.open(changed)
    assert opener.open(frame)[1] == payload


@given(st.lists(st.integers(0, 60), max_size=120), st.integers(1, 20))
def test_the_window_takes_each_number_once_and_late_ones_by_its_width(order, window):
    """Against the plain definition: a set of what was taken, and the highest of it."""
    sealer, opener = halves(Ordering.DATAGRAM, window=window)
    frames = [sealer.seal(b"%d" % n) for n in range(61)]
    taken = set()
    for n in order:
        highest = max(taken, default=-1)
        fits = n not in taken and n > highest - window
        if fits:
            assert opener.open(frames[n])[1] == b"%d" % n
            taken.add(n)
        else:
            with pytest.raises(FrameRefused):
                opener.open(frames[n])
    assert opener.received == len(taken)


COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(
            ["send", "send", "send", "many", "rekey", "deliver", "deliver", "deliver", "flip", "wrong", "wait"]
        ),
        st.booleans(),
        st.integers(0, 1_000),
    ),
    max_size=80,
)


@pytest.mark.requirement("MSG-2")
@given(COMMANDS)
@settings(max_examples=150)
def test_a_conversation_over_datagrams_delivers_what_was_sent_once(commands):
    """Both rekey as they like; frames come in any order, again and again, changed, and at the wrong end."""
    ends = ChannelLab().sessions(Ordering.DATAGRAM, rekey_frames=3, replay_window=8)
    flying, sent, delivered = ([], []), ([], []), ([], [])
    now_ns = 0
    for command, turn, n in commands:
        end, here = ends[turn], int(turn)
        match command:
            case "send":
                payload = b"%d %d" % (turn, len(sent[here]))
                sent[here].append(payload)
                flying[here].append(end.seal(payload))
            case "many":
                payloads = [b"%d %d" % (turn, len(sent[here]) + i) for i in range(n % 4)]
                sent[here].extend(payloads)
                flying[here].extend(end.seal_many(payloads))
            case "rekey":
                flying[here].append(end.rekey())
            case "wait":
                now_ns += n * NS_PER_S // 100
                flying[here].extend(end.on_time(now_ns).frames)
            case _ if flying[1 - here]:
                frame = flying[1 - here][-1 - n % len(flying[1 - here])]
                if command == "flip":
                    frame = frame[: n % len(frame)] + bytes((frame[n % len(frame)] ^ 4,)) + frame[n % len(frame) + 1 :]
                elif command == "wrong":
                    frame = flying[here][n % len(flying[here])] if flying[here] else b""
                effects = end.receive(frame, now_ns)
                assert command == "deliver" or effects.refused
                delivered[here].extend(effects.payloads)
                flying[here].extend(effects.frames)
    for here in (0, 1):
        assert ends[here].ended is None
        assert len(set(delivered[here])) == len(delivered[here])
        assert set(delivered[here]) <= set(sent[1 - here])


@pytest.mark.requirement("MSG-2")
@given(
    payloads=st.lists(st.binary(max_size=20), min_size=1, max_size=12),
    rekey_frames=st.integers(1, 5),
    closes=st.booleans(),
    fault=st.sampled_from(["none", "cut", "flip", "drop", "double", "swap"]),
    at=st.integers(0, 20),
)
def test_a_stream_delivers_a_beginning_and_says_whether_it_is_all(payloads, rekey_frames, closes, fault, at):
    ours, theirs = ChannelLab().sessions(Ordering.STREAM, rekey_frames=rekey_frames)
    frames = [ours.seal(payload) for payload in payloads] + list(ours.close().frames if closes else ())
    at %= len(frames)
    match fault:
        case "cut":
            frames = frames[:at]
        case "flip":
            frames[at] = frames[at][:-1] + bytes((frames[at][-1] ^ 1,))
        case "drop":
            del frames[at]
        case "double":
            frames.insert(at, frames[at])
        case "swap":
            frames[at], frames[at - 1] = frames[at - 1], frames[at]
    delivered = []
    for frame in frames:
        delivered.extend(theirs.receive(frame, 0).payloads)
    theirs.end_of_stream()
    assert delivered == payloads[: len(delivered)]
    whole = type(theirs.ended) is ChannelClosed and theirs.ended.lost == 0
    assert not whole or (closes and delivered == payloads)
    assert whole or fault != "none" or not closes
