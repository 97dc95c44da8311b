"""What is left when a secret falls: afterwards, beforehand, or one half of a hybrid from the start."""

import gc

import pytest

from phalanx.crypto import AES_256_GCM, ED25519, X25519, X25519_ML_KEM_768, DecapsulationKey
from phalanx.crypto.channel import ChannelPolicy, HandshakeFailed, Ordering, PeerRefused, Suite
from phalanx.crypto.channel import _schedule as schedule

HYBRID = ChannelPolicy(suites=(Suite(X25519_ML_KEM_768, AES_256_GCM),), signatures=(ED25519,))
KINDS = (bytes, bytearray, tuple, list, dict, set)


def reachable(*roots):
    """Everything of ours that can be reached from objects, without going through modules and classes."""
    todo, seen = list(roots), {}
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type):
            continue
        seen[id(one)] = one
        if isinstance(one, KINDS) or type(one).__module__.startswith("phalanx.crypto"):
            todo += gc.get_referents(one)
        elif callable(one) and getattr(one, "__self__", None) is not None:
            todo.append(one.__self__)
    return list(seen.values())


def secrets_in(objects):
    return {bytes(one) for one in objects if isinstance(one, bytes | bytearray) and len(one) >= 16}


@pytest.fixture
def derived(monkeypatch):
    """Every secret that the key schedule makes, in order."""
    made, derive = [], schedule.derive

    def noted(secret, label, context=b"", length=32):
        made.append((label, derive(secret, label, context, length)))
        return made[-1][1]

    monkeypatch.setattr(schedule, "derive", noted)
    return made


@pytest.mark.requirement("MSG-2")
def test_who_learns_the_signing_keys_later_opens_nothing_that_was_recorded(lab):
    """Forward secrecy: what a handshake needs and its transcript do not give is gone when it is over."""
    done = lab.shake(policy=HYBRID)
    left = reachable(done.initiator, done.responder, done.ours, done.theirs)
    assert not [one for one in left if isinstance(one, DecapsulationKey | schedule.HandshakeKeys)]
    # With the recording and the signing keys an attacker can replay one side only with a new share of
    # their own, and the same party then derives other keys from it.
    again = lab.responder(done.hello, policy=HYBRID)
    assert again.reply != done.reply
    with pytest.raises(HandshakeFailed):
        again.finish(done.finish[:1] + again.local_id + done.finish[9:], 0)


def test_the_ephemeral_key_is_gone_before_the_confirmation_comes(lab):
    initiator = lab.initiator(policy=HYBRID)
    reply = lab.responder(initiator.start(), policy=HYBRID).reply
    assert any(isinstance(one, DecapsulationKey) for one in reachable(initiator))
    initiator.receive(reply, 0)
    assert not any(isinstance(one, DecapsulationKey) for one in reachable(initiator))


def test_the_secrets_of_the_handshake_do_not_outlive_it(lab, derived):
    done = lab.shake(policy=HYBRID)
    labels = {label for label, _ in derived}
    assert {b"traffic initiator", b"proof responder", b"frame"} <= labels
    left = secrets_in(reachable(done.initiator, done.responder, done.ours, done.theirs))
    kept = {label for label, secret in derived if secret in left}
    assert kept == {b"traffic initiator", b"traffic responder"}


def test_a_turned_ratchet_and_a_close_leave_nothing_of_before(lab, derived):
    done = lab.shake(policy=HYBRID)
    before = {secret for _, secret in derived}
    for here, there in ((done.ours, done.theirs), (done.theirs, done.ours)):
        there.receive(here.rekey(), 0)
    after = secrets_in(reachable(done.ours, done.theirs))
    assert not before & after
    assert {secret for label, secret in derived if label == b"ratchet"} & after
    done.theirs.receive(done.ours.close().frames[0], 0)
    left = secrets_in(reachable(done.ours, done.theirs))
    assert not {secret for _, secret in derived} & left


def test_an_overtaken_key_is_reachable_no_longer_than_it_is_kept(lab):
    done = lab.shake(policy=HYBRID, ordering=Ordering.DATAGRAM)
    old = done.theirs._opener._cipher
    done.theirs.receive(done.ours.rekey(), 0)
    assert any(one is old for one in reachable(done.theirs))
    done.theirs._opener.forget_overtaken()
    assert not any(one is old for one in reachable(done.theirs))


def test_who_has_our_key_cannot_pass_for_somebody_else_towards_us(lab):
    """Key compromise impersonation: with ada's signing key, eve tries to be bob to ada."""
    stolen = lab.people.key("ada")
    credential_of_bob = lab.people.party("bob").credential
    for signs in (stolen, lab.people.key("eve")):
        ada = lab.initiator("ada", to="bob")
        forger = lab.people.party("eve")
        object.__setattr__(forger, "signing_key", signs)
        object.__setattr__(forger, "credential", credential_of_bob)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lab.people, "party", lambda _, forger=forger: forger)
            forged = lab.responder(ada.start())
        with pytest.raises(HandshakeFailed, match="signature does not belong"):
            ada.receive(forged.reply, 0)
    lab.people.keys["clone"] = stolen  # and as herself she is not believed either
    ada = lab.initiator("ada", to="bob", peer=None)
    with pytest.raises(PeerRefused, match="our own key"):
        ada.receive(lab.responder(ada.start(), "clone").reply, 0)


BROKEN = {
    # The attacker knows what these give, whoever calls them: that half of the hybrid protects nothing.
    "X25519": ("_X25519Private.decapsulate", "_X25519Public.encapsulate", 32),
    "ML-KEM": ("_MlKemPrivate.decapsulate", "_MlKemPublic.encapsulate", 1088),
}


@pytest.mark.requirement("MSG-2", "CRY-1")
@pytest.mark.parametrize("half", BROKEN)
def test_with_one_half_of_the_hybrid_broken_the_other_still_keeps_the_secret(lab, monkeypatch, half):
    from phalanx.crypto import _kem

    decapsulate, encapsulate, n_bytes = BROKEN[half]
    known = bytes(32)
    monkeypatch.setattr(f"phalanx.crypto._kem.{decapsulate}", lambda self, ciphertext: known)
    monkeypatch.setattr(f"phalanx.crypto._kem.{encapsulate}", lambda self: (known, bytes(n_bytes)))
    inputs, combine = [], _kem.combine

    def noted(first, second, ciphertext, public):
        inputs.append((first, second, ciphertext, public, combine(first, second, ciphertext, public)))
        return inputs[-1][-1]

    monkeypatch.setattr("phalanx.crypto._kem.combine", noted)
    first, second = lab.shake(policy=HYBRID), lab.shake(policy=HYBRID)
    assert second.theirs.receive(second.ours.seal(b"x"), 0).payloads == (b"x",)
    assert first.ours.agreed.binding != second.ours.agreed.binding
    unknown = 1 if half == "X25519" else 0
    for one in inputs:
        assert one[1 - unknown] == known
        assert one[unknown] != known
        guess = [known, known]
        # All that was on the wire and the broken half together do not give the shared key …
        assert combine(*guess, one[2], one[3]) != one[4]
    # … because it takes the sound half's secret, which is another one each time.
    assert len({one[unknown] for one in inputs}) == 2


def test_a_wrong_half_on_one_side_gives_no_channel(lab, monkeypatch):
    """What the two halves give is used, both of them, on both sides."""
    for target in ("_X25519Private.decapsulate", "_MlKemPrivate.decapsulate"):
        with monkeypatch.context() as patch:
            patch.setattr(f"phalanx.crypto._kem.{target}", lambda self, ciphertext: bytes(32))
            with pytest.raises(HandshakeFailed, match="does not open"):
                lab.shake(policy=HYBRID)
    assert lab.shake(policy=ChannelPolicy(suites=(Suite(X25519, AES_256_GCM),), signatures=(ED25519,))).ours
