"""Keys of certificates in events, held against each other as they come: which of them are broken.

Suricata logs certificates under ``tls.certificate``, Zeek under ``cert`` (its script ``log-certs-base64``). Each RSA
modulus is remembered once, the latest ones up to a bound in bytes; a new one is divided into the product of all of them
(the greatest common divisor shows a shared factor) and asked for small and close factors.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec

from phalanx.core import MAX_NAME_CHARS, EventBatch, InvalidInput, Severity, TenantId
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel.signs._keys import certificate_key, weaknesses
from phalanx.intel.signs._limits import MAX_CERTIFICATE_CHARS, MAX_SEEN_KEY_BYTES
from phalanx.intel.signs._model import Certainty, SeenKey

_CERTIFICATE_FIELDS: Final = ("tls.certificate", "cert")
_PLACE_FIELDS: Final = ("tls.sni", "dest_ip", "id.resp_h", "host", "certificate.subject")

BROKEN_KEY: Final = Pattern(
    name="broken-key-seen",
    title="A certificate in use has a key that anybody can break",
    severity=Severity.HIGH,
    description="A factor of its modulus is known: whoever has it reads and signs what the key protects. The factor is "
    "the proof; it takes no quantum computer.",
    confidence=0.99,
    techniques=("T1552.004", "T1600"),
)


class SeenKeysDetector:
    """Remembers the RSA keys of a tenant's certificates, and tells of those that are broken."""

    def __init__(self) -> None:
        self._seen: dict[TenantId, OrderedDict[int, str]] = {}
        self._products: dict[TenantId, int] = {}
        self._changed: set[TenantId] = set()

    @property
    def name(self) -> str:
        return "keys of certificates"

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        column = next((batch.columns[name] for name in _CERTIFICATE_FIELDS if name in batch.columns), None)
        if column is None:
            return ()
        hits = []
        for place, text in enumerate(column):
            if not isinstance(text, str) or not 0 < len(text) <= MAX_CERTIFICATE_CHARS:
                continue
            where = _where(batch, place)
            try:
                key = certificate_key(text, where)
            except InvalidInput:
                continue
            if key.modulus and (told := self._look_at(batch.tenant, key)):
                hits.append(Hit(BROKEN_KEY, batch, (place,), subject=where, told=told))
        return hits

    def state(self, tenant: TenantId) -> bytes | None:
        """The moduli with where each was seen, the latest last; None when nothing changed."""
        if tenant not in self._changed:
            return None
        self._changed.discard(tenant)
        seen = self._seen.setdefault(tenant, OrderedDict())
        return msgspec.msgpack.encode([[_bytes(modulus), where] for modulus, where in seen.items()])

    def restore(self, tenant: TenantId, state: bytes | None) -> None:
        """Remember these keys and no others."""
        self._changed.discard(tenant)
        rows = [] if state is None else msgspec.msgpack.decode(state, type=list[tuple[bytes, str]])
        self._seen[tenant] = OrderedDict((int.from_bytes(modulus), where) for modulus, where in rows)
        self._products[tenant] = math.prod(self._seen[tenant])

    def _look_at(self, tenant: TenantId, key: SeenKey) -> str:
        """What is proven of a key that was not seen before; nothing for one that was."""
        seen = self._seen.setdefault(tenant, OrderedDict())
        if key.modulus in seen:
            return ""
        product = self._products.get(tenant, 1)
        told = [sign.told for sign in weaknesses([key]) if sign.certainty is Certainty.PROVEN]
        if math.gcd(key.modulus, product % key.modulus) > 1:
            others = [where for modulus, where in seen.items() if math.gcd(modulus, key.modulus) > 1]
            told.append(f"it shares a factor with the key of {others[0]}: both are broken")
        seen[key.modulus] = key.where
        self._products[tenant] = product * key.modulus
        self._changed.add(tenant)
        size = sum(len(_bytes(modulus)) + len(where) for modulus, where in seen.items())
        while size > MAX_SEEN_KEY_BYTES:
            modulus, where = seen.popitem(last=False)
            size -= len(_bytes(modulus)) + len(where)
            self._products[tenant] //= modulus
        return "; ".join(told)


def _where(batch: EventBatch, place: int) -> str:
    for name in _PLACE_FIELDS:
        if name in batch.columns and (value := batch.columns[name][place]):
            return str(value)[:MAX_NAME_CHARS]
    return "unknown"


def _bytes(modulus: int) -> bytes:
    return modulus.to_bytes((modulus.bit_length() + 7) // 8)
