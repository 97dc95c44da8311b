"""What each algorithm of the catalogue costs, beside the bare calls of the library behind it.

A figure is the median of single calls. Calls repeat until a budget of time is used up, so that
a slow one (a small SLH-DSA signature takes a second) is called a few times and a fast one often.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import quantile
from phalanx.core import KIB, NS_PER_S, NS_PER_US
from phalanx.crypto import (
    ARGON2ID,
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
_CONTEXT_FREE_KEY = bytes(range(32))
_SLOW_US = 20_000.0
_MAX_CALLS = 2_000
_QUICK_S, _FULL_S = 0.02, 0.5

Calls = Mapping[str, Callable[[], Any]]


def measure_algorithm(name: str, *, budget_s: float = _QUICK_S) -> dict[str, float]:
    """Median microseconds of every operation of an algorithm, ``budget_s`` for each."""
    return {f"{what}_us_p50": _median_us(call, budget_s) for what, call in _calls(name).items()}


async def crypto_bench(options: BenchOptions) -> BenchResult:
    """Every algorithm of the catalogue."""
    budget_s = _QUICK_S if options.quick else _FULL_S
    figures = {one.name: measure_algorithm(one.name, budget_s=budget_s) for one in algorithms()}
    return BenchResult(load={"message_bytes": len(_MESSAGE), "hashed_bytes": len(_HASHED)}, figures=figures)


def _calls(name: str) -> Calls:
    kind = algorithm(name).kind
    if kind is Kind.SIGNATURE:
        key = SigningKey.generate(name)
        signature = key.sign(_MESSAGE)
        return {
            "keygen": lambda: SigningKey.generate(name),
            "sign": lambda: key.sign(_MESSAGE),
            "verify": lambda: key.public.verify(_MESSAGE, signature),
        }
    if kind is Kind.KEM:
        secret = DecapsulationKey.generate(name)
        _, ciphertext = secret.public.encapsulate()
        return {
            "keygen": lambda: DecapsulationKey.generate(name),
            "encaps": secret.public.encapsulate,
            "decaps": lambda: secret.decapsulate(ciphertext),
        }
    if kind is Kind.AEAD:
        aead, nonce = Aead(name, _CONTEXT_FREE_KEY), bytes(NONCE_BYTES)
        # One nonce for every call: nothing sealed here leaves this function.
        sealed = aead.seal(nonce, _MESSAGE, b"")
        return {
            "seal": lambda: aead.seal(nonce, _MESSAGE, b""),
            "open": lambda: aead.open(nonce, sealed, b""),
        }
    if kind is Kind.HASH:
        return {"hash": lambda: digest(name, _HASHED)}
    if name == ARGON2ID:
        return {"derive": lambda: argon2id(b"passphrase", salt=bytes(16))}
    return {"derive": lambda: hkdf(_CONTEXT_FREE_KEY, salt=b"", info=b"bench", algorithm=name)}


def _median_us(call: Callable[[], Any], budget_s: float) -> float:
    # What is loaded or allocated on first use is not what a call costs, unless it is lost in a slow one.
    first_us = _timed_us(call)
    times_us = [first_us] if first_us > _SLOW_US else []
    until_ns = time.perf_counter_ns() + int(budget_s * NS_PER_S)
    while not times_us or (time.perf_counter_ns() < until_ns and len(times_us) < _MAX_CALLS):
        times_us.append(_timed_us(call))
    return quantile(times_us, 0.5)


def _timed_us(call: Callable[[], Any]) -> float:
    started_ns = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - started_ns) / NS_PER_US
