"""The handshake: whom it lets through, what both sides then agree on, and what it refuses."""

from dataclasses import replace

import msgspec
import pytest

from phalanx.core import NS_PER_S, InvalidInput
from phalanx.crypto import (
    AES_256_GCM,
    CHACHA20_POLY1305,
    ED25519,
    ED25519_ML_DSA_65,
    ML_KEM_768,
    X25519,
    X25519_ML_KEM_768,
    AlgorithmForbidden,
    CryptoPolicy,
)
from phalanx.crypto.channel import (
    ChannelPolicy,
    HandshakeFailed,
    HandshakeTampered,
    HandshakeTimeout,
    NoCommonAlgorithm,
    Ordering,
    PeerRefused,
    PresharedKeyRefused,
    Psk,
    PskMode,
    Suite,
)
from phalanx.testing import ChannelLab

QKD = Psk(b"qkd-1", bytes(range(32)))
OTHER = Psk(b"qkd-1", bytes(range(1, 33)))


def cheap(**changes):
    return ChannelPolicy(**{"suites": (Suite(X25519, AES_256_GCM),), "signatures": (ED25519,), **changes})


def find(*psks):
    return {psk.id: psk.secret for psk in psks}.get


@pytest.mark.requirement("MSG-2", "CRY-1")
def test_the_default_is_hybrid_and_post_quantum_and_both_sides_agree():
    lab = ChannelLab(ED25519_ML_DSA_65, ChannelPolicy())
    done = lab.shake()
    ours, theirs = done.ours, done.theirs
    assert ours.agreed.suite == theirs.agreed.suite == Suite(X25519_ML_KEM_768, AES_256_GCM)
    assert ours.agreed.binding == theirs.agreed.binding
    assert (ours.peer, theirs.peer) == (lab.people.fingerprint("bob"), lab.people.fingerprint("ada"))
    assert theirs.receive(ours.seal(b"to bob"), 0).payloads == (b"to bob",)
    assert ours.receive(theirs.seal(b"to ada"), 0).payloads == (b"to ada",)


def test_no_credential_and_no_name_crosses_the_wire_in_the_clear(lab):
    done = lab.shake()
    for name in ("ada", "bob"):
        key = lab.people.key(name).public
        assert not any(key.raw in message for message in (done.hello, done.reply, done.finish, done.confirm))


def test_each_handshake_gives_other_keys(lab):
    first, second = lab.shake(), lab.shake()
    assert first.ours.agreed.binding != second.ours.agreed.binding
    assert second.theirs.receive(first.ours.seal(b"x"), 0).refused


def test_the_responder_prefers_and_the_offer_decides_what_there_is_to_prefer(lab):
    both = (Suite(X25519, AES_256_GCM), Suite(ML_KEM_768, CHACHA20_POLY1305))
    done = lab.shake(policy=cheap(suites=both), responder_policy=cheap(suites=both[::-1]))
    assert done.ours.agreed.suite == done.theirs.agreed.suite == both[1]
    with pytest.raises(NoCommonAlgorithm):
        lab.shake(policy=cheap(suites=both[:1]), responder_policy=cheap(suites=both[1:]))


def test_a_signature_algorithm_that_the_other_does_not_accept_is_refused():
    lab = ChannelLab(ED25519)
    with pytest.raises(NoCommonAlgorithm):  # the initiator would not accept what the responder signs with
        lab.shake(policy=cheap(signatures=(ED25519_ML_DSA_65,)), responder_policy=cheap())
    initiator = lab.initiator()
    responder = lab.responder(initiator.start(), policy=cheap(signatures=(ED25519_ML_DSA_65,)))
    with pytest.raises(PeerRefused, match="does not allow"):
        responder.finish(initiator.receive(responder.reply, 0).messages[0], 0)


@pytest.mark.requirement("CRY-1")
def test_what_the_house_forbids_is_neither_offered_nor_used(lab):
    both = (Suite(X25519, AES_256_GCM), Suite(X25519, CHACHA20_POLY1305))
    policy = cheap(suites=both, crypto=CryptoPolicy(forbidden=frozenset({AES_256_GCM})))
    assert lab.shake(policy=policy, responder_policy=cheap(suites=both)).ours.agreed.suite == both[1]
    with pytest.raises(AlgorithmForbidden):
        lab.initiator(policy=cheap(signatures=(ED25519, ED25519_ML_DSA_65), crypto=CryptoPolicy(frozenset({ED25519}))))
    with pytest.raises(InvalidInput, match="suites"):
        cheap(crypto=CryptoPolicy(frozenset({X25519})))


def test_whoever_answers_must_be_whom_we_called(lab):
    initiator = lab.initiator(to="bob")
    responder = lab.responder(initiator.start(), "eve")
    with pytest.raises(PeerRefused, match="answered instead of"):
        initiator.receive(responder.reply, 0)


@pytest.mark.parametrize("revoked", ["ada", "bob"])
def test_a_revoked_party_gets_no_channel_and_is_told(lab, revoked):
    lab.people.party(revoked)
    lab.people.revoked.add(revoked)
    initiator = lab.initiator()
    responder = lab.responder(initiator.start())
    if revoked == "bob":
        with pytest.raises(PeerRefused, match="no longer"):
            initiator.receive(responder.reply, 0)
        return
    finish = initiator.receive(responder.reply, 0).messages[0]
    with pytest.raises(PeerRefused):
        responder.finish(finish, 0)
    with pytest.raises(PeerRefused, match="does not accept our credential"):
        initiator.receive(responder.refusal, 0)
    lab.people.revoked.clear()
    with pytest.raises(HandshakeTampered):  # its traffic keys have sealed the refusal, so they are never used again
        responder.finish(finish, 0)


def test_a_finish_makes_one_session_only(lab):
    done = lab.shake()
    with pytest.raises(HandshakeTampered):
        done.responder.finish(done.finish, 0)


# Pre-shared keys


@pytest.mark.requirement("MSG-2")
@pytest.mark.parametrize("mode", [PskMode.OPTIONAL, PskMode.REQUIRED])
def test_a_key_that_both_hold_is_mixed_in(lab, mode):
    with_key = lab.shake(policy=cheap(psk=mode), psks=[QKD], find_psk=find(QKD))
    assert with_key.ours.agreed.psk_id == with_key.theirs.agreed.psk_id == QKD.id
    assert with_key.theirs.receive(with_key.ours.seal(b"x"), 0).payloads == (b"x",)


def test_an_optional_key_may_be_absent_and_the_session_says_so(lab):
    for psks, found in (([QKD], ()), ([], (QKD,))):
        done = lab.shake(policy=cheap(psk=PskMode.OPTIONAL), psks=psks, find_psk=find(*found))
        assert done.ours.agreed.psk_id is done.theirs.agreed.psk_id is None


@pytest.mark.parametrize(
    ("ours", "theirs", "psks", "found"),
    [
        (PskMode.REQUIRED, PskMode.REQUIRED, [QKD], []),
        (PskMode.REQUIRED, PskMode.NONE, [QKD], [QKD]),
        (PskMode.REQUIRED, PskMode.OPTIONAL, [], [QKD]),
        (PskMode.OPTIONAL, PskMode.REQUIRED, [], [QKD]),
        (PskMode.NONE, PskMode.REQUIRED, [QKD], [QKD]),
        (PskMode.OPTIONAL, PskMode.OPTIONAL, [QKD], [OTHER]),
    ],
)
def test_a_required_key_that_is_absent_or_a_wrong_one_is_refused_by_name(lab, ours, theirs, psks, found):
    with pytest.raises(PresharedKeyRefused):
        lab.shake(policy=cheap(psk=ours), responder_policy=cheap(psk=theirs), psks=psks, find_psk=find(*found))


def test_a_wrong_key_would_fail_also_if_nobody_checked_the_binder(lab, monkeypatch):
    monkeypatch.setattr("phalanx.crypto.channel._responder.binder", lambda *_: bytes(32))
    monkeypatch.setattr("phalanx.crypto.channel._initiator.binder", lambda *_: bytes(32))
    with pytest.raises(HandshakeTampered, match="does not open"):
        lab.shake(policy=cheap(psk=PskMode.OPTIONAL), psks=[QKD], find_psk=find(OTHER))


def test_a_guessable_key_is_no_key():
    with pytest.raises(InvalidInput, match=r"psk\.secret"):
        Psk(b"id", b"correct horse battery staple")
    assert "secret" not in repr(QKD)


# Attackers


def test_our_own_messages_reflected_to_us_are_refused(lab):
    initiator = lab.initiator("ada", to="bob", peer=None)
    mirror = lab.responder(initiator.start(), "ada")
    with pytest.raises(PeerRefused, match="our own key"):
        initiator.receive(mirror.reply, 0)


def test_messages_of_one_role_do_not_pass_for_the_other(lab):
    done, fresh = lab.shake(), lab.initiator()
    for message in (done.hello, done.finish, done.confirm, fresh.start(), b"", b"\x03"):
        with pytest.raises(HandshakeFailed):
            lab.initiator().receive(message, 0)
    for message in (done.hello, done.reply, done.confirm):
        with pytest.raises(HandshakeFailed):
            lab.responder(fresh.start()).finish(message, 0)


def test_parts_of_different_handshakes_do_not_fit_together(lab):
    first, second = lab.initiator(), lab.initiator()
    to_first, to_second = lab.responder(first.start()), lab.responder(second.start())
    with pytest.raises(HandshakeTampered):
        lab.initiator().receive(to_first.reply, 0)
    # The attacker may well rewrite the id that routes a message; it is authenticated, too.
    with pytest.raises(HandshakeTampered):
        first.receive(to_first.reply[:1] + first.local_id + to_second.reply[9:], 0)
    finish = second.receive(to_second.reply, 0).messages[0]
    for message in (finish, finish[:1] + to_first.local_id + finish[9:]):
        with pytest.raises(HandshakeTampered):
            to_first.finish(message, 0)
    assert to_second.finish(finish, 0).session


def test_who_relays_a_handshake_as_their_own_changes_who_is_believed_to_speak(lab):
    # Unknown key share: eve answers ada herself and calls bob herself; nobody mistakes whom they talk to.
    ada, eve_calls = lab.initiator("ada", to="bob"), lab.initiator("eve", to="bob")
    eve_answers, bob = lab.responder(ada.start(), "eve"), lab.responder(eve_calls.start(), "bob")
    finish = eve_calls.receive(bob.reply, 0).messages[0]
    assert bob.finish(finish, 0).session.peer == lab.people.fingerprint("eve")
    with pytest.raises(PeerRefused):
        ada.receive(eve_answers.reply, 0)


def rewritten(message, index, change):
    """A message whose field ``index`` was changed, as an attacker in the middle would write it."""
    fields = msgspec.msgpack.decode(message[9:])
    fields[index] = change(fields[index])
    return message[:9] + msgspec.msgpack.encode(fields)


def offer_with(hello, **changes):
    names = ("versions", "session", "random", "ordering", "suites", "signatures", "shares", "psk_mode", "psk_ids")

    def change(offer):
        fields = msgspec.msgpack.decode(offer)
        for name, value in changes.items():
            fields[names.index(name)] = value
        return msgspec.msgpack.encode(fields)

    return rewritten(hello, 1, change)


@pytest.mark.requirement("MSG-2", "CRY-1")
def test_a_downgrade_is_found_whatever_is_struck_from_the_offer(lab):
    strong, weak = Suite(ML_KEM_768, AES_256_GCM), Suite(X25519, CHACHA20_POLY1305)
    policy = cheap(suites=(strong, weak), signatures=(ED25519, ED25519_ML_DSA_65), psk=PskMode.OPTIONAL)
    struck = {
        "suites": [[weak.kem, weak.aead]],
        "signatures": [ED25519],
        "psk_ids": [],
        "psk_mode": "none",
        "versions": [1, 0],
    }
    for name, value in struck.items():
        initiator = lab.initiator(policy=policy, psks=[QKD])
        changed = offer_with(initiator.start(), **{name: value})
        if name == "psk_ids":
            changed = rewritten(changed, 2, lambda _: [])
        try:
            responder = lab.responder(changed, policy=policy, find_psk=find(QKD))
        except HandshakeFailed:
            continue  # the binder covers the whole offer, too
        with pytest.raises(HandshakeTampered):
            initiator.receive(responder.reply, 0)


def test_a_version_that_nobody_knows_is_refused(lab):
    with pytest.raises(NoCommonAlgorithm, match="version"):
        lab.responder(offer_with(lab.initiator().start(), versions=[2, 3]))
    initiator = lab.initiator()
    reply = lab.responder(initiator.start()).reply

    def of_version_2(choice):
        return msgspec.msgpack.encode([2, *msgspec.msgpack.decode(choice)[1:]])

    with pytest.raises(HandshakeTampered, match="version 2"):
        initiator.receive(rewritten(reply, 0, of_version_2), 0)


def test_a_suite_is_chosen_only_with_its_own_share(lab):
    both = cheap(suites=(Suite(X25519, AES_256_GCM), Suite(ML_KEM_768, AES_256_GCM)))
    hello = lab.initiator(policy=both).start()
    with pytest.raises(NoCommonAlgorithm):
        lab.responder(offer_with(hello, shares=[["ML-KEM-1024", b"x"]]), policy=both)
    with pytest.raises(HandshakeTampered):
        lab.responder(offer_with(hello, shares=[[X25519, bytes(32)]]), policy=both)  # a point of small order


def test_one_encoding_of_a_message_is_accepted(lab):
    initiator = lab.initiator()
    reply = lab.responder(initiator.start()).reply
    assert reply[9:12] == b"\x92\xc4" + reply[11:12]
    longer = reply[:10] + b"\xc5\x00" + reply[11:]  # the same value, its length in two bytes
    with pytest.raises(HandshakeTampered, match="form"):
        initiator.receive(longer, 0)


def test_what_the_responder_may_not_choose(lab):
    policy = cheap(psk=PskMode.REQUIRED)
    reply_fields = ("version", "session", "random", "suite", "ciphertext", "psk_id")
    changes = {
        "suite": [X25519, CHACHA20_POLY1305],
        "ciphertext": b"short",
        "psk_id": b"another",
    }
    for name, value in [*changes.items(), ("psk_id", None), ("ciphertext", bytes(32))]:
        initiator = lab.initiator(policy=policy, psks=[QKD])
        reply = lab.responder(initiator.start(), policy=policy, find_psk=find(QKD)).reply

        def change(choice, name=name, value=value):
            fields = msgspec.msgpack.decode(choice)
            fields[reply_fields.index(name)] = value
            return msgspec.msgpack.encode(fields)

        with pytest.raises(HandshakeTampered):
            initiator.receive(rewritten(reply, 0, change), 0)


def test_a_responder_may_not_leave_out_a_key_that_we_require(lab, monkeypatch):
    initiator = lab.initiator(policy=cheap(psk=PskMode.REQUIRED), psks=[QKD])
    monkeypatch.setattr("phalanx.crypto.channel.Responder._choose_psk", lambda *_: None)
    with pytest.raises(HandshakeTampered, match="left out"):
        initiator.receive(lab.responder(initiator.start()).reply, 0)


def test_binders_go_with_ids(lab):
    initiator = lab.initiator(policy=cheap(psk=PskMode.OPTIONAL), psks=[QKD])
    with pytest.raises(HandshakeTampered, match="add up"):
        lab.responder(rewritten(initiator.start(), 2, lambda _: []), policy=cheap(psk=PskMode.OPTIONAL))


def test_who_signs_must_also_hold_the_handshake_secret(lab, monkeypatch):
    from phalanx.crypto.channel._schedule import HandshakeKeys

    initiator = lab.initiator()
    with monkeypatch.context() as patch:
        patch.setattr(HandshakeKeys, "confirmation", lambda *_: bytes(32))
        reply = lab.responder(initiator.start()).reply
    with pytest.raises(HandshakeTampered, match="confirmation"):
        initiator.receive(reply, 0)


def test_a_cookie_has_no_place_in_a_stream(lab):
    from phalanx.crypto.channel._messages import RETRY, Retry, wire

    initiator = lab.initiator()
    hello = initiator.start()
    with pytest.raises(HandshakeTampered, match="cookie"):
        lab.responder(rewritten(hello, 0, lambda _: b"cookie"))
    with pytest.raises(HandshakeTampered, match="cookie"):
        initiator.receive(wire(RETRY, initiator.local_id, Retry(b"cookie")), 0)


def test_what_a_side_brings_has_bounds(lab):
    with pytest.raises(InvalidInput, match="psks"):
        lab.initiator(policy=cheap(psk=PskMode.OPTIONAL), psks=[Psk(b"%d" % n, bytes(32)) for n in range(5)])
    with pytest.raises(InvalidInput, match=r"psk\.id"):
        Psk(b"", bytes(32))
    with pytest.raises(InvalidInput, match="credential"):
        replace(lab.people.party("ada"), credential=bytes(48 * 1024 + 1))
    for name, value in (("rekey_frames", 0), ("rekey_age_s", 3_601), ("channel_age_s", -1), ("replay_window", 1_025)):
        with pytest.raises(InvalidInput, match=name):
            cheap(**{name: value})
    assert Suite(X25519, AES_256_GCM).name == "X25519 AES-256-GCM"


def test_a_judge_of_credentials_that_trips_over_one_refuses_it(lab):
    party = lab.people.party("ada")
    object.__setattr__(party, "verify_peer", lambda credential: int(credential))
    initiator = lab.initiator()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab.people, "party", lambda _: party)
        tripping = lab.initiator()
    with pytest.raises(PeerRefused, match="not accepted"):
        tripping.receive(lab.responder(tripping.start()).reply, 0)
    assert initiator.start() != tripping.start()


# Between datagrams


def test_over_datagrams_a_forgery_ends_nothing_until_there_are_too_many(lab):
    initiator = lab.initiator(ordering=Ordering.DATAGRAM)
    responder = lab.responder(initiator.start(), ordering=Ordering.DATAGRAM)
    forged = responder.reply[:-1] + bytes((responder.reply[-1] ^ 1,))
    for _ in range(15):
        assert initiator.receive(forged, 0) == ((), None, ())
    finish = initiator.receive(responder.reply, 0).messages[0]
    for _ in range(30):
        with pytest.raises(HandshakeTampered):
            responder.finish(finish[:-1] + bytes((finish[-1] ^ 1,)), 0)
    assert initiator.receive(responder.finish(finish, 0).messages[0], 0).session

    initiator = lab.initiator(ordering=Ordering.DATAGRAM)
    forged = forged[:1] + initiator.local_id + forged[9:]
    for _ in range(15):
        initiator.receive(forged, 0)
    with pytest.raises(HandshakeTampered):
        initiator.receive(forged, 0)


def test_over_datagrams_a_refusal_explains_the_timeout_and_nothing_else(lab):
    from phalanx.crypto.channel._responder import refuse

    initiator = lab.initiator(ordering=Ordering.DATAGRAM)
    hello = initiator.start()
    assert initiator.receive(refuse(initiator.local_id, "go away\x1b[2J"), 0).messages == ()
    assert initiator.on_time(NS_PER_S).messages == (hello,)
    with pytest.raises(HandshakeTimeout, match=r"unauthenticated: go away\[2J"):
        initiator.on_time(10 * NS_PER_S)
    assert initiator.on_time(11 * NS_PER_S) == ((), None, ())


def test_in_a_stream_a_refusal_is_the_end(lab):
    from phalanx.crypto.channel._responder import refuse

    initiator = lab.initiator()
    with pytest.raises(HandshakeFailed, match="go away"):
        initiator.receive(refuse(initiator.local_id, "go away"), 0)


def test_a_doubled_cookie_is_answered_once_and_too_many_are_not(lab):
    from phalanx.crypto.channel._messages import RETRY, Retry, wire

    initiator = lab.initiator(ordering=Ordering.DATAGRAM)
    answers = [
        len(initiator.receive(wire(RETRY, initiator.local_id, Retry(b"%d" % (n // 2))), 0).messages) for n in range(20)
    ]
    assert answers == [1, 0] * 8 + [0] * 4


def test_what_may_be_lost_is_sent_again_less_and_less_often(lab):
    initiator = lab.initiator(ordering=Ordering.DATAGRAM)
    times = [ms for ms in range(0, 9_999, 10) if initiator.on_time(ms * 1_000_000).messages]
    assert times == [250, 750, 1_750, 3_750, 5_750, 7_750, 9_750]
