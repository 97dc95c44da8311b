"""The lines of a chunk sealed for their tenant, in the journal; what says where they came from is not.

In clear stay: batch id, tenant, time, reader, number of lines, size, and the sender's
idempotency key, so that counting, cutting and repeating need no key.
"""

import hashlib

import msgspec

from phalanx.core import TenantId
from phalanx.crypto.vault import Sealer, Vault, WrongKey
from phalanx.intel._model import Chunk

INTAKE_PURPOSE = "intake"


class ChunkSeals:
    """Seals and opens chunks; without a vault, and where ``seals`` is off, chunks stay as they are."""

    def __init__(self, vault: Vault | None = None, *, seals: bool = True) -> None:
        self._vault = vault
        self._seals = seals

    async def sealer(self, tenant: TenantId) -> Sealer | None:
        """What new chunks of a tenant are sealed with; None when they are not. Raises ``Shredded``."""
        if self._vault is None or not self._seals:
            return None
        return await self._vault.sealer(tenant, INTAKE_PURPOSE)

    async def digests(self, tenant: TenantId, data: bytes) -> tuple[str, ...]:
        """Fingerprints of a chunk, to know it again: the one to keep now, then those kept before.

        A plain hash would let a reader of the journal try out what a short chunk says.
        """
        plain = hashlib.sha256(data).hexdigest()
        if self._vault is None:
            return (plain,)
        if self._seals:
            return (await self._vault.blinder(tenant)).digest(data), plain
        known = await self._vault.known_blinder(tenant)
        return (plain,) if known is None else (plain, known.digest(data))

    async def open(self, chunk: Chunk) -> Chunk:
        """The chunk with its lines readable. Raises ``CryptoError``: ``Shredded``, ``WrongKey``, ``NotAuthentic``."""
        if not chunk.sealed:
            return chunk
        if self._vault is None:
            raise WrongKey("a sealed chunk", "there is no vault here")
        opener = await self._vault.opener(chunk.tenant, INTAKE_PURPOSE)
        return msgspec.structs.replace(chunk, data=opener.open(chunk.data, binding_of(chunk)), sealed=False)

    async def require(self, tenant: TenantId) -> None:
        """Raise what ``open`` would raise for the want of a key: ``Shredded``."""
        if self._vault is not None and self._vault.is_shredded(tenant):
            await self._vault.opener(tenant, INTAKE_PURPOSE)


def sealed_with(chunk: Chunk, sealer: Sealer | None) -> Chunk:
    """The chunk as it goes into the journal."""
    if sealer is None:
        return chunk
    return msgspec.structs.replace(chunk, data=sealer.seal(chunk.data, binding_of(chunk)), sealed=True)


def binding_of(chunk: Chunk) -> bytes:
    """What sealed lines hold to: their batch, and how they are to be read."""
    return f"{chunk.id}\x1f{chunk.at_ns}\x1f{chunk.reader}\x1f{chunk.events}".encode()
