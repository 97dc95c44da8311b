"""Sealers with their keys in memory, for ledgers in tests: the vault's behaviour without a vault."""

from phalanx.core import EntropySource, TenantId
from phalanx.crypto import AES_256_GCM, KEY_BYTES, NONCE_BYTES, Aead
from phalanx.crypto.vault import Shredded


class MemorySealers:
    """Gives each tenant a key; ``shred`` forgets it for good."""

    def __init__(self, entropy: EntropySource) -> None:
        self._entropy = entropy
        self._ciphers: dict[tuple[str, str], Aead] = {}
        self._shredded: set[str] = set()

    async def sealer(self, tenant: TenantId, purpose: str) -> "MemorySealer":
        self.require(tenant)
        if (tenant, purpose) not in self._ciphers:
            self._ciphers[tenant, purpose] = Aead(AES_256_GCM, self._entropy.token(KEY_BYTES))
        return MemorySealer(self, tenant, purpose)

    def shred(self, tenant: TenantId) -> None:
        self._shredded.add(tenant)
        self._ciphers = {name: cipher for name, cipher in self._ciphers.items() if name[0] != tenant}

    def require(self, tenant: str) -> None:
        """Raises ``Shredded``."""
        if tenant in self._shredded:
            raise Shredded(tenant)

    def cipher(self, tenant: str, purpose: str) -> Aead:
        self.require(tenant)
        return self._ciphers[tenant, purpose]

    def nonce(self) -> bytes:
        return self._entropy.token(NONCE_BYTES)


class MemorySealer:
    """Made by ``MemorySealers.sealer``."""

    def __init__(self, sealers: MemorySealers, tenant: str, purpose: str) -> None:
        self._sealers = sealers
        self._name = tenant, purpose

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes:
        nonce = self._sealers.nonce()
        return nonce + self._sealers.cipher(*self._name).seal(nonce, plaintext, aad)

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes:
        return self._sealers.cipher(*self._name).open(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
