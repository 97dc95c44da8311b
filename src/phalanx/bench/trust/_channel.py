"""What a channel costs: handshakes and frames, beside the bare library calls that they consist of.

Both are measured in turns, round by round, so that whatever else the machine does hits both
alike. Times are of CPU, of one thread, for both sides together where there are two.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from phalanx.adapters import OsEntropy
from phalanx.bench._model import BenchResult
from phalanx.bench._timing import quantile
from phalanx.core import KIB, NS_PER_MS, NS_PER_S
from phalanx.crypto import (
    AES_256_GCM,
    CHACHA20_POLY1305,
    ED25519_ML_DSA_65,
    KEY_BYTES,
    NONCE_BYTES,
    X25519_ML_KEM_768,
    SigningKey,
    VerifyingKey,
)
from phalanx.crypto.channel import ChannelPolicy, Initiator, Ordering, Party, Responder, Session, Suite

SIZES = {"256B": 256, "64KiB": 64 * KIB}
_CIPHERS: dict[str, type[AESGCM | ChaCha20Poly1305]] = {AES_256_GCM: AESGCM, CHACHA20_POLY1305: ChaCha20Poly1305}
_MEGABYTE = 1e6
_BATCH = 64
_HEADER = bytes(21)


def measure_channel(*, quick: bool) -> BenchResult:
    """Handshakes with the default algorithms, and frames of two sizes under both ciphers."""
    handshakes, rounds = (30, 10) if quick else (300, 60)
    figures, baselines, ratios = handshake_figures(handshakes)
    for name in _CIPHERS:
        found = frame_figures(name, rounds=rounds)
        for whole, part in zip((figures, baselines, ratios), found, strict=True):
            whole |= {f"{name}.{what}": value for what, value in part.items()}
    return BenchResult(
        load={"handshakes": handshakes, "rounds": rounds, "payload_bytes": list(SIZES.values()), "batch": _BATCH},
        figures=figures,
        baselines=baselines,
        ratios=ratios,
    )


Found = tuple[dict[str, float], dict[str, float], dict[str, float]]


def handshake_figures(n: int) -> Found:
    """Both sides' CPU of a whole handshake, beside that of its public-key operations alone."""
    shake, bare = _Pair().shake, _bare_handshake()
    ours, theirs = [], []
    for _ in range(n):
        ours.append(_cpu_ns(shake) / NS_PER_MS)
        theirs.append(_cpu_ns(bare) / NS_PER_MS)
    figures = {f"handshake_ms_p{q}": quantile(ours, q / 100) for q in (50, 99)}
    baselines = {f"handshake_ms_p{q}": quantile(theirs, q / 100) for q in (50, 99)}
    return figures, baselines, {"handshake_over_bare_p50": quantile(ours, 0.5) / quantile(theirs, 0.5)}


def frame_figures(cipher: str, *, rounds: int) -> Found:
    """Sealing, opening and batches, and the cipher's own call; medians over the rounds."""
    figures: dict[str, float] = {}
    baselines: dict[str, float] = {}
    ratios: dict[str, float] = {}
    library = _CIPHERS[cipher](bytes(KEY_BYTES))
    for label, size in SIZES.items():
        payload, nonce, per_round = bytes(size), bytes(NONCE_BYTES), 2_000 if size < KIB else 200
        sealer, opener = _Pair(cipher).shake()
        # One nonce for every bare call: nothing sealed there leaves this function.
        times: dict[str, list[float]] = {"seal": [], "open": [], "bare": []}
        for _ in range(rounds):
            times["bare"].append(_bare_ns(library.encrypt, nonce, payload, per_round))
            times["seal"].append(_each_ns(sealer.seal, [payload] * per_round))
            frames = [sealer.seal(payload) for _ in range(per_round)]
            times["open"].append(_each_ns(partial(opener.receive, now_ns=0), frames))
        seal_ns, open_ns, bare_ns = (quantile(times[what], 0.5) for what in ("seal", "open", "bare"))
        for what, ns in (("seal", seal_ns), ("open", open_ns)):
            figures |= {
                f"{what}_{label}_frames_s": NS_PER_S / ns,
                f"{what}_{label}_mb_s": size * NS_PER_S / ns / _MEGABYTE,
            }
        baselines |= {
            f"seal_{label}_calls_s": NS_PER_S / bare_ns, f"seal_{label}_mb_s": size * NS_PER_S / bare_ns / _MEGABYTE
        }  # fmt: skip
        ratios[f"seal_{label}_over_bare"] = seal_ns / bare_ns
    batch_ns = _batched_ns(_Pair(cipher).shake()[0], rounds)
    figures["seal_many_256B_payloads_s"] = NS_PER_S / batch_ns
    ratios["seal_many_256B_over_bare"] = batch_ns * baselines["seal_256B_calls_s"] / NS_PER_S
    return figures, baselines, ratios


def _batched_ns(sealer: Session, rounds: int) -> float:
    payloads = [bytes(SIZES["256B"])] * _BATCH
    return quantile([_each_ns(sealer.seal_many, [payloads] * 50) / _BATCH for _ in range(rounds)], 0.5)


class _Pair:
    """Two parties and what they agree on."""

    def __init__(self, cipher: str = AES_256_GCM) -> None:
        self._policy = ChannelPolicy(suites=(Suite(X25519_ML_KEM_768, cipher),))
        self._ours, self._theirs = (_party(SigningKey.generate(ED25519_ML_DSA_65)) for _ in range(2))
        self._entropy = OsEntropy()

    def shake(self) -> tuple[Session, Session]:
        policy, entropy, ordering = self._policy, self._entropy, Ordering.DATAGRAM
        initiator = Initiator(self._ours, policy, ordering=ordering, entropy=entropy, now_ns=0)
        responder = Responder(self._theirs, policy, ordering=ordering, entropy=entropy, hello=initiator.start())
        theirs = responder.finish(initiator.receive(responder.reply, 0).messages[0], 0)
        ours = initiator.receive(theirs.messages[0], 0)
        assert ours.session is not None
        assert theirs.session is not None
        return ours.session, theirs.session


def _party(key: SigningKey) -> Party:
    return Party(key, key.public.to_bytes(), VerifyingKey.from_bytes)


def _bare_handshake() -> Callable[[], object]:
    """The same public-key operations, by the library's own calls and with nothing around them."""
    ed25519, ml_dsa, text = Ed25519PrivateKey.generate(), MLDSA65PrivateKey.generate(), bytes(96)
    ed25519_public, ml_dsa_public = ed25519.public_key(), ml_dsa.public_key()

    def calls() -> None:
        ours, theirs, kem = X25519PrivateKey.generate(), X25519PrivateKey.generate(), MLKEM768PrivateKey.generate()
        ours.exchange(theirs.public_key())
        theirs.exchange(ours.public_key())
        _, ciphertext = kem.public_key().encapsulate()
        kem.decapsulate(ciphertext)
        for _ in range(2):
            ed25519_public.verify(ed25519.sign(text), text)
            ml_dsa_public.verify(ml_dsa.sign(text), text)

    return calls


def _cpu_ns(call: Callable[[], object]) -> int:
    started_ns = time.thread_time_ns()
    call()
    return time.thread_time_ns() - started_ns


def _bare_ns(encrypt: Callable[[bytes, bytes, bytes], bytes], nonce: bytes, payload: bytes, n: int) -> float:
    todo = [payload] * n
    started_ns = time.thread_time_ns()
    for one in todo:
        encrypt(nonce, one, _HEADER)
    return (time.thread_time_ns() - started_ns) / n


def _each_ns(call: Callable[[Any], object], todo: Sequence[Any]) -> float:
    started_ns = time.thread_time_ns()
    for one in todo:
        call(one)
    return (time.thread_time_ns() - started_ns) / len(todo)
