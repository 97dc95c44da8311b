"""No byte of a handshake may change, be cut or come from elsewhere, and no change leaves a mark."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import Rng
from phalanx.crypto import ED25519_ML_DSA_65
from phalanx.crypto.channel import (
    ChannelPolicy,
    Endpoint,
    HandshakeFailed,
    Initiator,
    Opened,
    Ordering,
    Psk,
    PskMode,
    Transmit,
)
from phalanx.testing import ChannelLab, SimEntropy

DATAGRAM, STREAM = Ordering.DATAGRAM, Ordering.STREAM
PSK = Psk(b"shared", bytes(range(32)))


def flipped(message, at, difference):
    return message[:at] + bytes((message[at] ^ difference,)) + message[at + 1 :]


def every_flip(message):
    """Each byte changed once, in a bit that varies, and the message cut before it."""
    for at in range(len(message)):
        yield flipped(message, at, 1 << at % 8)
        yield message[:at]


@pytest.mark.requirement("MSG-2")
@pytest.mark.parametrize("psk", [False, True], ids=["without a pre-shared key", "with one"])
def test_every_byte_of_every_message_counts(psk):
    """Exhaustive, with cheap algorithms: the same fields as with the hybrid ones, shorter."""
    policy = ChannelLab().policy
    mode = PskMode.REQUIRED if psk else PskMode.NONE
    policy = ChannelPolicy(suites=policy.suites, signatures=policy.signatures, psk=mode)
    lab = ChannelLab(policy=policy)
    more = {"find_psk": {PSK.id: PSK.secret}.get} if psk else {}
    initiator = lab.initiator(ordering=DATAGRAM, psks=[PSK] if psk else [])
    hello = initiator.start()

    for changed in every_flip(hello):
        initiator._forged = 0  # count each change by itself
        try:
            reply = lab.responder(changed, ordering=DATAGRAM, **more).reply
        except HandshakeFailed:
            continue
        assert initiator.receive(reply[:1] + initiator.local_id + reply[9:], 0) == ((), None, ())

    responder = lab.responder(hello, ordering=DATAGRAM, **more)
    for changed in every_flip(responder.reply):
        initiator._forged = 0
        assert initiator.receive(changed, 0) == ((), None, ())
    finish = initiator.receive(responder.reply, 0).messages[0]

    for changed in every_flip(finish):
        with pytest.raises(HandshakeFailed):
            responder.finish(changed, 0)
    done = responder.finish(finish, 0)

    for changed in every_flip(done.messages[0]):
        initiator._forged = 0
        assert initiator.receive(changed, 0) == ((), None, ())
    ours = initiator.receive(done.messages[0], 0).session
    assert done.session.receive(ours.seal(b"after all that"), 0).payloads == (b"after all that",)


@pytest.fixture(scope="module")
def hybrid():
    """A handshake with the algorithms that are the default."""
    lab = ChannelLab(ED25519_ML_DSA_65, ChannelPolicy())
    initiator = lab.initiator(ordering=DATAGRAM)
    responder = lab.responder(initiator.start(), ordering=DATAGRAM)
    return lab, initiator, responder


@given(at=st.integers(0, 10_000), difference=st.integers(1, 255))
@settings(max_examples=150)
def test_no_byte_of_a_hybrid_reply_may_change(hybrid, at, difference):
    _, initiator, responder = hybrid
    initiator._forged = 0
    changed = flipped(responder.reply, at % len(responder.reply), difference)
    assert initiator.receive(changed, 0) == ((), None, ())


@given(data=st.binary(max_size=3_000), kind=st.sampled_from([1, 2, 3, 4, 5, 16, 17, 18]))
def test_whatever_comes_in_is_refused_by_name(data, kind):
    lab = ChannelLab()
    initiator = lab.initiator(ordering=DATAGRAM)
    responder = lab.responder(initiator.start(), ordering=DATAGRAM)
    for message in (data, bytes((kind,)) + initiator.local_id + data):
        assert initiator.receive(message, 0) == ((), None, ())
    for message in (data, bytes((kind,)) + responder.local_id + data):
        with pytest.raises(HandshakeFailed):
            responder.finish(message, 0)
        with pytest.raises(HandshakeFailed):
            lab.responder(message)


# A whole exchange, with the network in the attacker's hands.


def bindings(sessions):
    return {session.agreed.binding for session in sessions}


@given(st.data())
@settings(max_examples=60)
def test_however_datagrams_come_both_ends_agree_or_there_is_no_channel(data):
    lab = ChannelLab()
    ends = {
        name: Endpoint(lab.people.party(name), lab.policy, SimEntropy(Rng(n)), max_half_open=8)
        for n, name in enumerate(("ada", "bob"))
    }
    flying, opened, dialled = [], {"ada": [], "bob": []}, {"ada": [], "bob": []}

    def take(name, effects):
        for effect in effects:
            if isinstance(effect, Transmit):
                flying.append((name, effect.address, effect.datagram))
            elif isinstance(effect, Opened):
                opened[name].append(effect.session)
                dialled[name] += [effect.session] if effect.dial is not None else []

    for name, other in (("ada", "bob"), ("bob", "ada")):
        take(name, ends[name].connect(other, 0, peer=lab.people.fingerprint(other))[1])
    for _ in range(data.draw(st.integers(5, 30))):
        source, target, datagram = flying[data.draw(st.integers(0, len(flying) - 1))]  # late, doubled, in any order
        match data.draw(st.integers(0, 5)):
            case 0:
                datagram = flipped(datagram, data.draw(st.integers(0, len(datagram) - 1)), 1)
            case 1:
                datagram = datagram[: data.draw(st.integers(0, len(datagram)))]
            case 2:
                source, target = target, source  # back to where it came from
        take(target, ends[target].receive(source, datagram, 0))
        for name in ends:
            assert ends[name].counts["half_open"] <= 4
    ours, theirs = bindings(opened["ada"]), bindings(opened["bob"])
    assert len(ours) == len(opened["ada"])
    assert len(theirs) == len(opened["bob"])
    # An initiator that has a channel has it with the responder; the responder may wait for it in vain.
    assert bindings(dialled["ada"]) <= theirs
    assert bindings(dialled["bob"]) <= ours
    for session in [*opened["ada"], *opened["bob"]]:
        assert session.peer in (lab.people.fingerprint("ada"), lab.people.fingerprint("bob"))


@given(
    versions=st.lists(st.integers(0, 3), max_size=3),
    suites=st.lists(
        st.sampled_from([("X25519", "AES-256-GCM"), ("X25519", "ChaCha20-Poly1305"), ("rot13", "none")]), max_size=3
    ),
    signatures=st.lists(st.sampled_from(["Ed25519", "ML-DSA-44", ""]), max_size=3),
)
def test_no_other_offer_than_ours_is_ever_agreed_on(versions, suites, signatures):
    from phalanx.crypto.channel._messages import HELLO, Hello, Offer, pack, read, unpack, wire

    lab = ChannelLab()
    initiator = lab.initiator(ordering=STREAM)
    hello = read(initiator.start(), HELLO, Hello, initiator.local_id)
    offer = unpack(hello.offer, Offer)
    other = Offer(
        tuple(versions), offer.session, offer.random, offer.ordering, tuple(suites), tuple(signatures), offer.shares,
        offer.psk_mode, offer.psk_ids,
    )  # fmt: skip
    changed = wire(HELLO, initiator.local_id, Hello(b"", pack(other), ()))
    if changed != initiator.start():
        with pytest.raises(HandshakeFailed):
            initiator.receive(lab.responder(changed).reply, 0)


def test_a_state_machine_is_the_same_whatever_came_before_the_right_message():
    lab = ChannelLab()
    initiator = lab.initiator(ordering=DATAGRAM)
    assert isinstance(initiator, Initiator)
    strangers = [lab.shake(ordering=DATAGRAM) for _ in range(3)]
    for stranger in strangers:
        for message in (stranger.hello, stranger.reply, stranger.finish, stranger.confirm):
            assert initiator.receive(message, 0) == ((), None, ())
    responder = lab.responder(initiator.start(), ordering=DATAGRAM)
    assert initiator.receive(responder.reply, 0).messages
