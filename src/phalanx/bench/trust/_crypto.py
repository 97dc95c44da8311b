"""What each algorithm of the catalogue costs, beside the bare calls of the library behind it.

A figure is the median of single calls. Calls repeat until a budget of time is used up, so that
a fast one is called often and a slow one (a small SLH-DSA signature takes a second) once.
"""

import time
from collections.abc import Callable
from typing import Any

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import quantile
from phalanx.bench.trust._bare_crypto import KemCalls, SignatureCalls, bare_aead, bare_kem, bare_signature
from phalanx.bench.trust._channel import measure_channel
from phalanx.core import KIB, NS_PER_S, NS_PER_US
from phalanx.crypto import (
    ARGON2ID,
    KEY_BYTES,
    NONCE_BYTES,
    Aead,
    DecapsulationKey,
    Kind,
    SigningKey,
    algorithm,
    algorithms,
    argon2id,
    digest,
    hkdf,
)

_MESSAGE = bytes(256)
_HASHED = bytes(64 * KIB)
_SECRET = bytes(range(KEY_BYTES))
_NONCE = bytes(NONCE_BYTES)
_MAX_CALLS = 2_000
_QUICK_S, _FULL_S = 0.02, 0.5
# A first call is dropped, for it loads and allocates what later ones find, unless that is lost in it.
_SLOW_US = 20_000.0

Speeds = dict[str, float]


def measure_algorithm(name: str, *, budget_s: float = _QUICK_S) -> Speeds:
    """Median microseconds of every operation of an algorithm, ``budget_s`` for each."""
    kind = algorithm(name).kind
    if kind is Kind.SIGNATURE:
        return _signature(_our_signature(name), budget_s)
    if kind is Kind.KEM:
        return _kem(_our_kem(name), budget_s)
    if kind is Kind.AEAD:
        aead = Aead(name, _SECRET)
        return _sealing(aead.seal, aead.open, budget_s)
    if kind is Kind.HASH:
        return {"hash_us_p50": _median(lambda: digest(name, _HASHED), budget_s)[0]}
    if name == ARGON2ID:
        return {"derive_us_p50": _median(lambda: argon2id(b"passphrase", salt=bytes(16)), budget_s)[0]}
    return {"derive_us_p50": _median(lambda: hkdf(_SECRET, salt=b"", info=b"bench", algorithm=name), budget_s)[0]}


async def crypto_bench(options: BenchOptions) -> BenchResult:
    """Every algorithm of the catalogue, those with a key beside their library's bare calls; and channels."""
    budget_s = _QUICK_S if options.quick else _FULL_S
    figures: dict[str, Speeds] = {}
    bare: dict[str, Speeds] = {}
    for one in algorithms():
        figures[one.name] = measure_algorithm(one.name, budget_s=budget_s)
        if measured := _measure_bare(one.name, one.kind, budget_s):
            bare[one.name] = measured
    ratios = {
        f"{name}.{operation}": figures[name][operation] / us
        for name, speeds in bare.items()
        for operation, us in speeds.items()
    }
    channel = measure_channel(quick=options.quick)
    return BenchResult(
        load={
            "message_bytes": len(_MESSAGE),
            "hashed_bytes": len(_HASHED),
            "budget_s": budget_s,
            "channel": channel.load,
        },
        figures={**figures, "channel": channel.figures},
        baselines={"bare_library": {**bare, "channel": channel.baselines}},
        ratios={**ratios, **{f"channel.{what}": ratio for what, ratio in channel.ratios.items()}},
    )


def _measure_bare(name: str, kind: Kind, budget_s: float) -> Speeds:
    if kind is Kind.SIGNATURE:
        return _signature(bare_signature(name), budget_s)
    if kind is Kind.KEM:
        return _kem(bare_kem(name), budget_s)
    if kind is Kind.AEAD:
        cipher = bare_aead(name, _SECRET)
        return _sealing(cipher.encrypt, cipher.decrypt, budget_s)
    return {}


def _our_signature(name: str) -> SignatureCalls:
    return SignatureCalls(
        generate=lambda: SigningKey.generate(name),
        sign=lambda key, message: key.sign(message),
        verify=lambda key, message, signature: key.public.verify(message, signature),
    )


def _our_kem(name: str) -> KemCalls:
    return KemCalls(
        generate=lambda: DecapsulationKey.generate(name),
        encaps=lambda key: key.public.encapsulate(),
        decaps=lambda key, ciphertext: key.decapsulate(ciphertext),
    )


def _signature(calls: SignatureCalls, budget_s: float) -> Speeds:
    keygen_us, key = _median(calls.generate, budget_s)
    sign_us, signature = _median(lambda: calls.sign(key, _MESSAGE), budget_s)
    verify_us, _ = _median(lambda: calls.verify(key, _MESSAGE, signature), budget_s)
    return {"keygen_us_p50": keygen_us, "sign_us_p50": sign_us, "verify_us_p50": verify_us}


def _kem(calls: KemCalls, budget_s: float) -> Speeds:
    keygen_us, key = _median(calls.generate, budget_s)
    encaps_us, (_, ciphertext) = _median(lambda: calls.encaps(key), budget_s)
    decaps_us, _ = _median(lambda: calls.decaps(key, ciphertext), budget_s)
    return {"keygen_us_p50": keygen_us, "encaps_us_p50": encaps_us, "decaps_us_p50": decaps_us}


def _sealing(seal: Callable[..., bytes], opened: Callable[..., bytes], budget_s: float) -> Speeds:
    # One nonce for every call: nothing sealed here leaves this function.
    seal_us, sealed = _median(lambda: seal(_NONCE, _MESSAGE, b""), budget_s)
    open_us, _ = _median(lambda: opened(_NONCE, sealed, b""), budget_s)
    return {"seal_us_p50": seal_us, "open_us_p50": open_us}


def _median(call: Callable[[], Any], budget_s: float) -> tuple[float, Any]:
    """The median time of a call in microseconds, and what it last returned."""
    first_us, result = _timed(call)
    times_us = [first_us] if first_us > _SLOW_US else []
    until_ns = time.perf_counter_ns() + int(budget_s * NS_PER_S)
    while not times_us or (time.perf_counter_ns() < until_ns and len(times_us) < _MAX_CALLS):
        took_us, result = _timed(call)
        times_us.append(took_us)
        if took_us > budget_s * 1e6:
            break
    return quantile(times_us, 0.5), result


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started_ns = time.perf_counter_ns()
    result = call()
    return (time.perf_counter_ns() - started_ns) / NS_PER_US, result
