"""A sign with its proof, as it is told to a node, and the check of it. Pure.

The node believes nobody: a factor must divide its modulus, and the answer of a canary key must verify.
"""

import hashlib

import msgspec

from phalanx.core import InvalidInput, Value
from phalanx.intel.signs._canaries import CLASSICAL_BITS, CanaryKey, verify_answer
from phalanx.intel.signs._limits import MAX_MODULUS_BITS

CANARY_ANSWERED = "canary-answered"
FACTOR_SIGNS = ("close-factors", "shared-factor", "small-factor")


class SignTold(msgspec.Struct, frozen=True, kw_only=True):
    """``modulus``, ``proof`` (a factor, or the signature under a canary's challenge) are hexadecimal; ``of`` is whose
    canary key it is.
    """

    sign: str
    modulus: str
    proof: str
    exponent: int = 65_537
    where: str = ""
    of: str = ""


def proven_fields(told: SignTold) -> dict[str, Value]:
    """What an event says of a sign whose proof holds. Raises ``InvalidInput`` for any other."""
    modulus, exponent = _number("modulus", told.modulus), told.exponent
    bits = modulus.bit_length()
    if not 512 <= bits <= MAX_MODULUS_BITS:
        raise InvalidInput("modulus", f"{bits} bits; 512 to {MAX_MODULUS_BITS} are looked at")
    if told.sign == CANARY_ANSWERED:
        key = CanaryKey(bits, modulus, exponent)
        _verified(key, told)
        where, name = f"canary keys of {told.of}", key.name
    elif told.sign in FACTOR_SIGNS:
        factor = _number("proof", told.proof)
        if not 1 < factor < modulus or modulus % factor:
            raise InvalidInput("proof", "it does not divide the modulus")
        where, name = told.where or "not told", f"rsa-{bits}"
    else:
        raise InvalidInput("sign", f"{told.sign!r} has no proof", hint=", ".join((CANARY_ANSWERED, *FACTOR_SIGNS)))
    return {
        "sign": told.sign, "certainty": "proven", "key": name, "bits": bits, "where": where,
        "fingerprint": hashlib.sha256(f"rsa {modulus:x} {exponent:x}".encode()).hexdigest(),
        "proof": told.proof.lower(), "beyond_published": told.sign == CANARY_ANSWERED and bits > CLASSICAL_BITS,
    }  # fmt: skip


def _verified(key: CanaryKey, told: SignTold) -> None:
    try:
        signature = bytes.fromhex(told.proof)
    except ValueError as error:
        raise InvalidInput("proof", "it is not hexadecimal") from error
    try:
        verify_answer(key, told.of, signature)
    except ValueError as error:
        raise InvalidInput("modulus", f"it is no RSA key: {error}") from error


def _number(field: str, text: str) -> int:
    if not text or len(text) > MAX_MODULUS_BITS // 4:
        raise InvalidInput(field, f"1 to {MAX_MODULUS_BITS // 4} hexadecimal digits")
    try:
        return int(text, 16)
    except ValueError as error:
        raise InvalidInput(field, "it is not hexadecimal") from error
