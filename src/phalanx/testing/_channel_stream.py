"""One channel over one stream that is left alone, cut, changed or put out of order; and who talks in simulations."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from phalanx.core import Rng
from phalanx.crypto import AES_256_GCM, ED25519, X25519, InvalidKey, SigningKey, VerifyingKey
from phalanx.crypto.channel import ChannelPolicy, Initiator, Ordering, Party, Responder, Suite
from phalanx.testing._channel_checker import check_stream
from phalanx.testing._checking import Checker
from phalanx.testing._sources import SimEntropy

PEOPLE = ("ada", "bob", "cyd")
_STREAM_PAYLOADS = 12


@lru_cache(maxsize=8)
def keys_of(algorithm: str) -> tuple[SigningKey, ...]:
    return tuple(SigningKey.generate(algorithm) for _ in PEOPLE)


def party_of(key: SigningKey, refused: Callable[[str], bool]) -> Party:
    def verify_peer(credential: bytes) -> VerifyingKey:
        known = VerifyingKey.from_bytes(credential)
        if refused(known.fingerprint):
            raise InvalidKey("credential", "it is revoked")
        return known

    return Party(key, key.public.to_bytes(), verify_peer)


def damaged(rng: Rng, data: bytes) -> bytes:
    at = rng.integer(0, len(data))
    if rng.chance(0.2):
        return data[: max(at, 1)]
    return data[:at] + bytes((data[at] ^ (1 << rng.integer(0, 8)),)) + data[at + 1 :]


def play_stream(seed: int, checker: Checker) -> None:
    """One stream in one direction, left alone or cut, changed, shortened or doubled at one place."""
    rng = Rng(seed).child("stream")
    ada, bob = keys_of(ED25519)[:2]
    suites = (Suite(X25519, AES_256_GCM),)
    policy = ChannelPolicy(suites=suites, signatures=(ED25519,), rekey_frames=rng.integer(1, 8))
    common: dict[str, Any] = {"ordering": Ordering.STREAM, "entropy": SimEntropy(rng.child("entropy"))}
    trusting = [party_of(key, lambda _: False) for key in (ada, bob)]
    initiator = Initiator(trusting[0], policy, now_ns=0, peer=bob.public.fingerprint, **common)
    responder = Responder(trusting[1], policy, hello=initiator.start(), **common)
    progress = responder.finish(initiator.receive(responder.reply, 0).messages[0], 0)
    ours, theirs = initiator.receive(progress.messages[0], 0).session, progress.session
    assert ours is not None
    assert theirs is not None
    sent = [rng.bytes(rng.integer(0, 40)) for _ in range(rng.integer(1, _STREAM_PAYLOADS))]
    frames: list[bytes] = []
    for payload in sent:
        frames += [ours.rekey()] if rng.chance(0.1) else []
        frames += [ours.seal(payload)] if rng.chance(0.7) else ours.seal_many([payload])
    frames += ours.close().frames if rng.chance(0.8) else ()
    if rng.chance(0.6):
        frames = _spoiled(rng, frames)
    delivered: list[bytes] = []
    for frame in frames:
        effects = theirs.receive(frame, 0)
        delivered += effects.payloads
    theirs.end_of_stream()
    check_stream(checker, sent, delivered, theirs.ended)


def _spoiled(rng: Rng, frames: list[bytes]) -> list[bytes]:
    """Frames cut off, or with one changed, left out, doubled, or all from there on in another order."""
    at = rng.integer(0, len(frames))
    before, one, after = frames[:at], frames[at], frames[at + 1 :]
    spoiled: tuple[list[bytes], ...] = (
        before, [*before, damaged(rng, one), *after], before + after, [*before, one, one, *after],
        before + [one, *after][::-1],
    )  # fmt: skip
    return rng.choice(spoiled)
