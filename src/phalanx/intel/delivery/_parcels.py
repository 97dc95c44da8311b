"""Cutting what waits into parcels, by count and bytes. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.intel.delivery._contract import Parcel, SinkManifest
from phalanx.intel.delivery._limits import MAX_ITEM_BYTES, MAX_PARCEL_BYTES, MAX_PARCEL_ITEMS
from phalanx.intel.delivery._model import Item


@dataclass(frozen=True, slots=True)
class ParcelBounds:
    """What one parcel may be, and how long an incomplete one waits for more."""

    max_items: int
    max_bytes: int
    linger_s: float

    def within(self, manifest: SinkManifest) -> "ParcelBounds":
        """These bounds, where the peer has no narrower ones."""
        return ParcelBounds(
            min(self.max_items, manifest.max_items, MAX_PARCEL_ITEMS),
            min(self.max_bytes, manifest.max_bytes, MAX_PARCEL_BYTES),
            self.linger_s,
        )

    def hold(self, n_items: int, n_bytes: int) -> bool:
        """Whether so much goes into one parcel; one item always does."""
        return n_items <= 1 or (n_items <= self.max_items and n_bytes <= self.max_bytes)

    @property
    def item_bytes(self) -> int:
        """The longest form that an item may have."""
        return min(self.max_bytes, MAX_ITEM_BYTES)


def parcel_of(items: Sequence[Item], forms: Sequence[bytes], *, sink: str) -> Parcel:
    """A parcel with the key that follows from what is in it, its bytes included."""
    assert len(items) == len(forms) > 0, (len(items), len(forms))
    digest = hashlib.sha256(sink.encode())
    for item, form in zip(items, forms, strict=True):
        digest.update(b"\x1f" + item.id.encode() + b"\x1e" + len(form).to_bytes(8) + form)
    return Parcel(digest.hexdigest()[:40], tuple(items), tuple(forms))
