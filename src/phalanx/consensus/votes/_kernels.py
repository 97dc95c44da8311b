"""Compiled hashing: many SHA-256 and SHA-512 compressions at once, each in a lane of its own.

Free functions over arrays. Values stand in columns: ``uint32[8, n]`` is n values of 32 bytes as
big-endian words. What is computed is the hashing of FIPS 205 §11.2.2 for n = 32 bytes:

- F and PRF: SHA-256(seed ‖ 32 zeros ‖ address ‖ 32 bytes). The first block is one and the same
  for a whole tree, so its state is computed once, and F is a single compression;
- H and T_len: SHA-512(seed ‖ 96 zeros ‖ address ‖ values), cut to 32 bytes, likewise.

An address is 22 bytes: layer 1, tree 8, type 1, and three fields of 4 bytes: key pair; chain or
height; hash or index. The tree is always 0 here. Lanes belong to different keys: ``which[lane]``
is the column of ``mids`` with the state of its seed.

A plain reference stands in the tests.
"""

import numpy as np
from numpy.typing import NDArray

from phalanx.core import kernel

Narrow = NDArray[np.uint32]
Wide = NDArray[np.uint64]
Places = NDArray[np.int64]

LANES = 64
# SHA-512 lanes: half as many, for words twice as wide.
WIDE_LANES = 32

_K256 = np.array(
    [
        0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
        0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
        0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
        0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
        0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
        0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
        0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
        0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
    ],
    dtype=np.uint32,
)  # fmt: skip
_K512 = np.array(
    [
        0x428A2F98D728AE22, 0x7137449123EF65CD, 0xB5C0FBCFEC4D3B2F, 0xE9B5DBA58189DBBC, 0x3956C25BF348B538,
        0x59F111F1B605D019, 0x923F82A4AF194F9B, 0xAB1C5ED5DA6D8118, 0xD807AA98A3030242, 0x12835B0145706FBE,
        0x243185BE4EE4B28C, 0x550C7DC3D5FFB4E2, 0x72BE5D74F27B896F, 0x80DEB1FE3B1696B1, 0x9BDC06A725C71235,
        0xC19BF174CF692694, 0xE49B69C19EF14AD2, 0xEFBE4786384F25E3, 0x0FC19DC68B8CD5B5, 0x240CA1CC77AC9C65,
        0x2DE92C6F592B0275, 0x4A7484AA6EA6E483, 0x5CB0A9DCBD41FBD4, 0x76F988DA831153B5, 0x983E5152EE66DFAB,
        0xA831C66D2DB43210, 0xB00327C898FB213F, 0xBF597FC7BEEF0EE4, 0xC6E00BF33DA88FC2, 0xD5A79147930AA725,
        0x06CA6351E003826F, 0x142929670A0E6E70, 0x27B70A8546D22FFC, 0x2E1B21385C26C926, 0x4D2C6DFC5AC42AED,
        0x53380D139D95B3DF, 0x650A73548BAF63DE, 0x766A0ABB3C77B2A8, 0x81C2C92E47EDAEE6, 0x92722C851482353B,
        0xA2BFE8A14CF10364, 0xA81A664BBC423001, 0xC24B8B70D0F89791, 0xC76C51A30654BE30, 0xD192E819D6EF5218,
        0xD69906245565A910, 0xF40E35855771202A, 0x106AA07032BBD1B8, 0x19A4C116B8D2D0C8, 0x1E376C085141AB53,
        0x2748774CDF8EEB99, 0x34B0BCB5E19B48A8, 0x391C0CB3C5C95A63, 0x4ED8AA4AE3418ACB, 0x5B9CCA4F7763E373,
        0x682E6FF3D6B2B8A3, 0x748F82EE5DEFB2FC, 0x78A5636F43172F60, 0x84C87814A1F0AB72, 0x8CC702081A6439EC,
        0x90BEFFFA23631E28, 0xA4506CEBDE82BDE9, 0xBEF9A3F7B2C67915, 0xC67178F2E372532B, 0xCA273ECEEA26619C,
        0xD186B8C721C0C207, 0xEADA7DD6CDE0EB1E, 0xF57D4F7FEE6ED178, 0x06F067AA72176FBA, 0x0A637DC5A2C898A6,
        0x113F9804BEF90DAE, 0x1B710B35131C471B, 0x28DB77F523047D84, 0x32CAAB7B40C72493, 0x3C9EBE0A15C9BEBC,
        0x431D67C49C100D4C, 0x4CC5D4BECB3E42B6, 0x597F299CFC657E2A, 0x5FCB6FAB3AD6FAEC, 0x6C44198C4A475817,
    ],
    dtype=np.uint64,
)  # fmt: skip


@kernel
def compress_256(state: Narrow, w: Narrow) -> None:
    """One SHA-256 compression in each lane: ``state`` uint32[8, LANES], ``w`` uint32[16, LANES], both overwritten."""
    u = np.uint32
    v = state.copy()
    for t in range(64):
        i0 = t & 15
        if t >= 16:
            i1, i9, i14 = (t + 1) & 15, (t + 9) & 15, (t + 14) & 15
            for n in range(LANES):
                x, y = w[i1, n], w[i14, n]
                s0 = u((x >> u(7)) | (x << u(25))) ^ u((x >> u(18)) | (x << u(14))) ^ u(x >> u(3))
                s1 = u((y >> u(17)) | (y << u(15))) ^ u((y >> u(19)) | (y << u(13))) ^ u(y >> u(10))
                w[i0, n] = u(w[i0, n] + s0 + w[i9, n] + s1)
        k = _K256[t]
        # The eight variables rotate through the rows instead of being moved.
        a, b, c, d = (8 - t) & 7, (9 - t) & 7, (10 - t) & 7, (11 - t) & 7
        e, f, g, h = (12 - t) & 7, (13 - t) & 7, (14 - t) & 7, (15 - t) & 7
        for n in range(LANES):
            ve, va, vb = v[e, n], v[a, n], v[b, n]
            s1 = u((ve >> u(6)) | (ve << u(26))) ^ u((ve >> u(11)) | (ve << u(21))) ^ u((ve >> u(25)) | (ve << u(7)))
            t1 = u(v[h, n] + s1 + ((ve & v[f, n]) ^ (~ve & v[g, n])) + k + w[i0, n])
            s0 = u((va >> u(2)) | (va << u(30))) ^ u((va >> u(13)) | (va << u(19))) ^ u((va >> u(22)) | (va << u(10)))
            v[d, n] = u(v[d, n] + t1)
            v[h, n] = u(t1 + s0 + ((va & vb) ^ (va & v[c, n]) ^ (vb & v[c, n])))
    for i in range(8):
        for n in range(LANES):
            state[i, n] = u(state[i, n] + v[i, n])


@kernel
def compress_512(state: Wide, w: Wide) -> None:
    """One SHA-512 compression in each lane: uint64[8, WIDE_LANES] and uint64[16, WIDE_LANES], both overwritten."""
    u = np.uint64
    v = state.copy()
    for t in range(80):
        i0 = t & 15
        if t >= 16:
            i1, i9, i14 = (t + 1) & 15, (t + 9) & 15, (t + 14) & 15
            for n in range(WIDE_LANES):
                x, y = w[i1, n], w[i14, n]
                s0 = ((x >> u(1)) | (x << u(63))) ^ ((x >> u(8)) | (x << u(56))) ^ (x >> u(7))
                s1 = ((y >> u(19)) | (y << u(45))) ^ ((y >> u(61)) | (y << u(3))) ^ (y >> u(6))
                w[i0, n] += s0 + w[i9, n] + s1
        k = _K512[t]
        a, b, c, d = (8 - t) & 7, (9 - t) & 7, (10 - t) & 7, (11 - t) & 7
        e, f, g, h = (12 - t) & 7, (13 - t) & 7, (14 - t) & 7, (15 - t) & 7
        for n in range(WIDE_LANES):
            ve, va, vb = v[e, n], v[a, n], v[b, n]
            s1 = ((ve >> u(14)) | (ve << u(50))) ^ ((ve >> u(18)) | (ve << u(46))) ^ ((ve >> u(41)) | (ve << u(23)))
            t1 = v[h, n] + s1 + ((ve & v[f, n]) ^ (~ve & v[g, n])) + k + w[i0, n]
            s0 = ((va >> u(28)) | (va << u(36))) ^ ((va >> u(34)) | (va << u(30))) ^ ((va >> u(39)) | (va << u(25)))
            v[d, n] += t1
            v[h, n] = t1 + s0 + ((va & vb) ^ (va & v[c, n]) ^ (vb & v[c, n]))
    for i in range(8):
        for n in range(WIDE_LANES):
            state[i, n] += v[i, n]


@kernel
def hash_lanes(
    mids: Narrow,
    which: Places,
    lanes: Places,
    layer: int,
    kind: int,
    pairs: Narrow,
    chains: Narrow,
    step: int,
    values: Narrow,
) -> None:
    """F (or PRF) on the columns ``lanes`` of ``values``, in place.

    ``mids`` uint32[8, trees], ``which`` and ``pairs`` and ``chains`` one for each column of
    ``values``; ``layer`` and ``kind`` (the address type) are the same for all, ``step`` is its last field.
    """
    u = np.uint32
    state = np.zeros((8, LANES), np.uint32)
    w = np.zeros((16, LANES), np.uint32)
    low, high = u(step & 0xFFFF), u(step >> 16)
    for first in range(0, lanes.size, LANES):
        width = min(LANES, lanes.size - first)
        for n in range(width):
            at = lanes[first + n]
            pair, chain = u(pairs[at]), u(chains[at])
            w[0, n] = u(layer << 24)
            w[1, n] = u(0)
            w[2, n] = u((u(kind) << u(16)) | (pair >> u(16)))
            w[3, n] = u((pair << u(16)) | (chain >> u(16)))
            w[4, n] = u((chain << u(16)) | high)
            before = low
            for i in range(8):
                word = values[i, at]
                w[5 + i, n] = u((before << u(16)) | (word >> u(16)))
                before = u(word & u(0xFFFF))
                state[i, n] = mids[i, which[at]]
            w[13, n] = u((before << u(16)) | u(0x8000))
            w[14, n] = u(0)
            w[15, n] = u((64 + 22 + 32) * 8)
        compress_256(state, w)
        for n in range(width):
            at = lanes[first + n]
            for i in range(8):
                values[i, at] = state[i, n]


@kernel
def walk_chains(
    mids: Narrow, which: Places, layer: int, pairs: Narrow, chains: Narrow, starts: Places, ends: Places, values: Narrow
) -> None:
    """Each column of ``values`` from step ``starts`` to step ``ends`` of its chain, in place."""
    lanes = np.empty(values.shape[1], np.int64)
    for step in range(starts.min(), ends.max()):
        count = 0
        for n in range(values.shape[1]):
            if starts[n] <= step < ends[n]:
                lanes[count] = n
                count += 1
        hash_lanes(mids, which, lanes[:count], layer, 0, pairs, chains, step, values)


@kernel
def word_of(
    k: int, at: int, layer: int, kind: int, pairs: Narrow, heights: Narrow, indices: Narrow, data: Narrow
) -> np.uint32:
    """Word ``k`` of what H or T_len hashes for column ``at``: 22 bytes of address, the values, and one bit."""
    u = np.uint32
    if k >= 6 and k < data.shape[0] + 5:
        return u((data[k - 6, at] << u(16)) | (data[k - 5, at] >> u(16)))
    if k == data.shape[0] + 5:
        return u((data[k - 6, at] << u(16)) | u(0x8000))
    if k == 0:
        return u(layer << 24)
    if k == 2:
        return u((u(kind) << u(16)) | (u(pairs[at]) >> u(16)))
    if k == 3:
        return u((u(pairs[at]) << u(16)) | (u(heights[at]) >> u(16)))
    if k == 4:
        return u((u(heights[at]) << u(16)) | (u(indices[at]) >> u(16)))
    if k == 5:
        return u((u(indices[at]) << u(16)) | (data[0, at] >> u(16)))
    return u(0)


@kernel
def fold(
    mids: Wide,
    which: Places,
    layer: int,
    kind: int,
    pairs: Narrow,
    heights: Narrow,
    indices: Narrow,
    data: Narrow,
    out: Narrow,
) -> None:
    """H or T_len: ``data`` uint32[words, n] hashed column by column into ``out`` uint32[8, n].

    ``mids`` uint64[8, trees]; ``pairs``, ``heights`` and ``indices`` are the fields of each column's address.
    """
    u, q = np.uint32, np.uint64
    words, total = data.shape
    n_blocks = (22 + 4 * words + 1 + 16 + 127) // 128
    bits = q((128 + 22 + 4 * words) * 8)
    state = np.zeros((8, WIDE_LANES), np.uint64)
    w = np.zeros((16, WIDE_LANES), np.uint64)
    for first in range(0, total, WIDE_LANES):
        width = min(WIDE_LANES, total - first)
        for n in range(width):
            for i in range(8):
                state[i, n] = mids[i, which[first + n]]
        for block in range(n_blocks):
            for i in range(16):
                k = block * 32 + i * 2
                for n in range(width):
                    high = word_of(k, first + n, layer, kind, pairs, heights, indices, data)
                    low = word_of(k + 1, first + n, layer, kind, pairs, heights, indices, data)
                    w[i, n] = (q(high) << q(32)) | q(low)
            if block == n_blocks - 1:
                w[15, :] = bits
            compress_512(state, w)
        for n in range(width):
            for i in range(4):
                out[2 * i, first + n] = u(state[i, n] >> q(32))
                out[2 * i + 1, first + n] = u(state[i, n] & q(0xFFFFFFFF))
