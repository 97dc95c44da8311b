"""FIPS 205's one-time signatures and their tree in plain Python, for any base: what the kernels must agree with."""

import hashlib
import math

N = 32


def address(layer, kind, pair=0, second=0, third=0):
    """The compressed address of §11.2: 22 bytes; the tree is 0."""
    return bytes([layer]) + bytes(8) + bytes([kind]) + b"".join(part.to_bytes(4) for part in (pair, second, third))


def narrow(seed, where, value):
    """F and PRF of §11.2.2."""
    return hashlib.sha256(seed + bytes(64 - N) + where + value).digest()


def wide(seed, where, values):
    """H and T_l of §11.2.2."""
    return hashlib.sha512(seed + bytes(128 - N) + where + values).digest()[:N]


def digits(digest, log_w):
    """base_2b of §4.4 and the checksum of algorithm 7."""
    w = 1 << log_w
    len_1 = 8 * N // log_w
    len_2 = math.floor(math.log2(len_1 * (w - 1)) / log_w) + 1
    bits = "".join(f"{byte:08b}" for byte in digest)
    message = [int(bits[at : at + log_w], 2) for at in range(0, 8 * N, log_w)]
    checksum = sum(w - 1 - digit for digit in message)
    return message + [(checksum >> (log_w * (len_2 - 1 - at))) & (w - 1) for at in range(len_2)]


def chain(value, start, steps, seed, layer, pair, number):
    """Algorithm 5."""
    for step in range(start, start + steps):
        value = narrow(seed, address(layer, 0, pair, number, step), value)
    return value


def secret(secret_seed, seed, layer, pair, number):
    return narrow(seed, address(layer, 5, pair, number), secret_seed)


def leaf(secret_seed, seed, layer, pair, log_w):
    """Algorithm 6."""
    ends = [
        chain(secret(secret_seed, seed, layer, pair, number), 0, (1 << log_w) - 1, seed, layer, pair, number)
        for number in range(len(digits(bytes(N), log_w)))
    ]
    return wide(seed, address(layer, 1, pair), b"".join(ends))


def node(secret_seed, seed, layer, index, height, log_w):
    """Algorithm 9."""
    if height == 0:
        return leaf(secret_seed, seed, layer, index, log_w)
    left = node(secret_seed, seed, layer, 2 * index, height - 1, log_w)
    right = node(secret_seed, seed, layer, 2 * index + 1, height - 1, log_w)
    return wide(seed, address(layer, 2, 0, height, index), left + right)


def sign(secret_seed, seed, pair, digest, log_w):
    """Algorithm 7."""
    return b"".join(
        chain(secret(secret_seed, seed, 0, pair, number), 0, digit, seed, 0, pair, number)
        for number, digit in enumerate(digits(digest, log_w))
    )
