"""Sealers with their keys in memory, for ledgers in tests: the vault's behaviour without a vault."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from phalanx.core import EntropySource, TenantId
from phalanx.crypto import CryptoError

_KEY_BYTES = 32
_NONCE_BYTES = 12


class NotSealedHere(CryptoError):
    """Sealed bytes were changed, or belong to another tenant or use."""

    code = "not-authentic"


class KeysGone(CryptoError):
    """The tenant was shredded. Attribute: ``tenant``."""

    code = "shredded"
    tenant: str

    def __init__(self, tenant: str) -> None:
        super().__init__(f"the keys of tenant {tenant!r} were shredded", tenant=tenant)


class MemorySealers:
    """Gives each tenant a key; ``shred`` forgets it for good."""

    def __init__(self, entropy: EntropySource) -> None:
        self._entropy = entropy
        self._keys: dict[tuple[str, str], bytes] = {}
        self._shredded: set[str] = set()

    async def sealer(self, tenant: TenantId, purpose: str) -> "MemorySealer":
        self.require(tenant)
        self._keys.setdefault((tenant, purpose), self._entropy.token(_KEY_BYTES))
        return MemorySealer(self, tenant, purpose)

    def shred(self, tenant: TenantId) -> None:
        self._shredded.add(tenant)
        self._keys = {name: key for name, key in self._keys.items() if name[0] != tenant}

    def require(self, tenant: str) -> None:
        """Raises ``KeysGone``."""
        if tenant in self._shredded:
            raise KeysGone(tenant)

    def cipher(self, tenant: str, purpose: str) -> ChaCha20Poly1305:
        self.require(tenant)
        return ChaCha20Poly1305(self._keys[tenant, purpose])

    def nonce(self) -> bytes:
        return self._entropy.token(_NONCE_BYTES)


class MemorySealer:
    """Made by ``MemorySealers.sealer``."""

    def __init__(self, sealers: MemorySealers, tenant: str, purpose: str) -> None:
        self._sealers = sealers
        self._name = tenant, purpose

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes:
        nonce = self._sealers.nonce()
        return nonce + self._sealers.cipher(*self._name).encrypt(nonce, plaintext, aad)

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes:
        cipher = self._sealers.cipher(*self._name)
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], aad)
        except (InvalidTag, ValueError) as error:
            raise NotSealedHere("sealed bytes were changed, or are not this sealer's") from error
