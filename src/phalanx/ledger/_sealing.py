"""Keeps payloads readable for their tenant alone, for as long as the tenant's keys are there."""

from typing import Protocol

from phalanx.core import TenantId
from phalanx.crypto import CryptoError
from phalanx.crypto.vault import KeyExhausted, Shredded
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._limits import MAX_SEALERS

_PURPOSE = "ledger"


class Sealer(Protocol):
    """Seals for one tenant and purpose. ``open`` raises a ``CryptoError`` for what it did not seal."""

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes: ...

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes: ...


class Sealers(Protocol):
    """Where sealers come from: the vault. Raises ``Shredded``."""

    async def sealer(self, tenant: TenantId, purpose: str) -> Sealer: ...


class Unsealed:
    """Payloads stay as they are: for a node that has no keys of its tenants."""

    async def sealer(self, tenant: TenantId, purpose: str) -> Sealer:  # noqa: ARG002 - one for all
        return self

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes:  # noqa: ARG002
        return plaintext

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes:  # noqa: ARG002
        return sealed


class KeptSealers:
    """The ledger's sealers, a bounded number of them kept."""

    def __init__(self, sealers: Sealers) -> None:
        self._sealers = sealers
        self._kept: dict[TenantId, Sealer] = {}

    async def sealed(self, tenant: TenantId, plaintext: bytes, aad: bytes) -> bytes:
        """Raises ``CryptoError`` when the tenant's keys were shredded."""
        sealer = self._kept.get(tenant) or await self.of(tenant)
        try:
            return sealer.seal(plaintext, aad)
        except KeyExhausted:
            # A key is good for so many messages; asking for the sealer again renews it.
            self._kept.pop(tenant, None)
            return (await self.of(tenant)).seal(plaintext, aad)

    async def of(self, tenant: TenantId) -> Sealer:
        """Raises ``CryptoError`` when the tenant's keys were shredded."""
        kept = self._kept.get(tenant)
        if kept is None:
            kept = await self._sealers.sealer(tenant, _PURPOSE)
            if len(self._kept) >= MAX_SEALERS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[tenant] = kept
        return kept

    async def opened(self, index: int, tenant: TenantId, sealed: bytes, aad: bytes) -> bytes | None:
        """What was sealed, or None when its tenant was shredded; raises ``LedgerTampered``."""
        await self.prepare(tenant)
        return self.open_now(index, tenant, sealed, aad)

    async def prepare(self, tenant: TenantId) -> None:
        """Get the tenant's sealer ready for ``open_now``; a shredded tenant has none."""
        try:
            await self.of(tenant)
        except Shredded:
            return

    def open_now(self, index: int, tenant: TenantId, sealed: bytes, aad: bytes) -> bytes | None:
        """As ``opened``, for a tenant that was prepared."""
        sealer = self._kept.get(tenant)
        try:
            return sealer.open(sealed, aad) if sealer else None
        except Shredded:
            return None
        except CryptoError as error:
            raise LedgerTampered("payload", index, error.message) from error
