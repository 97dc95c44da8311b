"""Frames: their layout, their order, their window, their epochs."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from phalanx.core import LimitExceeded
from phalanx.crypto import AES_256_GCM, CHACHA20_POLY1305, hkdf
from phalanx.crypto.channel import (
    FRAME_OVERHEAD_BYTES,
    MAX_PAYLOAD_BYTES,
    ChannelClosed,
    FrameOpener,
    FrameRefused,
    FrameSealer,
    Ordering,
)
from phalanx.crypto.channel._messages import CONTROL, DATA

SECRET = bytes(range(32))
ID = b"receiver"


def pair(ordering=Ordering.DATAGRAM, *, aead=AES_256_GCM, rekey_frames=1_000, window=64):
    return FrameSealer(aead, SECRET, ID, rekey_frames=rekey_frames), FrameOpener(
        aead, SECRET, ID, ordering, window=window
    )


def refusal(opener, frame):
    with pytest.raises(FrameRefused) as refused:
        opener.open(frame)
    return refused.value.reason


@pytest.mark.parametrize(("name", "library"), [(AES_256_GCM, AESGCM), (CHACHA20_POLY1305, ChaCha20Poly1305)])
def test_a_frame_is_what_the_page_says_it_is(name, library):
    """Opened here with the library alone, from the documented layout and key schedule."""
    sealer, _ = pair(aead=name)
    sealer.seal(b"first")
    frame = sealer.seal(b"payload")
    assert frame[:21] == bytes((DATA,)) + ID + (0).to_bytes(4) + (1).to_bytes(8)
    material = hkdf(SECRET, salt=b"", info=b"phalanx channel v1: frame\x00", length=44)
    nonce = (int.from_bytes(material[32:]) ^ 1).to_bytes(12)
    assert library(material[:32]).decrypt(nonce, frame[21:], frame[:21]) == b"payload"
    assert len(frame) == len(b"payload") + FRAME_OVERHEAD_BYTES
    sealer.rekey()
    turned = hkdf(SECRET, salt=b"", info=b"phalanx channel v1: ratchet\x00", length=32)
    material = hkdf(turned, salt=b"", info=b"phalanx channel v1: frame\x00", length=44)
    frame = sealer.seal(b"later")
    assert frame[9:21] == (1).to_bytes(4) + (2).to_bytes(8)
    nonce = (int.from_bytes(material[32:]) ^ 2).to_bytes(12)
    assert library(material[:32]).decrypt(nonce, frame[21:], frame[:21]) == b"later"


def test_payloads_have_a_bound_and_a_refused_one_leaves_no_gap():
    sealer, opener = pair(Ordering.STREAM)
    assert opener.open(sealer.seal(bytes(MAX_PAYLOAD_BYTES)))[1] == bytes(MAX_PAYLOAD_BYTES)
    with pytest.raises(LimitExceeded):
        sealer.seal(bytes(MAX_PAYLOAD_BYTES + 1))
    assert opener.open(sealer.seal(b""))[1:] == (b"", 1)
    assert refusal(opener, bytes(MAX_PAYLOAD_BYTES + FRAME_OVERHEAD_BYTES + 1)) == "malformed"
    assert refusal(opener, bytes(FRAME_OVERHEAD_BYTES - 1)) == "malformed"


def test_a_stream_takes_the_next_frame_and_no_other():
    sealer, opener = pair(Ordering.STREAM)
    first, second, third = (sealer.seal(payload) for payload in (b"1", b"2", b"3"))
    assert refusal(opener, second) == "out of order"
    assert opener.open(first)[1] == b"1"
    assert refusal(opener, first) == "out of order"
    assert refusal(opener, third) == "out of order"
    assert opener.open(second)[1] == b"2"


def test_between_datagrams_the_window_has_exact_edges():
    sealer, opener = pair(window=8)
    frames = [sealer.seal(b"%d" % n) for n in range(20)]
    opener.open(frames[10])
    assert refusal(opener, frames[2]) == "too late"
    assert opener.open(frames[3])[1] == b"3"
    assert opener.open(frames[9])[1] == b"9"
    for taken in (3, 9, 10):
        assert refusal(opener, frames[taken]) == "a repetition"
    opener.open(frames[11])
    assert refusal(opener, frames[3]) == "too late"
    assert opener.open(frames[4])[1] == b"4"
    opener.open(frames[19])  # a leap as wide as the window forgets all but itself
    assert refusal(opener, frames[11]) == "too late"
    assert opener.open(frames[12])[1] == b"12"
    assert opener.received == 7


def test_a_leap_of_any_size_costs_nothing():
    sealer, opener = pair()
    sealer._next = iter([2**47]).__next__
    opener.open(sealer.seal(b"far"))
    assert opener._seen == 1


def test_keys_turn_by_count_and_the_receiver_follows():
    for ordering in Ordering:
        sealer, opener = pair(ordering, rekey_frames=3)
        opened = [(*opener.open(sealer.seal(b"%d" % n)), opener.epoch) for n in range(10)]
        assert [epoch for _, _, _, epoch in opened] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
        assert sealer.epoch == opener.epoch == 3


def test_an_overtaken_frame_is_taken_in_until_its_key_is_forgotten():
    sealer, opener = pair()
    late, later = sealer.seal(b"late"), sealer.seal(b"later")
    sealer.rekey()
    opener.open(sealer.seal(b"new"))
    assert opener.open(late)[1] == b"late"
    opener.forget_overtaken()
    assert refusal(opener, later) == "of a stale epoch"


def test_an_old_key_seals_nothing_new():
    """Whoever steals a key after its time: its epoch is over from the first frame of the next one on."""
    sealer, opener = pair()
    thief, _ = pair()
    opener.open(sealer.seal(b"0"))
    sealer.rekey()
    opener.open(sealer.seal(b"1"))
    thief._next = iter([1, 2, 500]).__next__
    assert [refusal(opener, thief.seal(b"forged")) for _ in range(3)] == ["a repetition", *["of a stale epoch"] * 2]


def test_an_epoch_ends_at_the_lowest_number_of_the_next_also_when_that_comes_late():
    sealer, opener = pair()
    thief, _ = pair()
    for _ in range(4):
        sealer.seal(b"lost")
    sealer.rekey()
    fourth, _, sixth = sealer.seal(b"4"), sealer.seal(b"5"), sealer.seal(b"6")
    opener.open(sixth)
    opener.open(fourth)
    thief._next = iter([5, 3]).__next__
    assert refusal(opener, thief.seal(b"forged")) == "of a stale epoch"
    # What was sealed before the turn and never came is what a stolen key can still stand in for, for a while.
    assert opener.open(thief.seal(b"forged"))[2] == 3


def test_two_epochs_back_is_stale_and_a_stream_keeps_no_old_key_at_all():
    sealer, opener = pair()
    first = sealer.seal(b"in 0")
    for _ in range(2):
        sealer.rekey()
        opener.open(sealer.seal(b"x"))
    assert refusal(opener, first) == "of a stale epoch"
    sealer, opener = pair(Ordering.STREAM, rekey_frames=1)
    for _ in range(3):
        opener.open(sealer.seal(b"x"))
        assert not opener.keeps_overtaken


def test_epochs_may_be_lost_up_to_a_bound():
    sealer, opener = pair()
    for _ in range(4):
        sealer.rekey()
    overtaken = sealer.seal(b"in 4")
    sealer.rekey()
    assert refusal(opener, sealer.seal(b"in 5")) == "of an epoch too far ahead"
    assert opener.open(overtaken)[1] == b"in 4"
    assert opener.open(sealer.seal(b"in 5"))[1] == b"in 5"
    strict = pair(Ordering.STREAM)[1]
    sealer = pair()[0]
    sealer.rekey()
    sealer.rekey()
    assert refusal(strict, sealer.seal(b"x")) == "of an epoch too far ahead"


def test_a_leap_over_epochs_keeps_the_key_just_before():
    sealer, opener = pair()
    for _ in range(2):
        sealer.rekey()
    late = sealer.seal(b"in 2")
    sealer.rekey()
    opener.open(sealer.seal(b"in 3"))
    assert opener.open(late)[1] == b"in 2"


def test_a_forged_header_does_not_move_the_receiver():
    sealer, opener = pair()
    frame = sealer.seal(b"x")
    for epoch in (1, 2, 4, 5, 2**32 - 1):
        opener_refuses = refusal(opener, frame[:9] + epoch.to_bytes(4) + frame[13:])
        assert opener_refuses in ("not authentic", "of an epoch too far ahead")
    for seq in (1, 2**47, 2**64 - 1):
        assert refusal(opener, frame[:13] + seq.to_bytes(8) + frame[21:]) == "not authentic"
    assert refusal(opener, bytes((CONTROL,)) + frame[1:]) == "not authentic"
    assert opener.epoch == opener.received == opener._top == 0
    assert opener.open(frame)[1] == b"x"


def test_an_erased_half_does_nothing_any_more():
    sealer, opener = pair()
    frame = sealer.seal(b"x")
    sealer.erase()
    opener.erase()
    for seal in (sealer.seal, lambda payload: sealer.seal_kind(CONTROL, payload)):
        with pytest.raises(ChannelClosed):
            seal(b"x")
    with pytest.raises(ChannelClosed):
        sealer.rekey()
    assert refusal(opener, frame) == "of another channel"


def test_numbers_and_epochs_end_before_they_repeat():
    sealer, _ = pair()
    sealer._next = iter([2**48 - 1, 2**48]).__next__
    sealer.seal(b"the last one")
    with pytest.raises(ChannelClosed, match="used up"):
        sealer.seal(b"one too many")
    sealer, _ = pair()
    sealer.epoch = 2**32 - 1
    with pytest.raises(ChannelClosed, match="used up"):
        sealer.rekey()


def test_two_threads_that_seal_at_once_never_share_a_number():
    """A channel belongs to one event loop; if somebody breaks that rule, no nonce is used twice."""
    import sys
    from concurrent.futures import ThreadPoolExecutor

    sealer, _ = pair(rekey_frames=1 << 20)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            frames = list(pool.map(lambda _: [sealer.seal(b"x")[9:21] for _ in range(500)], range(4)))
    finally:
        sys.setswitchinterval(interval)
    headers = [header for some in frames for header in some]
    assert len(set(headers)) == len(headers) == 2_000
