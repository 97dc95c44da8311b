"""Kernels of stabiliser simulation: one reference run on a tableau, then Pauli frames for all shots at once.

After Aaronson and Gottesman (2004) and Gidney (2021). Bits of 64 rows, or of 64 shots, are one uint64. A tape is one
entry a step: ``kind`` (0 X, 1 Z, 2 H, 3 S, 4 CX, 5 measurement, 6 reset), ``first``, ``second``, ``bit``, ``when``.
The tableau is by columns: ``x`` and ``z`` (n, w), ``sign`` (w,), rows 0 … n-1 destabilisers, n … 2n-1 stabilisers.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import kernel

Array = npt.NDArray[Any]
ONE = np.uint64(1)
ZERO = np.uint64(0)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@kernel
def reference(
    n: int, kind: Array, first: Array, second: Array, bit: Array, when: Array, starts: Array, bits: Array,
    wanted: Array, seen: Array, taken: Array, outcomes: Array, generator: Any,
) -> None:  # fmt: skip
    """One run: fills ``seen`` (bits,) uint8; ``taken`` and ``outcomes`` (k,) uint8: was it done, what was measured."""
    w = (2 * n + 63) >> 6
    x = np.zeros((n, w), np.uint64)
    z = np.zeros((n, w), np.uint64)
    sign = np.zeros(w, np.uint64)
    for q in range(n):
        x[q, q >> 6] |= ONE << np.uint64(q & 63)
        z[q, (q + n) >> 6] |= ONE << np.uint64((q + n) & 63)
    for k in range(kind.size):
        done = True
        if when[k] >= 0:
            for j in range(starts[when[k]], starts[when[k] + 1]):
                if seen[bits[j]] != wanted[j]:
                    done = False
        taken[k] = done
        if not done:
            continue
        a = first[k]
        if kind[k] == 5:
            outcomes[k] = seen[bit[k]] = _measure(n, x, z, sign, a, generator)
        elif kind[k] == 6:
            if _measure(n, x, z, sign, a, generator):
                for i in range(w):
                    sign[i] ^= z[a, i]
        else:
            _gate(x, z, sign, kind[k], a, second[k])


@kernel
def _gate(x: Array, z: Array, sign: Array, kind: int, a: int, b: int) -> None:
    for i in range(sign.size):
        if kind == 0:
            sign[i] ^= z[a, i]
        elif kind == 1:
            sign[i] ^= x[a, i]
        elif kind == 2:
            sign[i] ^= x[a, i] & z[a, i]
            x[a, i], z[a, i] = z[a, i], x[a, i]
        elif kind == 3:
            sign[i] ^= x[a, i] & z[a, i]
            z[a, i] ^= x[a, i]
        else:
            sign[i] ^= x[a, i] & z[b, i] & ~(x[b, i] ^ z[a, i])
            x[b, i] ^= x[a, i]
            z[a, i] ^= z[b, i]


@kernel
def _measure(n: int, x: Array, z: Array, sign: Array, a: int, generator: Any) -> int:
    w = sign.size
    p = -1
    for row in range(n, 2 * n):
        if (x[a, row >> 6] >> np.uint64(row & 63)) & ONE:
            p = row
            break
    if p < 0:
        return _certain(n, x, z, sign, a)
    outcome = 1 if generator.random() < 0.5 else 0
    at, shift = p >> 6, np.uint64(p & 63)
    others = x[a].copy()
    others[at] &= ~(ONE << shift)
    _multiply(n, x, z, sign, p, others)
    to, up = (p - n) >> 6, np.uint64((p - n) & 63)
    clear = ~(ONE << up)
    for q in range(n):
        x[q, to] = (x[q, to] & clear) | (((x[q, at] >> shift) & ONE) << up)
        z[q, to] = (z[q, to] & clear) | (((z[q, at] >> shift) & ONE) << up)
        x[q, at] &= ~(ONE << shift)
        z[q, at] &= ~(ONE << shift)
    sign[to] = (sign[to] & clear) | (((sign[at] >> shift) & ONE) << up)
    z[a, at] |= ONE << shift
    sign[at] = (sign[at] & ~(ONE << shift)) | (np.uint64(outcome) << shift)
    assert w > at
    return outcome


@kernel
def _multiply(n: int, x: Array, z: Array, sign: Array, p: int, rows: Array) -> None:
    """Multiply row ``p`` into all ``rows`` at once; phases modulo four are two bits a row."""
    w = sign.size
    ones = np.zeros(w, np.uint64)
    twos = np.zeros(w, np.uint64)
    at, shift = p >> 6, np.uint64(p & 63)
    for q in range(n):
        px = (x[q, at] >> shift) & ONE
        pz = (z[q, at] >> shift) & ONE
        if px == ZERO and pz == ZERO:
            continue
        for i in range(w):
            m = rows[i]
            rx, rz = x[q, i], z[q, i]
            if px and pz:
                plus, minus = rz & ~rx, rx & ~rz
            elif px:
                plus, minus = rz & rx, rz & ~rx
            else:
                plus, minus = rx & ~rz, rx & rz
            plus &= m
            minus &= m
            twos[i] ^= ones[i] & plus
            ones[i] ^= plus
            ones[i] ^= minus
            twos[i] ^= ones[i] & minus
            if px:
                x[q, i] ^= m
            if pz:
                z[q, i] ^= m
    flip = ALL if (sign[at] >> shift) & ONE else ZERO
    for i in range(w):
        sign[i] ^= (twos[i] ^ flip) & rows[i]


@kernel
def _certain(n: int, x: Array, z: Array, sign: Array, a: int) -> int:
    """The outcome that is certain: the sign of the product of stabilisers that is Z on ``a``."""
    sx = np.zeros(n, np.int8)
    sz = np.zeros(n, np.int8)
    phase = 0
    for row in range(n):
        if not (x[a, row >> 6] >> np.uint64(row & 63)) & ONE:
            continue
        at, shift = (row + n) >> 6, np.uint64((row + n) & 63)
        phase += 2 * int((sign[at] >> shift) & ONE)
        for q in range(n):
            px = int((x[q, at] >> shift) & ONE)
            pz = int((z[q, at] >> shift) & ONE)
            if px and pz:
                phase += sz[q] - sx[q]
            elif px:
                phase += sz[q] * (2 * sx[q] - 1)
            elif pz:
                phase += sx[q] * (1 - 2 * sz[q])
            sx[q] ^= px
            sz[q] ^= pz
    return (phase % 4) >> 1


@kernel
def frames(
    n: int, kind: Array, first: Array, second: Array, bit: Array, when: Array, starts: Array, bits: Array,
    wanted: Array, taken: Array, outcomes: Array, out: Array, generator: Any,
) -> None:  # fmt: skip
    """What every shot measures: fills ``out`` (bits, shots / 64) uint64. Only X and Z may be decided.

    ``taken`` and ``outcomes`` are the reference's.
    """
    words = out.shape[1]
    fx = np.zeros((n, words), np.uint64)
    fz = np.empty((n, words), np.uint64)
    for q in range(n):
        _random(fz[q], generator)
    fresh = np.empty(words, np.uint64)
    for k in range(kind.size):
        a, b = first[k], second[k]
        if kind[k] <= 1:
            if when[k] >= 0:
                for i in range(words):
                    mask = ALL
                    for j in range(starts[when[k]], starts[when[k] + 1]):
                        mask &= out[bits[j], i] if wanted[j] else ~out[bits[j], i]
                    mask ^= ALL if taken[k] else ZERO
                    if kind[k] == 0:
                        fx[a, i] ^= mask
                    else:
                        fz[a, i] ^= mask
        elif kind[k] == 2:
            for i in range(words):
                fx[a, i], fz[a, i] = fz[a, i], fx[a, i]
        elif kind[k] == 3:
            for i in range(words):
                fz[a, i] ^= fx[a, i]
        elif kind[k] == 4:
            for i in range(words):
                fx[b, i] ^= fx[a, i]
                fz[a, i] ^= fz[b, i]
        else:
            _random(fresh, generator)
            for i in range(words):
                if kind[k] == 5:
                    out[bit[k], i] = fx[a, i] ^ (ALL if outcomes[k] else ZERO)
                    fz[a, i] ^= fresh[i]
                else:
                    fx[a, i] = ZERO
                    fz[a, i] = fresh[i]


@kernel
def _random(words: Array, generator: Any) -> None:
    for i in range(words.size):
        high = np.uint64(generator.random() * 4294967296.0)
        low = np.uint64(generator.random() * 4294967296.0)
        words[i] = (high << np.uint64(32)) | low
