"""What a quantum computer means for an algorithm. Pure tables, with where each figure is from.

Years: NIST IR 8547 (initial public draft, November 2024), table 2: 112-bit strength is deprecated after 2030
and everything that Shor's algorithm breaks disallowed after 2035. Strengths: NIST SP 800-57 part 1, table 2.
Resources are counts and models of ``phalanx.quantum.resources``, each with its source: no predictions. Ciphers and
digests do not fall to Shor's algorithm, and Grover's takes too long to matter; years of the old ones are of when
their standard was withdrawn: DES FIPS 46-3 (2005), 3DES SP 800-67 (2023), RC4 RFC 7465 (2015), MD5 RFC 6151 (2011),
SHA-1 NIST's notice of December 2022 (2030).
"""

import re
from collections.abc import Callable, Sequence

from phalanx.posture._model import Asset, Judgement, Use
from phalanx.quantum import resources

_NOTICE, _END = 2030, 2035
_RSA_STRENGTH = ((15_360, 256), (7_680, 192), (3_072, 128), (2_048, 112), (1_024, 80), (0, 0))
_CURVE_STRENGTH = {
    "secp192r1": 96, "secp224r1": 112, "secp256r1": 128, "secp256k1": 128, "secp384r1": 192, "secp521r1": 256,
    "brainpoolP256r1": 128, "brainpoolP384r1": 192, "brainpoolP512r1": 256,
}  # fmt: skip
_NAMED_STRENGTH = {"Ed25519": 128, "X25519": 128, "Ed448": 224, "X448": 224}
_PQ_LEVELS = {"44": 2, "65": 3, "87": 5, "512": 1, "768": 3, "1024": 5}
_SAFE = re.compile(r"ML-DSA|ML-KEM|MLKEM|mlkem|sntrup|SLH-DSA|FN-DSA|XMSS|LMS|WOTS")
_LEVEL = re.compile(r"(?:ML-DSA-?|ML-KEM-?|MLKEM|mlkem)(\d+)")
_FIELD = re.compile(r"(\d{3,4})")
# Algorithm: what an ordinary computer does to it, and the year in which its standard ended.
_WEAK = {
    "DES": ("its keys are tried out in hours", 2005),
    "3DES": ("blocks of 64 bits collide in one long session", 2023),
    "RC4": ("its first bytes are biased", 2015),
    "MD5": ("collisions are made in seconds", 2011),
    "SHA-1": ("collisions have been made since 2017", 2030),
}
_INSTEAD = {Use.ENCRYPTION: "AES-256-GCM (FIPS 197, SP 800-38D)", Use.DIGEST: "SHA-256 or SHA3-256 (FIPS 180-4, 202)"}
_FIELD_25519 = 255
_CIPHER_LEVELS = {"128": 1, "192": 3, "256": 5}


def judge(asset: Asset) -> Judgement:
    """What is to be done about an asset, and by when. A hybrid stands as long as one of its parts does."""
    parts = f"{asset.algorithm} {asset.size}"
    if _SAFE.search(parts):
        named = _LEVEL.search(parts)
        level = _PQ_LEVELS.get(named[1] if named else asset.size, 1)
        return Judgement(
            vulnerable=False, strength_bits=0, level=level, deprecated=0, until=0, harvest_now=False,
            replacement="", resources="",
        )  # fmt: skip
    if asset.use in _INSTEAD:
        return _not_public(asset)
    bits = strength_bits(asset)
    # An encrypted key is of the kinds that are in use; what is not known is not safe.
    return Judgement(
        vulnerable=True, strength_bits=bits, level=0, deprecated=_NOTICE if bits <= 112 else 0, until=_END,
        harvest_now=asset.use is not Use.SIGNATURE, replacement=_replacement(asset), resources=_resources(asset),
    )  # fmt: skip


def _not_public(asset: Asset) -> Judgement:
    """A cipher or a digest."""
    weak, ended = _WEAK.get(asset.algorithm, ("", 0))
    level = 0 if weak else _CIPHER_LEVELS.get(asset.size, 1)
    return Judgement(
        vulnerable=False, strength_bits=0, level=level, deprecated=0, until=ended,
        harvest_now=bool(weak) and asset.use is Use.ENCRYPTION, replacement=_INSTEAD[asset.use] if weak else "",
        resources="", weak=weak,
    )  # fmt: skip


def _resources(asset: Asset) -> str:
    """What it takes to break it; of a size that is not told, nothing can be said."""
    if asset.algorithm in ("RSA", "DSA", "DH"):
        bits = int(asset.size) if asset.size.isdigit() else 0
        family: resources.Family = "RSA" if asset.algorithm == "RSA" else "DH"
    else:
        named = _FIELD.search(asset.size) or _FIELD.search(asset.algorithm)
        bits, family = int(named[1]) if named else 0, "EC"
        bits = {"Ed25519": 255, "Ed448": 448, "X448": 448, "X25519": 255}.get(asset.algorithm, bits)
    # 25519 is a field of 255 bits; the published figure for 256 holds for it.
    bits = 256 if family == "EC" and bits == _FIELD_25519 else bits
    return resources.to_break(family, bits).told() if bits else ""


def strength_bits(asset: Asset) -> int:
    """Security against a classical computer; 0 where it is not known."""
    if asset.algorithm in ("RSA", "DSA", "DH"):
        size = int(asset.size) if asset.size.isdigit() else 0
        return next(bits for least, bits in _RSA_STRENGTH if size >= least)
    if asset.algorithm in ("ECDSA", "ECDH"):
        return _CURVE_STRENGTH.get(asset.size, 0)
    return _NAMED_STRENGTH.get(asset.algorithm, 0)


def most_urgent_first(assets: Sequence[Asset], judged: Callable[[Asset], Judgement] = judge) -> list[Asset]:
    """As Mosca's inequality orders them: what can be recorded today and read later, then what ends first, is weakest.

    Signatures must be replaced before the day comes; what was agreed on with a weak key is open from then on,
    however long ago it was.
    """

    def urgency(asset: Asset) -> tuple[bool, bool, int, int, str]:
        one = judged(asset)
        return (
            not (one.vulnerable or one.weak),
            not one.harvest_now,
            one.deprecated or one.until,
            one.strength_bits,
            asset.where,
        )

    return sorted(assets, key=urgency)


def _replacement(asset: Asset) -> str:
    if asset.use is Use.SIGNATURE:
        return "ML-DSA-65 (FIPS 204), beside Ed25519 for a time"
    if asset.use is Use.KEY_ESTABLISHMENT or asset.form == "protocol":
        return "X25519MLKEM768 (FIPS 203 with X25519)"
    return "ML-DSA-65 to sign (FIPS 204), X25519MLKEM768 to agree on keys (FIPS 203)"
