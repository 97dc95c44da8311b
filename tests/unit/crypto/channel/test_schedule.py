"""The key schedule, computed again from its description with HMAC and SHA-256 alone."""

import hashlib
import hmac

import msgspec

from phalanx.crypto import AES_256_GCM, ED25519, X25519, Aead, DecapsulationKey, SigningKey
from phalanx.crypto.channel import ChannelPolicy, Ordering, Psk, PskMode, Suite
from phalanx.crypto.channel._schedule import INITIATOR, RESPONDER, Transcript, signed_text

LABEL = b"phalanx channel v1: "


def hkdf(secret, salt, info, length=32):
    """RFC 5869, written down once more."""
    key = hmac.digest(salt or bytes(32), secret, "sha256")
    out = block = b""
    n = 1
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes((n,)), "sha256")
        out, n = out + block, n + 1
    return out[:length]


def derive(secret, label, context=b"", length=32):
    return hkdf(secret, b"", LABEL + label + b"\x00" + context, length)


def hashed(*parts):
    text = LABEL + b"transcript" + b"".join(len(part).to_bytes(8) + part for part in parts)
    return hashlib.sha256(text).digest()


def test_a_handshake_can_be_followed_by_who_has_its_secrets(lab, monkeypatch):
    """From the ephemeral key, the pre-shared key and the wire: proofs open, signatures hold, frames open."""
    kept = []
    generate = DecapsulationKey.generate
    monkeypatch.setattr(DecapsulationKey, "generate", lambda name: kept.append(generate(name)) or kept[-1])
    psk = Psk(b"qkd", bytes(range(40)))
    policy = ChannelPolicy(suites=(Suite(X25519, AES_256_GCM),), signatures=(ED25519,), psk=PskMode.REQUIRED)
    done = lab.shake(psks=[psk], find_psk={psk.id: psk.secret}.get, policy=policy, ordering=Ordering.DATAGRAM)

    _, offer, binders = msgspec.msgpack.decode(done.hello[9:])
    assert binders == [hmac.digest(derive(psk.secret, b"binder", psk.id), offer, "sha256")]
    choice, sealed = msgspec.msgpack.decode(done.reply[9:])
    ciphertext = msgspec.msgpack.decode(choice)[4]
    parts = [offer, *binders, choice]
    first = hashed(*parts)
    secret = hkdf(kept[0].decapsulate(ciphertext), derive(psk.secret, b"psk", psk.id), LABEL + b"handshake" + first)
    for role, message, body, name in (
        (b"responder", done.reply, sealed, "bob"),
        (b"initiator", done.finish, msgspec.msgpack.decode(done.finish[9:])[0], "ada"),
    ):
        material = derive(secret, b"proof " + role, first, 76)
        proof = Aead(AES_256_GCM, material[:32]).open(material[32:44], body, message[:9])
        credential, signature, confirmation = msgspec.msgpack.decode(proof)
        key = lab.people.key(name).public
        assert credential == key.to_bytes()
        parts.append(credential)
        key.verify(LABEL + b"signature of the " + role + b"\x00" + hashed(*parts), signature)
        parts.append(signature)
        assert confirmation == hmac.digest(material[44:], hashed(*parts), "sha256")
        parts.append(confirmation)

    assert done.ours.agreed.binding == done.theirs.agreed.binding == hashed(*parts)
    for role, frame, payload in (
        (b"initiator", done.ours.seal(b"hello"), b"hello"),
        (b"responder", done.theirs.seal(b"hello yourself"), b"hello yourself"),
    ):
        material = derive(derive(secret, b"traffic " + role, hashed(*parts)), b"frame", length=44)
        nonce = (int.from_bytes(material[32:]) ^ int.from_bytes(frame[13:21])).to_bytes(12)
        assert Aead(AES_256_GCM, material[:32]).open(nonce, frame[21:], frame[:21]) == payload


def test_what_one_side_signs_the_other_never_signs():
    assert signed_text(INITIATOR, Transcript(b"x")) != signed_text(RESPONDER, Transcript(b"x"))
    assert SigningKey.generate(ED25519).sign(signed_text(INITIATOR, Transcript(b"x")))


def test_parts_of_a_transcript_cannot_run_into_each_other():
    assert Transcript(b"ab", b"c").digest() != Transcript(b"a", b"bc").digest() != Transcript(b"abc").digest()
    before = Transcript(b"a")
    copy = before.copy()
    copy.add(b"b")
    assert before.digest() == Transcript(b"a").digest() != copy.digest()
