"""Shamir's sharing (1979) of one 256-bit secret: k of n shares give it back, k - 1 tell nothing.

The secret is f(0) of a uniform polynomial f below degree k over ``GF256``; share i is f(i).
That k - 1 shares tell nothing holds against any computer. It says nothing of a share that
lies: ``recover`` corrects those by decoding, ``_verifiable`` refutes them one by one.

A share names its scheme, set, epoch, threshold and index, and ends in a checksum. The checksum
finds damage and typing errors; it is no defence against whoever made the share up.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from phalanx.core import EntropySource, InvalidInput
from phalanx.crypto.sharing._decoding import decode
from phalanx.crypto.sharing._errors import InvalidShare, NotEnoughShares, Undecodable
from phalanx.crypto.sharing._field import GF256
from phalanx.crypto.sharing._limits import CHECKSUM_BYTES, MAX_SHARE_BYTES, MAX_SHARES, SECRET_BYTES, SET_ID_BYTES

SHAMIR = f"shamir/{GF256.name}"


class _Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    scheme: str
    set_id: str
    epoch: int
    threshold: int
    index: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Share:
    """One custodian's part of a secret. Its representation shows nothing secret."""

    set_id: str
    epoch: int
    threshold: int
    index: int
    value: bytes = field(repr=False)
    scheme: str = SHAMIR

    def to_bytes(self) -> bytes:
        body = msgspec.msgpack.encode(
            _Wire(self.scheme, self.set_id, self.epoch, self.threshold, self.index, self.value)
        )
        return body + _checksum(body)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Share":
        """Raises ``InvalidShare`` unless ``data`` is exactly what ``to_bytes`` wrote."""
        body, check = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
        if len(data) > MAX_SHARE_BYTES or _checksum(body) != check:
            raise InvalidShare(0, "its checksum does not fit", hint="copy it again, whole and unchanged")
        try:
            wire = msgspec.msgpack.decode(body, type=_Wire)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidShare(0, str(error)) from error
        share = cls(wire.set_id, wire.epoch, wire.threshold, wire.index, wire.value, wire.scheme)
        share.element()
        return share

    def element(self) -> int:
        """The value as a field element, once everything about the share is in bounds."""
        if self.scheme != SHAMIR:
            raise InvalidShare(self.index, f"its scheme is {self.scheme!r}, not {SHAMIR!r}")
        if not (1 <= self.index <= MAX_SHARES and 1 <= self.threshold <= MAX_SHARES and self.epoch >= 0):
            raise InvalidShare(max(self.index, 0), "its index, threshold or epoch is out of bounds")
        try:
            return GF256.from_bytes(self.value)
        except ValueError as error:
            raise InvalidShare(self.index, str(error)) from error


@dataclass(frozen=True, slots=True)
class Recovered:
    """A secret, and the indexes of the shares that were wrong (their holders lied or their copies rotted)."""

    secret: bytes = field(repr=False)
    wrong: tuple[int, ...] = ()


def split(secret: bytes, *, threshold: int, n_shares: int, entropy: EntropySource, epoch: int = 0) -> list[Share]:
    """Share a 32-byte ``secret`` so that any ``threshold`` of ``n_shares`` give it back."""
    require_committee(threshold, n_shares)
    if len(secret) != SECRET_BYTES:
        raise InvalidInput(
            "secret", f"has {len(secret)} bytes, not {SECRET_BYTES}", hint="seal_and_split takes any length"
        )
    set_id = entropy.token(SET_ID_BYTES).hex()
    polynomial = GF256.draw_polynomial(int.from_bytes(secret), threshold, entropy)
    return [
        Share(set_id, epoch, threshold, index, GF256.to_bytes(GF256.evaluate(polynomial, index)))
        for index in range(1, n_shares + 1)
    ]


def recover(shares: Iterable[Share]) -> Recovered:
    """The secret behind ``shares``, with wrong ones corrected and named.

    m shares correct (m - threshold) / 2 wrong ones; see ``_decoding`` for what holds beyond.
    Raises ``InvalidShare`` when they are not of one set, ``NotEnoughShares`` and ``Undecodable``.
    """
    given = _of_one_set(list(shares))
    values: dict[int, int] = {}
    twofold: set[int] = set()
    for share in given:
        if values.setdefault(share.index, share.element()) != share.element():
            twofold.add(share.index)
    # Whoever shows two values for one index lies with at least one of them; neither counts.
    sound = {index: value for index, value in values.items() if index not in twofold}
    threshold = given[0].threshold
    polynomial, wrong = decode(GF256, sound, threshold)
    constant = polynomial[0] if polynomial else 0
    if constant >> (8 * SECRET_BYTES):
        raise Undecodable(given=len(sound), needed=threshold, correctable=(len(sound) - threshold) // 2)
    return Recovered(constant.to_bytes(SECRET_BYTES), tuple(sorted({*wrong, *twofold})))


def require_committee(threshold: int, n_shares: int) -> None:
    """Raises ``InvalidInput`` unless 1 ≤ threshold ≤ n ≤ ``MAX_SHARES``."""
    if not 1 <= n_shares <= MAX_SHARES:
        raise InvalidInput("n_shares", f"{n_shares} is not between 1 and {MAX_SHARES}")
    if not 1 <= threshold <= n_shares:
        raise InvalidInput("threshold", f"{threshold} is not between 1 and the number of shares, {n_shares}")


def _of_one_set(shares: Sequence[Share]) -> Sequence[Share]:
    if not shares:
        raise NotEnoughShares(needed=1, seen=0)
    first = shares[0]
    for share in shares:
        share.element()
        for what in ("scheme", "set_id", "epoch", "threshold"):
            mine, theirs = getattr(share, what), getattr(first, what)
            if mine != theirs:
                raise InvalidShare(
                    share.index,
                    f"its {what.replace('_id', '')} is {mine}, that of share {first.index} is {theirs}",
                    hint="shares of different sets or epochs do not mix",
                )
    return shares


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(b"phalanx share v1\x00" + body).digest()[:CHECKSUM_BYTES]
