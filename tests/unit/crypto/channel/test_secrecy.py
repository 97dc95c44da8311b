"""Which secrets lead to which keys, worked out from what a real handshake computes.

Every derivation of one run is noted as a rule: who knows these inputs knows that output. What an
attacker knows is then closed under the rules. The table in docs/explanation/channels.md says the
same in words. This is no proof of the protocol: it looks at who can compute a key, not at who can
be made to agree on one.
"""

from dataclasses import dataclass, field

import pytest

from phalanx.crypto import AES_256_GCM, ED25519, X25519_ML_KEM_768, Aead, _kem
from phalanx.crypto.channel import ChannelPolicy, Ordering, Psk, PskMode, Suite
from phalanx.crypto.channel import _schedule as schedule

PSK = Psk(b"qkd", bytes(range(7, 39)))
EPOCHS = 3
NOTHING = bytes(32)  # the salt that stands for no pre-shared key, and everybody knows it


@dataclass
class Run:
    """What a handshake and some rekeys derived. ``keys`` are frame keys by direction and epoch."""

    rules: list = field(default_factory=list)
    leaves: dict = field(default_factory=dict)
    keys: dict = field(default_factory=dict)
    proofs: list = field(default_factory=list)
    traffic: dict = field(default_factory=dict)
    signing: list = field(default_factory=list)

    def closure(self, *known):
        """All that follows from what an attacker knows, besides everything that was sent."""
        found = {NOTHING, b"", *known}
        while fresh := {out for inputs, out in self.rules if inputs <= found and out not in found}:
            found |= fresh
        return found

    def read(self, *known):
        """Which frames an attacker can open: (direction, epoch)."""
        found = self.closure(*known)
        return {place for place, key in self.keys.items() if any(key in one for one in found)}

    def unmasked(self, *known):
        """Whether an attacker learns who spoke."""
        found = self.closure(*known)
        return any(key in one for key in self.proofs for one in found)


@pytest.fixture(params=[False, True], ids=["without a pre-shared key", "with one"])
def run(request, lab, monkeypatch):
    noted, with_psk = Run(), request.param
    hkdf, combine = schedule.hkdf, _kem.combine
    made = []

    def note_hkdf(secret, *, salt, info, length=32):
        out = hkdf(secret, salt=salt, info=info, length=length)
        noted.rules.append(({secret, salt}, out))
        if b"traffic" in info:
            noted.traffic[info.split(b"traffic ")[1].split(b"\x00")[0].decode(), 0] = out
        return out

    def note_combine(first, second, ciphertext, public):
        out = combine(first, second, ciphertext, public)
        noted.leaves.update(X25519=first, ML_KEM=second)
        noted.rules.append(({first, second}, out))
        return out

    def note_aead(name, key):
        made.append(key)
        return Aead(name, key)

    monkeypatch.setattr(schedule, "hkdf", note_hkdf)
    monkeypatch.setattr(_kem, "combine", note_combine)
    monkeypatch.setattr(schedule, "Aead", note_aead)
    policy = ChannelPolicy(
        suites=(Suite(X25519_ML_KEM_768, AES_256_GCM),), signatures=(ED25519,),
        psk=PskMode.REQUIRED if with_psk else PskMode.NONE,
    )  # fmt: skip
    more = {"psks": [PSK], "find_psk": {PSK.id: PSK.secret}.get} if with_psk else {}
    done = lab.shake(policy=policy, ordering=Ordering.DATAGRAM, **more)
    noted.leaves["PSK"] = PSK.secret
    noted.signing = [lab.people.key(name).seed for name in ("ada", "bob")]
    noted.proofs = made[:2]
    for epoch in range(EPOCHS):
        for name, session in (("initiator", done.ours), ("responder", done.theirs)):
            noted.traffic[name, epoch] = session._sealer._secret
            noted.keys[name, epoch] = schedule.frame_key(AES_256_GCM, session._sealer._secret) and made[-1]
        done.ours.rekey()
        done.theirs.rekey()
    noted.with_psk = with_psk
    return noted


@pytest.mark.requirement("MSG-2")
def test_nothing_but_both_halves_and_the_preshared_key_opens_a_channel(run):
    x25519, ml_kem, psk = (run.leaves[name] for name in ("X25519", "ML_KEM", "PSK"))
    everything = set(run.keys)
    assert len(set(run.keys.values())) == len(everything) == 2 * EPOCHS
    assert run.read() == run.read(x25519) == run.read(ml_kem) == run.read(psk) == set()
    assert run.read(x25519, psk) == run.read(ml_kem, psk) == set()
    assert run.read(x25519, ml_kem) == (set() if run.with_psk else everything)
    assert run.read(x25519, ml_kem, psk) == everything


def test_signing_keys_open_nothing(run):
    assert run.read(*run.signing) == set()
    assert not run.unmasked(*run.signing, run.leaves["PSK"])


def test_who_spoke_is_hidden_by_the_same_secrets(run):
    x25519, ml_kem, psk = (run.leaves[name] for name in ("X25519", "ML_KEM", "PSK"))
    assert not run.unmasked(x25519, psk)
    assert not run.unmasked(ml_kem, psk)
    assert run.unmasked(x25519, ml_kem, psk)


@pytest.mark.requirement("MSG-2")
@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_a_secret_of_an_epoch_opens_that_direction_from_there_on(run, epoch):
    for direction in ("initiator", "responder"):
        later = {(direction, n) for n in range(epoch, EPOCHS)}
        assert run.read(run.traffic[direction, epoch]) == later
        assert run.read(run.keys[direction, epoch]) == {(direction, epoch)}
    both = run.read(run.traffic["initiator", epoch], run.traffic["responder", epoch])
    assert both == {(direction, n) for direction in ("initiator", "responder") for n in range(epoch, EPOCHS)}
